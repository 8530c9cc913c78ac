// The kernels of bf16 pairs for few rows of microkernel.h, written once over the vectors of
// vector_math.h: vectors hold neighbours along D or Dv, and rows of keys and values are read where
// the tensor has them. Each ISA unit with dot() includes this file inside its own namespace, after
// key_parts.h and before pair_kernels.h.
// No #pragma once: one inclusion per ISA unit is the point.

namespace {

static_assert(kLanes == 16, "sums_of_blocks folds 16 lanes");
constexpr int kBlockKeys = 4;                 // that share a look at queries
constexpr int kBlockRows = kFewPairRows;      // that share a look at keys and values
constexpr int kBlockVectors = 4;              // of Dv, whose sums stay in registers
constexpr int kValuesPerVector = 2 * kLanes;  // of bf16
typedef float BlockSums __attribute__((vector_size(kBlockRows * 4)));
typedef uint16_t Halves __attribute__((vector_size(kValuesPerVector * 2)));

// Values i ... of a row of `dim`: a whole vector, or what is left and zeros.
template <bool kWhole>
inline VecU load_pairs(const char* row, int i, int dim) {
  if constexpr (kWhole) return load<VecU>(row + 2 * i);
  uint16_t part[kValuesPerVector] = {};
  __builtin_memcpy(part, row + 2 * i, static_cast<size_t>(dim - i) * 2);
  return load<VecU>(part);
}

// Sums of the halves of two vectors of `kWidth` lanes that belong together: first those of a.
template <int kWidth>
inline VecF folded_pair(VecF a, VecF b) {
  VecI low, high;
  for (int i = 0; i < kLanes; ++i) {
    int group = i / kWidth * kWidth, lane = i % kWidth;
    int half = kWidth / 2;
    low[i] = group + lane % half + (lane < half ? 0 : kLanes);
    high[i] = low[i] + half;
  }
  return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}

// Lane i: the sum of the lanes of v[i].
inline VecF sums_of_blocks(const VecF v[kLanes]) {
  VecF a[8], b[4];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) a[i] = folded_pair<16>(v[i], v[i + 8]);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) b[i] = folded_pair<8>(a[i], a[i + 4]);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) a[i] = folded_pair<4>(b[i], b[i + 2]);
  return folded_pair<2>(a[0], a[1]);
}

template <bool kWhole>
inline void add_pair_products(const char* const keys[kBlockKeys], const uint32_t* q, int pitch,
                              int i, int dim, VecF acc[kBlockKeys * kBlockRows]) {
  VecU x[kBlockKeys];
#pragma GCC unroll 4
  for (int j = 0; j < kBlockKeys; ++j) x[j] = load_pairs<kWhole>(keys[j], i, dim);
#pragma GCC unroll 4
  for (int r = 0; r < kBlockRows; ++r) {
    VecU y = load<VecU>(q + r * pitch + i / 2);
#pragma GCC unroll 4
    for (int j = 0; j < kBlockKeys; ++j) {
      acc[j * kBlockRows + r] = dot(acc[j * kBlockRows + r], x[j], y);
    }
  }
}

// `count` keys, at most kBlockKeys, and a block of rows. A key's arithmetic is that of a whole
// block, so that it does not depend on how many keys there are.
inline void pair_score_block(const FewPairScores& f, int key, int count, int row) {
  const char* keys[kBlockKeys];
  for (int j = 0; j < kBlockKeys; ++j) keys[j] = f.k.rows[key + (j < count ? j : count - 1)];
  const uint32_t* q = f.q + row * f.pitch;
  VecF acc[kBlockKeys * kBlockRows];
#pragma GCC unroll 16
  for (int x = 0; x < kBlockKeys * kBlockRows; ++x) acc[x] = VecF{};
  int i = 0;
  for (; i + kValuesPerVector <= f.k.dim; i += kValuesPerVector) {
    add_pair_products<true>(keys, q, f.pitch, i, f.k.dim, acc);
  }
  if (i < f.k.dim) add_pair_products<false>(keys, q, f.pitch, i, f.k.dim, acc);
  VecF sums = sums_of_blocks(acc);
#pragma GCC unroll 4
  for (int j = 0; j < kBlockKeys; ++j) {
    if (j >= count) break;
    float* s = f.s + (key + j) * kLanes + row;
    BlockSums of_key = load<BlockSums>(reinterpret_cast<const char*>(&sums) + j * sizeof of_key);
    store(s, f.accumulate ? load<BlockSums>(s) + of_key : of_key);
  }
}

