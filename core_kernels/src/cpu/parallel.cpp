#include "cpu/parallel.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace fa::cpu {
namespace {

// libgomp's entry point for a parallel region; part of its stable ABI.
using GompParallel = void (*)(void (*body)(void*), void* data, unsigned threads, unsigned flags);

// In a child of fork(), also when the parent never came here: torch may have started the workers.
std::atomic<bool> forked{false};
const int registered = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

int remember_libgomp(dl_phdr_info* info, size_t, void* path) {
  const char* slash = std::strrchr(info->dlpi_name, '/');
  const char* base = slash ? slash + 1 : info->dlpi_name;
  if (std::strncmp(base, "libgomp", 7) != 0) return 0;
  *static_cast<std::string*>(path) = info->dlpi_name;
  return 1;
}

// The loaded libgomp, whatever name a wheel gave its copy; null when there is none.
GompParallel find_gomp_parallel() {
  (void)registered;
  std::string path;
  dl_iterate_phdr(remember_libgomp, &path);
  if (path.empty()) return nullptr;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  return library ? reinterpret_cast<GompParallel>(dlsym(library, "GOMP_parallel")) : nullptr;
}

struct Region {
  std::atomic<int64_t> next{0};
  int64_t tasks;
  void (*body)(void* context, int64_t task);
  void* context;

  void work() {
    for (int64_t i = next++; i < tasks; i = next++) body(context, i);
  }
};

}  // namespace

void run_tasks(int threads, int64_t tasks, void (*body)(void* context, int64_t task),
               void* context) {
  if (tasks <= 0) return;
  static const GompParallel gomp_parallel = find_gomp_parallel();
  Region region{{0}, tasks, body, context};
  if (threads > tasks) threads = static_cast<int>(tasks);
  if (threads <= 1 || forked.load()) {
    region.work();
  } else if (gomp_parallel) {
    gomp_parallel([](void* data) { static_cast<Region*>(data)->work(); }, &region,
                  static_cast<unsigned>(threads), 0);
  } else {  // no OpenMP in the process: threads for this region only
    std::vector<std::thread> helpers;
    for (int i = 1; i < threads; ++i) helpers.emplace_back([&region] { region.work(); });
    region.work();
    for (std::thread& helper : helpers) helper.join();
  }
}

}  // namespace fa::cpu
