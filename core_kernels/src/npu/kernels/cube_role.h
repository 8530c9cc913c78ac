#pragma once

// The cube core: S = Q K^T of a unit, and two units later O = P V.

#include "kernel_operator.h"
#include "npu/kernels/buffers/l1_layout.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/matmul.h"
#include "npu/kernels/tile_loader.h"

namespace fa::npu {

template <typename Config>
class CubeRole {
 public:
  using T = typename Config::Element;
  using Layout = CubeLayout<Config>;
  using Event = AscendC::HardEvent;

  __aicore__ inline CubeRole(const ForwardArgs& args, const Schedule& schedule, int64_t core)
      : workspace_(args.workspace, core),
        schedule_(schedule),
        queries_(args),
        keys_(args.k, args),
        values_(args.v, args),
        head_dim_(args.head_dim),
        value_dim_(args.value_dim) {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      place(l1_query_[slot], Layout::kQuery + slot * Layout::kQueryBytes, Layout::kQueryBytes);
      place(l1_keys_[slot], Layout::kKeys + slot * Layout::kKeyBytes, Layout::kKeyBytes);
      place(l1_probs_[slot], Layout::kProbs + slot * Layout::kTileBytes, Layout::kTileBytes);
      set_event<Event::MTE1_MTE2>(L1Event::kKeys, slot);
      set_event<Event::MTE1_MTE2>(L1Event::kValues, slot);
      set_event<Event::MTE1_MTE2>(L1Event::kProbs, slot);
    }
    for (int32_t tile = 0; tile < Layout::kValueTiles; ++tile) {
      place(l1_values_[tile], Layout::kValues + tile * Layout::kTileBytes, Layout::kTileBytes);
    }
  }

  // Scores of all tiles of a unit.
  __aicore__ inline void begin(const Unit& unit) {
    if (unit.keys == 0) return;
    for (int32_t tile = 0; tile < unit.tiles(); ++tile) {
      load_keys(unit, tile);
      for (int32_t row = 0; row < unit.task.rows; row += kTile) {
        // The mask overwrites scores that no row sees, so they need not be computed.
        if (schedule_.sees(unit, row, tile)) multiply_scores(unit, tile, row);
      }
      set_event<Event::MTE1_MTE2>(L1Event::kKeys, key_slot_);
      key_slot_ = 1 - key_slot_;
    }
    set_cross<PIPE_FIX>(CrossFlag::kScoresDone);
  }

