#pragma once

#include <cstdint>

namespace fa::cpu {

// Calls body(context, i) once for every i < tasks on up to `threads` threads. Threads come from the
// OpenMP runtime that the process has already loaded (torch's, so that the two never compete); a
// child after fork() runs serially, because that runtime's workers do not survive it.
void run_tasks(int threads, int64_t tasks, void (*body)(void* context, int64_t task),
               void* context);

template <typename Body>
void parallel_for(int threads, int64_t tasks, Body&& body) {
  run_tasks(
      threads, tasks, [](void* context, int64_t task) { (*static_cast<Body*>(context))(task); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace fa::cpu
