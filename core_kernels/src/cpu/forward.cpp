// Tiled FlashAttention-2 forward (Dao, 2023): a task walks the KV tiles once for up to
// kMaxRowsPerTask packed rows with the online softmax; several splits of the KV range are merged
// by combine.

#include "cpu/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "cpu/append.h"
#include "cpu/combine.h"
#include "cpu/forward_tiles.h"
#include "cpu/isa_table.h"
#include "cpu/parallel.h"
#include "plan/task_list.h"

namespace fa::cpu {
namespace {

constexpr double kLn2 = 0.6931471805599453;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Where a task's results go: the outputs, or the partials of one split.
struct Target {
  TokenView out;
  RowView lse;
  float empty_lse;
};

// One task, by the products of `Tiles` (forward_tiles.h).
template <typename Tiles>
class ForwardTask {
 public:
  ForwardTask(const ForwardProblem& problem, const TokenView& queries, const Plan& plan,
              const Microkernels& isa, const Task& task)
      : geometry_(problem.geometry),
        task_(task),
        splits_(plan.splits),
        rows_{problem,    queries, isa, geometry_.entries[static_cast<size_t>(task.entry)],
              task.entry, {},      {}},
        block_(rows_.block),
        tiles_(describe(plan)) {}

  int64_t bytes() const {
    int64_t rows = int64_t{block_.strips} * block_.strip;
    return tiles_.bytes() + Scratch::bytes<float>(rows * geometry_.value_dim) +
           2 * Scratch::bytes<float>(rows) + Scratch::bytes<uint32_t>(kTileKv);
  }

  void take(Scratch* scratch) {
    int64_t rows = int64_t{block_.strips} * block_.strip, dv = geometry_.value_dim;
    tiles_.take(scratch);
    o_ = scratch->take<float>(rows * dv);
    m_ = scratch->take<float>(rows);
    l_ = scratch->take<float>(rows);
    keep_ = scratch->take<uint32_t>(kTileKv);
    std::fill(o_, o_ + rows * dv, 0.0f);
    std::fill(m_, m_ + rows, -kInfinity);
    std::fill(l_, l_ + rows, 0.0f);
  }

  Tiles& tiles() { return tiles_; }

  void begin() {
    tiles_.load_queries();
    key_range(&begin_, &end_);
    locate(begin_);
  }

  // Goes to the next tile and finds the one behind it; false when there is none.
  bool advance() {
    std::swap(tile_, next_);
    if (tile_->keys > 0) locate(tile_->key + tile_->keys);
    return tile_->keys > 0;
  }

  // The tile behind this one, 0 keys if this is the last.
  const TileRows& upcoming() const { return *next_; }

  // Works on the tile, while `ahead` is fetched.
  void work(const TileRows& ahead) {
    if (FA_MUTATE("drop_tile", false, tile_->key > begin_ && tile_->key + tile_->keys >= end_))
      return;
    tiles_.load(*tile_, ahead);
    for (int x = 0; x < block_.strips; ++x) {
      if (Tiles::kFetchAhead) prefetch(x);
      attend(x);
    }
  }

  void end(const Target& target) {
    if (rows_.problem.probs.defined) write_probs();
    tiles_.finish(state(0));
    for (int x = 0; x < block_.strips; ++x) finish_strip(x, target);
  }

 private:
  const TaskRows& describe(const Plan& plan) {
    int size = plan.pack_gqa ? geometry_.group : 1;
    rows_.group = {size, plan.pack_gqa ? task_.head : task_.head / geometry_.group,
                   plan.pack_gqa ? task_.head * size : task_.head};
    describe_rows(geometry_, task_.entry, rows_.group, task_.row_begin, task_.rows,
                  Tiles::strip(rows_.isa), &rows_.block);
    return rows_;
  }

  StripState state(int x) {
    int64_t first = int64_t{x} * block_.strip;
    return {m_ + first, l_ + first, o_ + first * geometry_.value_dim};
  }

  // Keys of this split that some row sees. Splits cut the entry's tiles evenly, whatever the rows
  // see, so that a row's result does not depend on the rows beside it.
  void key_range(int32_t* begin, int32_t* end) const {
    int64_t tiles = (int64_t{rows_.entry.kv_len} + kTileKv - 1) / kTileKv;
    int64_t per_split = (tiles + splits_ - 1) / splits_;
    int64_t split_begin = task_.split * per_split * kTileKv;
    int64_t split_end = split_begin + per_split * kTileKv;
    *begin = static_cast<int32_t>(std::max<int64_t>(block_.first_key, split_begin));
    *end = static_cast<int32_t>(std::min<int64_t>(block_.end_key, split_end));
  }

