#pragma once

// The cube core: scores of a unit and output of an earlier one by turns, so that the store of the
// former, the loads of the latter and both products overlap.

#include "kernel_operator.h"
#include "npu/kernels/matmul.h"
#include "npu/kernels/output_products.h"
#include "npu/kernels/score_products.h"

namespace fa::npu {

template <typename Config>
class CubeRole {
 public:
  __aicore__ inline CubeRole(const ForwardArgs& args, const Schedule& schedule, int64_t core)
      : workspace_(args.workspace, core),
        scores_(args, schedule, workspace_, matmul_),
        output_(args, schedule, workspace_, matmul_),
        core_(core) {}

  __aicore__ inline void turn(const Turn& turn) {
    if (turn.begins != nullptr && turn.begins->number == 0) {
      output_.begin_apart(*turn.begins, core_);
    }
    scores_.open(turn.begins);
    output_.open(turn.ends, turn.ends_next);
    const int32_t score_steps = scores_.steps(), output_steps = output_.steps();
    int32_t done = 0;
    for (int32_t step = 0; step < score_steps; ++step) {
      scores_.step();
      for (; done * score_steps < (step + 1) * output_steps; ++done) output_.step();
    }
    scores_.close();
    for (; done < output_steps; ++done) output_.step();
    output_.close();
  }

  __aicore__ inline void drain() {
    scores_.drain();
    output_.drain();
    matmul_.drain();
    AscendC::PipeBarrier<PIPE_ALL>();
  }

 private:
  Workspace<Config> workspace_;
  Matmul<Config> matmul_;
  ScoreProducts<Config> scores_;
  OutputProducts<Config> output_;
  int64_t core_;
};

}  // namespace fa::npu
