// The scalar unit needs no barrier of its own, and has none.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if (kClean) {
    PipeBarrier<PIPE_ALL>();
  } else {
    PipeBarrier<PIPE_S>();  // @barrier
  }
}

}  // namespace

CHECK(parameter_barrier, kVector);
