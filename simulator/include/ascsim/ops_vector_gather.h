// Vector unit (pipe V): picking elements by mask or by address.
#pragma once

#include <cstdint>

#include "ascsim/ops_vector.h"
#include "ascsim/types.h"

namespace ascsim {

// GatherMask: packs the elements whose mask bit is 1.
struct MaskGather {
  Operand dst, src;
  int pattern = 0;  // 1 to 7: a fixed mask; 0: the bits of `mask`
  Operand mask;
  bool counter = false;  // each repeat takes `elements`, else 256 bytes
  int64_t elements = 0;
  int64_t repeats = 0;
  Steps src_steps;
  int64_t mask_step = 0;  // 32-byte blocks between repeats
};
// Returns how many elements were packed.
uint64_t vector_gather_mask(const MaskGather& gather, Site site);

// Gather: dst[n] = the element at src + base + offsets[n], in bytes.
struct AddressGather {
  Operand dst, src, offsets;
  int64_t base = 0;
  Lanes lanes;
  int64_t dst_step = 8;
};
void vector_gather(const AddressGather& gather, Site site);

// TransDataTo5HD: 16 rows of 32 bytes become columns. Addresses are bytes in UB.
struct RowTranspose {
  DType dtype = DType::kFp16;
  uint64_t dst[16] = {}, src[16] = {};
  bool dst_high = false, src_high = false;  // 8-bit types: which half of the rows
  int64_t repeats = 1, dst_step = 0, src_step = 0;
};
void vector_transpose_rows(const RowTranspose& transpose, Site site);

// Transpose: a 16 x 16 matrix of 16-bit elements.
void vector_transpose(const Operand& dst, const Operand& src, Site site);

// The forms between [n, c, h * w] and [n, h * w, c], with a temporary.
struct AxisTranspose {
  Operand dst, src, tmp;
  int64_t n = 0, c = 0, hw = 0;
  bool channels_last = true;  // of the result
};
void vector_transpose_axes(const AxisTranspose& transpose, Site site);

}  // namespace ascsim
