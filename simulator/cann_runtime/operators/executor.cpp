#include "operators/executor.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "operators/numbers.h"
#include "runtime/config.h"
#include "runtime/context.h"
#include "runtime/counters.h"
#include "runtime/memory.h"

namespace ascsim::cann {

namespace {

std::string name_of(const Request& request) {
  const std::string entry = request.phase_one;
  return entry.substr(0, entry.find("GetWorkspaceSize"));
}

// The bytes that a tensor's elements occupy.
struct Extent {
  const char* begin;
  size_t bytes;
};

Extent extent_of(const aclTensor& tensor) {
  const auto bytes = static_cast<int64_t>(bytes_of(tensor.data_type));
  if (tensor.count() == 0) return {tensor.data, 0};
  int64_t low = 0, high = 0;
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    const int64_t span = (tensor.sizes[i] - 1) * tensor.strides[i];
    (span < 0 ? low : high) += span;
  }
  return {tensor.first() + low * bytes, static_cast<size_t>((high - low + 1) * bytes)};
}

Outcome check_memory(const std::vector<Extent>& reads, const std::vector<Extent>& writes) {
  for (const Extent& e : reads) {
    if (Outcome checked = check_access("read", e.begin, e.bytes, false); !checked.ok()) {
      return checked;
    }
  }
  for (const Extent& e : writes) {
    if (Outcome checked = check_access("write", e.begin, e.bytes, false); !checked.ok()) {
      return checked;
    }
  }
  return {};
}

AclError check_type(const Request& request, int data_type, bool computed) {
  if (computed ? codec_of(data_type) != nullptr : bytes_of(data_type) != 0) return kSuccess;
  return refuse(request, "data type " + std::to_string(data_type) +
                             (computed ? " (supported: bool, int8 to int64, uint8, float16, "
                                         "bfloat16, float32, float64)"
                                       : ""));
}

AclError check_operands(const Request& request, const Operands& operands) {
  std::vector<const aclTensor*> all = operands.reads;
  all.insert(all.end(), operands.writes.begin(), operands.writes.end());
  for (const aclTensor* tensor : all) {
    if (tensor == nullptr) {
      return fail(kAclnnParamNull, name_of(request) + ": a tensor is a null pointer");
    }
    if (const AclError error = check_type(request, tensor->data_type, operands.computed)) {
      return error;
    }
  }
  for (const aclScalar* scalar : operands.scalars) {
    if (scalar == nullptr) {
      return fail(kAclnnParamNull, name_of(request) + ": a scalar is a null pointer");
    }
    if (const AclError error = check_type(request, scalar->data_type, true)) return error;
  }
  return kSuccess;
}

std::vector<Extent> extents_of(const std::vector<const aclTensor*>& tensors) {
  std::vector<Extent> extents;
  for (const aclTensor* tensor : tensors) extents.push_back(extent_of(*tensor));
  return extents;
}

}  // namespace

AclError refuse(const Request& request, const std::string& why) {
  return fail(kAclnnParamInvalid, name_of(request) + " does not support " + why);
}

AclError plan(const Request& request, const Operands& operands, std::function<void()> work) {
  if (request.workspace == nullptr || request.executor == nullptr) {
    return fail(kAclnnParamNull, name_of(request) + ": no place for the result");
  }
  if (const AclError error = check_operands(request, operands)) return error;
  *request.workspace = 0;
  auto guarded = [reads = extents_of(operands.reads), writes = extents_of(operands.writes),
                  work = std::move(work)] {
    Outcome checked = check_memory(reads, writes);
    if (checked.ok()) work();
    return checked;
  };
  *request.executor = new aclOpExecutor{name_of(request), std::move(guarded)};
  return kSuccess;
}

AclError run(aclOpExecutor* executor, Handle handle) {
  if (executor == nullptr) return fail(kAclnnParamNull, "an aclnn operator without executor");
  const std::unique_ptr<aclOpExecutor> owned(executor);
  if (config().host_delay_us > 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(config().host_delay_us));
  }
  return with_stream(executor->name.c_str(), handle, [&](const std::shared_ptr<Stream>& stream) {
    ++counters().operator_launches;
    stream->submit({owned->name, std::move(owned->work)});
    return AclError{kSuccess};
  });
}

std::string text_of(const Sizes& sizes) {
  std::string text = "[";
  for (const int64_t size : sizes) {
    text += (text.size() == 1 ? "" : ", ") + std::to_string(size);
  }
  return text + "]";
}

}  // namespace ascsim::cann
