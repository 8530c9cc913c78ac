// LoadData: L1 (or GM) to L0A and L0B.
#pragma once

#include "ascendc/data_copy_pad.h"
#include "ascendc/narrow.h"
#include "ascendc/tensor.h"
#include "ascsim/ops_cube.h"

namespace AscendC {

// The order of the constructor's arguments is documented, and is not that of the members.
struct LoadData2DParams {
  Narrow<uint16_t> startIndex = 0, dstGap = 0, srcStride = 0;
  bool ifTranspose = false;
  Narrow<uint8_t> repeatTimes = 0, sid = 0, addrMode = 0;

  LoadData2DParams() = default;
  LoadData2DParams(Narrow<uint16_t> start, Narrow<uint8_t> repeats, Narrow<uint16_t> src_stride,
                   Narrow<uint8_t> sid, Narrow<uint16_t> dst_gap, bool transpose,
                   Narrow<uint8_t> addr_mode)
      : startIndex(start),
        dstGap(dst_gap),
        srcStride(src_stride),
        ifTranspose(transpose),
        repeatTimes(repeats),
        sid(sid),
        addrMode(addr_mode) {}
};
using LoadData2dParams = LoadData2DParams;

struct LoadData2dTransposeParams {
  Narrow<uint16_t> startIndex = 0;
  Narrow<uint8_t> repeatTimes = 0;
  Narrow<uint16_t> srcStride = 0, dstGap = 0, dstFracGap = 0;
  Narrow<uint8_t> addrMode = 0;

  LoadData2dTransposeParams() = default;
  LoadData2dTransposeParams(Narrow<uint16_t> start, Narrow<uint8_t> repeats,
                            Narrow<uint16_t> src_stride, Narrow<uint16_t> dst_gap,
                            Narrow<uint16_t> dst_fractal_gap, Narrow<uint8_t> addr_mode = 0)
      : startIndex(start),
        repeatTimes(repeats),
        srcStride(src_stride),
        dstGap(dst_gap),
        dstFracGap(dst_fractal_gap),
        addrMode(addr_mode) {}
};

constexpr int32_t PAD_SIZE = 4;

template <typename T>
struct LoadData3DParamsV2 {
  Narrow<uint8_t> padList[PAD_SIZE] = {0, 0, 0, 0};
  Narrow<uint16_t> l1H = 0, l1W = 0, channelSize = 0, kExtension = 0, mExtension = 0, kStartPt = 0,
                   mStartPt = 0;
  Narrow<uint8_t> strideW = 1, strideH = 1, filterW = 1, filterH = 1, dilationFilterW = 1,
                  dilationFilterH = 1;
  bool enTranspose = false, enSmallK = false;
  T padValue = 0;
  bool filterSizeW = false, filterSizeH = false, fMatrixCtrl = false;

  LoadData3DParamsV2() = default;
  LoadData3DParamsV2(const uint8_t pads[PAD_SIZE], Narrow<uint16_t> l1_h, Narrow<uint16_t> l1_w,
                     Narrow<uint16_t> channels, Narrow<uint16_t> k_extension,
                     Narrow<uint16_t> m_extension, Narrow<uint16_t> k_start,
                     Narrow<uint16_t> m_start, Narrow<uint8_t> stride_w, Narrow<uint8_t> stride_h,
                     Narrow<uint8_t> filter_w, Narrow<uint8_t> filter_h, Narrow<uint8_t> dilation_w,
                     Narrow<uint8_t> dilation_h, bool transpose, bool small_k, T pad_value,
                     bool filter_size_w = false, bool filter_size_h = false,
                     bool fmatrix_right = false)
      : l1H(l1_h),
        l1W(l1_w),
        channelSize(channels),
        kExtension(k_extension),
        mExtension(m_extension),
        kStartPt(k_start),
        mStartPt(m_start),
        strideW(stride_w),
        strideH(stride_h),
        filterW(filter_w),
        filterH(filter_h),
        dilationFilterW(dilation_w),
        dilationFilterH(dilation_h),
        enTranspose(transpose),
        enSmallK(small_k),
        padValue(pad_value),
        filterSizeW(filter_size_w),
        filterSizeH(filter_size_h),
        fMatrixCtrl(fmatrix_right) {
    for (int i = 0; i < PAD_SIZE; ++i) padList[i] = pads[i];
  }
};

// The same with packed fields; the feature map comes from SetFmatrix or Load3DSetFMatrixCal.
struct LoadData3DParamsV2Pro {
  Narrow<uint16_t> channelSize = 0;
  bool enTranspose = false, enSmallK = false, filterSizeW = false, filterSizeH = false,
       fMatrixCtrl = false;
  uint64_t extConfig = 0;                   // mStartPt, kStartPt, mExtension, kExtension
  uint64_t filterConfig = 0x010101010101u;  // dilation h, w, filter h, w, stride h, w

