// Fixpipe: a matrix out of L0C, converted, as rows (NZ2ND) or in fractals (NZ), to GM or L1.
//
// Source: "Fixpipe（L0C到GM数据搬运）", "Fixpipe（L0C到L1数据搬运）",
// "DataCopy（L0C到GM数据搬运）", "NZ2ND", "NZ2NZ", "F32 Channel Split", "Int8 Channel Merge" and
// "UnitFlag" pages.
#include <algorithm>
#include <cstring>
#include <vector>

#include "ascsim/numeric.h"
#include "ascsim/ops_cube.h"
#include "ops/cube_checks.h"
#include "ops/fixpipe_kernel.h"

namespace ascsim {

namespace {

constexpr int64_t kRowBytes = 64;     // 16 values of L0C
constexpr int64_t kTileBytes = 1024;  // 16 such rows

struct Target {
  int64_t element = 4;       // bytes
  int64_t group = 16;        // NZ: columns that lie side by side
  int64_t group_stride = 0;  // NZ: bytes from one group to the next
  int64_t row_stride = 0;    // bytes between rows
};

bool is_vector(Quant q) {
  return q == Quant::kVecDeqFp16 || q == Quant::kVecToB8 || q == Quant::kVecReqB8;
}
bool is_scalar(Quant q) { return q == Quant::kDeqFp16 || q == Quant::kToB8 || q == Quant::kReqB8; }

bool types_fit(Quant quant, DType from, DType to) {
  const bool b8 = to == DType::kInt8 || to == DType::kUint8;
  switch (quant) {
    case Quant::kNone:
      return from == to && (from == DType::kFp32 || from == DType::kInt32);
    case Quant::kToFp16:
      return from == DType::kFp32 && to == DType::kFp16;
    case Quant::kToBf16:
      return from == DType::kFp32 && to == DType::kBf16;
    case Quant::kDeqFp16:
    case Quant::kVecDeqFp16:
      return from == DType::kInt32 && to == DType::kFp16;
    case Quant::kToB8:
    case Quant::kVecToB8:
      return from == DType::kFp32 && b8;
    case Quant::kReqB8:
    case Quant::kVecReqB8:
      return from == DType::kInt32 && b8;
    case Quant::kOther:
      return false;
  }
  return false;
}

Target target_of(const Operand& to, const FixpipeCall& call) {
  Target t;
  t.element = bits_of(to.dtype) / 8;
  if (call.row_major) {
    t.group = call.n;
    t.row_stride = call.dst_stride * t.element;
    return t;
  }
  t.group = call.split_channels ? 8 : t.element == 1 ? 32 : 16;
  t.group_stride = call.dst_stride * kBlockBytes;
  t.row_stride = t.group * t.element;
  return t;
}

void check_fields(Instruction& i, const FixpipeCall& call) {
  require_field(i, {"nSize", call.n, 16, 4095});
  require_field(i, {"mSize", call.m, 16, call.row_major ? 8192 : 65535});
  require_field(i, {"srcStride", call.src_stride, 16, 65535});
  require_field(i, {"dstStride", call.dst_stride, 32, UINT32_MAX});
  require_field(i, {"ndNum", call.matrices, 16, 65535});
  require_field(i, {"srcNdStride", call.src_matrix_stride, 16, 512});
  require_field(i, {"dstNdStride", call.dst_matrix_stride, 16, 65535});
  require_unit_flag_value(i, call.unit_flag);
}

void check_kinds(Instruction& i, const Operand& to, const Operand& from, const FixpipeCall& call) {
  require_memory(i, from, from.memory == Memory::kL0c, "src");
  const bool to_gm = to.memory == Memory::kGm;
  require_memory(i, to, to_gm || to.memory == Memory::kL1, "dst");
  i.require(types_fit(call.quant, from.dtype, to.dtype), Check::kParameter, [&] {
    return std::string("quantPre does not turn ") + name_of(from.dtype) + " into " +
           name_of(to.dtype);
  });
  i.require(to_gm || (!call.row_major && bits_of(to.dtype) < 32), Check::kParameter,
            [] { return std::string("to L1, only CFG_NZ with a target of 8 or 16 bits"); });
  i.require(!call.split_channels || (!call.row_major && to.dtype == DType::kFp32 &&
                                     from.dtype == DType::kFp32 && call.unit_flag == 0),
            Check::kParameter, [] {
              return std::string("isChannelSplit needs fp32 on both sides, CFG_NZ and no unitFlag");
            });
  i.require_aligned(from, 64, "src");
  if (!to_gm || !call.row_major) i.require_aligned(to, kBlockBytes, "dst");
}

void check_sizes(Instruction& i, const FixpipeCall& call, const Target& t) {
  const int64_t step = call.row_major ? 1 : call.split_channels ? 8 : 16;
  i.require(call.n % step == 0, Check::kParameter, [&] {
    return "nSize " + std::to_string(call.n) + " is not a multiple of " + std::to_string(step);
  });
  const bool several = call.row_major ? call.m > 1 : call.n > t.group;
  const int64_t least = call.row_major ? call.n : call.m * t.row_stride / kBlockBytes;
  i.require(!several || call.dst_stride >= least, Check::kParameter, [&] {
    return "dstStride " + std::to_string(call.dst_stride) + " makes parts of " +
           std::to_string(least) + " overlap";
  });
  i.require(call.n <= 16 || call.src_stride >= call.m, Check::kParameter, [&] {
    return "srcStride " + std::to_string(call.src_stride) + " is less than mSize " +
           std::to_string(call.m);
  });
  if (is_scalar(call.quant)) {
    i.require(call.scale_given, Check::kUninitialized,
              [] { return std::string("deqScalar has no value: nothing initialises it"); });
  }
}

void declare_source(Instruction& i, const Operand& from, const FixpipeCall& call,
                    uint32_t matrices) {
  const int64_t column = call.src_stride * kRowBytes, full = call.n / 16, tail = call.n % 16;
  const int64_t matrix = call.src_matrix_stride * kTileBytes;
  for (uint32_t p = 0; p < matrices; ++p) {
    const Operand at = from.plus_bytes(p * matrix);
    i.reads(region(at, call.m * kRowBytes, static_cast<uint32_t>(full), column));
    i.reads(
        region(at.plus_bytes(full * column), tail * 4, static_cast<uint32_t>(call.m), kRowBytes));
  }
}

template <typename Declare>
void declare_target(const Operand& to, const FixpipeCall& call, const Target& t, uint32_t matrices,
                    Declare&& declare) {
  if (call.row_major) {
    declare(region(to, call.n * t.element, static_cast<uint32_t>(call.m), t.row_stride, matrices,
                   call.dst_matrix_stride * t.element));
    return;
  }
  const int64_t groups = call.n / t.group, rest = call.n % t.group;
  declare(region(to, call.m * t.row_stride, static_cast<uint32_t>(groups), t.group_stride));
  // An odd 16 columns of 8-bit values stay a fractal of their own.
  declare(region(to.plus_bytes(groups * t.group_stride), call.m * rest * t.element));
}

// Where the scales are, declared as read; null if none are needed.
const uint64_t* declare_scales(Instruction& i, const FixpipeCall& call,
                               std::vector<uint64_t>& copy) {
  if (is_scalar(call.quant)) {
    copy.assign(1, call.scale);
    return copy.data();
  }
  if (!is_vector(call.quant)) return nullptr;
  const ScalarState& state = i.core().state;
  Operand at = call.scales;
  if (call.has_scales) {
    if (!require_memory(i, at, at.memory == Memory::kL1, "cbufWorkspace")) return nullptr;
    i.require_aligned(at, kBlockBytes, "cbufWorkspace");
  } else {
    i.require(state.fixpipe_scales_set, Check::kState,
              [] { return std::string("no SetFixPipeConfig with a tensor of scales before"); });
    if (!state.fixpipe_scales_set) return nullptr;
    at.memory = Memory::kFb;
    at.address = state.fixpipe_scales;
  }
  const int64_t bytes = call.n * 8;
  i.reads(region(at, bytes));
  copy.assign(static_cast<size_t>(call.n), 0);
  if (static_cast<int64_t>(at.address) + bytes <= capacity_of(at.memory)) {
    std::memcpy(copy.data(), machine().pointer(at), static_cast<size_t>(bytes));
  }
  return copy.data();
}

void check_atomic(Instruction& i, const Operand& to) {
  const ScalarState& state = i.core().state;
  i.require(state.atomic_dtype == to.dtype, Check::kState, [&] {
    return std::string("atomic mode is set for ") + name_of(state.atomic_dtype) +
           ", the target holds " + name_of(to.dtype);
  });
}

FixpipeWork work_of(const Operand& to, const Operand& from, const FixpipeCall& call,
                    const Target& t, bool atomic) {
  FixpipeWork work;
  work.to_gm = to.memory == Memory::kGm;
  work.nz2nd = call.row_major;
  work.atomic = atomic;
  work.out_bytes = static_cast<uint8_t>(t.element);
  work.m = static_cast<uint16_t>(call.m);
  work.n = static_cast<uint16_t>(call.n);
  work.matrices = static_cast<uint16_t>(call.row_major ? call.matrices : 1);
  work.unit_flag = static_cast<uint8_t>(call.unit_flag);
  work.l0c_address = static_cast<uint32_t>(from.address);
  work.gm_address = to.address;
  if (call.row_major) {
    work.runs = static_cast<uint32_t>(call.m * call.matrices);
    work.run_bytes = static_cast<uint32_t>(call.n * t.element);
    work.run_stride = t.row_stride;
  } else {
    work.runs = static_cast<uint32_t>((call.n + t.group - 1) / t.group);
    work.run_bytes = static_cast<uint32_t>(call.m * t.row_stride);
    work.run_stride = t.group_stride;
  }
  return work;
}

// Columns [column, column + count) of row `m` of a matrix of L0C, converted, to `to`.
void put(const Conversion& conversion, const uint8_t* matrix, const FixpipeCall& call, int64_t m,
         int64_t column, int64_t count, uint8_t* to, int64_t element) {
  for (int64_t done = 0; done < count;) {
    const int64_t at = column + done;
    const int64_t some = std::min<int64_t>(16 - at % 16, count - done);
    const uint8_t* from =
        matrix + at / 16 * call.src_stride * kRowBytes + m * kRowBytes + at % 16 * 4;
    convert_row(conversion, from, to + done * element, some, at);
    done += some;
  }
}

void execute(const Operand& to, const Operand& from, const FixpipeCall& call, const Target& t,
             const Conversion& conversion, uint32_t matrices) {
  Machine& machine = ascsim::machine();
  const ScalarState& state = machine.current().state;
  const bool atomic = to.memory == Memory::kGm && state.atomic != AtomicOp::kNone;
  uint8_t row[4096 * 4];
  for (uint32_t p = 0; p < matrices; ++p) {
    const uint8_t* matrix =
        machine.pointer(from.plus_bytes(p * call.src_matrix_stride * kTileBytes));
    uint8_t* target = machine.pointer(to) + p * call.dst_matrix_stride * t.element;
    for (int64_t first = 0; first < call.n; first += t.group) {
      const int64_t count = std::min(t.group, call.n - first);
      const int64_t row_stride = call.row_major ? t.row_stride : count * t.element;
      uint8_t* group = target + first / t.group * t.group_stride;
      for (int64_t m = 0; m < call.m; ++m) {
        uint8_t* at = group + m * row_stride;
        put(conversion, matrix, call, m, first, count, atomic ? row : at, t.element);
        if (atomic) combine_atomic(state.atomic, to.dtype, at, row, count * t.element);
      }
    }
  }
}

// In L1, a value counts as written if the one it comes from does.
void mark_values(Core& core, const Operand& to, const Operand& from, const FixpipeCall& call,
                 const Target& t) {
  const Shadow& source = core.memory(Memory::kL0c).shadow;
  Shadow& target = core.memory(Memory::kL1).shadow;
  for (int64_t m = 0; m < call.m; ++m) {
    for (int64_t n = 0; n < call.n; ++n) {
      const int64_t read = static_cast<int64_t>(from.address) +
                           (n / 16 * call.src_stride + m) * kRowBytes + n % 16 * 4;
      const int64_t first = n / t.group * t.group, count = std::min(t.group, call.n - first);
      const int64_t write = static_cast<int64_t>(to.address) + n / t.group * t.group_stride +
                            (m * count + n - first) * t.element;
      target.set(write, t.element, source.first_undefined(read, 4) < 0);
    }
  }
}

// What Fixpipe and DataCopy do alike, once it is clear which matrices move.
void move_out(Instruction& i, const Operand& to, const Operand& from, const FixpipeCall& call,
              Site site) {
  check_fields(i, call);
  check_kinds(i, to, from, call);
  const ScalarState& state = i.core().state;
  const int64_t matrix_count = call.row_major ? call.matrices : 1;
  if (call.n <= 0 || call.m <= 0 || matrix_count <= 0) return;  // no operation, or reported
  if (call.n > 4095 || call.m > 65535 || matrix_count > 65535) return;
  if (!types_fit(call.quant, from.dtype, to.dtype)) return;
  const auto matrices = static_cast<uint32_t>(matrix_count);
  const Target t = target_of(to, call);
  check_sizes(i, call, t);
  const bool atomic = to.memory == Memory::kGm && state.atomic != AtomicOp::kNone;
  if (atomic) check_atomic(i, to);
  std::vector<uint64_t> scales;
  Conversion conversion;
  conversion.quant = call.quant;
  conversion.from = from.dtype;
  conversion.to = to.dtype;
  conversion.relu = call.relu;
  conversion.per_column = is_vector(call.quant);
  conversion.scales = declare_scales(i, call, scales);
  declare_source(i, from, call, matrices);
  declare_target(to, call, t, matrices,
                 [&](const Region& r) { atomic ? i.updates(r) : i.writes(r); });
  i.unit_flag = static_cast<uint8_t>(call.unit_flag);
  for (uint32_t p = 0; p < matrices; ++p) {
    use_unit_flags(i, false, call.unit_flag,
                   from.address + static_cast<uint64_t>(p * call.src_matrix_stride * kTileBytes),
                   (call.m + 15) / 16 * kTileBytes, (call.n + 15) / 16, call.src_stride * kRowBytes,
                   site);
  }
  i.work = work_of(to, from, call, t, atomic);
  i.marks_results = to.memory == Memory::kL1;
  const bool act = i.begin(from.dtype);
  if (i.valid() && i.marks_results && i.used_unwritten()) mark_values(i.core(), to, from, call, t);
  if (!act) return;
  execute(to, from, call, t, conversion, matrices);
}

}  // namespace

void fixpipe(const Operand& to, const Operand& from, const FixpipeCall& call, Site site) {
  // The library function itself puts a barrier of FIX before a move to GM.
  if (to.memory == Memory::kGm) machine().barrier(Pipe::kFix, site, /*written=*/false);
  Instruction i(Pipe::kFix, "Fixpipe", site);
  if (call.row_major) {  // SetFixpipeNz2ndFlag's register is overwritten
    ScalarState& state = i.core().state;
    state.nd_set = true;
    state.nd_num = static_cast<uint16_t>(call.matrices);
    state.src_nd_stride = static_cast<uint16_t>(call.src_matrix_stride);
    state.dst_nd_stride = static_cast<uint16_t>(call.dst_matrix_stride);
  }
  move_out(i, to, from, call, site);
}

void copy_out(const Operand& to, const Operand& from, FixpipeCall call, Site site) {
  Instruction i(Pipe::kFix, "DataCopy", site);
  i.require(call.n % 16 == 0, Check::kParameter,
            [&] { return "nSize " + std::to_string(call.n) + " is not a multiple of 16"; });
  if (call.row_major) {
    const ScalarState& state = i.core().state;
    i.require(state.nd_set, Check::kState,
              [] { return std::string("no SetFixpipeNz2ndFlag before nz2ndEn"); });
    call.matrices = state.nd_num;
    call.src_matrix_stride = state.src_nd_stride;
    call.dst_matrix_stride = state.dst_nd_stride;
  }
  move_out(i, to, from, call, site);
}

}  // namespace ascsim
