// Compare, CompareScalar (Compares since CANN 9.1), GetCmpMask, SetCmpMask, Select.
#pragma once

#include "ascendc/scalar.h"
#include "ascendc/vector_params.h"
#include "ascsim/ops_vector_compare.h"

namespace AscendC {

namespace detail {

constexpr ascsim::CompareOp compare_op(CMPMODE mode) {
  switch (mode) {
    case CMPMODE::LT:
      return ascsim::CompareOp::kLess;
    case CMPMODE::GT:
      return ascsim::CompareOp::kGreater;
    case CMPMODE::EQ:
      return ascsim::CompareOp::kEqual;
    case CMPMODE::LE:
      return ascsim::CompareOp::kLessEqual;
    case CMPMODE::GE:
      return ascsim::CompareOp::kGreaterEqual;
    case CMPMODE::NE:
      return ascsim::CompareOp::kNotEqual;
  }
  return ascsim::CompareOp::kLess;
}

constexpr ascsim::SelectMode select_mode(SELMODE mode) {
  return mode == SELMODE::VSEL_CMPMASK_SPR          ? ascsim::SelectMode::kRegister
         : mode == SELMODE::VSEL_TENSOR_SCALAR_MODE ? ascsim::SelectMode::kScalar
                                                    : ascsim::SelectMode::kTensor;
}

template <typename T>
uint32_t scalar_bits(T value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <typename T, typename U>
ascsim::Comparison comparison(const char* name, CMPMODE mode, const LocalTensor<U>& dst,
                              const LocalTensor<T>& a) {
  static_assert(sizeof(U) == 1, "the result of a comparison is a tensor of int8_t or uint8_t");
  ascsim::Comparison c;
  c.name = name;
  c.op = compare_op(mode);
  c.dst = dst.operand();
  c.a = a.operand();
  return c;
}

template <typename T, typename U>
void compare(CMPMODE mode, const LocalTensor<U>& dst, const LocalTensor<T>& a,
             const LocalTensor<T>& b, int64_t repeats, const BinaryRepeatParams& p, Site site) {
  ascsim::Comparison c = comparison("Compare", mode, dst, a);
  c.b = b.operand();
  c.repeats = repeats;
  c.a_steps = {p.src0BlkStride.given(), p.src0RepStride.given()};
  c.b_steps = {p.src1BlkStride.given(), p.src1RepStride.given()};
  ascsim::vector_compare(c, site);
}

template <typename T, typename U>
void compare_scalar(const char* name, CMPMODE mode, const LocalTensor<U>& dst,
                    const LocalTensor<T>& a, T scalar, int64_t repeats, const UnaryRepeatParams& p,
                    Site site) {
  ascsim::Comparison c = comparison(name, mode, dst, a);
  c.scalar = true;
  c.scalar_bits = scalar_bits(scalar);
  c.repeats = repeats;
  c.a_steps = {p.srcBlkStride.given(), p.srcRepStride.given()};
  ascsim::vector_compare(c, site);
}

}  // namespace detail

// `mask` has no effect.
template <typename T, typename U, bool isSetMask = true>
void Compare(const LocalTensor<U>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
             CMPMODE cmpMode, uint64_t /*mask*/, Narrow<uint8_t> repeatTime,
             const BinaryRepeatParams& params, Site site = Site::here()) {
  detail::compare(cmpMode, dst, src0, src1, repeatTime.given(), params, site);
}
template <typename T, typename U, bool isSetMask = true>
void Compare(const LocalTensor<U>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
             CMPMODE cmpMode, const uint64_t* /*mask*/, Narrow<uint8_t> repeatTime,
             const BinaryRepeatParams& params, Site site = Site::here()) {
  detail::compare(cmpMode, dst, src0, src1, repeatTime.given(), params, site);
}
template <typename T, typename U>
void Compare(const LocalTensor<U>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
             CMPMODE cmpMode, uint32_t count, Site site = Site::here()) {
  ascsim::Comparison c = detail::comparison("Compare", cmpMode, dst, src0);
  c.b = src1.operand();
  c.counted = true;
  c.count = count;
  ascsim::vector_compare(c, site);
}

// One repeat, into the compare mask register.
template <typename T, bool isSetMask = true>
void Compare(const LocalTensor<T>& src0, const LocalTensor<T>& src1, CMPMODE cmpMode, uint64_t mask,
             const BinaryRepeatParams& p, Site site = Site::here()) {
  ascsim::vector_compare_register(detail::compare_op(cmpMode), src0.operand(), src1.operand(),
                                  detail::lanes_of_count<T>(mask, 1, isSetMask),
                                  {p.src0BlkStride.given(), p.src0RepStride.given()},
                                  {p.src1BlkStride.given(), p.src1RepStride.given()}, site);
}
template <typename T, bool isSetMask = true>
void Compare(const LocalTensor<T>& src0, const LocalTensor<T>& src1, CMPMODE cmpMode,
             const uint64_t mask[], const BinaryRepeatParams& p, Site site = Site::here()) {
  ascsim::vector_compare_register(detail::compare_op(cmpMode), src0.operand(), src1.operand(),
                                  detail::lanes_of_bits(mask, 1, isSetMask),
                                  {p.src0BlkStride.given(), p.src0RepStride.given()},
                                  {p.src1BlkStride.given(), p.src1RepStride.given()}, site);
}

#define ASCSIM_COMPARE_SCALAR(Name)                                                                \
  template <typename T, typename U, bool isSetMask = true>                                         \
  void Name(const LocalTensor<U>& dst, const LocalTensor<T>& src0, T src1Scalar, CMPMODE cmpMode,  \
            uint64_t /*mask*/, Narrow<uint8_t> repeatTime, const UnaryRepeatParams& params,        \
            Site site = Site::here()) {                                                            \
    detail::compare_scalar(#Name, cmpMode, dst, src0, src1Scalar, repeatTime.given(), params,      \
                           site);                                                                  \
  }                                                                                                \
  template <typename T, typename U, bool isSetMask = true>                                         \
  void Name(const LocalTensor<U>& dst, const LocalTensor<T>& src0, T src1Scalar, CMPMODE cmpMode,  \
            const uint64_t* /*mask*/, Narrow<uint8_t> repeatTime, const UnaryRepeatParams& params, \
            Site site = Site::here()) {                                                            \
    detail::compare_scalar(#Name, cmpMode, dst, src0, src1Scalar, repeatTime.given(), params,      \
                           site);                                                                  \
  }                                                                                                \
  template <typename T, typename U>                                                                \
  void Name(const LocalTensor<U>& dst, const LocalTensor<T>& src0, T src1Scalar, CMPMODE cmpMode,  \
            uint32_t count, Site site = Site::here()) {                                            \
    ascsim::Comparison c = detail::comparison(#Name, cmpMode, dst, src0);                          \
    c.scalar = true;                                                                               \
    c.scalar_bits = detail::scalar_bits(src1Scalar);                                               \
    c.counted = true;                                                                              \
    c.count = count;                                                                               \
    ascsim::vector_compare(c, site);                                                               \
  }

ASCSIM_COMPARE_SCALAR(CompareScalar)
ASCSIM_COMPARE_SCALAR(Compares)
#undef ASCSIM_COMPARE_SCALAR

template <typename T>
void GetCmpMask(const LocalTensor<T>& dst, Site site = Site::here()) {
  ascsim::get_compare_mask(dst.operand(), site);
}
template <typename T>
void SetCmpMask(const LocalTensor<T>& src, Site site = Site::here()) {
  ascsim::set_compare_mask(src.operand(), site);
}

namespace detail {

template <typename T>
ascsim::Selection selection(SELMODE mode, const LocalTensor<T>& dst, const LocalTensor<T>& src0,
                            const ascsim::Lanes& lanes, const BinaryRepeatParams& p) {
  ascsim::Selection s;
  s.mode = select_mode(mode);
  s.dst = dst.operand();
  s.src0 = src0.operand();
  s.lanes = lanes;
  s.dst_steps = {p.dstBlkStride.given(), p.dstRepStride.given()};
  s.src0_steps = {p.src0BlkStride.given(), p.src0RepStride.given()};
  s.src1_steps = {p.src1BlkStride.given(), p.src1RepStride.given()};
  return s;
}

template <typename T, typename U>
void select(SELMODE mode, const LocalTensor<T>& dst, const LocalTensor<U>& mask,
            const LocalTensor<T>& src0, const LocalTensor<T>& src1, const ascsim::Lanes& lanes,
            const BinaryRepeatParams& p, Site site) {
  ascsim::Selection s = selection(mode, dst, src0, lanes, p);
  s.mask = mask.operand();
  s.src1 = src1.operand();
  ascsim::vector_select(s, site);
}
template <typename T, typename U>
void select(SELMODE mode, const LocalTensor<T>& dst, const LocalTensor<U>& mask,
            const LocalTensor<T>& src0, T src1, const ascsim::Lanes& lanes,
            const BinaryRepeatParams& p, Site site) {
  ascsim::Selection s = selection(mode, dst, src0, lanes, p);
  s.mask = mask.operand();
  s.scalar_bits = scalar_bits(src1);
  ascsim::vector_select(s, site);
}

}  // namespace detail

#define ASCSIM_SELECT(Second)                                                                  \
  template <typename T, typename U, bool isSetMask = true>                                     \
  void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                        \
              const LocalTensor<T>& src0, Second src1, SELMODE selMode, uint64_t mask,         \
              Narrow<uint8_t> repeatTime, const BinaryRepeatParams& params,                    \
              Site site = Site::here()) {                                                      \
    detail::select(selMode, dst, selMask, src0, src1,                                          \
                   detail::lanes_of_count<T>(mask, repeatTime.given(), true), params, site);   \
  }                                                                                            \
  template <typename T, typename U, bool isSetMask = true>                                     \
  void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                        \
              const LocalTensor<T>& src0, Second src1, SELMODE selMode, const uint64_t mask[], \
              Narrow<uint8_t> repeatTime, const BinaryRepeatParams& params,                    \
              Site site = Site::here()) {                                                      \
    detail::select(selMode, dst, selMask, src0, src1,                                          \
                   detail::lanes_of_bits(mask, repeatTime.given(), true), params, site);       \
  }                                                                                            \
  template <typename T, typename U>                                                            \
  void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                        \
              const LocalTensor<T>& src0, Second src1, SELMODE selMode, uint32_t count,        \
              Site site = Site::here()) {                                                      \
    detail::select(selMode, dst, selMask, src0, src1, detail::lanes_of_elements(count),        \
                   BinaryRepeatParams(), site);                                                \
  }