  // Output of a unit, summed over its tiles: for up to 128 columns of the value dim, and of these
  // for up to 128 rows, at a time.
  __aicore__ inline void end(const Unit& unit) {
    if (unit.keys == 0) return;
    const int32_t pitch = round_up(value_dim_, Arch::kFractal);
    for (int32_t first = 0; first < value_dim_; first += kTile) {
      const Columns columns{first, lesser(kTile, value_dim_ - first)};
      for (int32_t row = 0; row < unit.task.rows; row += kTile) {
        for (int32_t tile = 0; tile < unit.tiles(); ++tile) {
          if (row == 0) load_values(unit, tile, columns);
          load_probs(unit, tile, row, columns);
          multiply_output(unit, tile, row, columns);
        }
        const ProductShape whole{rows_at(unit, row), round_up(columns.count, Arch::kFractal),
                                 kTile};
        matmul_.store(workspace_.partial[unit.slot()][static_cast<uint32_t>(row * pitch + first)],
                      whole, pitch);
      }
    }
    set_cross<PIPE_FIX>(CrossFlag::kPartialDone);
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::MTE1_MTE2>(L1Event::kKeys, slot);
      wait_event<Event::MTE1_MTE2>(L1Event::kValues, slot);
      wait_event<Event::MTE1_MTE2>(L1Event::kProbs, slot);
    }
    matmul_.drain();
    AscendC::PipeBarrier<PIPE_ALL>();
  }

 private:
  __aicore__ static inline void place(AscendC::LocalTensor<T>& tensor, int32_t at, int32_t bytes) {
    tensor = AscendC::LocalTensor<T>(AscendC::TPosition::A1, static_cast<uint32_t>(at),
                                     static_cast<uint32_t>(bytes) / sizeof(T));
  }

  __aicore__ static inline int32_t rows_at(const Unit& unit, int32_t row) {
    return lesser(kTile, unit.task.rows - row);
  }

  // With the first keys of a task come its queries. Their slot of two tasks ago is free: the slot
  // of these keys is, and in the order of MTE1 whatever used those queries came before that.
  __aicore__ inline void load_keys(const Unit& unit, int32_t tile) {
    wait_event<Event::MTE1_MTE2>(L1Event::kKeys, key_slot_);
    if (unit.opens_task && tile == 0) queries_.load(query_of(unit), unit.task);
    keys_.load(l1_keys_[key_slot_], unit.task, unit.first_key + tile * kTile, unit.tile_keys(tile),
               {0, head_dim_});
    set_event<Event::MTE2_MTE1>(L1Event::kKeys, key_slot_);
    wait_event<Event::MTE2_MTE1>(L1Event::kKeys, key_slot_);
  }

  __aicore__ inline const AscendC::LocalTensor<T>& query_of(const Unit& unit) const {
    return l1_query_[query_slot_of(unit)];
  }
  // Tasks without keys load no queries, so slots alternate over the others.
  __aicore__ inline int32_t query_slot_of(const Unit& unit) const {
    return unit.task.number_with_keys % Layout::kSlots;
  }

  __aicore__ inline void multiply_scores(const Unit& unit, int32_t tile, int32_t row) {
    const int32_t keys = unit.tile_keys(tile);
    const int32_t query_pitch = round_up(unit.task.rows, Arch::kFractal);
    const int32_t key_pitch = round_up(keys, Arch::kFractal);
    for (int32_t first = 0; first < head_dim_; first += kTile) {
      // The tail of the head dim is zero on both sides.
      const int32_t depth = round_up(lesser(kTile, head_dim_ - first), Arch::kFractal);
      const ProductShape shape{rows_at(unit, row), keys, depth};
      const int32_t query_at = first * query_pitch + row * Arch::kFractal;
      matmul_.open_step();
      matmul_.load_left(query_of(unit)[static_cast<uint32_t>(query_at)], shape, query_pitch);
      matmul_.load_right_by_rows(l1_keys_[key_slot_][static_cast<uint32_t>(first * key_pitch)],
                                 shape);
      matmul_.multiply(shape, first == 0);
    }
    const int32_t at = row * kStackKeys + tile * kTile;
    matmul_.store(workspace_.scores[unit.slot()][static_cast<uint32_t>(at)],
                  {rows_at(unit, row), keys, head_dim_}, kStackKeys);
  }

  // A group of tiles at a time, for all rows of the task.
  __aicore__ inline void load_values(const Unit& unit, int32_t tile, Columns columns) {
    if (tile % Layout::kGroupTiles != 0) return;
    const int32_t group = tile / Layout::kGroupTiles;
    wait_event<Event::MTE1_MTE2>(L1Event::kValues, group);
    const int32_t end = lesser(unit.tiles(), tile + Layout::kGroupTiles);
    for (int32_t each = tile; each < end; ++each) {
      values_.load(l1_values_[each], unit.task, unit.first_key + each * kTile, unit.tile_keys(each),
                   columns);
    }
    set_event<Event::MTE2_MTE1>(L1Event::kValues, group);
  }

  // The values do not depend on the vector cores, so their copy has been started before.
  __aicore__ inline void load_probs(const Unit& unit, int32_t tile, int32_t row, Columns columns) {
    if (tile == 0 && row == 0 && columns.first == 0) wait_cross(CrossFlag::kProbsDone);
    const int32_t rows = rows_at(unit, row);
    const int32_t at = row * kStackKeys + tile * kTile;
    wait_event<Event::MTE1_MTE2>(L1Event::kProbs, prob_slot_);
    copy_rows(l1_probs_[prob_slot_], workspace_.probs[unit.slot()][static_cast<uint32_t>(at)], rows,
              kStackKeys, unit.tile_keys(tile), {round_up(rows, Arch::kFractal), 1});
    set_event<Event::MTE2_MTE1>(L1Event::kProbs, prob_slot_);
  }

  __aicore__ inline void multiply_output(const Unit& unit, int32_t tile, int32_t row,
                                         Columns columns) {
    const int32_t rows = rows_at(unit, row);
    const int32_t group = tile / Layout::kGroupTiles;
    const ProductShape shape{rows, columns.count, unit.tile_keys(tile)};
    const bool group_opens = tile % Layout::kGroupTiles == 0;
    const bool group_ends = !(tile + 1 < unit.tiles()) || (tile + 1) % Layout::kGroupTiles == 0;
    if (row == 0 && group_opens) wait_event<Event::MTE2_MTE1>(L1Event::kValues, group);
    matmul_.open_step();
    wait_event<Event::MTE2_MTE1>(L1Event::kProbs, prob_slot_);
    matmul_.load_left(l1_probs_[prob_slot_], shape, rows);
    set_event<Event::MTE1_MTE2>(L1Event::kProbs, prob_slot_);
    prob_slot_ = 1 - prob_slot_;
    matmul_.load_right_by_columns(l1_values_[tile], shape);
    const bool last_rows = row + kTile >= unit.task.rows;
    if (last_rows && group_ends) set_event<Event::MTE1_MTE2>(L1Event::kValues, group);
    matmul_.multiply(shape, tile == 0);
  }

  Workspace<Config> workspace_;
  const Schedule& schedule_;
  QueryLoader<T> queries_;
  TokenLoader<T> keys_, values_;
  Matmul<Config> matmul_;
  int32_t head_dim_, value_dim_;
  AscendC::LocalTensor<T> l1_query_[Layout::kSlots], l1_keys_[Layout::kSlots],
      l1_values_[Layout::kValueTiles], l1_probs_[Layout::kSlots];
  int32_t key_slot_ = 0, prob_slot_ = 0;
};

}  // namespace fa::npu
