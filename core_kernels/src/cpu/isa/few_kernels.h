// The kernels for few rows of microkernel.h, written once over the vectors of vector_math.h: rows
// of keys and values are read where the tensor has them. Each ISA unit includes this file inside
// its own namespace, before strip_kernels.h. No #pragma once: one inclusion per ISA unit is the
// point.

namespace {

constexpr int kFewRows = 4;                  // rows that share a look at keys and values
constexpr int kFewVectors = FA_FEW_VECTORS;  // keys at a time, or vectors of Dv

template <DType kType>
inline VecF load_values(const char* row) {
  if constexpr (kType == DType::kFloat32) {
    return load<VecF>(row);
  } else if constexpr (kType == DType::kBFloat16) {
    VecU bits = widened(load<VecH>(row)) << 16;
    return load<VecF>(&bits);
  } else if constexpr (kType == DType::kInt8) {
    return codes_to_floats(row);
  } else {
    uint16_t narrow[kLanes];
    float wide[kLanes];
    __builtin_memcpy(narrow, row, sizeof narrow);
    halves_to_floats(narrow, wide);
    return load<VecF>(wide);
  }
}

// Elements i ... of a row of `dim`: a whole vector, or what is left and zeros.
template <DType kType, bool kWhole>
inline VecF load_some(const char* row, int i, int dim) {
  constexpr int kBytes = dtype_size(kType);
  if constexpr (kWhole) return load_values<kType>(row + i * kBytes);
  char part[kLanes * kBytes] = {};
  __builtin_memcpy(part, row + i * kBytes, static_cast<size_t>((dim - i) * kBytes));
  return load_values<kType>(part);
}

typedef float Quad __attribute__((vector_size(16)));

inline Quad folded(VecF v) {
  Quad sum = load<Quad>(&v);
  for (int k = 4; k < kLanes; k += 4) {
    sum += load<Quad>(reinterpret_cast<const char*>(&v) + 4 * k);
  }
  return sum;
}

inline float sum_of_lanes(VecF v) {
  Quad sum = folded(v);
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// sum_of_lanes of each of four vectors, to the bit.
inline Quad sums_of_lanes(const VecF v[4]) {
  typedef int32_t Indices __attribute__((vector_size(16)));
  const Indices low = {0, 4, 1, 5}, high = {2, 6, 3, 7};
  Quad halves[2];
  for (int i = 0; i < 2; ++i) {
    Quad x = folded(v[2 * i]), y = folded(v[2 * i + 1]);
    halves[i] = __builtin_shuffle(x, y, low) + __builtin_shuffle(x, y, high);
  }
  return __builtin_shuffle(halves[0], halves[1], Indices{0, 1, 4, 5}) +
         __builtin_shuffle(halves[0], halves[1], Indices{2, 3, 6, 7});
}

template <DType kType, bool kWhole, int kKeys, int kRows>
inline void add_products(const FewScores& f, int key, const float* q, int i,
                         VecF acc[kKeys][kRows]) {
  VecF x[kKeys];
  for (int j = 0; j < kKeys; ++j) {
    x[j] = load_some<kType, kWhole>(f.k.rows[key + j], i, f.k.dim);
  }
  for (int r = 0; r < kRows; ++r) {
    VecF y = load<VecF>(q + r * f.pitch + i);
    for (int j = 0; j < kKeys; ++j) acc[j][r] += x[j] * y;
  }
}

// kKeys keys and kRows rows.
template <DType kType, int kKeys, int kRows>
inline void score_block(const FewScores& f, int key, int row) {
  const float* q = f.q + row * f.pitch;
  VecF acc[kKeys][kRows] = {};
  int i = 0;
  for (; i + kLanes <= f.k.dim; i += kLanes) {
    add_products<kType, true, kKeys, kRows>(f, key, q, i, acc);
  }
  if (i < f.k.dim) add_products<kType, false, kKeys, kRows>(f, key, q, i, acc);
  for (int j = 0; j < kKeys; ++j) {
    float* s = f.s + (key + j) * f.s_key + row;
    if constexpr (kRows == 4) {
      Quad sums = sums_of_lanes(acc[j]);
      store(s, f.accumulate ? load<Quad>(s) + sums : sums);
    } else {
      for (int r = 0; r < kRows; ++r) {
        float sum = sum_of_lanes(acc[j][r]);
        s[r] = f.accumulate ? s[r] + sum : sum;
      }
    }
  }
}

template <DType kType, int kKeys>
inline void score_rows(const FewScores& f, int key) {
  int row = 0;
  for (; row + kFewRows <= f.rows; row += kFewRows)
    score_block<kType, kKeys, kFewRows>(f, key, row);
  for (; row < f.rows; ++row) score_block<kType, kKeys, 1>(f, key, row);
}

template <DType kType>
void few_scores_of(const FewScores& f) {
  int key = 0;
  for (; key + kFewVectors <= f.k.count; key += kFewVectors) {
    fetch_ahead(f.k, key, kFewVectors);
    score_rows<kType, kFewVectors>(f, key);
  }
  for (; key < f.k.count; ++key) {
    fetch_ahead(f.k, key, 1);
    score_rows<kType, 1>(f, key);
  }
}

// kRows rows and kVectors vectors of Dv, from element i on.
template <DType kType, bool kWhole, int kRows, int kVectors>
inline void value_block(const FewValues& f, const Part& part, int row, int i) {
  const int dim = f.v.dim;
  VecF acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int x = 0; x < kVectors; ++x) {
      acc[r][x] = load<VecF>(f.o + (row + r) * f.pitch + i + x * kLanes);
      if (part.begin == 0) acc[r][x] *= f.alpha[row + r];
    }
  }
  for (int key = part.begin; key < part.end; ++key) {
    VecF v[kVectors];
    for (int x = 0; x < kVectors; ++x) {
      v[x] = load_some<kType, kWhole>(f.v.rows[key], i + x * kLanes, dim);
    }
    const float* p = f.p + key * f.p_key + row;
    for (int r = 0; r < kRows; ++r) {
      for (int x = 0; x < kVectors; ++x) acc[r][x] += p[r] * v[x];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int x = 0; x < kVectors; ++x) {
      store(f.o + (row + r) * f.pitch + i + x * kLanes, acc[r][x]);
    }
  }
}

