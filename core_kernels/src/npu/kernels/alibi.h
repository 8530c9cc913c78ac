#pragma once

// ALiBi (Press et al., "Train short, test long", ICLR 2022): scores lose slope * |distance|. Row by
// row, because the distance is a number per row and column; kernels without extras have none of it.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/schedule.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

class AlibiSlopes {
 public:
  __aicore__ inline explicit AlibiSlopes(const AlibiArgs& args) : args_(args) {
    slopes_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(args.slopes));
  }

  __aicore__ inline bool given() const { return args_.slopes != 0; }
  __aicore__ inline bool by_column() const { return given() && args_.by_column != 0; }

  __aicore__ inline float slope(const Task& task, int32_t row) const {
    const int64_t head = task.heads.row(row).q_head;
    return slopes_.GetValue(
        static_cast<uint64_t>(task.batch * args_.batch_stride + head * args_.head_stride));
  }

  // The key at a row's own position.
  __aicore__ static inline int32_t diagonal(const Task& task, int32_t row) {
    return task.first_query + row / task.heads.size + task.kv.length - task.q.length;
  }

  // slope * diagonal of each row.
  __aicore__ inline void write_shifts(const AscendC::LocalTensor<float>& to, const Task& task,
                                      Rows rows) const {
    for (int32_t row = 0; row < rows.count; ++row) {
      const int32_t own = rows.first + row;
      const float at = static_cast<float>(diagonal(task, own));
      to.SetValue(static_cast<uint32_t>(row), slope(task, own) * at);
    }
  }

 private:
  AlibiArgs args_;
  AscendC::GlobalTensor<float> slopes_;
};

template <typename Config>
class AlibiBias {
 public:
  __aicore__ inline AlibiBias(const AlibiArgs& args, UbBuffers<Config>& ub)
      : slopes_(args), ub_(ub) {}

  // `own`: first row of this vector core in the task; `rows`: of its rows; scores [rows, width].
  __aicore__ inline void apply(const AscendC::LocalTensor<float>& scores, const Unit& unit,
                               int32_t own, Rows rows, int32_t width) {
    if (!slopes_.given()) return;
    const AscendC::LocalTensor<float>& bias = ub_.fold;
    for (int32_t row = 0; row < rows.count; ++row) {
      const int32_t number = own + rows.first + row;
      const int32_t distance = unit.first_key - AlibiSlopes::diagonal(unit.task, number);
      AscendC::Adds(bias, ub_.columns, static_cast<float>(distance), width);
      vector_barrier();
      AscendC::Abs(bias, bias, width);
      vector_barrier();
      AscendC::Muls(bias, bias, -slopes_.slope(unit.task, number), width);
      vector_barrier();
      const AscendC::LocalTensor<float> line = scores[static_cast<uint32_t>(row * width)];
      AscendC::Add(line, line, bias, width);
      vector_barrier();
    }
  }

 private:
  AlibiSlopes slopes_;
  UbBuffers<Config>& ub_;
};

}  // namespace fa::npu
