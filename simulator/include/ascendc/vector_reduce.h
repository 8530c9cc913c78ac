// Reductions. The old names (BlockReduce*, WholeReduce*, RepeatReduceSum, PairReduceSum) differ in
// the order of their arguments; the names of CANN 9.1 (ReduceDataBlock, ReduceRepeat,
// ReducePairElem) have one order for all.
#pragma once

#include "ascendc/vector_params.h"
#include "ascsim/ops_vector_reduce.h"

namespace AscendC {

enum class ReduceType { NONE = -1, SUM = 0, MAX, MIN };

// Axes of the high-level reductions: A is kept, R is reduced.
namespace Pattern::Reduce {
struct AR {};
struct RA {};
}  // namespace Pattern::Reduce

namespace detail {

constexpr ascsim::ReduceOp reduce_op(ReduceType type) {
  return type == ReduceType::MAX   ? ascsim::ReduceOp::kMax
         : type == ReduceType::MIN ? ascsim::ReduceOp::kMin
                                   : ascsim::ReduceOp::kSum;
}

constexpr ascsim::ReduceResult reduce_result(ReduceOrder order) {
  switch (order) {
    case ReduceOrder::ORDER_VALUE_INDEX:
      return ascsim::ReduceResult::kValueIndex;
    case ReduceOrder::ORDER_INDEX_VALUE:
      return ascsim::ReduceResult::kIndexValue;
    case ReduceOrder::ORDER_ONLY_VALUE:
      return ascsim::ReduceResult::kValue;
    case ReduceOrder::ORDER_ONLY_INDEX:
      return ascsim::ReduceResult::kIndex;
  }
  return ascsim::ReduceResult::kValueIndex;
}

template <typename T>
ascsim::Lanes reduce_lanes(int32_t mask, int64_t repeats, bool own) {
  return lanes_of_count<T>(static_cast<uint64_t>(mask), repeats, own);
}
template <typename T>
ascsim::Lanes reduce_lanes(const uint64_t mask[], int64_t repeats, bool own) {
  return lanes_of_bits(mask, repeats, own);
}

}  // namespace detail

#define ASCSIM_BLOCK_REDUCE(Name, op, Mask)                                                 \
  template <typename T, bool isSetMask = true>                                              \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime, Mask, \
            int32_t dstRepStride, int32_t srcBlkStride, int32_t srcRepStride,               \
            Site site = Site::here()) {                                                     \
    ascsim::vector_block_reduce(#Name, op, dst.operand(), src.operand(),                    \
                                detail::reduce_lanes<T>(mask, repeatTime, isSetMask),       \
                                dstRepStride, {srcBlkStride, srcRepStride}, site);          \
  }

ASCSIM_BLOCK_REDUCE(BlockReduceMax, ascsim::ReduceOp::kMax, int32_t mask)
ASCSIM_BLOCK_REDUCE(BlockReduceMax, ascsim::ReduceOp::kMax, const uint64_t mask[])
ASCSIM_BLOCK_REDUCE(BlockReduceMin, ascsim::ReduceOp::kMin, int32_t mask)
ASCSIM_BLOCK_REDUCE(BlockReduceMin, ascsim::ReduceOp::kMin, const uint64_t mask[])
ASCSIM_BLOCK_REDUCE(BlockReduceSum, ascsim::ReduceOp::kSum, int32_t mask)
ASCSIM_BLOCK_REDUCE(BlockReduceSum, ascsim::ReduceOp::kSum, const uint64_t mask[])
#undef ASCSIM_BLOCK_REDUCE

#define ASCSIM_WHOLE_REDUCE(Name, op, Mask)                                                 \
  template <typename T, bool isSetMask = true>                                              \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, Mask, int32_t repeatTime, \
            int32_t dstRepStride, int32_t srcBlkStride, int32_t srcRepStride,               \
            ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX, Site site = Site::here()) { \
    ascsim::vector_whole_reduce(#Name, op, detail::reduce_result(order), dst.operand(),     \
                                src.operand(),                                              \
                                detail::reduce_lanes<T>(mask, repeatTime, isSetMask),       \
                                dstRepStride, {srcBlkStride, srcRepStride}, site);          \
  }

