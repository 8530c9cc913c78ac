// A C++ program that starts a kernel: add <kernel library> <tiles>.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "asc_launch.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  ascsim::load_kernels(argv[1]);
  const uint32_t tiles = static_cast<uint32_t>(std::atoi(argv[2]));
  const size_t n = 16 * 2048;
  std::vector<float> x(n, 1.5f), y(n, 2.0f), z(n);
  for (auto* v : {&x, &y, &z}) {
    ascsim::add_buffer(v == &x   ? "x"
                       : v == &y ? "y"
                                 : "z",
                       v->data(), static_cast<int64_t>(n * sizeof(float)), v != &z);
  }
  void* stream = nullptr;
  try {
    ASC_LAUNCH(double_buffered_add, 4, stream, x.data(), y.data(), z.data(), tiles);
  } catch (const ascsim::KernelDefect& defect) {
    std::fputs(defect.what(), stderr);
    return 1;
  }
  std::printf("z[0] = %g, z[%zu] = %g\n", z[0], n - 1, z[n - 1]);
}
