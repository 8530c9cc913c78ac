#pragma once

// What all entries share: each is known to its toolchain by name, and takes its argument struct by
// value, so that a launch carries it along: nothing has to be copied to the device before.

#include <cstdint>

#include "kernel_operator.h"
#include "npu/kernel_args.h"

// The simulator finds a kernel by the name it is registered with. Under bisheng the launch is code
// that names it, so a host function does that beside each kernel; object/bisheng_object.cpp calls
// it. It returns false if the arguments are of another size. `kind`: kMix, kVector
#ifdef ASC_KERNEL
#define FA_REGISTER_KERNEL(name, kind, Args) ASC_KERNEL(name, ascsim::KernelKind::kind)
#else
#define FA_REGISTER_KERNEL(name, kind, Args)                                                       \
  extern "C" bool fa_start_##name(const void* args, int64_t bytes, uint32_t cores, void* stream) { \
    if (bytes != static_cast<int64_t>(sizeof(fa::npu::Args))) return false;                        \
    name<<<cores, nullptr, stream>>>(*static_cast<const fa::npu::Args*>(args));                    \
    return true;                                                                                   \
  }                                                                                                \
  static_assert(true)
#endif

// An entry for vector cores: `function` takes a struct of kernel_args.h.
#define FA_VECTOR_KERNEL(name, Args, function)                                                  \
  extern "C" __global__ __vector__ __aicore__ void name(fa::npu::Args args) { function(args); } \
  FA_REGISTER_KERNEL(name, kVector, Args)
