// Reports for the program that wants to read them.
#include <algorithm>
#include <cstring>

#include "acl/acl.h"
#include "ascsim_cann.h"
#include "runtime/memory.h"

using namespace ascsim::cann;

ACL_ENTRY size_t ascsim_reports(char* text, size_t bytes) {
  const std::string all = all_reports();
  if (text != nullptr && bytes != 0) {
    const size_t fitting = std::min(all.size(), bytes - 1);
    std::memcpy(text, all.data(), fitting);
    text[fitting] = '\0';
  }
  return all.size() + 1;
}

ACL_ENTRY void ascsim_clear_reports(void) { clear_reports(); }
ACL_ENTRY int ascsim_check_guards(void) { return check_guards(); }
ACL_ENTRY int ascsim_check_leaks(void) { return check_leaks(); }
