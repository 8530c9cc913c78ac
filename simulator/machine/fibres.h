// One fibre per core, switched by hand: the order of execution is fixed, so a run repeats exactly.
#pragma once

#include <ucontext.h>

#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "ascsim/machine.h"

namespace ascsim {

enum class FibreState : uint8_t { kReady, kBlocked, kEnded };

// Thrown inside a fibre that is given up, to unwind its stack.
struct Cancelled {};

class Fibre {
 public:
  Fibre(Core& core, std::function<void(Core&)> body);
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  // Runs the fibre until it gives its turn away; rethrows what its body threw.
  void resume();
  // From inside: back to whoever resumed. Throws Cancelled if the fibre is given up meanwhile.
  void yield(FibreState state);
  void cancel();

  Core& core;
  FibreState state = FibreState::kReady;
  int waiting_flag = -1;  // cross-core flag, while kBlocked
  Site waiting_site;

 private:
  static void entry(unsigned high, unsigned low);

  std::function<void(Core&)> body_;
  ucontext_t own_{}, caller_{};
  void* stack_ = nullptr;
  bool cancelled_ = false;
  std::exception_ptr error_;
};

struct Machine::Fibres {
  std::vector<std::unique_ptr<Fibre>> all;
  Fibre* current = nullptr;
};

}  // namespace ascsim
