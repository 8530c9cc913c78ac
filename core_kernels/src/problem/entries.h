#pragma once

// Lengths of every batch entry, read on the host and checked by value.

#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

// One side (queries or keys) before caches are considered.
struct SideLengths {
  int64_t row = 0;
  int64_t begin = 0;
  int64_t length = 0;    // what is used
  int64_t capacity = 0;  // what the tensor gives the entry
};

// Layout of one side: packed when cu_seqlens is given, else padded with `tokens` each.
struct Side {
  const char* name;  // "q" or "k", for messages
  const TensorView* cu_seqlens;
  const TensorView* used;
  int64_t max_seqlen;  // -1 = not given
  int64_t tokens;      // tokens of the tensor per row
  bool lengths_only;   // paged with cu_seqlens (v2): only the differences count
};

Status side_lengths(const Side& side, int64_t entry, SideLengths* lengths);

// Sets geometry->max_q_len and max_kv_len to what shapes and max_seqlen allow.
Status length_bounds(const LengthViews& lengths, Geometry* geometry);

// Fills geometry->entries from `call` and checks lengths, capacities and page ids.
Status forward_entries(const ForwardCall& call, const PagedLayout& paged, Geometry* geometry);
Status backward_entries(const BackwardCall& call, Geometry* geometry);

}  // namespace fa