  // Finds the next tile: keys from `begin` on, up to end_ or the next multiple of a tile.
  void locate(int32_t begin) {
    const ForwardProblem& p = rows_.problem;
    int32_t head = rows_.group.kv_head;
    next_->keys = 0;
    if (begin >= end_) return;
    next_->key = Tiles::tile_begin(begin);
    next_->keys = std::min(end_, begin / Tiles::kKeys * Tiles::kKeys + Tiles::kKeys) - next_->key;
    int hidden = begin - next_->key;  // no row sees these, and the tensor may hold anything there
    int seen = next_->keys - hidden;
    std::fill(next_->k, next_->k + hidden, kZeroRow);
    std::fill(next_->v, next_->v + hidden, kZeroRow);
    kv_rows(p.k, p.paged, rows_.entry, head, begin, seen, next_->k + hidden);
    kv_rows(p.v, p.paged, rows_.entry, head, begin, seen, next_->v + hidden);
  }

  // The part of the next tile that strip x has the time for.
  void prefetch(int x) const {
    int first = x * next_->keys / block_.strips, last = (x + 1) * next_->keys / block_.strips;
    int64_t k_bytes = geometry_.head_dim * dtype_size(rows_.problem.k.dtype);
    int64_t v_bytes = geometry_.value_dim * dtype_size(rows_.problem.v.dtype);
    for (int j = first; j < last; ++j) {
      for (int64_t i = 0; i < k_bytes; i += 64) __builtin_prefetch(next_->k[j] + i, 0, 2);
      for (int64_t i = 0; i < v_bytes; i += 64) __builtin_prefetch(next_->v[j] + i, 0, 2);
    }
  }

  float scale() const {
    const ForwardProblem& problem = rows_.problem;
    float scale = geometry_.scale;
    if (problem.q_descale.data) scale *= problem.q_descale.at(task_.entry, rows_.group.kv_head);
    if (problem.k_descale.data) scale *= problem.k_descale.at(task_.entry, rows_.group.kv_head);
    return scale;
  }

  // Raw products of strip x with the loaded tile, and what makes scores of them.
  Scores multiply_keys(int x, const StripRange& range) {
    int first = x * block_.strip;
    bool alibi = geometry_.alibi.data != nullptr;
    return {tiles_.multiply_keys(x, range.keys),
            range.keys,
            tile_->key,
            block_.lo + first,
            block_.hi + first,
            range.edge,
            scale(),
            geometry_.softcap,
            alibi ? block_.slope + first : nullptr,
            alibi ? block_.diagonal + first : nullptr};
  }

  void fill_keep_bits(int x, int keys) {
    fill_keep(geometry_, task_.entry, block_, x, tile_->key, keys, keep_);
  }

  void attend(int x) {
    StripRange range = strip_range(block_, x, tile_->key, tile_->keys);
    if (range.keys == 0) return;
    Scores scores = multiply_keys(x, range);
    Keep keep;
    if (geometry_.dropout.p > 0) {
      fill_keep_bits(x, range.keys);
      keep = {keep_, static_cast<float>(1.0 / (1.0 - geometry_.dropout.p))};
    }
    tiles_.attend(scores, keep, state(x));
  }

  // S_dmask: exp(score - row maximum), negative where dropped.
  void write_probs() {
    locate(begin_);
    while (advance()) {
      tiles_.load(*tile_, *next_);
      for (int x = 0; x < block_.strips; ++x) {
        StripRange range = strip_range(block_, x, tile_->key, tile_->keys);
        if (range.keys == 0) continue;
        Scores scores = multiply_keys(x, range);
        tiles_.probabilities({scores, state(x).m});
        fill_keep_bits(x, range.keys);
        store_probs(x, scores.s, range.keys);
      }
    }
  }

  void store_probs(int x, const float* s, int keys) {
    const TensorView& probs = rows_.problem.probs;
    int strip = block_.strip;
    float row[kTileKv];
    for (int r = 0; r < std::min(strip, block_.rows - x * strip); ++r) {
      PackedRow id = block_.id[x * strip + r];
      for (int j = 0; j < keys; ++j) {
        float p = s[j * strip + r];
        row[j] = (keep_[j] >> r) & 1u ? p : -p;
      }
      int64_t at = task_.entry * probs.stride[0] + id.q_head * probs.stride[1] +
                   id.q_index * probs.stride[2] + tile_->key;
      rows_.isa.store_row(row, probs.dtype, keys,
                          static_cast<char*>(probs.data) + at * dtype_size(probs.dtype));
    }
  }

