// Every mapping of this process that may be named by its address, shared by all threads.
//
// The addon is loaded once per process however many worker threads require it, so this table is the one place where
// the thread that unmaps meets the thread that pre-faults. Invariants:
// - a range is in the table only while it is mapped: it is taken out before it is unmapped
// - a pinned mapping stays mapped; a released one is unmapped by whoever lets go last
// - the lock is held for look-ups only, never during a system call that may wait for the disk
//
// Not here: the table that the signal handler reads (sigbus.h), which must work without any lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "sigbus.h"

namespace varve {

struct External;

struct Mapping {
  uintptr_t from;
  size_t bytes;
  bool writable;
  // The environment (thread) that made it; it alone may release it.
  const void* owner;
  uint32_t pins = 0;
  // Written under the lock of the registry; long calls look at it between steps without taking the lock.
  std::atomic<bool> released{false};
  SignalEntry* signal_entry = nullptr;
  // What mappings.cc keeps beside it.
  External* external = nullptr;

  Mapping(uintptr_t from_, size_t bytes_, bool writable_, const void* owner_)
      : from(from_), bytes(bytes_), writable(writable_), owner(owner_) {}
};

class Registry {
 public:
  // One for the process, never destroyed: threads may outlive static destructors.
  static Registry& shared();

  Mapping* add(uintptr_t from, size_t bytes, const std::string& path, bool writable, const void* owner);

  // The mapping that starts at `from` and belongs to `owner`, or nullptr.
  Mapping* find(uintptr_t from, const void* owner);

  // Takes the mapping out of the table. It is unmapped at once, or by the last thread that pins it.
  void release(Mapping* mapping);

 private:
  friend class Pin;

  Mapping* pin(uintptr_t from, size_t bytes);
  void unpin(Mapping* mapping);

  std::mutex mutex_;
  std::map<uintptr_t, Mapping*> mappings_;
};

// Holds the mapping that covers all of a range against being unmapped, for as long as it lives.
class Pin {
 public:
  Pin(uintptr_t from, size_t bytes) : mapping_(Registry::shared().pin(from, bytes)) {}
  ~Pin() {
    if (mapping_ != nullptr) Registry::shared().unpin(mapping_);
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

  // Whether the range lies inside one mapping.
  bool held() const { return mapping_ != nullptr; }
  bool writable() const { return mapping_->writable; }
  // Whether somebody waits for this pin to go: a long call then ends early.
  bool released() const { return mapping_->released.load(std::memory_order_relaxed); }

 private:
  Mapping* const mapping_;
};

size_t page_bytes();

}  // namespace varve
