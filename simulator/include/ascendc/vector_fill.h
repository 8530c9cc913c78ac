// Duplicate, Brcb, Copy, CreateVecIndex.
#pragma once

#include "ascendc/vector_params.h"

namespace AscendC {

template <typename T, bool isSetMask = true>
void Duplicate(const LocalTensor<T>& dst, const T& scalar, uint64_t mask, Narrow<uint8_t> repeat,
               Narrow<uint16_t> dstBlockStride, Narrow<uint8_t> dstRepeatStride,
               Site site = Site::here()) {
  ascsim::vector_duplicate(dst.operand(), detail::bits_of_scalar(scalar),
                           detail::lanes_of(mask, repeat.given(), isSetMask),
                           {dstBlockStride.given(), dstRepeatStride.given()}, site);
}
template <typename T, bool isSetMask = true>
void Duplicate(const LocalTensor<T>& dst, const T& scalar, uint64_t mask[], Narrow<uint8_t> repeat,
               Narrow<uint16_t> dstBlockStride, Narrow<uint8_t> dstRepeatStride,
               Site site = Site::here()) {
  ascsim::vector_duplicate(dst.operand(), detail::bits_of_scalar(scalar),
                           detail::lanes_of(mask, repeat.given(), isSetMask),
                           {dstBlockStride.given(), dstRepeatStride.given()}, site);
}
template <typename T>
void Duplicate(const LocalTensor<T>& dst, const T& scalar, int32_t count,
               Site site = Site::here()) {
  ascsim::vector_duplicate(dst.operand(), detail::bits_of_scalar(scalar),
                           detail::lanes_of_elements(count), {1, 8}, site);
}

template <typename T>
void Brcb(const LocalTensor<T>& dst, const LocalTensor<T>& src, Narrow<uint8_t> repeat,
          const BrcbRepeatParams& params, Site site = Site::here()) {
  ascsim::vector_brcb(dst.operand(), src.operand(), repeat.given(),
                      {params.dstBlkStride.given(), params.dstRepStride.given()}, site);
}

template <typename T, bool isSetMask = true>
void Copy(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask,
          Narrow<uint8_t> repeat, const CopyRepeatParams& params, Site site = Site::here()) {
  ascsim::vector_copy(dst.operand(), src.operand(),
                      detail::lanes_of(mask, repeat.given(), isSetMask),
                      {params.dstStride.given(), params.dstRepeatSize.given()},
                      {params.srcStride.given(), params.srcRepeatSize.given()}, site);
}
template <typename T, bool isSetMask = true>
void Copy(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint64_t mask[],
          Narrow<uint8_t> repeat, const CopyRepeatParams& params, Site site = Site::here()) {
  ascsim::vector_copy(dst.operand(), src.operand(),
                      detail::lanes_of(mask, repeat.given(), isSetMask),
                      {params.dstStride.given(), params.dstRepeatSize.given()},
                      {params.srcStride.given(), params.srcRepeatSize.given()}, site);
}

template <typename T>
void CreateVecIndex(LocalTensor<T>& dst, const T& firstValue, uint64_t mask, Narrow<uint8_t> repeat,
                    Narrow<uint16_t> dstBlkStride, Narrow<uint8_t> dstRepStride,
                    Site site = Site::here()) {
  ascsim::vector_index(dst.operand(), detail::bits_of_scalar(firstValue),
                       detail::lanes_of(mask, repeat.given(), true),
                       {dstBlkStride.given(), dstRepStride.given()}, site);
}
template <typename T>
void CreateVecIndex(LocalTensor<T>& dst, const T& firstValue, uint64_t mask[],
                    Narrow<uint8_t> repeat, Narrow<uint16_t> dstBlkStride,
                    Narrow<uint8_t> dstRepStride, Site site = Site::here()) {
  ascsim::vector_index(dst.operand(), detail::bits_of_scalar(firstValue),
                       detail::lanes_of(mask, repeat.given(), true),
                       {dstBlkStride.given(), dstRepStride.given()}, site);
}
template <typename T>
void CreateVecIndex(LocalTensor<T> dst, const T& firstValue, uint32_t count,
                    Site site = Site::here()) {
  ascsim::vector_index(dst.operand(), detail::bits_of_scalar(firstValue),
                       detail::lanes_of_elements(count), {1, 8}, site);
}

}  // namespace AscendC
