// Strides of operations with one source.
#pragma once

#include "ascendc/narrow.h"

namespace AscendC {

struct UnaryRepeatParams {
  Narrow<uint16_t> dstBlkStride = 1, srcBlkStride = 1;
  Narrow<uint8_t> dstRepStride = 8, srcRepStride = 8;
  bool halfBlock = false;

  UnaryRepeatParams() = default;
  UnaryRepeatParams(Narrow<uint16_t> dst_block, Narrow<uint16_t> src_block,
                    Narrow<uint8_t> dst_repeat, Narrow<uint8_t> src_repeat, bool half_block = false)
      : dstBlkStride(dst_block),
        srcBlkStride(src_block),
        dstRepStride(dst_repeat),
        srcRepStride(src_repeat),
        halfBlock(half_block) {}
};

}  // namespace AscendC
