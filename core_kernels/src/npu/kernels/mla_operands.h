#pragma once

// What the products of an mla kernel need in L1. Keys and values come in pieces, through a ring, in
// the order of their use, as far ahead as there is room: the queue of a pipe holds too few
// instructions for the loads to run ahead by themselves.

#include "kernel_operator.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/mla_cursor.h"
#include "npu/kernels/tile_loader.h"

namespace fa::npu {

template <typename Config>
class MlaOperands {
 public:
  using T = typename Config::Element;
  using Layout = MlaLayout<Config>;
  using Event = AscendC::HardEvent;
  static constexpr int32_t kStackKeys = Stack<Config>::kKeys;

  __aicore__ inline MlaOperands(const ForwardArgs& args, const Workspace<Config>& workspace)
      : workspace_(workspace),
        columns_{args.head_dim, args.value_dim, args.qv.address != 0},
        queries_(args.q, args.head_dim),
        value_queries_(args.qv, args.value_dim),
        keys_(args.k, args),
        values_(args.v, args),
        l1_query_(l1_tensor<T>(Layout::kQuery, Layout::kQueryBytes)),
        cursor_(columns_) {
    for (int32_t piece = 0; piece < Layout::kPieces; ++piece) {
      l1_pieces_[piece] =
          l1_tensor<T>(Layout::kRing + piece * Layout::kPieceBytes, Layout::kPieceBytes);
      set_event<Event::MTE1_MTE2>(MlaEvent::kPieces, piece);
    }
    for (int32_t group = 0; group < Layout::kProbGroups; ++group) {
      l1_probs_[group] =
          l1_tensor<T>(Layout::kProbs + group * Layout::kProbGroupBytes, Layout::kProbGroupBytes);
      set_event<Event::M_MTE2>(MlaProductEvent::kProbs, group);
    }
    set_event<Event::M_MTE2>(MlaProductEvent::kQuery);
  }

  __aicore__ inline void drain() {
    for (int32_t piece = 0; piece < Layout::kPieces; ++piece) {
      wait_event<Event::MTE1_MTE2>(MlaEvent::kPieces, piece);
    }
    for (int32_t group = 0; group < Layout::kProbGroups; ++group) {
      wait_event<Event::M_MTE2>(MlaProductEvent::kProbs, group);
    }
    wait_event<Event::M_MTE2>(MlaProductEvent::kQuery);
  }

  __aicore__ inline void open(const MlaTurn<Config>& turn, const MlaTurn<Config>& next) {
    cursor_.open(turn, next);
    load_ahead();
  }

  __aicore__ inline const ScoreColumns& columns() const { return columns_; }
  __aicore__ inline const AscendC::LocalTensor<T>& query() const { return l1_query_; }
  __aicore__ inline const AscendC::LocalTensor<T>& probs(int32_t group) const {
    return l1_probs_[group];
  }

  // Pieces are numbered in the order of their use; this is the number of the oldest in the ring.
  __aicore__ inline int32_t oldest() const { return released_; }
  __aicore__ inline const AscendC::LocalTensor<T>& piece(int32_t number) const {
    return l1_pieces_[number % Layout::kPieces];
  }
  __aicore__ inline void await(int32_t number) {
    wait_event<Event::MTE2_MTE1>(MlaEvent::kPieces, number % Layout::kPieces);
  }
  // The oldest one is not needed any more; another one takes its place.
  __aicore__ inline void release() {
    set_event<Event::MTE1_MTE2>(MlaEvent::kPieces, released_ % Layout::kPieces);
    ++released_;
    load_ahead();
  }

  // After the last product with them.
  __aicore__ inline void release_probs(int32_t group) {
    set_event<Event::M_MTE2>(MlaProductEvent::kProbs, group);
    probs_held_[group] = false;
    load_ahead();
  }
  __aicore__ inline void close_scores(const Unit& unit) {
    if (unit.closes_task) set_event<Event::M_MTE2>(MlaProductEvent::kQuery);
    cursor_.close_scores();
    load_ahead();
  }
  __aicore__ inline void close_output() {
    cursor_.close_output();
    load_ahead();
  }

 private:
  __aicore__ inline void load_ahead() {
    while (loaded_ - released_ < Layout::kPieces && cursor_.more()) {
      if (opens_probs() && probs_held_[probs_group()]) return;
      const int32_t slot = loaded_ % Layout::kPieces;
      if (cursor_.is_share()) {
        load_keys(slot);
      } else {
        load_values(slot);
      }
      set_event<Event::MTE2_MTE1>(MlaEvent::kPieces, slot);
      cursor_.advance();
      ++loaded_;
    }
  }

