// Scalar unit: single values in UB and GM, and state that later instructions meet.
#pragma once

#include "ascsim/core.h"
#include "ascsim/types.h"

namespace ascsim {

// Copies one value of `bytes` bytes out of or into a memory, as the scalar unit does.
void scalar_load(const Operand& from, void* value, int bytes, Site site);
void scalar_store(const Operand& to, const void* value, int bytes, Site site);
// DataCacheCleanAndInvalid: scalar accesses to GM go through a cache of the core.
void cache_clean(const Operand& at, bool entire, Site site);

void set_mask(uint64_t high, uint64_t low, Site site);
void set_mask_mode(bool counter, Site site);
void reset_mask(Site site);
void set_deq_scale(float scale, Site site);
void set_atomic(AtomicOp op, DType dtype, Site site);

[[noreturn]] void kernel_assertion(const char* text, Site site);

}  // namespace ascsim
