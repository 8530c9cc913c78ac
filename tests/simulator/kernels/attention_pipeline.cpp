// Attention of one head, 128 query rows per core: the cube and the vector units hand tiles to each
// other through GM. Keys come in tiles of 128; head dim 128; fp16; online softmax.
//
//   AIC: QK(0), then per tile i: QK(i+1), wait P(i), PV(i)
//   AIV: per tile i: wait QK(i), softmax -> P(i); wait PV(i-1), O = O * alpha + PV(i-1)
//
// Two slots of scores, probabilities and partial outputs are enough: the flags that hand a tile
// over also say that its slot of two tiles ago has been read.
#include "kernel_operator.h"

using namespace AscendC;

namespace {

constexpr uint32_t kTile = 128;  // query rows, keys of a tile, head dim
constexpr uint32_t kElements = kTile * kTile;
constexpr uint32_t kFractals = kTile / 16;  // along one side of a tile
constexpr uint32_t kRows = kTile / 2;       // of one AIV
constexpr uint32_t kHalf = kRows * kTile;

enum Flag : uint16_t { kScoresDone, kProbsDone, kPartialDone };
// Event ids. AIC, MTE2 and MTE1: two slots each of keys, values and probabilities. AIV: two slots
// of scores (and probabilities), one of partial outputs.
enum Slots : int { kKeySlot = 0, kValueSlot = 2, kProbSlot = 4, kQuerySlot = 6 };
enum : int { kPartialSlot = 2 };

struct Workspace {  // of one core, in GM
  GlobalTensor<float> scores, partial;
  GlobalTensor<half> probs;

  __aicore__ Workspace(GM_ADDR base, uint32_t core) {
    constexpr uint32_t kBytes = 2 * kElements * (4 + 4 + 2);
    GM_ADDR own = base + core * kBytes;
    scores.SetGlobalBuffer((__gm__ float*)own);
    partial.SetGlobalBuffer((__gm__ float*)(own + 2 * kElements * 4));
    probs.SetGlobalBuffer((__gm__ half*)(own + 2 * kElements * 8));
  }
};

class Cube {
 public:
  __aicore__ Cube(GM_ADDR q, GM_ADDR k, GM_ADDR v, const Workspace& workspace, uint32_t core)
      : workspace_(workspace) {
    gm_q_.SetGlobalBuffer((__gm__ half*)q + core * kElements);
    gm_k_.SetGlobalBuffer((__gm__ half*)k);
    gm_v_.SetGlobalBuffer((__gm__ half*)v);
    constexpr uint32_t kBytes = kElements * sizeof(half);
    for (uint32_t slot = 0; slot < 2; ++slot) {
      l1_k_[slot] = LocalTensor<half>(TPosition::A1, slot * kBytes, kElements);
      l1_v_[slot] = LocalTensor<half>(TPosition::A1, (2 + slot) * kBytes, kElements);
      l1_p_[slot] = LocalTensor<half>(TPosition::A1, (4 + slot) * kBytes, kElements);
      l0a_[slot] = LocalTensor<half>(TPosition::A2, slot * kBytes, kElements);
      l0b_[slot] = LocalTensor<half>(TPosition::B2, slot * kBytes, kElements);
      l0c_[slot] = LocalTensor<float>(TPosition::CO1, slot * kElements * 4, kElements);
    }
    l1_q_ = LocalTensor<half>(TPosition::A1, 6 * kBytes, kElements);
  }

  __aicore__ void run(uint32_t tiles) {
    for (int slot = 0; slot < 2; ++slot) {
      SetFlag<HardEvent::MTE1_MTE2>(kKeySlot + slot);
      SetFlag<HardEvent::MTE1_MTE2>(kValueSlot + slot);
      SetFlag<HardEvent::MTE1_MTE2>(kProbSlot + slot);
      SetFlag<HardEvent::M_MTE1>(slot);
      SetFlag<HardEvent::FIX_M>(slot);
    }
    load(l1_q_, gm_q_);
    SetFlag<HardEvent::MTE2_MTE1>(kQuerySlot);
    WaitFlag<HardEvent::MTE2_MTE1>(kQuerySlot);
    scores(0);
    for (uint32_t tile = 0; tile < tiles; ++tile) {
      if (tile + 1 < tiles) scores(tile + 1);
      CrossCoreWaitFlag(kProbsDone);
      output(tile);
    }
    for (int slot = 0; slot < 2; ++slot) {
      WaitFlag<HardEvent::MTE1_MTE2>(kKeySlot + slot);
      WaitFlag<HardEvent::MTE1_MTE2>(kValueSlot + slot);
      WaitFlag<HardEvent::MTE1_MTE2>(kProbSlot + slot);
      WaitFlag<HardEvent::M_MTE1>(slot);
      WaitFlag<HardEvent::FIX_M>(slot);
    }
    PipeBarrier<PIPE_ALL>();
  }

