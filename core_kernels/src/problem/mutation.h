#pragma once

// Deliberate defects for the mutation test. In a normal build FA_MUTATE(name, good, bad) is `good`;
// a build with FA_MUTATION uses `bad` while the environment variable FA_MUTANT holds the name.
#ifdef FA_MUTATION
namespace fa {
bool mutant_is(const char* name);
}
#define FA_MUTATE(name, good, bad) (::fa::mutant_is(name) ? (bad) : (good))
#else
#define FA_MUTATE(name, good, bad) (good)
#endif
