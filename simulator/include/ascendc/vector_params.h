// Parameter structures of vector instructions, and how their forms of a mask become lanes.
#pragma once

#include "ascendc/narrow.h"
#include "ascendc/tensor.h"
#include "ascsim/ops_vector.h"

namespace AscendC {

// Strides in blocks of 32 bytes: "Blk" from block to block within a repeat, "Rep" from repeat to
// repeat.
struct BinaryRepeatParams {
  Narrow<uint8_t> dstBlkStride = 1, src0BlkStride = 1, src1BlkStride = 1;
  Narrow<uint8_t> dstRepStride = 8, src0RepStride = 8, src1RepStride = 8;

  BinaryRepeatParams() = default;
  BinaryRepeatParams(Narrow<uint8_t> dst_block, Narrow<uint8_t> src0_block,
                     Narrow<uint8_t> src1_block, Narrow<uint8_t> dst_repeat,
                     Narrow<uint8_t> src0_repeat, Narrow<uint8_t> src1_repeat)
      : dstBlkStride(dst_block),
        src0BlkStride(src0_block),
        src1BlkStride(src1_block),
        dstRepStride(dst_repeat),
        src0RepStride(src0_repeat),
        src1RepStride(src1_repeat) {}
};

struct UnaryRepeatParams {
  Narrow<uint16_t> dstBlkStride = 1, srcBlkStride = 1;
  Narrow<uint8_t> dstRepStride = 8, srcRepStride = 8;
  bool halfBlock = false;  // of CastDequant

  UnaryRepeatParams() = default;
  UnaryRepeatParams(Narrow<uint16_t> dst_block, Narrow<uint16_t> src_block,
                    Narrow<uint8_t> dst_repeat, Narrow<uint8_t> src_repeat, bool half_block = false)
      : dstBlkStride(dst_block),
        srcBlkStride(src_block),
        dstRepStride(dst_repeat),
        srcRepStride(src_repeat),
        halfBlock(half_block) {}
};

struct BrcbRepeatParams {
  Narrow<uint16_t> dstRepStride = 8, dstBlkStride = 1;

  BrcbRepeatParams() = default;
  BrcbRepeatParams(Narrow<uint16_t> dst_block, Narrow<uint16_t> dst_repeat)
      : dstRepStride(dst_repeat), dstBlkStride(dst_block) {}
};

struct CopyRepeatParams {
  Narrow<uint16_t> dstStride = 0, srcStride = 0;
  Narrow<uint16_t> dstRepeatSize = 8, srcRepeatSize = 8;

  CopyRepeatParams() = default;
  CopyRepeatParams(Narrow<uint16_t> dst_block, Narrow<uint16_t> src_block,
                   Narrow<uint16_t> dst_repeat, Narrow<uint16_t> src_repeat)
      : dstStride(dst_block),
        srcStride(src_block),
        dstRepeatSize(dst_repeat),
        srcRepeatSize(src_repeat) {}
};

namespace detail {

// A number of leading lanes, mask[] = {low, high}, or a number of elements. Without `own` the mask
// that the kernel has set holds.
inline ascsim::Lanes lanes_of(uint64_t mask, int64_t repeats, bool own) {
  ascsim::Lanes lanes;
  lanes.repeats = repeats;
  lanes.own_mask = own;
  lanes.leading = own;
  const auto ones = [](uint64_t n) { return n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1; };
  lanes.low = ones(mask);
  lanes.high = mask > 64 ? ones(mask - 64) : 0;
  return lanes;
}

inline ascsim::Lanes lanes_of(const uint64_t mask[], int64_t repeats, bool own) {
  ascsim::Lanes lanes;
  lanes.repeats = repeats;
  lanes.own_mask = own;
  if (own) {
    lanes.low = mask[0];
    lanes.high = mask[1];
  }
  return lanes;
}

// Count forms that take isSetMask: without it they are one repeat under the kernel's mask.
inline ascsim::Lanes lanes_of_elements(int64_t count, bool own = true) {
  ascsim::Lanes lanes;
  lanes.counted = own;
  lanes.count = count;
  lanes.repeats = 1;
  return lanes;
}

template <typename T>
ascsim::Lanes lanes_of_count(uint64_t mask, int64_t repeats, bool own) {
  return lanes_of(mask, repeats, own);
}

inline ascsim::Lanes lanes_of_bits(const uint64_t mask[], int64_t repeats, bool own) {
  return lanes_of(mask, repeats, own);
}

template <typename T>
uint64_t bits_of_scalar(const T& value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

inline ascsim::Steps dst_steps(const UnaryRepeatParams& p) {
  return {p.dstBlkStride.given(), p.dstRepStride.given()};
}
inline ascsim::Steps src_steps(const UnaryRepeatParams& p) {
  return {p.srcBlkStride.given(), p.srcRepStride.given()};
}

// Strides of the count form: operands one behind the other, a narrower one takes fewer blocks.
template <typename T, typename U>
UnaryRepeatParams packed() {
  const int dst = ascsim::bits_of(dtype_of<T>()), src = ascsim::bits_of(dtype_of<U>());
  const int widest = std::max(dst, src);
  return {1, 1, 8 * dst / widest, 8 * src / widest};
}

}  // namespace detail

}  // namespace AscendC
