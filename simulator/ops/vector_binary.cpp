// Add, Sub, Mul, Div, Max, Min, And, Or.
#include <cmath>

#include "ascsim/numeric.h"
#include "ops/vector_plan.h"

namespace ascsim {

namespace {

const char* operation_name(BinaryOp op) {
  static constexpr const char* kNames[] = {"Add", "Sub", "Mul", "Div", "Max", "Min", "And", "Or"};
  return kNames[static_cast<int>(op)];
}

VectorClass class_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
    case BinaryOp::kSub: return VectorClass::kAddSub;
    case BinaryOp::kMul: return VectorClass::kMul;
    case BinaryOp::kDiv: return VectorClass::kDiv;
    case BinaryOp::kMax:
    case BinaryOp::kMin: return VectorClass::kMaxMin;
    case BinaryOp::kAnd:
    case BinaryOp::kOr: return VectorClass::kLogic;
  }
  return VectorClass::kAddSub;
}

template <typename T>
T apply(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::kAdd: return static_cast<T>(a + b);
    case BinaryOp::kSub: return static_cast<T>(a - b);
    case BinaryOp::kMul: return static_cast<T>(a * b);
    case BinaryOp::kDiv: return static_cast<T>(a / b);
    case BinaryOp::kMax: return a != a ? a : b != b ? b : a < b ? b : a;
    case BinaryOp::kMin: return a != a ? a : b != b ? b : b < a ? b : a;
    default: return a;
  }
}

template <typename T>
void compute(BinaryOp op, const VectorPlan& plan, uint8_t* dst, const uint8_t* a, const uint8_t* b,
             Steps dst_steps, Steps a_steps, Steps b_steps) {
  constexpr int kPerBlock = static_cast<int>(kBlockBytes / sizeof(T));
  for (int64_t r = 0; r < plan.repeats; ++r) {
    for_each_lane_run(plan.low_of(r), plan.high_of(r), plan.lanes, kPerBlock, [&](int lane, int n) {
      const auto at = [&](Steps s) {
        return (r * s.repeat + lane / kPerBlock * s.block) * kBlockBytes +
               lane % kPerBlock * static_cast<int64_t>(sizeof(T));
      };
      auto* to = reinterpret_cast<T*>(dst + at(dst_steps));
      const auto* x = reinterpret_cast<const T*>(a + at(a_steps));
      const auto* y = reinterpret_cast<const T*>(b + at(b_steps));
      for (int l = 0; l < n; ++l) to[l] = apply(op, x[l], y[l]);
    });
  }
}

}  // namespace

void vector_binary(BinaryOp op, const Operand& dst, const Operand& a, const Operand& b,
                   const Lanes& lanes, Steps dst_steps, Steps a_steps, Steps b_steps, Site site) {
  Instruction i(Pipe::kV, operation_name(op), site);
  const int bytes = bits_of(dst.dtype) / 8;
  const VectorPlan plan = plan_lanes(i, lanes, bytes);
  i.require_aligned(dst, kBlockBytes, "dst");
  i.require_aligned(a, kBlockBytes, "src0");
  i.require_aligned(b, kBlockBytes, "src1");
  declare_operand(plan, a, bytes, a_steps, [&](const Region& r) { i.reads(r); });
  declare_operand(plan, b, bytes, b_steps, [&](const Region& r) { i.reads(r); });
  declare_operand(plan, dst, bytes, dst_steps, [&](const Region& r) { i.writes(r); });
  VectorWork work;
  work.op = class_of(op);
  work.dtype = dst.dtype;
  work.repeats = static_cast<uint32_t>(plan.repeats);
  work.elements = static_cast<uint32_t>(plan.elements);
  work.dst = work_operand(dst, dst_steps);
  work.src0 = work_operand(a, a_steps);
  work.src1 = work_operand(b, b_steps);
  i.work = work;
  if (!i.begin(dst.dtype)) return;
  Machine& m = machine();
  uint8_t* to = m.pointer(dst);
  const uint8_t* x = m.pointer(a);
  const uint8_t* y = m.pointer(b);
  switch (dst.dtype) {
    case DType::kFp32:
      return compute<float>(op, plan, to, x, y, dst_steps, a_steps, b_steps);
    case DType::kFp16:
      return compute<_Float16>(op, plan, to, x, y, dst_steps, a_steps, b_steps);
    case DType::kInt32:
      return compute<int32_t>(op, plan, to, x, y, dst_steps, a_steps, b_steps);
    case DType::kInt16:
      return compute<int16_t>(op, plan, to, x, y, dst_steps, a_steps, b_steps);
    default: throw SimulatorBug(std::string(operation_name(op)) + " of " + name_of(dst.dtype));
  }
}

}  // namespace ascsim
