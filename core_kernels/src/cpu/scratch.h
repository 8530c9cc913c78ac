#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace fa::cpu {

// Per-thread memory for tiles, kept between calls. `reset` starts a task, `take` cuts pieces.
class Scratch {
 public:
  ~Scratch() { std::free(data_); }

  void reset(int64_t bytes) {
    used_ = 0;
    if (bytes <= capacity_) return;
    std::free(data_);
    capacity_ = 0;
    data_ = static_cast<char*>(std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64)));
    if (!data_) throw std::bad_alloc();
    capacity_ = bytes;
  }

  template <typename T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(data_ + used_);
    used_ += bytes<T>(count);
    return piece;
  }

  template <typename T>
  static constexpr int64_t bytes(int64_t count) {
    return (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
  }

 private:
  char* data_ = nullptr;
  int64_t capacity_ = 0;
  int64_t used_ = 0;
};

inline Scratch& local_scratch() {
  static thread_local Scratch scratch;
  return scratch;
}

}  // namespace fa::cpu
