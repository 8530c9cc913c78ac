// DataCopy in its plain form: blocks of the same size on both sides.
#include <cstring>
#include <string>

#include "ascsim/numeric.h"
#include "ops/move_plan.h"

namespace ascsim {

namespace {

// What the memories at the two ends decide: pipe, units of the fields, alignment.
struct Route {
  Memory from, to;
  Pipe pipe;
  int64_t length_unit = kBlockBytes;
  int64_t from_unit = kBlockBytes;
  int64_t to_unit = kBlockBytes;
  int64_t from_alignment = kBlockBytes;  // 0: that of one element
  int64_t to_alignment = kBlockBytes;
  bool starts = false;  // strides count from start to start, not from end to start
};

// Pages "DataCopy (GM与UB高维切分数据搬运)", "(UBToUB...)", "(GMToL1...)", "(L1ToGM...)",
// "(L1ToBiasTable Buffer数据搬运)", "(L1ToFixpipe-Buffer数据搬运)". The page of BT calls the
// strides gaps but says that 0 repeats the first block; gaps are taken here (INFERRED, one block in
// practice).
constexpr Route kRoutes[] = {
    {Memory::kGm, Memory::kUb, Pipe::kMte2, 32, 32, 32, 0, 32},
    {Memory::kGm, Memory::kL1, Pipe::kMte2, 32, 32, 32, 1, 32},
    {Memory::kUb, Memory::kGm, Pipe::kMte3, 32, 32, 32, 32, 0},
    {Memory::kL1, Memory::kGm, Pipe::kMte3, 32, 32, 32, 32, 1},
    {Memory::kUb, Memory::kUb, Pipe::kV},
    {Memory::kL1, Memory::kBt, Pipe::kMte1, 64, 32, 64, 32, 64},
    {Memory::kL1, Memory::kFb, Pipe::kFix, 128, 32, 128, 32, 128, true},
};

const Route* find_route(Memory from, Memory to) {
  for (const Route& route : kRoutes) {
    if (route.from == from && route.to == to) return &route;
  }
  return nullptr;
}

MovePath path_of(const Route& route) {
  if (route.from == Memory::kGm) {
    return route.to == Memory::kUb ? MovePath::kGmToUb : MovePath::kGmToL1;
  }
  return route.from == Memory::kUb ? MovePath::kUbToGm : MovePath::kL1ToGm;
}

// The move in bytes; strides from start to start.
struct Plan {
  int64_t count = 0, bytes = 0, to_bytes = 0;
  int64_t from_stride = 0, to_stride = 0;
  bool widen = false;  // half to float, on the way to BT
};

Plan plan_of(const Route& route, const CopyFields& f, const Operand& to, const Operand& from) {
  Plan plan;
  plan.count = f.count;
  plan.bytes = f.length * route.length_unit;
  plan.widen = route.to == Memory::kBt && to.dtype == DType::kFp32 && from.dtype == DType::kFp16;
  plan.to_bytes = plan.widen ? 2 * plan.bytes : plan.bytes;
  plan.from_stride = f.from_stride * route.from_unit + (route.starts ? 0 : plan.bytes);
  plan.to_stride = f.to_stride * route.to_unit + (route.starts ? 0 : plan.to_bytes);
  if (plan.count == 1) {  // strides mean nothing then
    plan.from_stride = plan.bytes;
    plan.to_stride = plan.to_bytes;
  }
  return plan;
}

Work work_of(Instruction& i, const Route& route, const Plan& plan, const Operand& to,
             const Operand& from, bool cached) {
  const int64_t total = plan.count * plan.bytes;
  if (route.pipe == Pipe::kV) {
    VectorWork copy;
    copy.op = VectorClass::kCopy;
    copy.dtype = DType::kFp32;  // of whatever type, 256 bytes at a time
    copy.repeats = static_cast<uint32_t>((total + kRepeatBytes - 1) / kRepeatBytes);
    copy.elements = static_cast<uint32_t>(total / 4);
    copy.dst = {static_cast<uint32_t>(to.address), 1, 8, true};
    copy.src0 = {static_cast<uint32_t>(from.address), 1, 8, true};
    return copy;
  }
  if (route.to == Memory::kBt || route.to == Memory::kFb) {
    LoadWork load;
    load.kind = route.to == Memory::kBt ? LoadKind::kToBt : LoadKind::kToFb;
    load.to = route.to;
    load.bytes = static_cast<uint32_t>(total);
    load.repeats = static_cast<uint32_t>(plan.count);
    return load;
  }
  MoveWork work;
  work.path = path_of(route);
  work.cached = cached;
  work.atomic = route.to == Memory::kGm && atomic_now(i);
  const bool in = route.from == Memory::kGm;
  set_runs(work, in ? from : to, plan.count, plan.bytes, in ? plan.from_stride : plan.to_stride);
  return work;
}

void require_fields(Instruction& i, const Route& route, const CopyFields& f) {
  require_field(i, "blockCount", f.count, kShortMax, 0, kBlockCountLimit);
  require_field(i, "blockLen", f.length, kShortMax, 0, kShortMax);
  if (f.count <= 1) return;
  require_field(i, "srcGap", f.from_stride, kShortMax, 0, kShortMax);
  require_field(i, "dstGap", f.to_stride, kShortMax, route.starts ? 1 : 0, kShortMax);
}

void require_types(Instruction& i, const Route& route, const Operand& to, const Operand& from) {
  if (route.to == Memory::kBt) {
    const bool same =
        to.dtype == from.dtype && (to.dtype == DType::kFp32 || to.dtype == DType::kInt32);
    const bool widen = to.dtype == DType::kFp32 && from.dtype == DType::kFp16;
    i.require(same || widen, Check::kParameter, [&] {
      return std::string("BT takes float, int32 or half as float, got ") + name_of(from.dtype) +
             " as " + name_of(to.dtype);
    });
  } else if (route.to == Memory::kFb) {
    i.require(from.dtype == DType::kUint64, Check::kParameter, [&] {
      return std::string("FB takes uint64 parameters, got ") + name_of(from.dtype);
    });
  }
}

void widen(const Operand& to, const Operand& from, int64_t bytes) {
  const uint8_t* source = machine().pointer(from);
  uint8_t* target = machine().pointer(to);
  for (int64_t n = 0; n < bytes / 2; ++n) {
    uint16_t half;
    std::memcpy(&half, source + 2 * n, sizeof(half));
    const float value = from_fp16(half);
    std::memcpy(target + 4 * n, &value, sizeof(value));
  }
}

void act(const Plan& plan, const Operand& to, const Operand& from) {
  Machine& m = machine();
  if (plan.widen) {
    for (int64_t n = 0; n < plan.count; ++n) {
      widen(to.plus_bytes(n * plan.to_stride), from.plus_bytes(n * plan.from_stride), plan.bytes);
    }
  } else if (plan.from_stride == plan.bytes && plan.to_stride == plan.bytes) {
    m.move(to, from, plan.count * plan.bytes);
  } else {
    for (int64_t n = 0; n < plan.count; ++n) {
      m.move(to.plus_bytes(n * plan.to_stride), from.plus_bytes(n * plan.from_stride), plan.bytes);
    }
  }
}

}  // namespace

void data_copy(const Operand& to, const Operand& from, const CopyFields& fields, bool cached,
               Site site) {
  if (ub_on_aic(to, from)) return;
  const Route* route = find_route(from.memory, to.memory);
  Instruction i(route == nullptr ? Pipe::kS : route->pipe, "DataCopy", site);
  i.require(route != nullptr, Check::kParameter, [&] {
    return std::string("this chip has no DataCopy from ") + name_of(from.memory) + " to " +
           name_of(to.memory);
  });
  if (route == nullptr) return;
  require_fields(i, *route, fields);
  require_types(i, *route, to, from);
  if (!i.valid()) return;
  if (fields.count == 0 || fields.length == 0) return;
  const int64_t element = element_bytes(to);
  i.require_aligned(to, route->to_alignment == 0 ? element : route->to_alignment, "dst");
  i.require_aligned(from, route->from_alignment == 0 ? element : route->from_alignment, "src");
  const Plan plan = plan_of(*route, fields, to, from);
  const auto count = static_cast<uint32_t>(plan.count);
  const Region source = region(from, plan.bytes, count, plan.from_stride);
  const Region target = region(to, plan.to_bytes, count, plan.to_stride);
  if (route->to == Memory::kGm) {
    declare_store(i, source, target, from.dtype);
  } else if (plan.widen) {
    i.reads(source);
    i.writes(target);
  } else {
    i.moves_from(source);
    i.moves_to(target);
  }
  if (route->pipe == Pipe::kV) {
    // "通用说明和约束", address overlap: source and destination are the same or disjoint.
    const bool same = to.address == from.address && plan.from_stride == plan.to_stride;
    i.require(same || !pieces_overlap(to.address, plan.to_stride, from.address, plan.from_stride,
                                      plan.count, plan.bytes),
              Check::kParameter, [] { return "source and destination overlap in part"; });
  }
  i.work = work_of(i, *route, plan, to, from, cached);
  if (i.begin(to.dtype)) act(plan, to, from);
}

void data_copy(const Operand& to, const Operand& from, int64_t elements, bool cached, Site site) {
  const Route* route = find_route(from.memory, to.memory);
  const int64_t unit = route == nullptr ? kBlockBytes : route->length_unit;
  CopyFields fields;
  fields.length = bytes_of(from.dtype, elements) / unit;
  data_copy(to, from, fields, cached, site);
}

}  // namespace ascsim
