// What kernels for few rows do about caches: they read rows of keys and values where the tensor has
// them. Included after vector_math.h, inside the namespace of an ISA unit.
// No #pragma once: one inclusion per ISA unit is the point.

namespace {

constexpr int kPart = 16;  // keys whose values are read for all of Dv

// A part of the keys of a tile.
struct Part {
  int begin, end;
};

// Brings what is needed next closer: as many rows as are worked on now.
// Always inline: GCC leaves out calls of functions that do nothing but fetch.
__attribute__((always_inline)) inline void fetch_ahead(const FewKeys& keys, int first, int count) {
  int bytes = keys.dim * dtype_size(keys.dtype);
  for (int j = first; j < first + count && j < keys.ahead_count; ++j) {
    for (int i = 0; i < bytes; i += 64) __builtin_prefetch(keys.ahead[j] + i, 0, 2);
  }
}

}  // namespace
