#pragma once

// What all entries share: registration. Each takes its argument struct by value, so that a launch
// carries it along: nothing has to be copied to the device before.

#include "kernel_operator.h"
#include "npu/kernel_args.h"

// Under bisheng the launch names the entry; the simulator needs it registered. `kind`: kMix,
// kVector
#ifdef ASC_KERNEL
#define FA_REGISTER_KERNEL(name, kind) ASC_KERNEL(name, ascsim::KernelKind::kind)
#else
#define FA_REGISTER_KERNEL(name, kind) static_assert(true)
#endif

// An entry for vector cores: `function` takes a struct of kernel_args.h.
#define FA_VECTOR_KERNEL(name, Args, function)                                                  \
  extern "C" __global__ __vector__ __aicore__ void name(fa::npu::Args args) { function(args); } \
  FA_REGISTER_KERNEL(name, kVector)