ASCSIM_WHOLE_REDUCE(WholeReduceMax, ascsim::ReduceOp::kMax, int32_t mask)
ASCSIM_WHOLE_REDUCE(WholeReduceMax, ascsim::ReduceOp::kMax, const uint64_t mask[])
ASCSIM_WHOLE_REDUCE(WholeReduceMin, ascsim::ReduceOp::kMin, int32_t mask)
ASCSIM_WHOLE_REDUCE(WholeReduceMin, ascsim::ReduceOp::kMin, const uint64_t mask[])
#undef ASCSIM_WHOLE_REDUCE

#define ASCSIM_REDUCE_SUM(Mask)                                                                    \
  template <typename T, bool isSetMask = true>                                                     \
  void WholeReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, Mask,                  \
                      int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,              \
                      int32_t srcRepStride, Site site = Site::here()) {                            \
    ascsim::vector_whole_reduce("WholeReduceSum", ascsim::ReduceOp::kSum,                          \
                                ascsim::ReduceResult::kValue, dst.operand(), src.operand(),        \
                                detail::reduce_lanes<T>(mask, repeatTime, isSetMask),              \
                                dstRepStride, {srcBlkStride, srcRepStride}, site);                 \
  }                                                                                                \
  template <typename T, bool isSetMask = true>                                                     \
  void PairReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,     \
                     Mask, int32_t dstRepStride, int32_t srcBlkStride, int32_t srcRepStride,       \
                     Site site = Site::here()) {                                                   \
    ascsim::vector_pair_reduce("PairReduceSum", dst.operand(), src.operand(),                      \
                               detail::reduce_lanes<T>(mask, repeatTime, isSetMask), dstRepStride, \
                               {srcBlkStride, srcRepStride}, site);                                \
  }

ASCSIM_REDUCE_SUM(int32_t mask)
ASCSIM_REDUCE_SUM(const uint64_t mask[])
#undef ASCSIM_REDUCE_SUM

// dstBlkStride has no effect.
template <typename T, bool isSetMask = true>
void RepeatReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,
                     int32_t mask, int32_t /*dstBlkStride*/, int32_t srcBlkStride,
                     int32_t dstRepStride, int32_t srcRepStride, Site site = Site::here()) {
  ascsim::vector_whole_reduce("RepeatReduceSum", ascsim::ReduceOp::kSum,
                              ascsim::ReduceResult::kValue, dst.operand(), src.operand(),
                              detail::reduce_lanes<T>(mask, repeatTime, isSetMask), dstRepStride,
                              {srcBlkStride, srcRepStride}, site);
}

#define ASCSIM_REDUCE_91(Mask)                                                                     \
  template <ReduceType reduceType, typename T, typename U, bool isSetMask = true>                  \
  void ReduceDataBlock(const LocalTensor<T>& dst, const LocalTensor<U>& src, Mask,                 \
                       int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,             \
                       int32_t srcRepStride, Site site = Site::here()) {                           \
    ascsim::vector_block_reduce("ReduceDataBlock", detail::reduce_op(reduceType), dst.operand(),   \
                                src.operand(),                                                     \
                                detail::reduce_lanes<U>(mask, repeatTime, isSetMask),              \
                                dstRepStride, {srcBlkStride, srcRepStride}, site);                 \
  }                                                                                                \
  template <ReduceType reduceType, typename T, typename U, bool isSetMask = true>                  \
  void ReduceRepeat(const LocalTensor<T>& dst, const LocalTensor<U>& src, Mask,                    \
                    int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,                \
                    int32_t srcRepStride, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,      \
                    Site site = Site::here()) {                                                    \
    ascsim::vector_whole_reduce("ReduceRepeat", detail::reduce_op(reduceType),                     \
                                detail::reduce_result(order), dst.operand(), src.operand(),        \
                                detail::reduce_lanes<U>(mask, repeatTime, isSetMask),              \
                                dstRepStride, {srcBlkStride, srcRepStride}, site);                 \
  }                                                                                                \
  template <ReduceType reduceType, typename T, typename U, bool isSetMask = true>                  \
  void ReducePairElem(const LocalTensor<T>& dst, const LocalTensor<U>& src, Mask,                  \
                      int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,              \
                      int32_t srcRepStride, Site site = Site::here()) {                            \
    static_assert(reduceType == ReduceType::SUM, "ReducePairElem only adds");                      \
    ascsim::vector_pair_reduce("ReducePairElem", dst.operand(), src.operand(),                     \
                               detail::reduce_lanes<U>(mask, repeatTime, isSetMask), dstRepStride, \
                               {srcBlkStride, srcRepStride}, site);                                \
  }

