#include "timing/timeline.h"

#include <algorithm>
#include <map>

#include "timing/replay.h"
#include "timing/trace.h"

namespace ascsim {

namespace {

constexpr uint64_t kGmAlignment = 2 << 20;  // device allocations begin on pages of 2 MiB
constexpr size_t kPathCount = 8;
constexpr const char* kPaths[kPathCount] = {"GM to L1", "GM to UB", "GM to L0",  "UB to GM",
                                            "L1 to GM", "fill L1",  "L0C to GM", "L0C to L1"};
constexpr size_t kFixToGm = 6, kFixToL1 = 7;

class Recorder : public Timeline {
 public:
  Recorder(const std::string& profile, bool trace)
      : profile_(find_profile(profile)), prices_(profile_), trace_(trace) {}

  bool wants_work() const override { return true; }

  void launch(const LaunchInfo& info) override {
    cores_ = info.cores;
    replay_ = std::make_unique<Replay>(profile_, cores_, trace_);
  }

  void instruction(const Issued& issued) override {
    const Price price = prices_.price(issued.work);
    Record record;
    record.kind = issued.pipe == Pipe::kS ? RecordKind::kScalar : RecordKind::kRun;
    record.pipe = issued.pipe;
    record.occupancy = static_cast<float>(price.occupancy);
    record.latency = static_cast<float>(price.latency);
    record.operation = issued.operation;
    record.site = issued.site;
    if (const auto* move = std::get_if<MoveWork>(&issued.work)) {
      add_bytes(static_cast<size_t>(move->path), uint64_t{move->runs} * move->run_bytes);
      if (price.gm) {
        GmMove m = gm_move(*move, issued);
        m.write = move->path == MovePath::kUbToGm || move->path == MovePath::kL1ToGm;
        m.cached = move->cached;
        set_move(record, m, price);
      }
    } else if (const auto* fixpipe = std::get_if<FixpipeWork>(&issued.work)) {
      fixpipe_record(record, *fixpipe, issued, price);
    } else if (const auto* mmad = std::get_if<MmadWork>(&issued.work)) {
      set_unit_flag(record, mmad->unit_flag, mmad->l0c_address, mmad->m, mmad->n);
    }
    add(issued.core, record);
  }

  void set_flag(const Core& core, Pipe from, Pipe to, int id, Site site) override {
    add(core, control(RecordKind::kSet, from, to, id, "SetFlag", site));
  }
  void wait_flag(const Core& core, Pipe from, Pipe to, int id, Site site) override {
    add(core, control(RecordKind::kWait, to, from, id, "WaitFlag", site));
  }
  void barrier(const Core& core, Pipe pipe, Site site) override {
    const bool all = pipe == Pipe::kAll;
    add(core, control(all ? RecordKind::kBarrierAll : RecordKind::kBarrier, all ? Pipe::kS : pipe,
                      Pipe::kS, 0, "PipeBarrier", site));
  }
  void cross_set(const Core& core, int mode, Pipe pipe, int flag, uint64_t set,
                 Site site) override {
    replay_->announce_set(set, mode == 0 ? profile_.cross_all_cycles : profile_.cross_core_cycles,
                          readers(core, mode));
    Record record = control(RecordKind::kCrossSet, pipe, Pipe::kS, flag, "CrossCoreSetFlag", site);
    record.set = set;
    add(core, record);
  }
  void cross_wait(const Core& core, int flag, const std::vector<uint64_t>& sets,
                  Site site) override {
    Record record =
        control(RecordKind::kCrossWait, Pipe::kS, Pipe::kS, flag, "CrossCoreWaitFlag", site);
    for (const uint64_t set : sets) {
      record.set = set;
      add(core, record);
    }
  }

  void turn() override {
    peak_records_ = std::max(peak_records_, replay_->pending());
    replay_->run();
  }
  void ended(const Core& core) override { replay_->end_core(core.index()); }
  void finish() override {
    for (const Core* core : cores_) replay_->end_core(core->index());
    replay_->run();
    if (trace_) trace_text_ = trace_json(profile_, cores_, replay_->slices());
  }

  Timing result() override;

 private:
  void add(const Core& core, const Record& record) { replay_->record(core.index(), record); }
  void add_bytes(size_t path, uint64_t bytes) { path_bytes_[path] += bytes; }

  static Record control(RecordKind kind, Pipe pipe, Pipe other, int id, const char* operation,
                        Site site) {
    Record record;
    record.kind = kind;
    record.pipe = pipe;
    record.other = other;
    record.id = static_cast<uint8_t>(id);
    record.operation = operation;
    record.site = site;
    return record;
  }

  void set_move(Record& record, const GmMove& move, const Price& price) {
    record.gm = true;
    record.move = replay_->add_move(move, price);
  }

  static void set_unit_flag(Record& record, int unit_flag, uint32_t begin, uint32_t m, uint32_t n) {
    if (unit_flag == 0) return;
    record.l0c_begin = begin;
    record.l0c_end = begin + std::max(1u, (m + 15) / 16 * 16 * ((n + 15) / 16 * 16) * 4);
    record.unit_release = unit_flag == 3;
  }

  void fixpipe_record(Record& record, const FixpipeWork& work, const Issued& issued,
                      const Price& price) {
    set_unit_flag(record, work.unit_flag, work.l0c_address, work.m, work.n * work.matrices);
    if (!work.to_gm) {
      add_bytes(kFixToL1, uint64_t{work.m} * work.n * work.matrices * work.out_bytes);
      return;
    }
    add_bytes(kFixToGm, uint64_t{work.runs} * work.run_bytes);
    GmMove move = gm_move(work, issued);
    move.write = true;
    set_move(record, move, price);
  }