ASCSIM_SELECT(const LocalTensor<T>&)
ASCSIM_SELECT(T)
#undef ASCSIM_SELECT

// With the mask of SetVectorMask, and the register as SetCmpMask has left it: the mask bits, or the
// address of a mask tensor.
template <typename T, SELMODE selMode>
void Select(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
            Narrow<uint8_t> repeatTime, const BinaryRepeatParams& params,
            Site site = Site::here()) {
  ascsim::Lanes lanes;
  lanes.repeats = repeatTime.given();
  ascsim::Selection s = detail::selection(selMode, dst, src0, lanes, params);
  s.src1 = src1.operand();
  s.prepared = true;
  ascsim::vector_select(s, site);
}
// The register holds the scalar.
template <typename T, typename U>
void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask, const LocalTensor<T>& src0,
            Narrow<uint8_t> repeatTime, const BinaryRepeatParams& params,
            Site site = Site::here()) {
  ascsim::Lanes lanes;
  lanes.repeats = repeatTime.given();
  ascsim::Selection s =
      detail::selection(SELMODE::VSEL_TENSOR_SCALAR_MODE, dst, src0, lanes, params);
  s.mask = selMask.operand();
  s.prepared = true;
  ascsim::vector_select(s, site);
}

}  // namespace AscendC
