// Issues what a table says: `words` of 6 numbers per instruction, `length` instructions per core.
#include "kernel_operator.h"
#include "priced.h"

using namespace AscendC;
using ascsim::Pipe;

namespace {

enum Operation {
  kVector,
  kMmad,
  kLoad,
  kIn,
  kOut,
  kScalar,
  kSet,
  kWait,
  kBarrier,
  kCrossSet,
  kCrossWait
};

void issue(const int32_t* w) {
  ascsim::Machine& m = ascsim::machine();
  const auto site = ascsim::Site::here();
  const auto number = [&](int i) { return static_cast<uint32_t>(w[i]); };
  switch (w[0]) {
    case kVector:
      priced::vector(ascsim::VectorClass::kDuplicate, "Duplicate", number(1), {}, {});
      break;
    case kMmad:
      priced::mmad({number(1), number(2), number(3)});
      break;
    case kLoad:
      priced::load(ascsim::Memory::kL0b, number(1));
      break;
    case kIn:
    case kOut:
      priced::move(w[0] == kIn ? ascsim::MovePath::kGmToUb : ascsim::MovePath::kUbToGm,
                   priced::gm(number(2) + 1), {1, number(1), w[1]});
      break;
    case kScalar: {
      ascsim::ScalarWork work{ascsim::ScalarKind::kLoad, number(1)};
      priced::issue(Pipe::kS, "GetValue", work, site);
      break;
    }
    case kSet:
      m.set_flag(static_cast<Pipe>(w[1]), static_cast<Pipe>(w[2]), w[3], site);
      break;
    case kWait:
      m.wait_flag(static_cast<Pipe>(w[1]), static_cast<Pipe>(w[2]), w[3], site);
      break;
    case kBarrier:
      m.barrier(static_cast<Pipe>(w[1]), site);
      break;
    case kCrossSet:
      m.cross_set(2, static_cast<Pipe>(w[1]), w[2], site);
      break;
    case kCrossWait:
      m.cross_wait(w[1], site);
      break;
    default:
      break;
  }
}

}  // namespace

extern "C" __global__ __aicore__ void timing_program(GM_ADDR words, uint32_t length) {
  const auto* all = reinterpret_cast<const int32_t*>(words);
  const size_t core = static_cast<size_t>(ascsim::machine().current().index());
  for (uint32_t i = 0; i < length; ++i) issue(all + (core * length + i) * 6);
}

ASC_KERNEL(timing_program, ascsim::KernelKind::kMix);