ASCSIM_REDUCE_91(int32_t mask)
ASCSIM_REDUCE_91(const uint64_t mask[])
#undef ASCSIM_REDUCE_91

namespace detail {

template <typename T>
void reduce_all(ascsim::ReduceOp op, const LocalTensor<T>& dst, const LocalTensor<T>& src,
                const LocalTensor<T>& tmp, const ascsim::Lanes& lanes, int64_t repeat_step,
                bool index, Site site) {
  ascsim::ReduceAll reduce;
  reduce.op = op;
  reduce.dst = dst.operand();
  reduce.src = src.operand();
  reduce.tmp = tmp.operand();
  reduce.lanes = lanes;
  reduce.repeat_step = repeat_step;
  reduce.index = index;
  ascsim::vector_reduce_all(reduce, site);
}

}  // namespace detail

#define ASCSIM_REDUCE_ALL(Name, op, Mask)                                                          \
  template <typename T>                                                                            \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src,                                  \
            const LocalTensor<T>& sharedTmpBuffer, Mask, int32_t repeatTime, int32_t srcRepStride, \
            bool calIndex = false, Site site = Site::here()) {                                     \
    detail::reduce_all(op, dst, src, sharedTmpBuffer,                                              \
                       detail::reduce_lanes<T>(mask, repeatTime, true), srcRepStride, calIndex,    \
                       site);                                                                      \
  }
#define ASCSIM_REDUCE_COUNT(Name, op)                                                      \
  template <typename T>                                                                    \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src,                          \
            const LocalTensor<T>& sharedTmpBuffer, int32_t count, bool calIndex = false,   \
            Site site = Site::here()) {                                                    \
    detail::reduce_all(op, dst, src, sharedTmpBuffer, detail::lanes_of_elements(count), 8, \
                       calIndex, site);                                                    \
  }

ASCSIM_REDUCE_ALL(ReduceMax, ascsim::ReduceOp::kMax, int32_t mask)
ASCSIM_REDUCE_ALL(ReduceMax, ascsim::ReduceOp::kMax, const uint64_t mask[])
ASCSIM_REDUCE_COUNT(ReduceMax, ascsim::ReduceOp::kMax)
ASCSIM_REDUCE_ALL(ReduceMin, ascsim::ReduceOp::kMin, int32_t mask)
ASCSIM_REDUCE_ALL(ReduceMin, ascsim::ReduceOp::kMin, const uint64_t mask[])
ASCSIM_REDUCE_COUNT(ReduceMin, ascsim::ReduceOp::kMin)
#undef ASCSIM_REDUCE_ALL
#undef ASCSIM_REDUCE_COUNT

