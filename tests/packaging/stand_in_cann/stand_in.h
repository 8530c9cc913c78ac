// Included before every source that the stand-in compiles for a device.
#pragma once

#include <exception>

#include "ascsim/host.h"
#include "kernel_operator.h"

// Sources see what they see under bisheng; what the stand-in has to find stays in the text.
#undef ASC_KERNEL
#undef __global__
#undef __mix__
#undef __vector__
#define __global__ stand_in_global
#define __mix__(aic, aiv) stand_in_mix
#define __vector__ stand_in_vector

extern "C" void stand_in_fail(const char* text);
extern "C" bool stand_in_knows(const void* stream);

template <typename... Arguments>
void stand_in_no_start(const Arguments&...) {}

// The kernel runs to its end before the start returns.
template <typename... Arguments>
void stand_in_start(const char* name, uint32_t cores, std::nullptr_t, void* stream,
                    const Arguments&... arguments) {
  if (!stand_in_knows(stream)) return stand_in_fail("no such stream");
  try {
    ascsim::launch(name, static_cast<int>(cores), stream, arguments...);
  } catch (const std::exception& error) {
    stand_in_fail(error.what());
  }
}
