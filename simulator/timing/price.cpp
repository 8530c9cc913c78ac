#include "timing/price.h"

#include <algorithm>
#include <cmath>

namespace ascsim {

namespace {

double groups(uint32_t n, uint32_t of) { return (n + of - 1) / of; }

// Columns of A that one step of the cube takes ("Cube指令理论性能汇总").
uint32_t k_step(const MmadWork& work) {
  switch (work.dtype) {
    case DType::kInt4:
      return 64;
    case DType::kInt8:
    case DType::kUint8:
      return 32;
    case DType::kFp32:
      return work.hf32 ? 8 : 4;
    default:
      return 16;
  }
}

}  // namespace

PriceList::PriceList(const Profile& profile)
    : profile_(profile), banks_(static_cast<int>(profile.vector_write_delay)) {}

Price PriceList::price(const Work& work) {
  return std::visit([this](const auto& w) { return of(w); }, work);
}

Price PriceList::of(const ScalarWork& work) const {
  Price price;
  switch (work.kind) {
    case ScalarKind::kSetState:
      price.occupancy = profile_.scalar_cycles;
      break;
    case ScalarKind::kMoveMask:
      price.occupancy = profile_.move_mask_cycles;
      break;
    case ScalarKind::kLoad:
      price.occupancy = profile_.scalar_load_cycles;
      break;
    case ScalarKind::kStore:
      price.occupancy = profile_.scalar_store_cycles;
      break;
    case ScalarKind::kCacheClean:
      price.occupancy = profile_.cache_clean_cycles;
      break;
  }
  price.occupancy *= work.count;
  return price;
}

Price PriceList::of(const VectorWork& work) {
  const VectorPrice& v = profile_.vector[static_cast<size_t>(work.op)];
  Price price;
  price.occupancy = banks_.repeats_cycles(work, bits_of(work.dtype) >= 32 ? v.cycles4 : v.cycles2);
  price.latency = v.head;
  return price;
}

Price PriceList::of(const MmadWork& work) const {
  Price price;
  price.occupancy =
      groups(work.m, 16) * groups(work.n, 16) * groups(work.k, k_step(work)) + profile_.mmad_head;
  price.latency = profile_.mmad_latency;
  return price;
}

Price PriceList::of(const LoadWork& work) const {
  Price price;
  price.latency = work.kind == LoadKind::k3d ? profile_.load3d_latency : profile_.load2d_latency;
  double rate = work.to == Memory::kL0b ? profile_.l0b_rate : profile_.l0a_rate;
  if (work.kind == LoadKind::kToBt || work.kind == LoadKind::kToFb) rate = profile_.table_rate;
  if (work.kind == LoadKind::kFill && work.to == Memory::kL1) rate = profile_.fill_rate;
  price.occupancy = std::max(1.0, std::ceil(work.bytes / rate));
  return price;
}

Price PriceList::of(const MoveWork& work) const {
  Price price;
  if (work.path == MovePath::kFillL1) {
    const double bytes = static_cast<double>(work.runs) * work.run_bytes;
    price.occupancy = std::max(1.0, std::ceil(bytes / profile_.fill_rate));
    price.latency = profile_.load2d_latency;
    return price;
  }
  price.gm = true;
  price.latency = profile_.read_latency;
  switch (work.path) {
    case MovePath::kGmToUb:
      price.port_rate = profile_.gm_ub_rate;
      break;
    case MovePath::kUbToGm:
      price.port_rate = profile_.ub_gm_rate;
      break;
    case MovePath::kL1ToGm:
      price.port_rate = profile_.l1_gm_rate;
      break;
    default:
      price.port_rate = profile_.gm_l1_rate;
      break;
  }
  if (work.path == MovePath::kUbToGm || work.path == MovePath::kL1ToGm) {
    price.latency = profile_.write_latency;
  }
  const bool joined = work.run_stride == static_cast<int64_t>(work.run_bytes);
  price.least_cycles =
      std::max(profile_.dma_cycles, joined ? 0.0 : work.runs * profile_.run_cycles);
  return price;
}

Price PriceList::of(const FixpipeWork& work) const {
  Price price;
  if (!work.to_gm) {
    const double bytes = static_cast<double>(work.m) * work.n * work.matrices * 4;
    price.occupancy = std::max(1.0, std::ceil(bytes / profile_.fix_l1_rate));
    price.latency = profile_.fix_latency;
    return price;
  }
  price.gm = true;
  price.port_rate = profile_.fix_gm_rate;
  price.latency = profile_.write_latency;
  price.least_cycles = std::max(profile_.dma_cycles, work.runs * profile_.run_cycles);
  return price;
}

}  // namespace ascsim
