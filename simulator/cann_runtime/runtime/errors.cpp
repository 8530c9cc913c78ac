#include "runtime/errors.h"

#include <cstdio>
#include <mutex>

#include "runtime/config.h"

namespace ascsim::cann {

namespace {

thread_local std::string t_message;
thread_local std::string t_taken;
thread_local AclError t_last = kSuccess;

std::mutex g_mutex;

std::string& reports() {
  static auto* text = new std::string;
  return *text;
}

}  // namespace

AclError fail(AclError code, std::string message) {
  if (config().log) std::fprintf(stderr, "[ascsim] error %d: %s\n", code, message.c_str());
  t_message = "simulated CANN: " + std::move(message);
  t_last = code;
  return code;
}

AclError fail(const Outcome& outcome) {
  return outcome.ok() ? kSuccess : fail(outcome.code, outcome.message);
}

AclError unsupported(const char* entry) {
  const std::string text = std::string(entry) + ": not simulated";
  std::fprintf(stderr, "[ascsim] %s\n", text.c_str());
  return fail(kRtFeatureNotSupport, text);
}

const char* take_message() {
  if (t_message.empty()) return nullptr;
  t_taken = std::move(t_message);
  t_message.clear();
  return t_taken.c_str();
}

AclError last_error(bool clear) {
  const AclError code = t_last;
  if (clear) t_last = kSuccess;
  return code;
}

void report(const std::string& text) {
  std::fprintf(stderr, "[ascsim] %s\n", text.c_str());
  const std::lock_guard<std::mutex> lock(g_mutex);
  reports() += text + "\n";
}

std::string all_reports() {
  const std::lock_guard<std::mutex> lock(g_mutex);
  return reports();
}

void clear_reports() {
  const std::lock_guard<std::mutex> lock(g_mutex);
  reports().clear();
}

}  // namespace ascsim::cann
