// Functions of the program as tasks of a stream: callbacks, and kernels built for the simulator.
#include <cstring>
#include <memory>
#include <vector>

#include "acl/acl.h"
#include "ascsim_cann.h"
#include "runtime/context.h"
#include "runtime/counters.h"

using namespace ascsim::cann;
using StreamPointer = std::shared_ptr<Stream>;

namespace {

using Callback = void (*)(void*);

AclError call_back(const char* entry, Handle handle, Callback function, void* data) {
  if (function == nullptr) return null_argument(entry);
  return with_stream(entry, handle, [&](const StreamPointer& stream) {
    stream->submit({entry, [function, data] {
                      function(data);
                      return Outcome{};
                    }});
    return AclError{kSuccess};
  });
}

// Argument bytes, aligned for any type.
class Arguments {
 public:
  Arguments(const void* bytes, size_t count) : words_((count + sizeof(Word) - 1) / sizeof(Word)) {
    if (count != 0) std::memcpy(words_.data(), bytes, count);
  }
  void* data() { return words_.data(); }

 private:
  struct alignas(16) Word {
    unsigned char bytes[16];
  };
  std::vector<Word> words_;
};

}  // namespace

ACL_ENTRY int aclrtLaunchHostFunc(Handle stream, Callback function, void* data) {
  return call_back("aclrtLaunchHostFunc", stream, function, data);
}

// Blocking or not: either way the callback runs in stream order, on the stream's worker.
ACL_ENTRY int aclrtLaunchCallback(Callback function, void* data, int /*block*/, Handle stream) {
  return call_back("aclrtLaunchCallback", stream, function, data);
}

// Callbacks need no thread of the program, so there is nothing to subscribe and nothing to report.
ACL_ENTRY int aclrtSubscribeReport(uint64_t /*thread*/, Handle /*stream*/) { return kSuccess; }
ACL_ENTRY int aclrtUnSubscribeReport(uint64_t /*thread*/, Handle /*stream*/) { return kSuccess; }
ACL_ENTRY int aclrtProcessReport(int32_t /*timeout_ms*/) {
  constexpr int kWaitCallbackTimeout = 100036;
  return kWaitCallbackTimeout;
}

ACL_ENTRY int ascsim_launch(void* handle, const char* name, AscsimKernel kernel,
                            const void* arguments, size_t bytes) {
  if (name == nullptr || kernel == nullptr || (arguments == nullptr && bytes != 0)) {
    return null_argument("ascsim_launch");
  }
  return with_stream("ascsim_launch", handle, [&](const StreamPointer& stream) {
    ++counters().kernel_launches;
    const auto kept = std::make_shared<Arguments>(arguments, bytes);
    stream->submit({name, [kernel, kept] {
                      Arguments copy = *kept;  // a replay finds what the launch was given
                      const int code = kernel(copy.data());
                      if (code == kSuccess) return Outcome{};
                      return Outcome{code, "the launch returned " + std::to_string(code)};
                    }});
    return AclError{kSuccess};
  });
}