 private:
  // S = Q K^T of one tile, to GM.
  __aicore__ void scores(uint32_t tile) {
    const uint32_t slot = tile % 2;
    WaitFlag<HardEvent::MTE1_MTE2>(kKeySlot + slot);
    load(l1_k_[slot], gm_k_[tile * kElements]);
    SetFlag<HardEvent::MTE2_MTE1>(kKeySlot + slot);

    WaitFlag<HardEvent::M_MTE1>(l0_);
    to_l0a(l0a_[l0_], l1_q_);
    WaitFlag<HardEvent::MTE2_MTE1>(kKeySlot + slot);
    // K by rows is B by columns: its fractals lie in L1 as L0B wants them.
    LoadData(l0b_[l0_], l1_k_[slot], LoadData2DParams(0, kFractals * kFractals, 1, 0, 0, false, 0));
    SetFlag<HardEvent::MTE1_MTE2>(kKeySlot + slot);
    multiply();
    store(workspace_.scores[slot * kElements]);
    CrossCoreSetFlag<2, PIPE_FIX>(kScoresDone);
  }

  // P V of one tile, to GM.
  __aicore__ void output(uint32_t tile) {
    const uint32_t slot = tile % 2;
    WaitFlag<HardEvent::MTE1_MTE2>(kValueSlot + slot);
    load(l1_v_[slot], gm_v_[tile * kElements]);
    SetFlag<HardEvent::MTE2_MTE1>(kValueSlot + slot);
    WaitFlag<HardEvent::MTE1_MTE2>(kProbSlot + slot);
    load(l1_p_[slot], workspace_.probs[slot * kElements]);
    SetFlag<HardEvent::MTE2_MTE1>(kProbSlot + slot);

    WaitFlag<HardEvent::M_MTE1>(l0_);
    WaitFlag<HardEvent::MTE2_MTE1>(kProbSlot + slot);
    to_l0a(l0a_[l0_], l1_p_[slot]);
    SetFlag<HardEvent::MTE1_MTE2>(kProbSlot + slot);
    WaitFlag<HardEvent::MTE2_MTE1>(kValueSlot + slot);
    for (uint32_t band = 0; band < kFractals; ++band) {
      LoadData(l0b_[l0_][band * kTile * 16], l1_v_[slot],
               LoadData2DParams(band, kFractals, kFractals, 0, 0, true, 0));
    }
    SetFlag<HardEvent::MTE1_MTE2>(kValueSlot + slot);
    multiply();
    store(workspace_.partial[slot * kElements]);
    CrossCoreSetFlag<2, PIPE_FIX>(kPartialDone);
  }

  __aicore__ void load(const LocalTensor<half>& to, const GlobalTensor<half>& from) {
    DataCopy(to, from, Nd2NzParams(1, kTile, kTile, 0, kTile, kTile, 1, 0));
  }

  // zN in L1 to zZ in L0A: a band of 16 rows at a time.
  __aicore__ void to_l0a(const LocalTensor<half>& to, const LocalTensor<half>& from) {
    for (uint32_t band = 0; band < kFractals; ++band) {
      LoadData(to[band * kTile * 16], from,
               LoadData2DParams(band, kFractals, kFractals, 0, 0, false, 0));
    }
  }

  __aicore__ void multiply() {
    SetFlag<HardEvent::MTE1_M>(l0_);
    WaitFlag<HardEvent::MTE1_M>(l0_);
    WaitFlag<HardEvent::FIX_M>(l0_);
    Mmad(l0c_[l0_], l0a_[l0_], l0b_[l0_], MmadParams(kTile, kTile, kTile, 0, false, true));
    SetFlag<HardEvent::M_MTE1>(l0_);
    SetFlag<HardEvent::M_FIX>(l0_);
  }

