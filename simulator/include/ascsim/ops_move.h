// Moves by MTE2 and MTE3, UB to UB by V, L1 to the tables of M and FIX, and fills.
//
// Fields keep the units in which kernels give them: each route has its own (see the pages
// "DataCopy" and "DataCopyPad" of the Ascend C documentation).
#pragma once

#include <cstdint>

#include "ascsim/types.h"

namespace ascsim {

// DataCopyParams, DataCopyExtParams.
struct CopyFields {
  int64_t count = 1;  // blocks
  int64_t length = 0;
  int64_t from_stride = 0;
  int64_t to_stride = 0;
};

// What DataCopyPad puts around each block; counts in elements.
struct PadFields {
  bool own_value = false;  // isPad
  int64_t left = 0;
  int64_t right = 0;
  uint64_t value = 0;  // bits of one element
};

// Nd2NzParams, in elements and in blocks of 32 bytes.
struct Nd2NzFields {
  int64_t matrices = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t from_matrix_stride = 0;
  int64_t from_row_stride = 0;
  int64_t to_column_stride = 0;  // between blocks of C0 columns
  int64_t to_row_stride = 0;
  int64_t to_matrix_stride = 0;
};

// Width of the length and stride fields of DataCopyPad: DataCopyParams or DataCopyExtParams.
enum class PadWidth : uint8_t { kShort, kExtended };

// GM to UB or L1, UB or L1 to GM, UB to UB, L1 to BT or FB.
void data_copy(const Operand& to, const Operand& from, const CopyFields& fields, bool cached,
               Site site);
// The form with a number of elements: whole units only, the rest is dropped.
void data_copy(const Operand& to, const Operand& from, int64_t elements, bool cached, Site site);

void data_copy_pad_in(const Operand& to, const Operand& from, const CopyFields& fields,
                      const PadFields& pad, PadWidth width, bool cached, Site site);
void data_copy_pad_out(const Operand& to, const Operand& from, const CopyFields& fields,
                       PadWidth width, bool cached, Site site);
// SetPadValue: what DataCopyPad without a value of its own puts around the blocks.
void set_pad_value(uint64_t value, Site site);

void data_copy_nd2nz(const Operand& to, const Operand& from, const Nd2NzFields& fields, bool cached,
                     Site site);

// Fill of L1, L0A or L0B: `repeats` pieces of `blocks` blocks, `gap` blocks apart.
struct FillFields {
  int64_t repeats = 0;
  int64_t blocks = 0;
  int64_t gap = 0;
  uint64_t value = 0;  // bits of one element
};
void fill_local(const Operand& to, const FillFields& fields, Site site);
// InitOutput: fills `temporary` (UB), then stores it over and over.
void fill_gm(const Operand& to, int64_t elements, uint64_t value, const Operand& temporary,
             int64_t temporary_bytes, int event, bool cached, Site site);

}  // namespace ascsim
