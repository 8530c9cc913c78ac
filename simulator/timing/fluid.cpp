#include "timing/fluid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ascsim {

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kWeightSteps = 64;  // classes differ by at least 1/64 of a weight

double rounded(double weight) { return std::round(weight * kWeightSteps) / kWeightSteps; }

}  // namespace

FluidModel::FluidModel(const Profile& profile)
    : l2_(profile),
      l2_rate_(profile.l2_bytes()),
      hbm_rate_(profile.hbm_bytes()),
      atomic_factor_(profile.atomic_factor),
      next_end_(kNever) {}

void FluidModel::submit(Flow flow) {
  flow.order = submitted_++;
  flow.start = std::max(flow.start, now_);
  waiting_.push(flow);
}

double FluidModel::next_time() {
  return std::min(next_end_, waiting_.empty() ? kNever : waiting_.top().start);
}

double FluidModel::end_time(const Class& c) const {
  return now_ + std::max(0.0, c.active.top().end - c.work) / c.rate;
}

FluidModel::Event FluidModel::step() {
  Event event;
  if (!waiting_.empty() && waiting_.top().start < next_end_) {
    const Flow flow = waiting_.top();
    waiting_.pop();
    advance(flow.start);
    activate(flow);
    // Flows that start at the same time change the rates once.
    while (!waiting_.empty() && waiting_.top().start <= now_) {
      const Flow other = waiting_.top();
      waiting_.pop();
      activate(other);
    }
    event.time = now_;
  } else {
    const size_t index = next_class_;
    advance(next_end_);
    Class& c = classes_[index];
    event = {true, c.active.top().core, c.active.top().pipe, now_};
    c.active.pop();
    if (c.active.empty()) busy_.erase(std::find(busy_.begin(), busy_.end(), index));
  }
  share();
  return event;
}

void FluidModel::advance(double time) {
  for (const size_t i : busy_) classes_[i].work += classes_[i].rate * (time - now_);
  now_ = time;
}

FluidModel::Class& FluidModel::find_class(double port_rate, double l2_weight, double hbm_weight) {
  size_t index = 0;
  while (index < classes_.size() &&
         (classes_[index].port_rate != port_rate || classes_[index].l2_weight != l2_weight ||
          classes_[index].hbm_weight != hbm_weight)) {
    ++index;
  }
  if (index == classes_.size()) {
    classes_.emplace_back();
    classes_.back().port_rate = port_rate;
    classes_.back().l2_weight = l2_weight;
    classes_.back().hbm_weight = hbm_weight;
  }
  Class& c = classes_[index];
  if (c.active.empty()) {
    c.work = 0;
    busy_.push_back(index);
  }
  return c;
}

void FluidModel::activate(const Flow& flow) {
  GmTraffic traffic = l2_.access(flow.move);
  if (flow.move.atomic) traffic.l2_bytes *= atomic_factor_;
  total.l2_bytes += traffic.l2_bytes;
  total.hbm_read_bytes += traffic.hbm_read_bytes;
  total.hbm_write_bytes += traffic.hbm_write_bytes;
  total.hit_bytes += traffic.hit_bytes;
  const double size = std::max({traffic.l2_bytes, flow.least_cycles * flow.port_rate, 1.0});
  Class& c = find_class(flow.port_rate, rounded(traffic.l2_bytes / size),
                        rounded((traffic.hbm_read_bytes + traffic.hbm_write_bytes) / size));
  c.active.push({c.work + size, flow.order, flow.core, flow.pipe});
}

// Lowers rates so that the flows together stay within `capacity`: no flow gets more of it than
// another that could use it (max-min fair).
void FluidModel::limit(double capacity, double Class::* weight) {
  double demand = 0, users = 0;
  for (const size_t i : busy_) {
    const Class& c = classes_[i];
    if (c.*weight == 0) continue;
    demand += static_cast<double>(c.active.size()) * c.rate * c.*weight;
    users += static_cast<double>(c.active.size());
  }
  if (demand <= capacity) return;
  // Flows that want less than an equal share keep what they want; the share of the others grows.
  double level = capacity / users;
  for (bool again = true; again;) {
    again = false;
    double left = capacity, hungry = 0;
    for (const size_t i : busy_) {
      const Class& c = classes_[i];
      if (c.*weight == 0) continue;
      const auto count = static_cast<double>(c.active.size());
      if (c.rate * c.*weight <= level) {
        left -= count * c.rate * c.*weight;
      } else {
        hungry += count;
      }
    }
    if (hungry == 0) return;
    if (left / hungry > level * (1 + 1e-12)) {
      level = left / hungry;
      again = true;
    }
  }
  for (const size_t i : busy_) {
    Class& c = classes_[i];
    if (c.*weight != 0) c.rate = std::min(c.rate, level / (c.*weight));
  }
}

void FluidModel::share() {
  for (const size_t i : busy_) classes_[i].rate = classes_[i].port_rate;
  limit(hbm_rate_, &Class::hbm_weight);
  limit(l2_rate_, &Class::l2_weight);
  next_end_ = kNever;
  for (const size_t i : busy_) {
    const double end = end_time(classes_[i]);
    if (end < next_end_) {
      next_end_ = end;
      next_class_ = i;
    }
  }
}

}  // namespace ascsim
