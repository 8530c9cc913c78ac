// What the simulated CANN runtime offers besides the ACL functions: launches of host functions,
// counters, reports. Exported from libascendcl.so like everything else; C, so that ctypes can call.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

// Runs on the device's behalf; `arguments` is a copy of the bytes given at launch, aligned to 16.
// Not zero: the launch failed, with that ACL error.
typedef int (*AscsimKernel)(void* arguments);

// Appends a call of `kernel` to the stream (null: default stream of the current device), in order
// with everything else on it. `name` appears in messages. A non-zero result, an exception, or a
// fault of memory becomes an error of the stream. Returns an ACL error if nothing was appended.
int ascsim_launch(void* stream, const char* name, AscsimKernel kernel, const void* arguments,
                  size_t bytes);

// Start and size of the device memory that contains `address`; 0 if there is none.
int ascsim_allocation(const void* address, void** base, size_t* bytes);

// Value of a counter by its name in ascsim_counter_names (separated by spaces); -1: no such name.
int64_t ascsim_counter(const char* name);
const char* ascsim_counter_names(void);

// Reports (faults, guard zones, leaks) so far, one a line; the number of bytes that all of them
// need. Writes at most `bytes`, always ended by a zero.
size_t ascsim_reports(char* text, size_t bytes);
void ascsim_clear_reports(void);

// Adds a report for each damaged guard zone of live memory, once; their number.
int ascsim_check_guards(void);
// Adds a report for each live device allocation; their number.
int ascsim_check_leaks(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
