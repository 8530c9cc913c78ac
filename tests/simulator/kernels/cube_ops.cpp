// One instruction of the cube side each, with all parameters from a table of integers. Operands are
// put into and taken out of local memories directly (peek.h).
#include "peek.h"

using namespace AscendC;
using ascsim::Memory;

namespace {

// Parameters in the order in which a test lists them.
class Table {
 public:
  explicit Table(GM_ADDR values) { values_.SetGlobalBuffer(reinterpret_cast<int64_t*>(values)); }
  int64_t next() { return values_.GetValue(index_++); }

 private:
  GlobalTensor<int64_t> values_;
  uint64_t index_ = 0;
};

template <typename T>
LocalTensor<T> tensor(TPosition position, int64_t address) {
  return LocalTensor<T>(position, static_cast<uint32_t>(address), 64);
}

TPosition position_of(int64_t code) {
  constexpr TPosition kPositions[] = {TPosition::A1,  TPosition::A2, TPosition::B2,
                                      TPosition::CO1, TPosition::C2, TPosition::C2PIPE2GM};
  return kPositions[code];
}

template <typename Run>
void with_type(int64_t code, Run&& run) {
  switch (code) {
    case 0:
      return run(half{});
    case 1:
      return run(bfloat16_t{});
    case 2:
      return run(float{});
    case 3:
      return run(int8_t{});
    case 4:
      return run(uint8_t{});
    case 5:
      return run(int32_t{});
    default:
      return run(int4b_t{});
  }
}

template <typename T>
void load_2d_of(Table& p, GM_ADDR x, TPosition to, bool from_gm) {
  LoadData2DParams params;
  params.startIndex = p.next();
  params.repeatTimes = p.next();
  params.srcStride = p.next();
  params.dstGap = p.next();
  params.ifTranspose = p.next() != 0;
  params.addrMode = p.next();
  const auto dst = tensor<T>(to, p.next());
  const int64_t src = p.next();
  if (from_gm) {
    GlobalTensor<T> gm;
    gm.SetGlobalBuffer(reinterpret_cast<T*>(x + src));
    LoadData(dst, gm, params);
  } else {
    LoadData(dst, tensor<T>(TPosition::A1, src), params);
  }
}

template <typename T>
void load_transposed_of(Table& p, TPosition to) {
  LoadData2dTransposeParams params;
  params.startIndex = p.next();
  params.repeatTimes = p.next();
  params.srcStride = p.next();
  params.dstGap = p.next();
  params.dstFracGap = p.next();
  params.addrMode = p.next();
  const auto dst = tensor<T>(to, p.next());
  LoadDataWithTranspose(dst, tensor<T>(TPosition::A1, p.next()), params);
}

template <typename T>
void load_3d_of(Table& p, TPosition to) {
  LoadData3DParamsV2<T> params;
  for (auto& pad : params.padList) pad = p.next();
  params.l1H = p.next();
  params.l1W = p.next();
  params.channelSize = p.next();
  params.kExtension = p.next();
  params.mExtension = p.next();
  params.kStartPt = p.next();
  params.mStartPt = p.next();
  params.strideW = p.next();
  params.strideH = p.next();
  params.filterW = p.next();
  params.filterH = p.next();
  params.dilationFilterW = p.next();
  params.dilationFilterH = p.next();
  params.enTranspose = p.next() != 0;
  params.padValue = static_cast<T>(static_cast<float>(p.next()));
  params.fMatrixCtrl = p.next() != 0;
  const int64_t mode = p.next();  // 0: sets all itself, 1: set before, 2: never set, 3: packed
  const auto dst = tensor<T>(to, 0);
  const auto src = tensor<T>(TPosition::A1, 0);
  static constexpr IsResetLoad3dConfig kKeep = {false, false};
  const uint8_t pads[4] = {params.padList[0], params.padList[1], params.padList[2],
                           params.padList[3]};
  if (mode == 0) return LoadData(dst, src, params);
  if (mode == 1) {
    SetFmatrix(params.l1H, params.l1W, pads,
               params.fMatrixCtrl ? FmatrixMode::FMATRIX_RIGHT : FmatrixMode::FMATRIX_LEFT);
    SetLoadDataPaddingValue(params.padValue);
  }
  if (mode != 3) return LoadData<T, kKeep>(dst, src, params);
  Load3DSetFMatrixCal(params.l1H, params.l1W, pads);
  SetLoadDataPaddingValue(params.padValue);
  LoadData3DParamsV2Pro packed;
  packed.channelSize = params.channelSize;
  packed.enTranspose = params.enTranspose;
  packed.fMatrixCtrl = params.fMatrixCtrl;
  packed.extConfig = uint64_t{params.mStartPt} << 48 | uint64_t{params.kStartPt} << 32 |
                     uint64_t{params.mExtension} << 16 | uint64_t{params.kExtension};
  packed.filterConfig = uint64_t{params.dilationFilterH} << 40 |
                        uint64_t{params.dilationFilterW} << 32 | uint64_t{params.filterH} << 24 |
                        uint64_t{params.filterW} << 16 | uint64_t{params.strideH} << 8 |
                        uint64_t{params.strideW};
  LoadData(dst, src, packed);
}

}  // namespace

