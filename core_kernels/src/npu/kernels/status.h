#pragma once

// Values in device memory that are wrong are replaced by ones that lead nowhere else; and if the
// host asks for it, the core says which one it met last.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

class StatusLine {
 public:
  // `region`: a line for each core, cube and vector cores alike; 0: the host does not ask.
  __aicore__ inline explicit StatusLine(uint64_t region) : wanted_(region != 0) {
    int64_t line = AscendC::GetBlockIdx() * kStatusLinesPerCore;
    if ASCEND_IS_AIV {
      const int64_t vectors = AscendC::GetSubBlockNum();
      line = AscendC::GetBlockIdx() / vectors * kStatusLinesPerCore + 1 + AscendC::GetSubBlockIdx();
    }
    words_.SetGlobalBuffer(
        reinterpret_cast<__gm__ int32_t*>(region + static_cast<uint64_t>(line) * kStatusLineBytes));
  }

  // The value if it is in [0, limit], else the nearest one that is.
  __aicore__ inline int32_t checked(WrongValue what, int32_t entry, int32_t value,
                                    int32_t limit) const {
    const int32_t used = greater(0, lesser(value, limit));
    if (used != value) report(what, entry, value, limit);
    return used;
  }

  // Nobody else writes to the line, so the last one stays.
  __aicore__ inline void report(WrongValue what, int32_t entry, int32_t value,
                                int32_t limit) const {
    if (!wanted_) return;
    words_.SetValue(0, static_cast<int32_t>(what));
    words_.SetValue(1, entry);
    words_.SetValue(2, value);
    words_.SetValue(3, limit);
    AscendC::DataCacheCleanAndInvalid<int32_t, AscendC::CacheLine::SINGLE_CACHE_LINE,
                                      AscendC::DcciDst::CACHELINE_OUT>(words_);
  }

 private:
  bool wanted_;
  AscendC::GlobalTensor<int32_t> words_;
};

}  // namespace fa::npu