  __aicore__ void store(const GlobalTensor<float>& to) {
    WaitFlag<HardEvent::M_FIX>(l0_);
    Fixpipe<float, float, CFG_ROW_MAJOR>(to, l0c_[l0_],
                                         FixpipeParamsV220(kTile, kTile, kTile, kTile, false));
    SetFlag<HardEvent::FIX_M>(l0_);
    l0_ = 1 - l0_;
  }

  Workspace workspace_;
  GlobalTensor<half> gm_q_, gm_k_, gm_v_;
  LocalTensor<half> l1_q_, l1_k_[2], l1_v_[2], l1_p_[2], l0a_[2], l0b_[2];
  LocalTensor<float> l0c_[2];
  int l0_ = 0;
};

class Softmax {
 public:
  __aicore__ Softmax(GM_ADDR out, const Workspace& workspace, uint32_t core, uint32_t half_of_core)
      : workspace_(workspace), first_(half_of_core * kHalf) {
    gm_out_.SetGlobalBuffer((__gm__ half*)out + core * kElements + first_);
    uint32_t at = 0;
    const auto place = [&](LocalTensor<float>& buffer, uint32_t elements) {
      buffer = LocalTensor<float>(TPosition::VECCALC, at, elements);
      at += elements * sizeof(float);
    };
    place(scores_[0], kHalf);
    place(scores_[1], kHalf);
    place(out_, kHalf);
    place(partial_, kHalf);
    place(folded_, kRows * 64);
    for (LocalTensor<float>* row : {&max_, &new_max_, &sum_, &row_, &alpha_[0], &alpha_[1]}) {
      place(*row, kRows);
    }
    place(spread_, kRows * 8);
    for (LocalTensor<half>& probs : probs_) {
      probs = LocalTensor<half>(TPosition::VECCALC, at, kHalf);
      at += kHalf * sizeof(half);
    }
  }

  __aicore__ void run(uint32_t tiles, float scale) {
    for (int slot = 0; slot < 2; ++slot) {
      SetFlag<HardEvent::V_MTE2>(slot);
      SetFlag<HardEvent::MTE3_V>(slot);
    }
    SetFlag<HardEvent::V_MTE2>(kPartialSlot);
    Duplicate(max_, -3.0e38f, kRows);
    Duplicate(sum_, 0.0f, kRows);
    Duplicate(out_, 0.0f, kHalf);
    for (uint32_t tile = 0; tile < tiles; ++tile) {
      softmax(tile, scale);
      if (tile > 0) rescale(tile - 1);
    }
    rescale(tiles - 1);
    finish();
    for (int slot = 0; slot < 2; ++slot) {
      WaitFlag<HardEvent::V_MTE2>(slot);
      WaitFlag<HardEvent::MTE3_V>(slot);
    }
    WaitFlag<HardEvent::V_MTE2>(kPartialSlot);
    PipeBarrier<PIPE_ALL>();
  }

 private:
  __aicore__ void softmax(uint32_t tile, float scale) {
    const uint32_t slot = tile % 2;
    const LocalTensor<float>& s = scores_[slot];
    CrossCoreWaitFlag(kScoresDone);
    WaitFlag<HardEvent::V_MTE2>(slot);
    DataCopy(s, workspace_.scores[slot * kElements + first_], kHalf);
    SetFlag<HardEvent::MTE2_V>(slot);
    WaitFlag<HardEvent::MTE2_V>(slot);

    Muls(s, s, scale, kHalf);
    PipeBarrier<PIPE_V>();
    Max(folded_, s, s[64], 64, kRows, BinaryRepeatParams(1, 1, 1, 8, 16, 16));
    PipeBarrier<PIPE_V>();
    WholeReduceMax(row_, folded_, 64, kRows, 1, 1, 8, ReduceOrder::ORDER_ONLY_VALUE);
    PipeBarrier<PIPE_V>();
    Max(new_max_, max_, row_, kRows);
    PipeBarrier<PIPE_V>();
    Sub(alpha_[slot], max_, new_max_, kRows);
    Brcb(spread_, new_max_, kRows / 8, BrcbRepeatParams(1, 8));
    PipeBarrier<PIPE_V>();
    Exp(alpha_[slot], alpha_[slot], kRows);
    Adds(max_, new_max_, 0.0f, kRows);
    for (uint32_t column = 0; column < kTile; column += 64) {
      Sub(s[column], s[column], spread_, 64, kRows, BinaryRepeatParams(1, 1, 0, 16, 16, 1));
    }
    PipeBarrier<PIPE_V>();
    Exp(s, s, kHalf);
    PipeBarrier<PIPE_V>();
    Add(folded_, s, s[64], 64, kRows, BinaryRepeatParams(1, 1, 1, 8, 16, 16));
    Mul(sum_, sum_, alpha_[slot], kRows);
    PipeBarrier<PIPE_V>();
    WholeReduceSum(row_, folded_, 64, kRows, 1, 1, 8);
    WaitFlag<HardEvent::MTE3_V>(slot);
    Cast(probs_[slot], s, RoundMode::CAST_RINT, kHalf);
    SetFlag<HardEvent::V_MTE3>(slot);
    SetFlag<HardEvent::V_MTE2>(slot);
    PipeBarrier<PIPE_V>();
    Add(sum_, sum_, row_, kRows);

    WaitFlag<HardEvent::V_MTE3>(slot);
    DataCopy(workspace_.probs[slot * kElements + first_], probs_[slot], kHalf);
    SetFlag<HardEvent::MTE3_V>(slot);
    CrossCoreSetFlag<2, PIPE_MTE3>(kProbsDone);
  }