  // Normalises, adds the sink, and stores output and LSE of one strip.
  void finish_strip(int x, const Target& target) {
    int strip = block_.strip, first = x * strip;
    const HeadValues& descale = rows_.problem.v_descale;
    float v_descale = descale.data ? descale.at(task_.entry, rows_.group.kv_head) : 1.0f;
    const BatchEntry& entry = rows_.entry;
    float factor[kMaxStrip] = {};
    for (int r = 0; r < std::min(strip, block_.rows - first); ++r) {
      PackedRow id = block_.id[first + r];
      double m = m_[first + r], l = l_[first + r];
      double rescale = 1;
      bool empty = m == -kInfinity;
      if (!geometry_.sink.empty() && task_.split == 0) {
        double sink = double(geometry_.sink[static_cast<size_t>(id.q_head)]) / kLn2;
        double top = std::max(m, sink);
        if (top > -kInfinity) {
          rescale = std::exp2(m - top);
          l = l * rescale + std::exp2(sink - top);
          m = top;
          empty = false;
        }
      }
      factor[r] = empty ? 0.0f : static_cast<float>(rescale / l) * v_descale;
      double lse = empty ? target.empty_lse : (m + std::log2(l)) * kLn2;
      if (!empty && geometry_.alibi_by_column) {
        lse += double(block_.slope[first + r]) * block_.diagonal[first + r];
      }
      target.lse.at(entry.q_row, entry.q_begin + id.q_index, id.q_head) = static_cast<float>(lse);
    }
    store_strip(rows_.isa, state(x).o, factor, target.out, entry, block_, x, geometry_.value_dim);
  }

