// What operations declare as their Work, one line of text per instruction of the recorded kind.
#include <algorithm>

#include "ascsim/machine.h"
#include "kernel_operator.h"

using namespace AscendC;

namespace {

using ascsim::VectorOperand;

class Lines : public ascsim::Observer {
 public:
  Lines() { ascsim::machine().observers.push_back(this); }
  ~Lines() override {
    auto& all = ascsim::machine().observers;
    all.erase(std::find(all.begin(), all.end(), this));
  }

  void instruction(const ascsim::Issued& issued) override {
    name_ = issued.operation;
    std::visit([&](const auto& work) { line(work); }, issued.work);
  }
  void store(uint8_t* to) const { std::memcpy(to, text_.data(), text_.size()); }

 private:
  template <typename... Numbers>
  void add(Numbers... numbers) {
    ((text_ += ' ' + std::to_string(numbers)), ...);
  }
  void begin(ascsim::DType dtype) { text_ += std::string(name_) + ' ' + ascsim::name_of(dtype); }
  void operand(const VectorOperand& o) {
    if (o.present) {
      add(o.address, o.block_stride, o.repeat_stride, int{o.blocks});
    } else {
      text_ += " -";
    }
  }

  void line(const ascsim::ScalarWork&) {}
  void line(const ascsim::MoveWork&) {}
  void line(const ascsim::VectorWork& w) {
    begin(w.dtype);
    add(static_cast<int>(w.op), w.repeats, w.elements);
    for (const VectorOperand* o : {&w.dst, &w.src0, &w.src1}) operand(*o);
    text_ += '\n';
  }
  void line(const ascsim::MmadWork& w) {
    begin(w.dtype);
    add(w.m, w.n, w.k, w.hf32, w.unit_flag, w.l0c_address);
    text_ += '\n';
  }
  void line(const ascsim::LoadWork& w) {
    text_ += name_;
    add(static_cast<int>(w.kind), static_cast<int>(w.to), w.bytes, w.repeats);
    text_ += '\n';
  }
  void line(const ascsim::FixpipeWork& w) {
    text_ += name_;
    add(w.to_gm, w.nz2nd, w.atomic, w.out_bytes, w.m, w.n, w.matrices, w.unit_flag, w.l0c_address,
        w.runs, w.run_bytes, w.run_stride);
    text_ += '\n';
  }

  const char* name_ = "";
  std::string text_;
};

template <typename T>
LocalTensor<T> ub(uint32_t address) {
  return LocalTensor<T>(TPosition::VECCALC, address, 4096);
}

struct Strides {
  int64_t mask, repeats, dst_block, a_block, b_block, dst_repeat, a_repeat, b_repeat;
};

void vector_instructions(const Strides& s) {
  const auto dst = ub<float>(0), a = ub<float>(65536), b = ub<float>(131072);
  const auto half_dst = ub<half>(0), half_a = ub<half>(65536);
  const auto mask = static_cast<uint64_t>(s.mask);
  const auto count = static_cast<int32_t>(s.mask * s.repeats);
  const BinaryRepeatParams two(s.dst_block, s.a_block, s.b_block, s.dst_repeat, s.a_repeat,
                               s.b_repeat);
  const UnaryRepeatParams one(s.dst_block, s.a_block, s.dst_repeat, s.a_repeat);
  Add(dst, a, b, mask, s.repeats, two);
  Mul(dst, a, b, mask, s.repeats, two);
  Max(dst, a, b, mask, s.repeats, two);
  Div(dst, a, b, count);
  MulAddDst(dst, a, b, mask, s.repeats, two);
  Axpy(dst, a, 2.0f, mask, s.repeats, one);
  Adds(dst, a, 2.0f, mask, s.repeats, one);
  Muls(dst, a, 2.0f, count);
  Maxs(half_dst, half_a, half(2), mask, s.repeats, one);
  Exp(dst, a, mask, s.repeats, one);
  Ln(dst, a, count);
  Sqrt(dst, a, mask, s.repeats, one);
  Reciprocal(dst, a, mask, s.repeats, one);
  Relu(dst, a, mask, s.repeats, one);
  Cast(dst, half_a, RoundMode::CAST_NONE, mask, s.repeats, one);
  Cast(half_dst, a, RoundMode::CAST_RINT, mask, s.repeats, one);
  Duplicate(dst, 1.0f, mask, s.repeats, s.dst_block, s.dst_repeat);
  Brcb(dst, a, s.repeats, BrcbRepeatParams(s.dst_block, s.dst_repeat));
  BlockReduceSum(dst, a, s.repeats, static_cast<int32_t>(mask), s.dst_repeat, s.a_block,
                 s.a_repeat);
  WholeReduceMax(dst, a, static_cast<int32_t>(mask), s.repeats, s.dst_repeat, s.a_block,
                 s.a_repeat);
  Compare(ub<uint8_t>(0), a, b, CMPMODE::LT, 64, s.repeats, two);
}

}  // namespace

extern "C" __global__ __aicore__ void recorded_vector(GM_ADDR parameters, GM_ADDR out) {
  if ASCEND_IS_AIV {
    Strides s;
    std::memcpy(&s, parameters, sizeof(s));
    Lines lines;
    vector_instructions(s);
    lines.store(out);
  }
}
ASC_KERNEL(recorded_vector, ascsim::KernelKind::kVector);

// parameters: m n k hf32 unit_flag address; repeats of a load; matrices and strides of a Fixpipe.
extern "C" __global__ __aicore__ void recorded_cube(GM_ADDR parameters, GM_ADDR out, GM_ADDR gm) {
  if ASCEND_IS_AIC {
    int64_t p[10];
    std::memcpy(p, parameters, sizeof(p));
    Lines lines;
    const LocalTensor<half> l1(TPosition::A1, 0, 65536), l0a(TPosition::A2, 0, 32768);
    const LocalTensor<half> l0b(TPosition::B2, 0, 32768);
    const LocalTensor<float> l0c(TPosition::CO1, static_cast<uint32_t>(p[5]), 16384);
    LoadData2DParams load;
    load.repeatTimes = p[6];
    load.srcStride = 1;
    LoadData(l0a, l1, load);
    load.ifTranspose = true;
    LoadData(l0b, l1, load);
    LoadData2dTransposeParams turned;
    turned.repeatTimes = p[6];
    turned.srcStride = 1;
    LoadDataWithTranspose(l0b, l1, turned);
    MmadParams mmad;
    mmad.m = p[0];
    mmad.n = p[1];
    mmad.k = p[2];
    Mmad(l0c, l0a, l0b, mmad);
    mmad.unitFlag = p[4];
    if (p[3] != 0) SetHF32Mode(true);
    Mmad(l0c, l0a.ReinterpretCast<float>(), l0b.ReinterpretCast<float>(), mmad);
    SetHF32Mode(false);
    FixpipeParamsV220 store;
    store.mSize = p[0];
    store.nSize = p[1];
    store.srcStride = (p[0] + 15) / 16 * 16;
    store.dstStride = p[8];
    store.ndNum = p[7];
    store.srcNdStride = 16;
    store.dstNdStride = p[9];
    store.quantPre = QuantMode_t::F322F16;
    store.unitFlag = p[4];
    GlobalTensor<half> target;
    target.SetGlobalBuffer(reinterpret_cast<__gm__ half*>(gm));
    Fixpipe(target, l0c, store);
    lines.store(out);
  }
}
ASC_KERNEL(recorded_cube, ascsim::KernelKind::kCube);
