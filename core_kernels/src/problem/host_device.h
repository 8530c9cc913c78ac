#pragma once

// Headers that include this one compile for the host and for Ascend C device code: plain integers,
// no allocation, no standard library beyond <cstdint>.
#if defined(__CCE_AICORE__) || defined(__NPU_DEVICE__)
#define FA_HOST_DEVICE __aicore__ inline
#else
#define FA_HOST_DEVICE inline
#endif