// x to L1 (or read from GM), one load, all of the target memory to out.
extern "C" __global__ __aicore__ void cube_load(GM_ADDR x, GM_ADDR x_known, int64_t x_bytes,
                                                GM_ADDR table, GM_ADDR out, GM_ADDR known,
                                                int64_t out_bytes) {
  if ASCEND_IS_AIC {
    poke(Memory::kL1, 0, x_bytes, x, x_known);
    Table p(table);
    const int64_t form = p.next();  // 0: 2D, 1: with transposition, 2: 3D, 3: 2D from GM
    const int64_t type = p.next();
    const TPosition to = position_of(p.next());
    with_type(type, [&](auto zero) {
      using T = decltype(zero);
      if (form == 0 || form == 3) load_2d_of<T>(p, x, to, form == 3);
      if (form == 1) load_transposed_of<T>(p, to);
      if constexpr (!std::is_same_v<T, int4b_t>) {
        if (form == 2) load_3d_of<T>(p, to);
      }
    });
    peek(memory_of(to), 0, out_bytes, out, known);
  }
}
ASC_KERNEL(cube_load, ascsim::KernelKind::kCube);

namespace {

template <typename C, typename AB>
void mmad_of(Table& p) {
  MmadParams params;
  const int64_t calls = p.next();
  for (int64_t call = 0; call < calls; ++call) {
    params.m = p.next();
    params.n = p.next();
    params.k = p.next();
    params.unitFlag = p.next();
    params.kDirectionAlign = p.next() != 0;
    params.cmatrixInitVal = p.next() != 0;
    params.cmatrixSource = p.next() != 0;
    params.isBias = p.next() != 0;
    const int64_t bias = p.next();  // -1: no operand
    const int64_t hf32 = p.next();  // 0: off, 1: ties to even, 2: ties to zero
    const auto c = tensor<C>(TPosition::CO1, p.next());
    const auto a = tensor<AB>(TPosition::A2, p.next());
    const auto b = tensor<AB>(TPosition::B2, p.next());
    const bool barrier = p.next() != 0;
    SetHF32Mode(hf32 != 0);
    SetHF32TransMode(hf32 == 2);
    if (bias < 0) {
      Mmad(c, a, b, params);
    } else {
      Mmad(c, a, b, tensor<C>(TPosition::C2, bias), params);
    }
    if (barrier) PipeBarrier<PIPE_M>();
  }
}

}  // namespace

// L0A, L0B, BT and L0C as given, some Mmads, then L0C to c.
extern "C" __global__ __aicore__ void cube_mmad(GM_ADDR a, GM_ADDR a_known, GM_ADDR b,
                                                GM_ADDR b_known, GM_ADDR bias, GM_ADDR bias_known,
                                                GM_ADDR table, GM_ADDR c, GM_ADDR c_known) {
  if ASCEND_IS_AIC {
    poke(Memory::kL0a, 0, 65536, a, a_known);
    poke(Memory::kL0b, 0, 65536, b, b_known);
    poke(Memory::kBt, 0, 1024, bias, bias_known);
    poke(Memory::kL0c, 0, 131072, c, c_known);
    Table p(table);
    switch (p.next()) {
      case 0:
        mmad_of<float, half>(p);
        break;
      case 1:
        mmad_of<float, bfloat16_t>(p);
        break;
      case 2:
        mmad_of<float, float>(p);
        break;
      case 3:
        mmad_of<int32_t, int8_t>(p);
        break;
      case 4:
        mmad_of<float, int8_t>(p);
        break;
      default:
        mmad_of<int32_t, int4b_t>(p);
        break;
    }
    peek(Memory::kL0c, 0, 131072, c, c_known);
  }
}
ASC_KERNEL(cube_mmad, ascsim::KernelKind::kCube);

