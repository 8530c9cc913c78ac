#pragma once

// What a forward task does with a tile of keys: in fp32 or by products of bf16 pairs, packed or,
// for few rows, where the tensor has it.

#include "cpu/microkernel.h"
#include "cpu/scratch.h"
#include "cpu/tile_io.h"

namespace fa::cpu {

// A task's inputs and rows.
struct TaskRows {
  const ForwardProblem& problem;
  const TokenView& queries;  // of the problem, or rotated
  const Microkernels& isa;
  const BatchEntry& entry;
  int32_t index;  // of the entry
  HeadGroup group;
  RowBlock block;

  // Keys and values of an int8 cache enter products without their scales, and the softmax scales
  // scores by that of the keys. This makes qv . v a part of them.
  float qv_factor() const {
    if (problem.k.dtype != DType::kInt8) return 1;
    return problem.v_descale.at(index, group.kv_head) / problem.k_descale.at(index, group.kv_head);
  }
};

// Where the rows of a tile's keys and values are.
struct TileRows {
  int32_t key;  // the first one
  int keys;
  const char* k[kTileKv];
  const char* v[kTileKv];
};

// State of the online softmax of one strip.
struct StripState {
  float* m;  // [strip]
  float* l;  // [strip]
  float* o;  // [Dv][strip]
};

// Which probabilities of a strip are kept.
struct Keep {
  const uint32_t* bits = nullptr;  // [keys] bit per row; null = all
  float scale = 1;
};

class Fp32Tiles {
 public:
  explicit Fp32Tiles(const TaskRows& task);

  static constexpr bool kFetchAhead = true;  // the task fetches the next tile into the cache
  static constexpr int kKeys = kTileKv;
  static int strip(const Microkernels& isa) { return isa.strip; }
  // Where a tile starts whose first key that is seen is `begin`.
  static int32_t tile_begin(int32_t begin) { return begin; }

  int64_t bytes() const;
  void take(Scratch* scratch);
  void load_queries();
  void load(const TileRows& tile, const TileRows& next);
  // [keys][strip] raw products of strip x with the tile, to be put into Scores.
  float* multiply_keys(int x, int keys);
  // From these to the new state.
  void attend(const Scores& scores, const Keep& keep, const StripState& state);
  void probabilities(const ProbsStep& step) { task_.isa.probs_step(step); }
  // The last call: o is where `state` says.
  void finish(const StripState&) {}

 private:
  const TaskRows& task_;
  const int strip_, d_, dv_, v_pitch_;
  float* q_ = nullptr;   // strips of [D][strip]
  float* qv_ = nullptr;  // strips of [Dv][strip]
  float* k_ = nullptr;   // [kTileKv][D]
  float* v_ = nullptr;   // [kTileKv][v_pitch]
  float* s_ = nullptr;   // [kTileKv][strip]
};

// Pairs are neighbours along D for q . k and neighbouring keys for p . v. Which keys are neighbours
// must not depend on the rows of a task, so a tile starts at an even key.
class PairTiles {
 public:
  explicit PairTiles(const TaskRows& task);

  static constexpr bool kFetchAhead = true;
  static constexpr int kKeys = kTileKv;
  static bool take_dtypes(const ForwardProblem& problem);
  static int strip(const Microkernels& isa) { return isa.pairs->strip; }
  static int32_t tile_begin(int32_t begin) { return begin / 2 * 2; }

  int64_t bytes() const;
  void take(Scratch* scratch);
  void load_queries();
  void load(const TileRows& tile, const TileRows& next);
  float* multiply_keys(int x, int keys);
  void attend(const Scores& scores, const Keep& keep, const StripState& state);
  void probabilities(const ProbsStep& step) { kernels_.probs_step(step); }
  void finish(const StripState&) {}

 private:
  const TaskRows& task_;
  const PairKernels& kernels_;
  const int strip_, d_, dv_, d_pairs_, dv_pairs_;
  const bool has_qv_;
  uint32_t* q_ = nullptr;       // strips of [D/2][strip]
  uint32_t* qv_ = nullptr;      // strips of [Dv/2][strip]
  uint32_t* k_ = nullptr;       // [kTileKv][D/2]
  uint32_t* v_ = nullptr;       // [kTileKv/2][Dv], pairs of keys
  uint32_t* v_rows_ = nullptr;  // [kTileKv][Dv/2], for qv . v
  float* s_ = nullptr;          // [kTileKv][strip], then p in pairs
  float* factor_ = nullptr;     // [strip]
};

// For a decode step, whose few rows would leave most of a strip empty: a vector holds neighbours
// along D or Dv, and keys and values are read once, where the tensor has them. Whether an entry's
// rows are few depends on the entry alone. A task has several heads, which take turns tile by tile:
// the heads of a token are beside each other in memory. This is what both ways have in common.
class FewRows {
 public:
  static constexpr bool kFetchAhead = false;  // the kernels do
  static constexpr int kKeys = 32;            // of all heads, they stay in the second level

  void share_scores(const FewRows& other) { s_ = other.s_; }
  void load(const TileRows& tile, const TileRows& next);
  void finish(const StripState& state);

 protected:
  // `rows` is the block's, or more; rows of q and o have multiples of `pitch` values.
  FewRows(const TaskRows& task, int strip, int rows, int pitch);
  int64_t bytes_of_rows() const;
  void take_rows(Scratch* scratch);
  FewKeys keys(int count) const;
  FewKeys values(int count) const;

  const TaskRows& task_;
  const int strip_, rows_, d_, dv_, d_pitch_, dv_pitch_;
  const TileRows* tile_ = nullptr;
  const TileRows* next_ = nullptr;
  float* s_ = nullptr;      // [kKeys][strip]
  float* o_ = nullptr;      // [rows][dv_pitch]
  float* alpha_ = nullptr;  // [strip]
};

class FewTiles : public FewRows {
 public:
  explicit FewTiles(const TaskRows& task);

  static constexpr int kMostRows = 8;  // more fill a strip well enough
  static bool take_dtypes(const ForwardProblem& problem);
  static int strip(const Microkernels& isa) { return isa.strip; }
  static int32_t tile_begin(int32_t begin) { return begin; }

  int64_t bytes() const;
  void take(Scratch* scratch);
  void load_queries();
  float* multiply_keys(int x, int keys);
  void attend(const Scores& scores, const Keep& keep, const StripState& state);
  void probabilities(const ProbsStep& step) { task_.isa.probs_step(step); }

 private:
  float* q_ = nullptr;   // [strip][d_pitch]
  float* qv_ = nullptr;  // [strip][dv_pitch]
};

// The same by products of bf16 pairs; p takes the place of scores.
class FewPairTiles : public FewRows {
 public:
  explicit FewPairTiles(const TaskRows& task);

  static constexpr int kMostRows = 16;
  static int strip(const Microkernels& isa) { return isa.pairs->strip; }
  static int32_t tile_begin(int32_t begin) { return PairTiles::tile_begin(begin); }

  int64_t bytes() const;
  void take(Scratch* scratch);
  void load_queries();
  float* multiply_keys(int x, int keys);
  void attend(const Scores& scores, const Keep& keep, const StripState& state);
  void probabilities(const ProbsStep& step) { kernels_.probs_step(step); }

 private:
  const PairKernels& kernels_;
  uint32_t* q_ = nullptr;   // [rows][d_pitch / 2]
  uint32_t* qv_ = nullptr;  // [rows][dv_pitch / 2]
};

}  // namespace fa::cpu
