// Bank conflicts of UB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "ascsim/work.h"

namespace ascsim {

// Cycles that a vector instruction's repeats take, conflicts included. Kernels repeat a few address
// patterns, so results are kept.
class BankModel {
 public:
  explicit BankModel(int write_delay) : write_delay_(write_delay) {}

  // `cycles`: of a repeat without conflicts.
  double repeats_cycles(const VectorWork& work, double cycles);

 private:
  struct Key {
    uint64_t addresses, strides, rest;
    bool operator==(const Key& other) const {
      return addresses == other.addresses && strides == other.strides && rest == other.rest;
    }
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      uint64_t h = key.addresses * 0x9e3779b97f4a7c15u;
      h = (h ^ (h >> 32) ^ key.strides) * 0xd6e8feb86659fd93u;
      h = (h ^ (h >> 32) ^ key.rest) * 0x9e3779b97f4a7c15u;
      return static_cast<size_t>(h ^ (h >> 29));
    }
  };

  int write_delay_;
  std::unordered_map<Key, double, Hash> known_;
};

}  // namespace ascsim
