// For C++ programs: device memory, and kernels started with typed arguments.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "ascsim/launch.h"

namespace ascsim {

// Memory that kernels may touch until it is removed. `defined`: it holds values already.
void add_buffer(std::string name, const void* address, int64_t bytes, bool defined);
// Throws LaunchError if there is no such buffer.
void remove_buffer(const void* address);
std::vector<GmDeclaration> known_buffers();

// What launch() runs with; a program sets it before.
Options& launch_options();

// The checks found something; what() holds all reports as text.
class KernelDefect : public std::runtime_error {
 public:
  explicit KernelDefect(std::vector<Report> reports);
  const std::vector<Report>& reports() const { return reports_; }

 private:
  std::vector<Report> reports_;
};

namespace detail {

RunResult launch_checked(const std::string& kernel, int blocks,
                         const std::vector<const void*>& arguments,
                         const std::vector<Parameter>& given);

}  // namespace detail

// Runs a kernel to its end. Arguments must have the number and sizes of its parameters.
template <typename... Arguments>
RunResult launch(const std::string& kernel, int blocks, void* /*stream*/,
                 const Arguments&... arguments) {
  return detail::launch_checked(
      kernel, blocks, {static_cast<const void*>(&arguments)...},
      {Parameter{std::is_pointer_v<Arguments>, static_cast<uint32_t>(sizeof(Arguments))}...});
}

}  // namespace ascsim
