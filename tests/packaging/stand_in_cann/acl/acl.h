// What the kernel object needs of ACL, as documented for CANN 8.5.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef int aclError;
typedef void* aclrtStream;
enum { ACL_SUCCESS = 0 };
typedef enum { ACL_DEV_ATTR_CUBE_CORE_NUM = 102 } aclrtDevAttr;
typedef enum { ACL_RT_THREAD_LEVEL = 0 } aclrtLastErrLevel;

#ifdef __cplusplus
extern "C" {
#endif
aclError aclrtGetDevice(int32_t* device);
aclError aclrtGetDeviceInfo(uint32_t device, aclrtDevAttr attribute, int64_t* value);
aclError aclrtPeekAtLastError(aclrtLastErrLevel level);
aclError aclrtGetLastError(aclrtLastErrLevel level);
const char* aclGetRecentErrMsg();
#ifdef __cplusplus
}
#endif
