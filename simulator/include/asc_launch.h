// For host code that starts kernels: one line that is a launch under bisheng and under the
// simulator.
//
//   ASC_LAUNCH(scale, block_dim, stream, x, y, n);
//
// Under the simulator the call runs the kernel to its end before it returns, so every order that a
// stream promises holds. It throws ascsim::KernelDefect if a check finds something. Pointers must
// lie in buffers made known by ascsim::add_buffer.
#pragma once

#if defined(__CCE__)
#define ASC_LAUNCH(kernel, block_dim, stream, ...) \
  kernel<<<block_dim, nullptr, stream>>>(__VA_ARGS__)
#else
#include "ascsim/host.h"
#define ASC_LAUNCH(kernel, block_dim, stream, ...) \
  ascsim::launch(#kernel, block_dim, stream, __VA_ARGS__)
#endif
