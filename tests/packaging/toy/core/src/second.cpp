#include "fa/toy.h"

namespace fa {
int second() { return 2; }
}  // namespace fa
