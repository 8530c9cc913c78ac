// DataCopy from GM to L1 with the change from row-major (ND) to columns of 32-byte blocks (NZ).
#pragma once

#include "ascendc/narrow.h"
#include "ascendc/tensor.h"
#include "ascsim/ops_move.h"

namespace AscendC {

struct Nd2NzParams {
  Narrow<uint16_t> ndNum = 0, nValue = 0, dValue = 0;
  Narrow<uint16_t> srcNdMatrixStride = 0, srcDValue = 0;  // elements
  Narrow<uint16_t> dstNzC0Stride = 0, dstNzNStride = 0;   // blocks of 32 bytes
  Narrow<uint16_t> dstNzMatrixStride = 0;                 // elements

  Nd2NzParams() = default;
  Nd2NzParams(Narrow<uint16_t> matrices, Narrow<uint16_t> n, Narrow<uint16_t> d,
              Narrow<uint16_t> src_matrix, Narrow<uint16_t> src_d, Narrow<uint16_t> dst_c0,
              Narrow<uint16_t> dst_n, Narrow<uint16_t> dst_matrix)
      : ndNum(matrices),
        nValue(n),
        dValue(d),
        srcNdMatrixStride(src_matrix),
        srcDValue(src_d),
        dstNzC0Stride(dst_c0),
        dstNzNStride(dst_n),
        dstNzMatrixStride(dst_matrix) {}
};

template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, const Nd2NzParams& p,
              Site site = Site::here()) {
  ascsim::Nd2NzFields fields;
  fields.matrices = p.ndNum.given();
  fields.rows = p.nValue.given();
  fields.columns = p.dValue.given();
  fields.from_matrix_stride = p.srcNdMatrixStride.given();
  fields.from_row_stride = p.srcDValue.given();
  fields.to_column_stride = p.dstNzC0Stride.given();
  fields.to_row_stride = p.dstNzNStride.given();
  fields.to_matrix_stride = p.dstNzMatrixStride.given();
  ascsim::data_copy_nd2nz(dst.operand(), src.operand(), fields, src.cached(), site);
}

}  // namespace AscendC
