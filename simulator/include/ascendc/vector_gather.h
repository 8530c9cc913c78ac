// GatherMask and Gather.
#pragma once

#include "ascendc/vector_params.h"
#include "ascsim/ops_vector_gather.h"

namespace AscendC {

enum class GatherMaskMode : uint8_t { VERSION_V1 = 0, VERSION_V2 = 1 };
inline constexpr GatherMaskMode defaultGatherMaskMode = GatherMaskMode::VERSION_V1;

struct GatherMaskParams {
  Narrow<uint8_t> src0BlockStride = 1;
  Narrow<uint16_t> repeatTimes = 0;
  Narrow<uint16_t> src0RepeatStride = 8;
  Narrow<uint8_t> src1RepeatStride = 8;

  GatherMaskParams() = default;
  GatherMaskParams(Narrow<uint8_t> src0_block, Narrow<uint16_t> repeats,
                   Narrow<uint16_t> src0_repeat, Narrow<uint8_t> src1_repeat)
      : src0BlockStride(src0_block),
        repeatTimes(repeats),
        src0RepeatStride(src0_repeat),
        src1RepeatStride(src1_repeat) {}
};

namespace detail {

template <typename T>
ascsim::MaskGather mask_gather(const LocalTensor<T>& dst, const LocalTensor<T>& src, bool counter,
                               uint32_t mask, const GatherMaskParams& p) {
  ascsim::MaskGather g;
  g.dst = dst.operand();
  g.src = src.operand();
  g.counter = counter;
  g.elements = mask;
  g.repeats = p.repeatTimes.given();
  g.src_steps = {p.src0BlockStride.given(), p.src0RepeatStride.given()};
  g.mask_step = p.src1RepeatStride.given();
  return g;
}

}  // namespace detail

// The bits of a tensor.
template <typename T, typename U, GatherMaskMode mode = defaultGatherMaskMode>
void GatherMask(const LocalTensor<T>& dst, const LocalTensor<T>& src0,
                const LocalTensor<U>& src1Pattern, bool reduceMode, uint32_t mask,
                const GatherMaskParams& params, uint64_t& rsvdCnt, Site site = Site::here()) {
  ascsim::MaskGather g = detail::mask_gather(dst, src0, reduceMode, mask, params);
  g.mask = src1Pattern.operand();
  rsvdCnt = ascsim::vector_gather_mask(g, site);
}
// One of the fixed patterns 1 to 7.
template <typename T, GatherMaskMode mode = defaultGatherMaskMode>
void GatherMask(const LocalTensor<T>& dst, const LocalTensor<T>& src0, uint8_t src1Pattern,
                bool reduceMode, uint32_t mask, const GatherMaskParams& params, uint64_t& rsvdCnt,
                Site site = Site::here()) {
  ascsim::MaskGather g = detail::mask_gather(dst, src0, reduceMode, mask, params);
  g.pattern = src1Pattern == 0 ? 8 : src1Pattern;  // 0 is not allowed here
  rsvdCnt = ascsim::vector_gather_mask(g, site);
}

namespace detail {

template <typename T>
void gather(const LocalTensor<T>& dst, const LocalTensor<T>& src,
            const LocalTensor<uint32_t>& offsets, uint32_t base, const ascsim::Lanes& lanes,
            int64_t dst_step, Site site) {
  ascsim::AddressGather g;
  g.dst = dst.operand();
  g.src = src.operand();
  g.offsets = offsets.operand();
  g.base = base;
  g.lanes = lanes;
  g.dst_step = dst_step;
  ascsim::vector_gather(g, site);
}

}  // namespace detail

template <typename T>
void Gather(const LocalTensor<T>& dst, const LocalTensor<T>& src,
            const LocalTensor<uint32_t>& srcOffset, uint32_t srcBaseAddr, uint64_t mask,
            Narrow<uint8_t> repeatTime, Narrow<uint16_t> dstRepStride, Site site = Site::here()) {
  detail::gather(dst, src, srcOffset, srcBaseAddr,
                 detail::lanes_of_count<T>(mask, repeatTime.given(), true), dstRepStride.given(),
                 site);
}
template <typename T>
void Gather(const LocalTensor<T>& dst, const LocalTensor<T>& src,
            const LocalTensor<uint32_t>& srcOffset, uint32_t srcBaseAddr, const uint64_t mask[],
            Narrow<uint8_t> repeatTime, Narrow<uint16_t> dstRepStride, Site site = Site::here()) {
  detail::gather(dst, src, srcOffset, srcBaseAddr,
                 detail::lanes_of_bits(mask, repeatTime.given(), true), dstRepStride.given(), site);
}
template <typename T>
void Gather(const LocalTensor<T>& dst, const LocalTensor<T>& src,
            const LocalTensor<uint32_t>& srcOffset, uint32_t srcBaseAddr, uint32_t count,
            Site site = Site::here()) {
  detail::gather(dst, src, srcOffset, srcBaseAddr, detail::lanes_of_elements(count), 8, site);
}

}  // namespace AscendC
