#define _GLIBCXX_USE_CXX11_ABI 0
#define FA_TASK_QUEUE_CALL call_with_old_strings
#include "task_queue_call.inc"
