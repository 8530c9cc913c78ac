#include "machine/fibres.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace ascsim {

namespace {

constexpr size_t kStackBytes = 1 << 20;  // kernels keep their data in local memories, not here
constexpr size_t kGuardBytes = 4096;     // an overflow faults instead of writing elsewhere

}  // namespace

Fibre::Fibre(Core& core, std::function<void(Core&)> body) : core(core), body_(std::move(body)) {
  stack_ = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (stack_ == MAP_FAILED) throw std::bad_alloc();
  mprotect(stack_, kGuardBytes, PROT_NONE);
  getcontext(&own_);
  own_.uc_stack.ss_sp = stack_;
  own_.uc_stack.ss_size = kStackBytes;
  own_.uc_link = &caller_;
  // makecontext passes ints only, so the pointer goes in two halves.
  const auto self = reinterpret_cast<uint64_t>(this);
  makecontext(&own_, reinterpret_cast<void (*)()>(&Fibre::entry), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

Fibre::~Fibre() { munmap(stack_, kStackBytes); }

void Fibre::entry(unsigned high, unsigned low) {
  auto* self = reinterpret_cast<Fibre*>((static_cast<uint64_t>(high) << 32) | low);
  try {
    if (!self->cancelled_) self->body_(self->core);
  } catch (const Cancelled&) {
  } catch (...) {
    self->error_ = std::current_exception();
  }
  self->state = FibreState::kEnded;
}

void Fibre::resume() {
  swapcontext(&caller_, &own_);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Fibre::yield(FibreState next) {
  state = next;
  swapcontext(&own_, &caller_);
  if (cancelled_) throw Cancelled{};
}

void Fibre::cancel() {
  cancelled_ = true;
  if (state != FibreState::kEnded) resume();
}

}  // namespace ascsim
