// One AIC or AIV: local memories, scalar state, flags.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ascsim/report.h"
#include "ascsim/shadow.h"
#include "ascsim/soc.h"
#include "ascsim/types.h"

namespace ascsim {

enum class AtomicOp : uint8_t { kNone, kAdd, kMax, kMin };

// State that the scalar unit writes and that later instructions of other pipes meet in program
// order (the hardware keeps that order itself).
struct ScalarState {
  uint64_t mask_high = ~uint64_t{0}, mask_low = ~uint64_t{0};
  bool mask_counter = false;  // counter mode: mask_low is a number of elements
  bool mask_preset = false;   // the kernel has set a mask (SetVectorMask) and not reset it
  // What the kernel's own SetVectorMask, SetMaskCount, SetMaskNorm and ResetMask asked for last;
  // instructions with a mask or count of their own change only the fields above.
  uint64_t asked_high = ~uint64_t{0}, asked_low = ~uint64_t{0};
  bool asked_counter = false;
  const char* mask_writer = "";  // the instruction that changed the mask last, for reports
  Site mask_site;
  uint64_t compare_high = 0, compare_low = 0;  // CMPMASK register
  AtomicOp atomic = AtomicOp::kNone;
  DType atomic_dtype = DType::kFp32;
  Site atomic_site;
  float deq_scale = 1.0f;  // SetDeqScale(half)
  bool deq_scale_set = false;
  bool hf32 = false;
  bool hf32_nearest = true;
  bool column_major_mmad = false;
  uint64_t fmatrix_a = 0, fmatrix_b = 0;  // l1H | l1W << 16 | padding bytes << 32
  bool fmatrix_set_a = false, fmatrix_set_b = false;
  uint64_t pad_value = 0;  // SetPadValue, for DataCopyPad
  bool pad_value_set = false;
  uint64_t load_padding = 0;
  bool load_padding_set = false;
  bool nd_set = false;  // SetFixpipeNz2ndFlag, and the values that it was given
  uint16_t nd_num = 1, src_nd_stride = 0, dst_nd_stride = 0;
  uint64_t fixpipe_quant = 0;
  uint32_t fixpipe_scales = 0;  // address in FB, one value per column
  bool fixpipe_scales_set = false;
};

// Memory of one core with its shadow. L0C also has the unit flag of each 512-byte block.
struct LocalMemory {
  std::vector<uint8_t> bytes;
  Shadow shadow;
};

struct EventFlag {
  bool set = false;
  Site site;
  uint64_t before = 0;  // instructions that its pipe had been given when it was set
};

// One increment of a cross-core flag: the sets (by number) that made it.
struct CrossToken {
  std::vector<uint64_t> sets;
  int mode = 0;
  Site site;  // of the last of them
  Place place;
};

class Core {
 public:
  Core(int index, CoreKind kind, int block, int sub_block);

  int index() const { return index_; }  // dense over all cores of the launch
  CoreKind kind() const { return kind_; }
  int block() const { return block_; }
  int sub_block() const { return sub_block_; }

  LocalMemory& memory(Memory memory) { return memories_[static_cast<size_t>(memory) - 1]; }
  uint8_t* data(Memory memory, uint64_t address) {
    return memories_[static_cast<size_t>(memory) - 1].bytes.data() + address;
  }

  ScalarState state;
  std::array<uint64_t, kPipes> issued{};  // instructions given to each pipe
  std::array<std::array<std::array<EventFlag, Soc::kEventIds>, kPipes>, kPipes> flags;
  std::array<std::deque<CrossToken>, Soc::kCrossFlags> cross;
  std::vector<uint8_t> unit_flags;  // one per 512 bytes of L0C
  Site unit_flag_site;              // of the last Mmad that set some

 private:
  int index_;
  CoreKind kind_;
  int block_;
  int sub_block_;
  std::array<LocalMemory, kLocalMemories> memories_;
};

std::string to_text(const Core& core);  // "AIC 0", "AIV 0.1": block, and which of its AIVs

}  // namespace ascsim