void few_pair_scores(const FewPairScores& f) {
  for (int key = 0; key < f.k.count; key += kBlockKeys) {
    int count = f.k.count - key < kBlockKeys ? f.k.count - key : kBlockKeys;
    fetch_ahead(f.k, key, count);
    for (int row = 0; row < f.rows; row += kBlockRows) pair_score_block(f, key, count, row);
  }
}

// Two rows of values, side by side: the pairs of values i ... i + 15, then those of the next 16.
inline void interleave(VecU first, VecU second, VecU* low, VecU* high) {
  Halves order_low, order_high;
  for (int i = 0; i < kLanes; ++i) {
    order_low[2 * i] = static_cast<uint16_t>(i);
    order_low[2 * i + 1] = static_cast<uint16_t>(kValuesPerVector + i);
    order_high[2 * i] = static_cast<uint16_t>(kLanes + i);
    order_high[2 * i + 1] = static_cast<uint16_t>(kValuesPerVector + kLanes + i);
  }
  Halves a = load<Halves>(&first), b = load<Halves>(&second);
  Halves x = __builtin_shuffle(a, b, order_low), y = __builtin_shuffle(a, b, order_high);
  *low = load<VecU>(&x);
  *high = load<VecU>(&y);
}

// A block of rows and kVectors vectors of Dv, from value i on.
template <bool kWhole, int kVectors>
inline void pair_value_block(const FewPairValues& f, const Part& part, int row, int i) {
  VecF acc[kBlockRows][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kBlockRows; ++r) {
#pragma GCC unroll 4
    for (int x = 0; x < kVectors; ++x) {
      acc[r][x] = load<VecF>(f.o + (row + r) * f.pitch + i + x * kLanes);
      if (part.begin == 0) acc[r][x] *= f.alpha[row + r];
    }
  }
  for (int key = part.begin; key < part.end; key += 2) {
    VecU v[kVectors];
#pragma GCC unroll 4
    for (int x = 0; x < kVectors; x += 2) {
      int at = i + x * kLanes;
      interleave(load_pairs<kWhole>(f.v.rows[key], at, f.v.dim),
                 load_pairs<kWhole>(f.v.rows[key + 1], at, f.v.dim), &v[x], &v[x + 1]);
    }
    const uint32_t* p = f.p + key / 2 * kLanes + row;
#pragma GCC unroll 4
    for (int r = 0; r < kBlockRows; ++r) {
#pragma GCC unroll 4
      for (int x = 0; x < kVectors; ++x) acc[r][x] = dot(acc[r][x], v[x], p[r] - VecU{});
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kBlockRows; ++r) {
#pragma GCC unroll 4
    for (int x = 0; x < kVectors; ++x) {
      store(f.o + (row + r) * f.pitch + i + x * kLanes, acc[r][x]);
    }
  }
}

// Part by part, so that the first level of the cache keeps the values for all of Dv.
void few_pair_values(const FewPairValues& f) {
  for (int begin = 0; begin < f.v.count; begin += kPart) {
    Part part = {begin, begin + kPart < f.v.count ? begin + kPart : f.v.count};
    fetch_ahead(f.v, part.begin, part.end - part.begin);
    for (int row = 0; row < f.rows; row += kBlockRows) {
      int i = 0;
      for (; i + kBlockVectors * kLanes <= f.v.dim; i += kBlockVectors * kLanes) {
        pair_value_block<true, kBlockVectors>(f, part, row, i);
      }
      for (; i + 2 * kLanes <= f.v.dim; i += 2 * kLanes) pair_value_block<true, 2>(f, part, row, i);
      if (i < f.v.dim) pair_value_block<false, 2>(f, part, row, i);
    }
  }
}

}  // namespace
