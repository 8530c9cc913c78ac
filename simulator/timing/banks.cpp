// UB has 16 groups of 3 banks of 128 rows x 32 bytes; address bits [8:5] name the group, [17:16]
// the bank in it. In a cycle a group serves one row read, and a bank one access. Source: page
// "避免bank冲突" and example bank_conflict_ub, whose eight cases
// tests/simulator/calibration.py repeats.
//
// A repeat reads its blocks, as many cycles as the fullest group needs, and writes its result a
// fixed number of cycles later. A read that meets a write in its bank waits a cycle. The delay is
// odd: with an even one, results that begin in the bank of a source would meet its reads, and the
// example shows that they do not ("the hardware delays the write by one repeat").
#include "timing/banks.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ascsim {

namespace {

constexpr int kGroups = 16;
constexpr int kBlocks = 8;
constexpr int kWindow = 64;  // cycles that writes are remembered ahead

// Banks as bits (bank in group x 16 + group), one entry per cycle.
struct Access {
  std::array<uint64_t, 2 * kBlocks> banks{};
  int cycles = 0;
};

void add_blocks(Access& access, std::array<uint8_t, kGroups>& load, const VectorOperand& operand,
                int64_t repeat, const int64_t* skip, int skip_count, int64_t* blocks, int* count) {
  const int n = operand.block_stride == 0 ? 1 : operand.blocks;  // a repeated block is read once
  for (int b = 0; b < n; ++b) {
    const int64_t row = operand.address / 32 + repeat * operand.repeat_stride +
                        static_cast<int64_t>(b) * operand.block_stride;
    if (std::find(skip, skip + skip_count, row) != skip + skip_count) continue;
    blocks[(*count)++] = row;
    const auto group = static_cast<size_t>(row & (kGroups - 1));
    const size_t cycle = load[group]++;
    const auto bank = static_cast<uint64_t>((row >> 11) & 3);
    access.banks[cycle] |= uint64_t{1} << (bank * kGroups + group);
    access.cycles = std::max(access.cycles, static_cast<int>(cycle) + 1);
  }
}

Access reads_of(const VectorWork& work, int64_t repeat) {
  Access access;
  std::array<uint8_t, kGroups> load{};
  std::array<int64_t, 2 * kBlocks> blocks;
  int count = 0;
  if (work.src0.present) {
    add_blocks(access, load, work.src0, repeat, nullptr, 0, blocks.data(), &count);
  }
  if (work.src1.present) {
    // The same block as both sources is read once.
    add_blocks(access, load, work.src1, repeat, blocks.data(), count, blocks.data(), &count);
  }
  return access;
}

Access writes_of(const VectorWork& work, int64_t repeat) {
  Access access;
  std::array<uint8_t, kGroups> load{};
  std::array<int64_t, 2 * kBlocks> blocks;
  int count = 0;
  if (work.dst.present) {
    add_blocks(access, load, work.dst, repeat, nullptr, 0, blocks.data(), &count);
  }
  return access;
}

double simulate(const VectorWork& work, int64_t cycles, int delay) {
  std::array<uint64_t, kWindow> writes{};  // banks written at time % kWindow
  int64_t time = 0, last_write = 0;
  for (int64_t r = 0; r < work.repeats; ++r) {
    const Access read = reads_of(work, r);
    const Access write = writes_of(work, r);
    int64_t start = -1;
    const auto pass = [&] { writes[static_cast<size_t>(time++ % kWindow)] = 0; };
    for (int c = 0; c < read.cycles; ++c) {
      while ((writes[static_cast<size_t>(time % kWindow)] & read.banks[static_cast<size_t>(c)]) !=
             0) {
        pass();
      }
      if (start < 0) start = time;
      pass();
    }
    if (start < 0) start = time;
    int64_t at = std::max(std::max(time - 1, start) + delay, last_write + 1);
    const int64_t next = start + std::max<int64_t>(cycles, write.cycles);
    while (time < next) pass();
    for (int c = 0; c < write.cycles; ++c, ++at) {
      if (at < time + kWindow - 1) {
        writes[static_cast<size_t>(at % kWindow)] = write.banks[static_cast<size_t>(c)];
      }
      last_write = at;
    }
  }
  return static_cast<double>(time);
}

// Which banks an operand meets repeats after a while; the first repeats stand for the others.
constexpr uint32_t kSimulated = 256;

}  // namespace

double BankModel::repeats_cycles(const VectorWork& work, double cycles) {
  if (work.repeats == 0) return 0;
  const auto whole = static_cast<int64_t>(std::ceil(cycles));
  if (!work.dst.present && !work.src0.present) return cycles * work.repeats;
  const auto strides = [](const VectorOperand& o) {
    return o.present
               ? static_cast<uint64_t>(o.block_stride & 0x3ff) << 10 | (o.repeat_stride & 0x3ff)
               : uint64_t{0xfffff};
  };
  const auto row = [](const VectorOperand& o) { return static_cast<uint64_t>(o.address / 32); };
  const uint64_t blocks = static_cast<uint64_t>(work.dst.blocks) << 8 |
                          static_cast<uint64_t>(work.src0.blocks) << 4 | work.src1.blocks;
  const Key key{row(work.dst) << 32 | row(work.src0) << 16 | row(work.src1),
                strides(work.dst) << 40 | strides(work.src0) << 20 | strides(work.src1),
                blocks << 44 | static_cast<uint64_t>(whole) << 32 | work.repeats};
  const auto found = known_.find(key);
  if (found != known_.end()) return found->second;
  VectorWork part = work;
  part.repeats = std::min(work.repeats, kSimulated);
  double total = simulate(part, whole, write_delay_) * work.repeats / part.repeats;
  // A rate that is not whole (gathers) is slower than any conflict.
  if (cycles != static_cast<double>(whole)) total = std::max(cycles * work.repeats, total);
  if (known_.size() > 1u << 20) known_.clear();
  known_.emplace(key, total);
  return total;
}

}  // namespace ascsim
