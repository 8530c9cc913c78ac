#pragma once

namespace fa {

inline constexpr const char* kCoreVersion = "0.1.0";
// Raised whenever a public struct or function signature changes.
inline constexpr int kAbiVersion = 3;

}  // namespace fa
