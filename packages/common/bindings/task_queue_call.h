#pragma once

// A call of OpCommand::RunOpApiV2 or RunOpApi, in either ABI of std::string: torch_npu is built
// with one or the other. std::function has the same layout in both.

#include <functional>

namespace fa::bindings {

using QueuedWork = std::function<int()>;

// Calls the function at `entry`; `by_value`: RunOpApi, which takes its work so.
using TaskQueueCall = void (*)(void* entry, bool by_value, const char* name,
                               const QueuedWork& work);

void call_with_new_strings(void* entry, bool by_value, const char* name, const QueuedWork& work);
void call_with_old_strings(void* entry, bool by_value, const char* name, const QueuedWork& work);

}  // namespace fa::bindings
