#include "ascsim/machine.h"

#include "machine/fibres.h"

namespace ascsim {

namespace {

Machine* g_machine = nullptr;

// With timing on, a core gives its turn away after so many instructions, so that what is recorded
// of one core does not run far ahead of the others.
constexpr uint64_t kTurnSteps = 4096;

}  // namespace

Machine& machine() {
  if (g_machine == nullptr) throw SimulatorBug("no kernel is running");
  return *g_machine;
}

Machine::Machine(const Options& options, std::string kernel, int blocks, bool with_aic,
                 bool with_aiv)
    : options_(options), kernel_(std::move(kernel)), blocks_(blocks) {
  if (g_machine != nullptr) throw SimulatorBug("a kernel is already running in this process");
  // A kernel of AIVs only counts them one by one; a mixed one has two with each AIC.
  aiv_per_block_ = with_aic ? Soc::kAivPerCore : 1;
  int index = 0;
  for (int block = 0; block < blocks; ++block) {
    if (with_aic) {
      cores_.push_back(std::make_unique<Core>(index++, CoreKind::kAic, block, 0));
    }
    for (int sub = 0; with_aiv && sub < aiv_per_block_; ++sub) {
      cores_.push_back(std::make_unique<Core>(index++, CoreKind::kAiv, block, sub));
    }
  }
  if (options.checks) {
    for (auto& core : cores_) {
      for (int i = 1; i <= kLocalMemories; ++i) {
        LocalMemory& memory = core->memory(static_cast<Memory>(i));
        if (!memory.bytes.empty()) {
          memory.shadow = Shadow(static_cast<int64_t>(memory.bytes.size()), false);
        }
      }
    }
  }
  g_machine = this;
}

Machine::~Machine() { g_machine = nullptr; }

void Machine::run(const std::function<void(Core&)>& body) {
  fibres_ = std::make_unique<Fibres>();
  LaunchInfo info;
  info.kernel = kernel_.c_str();
  info.blocks = blocks_;
  for (auto& core : cores_) {
    info.cores.push_back(core.get());
    fibres_->all.push_back(std::make_unique<Fibre>(*core, body));
  }
  for (Observer* observer : observers) {
    wants_regions_ |= observer->wants_regions();
    wants_work_ |= observer->wants_work();
    observer->launch(info);
  }
  const auto give_up = [this] {
    for (auto& fibre : fibres_->all) {
      current_ = &fibre->core;
      fibre->cancel();
    }
  };
  try {
    turns();
  } catch (...) {
    give_up();
    throw;
  }
  bool stuck = false;
  for (auto& fibre : fibres_->all) stuck |= fibre->state == FibreState::kBlocked;
  if (stopped_) {
    give_up();
  } else if (stuck) {
    report_deadlock();
    give_up();
  } else if (options_.checks) {
    check_end();
  }
  for (Observer* observer : observers) observer->finish();
}

// Every core that can go on has its turn, again and again.
void Machine::turns() {
  for (bool progress = true; progress;) {
    progress = false;
    for (auto& fibre : fibres_->all) {
      if (fibre->state == FibreState::kBlocked &&
          !fibre->core.cross[static_cast<size_t>(fibre->waiting_flag)].empty()) {
        fibre->state = FibreState::kReady;
      }
      if (fibre->state != FibreState::kReady) continue;
      progress = true;
      fibres_->current = fibre.get();
      current_ = &fibre->core;
      fibre->resume();
      if (stopped_) return;
      if (fibre->state != FibreState::kEnded) continue;
      for (Observer* observer : observers) observer->ended(fibre->core);
    }
    for (Observer* observer : observers) observer->turn();
  }
}

void Machine::stop() {
  stopped_ = true;
  throw Cancelled{};
}

void Machine::step() {
  if (wants_work_ && ++steps_ % kTurnSteps == 0) fibres_->current->yield(FibreState::kReady);
}

void Machine::block_on(int flag, Site site) {
  Fibre& fibre = *fibres_->current;
  fibre.waiting_flag = flag;
  fibre.waiting_site = site;
  fibre.yield(FibreState::kBlocked);
}

Place Machine::place(Pipe pipe, const char* operation, Site site) const {
  Place place;
  if (current_ != nullptr) {
    place.block = current_->block();
    place.kind = current_->kind();
    place.sub_block = current_->sub_block();
  }
  place.pipe = pipe;
  place.operation = operation;
  place.site = site;
  return place;
}

void Machine::report(Check check, std::string kind, const Place& place, std::string message) {
  Report report;
  report.check = check;
  report.kind = std::move(kind);
  report.place = place;
  report.message = std::move(message);
  this->report(std::move(report));
}

void Machine::report(Report report) {
  report.kernel = kernel_;
  reports.add(std::move(report));
}

}  // namespace ascsim
