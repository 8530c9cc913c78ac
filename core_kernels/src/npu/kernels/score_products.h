#pragma once

// S = Q K^T of a unit, tile by tile.

#include "kernel_operator.h"
#include "npu/kernels/buffers/l1_layout.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/matmul.h"
#include "npu/kernels/tile_loader.h"

namespace fa::npu {

template <typename Config>
class ScoreProducts {
 public:
  using T = typename Config::Element;
  using Layout = CubeLayout<Config>;
  using Event = AscendC::HardEvent;

  __aicore__ inline ScoreProducts(const ForwardArgs& args, const Schedule& schedule,
                                  const Workspace<Config>& workspace, Matmul<Config>& matmul)
      : schedule_(schedule),
        workspace_(workspace),
        matmul_(matmul),
        queries_(args.q, args.head_dim),
        keys_(args.k, args),
        head_dim_(args.head_dim) {
    for (int32_t slot = 0; slot < Layout::kQuerySlots; ++slot) {
      l1_query_[slot] =
          l1_tensor<T>(Layout::kQuery + slot * Layout::kQueryBytes, Layout::kQueryBytes);
    }
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      l1_keys_[slot] = l1_tensor<T>(Layout::kKeys + slot * Layout::kKeyBytes, Layout::kKeyBytes);
      set_event<Event::MTE1_MTE2>(L1Event::kKeys, slot);
    }
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::MTE1_MTE2>(L1Event::kKeys, slot);
    }
  }

  // A null unit, or one without keys, takes no steps.
  __aicore__ inline void open(const Unit* unit) {
    unit_ = unit;
    tile_ = row_ = 0;
  }
  __aicore__ inline int32_t steps() const {
    return unit_ == nullptr ? 0 : unit_->tiles() * unit_->row_blocks();
  }
  __aicore__ inline void close() {
    if (steps() != 0) set_cross<PIPE_FIX>(CrossFlag::kScoresDone);
  }

  // 128 rows times a tile of keys.
  __aicore__ inline void step() {
    if (row_ == 0) load_keys();
    // The mask overwrites scores that no row sees, so they need not be computed.
    const TileRange seen = schedule_.tiles_seen(*unit_, row_);
    if (tile_ >= seen.begin && tile_ < seen.end) multiply();
    row_ += kTile;
    if (row_ < unit_->task.rows) return;
    set_event<Event::MTE1_MTE2>(L1Event::kKeys, key_slot_);
    key_slot_ = 1 - key_slot_;
    row_ = 0;
    ++tile_;
  }

 private:
  // With the first keys of a task come its queries.
  __aicore__ inline void load_keys() {
    wait_event<Event::MTE1_MTE2>(L1Event::kKeys, key_slot_);
    if (unit_->opens_task && tile_ == 0) load_queries();
    if constexpr (Config::kInt8) {
      if (tile_ == 0) wait_cross(CrossFlag::kStackDone);
      load_stack_rows(l1_keys_[key_slot_], workspace_.keys[unit_->stack_slot()], tile_ * kTile,
                      unit_->tile_keys(tile_), head_dim_, {0, head_dim_});
    } else {
      keys_.load(l1_keys_[key_slot_], unit_->task, unit_->first_key + tile_ * kTile,
                 unit_->tile_keys(tile_), {0, head_dim_});
    }
    set_event<Event::MTE2_MTE1>(L1Event::kKeys, key_slot_);
    wait_event<Event::MTE2_MTE1>(L1Event::kKeys, key_slot_);
  }

  // Of two slots, the one of two tasks ago is free: the slot of these keys is, and in the order of
  // MTE1 whatever used those queries came before that. A single slot is free when the last task's
  // last keys are, which lie in the other slot of the keys.
  __aicore__ inline void load_queries() {
    if constexpr (Layout::kQuerySlots == 1) {
      wait_event<Event::MTE1_MTE2>(L1Event::kKeys, 1 - key_slot_);
      set_event<Event::MTE1_MTE2>(L1Event::kKeys, 1 - key_slot_);
    }
    queries_.load(query(), unit_->task);
  }

  // Tasks without keys load no queries, so slots alternate over the others.
  __aicore__ inline const AscendC::LocalTensor<T>& query() const {
    return l1_query_[unit_->task.number_with_keys % Layout::kQuerySlots];
  }

  __aicore__ inline void multiply() {
    const int32_t rows = unit_->block_rows(row_);
    const int32_t keys = unit_->tile_keys(tile_);
    const int32_t query_pitch = round_up(unit_->task.rows, Arch::kFractal);
    const int32_t key_pitch = round_up(keys, Arch::kFractal);
    for (int32_t first = 0; first < head_dim_; first += kTile) {
      // The tail of the head dim is zero on both sides.
      const int32_t depth = round_up(lesser(kTile, head_dim_ - first), Arch::kFractal);
      const int32_t query_at = first * query_pitch + row_ * Arch::kFractal;
      const ProductShape shape{rows, keys, depth};
      matmul_.open_step();
      matmul_.load_left(query()[static_cast<uint32_t>(query_at)], shape, query_pitch);
      matmul_.load_right_by_rows(l1_keys_[key_slot_][static_cast<uint32_t>(first * key_pitch)],
                                 shape);
      matmul_.multiply(Accumulator::kScores, shape, {first == 0, first + kTile >= head_dim_});
    }
    const int32_t at = row_ * Stack<Config>::kKeys + tile_ * kTile;
    matmul_.store(Accumulator::kScores, workspace_.scores[unit_->slot()][static_cast<uint32_t>(at)],
                  {rows, keys, head_dim_}, Stack<Config>::kKeys);
  }

  const Schedule& schedule_;
  const Workspace<Config>& workspace_;
  Matmul<Config>& matmul_;
  QueryLoader<T> queries_;
  TokenLoader<T> keys_;
  int32_t head_dim_;
  AscendC::LocalTensor<T> l1_query_[Layout::kQuerySlots], l1_keys_[Layout::kSlots];
  const Unit* unit_ = nullptr;
  int32_t tile_ = 0, row_ = 0;  // of the next step
  int32_t key_slot_ = 0;
};

}  // namespace fa::npu
