// The two phases of an aclnn operator: aclnnXGetWorkspaceSize plans, aclnnX queues the plan.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "acl/acl.h"
#include "operators/tensor.h"

// What phase one leaves for phase two.
struct aclOpExecutor {
  std::string name;
  std::function<ascsim::cann::Outcome()> work;
};

namespace ascsim::cann {

// The last two arguments of phase one.
struct Request {
  const char* phase_one;  // "aclnnAddGetWorkspaceSize"
  uint64_t* workspace;
  aclOpExecutor** executor;
};

struct Operands {
  std::vector<const aclTensor*> reads = {};
  std::vector<const aclTensor*> writes = {};
  std::vector<const aclScalar*> scalars = {};
  bool computed = true;  // false: bytes are only moved, so any type of known size will do
};

// Checks operands (null, type) now and their memory when the work runs. `work` must own what it
// uses: it may run more than once, and after the operands are destroyed.
AclError plan(const Request& request, const Operands& operands, std::function<void()> work);

// For work, which plan() refuses to keep if an operand is null.
inline aclTensor copy_of(const aclTensor* tensor) { return tensor ? *tensor : aclTensor{}; }

// A refusal of the plan, naming the operator.
AclError refuse(const Request& request, const std::string& why);

// Phase two; the executor is gone afterwards.
AclError run(aclOpExecutor* executor, Handle stream);

std::string text_of(const Sizes& sizes);

}  // namespace ascsim::cann

// Defines both phases of an operator; the body that follows is that of phase one:
//
//   ACLNN(Neg, const aclTensor* x, aclTensor* out) { return plan(ACLNN_REQUEST, {{x}, {out}}, ...);
//   }
#define ACLNN(name, ...)                                                             \
  ACL_ENTRY int aclnn##name(void*, uint64_t, aclOpExecutor* executor,                \
                            ascsim::cann::Handle stream) {                           \
    return ascsim::cann::run(executor, stream);                                      \
  }                                                                                  \
  ACL_ENTRY int aclnn##name##GetWorkspaceSize(__VA_ARGS__, uint64_t* workspace_size, \
                                              aclOpExecutor** executor_out)
#define ACLNN_REQUEST \
  ascsim::cann::Request { __func__, workspace_size, executor_out }
