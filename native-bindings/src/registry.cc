#include "registry.h"

#include <sys/mman.h>
#include <unistd.h>

#include <iterator>

namespace varve {

namespace {

void unmap(Mapping* mapping) {
  munmap(reinterpret_cast<void*>(mapping->from), mapping->bytes);
  delete mapping;
}

}  // namespace

Registry& Registry::shared() {
  static Registry* const registry = new Registry();
  return *registry;
}

Mapping* Registry::add(uintptr_t from, size_t bytes, const std::string& path, bool writable,
                       const void* owner) {
  auto* mapping = new Mapping(from, bytes, writable, owner);
  mapping->signal_entry = add_signal_entry(from, bytes, path.c_str());
  const std::lock_guard<std::mutex> lock(mutex_);
  mappings_[from] = mapping;
  return mapping;
}

Mapping* Registry::find(uintptr_t from, const void* owner) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = mappings_.find(from);
  return found != mappings_.end() && found->second->owner == owner ? found->second : nullptr;
}

void Registry::release(Mapping* mapping) {
  std::unique_lock<std::mutex> lock(mutex_);
  mappings_.erase(mapping->from);
  remove_signal_entry(mapping->signal_entry);
  mapping->released = true;
  if (mapping->pins > 0) return;  // The last `unpin` unmaps.
  lock.unlock();
  unmap(mapping);
}

Mapping* Registry::pin(uintptr_t from, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto after = mappings_.upper_bound(from);
  if (after == mappings_.begin()) return nullptr;
  Mapping* const mapping = std::prev(after)->second;
  const uintptr_t offset = from - mapping->from;
  if (offset >= mapping->bytes || bytes > mapping->bytes - offset) return nullptr;
  mapping->pins += 1;
  return mapping;
}

void Registry::unpin(Mapping* mapping) {
  std::unique_lock<std::mutex> lock(mutex_);
  mapping->pins -= 1;
  if (mapping->pins > 0 || !mapping->released) return;
  lock.unlock();
  unmap(mapping);
}

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace varve
