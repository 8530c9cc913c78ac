#pragma once

// O = P V of a unit, in passes over its tiles: one for each block of rows. Values, which all passes
// need, stay in L1 for the unit; those of the next one take their places as the last pass goes on.

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
  static constexpr int32_t kKeysApart = Arch::kFractal;  // from core to core

  __aicore__ inline OutputProducts(const ForwardArgs& args, const Schedule& schedule,
                                   const Workspace<Config>& workspace, Matmul<Config>& matmul)
      : schedule_(schedule),
        workspace_(workspace),
        matmul_(matmul),
        values_(args.v, args),
        value_dim_(args.value_dim) {
    l1_values_ = l1_tensor<T>(Layout::kValues, Layout::kStackTiles * Layout::kValueBytes);
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      stream_[slot] =
          l1_tensor<T>(Layout::kStream + slot * Layout::kStreamBytes, Layout::kStreamBytes);
    }
    set_event<Event::MTE1_MTE2>(L1Event::kStream, 1 - stream_slot_);
  }

  __aicore__ inline void drain() {
    wait_event<Event::MTE1_MTE2>(L1Event::kStream, 1 - stream_slot_);
  }

  // Before the first keys of all, some of the values: more by a few for each core. Cores that do
  // equal work from the same cycle on would ask for L2 in the same cycles all along, and leave it
  // idle together. What they load is needed anyway, but not soon where there is one unit only; and
  // codes are not cast yet.
  __aicore__ inline void begin_apart(const Unit& unit, int64_t core) {
    if (Config::kInt8 || unit.closes_task) return;
    next_ = values_of(unit, 0);
    int32_t keys = lesser(static_cast<int32_t>(core) * kKeysApart, kStackKeys);
    for (; keys > 0 && next_.end < next_.tiles.end; keys -= kTile) {
      load_tile(next_, lesser(keys, kTile));
    }
  }

  // A null unit, or one without keys, takes no steps. `upcoming` is the unit after it, if known.
  __aicore__ inline void open(const Unit* unit, const Unit* upcoming) {
    unit_ = unit;
    row_ = steps_ = 0;
    if (unit_ == nullptr || unit_->keys == 0) return;
    for (int32_t row = 0; row < unit_->task.rows; row += kTile) {
      const TileRange seen = schedule_.tiles_seen(*unit_, row);
      steps_ += seen.end - seen.begin;
    }
    current_ = next_.unit == unit ? next_ : values_of(*unit, loaded_);
    next_ = Values{};
    if (upcoming != nullptr && upcoming->keys != 0) {
      next_ = values_of(*upcoming, current_.number(current_.tiles.end));
    }
    open_pass();
  }
  __aicore__ inline int32_t steps() const { return steps_; }
  __aicore__ inline void close() {
    if (steps_ == 0) return;
    released_ = current_.number(current_.tiles.end);
    matmul_.order_store_after_loads();  // of the probabilities
    set_cross<PIPE_FIX>(CrossFlag::kPartialDone);
  }

  // One tile of a pass.
  __aicore__ inline void step() {
    const bool first = tile_ == tiles_.begin, last = tile_ + 1 == tiles_.end;
    if (opens_stream()) load_operands(first);
    multiply({first, last});
    if (last) store();
    ++tile_;
    if (last) close_pass();
  }

 private:
  // The tiles of values of a unit that its rows see. They come in order, numbered over all units,
  // and lie in L1 at their numbers modulo the number of places.
  struct Values {
    const Unit* unit = nullptr;
    TileRange tiles = {0, 0};
    int32_t first_number = 0;
    int32_t end = 0;   // of those that are loaded
    int32_t part = 0;  // keys of the next one that are

    __aicore__ inline int32_t number(int32_t tile) const {
      return first_number + tile - tiles.begin;
    }
  };

  __aicore__ inline Values values_of(const Unit& unit, int32_t first_number) const {
    const TileRange tiles = schedule_.tiles_seen(unit);
    return {&unit, tiles, first_number, tiles.begin};
  }

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

  // The probabilities of this step and of those that share a place with it. Values come before
  // them, so that both are there when the probabilities are.
  __aicore__ inline void load_operands(bool opens_pass) {
    const int32_t first = tile_ / Layout::kStreamTiles * Layout::kStreamTiles;
    const TileRange tiles{tile_, lesser(tiles_.end, first + Layout::kStreamTiles)};
    load_needed(tiles.end);
    if (first_pass() && opens_pass) wait_cross(CrossFlag::kProbsDone);
    if (opens_pass || !few_rows()) {
      probs_place_ = 1 - probs_place_;
      probs_first_ = tile_;
      load_probs(stream_[probs_place_], *unit_, few_rows() ? tiles_ : tiles, row_);
    }
    set_event<Event::MTE2_MTE1>(L1Event::kStream, stream_slot_);
    load_ahead();
  }

  __aicore__ inline bool opens_stream() const {
    return tile_ == tiles_.begin || tile_ % Layout::kStreamTiles == 0;
  }

  // Few rows of probabilities: a place holds those of the whole unit, which come at once.
  __aicore__ inline bool few_rows() const {
    const int32_t rows = round_up(unit_->task.rows, Arch::kFractal);
    return rows * kStackKeys <= Layout::kStreamTiles * kTile * kTile;
  }

  // Values are loaded ahead, but for some of the first unit and where rows see so few tiles that
  // there was no room: then MTE2 waits for all reads so far.
  __aicore__ inline void load_needed(int32_t end) {
    while (current_.end < end) {
      if (loaded_ - read_ == Layout::kStackTiles) {
        set_event<Event::MTE1_MTE2>(L1Event::kValues);
        wait_event<Event::MTE1_MTE2>(L1Event::kValues);
        read_ = released_;
      }
      load_tile(current_);
    }
  }

  // As many tiles of values as come of probabilities, so that loads of both are spread evenly, into
  // places that have been read: when the other place of probabilities is free, all reads so far
  // are done.
  __aicore__ inline void load_ahead() {
    wait_event<Event::MTE1_MTE2>(L1Event::kStream, 1 - stream_slot_);
    read_ = released_;
    for (int32_t count = 0; count < Layout::kStreamTiles; ++count) {
      Values& values = current_.end < current_.tiles.end ? current_ : next_;
      const bool room = loaded_ - read_ < Layout::kStackTiles;
      if (room && values.end < values.tiles.end) load_tile(values);
    }
  }

  // The next tile of values, or what is missing of it; up to its first `most` keys.
  __aicore__ inline void load_tile(Values& values, int32_t most = kTile) {
    const Unit& unit = *values.unit;
    const int32_t tile = values.end, first = tile * kTile, keys = unit.tile_keys(tile);
    const TokenRange part{values.part, lesser(keys, most)};
    const AscendC::LocalTensor<T> to = values_at(values.number(tile));
    if constexpr (Config::kInt8) {
      load_stack_rows(to, workspace_.values[unit.stack_slot()], first, keys, value_dim_,
                      {0, value_dim_});
    } else {
      values_.load_part(to, unit.task, unit.first_key + first, keys, part, {0, value_dim_});
    }
    const bool whole = part.end == keys;
    values.end += whole ? 1 : 0;
    loaded_ += whole ? 1 : 0;
    values.part = whole ? 0 : part.end;
  }
  __aicore__ inline AscendC::LocalTensor<T> values_at(int32_t number) const {
    const int32_t place = number % Layout::kStackTiles;
    return l1_values_[static_cast<uint32_t>(place * Layout::kValueBytes) / sizeof(T)];
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
    const int32_t number = current_.number(tile_);
    matmul_.open_step();
    if (opens_stream()) wait_event<Event::MTE2_MTE1>(L1Event::kStream, stream_slot_);
    matmul_.load_left(stream_[probs_place_][probs_at(tile_ - probs_first_)], shape, shape.m);
    matmul_.load_right_by_columns(values_at(number), shape);
    if (last_pass()) released_ = number + 1;
    release_stream();
    matmul_.multiply(Accumulator::kOutput, shape, step);
  }

  __aicore__ inline void release_stream() {
    if (tile_ + 1 != tiles_.end && (tile_ + 1) % Layout::kStreamTiles != 0) return;
    set_event<Event::MTE1_MTE2>(L1Event::kStream, stream_slot_);
    stream_slot_ = 1 - stream_slot_;
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
  AscendC::LocalTensor<T> l1_values_, stream_[Layout::kSlots];
  Values current_, next_;  // of the unit, and of the upcoming one
  // Tiles of values of all units: loaded, with their last read on its way, and known to be read.
  int32_t loaded_ = 0, released_ = 0, read_ = 0;
  const Unit* unit_ = nullptr;
  int32_t steps_ = 0;
  int32_t row_ = 0, tile_ = 0;                 // of the next step
  TileRange tiles_ = {};                       // of its pass
  int32_t stream_slot_ = 0;                    // of this step's loads, an event
  int32_t probs_place_ = 0, probs_first_ = 0;  // and the first tile there
};

}  // namespace fa::npu
