#pragma once

// GM to L1: rows of queries, keys and values with any strides, packed or in pages, as few copies as
// the layout allows. L1 holds tiles as columns of 16 elements (zN), `pitch` rows each.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/row_copy.h"
#include "npu/kernels/schedule.h"
#include "npu/kernels/status.h"
#include "problem/page_map.h"

namespace fa::npu {

// Columns [first, first + count) of the head dim.
struct Columns {
  int32_t first;
  int32_t count;
};

// Tokens [begin, end) of a tile.
struct TokenRange {
  int32_t begin;
  int32_t end;
};

// Rows in L1: every column of 16 elements has `pitch` rows; a copy fills each `step`-th.
struct L1Rows {
  int32_t pitch;
  int32_t step;
};

template <typename T>
__aicore__ inline AscendC::LocalTensor<T> l1_tensor(int32_t at, int32_t bytes) {
  return AscendC::LocalTensor<T>(AscendC::TPosition::A1, static_cast<uint32_t>(at),
                                 static_cast<uint32_t>(bytes) / sizeof(T));
}

template <typename T>
__aicore__ inline void copy_whole_rows(const AscendC::LocalTensor<T>& to,
                                       const AscendC::GlobalTensor<T>& from, int32_t rows,
                                       int64_t row_stride, int32_t columns, L1Rows place) {
  const bool one_copy = rows == 1 || (row_stride > 0 && row_stride <= Arch::kMaxNd2NzStride);
  AscendC::Nd2NzParams params;
  params.ndNum = 1;
  params.nValue = static_cast<uint16_t>(one_copy ? rows : 1);
  params.dValue = static_cast<uint16_t>(columns);
  params.srcDValue = static_cast<uint16_t>(one_copy && rows > 1 ? row_stride : 1);
  params.dstNzC0Stride = static_cast<uint16_t>(place.pitch);
  params.dstNzNStride = static_cast<uint16_t>(place.step);
  if (one_copy) return AscendC::DataCopy(to, from, params);
  for (int32_t row = 0; row < rows; ++row) {
    AscendC::DataCopy(to[static_cast<uint32_t>(row * place.step * Arch::kFractal)],
                      from[static_cast<uint64_t>(row * row_stride)], params);
  }
}

// How rows lie in the lines of L2, in elements. A row that begins inside of a line and ends in
// another one is requested as whole lines, up to twice its bytes.
struct LineGrid {
  int32_t line;    // elements of a line
  int32_t begin;   // of the first row, in its line
  int64_t stride;  // from row to row
  int32_t columns;

  // Rows until one lies like the first one; 0 if that is too far away.
  __aicore__ inline int32_t period() const {
    constexpr int32_t kMost = 4;
    for (int32_t rows = 1; rows <= kMost; rows *= 2) {
      if (stride * rows % line == 0) return rows;
    }
    return 0;
  }
  // Columns of a row up to the end of its first line; 0 if it needs no cut.
  __aicore__ inline int32_t cut(int32_t row) const {
    const int32_t at = static_cast<int32_t>((begin + row * stride) % line);
    if (at == 0 || at + columns <= line || at % Arch::kFractal != 0) return 0;
    return line - at;
  }
};

// Rows that cross lines come in two copies, cut where the second line begins.
template <typename T>
__aicore__ inline void copy_rows(const AscendC::LocalTensor<T>& to,
                                 const AscendC::GlobalTensor<T>& from, int32_t rows,
                                 int64_t row_stride, int32_t columns, L1Rows place) {
  constexpr int32_t kLine = Arch::kLineBytes / static_cast<int32_t>(sizeof(T));
  const uint64_t address = reinterpret_cast<uint64_t>(from.GetPhyAddr());
  const int32_t begin = static_cast<int32_t>(address / sizeof(T) % kLine);
  const LineGrid grid{kLine, begin, row_stride, columns};
  const int32_t period = rows > 1 && row_stride > columns ? grid.period() : 0;
  bool cut = false;
  for (int32_t row = 0; row < period; ++row) cut |= grid.cut(row) != 0;
  if (!cut || row_stride * period > Arch::kMaxNd2NzStride) {
    return copy_whole_rows(to, from, rows, row_stride, columns, place);
  }
  for (int32_t row = 0; row < lesser(period, rows); ++row) {
    const int32_t count = (rows - row + period - 1) / period, first = grid.cut(row);
    const L1Rows each{place.pitch, place.step * period};
    const AscendC::GlobalTensor<T> source = from[static_cast<uint64_t>(row * row_stride)];
    const int32_t at = row * place.step * Arch::kFractal;
    if (first != 0) {
      copy_whole_rows(to[static_cast<uint32_t>(at)], source, count, row_stride * period, first,
                      each);
    }
    copy_whole_rows(to[static_cast<uint32_t>(at + first * place.pitch)],
                    source[static_cast<uint64_t>(first)], count, row_stride * period,
                    columns - first, each);
  }
}

// Keys or values of an int8 cache, which the vector cores have cast: rows of a unit's stack, `dim`
// columns each.
template <typename T>
__aicore__ inline void load_stack_rows(const AscendC::LocalTensor<T>& to,
                                       const AscendC::GlobalTensor<T>& stack, int32_t first,
                                       int32_t count, int32_t dim, Columns columns) {
  const int32_t pitch = stack_pitch(dim);
  copy_rows(to, stack[static_cast<uint64_t>(first * pitch + columns.first)], count, pitch,
            columns.count, {round_up(count, Arch::kFractal), 1});
}

// The rows of a task: queries with their packed heads beside each other.
template <typename T>
class QueryLoader {
 public:
  __aicore__ inline QueryLoader(const TensorArg& arg, int32_t columns)
      : arg_(arg), columns_(columns) {
    gm_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(arg.address));
  }