namespace {

template <typename T, typename U, const FixpipeConfig& config>
void fixpipe_of(const FixpipeParamsV220& params, int64_t src_address, int64_t dst_address,
                GM_ADDR out, bool to_gm, int64_t scales) {
  const auto src = tensor<U>(TPosition::CO1, src_address);
  if (scales == -2) SetFixPipeConfig(tensor<uint64_t>(TPosition::C2PIPE2GM, 0));
  GlobalTensor<T> gm;
  gm.SetGlobalBuffer(reinterpret_cast<T*>(out + dst_address));
  const auto l1 = tensor<T>(TPosition::A1, dst_address);
  const auto workspace = tensor<uint64_t>(TPosition::C1, scales < 0 ? 0 : scales);
  if (to_gm && scales < 0) Fixpipe<T, U, config>(gm, src, params);
  if (to_gm && scales >= 0) Fixpipe<T, U, config>(gm, src, workspace, params);
  if (!to_gm && scales < 0) Fixpipe<T, U, config>(l1, src, params);
  if (!to_gm && scales >= 0) Fixpipe<T, U, config>(l1, src, workspace, params);
}

// The same store by DataCopy, to GM and without scales.
template <typename T, typename U>
void copy_of(const FixpipeParamsV220& params, int64_t src_address, GM_ADDR out, bool nz,
             bool flags) {
  GlobalTensor<T> gm;
  gm.SetGlobalBuffer(reinterpret_cast<T*>(out));
  if (flags) SetFixpipeNz2ndFlag(params.ndNum, params.srcNdStride, params.dstNdStride);
  DataCopyCO12DstParams copy(params.nSize, params.mSize, params.dstStride, params.srcStride,
                             params.quantPre, params.reluEn ? 1 : 0, params.isChannelSplit, !nz);
  copy.unitFlag = params.unitFlag;
  DataCopy(gm, tensor<U>(TPosition::CO1, src_address), copy);
}

}  // namespace

// L0C as given, a Fixpipe to out or to L1 and from there to out.
extern "C" __global__ __aicore__ void cube_fixpipe(GM_ADDR c, GM_ADDR c_known, GM_ADDR scales,
                                                   GM_ADDR table, GM_ADDR out, GM_ADDR known,
                                                   int64_t out_bytes) {
  if ASCEND_IS_AIC {
    uint8_t all[2048];
    std::memset(all, 1, sizeof(all));
    poke(Memory::kL0c, 0, 131072, c, c_known);
    poke(Memory::kFb, 0, 2048, scales, all);
    poke(Memory::kL1, 262144, 2048, scales, all);
    Table p(table);
    const int64_t from_type = p.next(), to_type = p.next();
    const bool nz = p.next() != 0, to_gm = p.next() != 0;
    const int64_t scales_at = p.next();  // -1: none, -2: SetFixPipeConfig, else in L1
    const int64_t src = p.next(), dst = p.next(), atomic = p.next();
    FixpipeParamsV220 params;
    params.nSize = p.next();
    params.mSize = p.next();
    params.srcStride = p.next();
    params.dstStride = p.next();
    params.quantPre = static_cast<QuantMode_t>(p.next());
    if (p.next() != 0) {
      params.deqScalar = p.next();
    } else {
      p.next();
    }
    params.ndNum = p.next();
    params.srcNdStride = p.next();
    params.dstNdStride = p.next();
    params.reluEn = p.next() != 0;
    params.unitFlag = p.next();
    params.isChannelSplit = p.next() != 0;
    const bool copy = p.next() != 0, flags = p.next() != 0;
    with_type(to_type, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (!std::is_same_v<T, int4b_t>) {
        if (atomic != 0) SetAtomicAdd<T>();
        const bool integers = from_type == 5;
        if (copy && integers) return copy_of<T, int32_t>(params, src, out + dst, nz, flags);
        if (copy) return copy_of<T, float>(params, src, out + dst, nz, flags);
        if (nz && integers) fixpipe_of<T, int32_t, CFG_NZ>(params, src, dst, out, to_gm, scales_at);
        if (nz && !integers) fixpipe_of<T, float, CFG_NZ>(params, src, dst, out, to_gm, scales_at);
        if (!nz && integers) {
          fixpipe_of<T, int32_t, CFG_ROW_MAJOR>(params, src, dst, out, to_gm, scales_at);
        }
        if (!nz && !integers) {
          fixpipe_of<T, float, CFG_ROW_MAJOR>(params, src, dst, out, to_gm, scales_at);
        }
        if (atomic != 0) SetAtomicNone();
      }
    });
    if (!to_gm) peek(Memory::kL1, 0, out_bytes, out, known);
  }
}
ASC_KERNEL(cube_fixpipe, ascsim::KernelKind::kCube);