  __aicore__ void rescale(uint32_t tile) {
    const uint32_t slot = tile % 2;
    CrossCoreWaitFlag(kPartialDone);
    WaitFlag<HardEvent::V_MTE2>(kPartialSlot);
    DataCopy(partial_, workspace_.partial[slot * kElements + first_], kHalf);
    SetFlag<HardEvent::MTE2_V>(kPartialSlot);
    Brcb(spread_, alpha_[slot], kRows / 8, BrcbRepeatParams(1, 8));
    PipeBarrier<PIPE_V>();
    for (uint32_t column = 0; column < kTile; column += 64) {
      Mul(out_[column], out_[column], spread_, 64, kRows, BinaryRepeatParams(1, 1, 0, 16, 16, 1));
    }
    WaitFlag<HardEvent::MTE2_V>(kPartialSlot);
    PipeBarrier<PIPE_V>();
    Add(out_, out_, partial_, kHalf);
    SetFlag<HardEvent::V_MTE2>(kPartialSlot);
  }

  __aicore__ void finish() {
    Brcb(spread_, sum_, kRows / 8, BrcbRepeatParams(1, 8));
    PipeBarrier<PIPE_V>();
    for (uint32_t column = 0; column < kTile; column += 64) {
      Div(out_[column], out_[column], spread_, 64, kRows, BinaryRepeatParams(1, 1, 0, 16, 16, 1));
    }
    PipeBarrier<PIPE_V>();
    WaitFlag<HardEvent::MTE3_V>(0);
    Cast(probs_[0], out_, RoundMode::CAST_RINT, kHalf);
    SetFlag<HardEvent::V_MTE3>(0);
    WaitFlag<HardEvent::V_MTE3>(0);
    DataCopy(gm_out_, probs_[0], kHalf);
    SetFlag<HardEvent::MTE3_V>(0);
  }

  Workspace workspace_;
  uint32_t first_;  // element of this AIV's rows in a tile
  GlobalTensor<half> gm_out_;
  LocalTensor<float> scores_[2], out_, partial_, folded_, max_, new_max_, sum_, row_, alpha_[2],
      spread_;
  LocalTensor<half> probs_[2];
};

}  // namespace

// q, out [cores * 128, 128]; k, v [tiles * 128, 128]; workspace: 320 KiB per core.
extern "C" __global__ __aicore__ void attention_pipeline(GM_ADDR q, GM_ADDR k, GM_ADDR v,
                                                         GM_ADDR out, GM_ADDR workspace,
                                                         uint32_t tiles, float scale) {
  const uint32_t core = GetBlockIdx() / GetSubBlockNum();
  if ASCEND_IS_AIC {
    Cube(q, k, v, Workspace(workspace, core), core).run(tiles);
  } else {
    Softmax(out, Workspace(workspace, core), core, GetSubBlockIdx()).run(tiles, scale);
  }
}

ASC_KERNEL(attention_pipeline, ascsim::KernelKind::kMix);
