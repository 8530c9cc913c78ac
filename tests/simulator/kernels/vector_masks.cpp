// y = 2 x, then + x in the lanes of a mask that is set in one way or another and may be destroyed.
#include "kernel_operator.h"

using namespace AscendC;

extern "C" __global__ __aicore__ void vector_masks(GM_ADDR in, GM_ADDR out, uint32_t script) {
  GlobalTensor<float> gm_in, gm_out;
  gm_in.SetGlobalBuffer((__gm__ float*)in);
  gm_out.SetGlobalBuffer((__gm__ float*)out);
  LocalTensor<float> x(TPosition::VECCALC, 0, 256), y(TPosition::VECCALC, 1024, 256);
  const BinaryRepeatParams p;
  DataCopy(x, gm_in, 256);
  SetFlag<HardEvent::MTE2_V>(0);
  WaitFlag<HardEvent::MTE2_V>(0);
  const auto count_form = [&] { Add(y, x, x, 256); };
  const auto mask_form = [&] { Add(y, x, x, 64, 4, p); };
  const auto partial_form = [&] { Add(y, x, x, 32, 4, p); };
  const auto finish = [&](uint8_t repeats) {
    PipeBarrier<PIPE_V>();
    Add<float, false>(y, y, x, MASK_PLACEHOLDER, repeats, p);
  };
  switch (script) {
    case 0:
      mask_form();
      SetVectorMask<float>(16);
      finish(1);
      break;
    case 1:
      SetVectorMask<float>(16);
      count_form();
      finish(1);
      break;
    case 2:
      SetVectorMask<float>(16);
      mask_form();
      finish(1);
      break;
    case 3:
      SetVectorMask<float>(~uint64_t{0}, ~uint64_t{0});
      count_form();
      finish(1);
      break;
    case 4:
      partial_form();
      finish(1);
      break;
    case 5:
      SetVectorMask<float>(32);
      count_form();
      SetVectorMask<float>(16);
      finish(1);
      break;
    case 6:
      SetMaskCount();
      SetVectorMask<float, MaskMode::COUNTER>(100);
      count_form();
      finish(1);
      break;
    case 7:
      count_form();
      SetMaskCount();
      SetVectorMask<float, MaskMode::COUNTER>(100);
      finish(1);
      break;
    default:
      count_form();
      PipeBarrier<PIPE_V>();
      SetVectorMask<float>(16);
      Adds<float, false>(x, x, 0.0f, 1);
      PipeBarrier<PIPE_V>();
      Add<float, false>(y, y, x, MASK_PLACEHOLDER, 1, p);
      break;
  }
  SetMaskNorm();
  ResetMask();
  SetFlag<HardEvent::V_MTE3>(0);
  WaitFlag<HardEvent::V_MTE3>(0);
  DataCopy(gm_out, y, 256);
}

ASC_KERNEL(vector_masks, ascsim::KernelKind::kVector);
