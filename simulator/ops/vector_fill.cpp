// Duplicate, Copy, Brcb, CreateVecIndex.
#include <cstring>

#include "ops/vector_loops.h"

namespace ascsim {

namespace {

constexpr DTypes kPlain = {DType::kFp16,   DType::kBf16,  DType::kFp32,  DType::kInt16,
                           DType::kUint16, DType::kInt32, DType::kUint32};

template <typename T>
void fill_loop(uint8_t* dst, const uint8_t*, const uint8_t*, int64_t n, uint64_t scalar) {
  std::fill_n(reinterpret_cast<T*>(dst), n, static_cast<T>(scalar));
}

VectorWork brcb_work(const Operand& dst, const Operand& src, int64_t repeats, Steps dst_steps) {
  VectorWork work;
  work.op = VectorClass::kBrcb;
  work.dtype = dst.dtype;
  work.repeats = static_cast<uint32_t>(repeats);
  work.elements = static_cast<uint32_t>(repeats * kRepeatBytes * 8 / bits_of(dst.dtype));
  work.dst = work_operand(dst, dst_steps);
  work.src0 = work_operand(src, {1, 1});
  work.src0.blocks = 1;
  return work;
}

template <typename T>
void brcb(uint8_t* dst, const uint8_t* src, int64_t repeats, Steps steps) {
  for (int64_t r = 0; r < repeats; ++r) {
    for (int64_t b = 0; b < 8; ++b) {
      T value;
      std::memcpy(&value, src + (r * 8 + b) * static_cast<int64_t>(sizeof(T)), sizeof(T));
      auto* block = reinterpret_cast<T*>(dst + (r * steps.repeat + b * steps.block) * kBlockBytes);
      std::fill_n(block, kBlockBytes / static_cast<int64_t>(sizeof(T)), value);
    }
  }
}

// CreateVecIndex, as CANN composes it: the first block (with mask[], the first repeat) counts from
// `first`, then each block is the one before plus its length and each repeat the one before plus
// its length, in the arithmetic of the type.
template <typename Format>
class Index {
 public:
  using Value = typename Format::Value;
  using Stored = typename Format::Stored;

  Index(const VectorPlan& plan, uint64_t first, bool blockwise) {
    constexpr int kPerBlock = static_cast<int>(kBlockBytes / sizeof(Stored));
    const Value start = scalar_of<Format>(first);
    for (int lane = 0; lane < plan.lanes; ++lane) {
      value_[lane] = blockwise && lane >= kPerBlock
                         ? add(value_[lane - kPerBlock], static_cast<Value>(kPerBlock))
                         : add(start, static_cast<Value>(lane));
    }
  }
  Stored at(int lane) const { return Format::store(value_[lane]); }
  void next_repeat(int lanes) {
    for (int lane = 0; lane < lanes; ++lane) {
      value_[lane] = add(value_[lane], static_cast<Value>(lanes));
    }
  }

