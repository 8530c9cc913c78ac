#pragma once

#include <sstream>
#include <string>
#include <utility>

namespace fa {

enum class StatusCode { kOk, kInvalidArgument, kNotSupported, kUnavailable, kInternal };

// Outcome of a call; the bindings turn each code into one Python class.
struct Status {
  StatusCode code = StatusCode::kOk;
  std::string message;

  bool ok() const { return code == StatusCode::kOk; }
};

template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

template <typename... Parts>
Status invalid_argument(const Parts&... parts) {
  return {StatusCode::kInvalidArgument, concat(parts...)};
}

template <typename... Parts>
Status not_supported(const Parts&... parts) {
  return {StatusCode::kNotSupported, concat(parts...)};
}

}  // namespace fa

#define FA_RETURN_IF_ERROR(expr)             \
  do {                                       \
    ::fa::Status fa_status_ = (expr);        \
    if (!fa_status_.ok()) return fa_status_; \
  } while (false)

// Message form: "name: got X, expected Y".
#define FA_REQUIRE(condition, ...)                                \
  do {                                                            \
    if (!(condition)) return ::fa::invalid_argument(__VA_ARGS__); \
  } while (false)