  // The second half of a tile's keys may be empty.
  __aicore__ inline void load_keys(int32_t slot) {
    const Unit& unit = *cursor_.turn().scores;
    if (cursor_.opens_unit()) {
      if constexpr (Config::kInt8) wait_cross(CrossFlag::kStackDone);
      if (unit.opens_task) load_queries(unit.task);
    }
    const KeyPiece piece = cursor_.key_piece();
    const int32_t count = lesser(piece.most_keys(), unit.tile_keys(piece.tile) - piece.first_key());
    wait_event<Event::MTE1_MTE2>(MlaEvent::kPieces, slot);
    if (count <= 0) return;
    const int32_t first = piece.tile * kTile + piece.first_key();
    const Columns columns{piece.block.first, piece.block.count};
    if constexpr (Config::kInt8) {
      load_stack_rows(l1_pieces_[slot], workspace_.keys[unit.stack_slot()], first, count,
                      columns_.key_dim, columns);
    } else {
      const TokenLoader<T>& loader = piece.block.of_values ? values_ : keys_;
      loader.load(l1_pieces_[slot], unit.task, unit.first_key + first, count, columns);
    }
  }

  __aicore__ inline void load_queries(const Task& task) {
    wait_event<Event::M_MTE2>(MlaProductEvent::kQuery);
    const int32_t pitch = round_up(task.rows, Arch::kFractal);
    if (columns_.with_values) value_queries_.load(l1_query_, task);
    queries_.load(l1_query_[static_cast<uint32_t>(columns_.first_key() * pitch)], task);
  }

  __aicore__ inline void load_values(int32_t slot) {
    const Unit& unit = *cursor_.turn().output;
    const int32_t ahead = cursor_.value_piece() * Layout::kPieceKeys;
    const int32_t pass = cursor_.pass(), column_pass = cursor_.turn().column_pass(pass);
    if (pass == 0 && cursor_.opens_pass()) wait_cross(CrossFlag::kProbsDone);
    if (opens_probs()) load_probs(unit, cursor_.turn().row_block(pass) * kTile, probs_group());
    const int32_t column = column_pass * Layout::kPieceColumns;
    wait_event<Event::MTE1_MTE2>(MlaEvent::kPieces, slot);
    const int32_t count = lesser(Layout::kPieceKeys, unit.keys - ahead);
    const Columns columns{column, lesser(Layout::kPieceColumns, columns_.value_dim - column)};
    if constexpr (Config::kInt8) {
      load_stack_rows(l1_pieces_[slot], workspace_.values[unit.stack_slot()], ahead, count,
                      columns_.value_dim, columns);
    } else {
      values_.load(l1_pieces_[slot], unit.task, unit.first_key + ahead, count, columns);
    }
  }

  // Whether probabilities come before the next piece: those of the other column passes are there.
  __aicore__ inline bool opens_probs() const {
    if (cursor_.is_share() || cursor_.turn().column_pass(cursor_.pass()) != 0) return false;
    return cursor_.opens_pass() ||
           cursor_.value_piece() * Layout::kPieceKeys % Layout::kGroupKeys == 0;
  }
  __aicore__ inline int32_t probs_group() const {
    return cursor_.value_piece() * Layout::kPieceKeys / Layout::kGroupKeys;
  }

  __aicore__ inline void load_probs(const Unit& unit, int32_t row, int32_t group) {
    probs_held_[group] = true;
    wait_event<Event::M_MTE2>(MlaProductEvent::kProbs, group);
    const int32_t first = group * Layout::kGroupKeys, rows = unit.block_rows(row);
    const int32_t at = row * kStackKeys + first;
    copy_rows(l1_probs_[group], workspace_.probs[unit.slot()][static_cast<uint32_t>(at)], rows,
              kStackKeys, lesser(Layout::kGroupKeys, unit.keys - first),
              {round_up(rows, Arch::kFractal), 1});
  }

  const Workspace<Config>& workspace_;
  ScoreColumns columns_;
  QueryLoader<T> queries_, value_queries_;
  TokenLoader<T> keys_, values_;
  AscendC::LocalTensor<T> l1_query_, l1_probs_[Layout::kProbGroups], l1_pieces_[Layout::kPieces];
  PieceCursor<Config> cursor_;         // of the next load
  int32_t loaded_ = 0, released_ = 0;  // pieces
  bool probs_held_[Layout::kProbGroups] = {};
};

}  // namespace fa::npu
