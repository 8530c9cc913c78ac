#pragma once

// What all entries share: arguments from GM, and registration.

#include "kernel_operator.h"

namespace fa::npu {

template <typename Args>
__aicore__ inline Args read_args(GM_ADDR address) {
  AscendC::GlobalTensor<uint64_t> words;
  words.SetGlobalBuffer(reinterpret_cast<__gm__ uint64_t*>(address));
  Args args;
  uint64_t* to = reinterpret_cast<uint64_t*>(&args);
  for (uint64_t word = 0; word < sizeof(Args) / sizeof(uint64_t); ++word) {
    to[word] = words.GetValue(word);
  }
  return args;
}

}  // namespace fa::npu

// Under bisheng the launch names the entry; the simulator needs it registered. `kind`: kMix,
// kVector
#ifdef ASC_KERNEL
#define FA_REGISTER_KERNEL(name, kind) ASC_KERNEL(name, ascsim::KernelKind::kind)
#else
#define FA_REGISTER_KERNEL(name, kind) static_assert(true)
#endif

// An entry for vector cores: `function` takes the address of its arguments.
#define FA_VECTOR_KERNEL(name, function)                                                  \
  extern "C" __global__ __vector__ __aicore__ void name(GM_ADDR args) { function(args); } \
  FA_REGISTER_KERNEL(name, kVector)