  template <typename W>
  GmMove gm_move(const W& work, const Issued& issued) {
    GmMove move;
    move.address = device_address(work.gm_address, issued);
    move.runs = work.runs;
    move.run_bytes = work.run_bytes;
    move.run_stride = work.run_stride;
    move.atomic = work.atomic;
    return move;
  }

  // Host allocations are less aligned than those of a device and lie elsewhere in each process, so
  // each buffer gets an address of its own.
  uint64_t device_address(uint64_t address, const Issued& issued) {
    int32_t buffer = -1;
    for (const Region& r : issued.reads) {
      if (r.memory == Memory::kGm) buffer = r.buffer;
    }
    for (const Region& r : issued.writes) {
      if (r.memory == Memory::kGm) buffer = r.buffer;
    }
    if (buffer < 0) return address;
    const auto index = static_cast<size_t>(buffer);
    while (bases_.size() <= index) {
      const GmBuffer& b = machine().gm.at(static_cast<int>(bases_.size()));
      bases_.push_back({b.address, next_base_});
      next_base_ += (static_cast<uint64_t>(b.bytes) + kGmAlignment) / kGmAlignment * kGmAlignment;
    }
    return bases_[index].device + (address - bases_[index].host);
  }

  // How many waits will ask for a set.
  int readers(const Core& from, int mode) const {
    int count = 0;
    for (const Core* core : cores_) {
      const bool same_kind = core->kind() == from.kind();
      const bool same_block = core->block() == from.block();
      count += mode == 0   ? same_kind
               : mode == 1 ? same_kind && same_block
                           : !same_kind && same_block;
    }
    return std::max(count, 1);
  }

  void add_pipes(Timing& timing, double cycles) const;
  void add_memory(Timing& timing, double cycles) const;

  struct Base {
    uint64_t host, device;
  };

  Profile profile_;
  PriceList prices_;
  bool trace_;
  std::vector<const Core*> cores_;
  std::unique_ptr<Replay> replay_;
  std::vector<Base> bases_;
  uint64_t next_base_ = kGmAlignment;
  std::array<uint64_t, kPathCount> path_bytes_{};
  std::string trace_text_;
  size_t peak_records_ = 0;
};

void Recorder::add_pipes(Timing& timing, double cycles) const {
  std::map<std::pair<CoreKind, Pipe>, std::pair<double, int>> sums;
  for (const Core* core : cores_) {
    for (int p = 0; p < kPipes; ++p) {
      auto& [busy, count] = sums[{core->kind(), static_cast<Pipe>(p)}];
      busy += replay_->busy(core->index(), static_cast<Pipe>(p));
      ++count;
    }
  }
  for (const auto& [key, sum] : sums) {
    if (sum.first == 0) continue;
    PipeTime time;
    time.core = key.first;
    time.pipe = key.second;
    time.busy_cycles = sum.first / sum.second;
    time.utilisation = cycles > 0 ? time.busy_cycles / cycles : 0;
    timing.pipes.push_back(time);
  }
}

void Recorder::add_memory(Timing& timing, double cycles) const {
  for (size_t p = 0; p < kPathCount; ++p) {
    if (path_bytes_[p] != 0) timing.bytes.push_back({kPaths[p], path_bytes_[p]});
  }
  const GmTraffic& total = replay_->fluid().total;
  const auto whole = [](double bytes) { return static_cast<uint64_t>(bytes); };
  timing.bytes.push_back({"L2", whole(total.l2_bytes)});
  timing.bytes.push_back({"L2 hits", whole(total.hit_bytes)});
  timing.bytes.push_back({"HBM read", whole(total.hbm_read_bytes)});
  timing.bytes.push_back({"HBM write", whole(total.hbm_write_bytes)});
  if (cycles <= 0) return;
  timing.l2_utilisation = total.l2_bytes / (profile_.l2_bytes() * cycles);
  timing.hbm_utilisation =
      (total.hbm_read_bytes + total.hbm_write_bytes) / (profile_.hbm_bytes() * cycles);
}

Timing Recorder::result() {
  Timing timing;
  timing.profile = profile_.name;
  timing.cycles = replay_->end_time();
  timing.microseconds = timing.cycles / profile_.clock_mhz + profile_.launch_us;
  timing.launch_microseconds = profile_.launch_us;
  timing.peak_records = peak_records_;
  add_pipes(timing, timing.cycles);
  add_memory(timing, timing.cycles);
  double most = 0;
  for (const PipeTime& p : timing.pipes) {
    if (p.utilisation <= most) continue;
    most = p.utilisation;
    timing.bound_by = std::string(name_of(p.core)) + " " + name_of(p.pipe);
  }
  // A move waits for the memory while its pipe counts as busy, so the memory goes first.
  constexpr double kNearly = 0.9;
  if (timing.l2_utilisation > kNearly * most) timing.bound_by = "L2";
  if (timing.hbm_utilisation > kNearly * most) timing.bound_by = "HBM";
  timing.trace = std::move(trace_text_);
  return timing;
}

}  // namespace

std::unique_ptr<Timeline> make_timeline(const std::string& profile, bool trace) {
  return std::make_unique<Recorder>(profile, trace);
}

}  // namespace ascsim