  const Geometry& geometry_;
  const Task task_;
  const int32_t splits_;
  TaskRows rows_;
  const RowBlock& block_;
  Tiles tiles_;
  TileRows places_[2];
  TileRows *tile_ = &places_[0], *next_ = &places_[1];
  float* o_;  // strips of [Dv][strip]
  float* m_;  // [rows]
  float* l_;
  uint32_t* keep_;               // [kTileKv]
  int32_t begin_ = 0, end_ = 0;  // keys of this split that some row sees
};

// Partials as [splits, rows of q, Hq, tokens, Dv], in the workspace or where the caller asked.
CombineProblem partials(const ForwardProblem& problem, const Plan& plan, char* workspace) {
  const Geometry& g = problem.geometry;
  CombineProblem combine;
  combine.splits = plan.splits;
  combine.rows = g.q_rows;
  combine.heads = g.q_heads;
  combine.tokens = g.q_tokens;
  combine.value_dim = g.value_dim;
  if (problem.out_accum.defined) {
    const TensorView& o = problem.out_accum;
    const TensorView& lse = problem.lse_accum;
    bool padded = !problem.packed_q;
    combine.partial_out = {static_cast<char*>(o.data), DType::kFloat32, padded ? o.stride[1] : 0,
                           o.stride[o.rank - 2], o.stride[o.rank - 3]};
    combine.out_split_stride = o.stride[0];
    combine.partial_lse = {static_cast<float*>(lse.data), padded ? lse.stride[1] : 0,
                           lse.stride[lse.rank - 2], lse.stride[lse.rank - 1]};
    combine.lse_split_stride = lse.stride[0];
  } else {
    ForwardWorkspace regions = forward_workspace(problem, plan);
    int64_t tokens = g.q_tokens, dv = g.value_dim;
    char* out = workspace + regions.rotated_q;
    combine.partial_out = {out, DType::kFloat32, g.q_heads * tokens * dv, dv, tokens * dv};
    combine.out_split_stride = g.q_rows * g.q_heads * tokens * dv;
    combine.partial_lse = {reinterpret_cast<float*>(out + regions.partial_out), g.q_heads * tokens,
                           tokens, 1};
    combine.lse_split_stride = g.q_rows * g.q_heads * tokens;
  }
  combine.out = problem.out;
  combine.lse = problem.lse;
  combine.empty_lse = g.empty_lse;
  return combine;
}

void clear_unused(const ForwardProblem& problem, const CombineProblem* combine) {
  const Geometry& g = problem.geometry;
  for_unused_tokens(g, true, [&](int64_t row, int64_t begin, int64_t end) {
    clear_tokens(problem.out, row, begin, end, g.q_heads, g.value_dim);
    for (int64_t token = begin; token < end; ++token) {
      for (int head = 0; head < g.q_heads; ++head) {
        problem.lse.at(row, token, head) = g.empty_lse;
        for (int split = 0; combine && split < combine->splits; ++split) {
          (&combine->partial_lse.at(row, token, head))[split * combine->lse_split_stride] =
              -kInfinity;
        }
      }
    }
  });
  const TensorView& probs = problem.probs;
  if (!probs.defined || probs.size[3] == 0) return;
  for (int64_t b = 0; b < probs.size[0]; ++b) {
    for (int64_t h = 0; h < probs.size[1]; ++h) {
      for (int64_t i = 0; i < probs.size[2]; ++i) {
        int64_t at = b * probs.stride[0] + h * probs.stride[1] + i * probs.stride[2];
        std::memset(static_cast<char*>(probs.data) + at * dtype_size(probs.dtype), 0,
                    static_cast<size_t>(probs.size[3] * dtype_size(probs.dtype)));
      }
    }
  }
}

// What the tasks of one call have in common.
struct Call {
  const ForwardProblem& problem;
  const TokenView& queries;
  const Plan& plan;
  const Microkernels& isa;
  const Target& target;
};

template <typename Tiles>
void run_task(const Call& call, const Task& task) {
  ForwardTask<Tiles> rows(call.problem, call.queries, call.plan, call.isa, task);
  Scratch& scratch = local_scratch();
  scratch.reset(rows.bytes());
  rows.take(&scratch);
  rows.begin();
  while (rows.advance()) rows.work(rows.upcoming());
  rows.end(call.target);
}

// What is fetched while head `h` works: its share of the next tile of all heads, in the order that
// they have in memory, which prefetchers of the processor then follow.
template <typename Head>
void find_share(const std::vector<Head*>& heads, size_t h, TileRows* share) {
  share->keys = heads.front()->upcoming().keys;
  size_t first = h * static_cast<size_t>(share->keys);  // of the pieces, key by key
  size_t head = first % heads.size(), key = first / heads.size();
  for (int j = 0; j < share->keys; ++j) {
    const TileRows& of_head = heads[head]->upcoming();
    share->k[j] = of_head.k[key];
    share->v[j] = of_head.v[key];
    if (++head < heads.size()) continue;
    head = 0;
    ++key;
  }
}

// The heads of a task take turns, tile by tile. They need no destructor.
template <typename Tiles>
void run_heads(const Call& call, const Task& task) {
  using Head = ForwardTask<Tiles>;
  static thread_local Scratch places;
  places.reset(task.heads * Scratch::bytes<Head>(1));
  std::vector<Head*> heads;
  heads.reserve(static_cast<size_t>(task.heads));
  int64_t bytes = 0;
  for (int32_t h = 0; h < task.heads; ++h) {
    Task of_head = task;
    of_head.head += h;
    heads.push_back(new (places.take<Head>(1))
                        Head(call.problem, call.queries, call.plan, call.isa, of_head));
    bytes += heads.back()->bytes();
  }
  Scratch& scratch = local_scratch();
  scratch.reset(bytes);
  for (Head* head : heads) {
    head->take(&scratch);
    head->tiles().share_scores(heads.front()->tiles());
    head->begin();
  }
  TileRows ahead;
  for (;;) {
    bool more = false;
    for (Head* head : heads) more = head->advance();
    if (!more) break;
    for (size_t h = 0; h < heads.size(); ++h) {
      find_share(heads, h, &ahead);
      heads[h]->work(ahead);
    }
  }
  for (Head* head : heads) head->end(call.target);
}

bool take_pairs(const ForwardProblem& problem, const Microkernels& isa) {
  return isa.pairs && PairTiles::take_dtypes(problem);
}

// The tiles of a task.
void run(const Call& call, const Task& task) {
  const Geometry& g = call.problem.geometry;
  int64_t rows = g.entries[static_cast<size_t>(task.entry)].q_len;
  if (call.plan.pack_gqa) rows *= g.group;
  bool pairs = take_pairs(call.problem, call.isa);
  if (rows <= call.plan.few_rows) {
    pairs ? run_heads<FewPairTiles>(call, task) : run_heads<FewTiles>(call, task);
  } else {
    pairs ? run_task<PairTiles>(call, task) : run_task<Fp32Tiles>(call, task);
  }
}

}  // namespace

int32_t few_rows(const ForwardProblem& problem) {
  const Microkernels& isa = microkernels();
  if (take_pairs(problem, isa)) return FewPairTiles::kMostRows;
  if (!FewTiles::take_dtypes(problem)) return 0;
  return std::min(isa.strip, FewTiles::kMostRows);
}

void run_forward(const ForwardProblem& problem, const Plan& plan, void* workspace) {
  const Microkernels& isa = microkernels();
  char* memory = static_cast<char*>(workspace);
  TokenView queries = append_and_rotate(problem, plan, isa, memory);
  CombineProblem combine = partials(problem, plan, memory);
  bool split = plan.splits > 1;
  clear_unused(problem, split ? &combine : nullptr);
  TaskList tasks(problem.geometry, plan);
  parallel_for(plan.threads, tasks.size(), [&](int64_t index) {
    Task task = tasks.at(index);
    Target target = {problem.out, problem.lse, problem.geometry.empty_lse};
    if (split) {
      target = {combine.partial_out, combine.partial_lse, -kInfinity};
      target.out.data += task.split * combine.out_split_stride * 4;
      target.lse.data += task.split * combine.lse_split_stride;
    }
    run({problem, queries, plan, isa, target}, task);
  });
  if (split) run_combine(combine, isa, plan.threads);
}

}  // namespace fa::cpu
