// Calls of the core on several threads, for the thread sanitizer, which does not know OpenMP: the
// process has none, so the core starts threads of its own. Results must be those of one thread.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "fa/attention.h"

namespace {

using fa::DType;
using fa::TensorView;

struct Shape {
  const char* name;
  DType dtype;
  int64_t batch, queries, keys, q_heads, kv_heads, dim;
  bool causal;
  int64_t splits;
  bool backward;
};

constexpr Shape kShapes[] = {
    {"prefill", DType::kFloat32, 2, 70, 150, 4, 2, 40, true, 1, false},
    {"prefill of bf16", DType::kBFloat16, 2, 70, 150, 4, 2, 40, true, 1, false},
    {"splits", DType::kFloat32, 1, 3, 1100, 4, 2, 64, false, 3, false},
    {"decode", DType::kBFloat16, 2, 1, 1500, 8, 4, 64, true, 0, false},
    {"decode of fp16", DType::kFloat16, 2, 1, 1500, 8, 4, 64, true, 0, false},
    {"backward", DType::kFloat32, 1, 150, 300, 2, 1, 40, true, 1, true},
    {"backward of bf16", DType::kBFloat16, 1, 150, 300, 4, 2, 40, true, 1, true},
};

[[noreturn]] void fail(const Shape& shape, const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", shape.name, message.c_str());
  std::exit(1);
}

void check(const Shape& shape, const fa::Status& status) {
  if (!status.ok()) fail(shape, status.message);
}

// A contiguous tensor and its memory.
class Tensor {
 public:
  Tensor(DType dtype, std::vector<int64_t> sizes) {
    view_.dtype = dtype;
    view_.defined = true;
    view_.rank = static_cast<int>(sizes.size());
    int64_t count = 1;
    for (int i = view_.rank - 1; i >= 0; --i) {
      view_.size[i] = sizes[static_cast<size_t>(i)];
      view_.stride[i] = count;
      count *= view_.size[i];
    }
    bytes_.resize(static_cast<size_t>(count * fa::dtype_size(dtype)));
    view_.data = bytes_.data();
  }
  Tensor(const Tensor&) = delete;

  // Numbers between 0.5 and 2 with either sign, whatever the dtype.
  void fill(uint32_t seed) {
    size_t size = static_cast<size_t>(fa::dtype_size(view_.dtype));
    for (size_t i = size - 1; i < bytes_.size(); i += size) {
      seed = seed * 1664525u + 1013904223u;
      bytes_[i] = static_cast<unsigned char>(seed >> 31 ? 0xbf : 0x3f);
      bytes_[i - 1] = static_cast<unsigned char>(seed >> 16);
    }
  }

  const TensorView& view() const { return view_; }
  const std::vector<unsigned char>& bytes() const { return bytes_; }

 private:
  TensorView view_;
  std::vector<unsigned char> bytes_;
};

// The bytes of all results.
std::vector<unsigned char> run(const Shape& s, int threads) {
  std::vector<int64_t> of_q = {s.batch, s.queries, s.q_heads, s.dim};
  std::vector<int64_t> of_k = {s.batch, s.keys, s.kv_heads, s.dim};
  Tensor q(s.dtype, of_q), k(s.dtype, of_k), v(s.dtype, of_k), out(s.dtype, of_q);
  Tensor lse(DType::kFloat32, {s.batch, s.q_heads, s.queries});
  q.fill(1);
  k.fill(2);
  v.fill(3);
  fa::ForwardCall call;
  call.q = q.view();
  call.k = k.view();
  call.v = v.view();
  call.out = out.view();
  call.lse = lse.view();
  call.mask.causal = s.causal;
  call.score.scale = 0.1;
  call.options.threads = threads;
  call.options.num_splits = s.splits;
  call.api = fa::Api::kV3;
  fa::ForwardProblem problem;
  fa::Plan plan;
  check(s, fa::prepare_forward(call, &problem, &plan));
  if (plan.threads != threads) fail(s, "too little work for so many threads");
  std::vector<double> workspace(static_cast<size_t>(plan.workspace_bytes / 8 + 16));
  fa::Execution execution;
  execution.workspace = workspace.data();
  check(s, fa::run_forward(problem, plan, execution));
  std::vector<unsigned char> bytes = out.bytes();
  bytes.insert(bytes.end(), lse.bytes().begin(), lse.bytes().end());
  if (!s.backward) return bytes;

  Tensor dout(s.dtype, of_q), dq(s.dtype, of_q), dk(s.dtype, of_k), dv(s.dtype, of_k);
  dout.fill(4);
  fa::BackwardCall gradient;
  gradient.dout = dout.view();
  gradient.q = q.view();
  gradient.k = k.view();
  gradient.v = v.view();
  gradient.out = out.view();
  gradient.lse = lse.view();
  gradient.dq = dq.view();
  gradient.dk = dk.view();
  gradient.dv = dv.view();
  gradient.mask = call.mask;
  gradient.score = call.score;
  gradient.options = call.options;
  gradient.api = call.api;
  fa::BackwardProblem backward;
  check(s, fa::prepare_backward(gradient, &backward, &plan));
  workspace.resize(static_cast<size_t>(plan.workspace_bytes / 8 + 16));
  execution.workspace = workspace.data();
  check(s, fa::run_backward(backward, plan, execution));
  for (const Tensor* tensor : {&dq, &dk, &dv}) {
    bytes.insert(bytes.end(), tensor->bytes().begin(), tensor->bytes().end());
  }
  return bytes;
}

}  // namespace

int main() {
  for (const std::string& isa : fa::cpu_isas()) {
    if (!fa::set_cpu_isa(isa).ok()) return 1;
    for (const Shape& shape : kShapes) {
      std::vector<unsigned char> expected = run(shape, 1);
      if (run(shape, 3) != expected) fail(shape, "three threads give another result on " + isa);
      // Two callers at a time, each with threads of its own.
      bool same[2] = {};
      std::thread other([&] { same[1] = run(shape, 2) == expected; });
      same[0] = run(shape, 2) == expected;
      other.join();
      if (!same[0] || !same[1]) fail(shape, "two callers disturb each other on " + isa);
      std::printf("%s on %s: the same bits\n", shape.name, isa.c_str());
    }
  }
  return 0;
}
