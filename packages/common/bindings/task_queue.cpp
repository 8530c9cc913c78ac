#include "task_queue.h"

#include <dlfcn.h>

#include <exception>
#include <memory>
#include <stdexcept>

#include "task_queue_call.h"

namespace fa::bindings {
namespace {

struct Entry {
  const char* name;
  const char* symbol;
  TaskQueueCall call;
  bool by_value;
};

// The best first. The mangled names say the ABI; no version number does.
constexpr Entry kEntries[] = {
    {"RunOpApiV2",
     "_ZN6at_npu6native9OpCommand10RunOpApiV2ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE"
     "ERKSt8functionIFivEEb",
     call_with_new_strings, false},
    {"RunOpApiV2, old strings", "_ZN6at_npu6native9OpCommand10RunOpApiV2ERKSsRKSt8functionIFivEEb",
     call_with_old_strings, false},
    {"RunOpApi",
     "_ZN6at_npu6native9OpCommand8RunOpApiERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt"
     "8functionIFivEEb",
     call_with_new_strings, true},
    {"RunOpApi, old strings", "_ZN6at_npu6native9OpCommand8RunOpApiERKSsSt8functionIFivEEb",
     call_with_old_strings, true},
};

class TaskQueue : public LaunchQueue {
 public:
  TaskQueue(const Entry& entry, void* address) : entry_(entry), address_(address) {}

  // The caller has released the GIL: the queue may be full, and torch_npu's own handling of errors
  // takes it for granted.
  Status enqueue(const char* operation, std::function<Status()> start) const override {
    auto outcome = std::make_shared<Status>();
    try {
      entry_.call(address_, entry_.by_value, operation, [start = std::move(start), outcome] {
        *outcome = start();
        // If the call is over, the text reaches the user with the error of the queue.
        if (!outcome->ok()) throw std::runtime_error(outcome->message);
        return 0;
      });
      return {};
    } catch (const std::exception& error) {
      if (!outcome->ok()) return *outcome;
      return {StatusCode::kInternal, concat(operation, ": ", error.what())};
    }
  }

  const Entry& entry() const { return entry_; }

 private:
  const Entry& entry_;
  void* address_;
};

// Never released: what it queued may outlive every owner.
const TaskQueue* find_queue() {
  void* library = dlopen("libtorch_npu.so", RTLD_NOW | RTLD_NOLOAD);
  if (!library) return nullptr;
  for (const Entry& entry : kEntries) {
    void* address = dlsym(library, entry.symbol);
    if (address) return new TaskQueue(entry, address);
  }
  return nullptr;
}

const TaskQueue* queue() {
  static const TaskQueue* found = find_queue();
  return found;
}

}  // namespace

const LaunchQueue* task_queue() { return queue(); }

std::string task_queue_state() {
  return queue() ? queue()->entry().name : "none: launches wait until torch_npu's queue is empty";
}

}  // namespace fa::bindings
