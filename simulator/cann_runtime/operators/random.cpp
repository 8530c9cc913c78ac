// Random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011), keyed by the seed. Element i takes 64 bits of block offset + i / 2, so a result depends
// on seed, offset and position only. The chip's own sequences differ.
#include <array>
#include <cmath>

#include "operators/executor.h"
#include "operators/walk.h"

using namespace ascsim::cann;

namespace {

using Block = std::array<uint32_t, 4>;

Block philox(uint64_t key, uint64_t counter) {
  Block c{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53} * c[0];
    const uint64_t second = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(second >> 32) ^ c[1] ^ low, static_cast<uint32_t>(second),
         static_cast<uint32_t>(first >> 32) ^ c[3] ^ high, static_cast<uint32_t>(first)};
    low += 0x9E3779B9;
    high += 0xBB67AE85;
  }
  return c;
}

// Two numbers of 32 bits for each element.
class Generator {
 public:
  Generator(uint64_t seed, uint64_t offset) : seed_(seed), counter_(offset) {}

  std::pair<uint32_t, uint32_t> next() {
    if (!half_) block_ = philox(seed_, counter_++);
    half_ = !half_;
    return half_ ? std::pair{block_[0], block_[1]} : std::pair{block_[2], block_[3]};
  }

 private:
  uint64_t seed_;
  uint64_t counter_;
  Block block_{};
  bool half_ = false;
};

constexpr double kUnit = 1.0 / 4294967296.0;  // 2^-32

// `value(u, v)` with u, v uniform in [0, 1).
template <typename Value>
AclError random(const Request& request, aclTensor* out, Generator generator, Value value) {
  if (out != nullptr && is_integral(out->data_type)) return refuse(request, "integral types");
  return plan(request, {{}, {out}}, [out = copy_of(out), generator, value] {
    const Codec& to = *codec_of(out.data_type);
    Generator numbers = generator;
    walk<1>(out.sizes, {cursor_over(out, out.sizes)}, [&](const auto& at) {
      const auto [u, v] = numbers.next();
      store(to, at[0], value(u * kUnit, v * kUnit));
    });
  });
}

}  // namespace

// The 53 highest of 64 bits. Rounding to a narrow type may give `to` itself, as on the chip.
ACLNN(InplaceUniform, aclTensor* out, double from, double to, uint64_t seed, uint64_t offset) {
  return random(ACLNN_REQUEST, out, Generator(seed, offset),
                [=](double u, double v) { return from + (to - from) * (u + v * kUnit); });
}

// Box and Muller; 1 - u is not zero.
ACLNN(InplaceNormal, aclTensor* out, float mean, float deviation, int64_t seed, int64_t offset) {
  const Generator generator(static_cast<uint64_t>(seed), static_cast<uint64_t>(offset));
  return random(ACLNN_REQUEST, out, generator, [=](double u, double v) {
    constexpr double kTwoPi = 6.283185307179586;
    return mean + deviation * std::sqrt(-2 * std::log(1 - u)) * std::cos(kTwoPi * v);
  });
}
