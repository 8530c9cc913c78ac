#pragma once

// The cube core of an mla kernel: S = Q K^T over the columns of keys and values, O = P V.

#include "kernel_operator.h"
#include "npu/kernels/matmul.h"
#include "npu/kernels/mla_operands.h"

namespace fa::npu {

template <typename Config>
class MlaCubeRole {
 public:
  using T = typename Config::Element;
  using Layout = MlaLayout<Config>;
  static constexpr int32_t kStackKeys = Stack<Config>::kKeys;

  __aicore__ inline MlaCubeRole(const ForwardArgs& args, const Schedule& schedule, int64_t core)
      : schedule_(schedule),
        workspace_(args.workspace, core),
        operands_(args, workspace_),
        value_dim_(args.value_dim),
        out_pitch_(round_up(args.value_dim, Arch::kFractal)),
        output_first_(core % 2 == 1) {}

  __aicore__ inline void turn(const Turn& turn) {
    turn_ = order(turn.begins, turn.ends);
    operands_.open(turn_, order(turn.begins_next, turn.ends_next));
    for (int32_t stage = 0; stage < turn_.stages(); ++stage) {
      if (MlaTurn<Config>::is_share(stage)) {
        multiply_share(turn_.share(stage));
      } else if (turn_.output != nullptr) {
        multiply_output(stage / 2);
      }
    }
  }

  __aicore__ inline void drain() {
    operands_.drain();
    matmul_.drain();
    AscendC::PipeBarrier<PIPE_ALL>();
  }

 private:
  // Of the passes' blocks of columns the second one is this many pieces behind the first, so that
  // the store of the first one is done when its place in L0C is needed.
  static constexpr int32_t kLag = 2;

  __aicore__ inline MlaTurn<Config> order(const Unit* begins, const Unit* ends) const {
    return {schedule_, begins, ends, value_dim_, output_first_};
  }

  __aicore__ inline void multiply_share(TileRange share) {
    for (int32_t tile = share.begin; tile < share.end; ++tile) multiply_scores(tile);
    if (share.begin == share.end || share.end != turn_.tiles.end) return;
    set_cross<PIPE_FIX>(CrossFlag::kScoresDone);
    operands_.close_scores(*turn_.scores);
  }

  __aicore__ inline void multiply_scores(int32_t tile) {
    const Unit& unit = *turn_.scores;
    const ScoreColumns& columns = operands_.columns();
    for (int32_t index = 0; index < columns.blocks(); ++index) {
      const KeyBlock block = columns.block(index);
      for (int32_t piece = 0; piece < block.pieces(); ++piece) {
        operands_.await(operands_.oldest() + piece);
      }
      const Step step{index == 0, index + 1 == columns.blocks()};
      for (int32_t row = 0; row < unit.task.rows; row += kTile) {
        // The mask overwrites scores that no row sees, so they need not be computed.
        const TileRange seen = schedule_.tiles_seen(unit, row);
        if (tile < seen.begin || tile >= seen.end) continue;
        multiply_block(tile, row, block, step);
      }
      for (int32_t piece = 0; piece < block.pieces(); ++piece) operands_.release();
    }
  }

  // 128 rows times columns of a tile of keys, and the store of these scores behind the last
  // columns. With more than 128 rows there is one block of columns: rows take places in L0C by
  // turns.
  __aicore__ inline void multiply_block(int32_t tile, int32_t row, const KeyBlock& block,
                                        Step step) {
    static_assert(Layout::kRows <= kTile || Config::kHeadDim <= ScoreColumns::kMost);
    const Unit& unit = *turn_.scores;
    const ProductShape whole{unit.block_rows(row), unit.tile_keys(tile), 0};
    const int32_t end = round_up(block.count, Arch::kFractal);
    for (int32_t first = 0; first < end; first += kTile) {
      const ProductShape shape{whole.m, whole.n, lesser(kTile, end - first)};
      matmul_.open_step();
      load_scored(shape, row, block, first);
      matmul_.multiply(place_, shape,
                       {step.first && first == 0, step.last && first + kTile >= end});
    }
    if (!step.last) return;
    const int32_t at = row * kStackKeys + tile * kTile;
    matmul_.store(place_, workspace_.scores[unit.slot()][static_cast<uint32_t>(at)], whole,
                  kStackKeys);
    place_ = other(place_);
  }