 private:
  static Value add(Value a, Value b) { return Format::load(Format::store(AddOp::apply(a, b))); }
  Value value_[128];
};

template <typename Format>
void write_index(const Operand& dst, const VectorPlan& plan, uint64_t first, Steps steps,
                 bool blockwise) {
  using Stored = typename Format::Stored;
  const OperandWalk walk(plan, static_cast<int>(sizeof(Stored)) * 8, steps);
  Index<Format> index(plan, first, blockwise);
  uint8_t* to = machine().pointer(dst);
  for (int64_t r = 0; r < plan.repeats; ++r) {
    const auto run = [&](int lane, int n) {
      auto* block = reinterpret_cast<Stored*>(to + walk.offset(r, lane));
      for (int l = 0; l < n; ++l) block[l] = index.at(lane + l);
    };
    for_each_lane_run(plan.low_of(r), plan.high_of(r), plan.lanes, walk.lanes_per_block, run);
    index.next_repeat(plan.lanes);
  }
}

}  // namespace

void vector_duplicate(const Operand& dst, uint64_t scalar, const Lanes& lanes, Steps dst_steps,
                      Site site) {
  Elementwise e;
  e.name = "Duplicate";
  e.price = VectorClass::kDuplicate;
  e.types = kPlain;
  e.run = bits_of(dst.dtype) == 16 ? fill_loop<uint16_t> : fill_loop<uint32_t>;
  e.scalar = scalar;
  e.dst = {"dst", dst, dst_steps};
  e.limits.block = 65535;
  elementwise(e, lanes, site);
}

// In counter mode the mask counts the elements of each repeat ("Copy" page).
void vector_copy(const Operand& dst, const Operand& src, const Lanes& lanes, Steps dst_steps,
                 Steps src_steps, Site site) {
  Elementwise e;
  e.name = "Copy";
  e.price = VectorClass::kCopy;
  e.types = kPlain;
  e.dst = {"dst", dst, dst_steps};
  e.sources[0] = {"src", src, src_steps};
  e.source_count = 1;
  e.limits = {65535, 4095};
  e.moves = true;
  e.counts = Counts::kEachRepeat;
  elementwise(e, lanes, site);
}

// No mask; a dst block stride of 0 means 1 ("Brcb" page).
void vector_brcb(const Operand& dst, const Operand& src, int64_t repeats, Steps dst_steps,
                 Site site) {
  if (on_aic()) return;
  Instruction i(Pipe::kV, "Brcb", site);
  const ElementOperand to = {"dst", dst, dst_steps};
  require_dtype(i, kPlain, dst.dtype);
  require_in_ub(i, to);
  require_in_ub(i, {"src", src, {}});
  require_steps(i, to, {65535, 65535});
  i.require(repeats >= 0 && repeats <= 255, Check::kNarrowing,
            [&] { return "repeat " + std::to_string(repeats) + ", allowed 0 to 255"; });
  i.require_aligned(dst, kBlockBytes, "dst");
  i.require_aligned(src, kBlockBytes, "src");
  if (dst_steps.block == 0) dst_steps.block = 1;
  const int64_t bytes = repeats * 8 * bits_of(dst.dtype) / 8;
  if (i.valid() && repeats > 0) {
    const Region read = region(src, bytes);
    const Region written = region(dst, kBlockBytes, 8, dst_steps.block * kBlockBytes,
                                  dst_steps.repeat == 0 ? 1 : static_cast<uint32_t>(repeats),
                                  dst_steps.repeat * kBlockBytes);
    i.require(read.begin() >= written.end() || written.begin() >= read.end(), Check::kParameter,
              [] { return "src and dst overlap"; });
    i.reads(read);
    i.writes(written);
  }
  i.work = brcb_work(dst, src, repeats, dst_steps);
  if (!i.begin(dst.dtype)) return;
  const auto run = bits_of(dst.dtype) == 16 ? brcb<uint16_t> : brcb<uint32_t>;
  run(machine().pointer(dst), machine().pointer(src), repeats, dst_steps);
}

void vector_index(const Operand& dst, uint64_t first, const Lanes& lanes, Steps dst_steps,
                  Site site) {
  if (on_aic()) return;
  Instruction i(Pipe::kV, "CreateVecIndex", site);
  const ElementOperand to = {"dst", dst, dst_steps};
  require_dtype(i, {DType::kFp16, DType::kFp32, DType::kInt16, DType::kInt32}, dst.dtype);
  require_in_ub(i, to);
  require_steps(i, to, {65535, 255});
  i.require_aligned(dst, kBlockBytes, "dst");
  const VectorPlan plan = plan_lanes(i, lanes, std::max(bits_of(dst.dtype) / 8, 2));
  if (i.valid()) {
    require_dst_blocks(i, plan, to);
    declare_operand(plan, dst, bits_of(dst.dtype) / 8, dst_steps,
                    [&](const Region& r) { i.writes(r); });
  }
  VectorWork work;
  work.op = VectorClass::kHighLevel;
  work.dtype = dst.dtype;
  work.repeats = static_cast<uint32_t>(plan.repeats);
  work.elements = static_cast<uint32_t>(plan.elements);
  work.dst = work_operand(dst, dst_steps);
  i.work = work;
  if (i.begin(dst.dtype)) {
    const bool blockwise = lanes.counted || lanes.leading;
    const auto write = dst.dtype == DType::kFp16    ? write_index<Fp16>
                       : dst.dtype == DType::kFp32  ? write_index<Fp32>
                       : dst.dtype == DType::kInt16 ? write_index<Int16>
                                                    : write_index<Int32>;
    write(dst, plan, first, dst_steps, blockwise);
  }
  // CANN composes it of Adds with a PIPE_V barrier after each.
  machine().barrier(Pipe::kV, site, /*written=*/false);
}

}  // namespace ascsim
