#include "runtime/faults.h"

#include <csetjmp>
#include <csignal>
#include <exception>
#include <mutex>

#include "runtime/memory.h"

namespace ascsim::cann {

namespace {

struct Guarded {
  sigjmp_buf resume;
  const void* address = nullptr;
};

thread_local Guarded* t_guarded = nullptr;

struct sigaction g_previous_segv;
struct sigaction g_previous_bus;

void on_fault(int signal, siginfo_t* info, void* context) {
  if (Guarded* guarded = t_guarded) {
    guarded->address = info->si_addr;
    siglongjmp(guarded->resume, 1);
  }
  // Not ours: whoever was there before decides.
  const struct sigaction& previous = signal == SIGSEGV ? g_previous_segv : g_previous_bus;
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    sigaction(signal, &previous, nullptr);  // the access is repeated and ends the process
  }
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &g_previous_segv);
    sigaction(SIGBUS, &action, &g_previous_bus);
  });
}

Outcome without_exceptions(const std::function<Outcome()>& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    return {kRtAicoreException, error.what()};
  } catch (...) {
    return {kRtAicoreException, "an exception that is no std::exception"};
  }
}

}  // namespace

Outcome run_guarded(const std::function<Outcome()>& work) {
  install();
  Guarded guarded;
  Guarded* const outer = t_guarded;
  if (sigsetjmp(guarded.resume, 1) != 0) {
    t_guarded = outer;
    return {kRtAicoreException, "access to " + describe_address(guarded.address)};
  }
  t_guarded = &guarded;
  Outcome outcome = without_exceptions(work);
  t_guarded = outer;
  return outcome;
}

}  // namespace ascsim::cann
