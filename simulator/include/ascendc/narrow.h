// A parameter field that is narrower than what kernels compute: keeps the value given, so that an
// operation can report what hardware would silently cut off.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace AscendC {

template <typename T>
class Narrow {
 public:
  constexpr Narrow() = default;
  template <typename V, typename = std::enable_if_t<std::is_arithmetic_v<V> || std::is_enum_v<V>>>
  constexpr Narrow(V value) : given_(static_cast<int64_t>(value)) {}

  constexpr operator T() const { return static_cast<T>(given_); }
  constexpr int64_t given() const { return given_; }
  constexpr bool fits() const {
    return given_ >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
           given_ <= static_cast<int64_t>(std::numeric_limits<T>::max());
  }
  constexpr Narrow& operator+=(int64_t v) {
    given_ += v;
    return *this;
  }
  constexpr Narrow& operator-=(int64_t v) {
    given_ -= v;
    return *this;
  }
  constexpr Narrow& operator*=(int64_t v) {
    given_ *= v;
    return *this;
  }

 private:
  int64_t given_ = 0;
};

}  // namespace AscendC
