#pragma once

// What an mla kernel's cube core does in a turn, in which order. The output of a unit comes in
// passes over its keys, each for two blocks of columns; between them come shares of the scores:
//
//     even cores    S tiles 0, 1 | O columns 0-255 | S tiles 2, 3 | O columns 256-511
//     odd cores     O columns 0-255 | S tiles 0, 1 | O columns 256-511 | S tiles 2, 3
//
// While some load keys, which come from HBM, others load the values of keys that L2 still has.

#include "kernel_operator.h"
#include "npu/kernels/buffers/mla_layout.h"
#include "npu/kernels/schedule.h"

namespace fa::npu {

// Columns of keys, or of values that count as keys, as they come into L1.
struct KeyBlock {
  bool of_values;
  int32_t first, count;  // exact
  int32_t query;         // their place among the columns of the queries
  bool halved;           // two pieces, each for one half of a tile's keys; else one for all

  __aicore__ inline int32_t pieces() const { return halved ? 2 : 1; }
};

// Columns of the scores: those of v, if they count, and of k behind them.
struct ScoreColumns {
  int32_t key_dim, value_dim;
  bool with_values;
  static constexpr int32_t kMost = 2 * kTile;  // of a block

  __aicore__ inline int32_t value_blocks() const {
    return with_values ? (value_dim + kMost - 1) / kMost : 0;
  }
  __aicore__ inline int32_t blocks() const {
    return value_blocks() + (key_dim + kMost - 1) / kMost;
  }
  __aicore__ inline int32_t first_key() const {
    return with_values ? round_up(value_dim, Arch::kFractal) : 0;
  }
  __aicore__ inline KeyBlock block(int32_t index) const {
    const bool of_values = index < value_blocks();
    const int32_t first = (of_values ? index : index - value_blocks()) * kMost;
    const int32_t count = lesser(kMost, (of_values ? value_dim : key_dim) - first);
    return {of_values, first, count, of_values ? first : first_key() + first, count > kTile};
  }
  __aicore__ inline int32_t pieces() const {  // of a tile
    int32_t count = 0;
    for (int32_t index = 0; index < blocks(); ++index) count += block(index).pieces();
    return count;
  }
};

template <typename Config>
struct MlaTurn {
  using Layout = MlaLayout<Config>;

  const Unit* scores = nullptr;  // null: none, as for units without keys
  const Unit* output = nullptr;
  TileRange tiles = {};  // of the scores of any rows
  int32_t column_passes = 0, passes = 0;
  bool output_first = false;

  __aicore__ inline MlaTurn() = default;
  __aicore__ inline MlaTurn(const Schedule& schedule, const Unit* begins, const Unit* ends,
                            int32_t value_dim, bool output_first)
      : scores(with_keys(begins)),
        output(with_keys(ends)),
        column_passes((value_dim + Layout::kPieceColumns - 1) / Layout::kPieceColumns),
        passes(column_passes * (output != nullptr ? output->row_blocks() : 1)),
        output_first(output_first) {
    if (scores != nullptr) tiles = schedule.tiles_seen(*scores);
    if (output == nullptr) return;
    for (int32_t block = 0; block < output->row_blocks(); ++block) {
      const TileRange seen = schedule.tiles_seen(*output, block * kTile);
      const int32_t keys = lesser(output->keys, seen.end * kTile);
      pieces_[block] = {seen.begin * (kTile / Layout::kPieceKeys),
                        (keys + Layout::kPieceKeys - 1) / Layout::kPieceKeys};
    }
  }

  // A pass of the output: 128 rows of it, and two blocks of its columns.
  __aicore__ inline int32_t row_block(int32_t pass) const { return pass / column_passes; }
  __aicore__ inline int32_t column_pass(int32_t pass) const { return pass % column_passes; }
  __aicore__ inline TileRange pieces(int32_t pass) const {  // half a tile each
    return pieces_[row_block(pass)];
  }

  // Shares of scores and passes of the output by turns, a share last.
  __aicore__ inline int32_t stages() const { return 2 * passes + 1; }
  __aicore__ inline static bool is_share(int32_t stage) { return stage % 2 == 0; }

  __aicore__ inline TileRange share(int32_t stage) const {
    const int32_t number = stage / 2 - (output_first ? 1 : 0);
    if (number < 0) return {tiles.begin, tiles.begin};
    return {cut(number), cut(number + 1)};
  }

 private:
  static constexpr int32_t kRowBlocks = (Layout::kRows + kTile - 1) / kTile;

  __aicore__ inline int32_t cut(int32_t share) const {
    return lesser(tiles.end, tiles.begin + (tiles.end - tiles.begin) * share / passes);
  }
  __aicore__ static inline const Unit* with_keys(const Unit* unit) {
    return unit != nullptr && unit->keys != 0 ? unit : nullptr;
  }

  TileRange pieces_[kRowBlocks] = {};
};

}  // namespace fa::npu
