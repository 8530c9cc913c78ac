#include "ops/mmad_kernel.h"

#include <cstring>

// The same source for several instruction sets. Neither contraction (off for the whole library) nor
// reordering is allowed, so all of them give the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ASCSIM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ASCSIM_CLONES
#endif

namespace ascsim {

namespace {

template <typename T>
struct Lanes16;
template <>
struct Lanes16<float> {
  using Type = float __attribute__((vector_size(64)));
};
template <>
struct Lanes16<int32_t> {
  using Type = int32_t __attribute__((vector_size(64)));
};

template <typename T, int kC0, int kRows, typename V>
inline __attribute__((always_inline)) void add_products(V* part, const T* a, const T* b, int p) {
  V row;
  std::memcpy(&row, b + p * 16, sizeof(row));
  for (int r = 0; r < kRows; ++r) part[r] = part[r] + a[r * kC0 + p] * row;
}

// kRows rows of one tile of C over all of k.
template <typename T, int kC0, int kStep, int kRows>
inline __attribute__((always_inline)) void multiply_rows(const TileShape& s, const T* a, const T* b,
                                                         T* c) {
  using V = typename Lanes16<T>::Type;
  V sum[kRows];
  std::memcpy(sum, c, sizeof(sum));
  const int64_t b_block = s.n_blocks * kC0 * 16;
  for (int64_t k = 0; k < s.k; k += kC0, a += s.a_k_block, b += b_block) {
    const int64_t left = s.k - k;
    for (int first = 0; first < kC0 && first < left; first += kStep) {
      V part[kRows] = {};
      if (left >= first + kStep) {  // the usual case, with a constant number of turns
        for (int p = 0; p < kStep; ++p) add_products<T, kC0, kRows>(part, a, b, first + p);
      } else {
        for (int p = first; p < left; ++p) add_products<T, kC0, kRows>(part, a, b, p);
      }
      for (int r = 0; r < kRows; ++r) sum[r] = sum[r] + part[r];
    }
  }
  std::memcpy(c, sum, sizeof(sum));
}

template <typename T, int kC0, int kStep>
inline __attribute__((always_inline)) void multiply(const TileShape& s, const T* a, const T* b,
                                                    T* c) {
  constexpr int kRows = 4;
  for (int64_t n = 0; n < s.n_blocks; ++n) {
    for (int64_t m = 0; m < s.m_blocks; ++m) {
      const T* a_tile = a + m * s.a_row_block;
      T* c_tile = c + (n * s.m_blocks + m) * 256;
      const T* b_tile = b + n * kC0 * 16;
      const int64_t rows = s.m - m * 16 < 16 ? s.m - m * 16 : 16;
      int64_t r = 0;
      for (; r + kRows <= rows; r += kRows) {
        multiply_rows<T, kC0, kStep, kRows>(s, a_tile + r * kC0, b_tile, c_tile + r * 16);
      }
      for (; r < rows; ++r) {
        multiply_rows<T, kC0, kStep, 1>(s, a_tile + r * kC0, b_tile, c_tile + r * 16);
      }
    }
  }
}

ASCSIM_CLONES void multiply_16_16(const TileShape& s, const float* a, const float* b, float* c) {
  multiply<float, 16, 16>(s, a, b, c);
}
ASCSIM_CLONES void multiply_8_4(const TileShape& s, const float* a, const float* b, float* c) {
  multiply<float, 8, 4>(s, a, b, c);
}
ASCSIM_CLONES void multiply_8_8(const TileShape& s, const float* a, const float* b, float* c) {
  multiply<float, 8, 8>(s, a, b, c);
}
ASCSIM_CLONES void multiply_32_32(const TileShape& s, const int32_t* a, const int32_t* b,
                                  int32_t* c) {
  multiply<int32_t, 32, 32>(s, a, b, c);
}

}  // namespace

void multiply_tiles(const TileShape& shape, int c0, int step, const float* a, const float* b,
                    float* c) {
  if (c0 == 16) return multiply_16_16(shape, a, b, c);
  if (step == 4) return multiply_8_4(shape, a, b, c);
  multiply_8_8(shape, a, b, c);
}

void multiply_tiles(const TileShape& shape, const int32_t* a, const int32_t* b, int32_t* c) {
  multiply_32_32(shape, a, b, c);
}

ASCSIM_CLONES void widen_fp16(const uint8_t* from, float* to, int64_t count) {
  const auto* values = reinterpret_cast<const _Float16*>(from);
  for (int64_t n = 0; n < count; ++n) to[n] = static_cast<float>(values[n]);
}

ASCSIM_CLONES void widen_bf16(const uint8_t* from, float* to, int64_t count) {
  const auto* values = reinterpret_cast<const uint16_t*>(from);
  auto* bits = reinterpret_cast<uint32_t*>(to);
  for (int64_t n = 0; n < count; ++n) bits[n] = static_cast<uint32_t>(values[n]) << 16;
}

}  // namespace ascsim
