// The arithmetic of Mmad on tiles of 16 x 16 of C.
#pragma once

#include <cstdint>

namespace ascsim {

// C[m x n] += A[m x k] . B[k x n] in fractals; rows and columns up to the next 16 may be computed
// too. Accumulation per element: for each step of k, the products are summed in order of k in the
// type of C and the sum is added to C.
struct TileShape {
  int64_t m = 0, k = 0;
  int64_t m_blocks = 0, n_blocks = 0;  // of 16
  int64_t a_row_block = 0;             // elements from 16 rows of A to the next 16
  int64_t a_k_block = 0;               // elements from a fractal of A to the next along k
};

// a: [m block][k block][row][c0]; b: [k block][n block][c0][16]; c: [n block][m block][row][16].
// c0 and step: 16 and 16 for 16-bit types, 8 and 4 for fp32, 8 and 8 for HF32.
void multiply_tiles(const TileShape& shape, int c0, int step, const float* a, const float* b,
                    float* c);
// c0 is 32. Sums are exact: |sum| <= 4095 * 2^14.
void multiply_tiles(const TileShape& shape, const int32_t* a, const int32_t* b, int32_t* c);

void widen_fp16(const uint8_t* from, float* to, int64_t count);
void widen_bf16(const uint8_t* from, float* to, int64_t count);

}  // namespace ascsim
