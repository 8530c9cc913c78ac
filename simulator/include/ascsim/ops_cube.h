// Cube side: loads of L0A and L0B, Mmad, Fixpipe, and the scalar state they meet.
#pragma once

#include <array>
#include <cstdint>

#include "ascsim/types.h"

namespace ascsim {

// ---- MTE1: L1 -> L0A, L0B; MTE2: GM -> L1, L0A, L0B

// Fractals of 512 bytes, one per repeat. LoadDataWithTranspose counts the source in squares.
struct Load2d {
  int64_t start = 0;
  int64_t repeats = 0;
  int64_t src_stride = 0;       // from start to start
  int64_t dst_gap = 0;          // from end to start
  int64_t dst_fractal_gap = 0;  // LoadDataWithTranspose: between the fractals of one square
  bool transpose = false;
  int64_t address_mode = 0;  // 1: the source index falls
};

void load_2d(const Operand& to, const Operand& from, const Load2d& load, Site site);
void load_transposed(const Operand& to, const Operand& from, const Load2d& load, Site site);

// Image to column: a matrix of M = output positions, K = channels x filter points.
struct Load3d {
  int64_t channels = 0;
  int64_t k_extension = 0, m_extension = 0;
  int64_t k_start = 0, m_start = 0;
  int64_t stride_w = 1, stride_h = 1;
  int64_t filter_w = 1, filter_h = 1;
  int64_t dilation_w = 1, dilation_h = 1;
  bool transpose = false;
  bool small_k = false;
  bool long_filter_w = false, long_filter_h = false;  // 256 more
  bool right_fmatrix = false;
};

void load_3d(const Operand& to, const Operand& from, const Load3d& load, Site site);

// Height, width and padding (left, right, top, bottom) of the feature map of load_3d.
void set_fmatrix(int64_t height, int64_t width, const std::array<int64_t, 4>& padding, bool right,
                 Site site);
void set_load_padding(uint64_t bits, Site site);

// ---- M

struct MmadCall {
  int64_t m = 0, n = 0, k = 0;
  int64_t unit_flag = 0;
  bool align_k = false;   // fp32: rows of fractals are ceil(k / 16) * 2 long
  bool zero_init = true;  // C starts at 0; else at the bias or at what it holds
  bool bias_init = false;
  uint64_t bias_address = 0;  // in BT
};

void mmad(const Operand& c, const Operand& a, const Operand& b, const MmadCall& call, Site site);

void set_hf32(bool on, Site site);
void set_hf32_rounding(bool to_even, Site site);
void set_mmad_order(bool column_major, Site site);

// ---- FIX

enum class Quant : uint8_t {
  kNone,
  kToFp16,
  kToBf16,
  kDeqFp16,     // int32 -> fp16, one scale
  kVecDeqFp16,  // int32 -> fp16, a scale per column
  kToB8,        // fp32 -> int8, uint8
  kVecToB8,
  kReqB8,  // int32 -> int8, uint8
  kVecReqB8,
  kOther
};

struct FixpipeCall {
  int64_t n = 0, m = 0;
  int64_t src_stride = 0;  // rows of 16 elements from one column of fractals to the next
  int64_t dst_stride = 0;  // row major: elements of a row; NZ: blocks of 32 bytes
  Quant quant = Quant::kNone;
  bool scale_given = false;
  uint64_t scale = 0;  // of the scalar modes: float, offset, sign
  int64_t matrices = 1, src_matrix_stride = 0, dst_matrix_stride = 0;
  bool relu = false;
  int64_t unit_flag = 0;
  bool split_channels = false;
  bool row_major = true;
  bool has_scales = false;  // vector modes: `scales` in L1, else those of set_fixpipe_scales
  Operand scales;
};

void fixpipe(const Operand& to, const Operand& from, const FixpipeCall& call, Site site);
// DataCopy to GM: no barrier of its own, and rows as SetFixpipeNz2ndFlag has them, not the call.
void copy_out(const Operand& to, const Operand& from, FixpipeCall call, Site site);

// SetFixPipeConfig: where the scales of the vector modes are in FB, if `scales` is there at all.
void set_fixpipe_scales(const Operand& scales, bool clear_unit_flags, Site site);
void set_fixpipe_scale(uint64_t scale, Site site);
void set_fixpipe_matrices(int64_t count, int64_t src_stride, int64_t dst_stride, Site site);

}  // namespace ascsim
