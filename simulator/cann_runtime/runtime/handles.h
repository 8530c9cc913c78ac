// Objects that the program holds by an opaque pointer.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace ascsim::cann {

// The handle is the object's address. Queued work may own the object beyond its handle.
template <typename Object>
class Handles {
 public:
  void* add(std::shared_ptr<Object> object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    void* handle = object.get();
    objects_[handle] = std::move(object);
    return handle;
  }
  std::shared_ptr<Object> find(const void* handle) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = objects_.find(handle);
    return found == objects_.end() ? nullptr : found->second;
  }
  bool remove(const void* handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return objects_.erase(handle) != 0;
  }
  std::vector<std::shared_ptr<Object>> all() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::shared_ptr<Object>> found;
    for (const auto& [handle, object] : objects_) found.push_back(object);
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<const void*, std::shared_ptr<Object>> objects_;
};

}  // namespace ascsim::cann