template <DType kType, int kRows>
inline void value_rows(const FewValues& f, const Part& part, int row) {
  int i = 0;
  for (; i + kFewVectors * kLanes <= f.v.dim; i += kFewVectors * kLanes) {
    value_block<kType, true, kRows, kFewVectors>(f, part, row, i);
  }
  for (; i + kLanes <= f.v.dim; i += kLanes) value_block<kType, true, kRows, 1>(f, part, row, i);
  if (i < f.v.dim) value_block<kType, false, kRows, 1>(f, part, row, i);
}

// Part by part, so that the first level of the cache keeps the values for all of Dv.
template <DType kType>
void few_values_of(const FewValues& f) {
  for (int begin = 0; begin < f.v.count; begin += kPart) {
    Part part = {begin, begin + kPart < f.v.count ? begin + kPart : f.v.count};
    fetch_ahead(f.v, part.begin, part.end - part.begin);
    int row = 0;
    for (; row + kFewRows <= f.rows; row += kFewRows) value_rows<kType, kFewRows>(f, part, row);
    for (; row < f.rows; ++row) value_rows<kType, 1>(f, part, row);
  }
}

void few_scores(const FewScores& f) {
  if (f.k.dtype == DType::kFloat32) return few_scores_of<DType::kFloat32>(f);
  if (f.k.dtype == DType::kBFloat16) return few_scores_of<DType::kBFloat16>(f);
  if (f.k.dtype == DType::kInt8) return few_scores_of<DType::kInt8>(f);
  few_scores_of<DType::kFloat16>(f);
}

void few_values(const FewValues& f) {
  if (f.v.dtype == DType::kFloat32) return few_values_of<DType::kFloat32>(f);
  if (f.v.dtype == DType::kBFloat16) return few_values_of<DType::kBFloat16>(f);
  if (f.v.dtype == DType::kInt8) return few_values_of<DType::kInt8>(f);
  few_values_of<DType::kFloat16>(f);
}

}  // namespace
