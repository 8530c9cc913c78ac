#pragma once

// O = P V of a unit, in passes over its tiles: one for each block of rows. Values, which all passes
// need, stay in L1 for the unit.

#include "kernel_operator.h"
#include "npu/kernels/buffers/l1_layout.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/matmul.h"
#include "npu/kernels/tile_loader.h"

namespace fa::npu {

template <typename Config>
class OutputProducts {
 public:
  using T = typename Config::Element;
  using Layout = CubeLayout<Config>;
  using Event = AscendC::HardEvent;
  static constexpr int32_t kStackKeys = Stack<Config>::kKeys;

  __aicore__ inline OutputProducts(const ForwardArgs& args, const Schedule& schedule,
                                   const Workspace<Config>& workspace, Matmul<Config>& matmul)
      : schedule_(schedule),
        workspace_(workspace),
        matmul_(matmul),
        values_(args.v, args),
        value_dim_(args.value_dim) {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      stay_[slot] = l1_tensor<T>(Layout::kStay + slot * Layout::kStayBytes, Layout::kStayBytes);
      stream_[slot] =
          l1_tensor<T>(Layout::kStream + slot * Layout::kStreamBytes, Layout::kStreamBytes);
      set_event<Event::MTE1_MTE2>(L1Event::kStay, slot);
      set_event<Event::MTE1_MTE2>(L1Event::kStream, slot);
    }
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::MTE1_MTE2>(L1Event::kStay, slot);
      wait_event<Event::MTE1_MTE2>(L1Event::kStream, slot);
    }
  }

  // A null unit, or one without keys, takes no steps. `upcoming` is the unit after it, if known.
  __aicore__ inline void open(const Unit* unit, const Unit* upcoming) {
    unit_ = unit;
    upcoming_ = upcoming;
    row_ = steps_ = 0;
    if (unit_ == nullptr || unit_->keys == 0) return;
    for (int32_t row = 0; row < unit_->task.rows; row += kTile) {
      const TileRange seen = schedule_.tiles_seen(*unit_, row);
      steps_ += seen.end - seen.begin;
    }
    open_pass();
  }
  __aicore__ inline int32_t steps() const { return steps_; }
  __aicore__ inline void close() {
    if (steps_ == 0) return;
    matmul_.order_store_after_loads();  // of the probabilities
    set_cross<PIPE_FIX>(CrossFlag::kPartialDone);
  }

  // One tile of a pass.
  __aicore__ inline void step() {
    const bool first = tile_ == tiles_.begin, last = tile_ + 1 == tiles_.end;
    load_ahead(first);
    if (first || tile_ % Layout::kStreamTiles == 0) load_stream();
    multiply({first, last});
    if (last) store();
    ++tile_;
    if (last) close_pass();
  }

 private:
  // What is loaded for a unit, or two: groups of tiles of values. They do not depend on the vector
  // cores, so the first group of the next unit can come before this one has ended.
  struct Group {
    bool loaded = false;
    bool ready = false;  // MTE1 has waited for it
  };

  __aicore__ inline bool first_pass() const { return row_ == 0; }
  __aicore__ inline bool last_pass() const { return row_ + kTile >= unit_->task.rows; }

  __aicore__ inline void open_pass() {
    tiles_ = schedule_.tiles_seen(*unit_, row_);
    tile_ = tiles_.begin;
  }

  __aicore__ inline void close_pass() {
    if (last_pass()) return;
    row_ += kTile;
    open_pass();
  }

  // The groups of this tile and of the next one.
  __aicore__ inline void load_ahead(bool first_of_pass) {
    load_group(*unit_, tile_);
    if (first_pass() && first_of_pass) wait_cross(CrossFlag::kProbsDone);
    if (tile_ + 1 < tiles_.end) load_group(*unit_, tile_ + 1);
  }

  __aicore__ inline void load_group(const Unit& unit, int32_t tile) {
    const int32_t group = tile / Layout::kGroupTiles;
    if (groups_[group].loaded) return;
    groups_[group].loaded = true;
    wait_event<Event::MTE1_MTE2>(L1Event::kStay, group);
    const int32_t first = group * Layout::kGroupTiles;
    const TileRange tiles{first, lesser(unit.tiles(), first + Layout::kGroupTiles)};
    load_values(stay_[group], unit, tiles);
    set_event<Event::MTE2_MTE1>(L1Event::kStay, group);
  }

  __aicore__ inline void load_stream() {
    const int32_t first = tile_ / Layout::kStreamTiles * Layout::kStreamTiles;
    const TileRange tiles{tile_, lesser(tiles_.end, first + Layout::kStreamTiles)};
    stream_first_ = tile_;
    wait_event<Event::MTE1_MTE2>(L1Event::kStream, stream_slot_);
    load_probs(stream_[stream_slot_], *unit_, tiles, row_);
    set_event<Event::MTE2_MTE1>(L1Event::kStream, stream_slot_);
  }

  // Tile after tile, so that each of them has the shape of a whole one.
  __aicore__ inline void load_values(const AscendC::LocalTensor<T>& to, const Unit& unit,
                                     TileRange tiles) {
    for (int32_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const AscendC::LocalTensor<T> place = to[value_at(tile - tiles.begin)];
      if constexpr (Config::kInt8) {
        load_stack_rows(place, workspace_.values[unit.stack_slot()], tile * kTile,
                        unit.tile_keys(tile), value_dim_, {0, value_dim_});
      } else {
        values_.load(place, unit.task, unit.first_key + tile * kTile, unit.tile_keys(tile),
                     {0, value_dim_});
      }
    }
  }
  __aicore__ static inline uint32_t value_at(int32_t tile) {
    return static_cast<uint32_t>(tile * Layout::kValueBytes) / sizeof(T);
  }

  // All tiles at once.
  __aicore__ inline void load_probs(const AscendC::LocalTensor<T>& to, const Unit& unit,
                                    TileRange tiles, int32_t row) {
    const int32_t rows = unit.block_rows(row);
    const int32_t at = row * kStackKeys + tiles.begin * kTile;
    const int32_t keys = lesser(unit.keys, tiles.end * kTile) - tiles.begin * kTile;
    copy_rows(to, workspace_.probs[unit.slot()][static_cast<uint32_t>(at)], rows, kStackKeys, keys,
              {round_up(rows, Arch::kFractal), 1});
  }
  __aicore__ inline uint32_t probs_at(int32_t tile) const {
    return static_cast<uint32_t>(tile * kTile * round_up(unit_->block_rows(row_), Arch::kFractal));
  }

  __aicore__ inline void multiply(Step step) {
    const ProductShape shape{unit_->block_rows(row_), value_dim_, unit_->tile_keys(tile_)};
    const int32_t group = tile_ / Layout::kGroupTiles;
    const int32_t in_group = tile_ % Layout::kGroupTiles, in_stream = tile_ - stream_first_;
    await_group(group);
    matmul_.open_step();
    if (in_stream == 0) wait_event<Event::MTE2_MTE1>(L1Event::kStream, stream_slot_);
    matmul_.load_left(stream_[stream_slot_][probs_at(in_stream)], shape, shape.m);
    matmul_.load_right_by_columns(stay_[group][value_at(in_group)], shape);
    release_stream();
    if (last_pass()) release_groups();
    matmul_.multiply(Accumulator::kOutput, shape, step);
  }

  __aicore__ inline void release_stream() {
    if (tile_ + 1 != tiles_.end && (tile_ + 1) % Layout::kStreamTiles != 0) return;
    set_event<Event::MTE1_MTE2>(L1Event::kStream, stream_slot_);
    stream_slot_ = 1 - stream_slot_;
  }

  __aicore__ inline void await_group(int32_t group) {
    if (!groups_[group].ready) wait_event<Event::MTE2_MTE1>(L1Event::kStay, group);
    groups_[group].ready = true;
  }

  // In the last pass: the groups before the next tile, which no one needs any more.
  __aicore__ inline void release_groups() {
    const bool last = tile_ + 1 == tiles_.end;
    const int32_t end = last ? Layout::kSlots : (tile_ + 1) / Layout::kGroupTiles;
    for (int32_t group = 0; group < end; ++group) {
      if (!groups_[group].loaded) continue;
      if (!groups_[group].ready) wait_event<Event::MTE2_MTE1>(L1Event::kStay, group);
      set_event<Event::MTE1_MTE2>(L1Event::kStay, group);
      groups_[group] = Group{};
    }
    if (last && upcoming_ != nullptr && upcoming_->keys != 0) load_group(*upcoming_, 0);
  }

  __aicore__ inline void store() {
    const int32_t pitch = round_up(value_dim_, Arch::kFractal);
    const ProductShape whole{unit_->block_rows(row_), pitch, kTile};
    matmul_.store(Accumulator::kOutput,
                  workspace_.partial[unit_->slot()][static_cast<uint32_t>(row_ * pitch)], whole,
                  pitch);
  }

  const Schedule& schedule_;
  const Workspace<Config>& workspace_;
  Matmul<Config>& matmul_;
  TokenLoader<T> values_;
  int32_t value_dim_;
  AscendC::LocalTensor<T> stay_[Layout::kSlots], stream_[Layout::kSlots];
  Group groups_[Layout::kSlots];
  const Unit* unit_ = nullptr;
  const Unit* upcoming_ = nullptr;
  int32_t steps_ = 0;
  int32_t row_ = 0, tile_ = 0;                  // of the next step
  TileRange tiles_ = {};                        // of its pass
  int32_t stream_slot_ = 0, stream_first_ = 0;  // place, and first tile in it
};

}  // namespace fa::npu
