// TransDataTo5HD and Transpose.
#pragma once

#include "ascendc/vector_params.h"
#include "ascsim/ops_vector_gather.h"

namespace AscendC {

inline constexpr int32_t NCHW_CONV_ADDR_LIST_SIZE = 16;

struct TransDataTo5HDParams {
  bool dstHighHalf = false, srcHighHalf = false;
  Narrow<uint8_t> repeatTimes = 1;
  Narrow<uint16_t> dstRepStride = 0, srcRepStride = 0;

  TransDataTo5HDParams() = default;
  TransDataTo5HDParams(bool dst_high, bool src_high, Narrow<uint8_t> repeats,
                       Narrow<uint16_t> dst_step, Narrow<uint16_t> src_step)
      : dstHighHalf(dst_high),
        srcHighHalf(src_high),
        repeatTimes(repeats),
        dstRepStride(dst_step),
        srcRepStride(src_step) {}
};

enum class TransposeType : uint8_t {
  TRANSPOSE_TYPE_NONE,
  TRANSPOSE_NZ2ND_0213,
  TRANSPOSE_NZ2NZ_0213,
  TRANSPOSE_NZ2NZ_012_WITH_N,
  TRANSPOSE_NZ2ND_012_WITH_N,
  TRANSPOSE_NZ2ND_012_WITHOUT_N,
  TRANSPOSE_NZ2NZ_012_WITHOUT_N,
  TRANSPOSE_ND2ND_ONLY,
  TRANSPOSE_ND_UB_GM,
  TRANSPOSE_GRAD_ND_UB_GM,
  TRANSPOSE_ND2ND_B16,
  TRANSPOSE_NCHW2NHWC,
  TRANSPOSE_NHWC2NCHW
};

struct TransposeParamsExt {
  Narrow<uint16_t> nSize = 0, cSize = 0, hSize = 0, wSize = 0;
  TransposeType transposeType = TransposeType::TRANSPOSE_ND2ND_B16;

  TransposeParamsExt() = default;
  TransposeParamsExt(Narrow<uint16_t> n, Narrow<uint16_t> c, Narrow<uint16_t> h, Narrow<uint16_t> w,
                     TransposeType type)
      : nSize(n), cSize(c), hSize(h), wSize(w), transposeType(type) {}
};

namespace detail {

template <typename T>
ascsim::RowTranspose row_transpose(const TransDataTo5HDParams& p) {
  ascsim::RowTranspose t;
  t.dtype = dtype_of<T>();
  t.dst_high = p.dstHighHalf;
  t.src_high = p.srcHighHalf;
  t.repeats = p.repeatTimes.given();
  t.dst_step = p.dstRepStride.given();
  t.src_step = p.srcRepStride.given();
  return t;
}

}  // namespace detail

// The lists hold what GetPhyAddr gives.
template <typename T>
void TransDataTo5HD(uint64_t dstList[NCHW_CONV_ADDR_LIST_SIZE],
                    uint64_t srcList[NCHW_CONV_ADDR_LIST_SIZE], const TransDataTo5HDParams& params,
                    Site site = Site::here()) {
  ascsim::RowTranspose t = detail::row_transpose<T>(params);
  for (int n = 0; n < NCHW_CONV_ADDR_LIST_SIZE; ++n) {
    t.dst[n] = dstList[n];
    t.src[n] = srcList[n];
  }
  ascsim::vector_transpose_rows(t, site);
}
template <typename T>
void TransDataTo5HD(const LocalTensor<T> (&dstList)[NCHW_CONV_ADDR_LIST_SIZE],
                    const LocalTensor<T> (&srcList)[NCHW_CONV_ADDR_LIST_SIZE],
                    const TransDataTo5HDParams& params, Site site = Site::here()) {
  uint64_t dst[NCHW_CONV_ADDR_LIST_SIZE], src[NCHW_CONV_ADDR_LIST_SIZE];
  for (int n = 0; n < NCHW_CONV_ADDR_LIST_SIZE; ++n) {
    dst[n] = dstList[n].GetPhyAddr();
    src[n] = srcList[n].GetPhyAddr();
  }
  TransDataTo5HD<T>(dst, src, params, site);
}
// The lists are in UB.
template <typename T>
void TransDataTo5HD(const LocalTensor<uint64_t>& dst, const LocalTensor<uint64_t>& src,
                    const TransDataTo5HDParams& params, Site site = Site::here()) {
  uint64_t to[NCHW_CONV_ADDR_LIST_SIZE], from[NCHW_CONV_ADDR_LIST_SIZE];
  for (uint32_t n = 0; n < NCHW_CONV_ADDR_LIST_SIZE; ++n) {
    to[n] = dst.GetValue(n, site);
    from[n] = src.GetValue(n, site);
  }
  TransDataTo5HD<T>(to, from, params, site);
}

template <typename T>
void Transpose(const LocalTensor<T>& dst, const LocalTensor<T>& src, Site site = Site::here()) {
  ascsim::vector_transpose(dst.operand(), src.operand(), site);
}
template <typename T>
void Transpose(const LocalTensor<T>& dst, const LocalTensor<T>& src,
               const LocalTensor<uint8_t>& sharedTmpBuffer, const TransposeParamsExt& params,
               Site site = Site::here()) {
  switch (params.transposeType) {
    case TransposeType::TRANSPOSE_TYPE_NONE:
      return;
    case TransposeType::TRANSPOSE_ND2ND_B16:
      return Transpose(dst, src, site);
    case TransposeType::TRANSPOSE_NCHW2NHWC:
    case TransposeType::TRANSPOSE_NHWC2NCHW:
      break;
    default:
      throw ascsim::SimulatorBug("Transpose of a type that no chip supports yet");
  }
  ascsim::AxisTranspose t;
  t.dst = dst.operand();
  t.src = src.operand();
  t.tmp = sharedTmpBuffer.operand();
  t.n = params.nSize.given();
  t.c = params.cSize.given();
  t.hw = params.hSize.given() * params.wSize.given();
  t.channels_last = params.transposeType == TransposeType::TRANSPOSE_NCHW2NHWC;
  ascsim::vector_transpose_axes(t, site);
}

}  // namespace AscendC
