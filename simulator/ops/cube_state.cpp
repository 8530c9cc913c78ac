// Scalar state that loads, Mmad and Fixpipe meet in program order.
#include "ascsim/ops_cube.h"
#include "ops/cube_checks.h"

namespace ascsim {

namespace {

// Issues a write of scalar state; false if a parameter was reported.
class StateWrite {
 public:
  StateWrite(const char* name, Site site) : instruction_(Pipe::kS, name, site) {
    instruction_.work = ScalarWork{ScalarKind::kSetState, 1};
  }
  Instruction& instruction() { return instruction_; }
  ScalarState& commit() {
    instruction_.begin(DType::kNone);
    return instruction_.core().state;
  }

 private:
  Instruction instruction_;
};

}  // namespace

void set_fmatrix(int64_t height, int64_t width, const std::array<int64_t, 4>& padding, bool right,
                 Site site) {
  StateWrite write("SetFmatrix", site);
  bool ok = require_field(write.instruction(), {"l1H", height, 16, 32767});
  ok &= require_field(write.instruction(), {"l1W", width, 16, 32767});
  uint64_t bits = 0;
  for (size_t side = 0; side < padding.size(); ++side) {
    ok &= require_field(write.instruction(), {"padList", padding[side], 8, 255});
    bits |= (static_cast<uint64_t>(padding[side]) & 0xff) << (32 + 8 * side);
  }
  ScalarState& state = write.commit();
  if (!ok) return;
  bits |= static_cast<uint64_t>(height) | static_cast<uint64_t>(width) << 16;
  (right ? state.fmatrix_b : state.fmatrix_a) = bits;
  (right ? state.fmatrix_set_b : state.fmatrix_set_a) = true;
}

void set_load_padding(uint64_t bits, Site site) {
  ScalarState& state = StateWrite("SetLoadDataPaddingValue", site).commit();
  state.load_padding = bits;
  state.load_padding_set = true;
}

void set_hf32(bool on, Site site) { StateWrite("SetHF32Mode", site).commit().hf32 = on; }

void set_hf32_rounding(bool to_even, Site site) {
  StateWrite("SetHF32TransMode", site).commit().hf32_nearest = to_even;
}

void set_mmad_order(bool column_major, Site site) {
  StateWrite("SetMMLayoutTransform", site).commit().column_major_mmad = column_major;
}

void set_fixpipe_scales(const Operand& scales, bool clear_unit_flags, Site site) {
  StateWrite write("SetFixPipeConfig", site);
  const bool ok = require_memory(
      write.instruction(), scales,
      scales.memory == Memory::kFb || (clear_unit_flags && scales.memory == Memory::kL0c), "quant");
  if (scales.memory == Memory::kFb) {
    // The register counts 128 bytes ("SetFixPipeConfig" page, alignment of FB).
    write.instruction().require_aligned(scales, 128, "quant");
  }
  ScalarState& state = write.commit();
  if (!ok) return;
  state.fixpipe_scales_set = scales.memory == Memory::kFb;
  if (state.fixpipe_scales_set) state.fixpipe_scales = static_cast<uint32_t>(scales.address);
  if (clear_unit_flags) {
    auto& flags = write.instruction().core().unit_flags;
    flags.assign(flags.size(), 0);
  }
}

void set_fixpipe_scale(uint64_t scale, Site site) {
  StateWrite("SetFixpipePreQuantFlag", site).commit().fixpipe_quant = scale;
}

void set_fixpipe_matrices(int64_t count, int64_t src_stride, int64_t dst_stride, Site site) {
  StateWrite write("SetFixpipeNz2ndFlag", site);
  bool ok = require_field(write.instruction(), {"ndNum", count, 16, 65535});
  ok &= require_field(write.instruction(), {"srcNdStride", src_stride, 16, 512});
  ok &= require_field(write.instruction(), {"dstNdStride", dst_stride, 16, 65535});
  ScalarState& state = write.commit();
  if (!ok) return;
  state.nd_set = true;
  state.nd_num = static_cast<uint16_t>(count);
  state.src_nd_stride = static_cast<uint16_t>(src_stride);
  state.dst_nd_stride = static_cast<uint16_t>(dst_stride);
}

}  // namespace ascsim
