// What Fixpipe does to values on their way out of L0C.
#pragma once

#include <cstdint>

#include "ascsim/ops_cube.h"

namespace ascsim {

// How one value becomes one of the target. Scales of a vector mode belong to columns.
struct Conversion {
  Quant quant = Quant::kNone;
  DType from = DType::kFp32;
  DType to = DType::kFp32;
  bool relu = false;
  const uint64_t* scales = nullptr;  // one for all, or one per column
  bool per_column = false;
};

// `count` neighbouring columns of one row, the first being `column`; 4 bytes each in L0C.
void convert_row(const Conversion& conversion, const uint8_t* from, uint8_t* to, int64_t count,
                 int64_t column);

}  // namespace ascsim
