// Fixpipe: L0C to GM and L1. DataCopy of L0C to GM.
#pragma once

#include "ascendc/narrow.h"
#include "ascendc/tensor.h"
#include "ascsim/ops_cube.h"

namespace AscendC {

// A member that the original leaves without a value: use before assignment is reported.
class DeqScalar {
 public:
  DeqScalar() = default;
  template <typename V, typename = std::enable_if_t<std::is_integral_v<V>>>
  DeqScalar(V value) : value_(static_cast<uint64_t>(value)), given_(true) {}
  operator uint64_t() const { return value_; }
  bool given() const { return given_; }

 private:
  uint64_t value_ = 0;
  bool given_ = false;
};

struct FixpipeParamsV220 {
  Narrow<uint16_t> nSize = 0, mSize = 0, srcStride = 0;
  Narrow<uint32_t> dstStride = 0;
  QuantMode_t quantPre = QuantMode_t::NoQuant;
  DeqScalar deqScalar;
  Narrow<uint16_t> ndNum = 1, srcNdStride = 0, dstNdStride = 0;
  bool reluEn = false;
  Narrow<uint8_t> unitFlag = 0;
  bool isChannelSplit = false;

  FixpipeParamsV220() = default;
  FixpipeParamsV220(Narrow<uint16_t> n, Narrow<uint16_t> m, Narrow<uint16_t> src_stride,
                    Narrow<uint32_t> dst_stride, bool relu)
      : nSize(n), mSize(m), srcStride(src_stride), dstStride(dst_stride), reluEn(relu) {}
  FixpipeParamsV220(Narrow<uint16_t> n, Narrow<uint16_t> m, Narrow<uint16_t> src_stride,
                    Narrow<uint32_t> dst_stride, bool relu, QuantMode_t quant, int64_t scale,
                    Narrow<uint16_t> nd_num, Narrow<uint16_t> src_nd_stride,
                    Narrow<uint16_t> dst_nd_stride, Narrow<uint8_t> unit_flag,
                    bool channel_split = false)
      : nSize(n),
        mSize(m),
        srcStride(src_stride),
        dstStride(dst_stride),
        quantPre(quant),
        deqScalar(scale),
        ndNum(nd_num),
        srcNdStride(src_nd_stride),
        dstNdStride(dst_nd_stride),
        reluEn(relu),
        unitFlag(unit_flag),
        isChannelSplit(channel_split) {}
};

struct DataCopyCO12DstParams {
  uint8_t sid = 0;
  Narrow<uint16_t> nSize = 0, mSize = 0;
  Narrow<uint32_t> dstStride = 0;
  Narrow<uint16_t> srcStride = 0;
  Narrow<uint8_t> unitFlag = 0;
  uint8_t clipReluPre = 0, eltWiseOp = 0;  // not on 2201
  QuantMode_t quantPre = QuantMode_t::NoQuant;
  uint8_t reluPre = 0;
  bool channelSplit = false, nz2ndEn = false;

