#pragma once

#include <string>
#include <vector>

#include "cpu/microkernel.h"
#include "cpu/row_kernels.h"
#include "fa/status.h"

namespace fa::cpu {

// Kernels of the ISA in use: the best that this machine runs, FLASH_ATTN_NPU_ISA, or select_isa().
const Microkernels& microkernels();

// The row kernels of the same ISA.
const RowKernels& row_kernels();

// An error when FLASH_ATTN_NPU_ISA names what this machine does not run.
const Status& environment_status();

// What this machine and its operating system run, best first.
std::vector<const Microkernels*> available_isas();

Status select_isa(const std::string& name);

}  // namespace fa::cpu
