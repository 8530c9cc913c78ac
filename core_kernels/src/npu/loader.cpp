#include "npu/loader.h"

#include <dlfcn.h>
#include <unistd.h>

#include "npu/kernel_args.h"

namespace fa::npu {
namespace {

Status unavailable(const std::string& message) { return {StatusCode::kUnavailable, message}; }

Status open_object(const KernelObject** object) {
  std::string path = kernel_object_path();
  if (access(path.c_str(), F_OK) != 0) {
    return unavailable("this build has no NPU kernels (FA_NPU_TOOLCHAIN was none)");
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return unavailable(concat("the kernel object does not load: ", dlerror()));
  auto function = reinterpret_cast<KernelObjectFunction>(dlsym(handle, kKernelObjectSymbol));
  if (!function) return unavailable(concat(path, " exports no ", kKernelObjectSymbol));
  const KernelObject* found = function();
  if (found->abi != kKernelObjectAbi || found->forward_args_bytes != sizeof(ForwardArgs)) {
    return unavailable(concat(path, " belongs to another build: ABI ", found->abi, " with ",
                              found->forward_args_bytes, " bytes of arguments, expected ",
                              kKernelObjectAbi, " with ", sizeof(ForwardArgs)));
  }
  *object = found;
  return {};
}

struct Opened {
  const KernelObject* object = nullptr;
  Status status;
};

}  // namespace

std::string kernel_object_path() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&kernel_object_path), &self) == 0 || !self.dli_fname)
    return "";
  std::string module = self.dli_fname;
  size_t slash = module.rfind('/');
  std::string folder = slash == std::string::npos ? "." : module.substr(0, slash);
  return folder + "/_npu_kernels/libfa_npu_kernels.so";
}

Status kernel_object(const KernelObject** object) {
  static const Opened opened = [] {
    Opened result;
    result.status = open_object(&result.object);
    return result;
  }();
  *object = opened.object;
  return opened.status;
}

}  // namespace fa::npu
