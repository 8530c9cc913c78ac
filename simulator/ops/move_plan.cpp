#include "ops/move_plan.h"

#include <algorithm>
#include <cstring>

namespace ascsim {

void declare_store(Instruction& i, const Region& from, const Region& to, DType dtype) {
  const ScalarState& state = i.core().state;
  if (state.atomic == AtomicOp::kNone) {
    i.moves_from(from);
    i.moves_to(to);
    return;
  }
  i.require(dtype == state.atomic_dtype, Check::kState, [&] {
    return std::string("stores ") + name_of(dtype) + " while the atomic mode set at " +
           state.atomic_site.file + ":" + std::to_string(state.atomic_site.line) + " is for " +
           name_of(state.atomic_dtype);
  });
  i.reads(from);
  i.updates(to);
}

bool pieces_overlap(uint64_t a, int64_t a_stride, uint64_t b, int64_t b_stride, int64_t count,
                    int64_t bytes) {
  const auto start = [](uint64_t base, int64_t stride, int64_t n) {
    return static_cast<int64_t>(base) + n * stride;
  };
  for (int64_t x = 0, y = 0; x < count && y < count;) {
    const int64_t p = start(a, a_stride, x), q = start(b, b_stride, y);
    if (p < q + bytes && q < p + bytes) return true;
    if (p < q) {
      ++x;
    } else {
      ++y;
    }
  }
  return false;
}

void write_pattern(const Operand& at, int64_t bytes, uint64_t value, int element_bytes) {
  if (bytes <= 0) return;
  Machine& m = machine();
  uint8_t* target = m.pointer(at);
  int64_t done = std::min<int64_t>(bytes, element_bytes);
  std::memcpy(target, &value, static_cast<size_t>(done));
  while (done < bytes) {
    const int64_t n = std::min(done, bytes - done);
    std::memcpy(target + done, target, static_cast<size_t>(n));
    done += n;
  }
  int64_t offset = 0;
  m.shadow(at, &offset).set(offset, bytes, true);
}

}  // namespace ascsim
