// TPipe and TBuf as far as static buffer plans need them: one buffer after the other in each
// memory. Queues (TQue) are not modelled; kernels place their own flags.
#pragma once

#include <array>

#include "ascendc/tensor.h"
#include "ascsim/soc.h"

namespace AscendC {

class TPipe;

template <TPosition position = TPosition::VECCALC>
class TBuf {
 public:
  template <typename T>
  LocalTensor<T> Get() const {
    return Get<T>(bytes_ / sizeof(T));
  }
  template <typename T>
  LocalTensor<T> Get(uint32_t elements) const {
    return LocalTensor<T>(position, begin_, elements);
  }

 private:
  friend class TPipe;
  uint32_t begin_ = 0;
  uint32_t bytes_ = 0;
};

class TPipe {
 public:
  TPipe() { current_ = this; }
  ~TPipe() {
    if (current_ == this) current_ = nullptr;
  }

  template <TPosition position>
  bool InitBuffer(TBuf<position>& buffer, uint32_t bytes) {
    uint32_t& next = next_[static_cast<size_t>(memory_of(position))];
    buffer.begin_ = next;
    buffer.bytes_ = (bytes + 31) / 32 * 32;
    // A buffer that takes its whole memory starts at 0: that is how plans of their own are made.
    if (buffer.begin_ + buffer.bytes_ > ascsim::capacity_of(memory_of(position))) buffer.begin_ = 0;
    next = buffer.begin_ + buffer.bytes_;
    return true;
  }
  void Destroy() { Reset(); }
  void Reset() { next_ = {}; }

  static TPipe* current() { return current_; }
  // For the simulator: where the part of UB begins that no buffer has.
  static uint32_t free_begin() {
    return current_ == nullptr ? 0 : current_->next_[static_cast<size_t>(ascsim::Memory::kUb)];
  }

 private:
  std::array<uint32_t, 8> next_{};
  // Each pass is a library of its own and a kernel runs to its next wait before another core goes
  // on, but several cores hold pipes at once: only construction looks at this pointer.
  static inline TPipe* current_ = nullptr;
};

}  // namespace AscendC

inline AscendC::TPipe* GetTPipePtr() { return AscendC::TPipe::current(); }