  // As few copies as there are heads, or queries.
  __aicore__ inline void load(const AscendC::LocalTensor<T>& to, const Task& task) const {
    const int32_t size = task.heads.size, queries = task.rows / size;
    const int32_t pitch = round_up(task.rows, Arch::kFractal);
    for (int32_t query = 0; queries < size && query < queries; ++query) {
      copy_rows(to[static_cast<uint32_t>(query * size * Arch::kFractal)],
                gm_[offset(task, query, 0)], size, arg_.head_stride, columns_, {pitch, 1});
    }
    for (int32_t member = 0; queries >= size && member < size; ++member) {
      copy_rows(to[static_cast<uint32_t>(member * Arch::kFractal)], gm_[offset(task, 0, member)],
                queries, arg_.seq_stride, columns_, {pitch, size});
    }
  }

 private:
  __aicore__ inline uint64_t offset(const Task& task, int32_t query, int32_t member) const {
    const int64_t token = static_cast<int64_t>(task.q.first) + task.first_query + query;
    const int64_t head = static_cast<int64_t>(task.heads.first_q_head) + member;
    return static_cast<uint64_t>(task.batch * arg_.batch_stride + token * arg_.seq_stride +
                                 head * arg_.head_stride);
  }

  TensorArg arg_;
  int32_t columns_;
  AscendC::GlobalTensor<T> gm_;
};

// One row of the page table. An id that the cache does not have becomes its nearest one: what is
// read then means nothing, but it lies inside the cache.
struct PageRow {
  AscendC::GlobalTensor<int32_t> ids;
  int32_t page_count;
  int32_t entry;
  const StatusLine& status;

  __aicore__ inline int64_t operator[](int64_t index) const {
    const int32_t id = ids.GetValue(static_cast<uint64_t>(index));
    return status.checked(WrongValue::kPage, entry, id, page_count - 1);
  }
};

// Tokens of one KV head: of keys or of values.
template <typename T>
class TokenLoader {
 public:
  __aicore__ inline TokenLoader(const TensorArg& arg, const ForwardArgs& args)
      : arg_(arg), pages_(args.pages), status_(args.status) {
    gm_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(arg.address));
    table_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.pages.table));
  }

  // A tile of `count` tokens.
  __aicore__ inline void load(const AscendC::LocalTensor<T>& to, const Task& task, int32_t token,
                              int32_t count, Columns columns) const {
    load_part(to, task, token, count, {0, count}, columns);
  }

  // Of its tokens those of `part`, to where they lie in the whole tile.
  __aicore__ inline void load_part(const AscendC::LocalTensor<T>& to, const Task& task,
                                   int32_t token, int32_t count, TokenRange part,
                                   Columns columns) const {
    const L1Rows place{round_up(count, Arch::kFractal), 1};
    for_runs(task, token + part.begin, part.end - part.begin, columns.first,
             [&](int32_t done, int64_t at, int32_t rows) {
               const int32_t row = part.begin + done;
               copy_rows(to[static_cast<uint32_t>(row * Arch::kFractal)],
                         gm_[static_cast<uint64_t>(at)], rows, arg_.seq_stride, columns.count,
                         place);
             });
  }

  // To UB, `pitch` elements from row to row, zeros behind the columns.
  __aicore__ inline void load_rows_to_ub(const AscendC::LocalTensor<T>& to, const Task& task,
                                         int32_t token, int32_t count, int32_t columns,
                                         int32_t pitch) const {
    for_runs(task, token, count, 0, [&](int32_t done, int64_t at, int32_t rows) {
      load_rows(to[static_cast<uint32_t>(done * pitch)], gm_[static_cast<uint64_t>(at)],
                {rows, columns, arg_.seq_stride, pitch});
    });
  }

 private:
  // copy(rows before, place in GM, rows) for each stretch of tokens that lie in one page.
  template <typename Copy>
  __aicore__ inline void for_runs(const Task& task, int32_t token, int32_t count, int32_t column,
                                  const Copy& copy) const {
    const int64_t head = task.heads.kv_head * arg_.head_stride + column;
    if (pages_.table == 0) {
      const int64_t row = task.kv.row * arg_.batch_stride +
                          (static_cast<int64_t>(task.kv.first) + token) * arg_.seq_stride;
      return copy(0, row + head, count);
    }
    const uint64_t table_row = static_cast<uint64_t>(task.kv.row * pages_.table_stride);
    const BasicPageMap<PageRow> map{{table_[table_row], pages_.page_count, task.batch, status_},
                                    pages_.page_size};
    for (int32_t done = 0; done < count;) {
      const PageRun run = map.run(static_cast<int64_t>(task.kv.first) + token + done, count - done);
      const int64_t row = run.page * arg_.batch_stride + run.slot * arg_.seq_stride;
      copy(done, row + head, static_cast<int32_t>(run.count));
      done += static_cast<int32_t>(run.count);
    }
  }

  TensorArg arg_;
  PageArgs pages_;
  StatusLine status_;
  AscendC::GlobalTensor<T> gm_;
  AscendC::GlobalTensor<int32_t> table_;
};

}  // namespace fa::npu