  LoadData3DParamsV2Pro() = default;
  LoadData3DParamsV2Pro(Narrow<uint16_t> channels, bool transpose, bool small_k, bool filter_size_w,
                        bool filter_size_h, bool fmatrix_right, uint64_t ext, uint64_t filter)
      : channelSize(channels),
        enTranspose(transpose),
        enSmallK(small_k),
        filterSizeW(filter_size_w),
        filterSizeH(filter_size_h),
        fMatrixCtrl(fmatrix_right),
        extConfig(ext),
        filterConfig(filter) {}
};

// Which of the load's registers LoadData writes itself before it loads.
struct IsResetLoad3dConfig {
  bool isSetFMatrix = true;
  bool isSetPadding = true;

  constexpr IsResetLoad3dConfig(bool fmatrix, bool padding)
      : isSetFMatrix(fmatrix), isSetPadding(padding) {}
};
inline constexpr IsResetLoad3dConfig IS_RESER_LOAD3D_DEFAULT_CONFIG = {true, true};

struct LoadDataRepeatParam {
  Narrow<uint16_t> repeatStride = 0;
  Narrow<uint8_t> repeatTime = 1, repeatMode = 0;

  LoadDataRepeatParam() = default;
  LoadDataRepeatParam(Narrow<uint16_t> stride, Narrow<uint8_t> times, Narrow<uint8_t> mode)
      : repeatStride(stride), repeatTime(times), repeatMode(mode) {}
};

namespace detail {

inline ascsim::Load2d load_of(const LoadData2DParams& p) {
  ascsim::Load2d load;
  load.start = p.startIndex.given();
  load.repeats = p.repeatTimes.given();
  load.src_stride = p.srcStride.given();
  load.dst_gap = p.dstGap.given();
  load.transpose = p.ifTranspose;
  load.address_mode = p.addrMode.given();
  return load;
}

}  // namespace detail

template <typename T>
void LoadData(const LocalTensor<T>& dst, const LocalTensor<T>& src, const LoadData2DParams& params,
              Site site = Site::here()) {
  ascsim::load_2d(dst.operand(), src.operand(), detail::load_of(params), site);
}
template <typename T>
void LoadData(const LocalTensor<T>& dst, const GlobalTensor<T>& src, const LoadData2DParams& params,
              Site site = Site::here()) {
  ascsim::load_2d(dst.operand(), src.operand(), detail::load_of(params), site);
}

template <typename T>
void LoadDataWithTranspose(const LocalTensor<T>& dst, const LocalTensor<T>& src,
                           const LoadData2dTransposeParams& params, Site site = Site::here()) {
  ascsim::Load2d load;
  load.start = params.startIndex.given();
  load.repeats = params.repeatTimes.given();
  load.src_stride = params.srcStride.given();
  load.dst_gap = params.dstGap.given();
  load.dst_fractal_gap = params.dstFracGap.given();
  load.transpose = true;
  load.address_mode = params.addrMode.given();
  ascsim::load_transposed(dst.operand(), src.operand(), load, site);
}

inline void SetFmatrix(Narrow<uint16_t> l1_h, Narrow<uint16_t> l1_w, const uint8_t pads[PAD_SIZE],
                       const FmatrixMode& mode, Site site = Site::here()) {
  ascsim::set_fmatrix(l1_h.given(), l1_w.given(), {pads[0], pads[1], pads[2], pads[3]},
                      mode == FmatrixMode::FMATRIX_RIGHT, site);
}
inline void Load3DSetFMatrixCal(Narrow<uint16_t> l1_h, Narrow<uint16_t> l1_w,
                                const uint8_t pads[PAD_SIZE], Site site = Site::here()) {
  SetFmatrix(l1_h, l1_w, pads, FmatrixMode::FMATRIX_LEFT, site);
}
template <typename T>
void SetLoadDataPaddingValue(const T value, Site site = Site::here()) {
  ascsim::set_load_padding(detail::value_bits(value), site);
}
// Only the values that switch these features off are modelled.
inline void SetLoadDataRepeat(const LoadDataRepeatParam& params) {
  if (params.repeatTime.given() != 1) throw ascsim::SimulatorBug("SetLoadDataRepeat: repeatTime");
}
inline void SetLoadDataBoundary(uint32_t boundary) {
  if (boundary != 0) throw ascsim::SimulatorBug("SetLoadDataBoundary");
}

template <typename T, const IsResetLoad3dConfig& config = IS_RESER_LOAD3D_DEFAULT_CONFIG,
          typename U = T>
void LoadData(const LocalTensor<T>& dst, const LocalTensor<T>& src,
              const LoadData3DParamsV2<U>& params, Site site = Site::here()) {
  if constexpr (config.isSetFMatrix) {
    ascsim::set_fmatrix(params.l1H.given(), params.l1W.given(),
                        {params.padList[0].given(), params.padList[1].given(),
                         params.padList[2].given(), params.padList[3].given()},
                        params.fMatrixCtrl, site);
  }
  if constexpr (config.isSetPadding) {
    ascsim::set_load_padding(detail::value_bits(params.padValue), site);
  }
  ascsim::Load3d load;
  load.channels = params.channelSize.given();
  load.k_extension = params.kExtension.given();
  load.m_extension = params.mExtension.given();
  load.k_start = params.kStartPt.given();
  load.m_start = params.mStartPt.given();
  load.stride_w = params.strideW.given();
  load.stride_h = params.strideH.given();
  load.filter_w = params.filterW.given();
  load.filter_h = params.filterH.given();
  load.dilation_w = params.dilationFilterW.given();
  load.dilation_h = params.dilationFilterH.given();
  load.transpose = params.enTranspose;
  load.small_k = params.enSmallK;
  load.long_filter_w = params.filterSizeW;
  load.long_filter_h = params.filterSizeH;
  load.right_fmatrix = params.fMatrixCtrl;
  ascsim::load_3d(dst.operand(), src.operand(), load, site);
}

template <typename T>
void LoadData(const LocalTensor<T>& dst, const LocalTensor<T>& src,
              const LoadData3DParamsV2Pro& params, Site site = Site::here()) {
  const auto field = [](uint64_t bits, int shift, uint64_t mask) {
    return static_cast<int64_t>((bits >> shift) & mask);
  };
  ascsim::Load3d load;
  load.channels = params.channelSize.given();
  load.k_extension = field(params.extConfig, 0, 0xffff);
  load.m_extension = field(params.extConfig, 16, 0xffff);
  load.k_start = field(params.extConfig, 32, 0xffff);
  load.m_start = field(params.extConfig, 48, 0xffff);
  load.stride_w = field(params.filterConfig, 0, 0xff);
  load.stride_h = field(params.filterConfig, 8, 0xff);
  load.filter_w = field(params.filterConfig, 16, 0xff);
  load.filter_h = field(params.filterConfig, 24, 0xff);
  load.dilation_w = field(params.filterConfig, 32, 0xff);
  load.dilation_h = field(params.filterConfig, 40, 0xff);
  load.transpose = params.enTranspose;
  load.small_k = params.enSmallK;
  load.long_filter_w = params.filterSizeW;
  load.long_filter_h = params.filterSizeH;
  load.right_fmatrix = params.fMatrixCtrl;
  ascsim::load_3d(dst.operand(), src.operand(), load, site);
}

template <typename T, typename U>
void LoadDataWithSparse(const LocalTensor<T>&, const LocalTensor<T>&, const LocalTensor<U>&,
                        const LoadData2DParams&) {
  throw ascsim::SimulatorBug("LoadDataWithSparse is not modelled");
}

}  // namespace AscendC