  // Columns of a block from `first` on. The tail of the head dim is zero on both sides.
  __aicore__ inline void load_scored(ProductShape shape, int32_t row, const KeyBlock& block,
                                     int32_t first) {
    const int32_t query_pitch = round_up(turn_.scores->task.rows, Arch::kFractal);
    const int32_t query_at = (block.query + first) * query_pitch + row * Arch::kFractal;
    matmul_.load_left(operands_.query()[static_cast<uint32_t>(query_at)], shape, query_pitch);
    const int32_t most = block.halved ? Layout::kPieceKeys : kTile;
    for (int32_t key = 0; key < shape.n; key += most) {
      const int32_t count = lesser(most, shape.n - key);
      const int32_t at = first * round_up(count, Arch::kFractal);
      const int32_t number = operands_.oldest() + key / most;
      matmul_.load_right_part(operands_.piece(number)[static_cast<uint32_t>(at)], shape, key,
                              count);
    }
  }

  // 128 rows, two blocks of columns.
  __aicore__ inline void multiply_output(int32_t pass) {
    const int32_t row = turn_.row_block(pass) * kTile;
    const int32_t column = turn_.column_pass(pass) * Layout::kPieceColumns;
    const bool single = value_dim_ - column <= kTile;
    const bool last_columns = turn_.column_pass(pass) + 1 == turn_.column_passes;
    const int32_t lag = single ? 0 : kLag, oldest = operands_.oldest();
    const TileRange pieces = turn_.pieces(pass);
    for (int32_t ahead = pieces.begin; ahead < pieces.end + lag; ++ahead) {
      const int32_t piece = ahead - lag;
      if (ahead < pieces.end) {
        const int32_t number = oldest + ahead - pieces.begin;
        operands_.await(number);
        multiply_values(place_, number, {pieces, ahead}, {row, column, 0});
      }
      if (piece < pieces.begin) continue;
      if (!single) {
        multiply_values(other(place_), operands_.oldest(), {pieces, piece},
                        {row, column + kTile, kTile});
      }
      operands_.release();
      if (last_columns) release_probs({pieces, piece});
    }
    if (single) place_ = other(place_);  // else the first block's place is free first
    if (pass + 1 != turn_.passes) return;
    matmul_.order_store_after_loads();  // of the probabilities
    set_cross<PIPE_FIX>(CrossFlag::kPartialDone);
    operands_.close_output();
  }

  // One of the pieces of values of a pass.
  struct PassPiece {
    TileRange all;
    int32_t piece;

    __aicore__ inline bool first() const { return piece == all.begin; }
    __aicore__ inline bool last() const { return piece + 1 == all.end; }
    __aicore__ inline int32_t key() const { return piece * Layout::kPieceKeys; }
  };
  // Where 128 rows and columns of the output begin; `in_piece`: these columns among the piece's.
  struct OutputPlace {
    int32_t row, column, in_piece;
  };

  __aicore__ inline void release_probs(PassPiece piece) {
    const int32_t next = piece.key() + Layout::kPieceKeys;
    if (!piece.last() && next % Layout::kGroupKeys != 0) return;
    operands_.release_probs(piece.key() / Layout::kGroupKeys);
  }

  __aicore__ inline void multiply_values(Accumulator to, int32_t number, PassPiece piece,
                                         OutputPlace place) {
    const Unit& unit = *turn_.output;
    const int32_t key = piece.key(), rows = unit.block_rows(place.row);
    const ProductShape shape{rows, lesser(kTile, value_dim_ - place.column),
                             lesser(Layout::kPieceKeys, unit.keys - key)};
    const int32_t probs_at = key % Layout::kGroupKeys * round_up(rows, Arch::kFractal);
    const int32_t values_at = place.in_piece * round_up(shape.k, Arch::kFractal);
    matmul_.open_step();
    matmul_.load_left(operands_.probs(key / Layout::kGroupKeys)[static_cast<uint32_t>(probs_at)],
                      shape, rows);
    matmul_.load_right_by_columns(operands_.piece(number)[static_cast<uint32_t>(values_at)], shape);
    matmul_.multiply(to, shape, {piece.first(), piece.last()});
    if (!piece.last()) return;
    const ProductShape whole{rows, round_up(shape.n, Arch::kFractal), kTile};
    const int32_t at = place.row * out_pitch_ + place.column;
    matmul_.store(to, workspace_.partial[unit.slot()][static_cast<uint32_t>(at)], whole,
                  out_pitch_);
  }

  __aicore__ static inline Accumulator other(Accumulator place) {
    return place == Accumulator::kScores ? Accumulator::kOutput : Accumulator::kScores;
  }

  const Schedule& schedule_;
  Workspace<Config> workspace_;
  Matmul<Config> matmul_;
  MlaOperands<Config> operands_;
  int32_t value_dim_, out_pitch_;
  bool output_first_;
  MlaTurn<Config> turn_;
  Accumulator place_ = Accumulator::kScores;  // of the next product
};

}  // namespace fa::npu
