// Operators by name (GE): torch_npu takes this way for an operator whose aclnn function is absent.
#include <cstdio>

#include "acl/acl.h"

using namespace ascsim::cann;

namespace {

AclError no_operator(const char* type) {
  const std::string text =
      std::string("operator ") + type + ": no aclnn function of it is simulated";
  std::fprintf(stderr, "[ascsim] %s\n", text.c_str());
  return fail(kOpNotFound, text);
}

}  // namespace

ACL_ENTRY int aclopCompileAndExecute(const char* type, ...) { return no_operator(type); }
ACL_ENTRY int aclopCompileAndExecuteV2(const char* type, ...) { return no_operator(type); }
