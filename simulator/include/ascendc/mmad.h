// Mmad and its modes.
#pragma once

#include "ascendc/narrow.h"
#include "ascendc/tensor.h"
#include "ascsim/ops_cube.h"

namespace AscendC {

struct MmadParams {
  Narrow<uint16_t> m = 0, n = 0, k = 0;
  bool isBias = false;
  int32_t fmOffset = 0;  // this and the next three have no effect on 2201
  bool enSsparse = false, enWinogradA = false, enWinogradB = false;
  Narrow<uint8_t> unitFlag = 0;
  bool kDirectionAlign = false;
  bool cmatrixSource = false;
  bool cmatrixInitVal = true;

  MmadParams() = default;
  MmadParams(Narrow<uint16_t> m, Narrow<uint16_t> n, Narrow<uint16_t> k, bool is_bias,
             int32_t fm_offset, bool sparse, bool winograd_a, bool winograd_b)
      : m(m),
        n(n),
        k(k),
        isBias(is_bias),
        fmOffset(fm_offset),
        enSsparse(sparse),
        enWinogradA(winograd_a),
        enWinogradB(winograd_b) {}
  MmadParams(Narrow<uint16_t> m, Narrow<uint16_t> n, Narrow<uint16_t> k, Narrow<uint8_t> unit_flag,
             bool cmatrix_source, bool cmatrix_init_val)
      : m(m),
        n(n),
        k(k),
        unitFlag(unit_flag),
        cmatrixSource(cmatrix_source),
        cmatrixInitVal(cmatrix_init_val) {}
};

namespace detail {

inline ascsim::MmadCall call_of(const MmadParams& p) {
  ascsim::MmadCall call;
  call.m = p.m.given();
  call.n = p.n.given();
  call.k = p.k.given();
  call.unit_flag = p.unitFlag.given();
  call.align_k = p.kDirectionAlign;
  return call;
}

}  // namespace detail

// isBias, the old way to ask for accumulation, overrides cmatrixInitVal in this form only.
template <typename T, typename U, typename S>
void Mmad(const LocalTensor<T>& dst, const LocalTensor<U>& fm, const LocalTensor<S>& filter,
          const MmadParams& params, Site site = Site::here()) {
  ascsim::MmadCall call = detail::call_of(params);
  call.zero_init = params.cmatrixInitVal && !params.isBias;
  call.bias_init = params.cmatrixSource;
  ascsim::mmad(dst.operand(), fm.operand(), filter.operand(), call, site);
}

// The bias's position decides where C starts from; cmatrixSource has no effect (documented).
template <typename T, typename U, typename S, typename V>
void Mmad(const LocalTensor<T>& dst, const LocalTensor<U>& fm, const LocalTensor<S>& filter,
          const LocalTensor<V>& bias, const MmadParams& params, Site site = Site::here()) {
  const ascsim::Operand from = bias.operand();
  ascsim::MmadCall call = detail::call_of(params);
  call.zero_init = params.cmatrixInitVal;
  call.bias_init = from.memory == ascsim::Memory::kBt;
  call.bias_address = from.address;
  if (!call.bias_init &&
      (from.memory != ascsim::Memory::kL0c || from.address != dst.operand().address)) {
    throw ascsim::SimulatorBug("Mmad: bias outside of BT");
  }
  ascsim::mmad(dst.operand(), fm.operand(), filter.operand(), call, site);
}

template <typename T, typename U>
void MmadWithSparse(const LocalTensor<T>&, const LocalTensor<U>&, const LocalTensor<U>&,
                    const MmadParams&) {
  throw ascsim::SimulatorBug("MmadWithSparse is not modelled");
}

enum class HF32Mode { ENABLE, DISABLE };
enum class HF32TransMode { NEAREST_ZERO, NEAREST_EVEN };

inline void SetHF32Mode(HF32Mode mode, Site site = Site::here()) {
  ascsim::set_hf32(mode == HF32Mode::ENABLE, site);
}
inline void SetHF32Mode(bool on, Site site = Site::here()) { ascsim::set_hf32(on, site); }
inline void SetHF32TransMode(HF32TransMode mode, Site site = Site::here()) {
  ascsim::set_hf32_rounding(mode == HF32TransMode::NEAREST_EVEN, site);
}
inline void SetHF32TransMode(bool to_zero, Site site = Site::here()) {
  ascsim::set_hf32_rounding(!to_zero, site);
}

// Which of m and n the cube walks first: no effect on results.
inline void SetMMRowMajor(Site site = Site::here()) { ascsim::set_mmad_order(false, site); }
inline void SetMMColumnMajor(Site site = Site::here()) { ascsim::set_mmad_order(true, site); }
inline void SetMMLayoutTransform(bool row_major, Site site = Site::here()) {
  ascsim::set_mmad_order(!row_major, site);
}

}  // namespace AscendC
