"""Who may include or import whom: the dependency table of the native code and of the packages.

CONTRIBUTING.md explains the layers. A folder that is not in a table fails the lint session: a new
layer is a decision, so it gets a line here.
"""

from __future__ import annotations

# Native code: the first matching folder of the path names the layer, most specific first.
CORE_LAYERS = {
    "core_kernels/include/fa": "public",
    "core_kernels/src/problem": "problem",
    "core_kernels/src/plan": "plan",
    "core_kernels/src/registry": "registry",
    "core_kernels/src/reference": "reference",
    "core_kernels/src/cpu/isa": "isa",
    "core_kernels/src/cpu": "cpu",
    "core_kernels/src/npu/kernels": "npu kernels",
    "core_kernels/src/npu/object": "npu object",
    "core_kernels/src/npu": "npu",
    "packages/common/bindings": "bindings",
    # The simulator knows nothing of the core: it is usable alone.
    # The simulated CANN runtime is usable without the rest of it.
    "simulator/cann_runtime/include": "cann front",
    "simulator/cann_runtime/runtime": "cann runtime",
    "simulator/cann_runtime/operators": "cann operators",
    "simulator/cann_runtime/acl": "cann acl",
    "simulator/include/ascsim": "sim interface",
    "simulator/include": "sim front",
    "simulator/machine": "sim machine",
    "simulator/ops": "sim ops",
    "simulator/check": "sim check",
    "simulator/timing": "sim timing",
    "simulator/python": "sim python",
}

# What a layer may include besides its own folder and the standard library.
CORE_MAY_INCLUDE = {
    "public": set(),
    "problem": {"public"},
    "plan": {"public", "problem"},
    "registry": {"public", "problem", "plan"},
    "reference": {"public", "problem", "plan"},
    "isa": set(),
    "cpu": {"public", "problem", "plan", "isa"},
    "npu": {"public", "problem", "plan"},
    "npu kernels": set(),
    # What is loaded at run time: kernels, their table and their start on one toolchain.
    "npu object": {"public", "npu kernels"},
    "bindings": {"public"},
    "cann front": set(),
    "cann runtime": {"cann front"},
    "cann operators": {"cann front", "cann runtime"},
    "cann acl": {"cann front", "cann runtime"},
    "sim interface": set(),
    "sim front": {"sim interface"},
    "sim machine": {"sim interface"},
    "sim ops": {"sim interface"},
    "sim check": {"sim interface"},
    "sim timing": {"sim interface"},
    "sim python": {"sim interface"},
}

# Single headers that a layer may include although their layer is not open to it.
CORE_MAY_INCLUDE_HEADER = {
    "registry": {
        "core_kernels/src/cpu/cpu_backend.h",
        "core_kernels/src/npu/npu_backend.h",
        "core_kernels/src/reference/reference_backend.h",
    },
    "cpu": {"core_kernels/src/registry/backend.h"},
    "npu": {"core_kernels/src/registry/backend.h"},
    "reference": {"core_kernels/src/registry/backend.h"},
    "npu object": {
        "core_kernels/src/npu/kernel_args.h",
        "core_kernels/src/npu/kernel_object.h",
    },
    "isa": {"core_kernels/src/cpu/microkernel.h", "core_kernels/src/cpu/row_kernels.h"},
    # A launch sets up the observers; what they do inside is theirs.
    "sim machine": {
        "simulator/check/cache.h",
        "simulator/check/hazard.h",
        "simulator/timing/timeline.h",
    },
    "cann operators": {"simulator/cann_runtime/acl/acl.h"},
    "npu kernels": {
        "core_kernels/include/fa/dtype.h",
        "core_kernels/src/npu/kernel_args.h",
        "core_kernels/src/problem/dropout_bits.h",
        "core_kernels/src/problem/head_group.h",
        "core_kernels/src/problem/host_device.h",
        "core_kernels/src/problem/kv_range.h",
        "core_kernels/src/problem/page_map.h",
        "core_kernels/src/problem/rotary.h",
    },
}

# Headers from outside the project by layer; "*" is for all. The C++ library needs no entry.
FOREIGN_HEADERS = {
    "*": {"dlfcn.h", "link.h", "pthread.h", "unistd.h"},
    "isa": {"immintrin.h", "arm_neon.h"},
    "cpu": {"immintrin.h", "cpuid.h", "sys/auxv.h"},
    "bindings": {"pybind11/", "Python.h"},
    "npu kernels": {"catlass/", "kernel_operator.h"},
    "npu object": {"acl/acl.h", "ascsim/launch.h", "ascsim/soc.h"},
    "cann front": {"stddef.h", "stdint.h"},
    "cann runtime": {"sys/mman.h"},
    "sim machine": {"sys/mman.h", "ucontext.h"},
    "sim python": {"pybind11/", "sys/mman.h"},
}

# ISA files are compiled with their own flags: anything shared with other files could be merged by
# the linker into code that every CPU runs, so only headers without inline functions are allowed.
ISA_STANDARD_HEADERS = {"cmath", "cstddef", "cstdint", "cstring", "limits"}

# Python: what the modules below a folder may import besides the standard library and themselves.
PYTHON_MAY_IMPORT = {
    # transformers: only below integrations, in functions that a user calls for it.
    "packages/common/fa_common": {"torch", "transformers"},
    # einops: bert_padding offers its two functions to importers, if it is installed.
    "packages/flash-attn-npu-v2/src/flash_attn": {"torch", "einops"},
    "packages/flash-attn-npu-v3/src/flash_attn_interface": {"torch"},
    # Names that clients look for; all of it is in the package above.
    "packages/flash-attn-npu-v3/src/flash_attn_3": {"flash_attn_config", "flash_attn_interface"},
    "core_kernels/build_support": {"hatchling", "pybind11"},
}
