#pragma once

// The pieces of keys and values that the products of a turn and of the next one need, in the order
// of their use.

#include "kernel_operator.h"
#include "npu/kernels/mla_order.h"

namespace fa::npu {

struct KeyPiece {
  KeyBlock block;
  int32_t tile;
  int32_t half;

  __aicore__ inline int32_t most_keys() const { return kTile / block.pieces(); }
  __aicore__ inline int32_t first_key() const { return half * most_keys(); }  // in the tile
};

template <typename Config>
class PieceCursor {
 public:
  __aicore__ inline explicit PieceCursor(const ScoreColumns& columns)
      : columns_(columns), tile_pieces_(columns.pieces()) {}

  __aicore__ inline void open(const MlaTurn<Config>& turn, const MlaTurn<Config>& next) {
    if (!ahead_) stage_ = piece_ = 0;  // else it has begun already
    ahead_ = false;
    turn_ = turn;
    next_ = next;
    scores_open_ = turn_.scores != nullptr;
    output_open_ = turn_.output != nullptr;
  }
  // No product of the turn needs its queries, or probabilities, any more.
  __aicore__ inline void close_scores() { scores_open_ = false; }
  __aicore__ inline void close_output() { output_open_ = false; }

  // Moves on to the next piece, if there is one that can be loaded already.
  __aicore__ inline bool more() {
    while (piece_ == pieces_of_stage()) {
      piece_ = 0;
      if (++stage_ < turn().stages()) continue;
      if (ahead_) {
        --stage_;
        piece_ = pieces_of_stage();
        return false;
      }
      ahead_ = true;
      stage_ = 0;
    }
    return !ahead_ || !must_wait();
  }
  __aicore__ inline void advance() { ++piece_; }

  __aicore__ inline const MlaTurn<Config>& turn() const { return ahead_ ? next_ : turn_; }
  __aicore__ inline bool is_share() const { return MlaTurn<Config>::is_share(stage_); }
  __aicore__ inline int32_t pass() const { return stage_ / 2; }
  __aicore__ inline bool opens_pass() const { return piece_ == 0; }
  __aicore__ inline int32_t value_piece() const { return turn().pieces(pass()).begin + piece_; }
  // With this piece the keys of a unit begin.
  __aicore__ inline bool opens_unit() const {
    return piece_ == 0 && turn().share(stage_).begin == turn().tiles.begin;
  }

  __aicore__ inline KeyPiece key_piece() const {
    int32_t half = piece_ % tile_pieces_, index = 0;
    for (; half >= columns_.block(index).pieces(); ++index) half -= columns_.block(index).pieces();
    return {columns_.block(index), turn().share(stage_).begin + piece_ / tile_pieces_, half};
  }

 private:
  __aicore__ inline int32_t pieces_of_stage() const {
    if (!is_share()) {
      if (turn().output == nullptr) return 0;
      const TileRange pieces = turn().pieces(pass());
      return pieces.end - pieces.begin;
    }
    const TileRange share = turn().share(stage_);
    return (share.end - share.begin) * tile_pieces_;
  }

  // What the next turn needs besides pieces has its place only when this turn is done with it; and
  // its probabilities come only when this turn has handed over their scores.
  __aicore__ inline bool must_wait() const {
    if (is_share()) return scores_open_ && next_.scores->opens_task;
    return output_open_ || (scores_open_ && next_.output == turn_.scores);
  }

  ScoreColumns columns_;
  int32_t tile_pieces_;
  MlaTurn<Config> turn_, next_;
  bool scores_open_ = false, output_open_ = false;
  bool ahead_ = false;  // in the next turn
  int32_t stage_ = 0, piece_ = 0;
};

}  // namespace fa::npu