  DataCopyCO12DstParams() = default;
  DataCopyCO12DstParams(Narrow<uint16_t> n, Narrow<uint16_t> m, Narrow<uint32_t> dst_stride,
                        Narrow<uint16_t> src_stride, QuantMode_t quant, uint8_t relu,
                        bool channel_split, bool nz2nd)
      : nSize(n),
        mSize(m),
        dstStride(dst_stride),
        srcStride(src_stride),
        quantPre(quant),
        reluPre(relu),
        channelSplit(channel_split),
        nz2ndEn(nz2nd) {}
};

namespace detail {

constexpr ascsim::Quant quant_of(QuantMode_t mode) {
  switch (mode) {
    case NoQuant:
      return ascsim::Quant::kNone;
    case F322F16:
      return ascsim::Quant::kToFp16;
    case F322BF16:
      return ascsim::Quant::kToBf16;
    case DEQF16:
      return ascsim::Quant::kDeqFp16;
    case VDEQF16:
      return ascsim::Quant::kVecDeqFp16;
    case QF322B8_PRE:
      return ascsim::Quant::kToB8;
    case VQF322B8_PRE:
      return ascsim::Quant::kVecToB8;
    case REQ8:
      return ascsim::Quant::kReqB8;
    case VREQ8:
      return ascsim::Quant::kVecReqB8;
    default:
      return ascsim::Quant::kOther;
  }
}

inline ascsim::FixpipeCall call_of(const FixpipeParamsV220& p, const FixpipeConfig& config) {
  ascsim::FixpipeCall call;
  call.n = p.nSize.given();
  call.m = p.mSize.given();
  call.src_stride = p.srcStride.given();
  call.dst_stride = p.dstStride.given();
  call.quant = quant_of(p.quantPre);
  call.scale_given = p.deqScalar.given();
  call.scale = p.deqScalar;
  call.matrices = p.ndNum.given();
  call.src_matrix_stride = p.srcNdStride.given();
  call.dst_matrix_stride = p.dstNdStride.given();
  call.relu = p.reluEn;
  call.unit_flag = p.unitFlag.given();
  call.split_channels = p.isChannelSplit;
  call.row_major = config.format == CO2Layout::ROW_MAJOR;
  return call;
}

inline ascsim::FixpipeCall call_of(const DataCopyCO12DstParams& p) {
  ascsim::FixpipeCall call;
  call.n = p.nSize.given();
  call.m = p.mSize.given();
  call.src_stride = p.srcStride.given();
  call.dst_stride = p.dstStride.given();
  call.quant = quant_of(p.quantPre);
  call.relu = p.reluPre != 0;
  call.unit_flag = p.unitFlag.given();
  call.split_channels = p.channelSplit;
  call.row_major = p.nz2ndEn;
  return call;
}

}  // namespace detail

template <typename T, typename U, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const GlobalTensor<T>& dst, const LocalTensor<U>& src, const FixpipeParamsV220& params,
             Site site = Site::here()) {
  static_assert(config.format != CO2Layout::COLUMN_MAJOR, "not on 2201");
  ascsim::fixpipe(dst.operand(), src.operand(), detail::call_of(params, config), site);
}
template <typename T, typename U, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const LocalTensor<T>& dst, const LocalTensor<U>& src, const FixpipeParamsV220& params,
             Site site = Site::here()) {
  static_assert(config.format != CO2Layout::COLUMN_MAJOR, "not on 2201");
  ascsim::fixpipe(dst.operand(), src.operand(), detail::call_of(params, config), site);
}
// With a scale per column, in L1: the function brings them to FB itself.
template <typename T, typename U, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const GlobalTensor<T>& dst, const LocalTensor<U>& src,
             const LocalTensor<uint64_t>& scales, const FixpipeParamsV220& params,
             Site site = Site::here()) {
  ascsim::FixpipeCall call = detail::call_of(params, config);
  call.has_scales = true;
  call.scales = scales.operand();
  ascsim::fixpipe(dst.operand(), src.operand(), call, site);
}
template <typename T, typename U, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const LocalTensor<T>& dst, const LocalTensor<U>& src,
             const LocalTensor<uint64_t>& scales, const FixpipeParamsV220& params,
             Site site = Site::here()) {
  ascsim::FixpipeCall call = detail::call_of(params, config);
  call.has_scales = true;
  call.scales = scales.operand();
  ascsim::fixpipe(dst.operand(), src.operand(), call, site);
}

// Without scales: SetFixpipePreQuantFlag and SetFixPipeConfig have no effect here.
template <typename T, typename U>
void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<U>& src,
              const DataCopyCO12DstParams& params, Site site = Site::here()) {
  ascsim::copy_out(dst.operand(), src.operand(), detail::call_of(params), site);
}

// The ReLU tensor is reserved (documented).
template <typename T>
void SetFixPipeConfig(const LocalTensor<T>&, const LocalTensor<T>& quant,
                      bool clear_unit_flags = false, Site site = Site::here()) {
  ascsim::set_fixpipe_scales(quant.operand(), clear_unit_flags, site);
}
template <typename T, bool setRelu = false>
void SetFixPipeConfig(const LocalTensor<T>& quant, bool clear_unit_flags = false,
                      Site site = Site::here()) {
  static_assert(!setRelu, "not on 2201");
  ascsim::set_fixpipe_scales(quant.operand(), clear_unit_flags, site);
}
inline void SetFixpipePreQuantFlag(uint64_t config, Site site = Site::here()) {
  ascsim::set_fixpipe_scale(config, site);
}
inline void SetFixpipeNz2ndFlag(Narrow<uint16_t> nd_num, Narrow<uint16_t> src_nd_stride,
                                Narrow<uint16_t> dst_nd_stride, Site site = Site::here()) {
  ascsim::set_fixpipe_matrices(nd_num.given(), src_nd_stride.given(), dst_nd_stride.given(), site);
}

}  // namespace AscendC
