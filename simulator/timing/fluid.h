// GM moves under way, as flows that share the rates of L2 and HBM.
#pragma once

#include <cstdint>
#include <queue>
#include <vector>

#include "timing/l2.h"
#include "timing/profile.h"

namespace ascsim {

// One move: when it may start, who waits for it, and its price at the core's port.
struct Flow {
  double start = 0;
  uint64_t order = 0;  // of equal starts: the order of submission
  int core = 0;
  int pipe = 0;
  double port_rate = 0;     // bytes per cycle
  double least_cycles = 0;  // however few its bytes are
  GmMove move;
};

// All flows with the same needs run at the same rate, so each class keeps one amount of work done
// per flow, and a flow ends when that amount has grown by its size. An event costs a walk over the
// classes and a heap operation.
class FluidModel {
 public:
  struct Event {
    bool completed = false;  // else nothing more than a flow that started
    int core = 0;
    int pipe = 0;
    double time = 0;
  };

  explicit FluidModel(const Profile& profile);

  void submit(Flow flow);
  // When the next flow starts or ends; infinity if there is none.
  double next_time();
  Event step();
  double now() const { return now_; }

  // Sums over all flows so far.
  GmTraffic total;

 private:
  struct Active {
    double end;  // in the work of its class
    uint64_t order;
    int core, pipe;
    bool operator>(const Active& other) const {
      return end != other.end ? end > other.end : order > other.order;
    }
  };
  struct Class {
    double port_rate = 0;
    double l2_weight = 0, hbm_weight = 0;  // bytes there per byte of the port
    double rate = 0;                       // of each of its flows
    double work = 0;
    std::priority_queue<Active, std::vector<Active>, std::greater<>> active;
  };
  struct Later {
    bool operator()(const Flow& a, const Flow& b) const {
      return a.start != b.start ? a.start > b.start : a.order > b.order;
    }
  };

  void activate(const Flow& flow);
  Class& find_class(double port_rate, double l2_weight, double hbm_weight);
  void share();
  void limit(double capacity, double Class::* weight);
  void advance(double time);
  double end_time(const Class& c) const;

  L2 l2_;
  double l2_rate_, hbm_rate_, atomic_factor_;
  double now_ = 0;
  uint64_t submitted_ = 0;
  std::priority_queue<Flow, std::vector<Flow>, Later> waiting_;
  std::vector<Class> classes_;
  std::vector<size_t> busy_;  // classes with flows
  double next_end_ = 0;
  size_t next_class_ = 0;
};

}  // namespace ascsim