template <typename T>
void ReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src,
               const LocalTensor<T>& sharedTmpBuffer, int32_t mask, int32_t repeatTime,
               int32_t srcRepStride, Site site = Site::here()) {
  detail::reduce_all(ascsim::ReduceOp::kSum, dst, src, sharedTmpBuffer,
                     detail::reduce_lanes<T>(mask, repeatTime, true), srcRepStride, false, site);
}
template <typename T>
void ReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src,
               const LocalTensor<T>& sharedTmpBuffer, const uint64_t mask[], int32_t repeatTime,
               int32_t srcRepStride, Site site = Site::here()) {
  detail::reduce_all(ascsim::ReduceOp::kSum, dst, src, sharedTmpBuffer,
                     detail::reduce_lanes<T>(mask, repeatTime, true), srcRepStride, false, site);
}
// isSetMask false: the count is ignored, a mask in counter mode has been set before.
template <typename T, bool isSetMask = true>
void ReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src,
               const LocalTensor<T>& sharedTmpBuffer, int32_t count, Site site = Site::here()) {
  ascsim::Lanes lanes;
  lanes.repeats = 1;
  if constexpr (isSetMask) lanes = detail::lanes_of_elements(count);
  detail::reduce_all(ascsim::ReduceOp::kSum, dst, src, sharedTmpBuffer, lanes, 8, false, site);
}

#define ASCSIM_REDUCE_PATTERN(Name, reduction)                                      \
  template <class T, class pattern, bool isReuseSource = false>                     \
  void Name(const LocalTensor<T>& dstTensor, const LocalTensor<T>& srcTensor,       \
            const LocalTensor<uint8_t>& sharedTmpBuffer, const uint32_t srcShape[], \
            bool srcInnerPad, Site site = Site::here()) {                           \
    ascsim::ReducePattern reduce;                                                   \
    reduce.op = reduction;                                                          \
    reduce.dst = dstTensor.operand();                                               \
    reduce.src = srcTensor.operand();                                               \
    reduce.tmp = sharedTmpBuffer.operand();                                         \
    reduce.rows = srcShape[0];                                                      \
    reduce.columns = srcShape[1];                                                   \
    reduce.inner = std::is_same_v<pattern, Pattern::Reduce::AR>;                    \
    reduce.padded = srcInnerPad;                                                    \
    reduce.reuse_source = isReuseSource;                                            \
    ascsim::vector_reduce_pattern(reduce, site);                                    \
  }

ASCSIM_REDUCE_PATTERN(ReduceMax, ascsim::ReduceOp::kMax)
ASCSIM_REDUCE_PATTERN(ReduceMin, ascsim::ReduceOp::kMin)
ASCSIM_REDUCE_PATTERN(ReduceSum, ascsim::ReduceOp::kSum)
#undef ASCSIM_REDUCE_PATTERN

template <typename T, int32_t dim, int32_t axis, bool isReuseSource = false>
void BroadCast(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal,
               const uint32_t dstShape[dim], const uint32_t srcShape[dim],
               const LocalTensor<uint8_t>& sharedTmpBuffer, Site site = Site::here()) {
  static_assert((dim == 1 || dim == 2) && (axis == 0 || axis == 1), "at most two axes");
  ascsim::Broadcast broadcast;
  broadcast.dst = dstLocal.operand();
  broadcast.src = srcLocal.operand();
  broadcast.tmp = sharedTmpBuffer.operand();
  broadcast.dst_columns = dstShape[dim - 1];
  broadcast.src_columns = srcShape[dim - 1];
  if constexpr (dim == 2) {
    broadcast.dst_rows = dstShape[0];
    broadcast.src_rows = srcShape[0];
  }
  ascsim::vector_broadcast(broadcast, site);
}
template <typename T, int32_t dim, int32_t axis, bool isReuseSource = false>
void Broadcast(const LocalTensor<T>& dstLocal, const LocalTensor<T>& srcLocal,
               const uint32_t dstShape[dim], const uint32_t srcShape[dim],
               const LocalTensor<uint8_t>& sharedTmpBuffer, Site site = Site::here()) {
  BroadCast<T, dim, axis, isReuseSource>(dstLocal, srcLocal, dstShape, srcShape, sharedTmpBuffer,
                                         site);
}

}  // namespace AscendC
