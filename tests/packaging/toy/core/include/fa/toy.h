#pragma once

namespace fa {
int first();
int second();
}  // namespace fa
