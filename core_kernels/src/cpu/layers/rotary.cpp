// Rotary embedding: a token's angles are read once and serve all its heads.

#include <cstring>

#include "cpu/layers/rows.h"
#include "cpu/scratch.h"
#include "fa/layers.h"
#include "problem/layers.h"

namespace fa {
namespace cpu {
namespace {

// Memory of a task: the angles of a token and a head before and after.
struct Buffers {
  float* cos;
  float* sin;
  float* before;
  float* after;

  explicit Buffers(int64_t half) {
    Scratch& scratch = local_scratch();
    scratch.reset(6 * Scratch::bytes<float>(half));
    cos = scratch.take<float>(half);
    sin = scratch.take<float>(half);
    before = scratch.take<float>(2 * half);
    after = scratch.take<float>(2 * half);
  }
};

struct Token {
  int64_t batch;     // row of x, 0 if packed
  int64_t index;     // within the row
  int64_t position;  // of the angles, -1 if it stays as it is
};

class Rotation {
 public:
  explicit Rotation(const RotaryCall& call)
      : call_(call),
        packed_(call.cu_seqlens.defined),
        first_(packed_ ? 0 : 1),
        tokens_(call.x.size[first_]),
        heads_(call.x.size[first_ + 1]),
        dim_(call.x.size[first_ + 2]),
        half_(call.cos.size[1]),
        in_place_(call.x.data == call.out.data) {}

  int64_t tokens() const { return packed_ ? tokens_ : call_.x.size[0] * tokens_; }
  int64_t elements_per_token() const { return heads_ * dim_; }

  void run(int64_t begin, int64_t end) const {
    Buffers buffers(half_);
    int64_t entry = packed_ ? entry_of(begin) : 0;
    for (int64_t i = begin; i < end; ++i) {
      if (packed_) {
        while (entry < entries() && i >= index_at(call_.cu_seqlens, entry + 1)) ++entry;
      }
      Token token = packed_ ? packed_token(i, entry) : padded_token(i);
      if (token.position < 0 || token.position >= call_.cos.size[0]) {
        if (!in_place_) copy_heads(token, 0);
      } else {
        rotate(token, buffers);
      }
    }
  }

 private:
  int64_t entries() const { return call_.cu_seqlens.size[0] - 1; }

  int64_t entry_of(int64_t token) const {
    int64_t low = 0, high = entries();
    while (low < high) {
      int64_t middle = (low + high) / 2;
      if (index_at(call_.cu_seqlens, middle + 1) <= token) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  int64_t start(int64_t entry) const {
    return call_.offsets.defined ? index_at(call_.offsets, entry) : call_.offset;
  }

  Token packed_token(int64_t i, int64_t entry) const {
    if (entry >= entries()) return {0, i, -1};
    int64_t begin = index_at(call_.cu_seqlens, entry);
    return {0, i, i < begin ? -1 : i - begin + start(entry)};
  }

  Token padded_token(int64_t i) const {
    int64_t batch = i / tokens_, index = i % tokens_;
    return {batch, index, index + start(batch)};
  }

  char* head(const TensorView& view, const Token& token, int64_t h) const {
    int64_t offset = token.index * view.stride[first_] + h * view.stride[first_ + 1];
    if (!packed_) offset += token.batch * view.stride[0];
    return address(view, offset);
  }

  // Dims from `begin` of all heads.
  void copy_heads(const Token& token, int64_t begin) const {
    const int64_t size = dtype_size(call_.x.dtype);
    if (begin == dim_) return;
    for (int64_t h = 0; h < heads_; ++h) {
      std::memcpy(head(call_.out, token, h) + begin * size, head(call_.x, token, h) + begin * size,
                  static_cast<size_t>((dim_ - begin) * size));
    }
  }

  void rotate(const Token& token, const Buffers& b) const {
    const int half = static_cast<int>(half_);
    const Microkernels& isa = microkernels();
    const RowKernels& rows = row_kernels();
    isa.load_row(row_of(call_.cos, token.position), call_.cos.dtype, half, b.cos);
    isa.load_row(row_of(call_.sin, token.position), call_.sin.dtype, half, b.sin);
    if (call_.conjugate) {
      for (int i = 0; i < half; ++i) b.sin[i] = -b.sin[i];
    }
    auto turn = call_.interleaved ? rows.rotate_pairs : rows.rotate_halves;
    for (int64_t h = 0; h < heads_; ++h) {
      isa.load_row(head(call_.x, token, h), call_.x.dtype, 2 * half, b.before);
      turn(b.before, b.cos, b.sin, half, b.after);
      isa.store_row(b.after, call_.x.dtype, 2 * half, head(call_.out, token, h));
    }
    if (!in_place_) copy_heads(token, 2 * half_);
  }

  const RotaryCall& call_;
  bool packed_;
  int first_;  // dimension of the tokens
  int64_t tokens_, heads_, dim_, half_;
  bool in_place_;
};

}  // namespace
}  // namespace cpu

Status rotary(const RotaryCall& call) {
  FA_RETURN_IF_ERROR(check_rotary(call));
  cpu::Rotation rotation(call);
  cpu::for_row_ranges(call.threads, rotation.tokens(),
                      cpu::rows_per_task(rotation.elements_per_token()),
                      [&](int64_t begin, int64_t end) { rotation.run(begin, end); });
  return {};
}

}  // namespace fa
