// Fill of L1, L0A, L0B (also named InitConstValue) and of GM (InitOutput).
#pragma once

#include "ascendc/data_copy_pad.h"
#include "ascendc/tpipe.h"

namespace AscendC {

// Blocks of 32 bytes in L1, of 512 bytes in L0A and L0B.
template <typename T>
struct InitConstValueParams {
  Narrow<uint16_t> repeatTimes = 0, blockNum = 0, dstGap = 0;
  T initValue = static_cast<T>(0);

  InitConstValueParams() = default;
  InitConstValueParams(Narrow<uint16_t> repeats, Narrow<uint16_t> blocks, Narrow<uint16_t> gap,
                       T value)
      : repeatTimes(repeats), blockNum(blocks), dstGap(gap), initValue(value) {}
  // For chips whose repeats have a fixed size: on this one it leaves 0 blocks.
  InitConstValueParams(Narrow<uint16_t> repeats, T value)
      : repeatTimes(repeats), initValue(value) {}
};

template <typename T>
void Fill(const LocalTensor<T>& dst, const InitConstValueParams<T>& params,
          Site site = Site::here()) {
  ascsim::FillFields fields;
  fields.repeats = params.repeatTimes.given();
  fields.blocks = params.blockNum.given();
  fields.gap = params.dstGap.given();
  fields.value = detail::value_bits(params.initValue);
  ascsim::fill_local(dst.operand(), fields, site);
}
template <typename T>
void InitConstValue(const LocalTensor<T>& dst, const InitConstValueParams<T>& params,
                    Site site = Site::here()) {
  Fill(dst, params, site);
}

// Uses what the kernel's TPipe leaves free of UB, and the lowest V_MTE3 event.
template <typename T>
void InitOutput(GlobalTensor<T> dst, uint32_t size, T value = static_cast<T>(0),
                Site site = Site::here()) {
  if constexpr (g_coreType == AIV) {
    // 255 blocks at a time, as the original does.
    constexpr int64_t kPiece = 255 * ascsim::kBlockBytes;
    ascsim::Operand temporary = LocalTensor<T>(TPosition::LCM, TPipe::free_begin(), 0).operand();
    ascsim::fill_gm(dst.operand(), size, detail::value_bits(value), temporary, kPiece, 0,
                    dst.cached(), site);
  }
}
template <typename T>
void Fill(GlobalTensor<T> dst, uint64_t size, T value, Site site = Site::here()) {
  InitOutput(dst, static_cast<uint32_t>(size), value, site);
}

}  // namespace AscendC
