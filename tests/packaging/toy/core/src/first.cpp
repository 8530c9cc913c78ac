#include "fa/toy.h"

namespace fa {
int first() { return 1; }
}  // namespace fa
