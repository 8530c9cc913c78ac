// LocalTensor and GlobalTensor: an address in a memory, counted in elements.
#pragma once

#include "ascendc/base.h"
#include "ascsim/machine.h"
#include "ascsim/ops_scalar.h"

namespace AscendC {

using ascsim::Site;

struct TBuffAddr {
  uint32_t dataLen = 0;
  uint32_t bufferAddr = 0;
  uint8_t logicPos = static_cast<uint8_t>(TPosition::VECCALC);
};

template <typename T>
class LocalTensor {
 public:
  using PrimType = T;

  LocalTensor() = default;
  LocalTensor(TPosition position, uint32_t address, uint32_t elements) {
    address_.bufferAddr = buffer_at(position, address);
    address_.logicPos = static_cast<uint8_t>(position);
    address_.dataLen = static_cast<uint32_t>(ascsim::bytes_of(dtype_of<T>(), elements));
  }

  LocalTensor operator[](uint32_t offset) const {
    LocalTensor moved = *this;
    const auto bytes = static_cast<uint32_t>(ascsim::bytes_of(dtype_of<T>(), offset));
    moved.address_.bufferAddr += bytes;
    moved.address_.dataLen -= std::min(bytes, address_.dataLen);
    return moved;
  }
  // A cast from bytes makes a buffer out of raw memory; from any other type it is a view of one.
  template <typename U>
  LocalTensor<U> ReinterpretCast() const {
    TBuffAddr address = address_;
    if constexpr (std::is_same_v<T, uint8_t> && !std::is_same_v<U, uint8_t>) {
      address.bufferAddr =
          LocalTensor<U>::buffer_at(static_cast<TPosition>(address.logicPos), address.bufferAddr);
    }
    LocalTensor<U> other;
    other.SetAddr(address);
    return other;
  }

  T GetValue(uint32_t index, Site site = Site::here()) const {
    T value;
    ascsim::scalar_load(operand(index), &value, sizeof(T), site);
    return value;
  }
  template <typename S>
  void SetValue(uint32_t index, S value, Site site = Site::here()) const {
    const T converted = static_cast<T>(value);
    ascsim::scalar_store(operand(index), &converted, sizeof(T), site);
  }

  void SetAddr(const TBuffAddr& address) { address_ = address; }
  uint64_t GetPhyAddr(uint32_t offset = 0) const { return operand(offset).address; }
  int32_t GetPosition() const { return address_.logicPos; }
  uint32_t GetSize() const {
    return address_.dataLen * 8 / static_cast<uint32_t>(ascsim::bits_of(dtype_of<T>()));
  }
  uint32_t GetLength() const { return address_.dataLen; }
  void SetSize(uint32_t elements) {
    address_.dataLen = static_cast<uint32_t>(ascsim::bytes_of(dtype_of<T>(), elements));
  }
  void SetBufferLen(uint32_t elements) { SetSize(elements); }

  // For the simulator.
  ascsim::Operand operand(uint32_t offset = 0) const {
    ascsim::Operand at;
    at.memory = memory_of(static_cast<TPosition>(address_.logicPos));
    at.dtype = dtype_of<T>();
    at.address =
        address_.bufferAddr + static_cast<uint64_t>(ascsim::bytes_of(dtype_of<T>(), offset));
    return at;
  }

 private:
  template <typename>
  friend class LocalTensor;

  // Raw bytes are a whole memory to be divided, not a buffer.
  static uint32_t buffer_at(TPosition position, uint32_t address) {
    if constexpr (std::is_same_v<T, uint8_t>) return address;
    return static_cast<uint32_t>(ascsim::machine().buffer_address(memory_of(position), address));
  }

  TBuffAddr address_;
};

template <typename T>
class GlobalTensor {
 public:
  using PrimType = T;

  // The buffer that the pointer lies in is the one that all accesses must stay in.
  void SetGlobalBuffer(__gm__ T* buffer, uint64_t elements) {
    address_ = reinterpret_cast<uint64_t>(buffer);
    size_ = elements;
    buffer_ = ascsim::machine().gm.find(address_);
  }
  void SetGlobalBuffer(__gm__ T* buffer) { SetGlobalBuffer(buffer, 0); }

  GlobalTensor operator[](uint64_t offset) const {
    GlobalTensor moved = *this;
    moved.address_ +=
        static_cast<uint64_t>(ascsim::bytes_of(dtype_of<T>(), static_cast<int64_t>(offset)));
    return moved;
  }
  template <typename U>
  GlobalTensor<U> ReinterpretCast() const {
    GlobalTensor<U> other;
    other.assign(address_, buffer_, cached_);
    return other;
  }

  T GetValue(uint64_t offset, Site site = Site::here()) const {
    T value;
    ascsim::scalar_load(operand(offset), &value, sizeof(T), site);
    return value;
  }
  void SetValue(uint64_t offset, T value, Site site = Site::here()) const {
    ascsim::scalar_store(operand(offset), &value, sizeof(T), site);
  }

  __gm__ T* GetPhyAddr(uint64_t offset = 0) const {
    return reinterpret_cast<T*>(operand(offset).address);
  }
  uint64_t GetSize() const { return size_; }
  template <CacheRwMode mode = CacheRwMode::RW>
  void SetL2CacheHint(CacheMode hint) {
    cached_ = hint != CacheMode::CACHE_MODE_DISABLE;
  }

  // For the simulator.
  bool cached() const { return cached_; }
  void assign(uint64_t address, int32_t buffer, bool cached) {
    address_ = address;
    buffer_ = buffer;
    cached_ = cached;
  }
  ascsim::Operand operand(uint64_t offset = 0) const {
    ascsim::Operand at;
    at.memory = ascsim::Memory::kGm;
    at.dtype = dtype_of<T>();
    at.buffer = buffer_;
    at.address = address_ + static_cast<uint64_t>(
                                ascsim::bytes_of(dtype_of<T>(), static_cast<int64_t>(offset)));
    return at;
  }

 private:
  uint64_t address_ = 0;
  uint64_t size_ = 0;
  int32_t buffer_ = -1;
  bool cached_ = true;
};

}  // namespace AscendC
