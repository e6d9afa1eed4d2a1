// Mapping files, and everything that names a range of a mapping by its address.
//
// Who may unmap, and when: a mapping is an external ArrayBuffer. `unmap` detaches it first, so that no JavaScript view
// reaches the range any more, and unmaps it then; a buffer that is garbage collected, or whose thread ends, is unmapped
// by its finalizer. The same holds for what `widen` makes of a mapping of mmap-io's; the mapping that it starts from
// stays mmap-io's own to unmap.
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "arguments.h"
#include "entry-points.h"
#include "errors.h"
#include "external-buffer.h"
#include "registry.h"

#if defined(__linux__) && !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif

namespace varve {

// What the finalizer of an external ArrayBuffer needs; it outlives the mapping when `unmap` was called.
struct External {
  Mapping* mapping;
};

namespace {

// The largest typed array of every Node version that is supported.
constexpr uint64_t kMappingBytesMax = uint64_t{1} << 32;
// Between two steps a long pre-fault looks whether the mapping has been released.
constexpr size_t kPrefaultStepBytes = size_t{2} << 20;

void finalize_external(napi_env, void*, void* hint) {
  auto* external = static_cast<External*>(hint);
  if (external->mapping != nullptr) Registry::shared().release(external->mapping);
  delete external;
}

uintptr_t address_of_bytes(const void* data) { return reinterpret_cast<uintptr_t>(data); }

// The whole pages that hold a range: what the system's calls on memory want.
struct Pages {
  Pages(uint64_t address, uint64_t bytes) {
    const uintptr_t page = page_bytes();
    const uintptr_t first = static_cast<uintptr_t>(address) & ~(page - 1);
    const uintptr_t until = (static_cast<uintptr_t>(address + bytes) + page - 1) & ~(page - 1);
    from = reinterpret_cast<uint8_t*>(first);
    length = until - first;
  }
  uint8_t* from;
  size_t length;
};

// Writes each page's first byte back unchanged. Atomic, because the thread that owns the mapping writes to it meanwhile;
// a compare-and-swap, because compilers may turn the addition of nothing into a mere load.
void touch(uint8_t* from, size_t length) {
  for (size_t at = 0; at < length; at += page_bytes()) {
    uint8_t value = __atomic_load_n(from + at, __ATOMIC_RELAXED);
    __atomic_compare_exchange_n(from + at, &value, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  }
}

int populate(uint8_t* from, size_t length) {
#ifdef __linux__
  // Kernels before 5.14 do not know the advice and answer EINVAL, which nothing else here can cause.
  static std::atomic<bool> is_known{true};
  while (is_known.load(std::memory_order_relaxed)) {
    if (madvise(from, length, MADV_POPULATE_WRITE) == 0) return 0;
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno != EINVAL) return errno;
    is_known.store(false, std::memory_order_relaxed);
  }
#endif
  touch(from, length);
  return 0;
}

napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value throw_unmapped(napi_env env) {
  napi_throw_error(env, "ERR_VARVE_UNMAPPED", "native-bindings: the range does not lie inside one mapping");
  return nullptr;
}

// The mapping whose bytes an ArrayBuffer shows, if this thread made it and nobody has released it.
Mapping* mapping_of(napi_env env, const Bytes& bytes) {
  if (bytes.data == nullptr) return nullptr;
  Mapping* const mapping = Registry::shared().find(address_of_bytes(bytes.data), env);
  return mapping != nullptr && mapping->bytes == bytes.length ? mapping : nullptr;
}

// Throws and answers false unless the file has at least `bytes` bytes.
bool reaches(napi_env env, int file, uint64_t bytes) {
  struct stat facts;
  if (fstat(file, &facts) != 0) {
    throw_system(env, errno, "fstat");
    return false;
  }
  if (static_cast<uint64_t>(facts.st_size) >= bytes) return true;
  napi_throw_error(env, "ERR_VARVE_FILE_SHORT", "native-bindings: the file is shorter than the mapping asked for");
  return false;
}

// Registers what has just been mapped, and makes the buffer that shows it.
napi_value show(napi_env env, void* data, uint64_t bytes, bool writable, const std::string& path) {
  Mapping* const mapping = Registry::shared().add(address_of_bytes(data), bytes, path, writable, env);
  auto* external = new External{mapping};
  mapping->external = external;
  napi_value buffer = nullptr;
  const napi_status status = create_external_buffer(env, data, bytes, finalize_external, external, &buffer);
  if (status == napi_ok) return buffer;

  // Whether the finalizer still runs differs between versions of Node; with nothing left to release both are right.
  external->mapping = nullptr;
  Registry::shared().release(mapping);
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  return is_pending ? nullptr : throw_system(env, ENOTSUP, "napi_create_external_arraybuffer");
}

// A fault on a page that is not present would read a whole window around it: for a segment that is being written, up to
// the read-ahead of the disk of pages that nobody has written yet, zeroed one by one while the writer waits. Advice only.
void expect_no_reading([[maybe_unused]] void* data, [[maybe_unused]] uint64_t bytes) {
#ifdef MADV_RANDOM
  madvise(data, bytes, MADV_RANDOM);
#endif
}

// A second mapping of what is mapped at `from`, with the same file and protection, but `bytes` long.
void* map_again(void* from, size_t bytes) {
#ifdef __linux__
  // An old length of 0 asks for a copy rather than a move; only a shared mapping can have one.
  return mremap(from, 0, bytes, MREMAP_MAYMOVE);
#else
  errno = ENOTSUP;
  return MAP_FAILED;
#endif
}

// Empties and detaches a mapping that mmap-io made. mmap-io unmaps it in a later turn of the event loop: until then an
// anonymous mapping keeps its place, so that the file is let go at once and yet nothing else can come to lie there. It
// is readable: even a view that should not exist any more reads zeros. Throws and answers false if it fails.
bool let_go(napi_env env, napi_value buffer, const Bytes& bytes) {
  void* const emptied = mmap(bytes.data, bytes.length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (emptied == MAP_FAILED) throw_system(env, errno, "mmap");
  // In any case: then mmap-io lets the file go, only later.
  const bool is_detached = napi_detach_arraybuffer(env, buffer) == napi_ok;
  if (!is_detached) throw_system(env, EBUSY, "napi_detach_arraybuffer");
  return emptied != MAP_FAILED && is_detached;
}

}  // namespace

napi_value map_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 4);
  const int file = arguments.file(0);
  const uint64_t bytes = arguments.integer(1, "the length", kMappingBytesMax);
  const bool writable = arguments.boolean(2, "writable");
  const std::string path = arguments.string(3, "the path");
  if (bytes == 0) arguments.refuse("the length", "must be at least 1");
  if (!arguments.ok()) return nullptr;

  if (!reaches(env, file, bytes)) return nullptr;
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* const data = mmap(nullptr, bytes, protection, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) return throw_system(env, errno, "mmap");
  if (writable) expect_no_reading(data, bytes);

  return show(env, data, bytes, writable, path);
}

napi_value unmap(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  Bytes bytes;
  const napi_value buffer = arguments.array_buffer(0, "the buffer", &bytes);
  if (!arguments.ok()) return nullptr;
  Mapping* const mapping = mapping_of(env, bytes);
  if (mapping == nullptr) return throw_unmapped(env);

  // Detaching may run the finalizer: from here on the mapping is this function's to release.
  External* const external = mapping->external;
  external->mapping = nullptr;
  if (detach_external_buffer(env, buffer) != napi_ok) {
    external->mapping = mapping;
    return throw_system(env, EBUSY, "detach");
  }
  Registry::shared().release(mapping);
  return nullptr;
}

napi_value widen(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 5);
  Bytes seed;
  const napi_value seed_buffer = arguments.array_buffer(0, "the buffer", &seed);
  const int file = arguments.file(1);
  const uint64_t bytes = arguments.integer(2, "the length", kMappingBytesMax);
  const bool writable = arguments.boolean(3, "writable");
  const std::string path = arguments.string(4, "the path");
  const uintptr_t from = address_of_bytes(seed.data);
  if (bytes == 0) arguments.refuse("the length", "must be at least 1");
  if (from == 0 || seed.length == 0 || from % page_bytes() != 0) {
    arguments.refuse("the buffer", "must show a mapping from its first page on");
  } else if (Pin(from, seed.length).held()) {
    arguments.refuse("the buffer", "must be one that mmap-io made");
  }
  if (!arguments.ok()) return nullptr;

  void* const data = map_again(seed.data, bytes);
  const int error = errno;
  // No shared mapping, so none of mmap-io's: it is left alone.
  if (data == MAP_FAILED && error == EINVAL) return throw_system(env, error, "mremap");
  // From here on the seed goes in any case: one that JavaScript forgets would keep the blocks of a removed file.
  const bool is_gone = let_go(env, seed_buffer, seed);
  if (data == MAP_FAILED) return throw_system(env, error, "mremap");
  if (writable) expect_no_reading(data, bytes);
  if (is_gone && reaches(env, file, bytes)) return show(env, data, bytes, writable, path);
  munmap(data, bytes);
  return nullptr;
}

napi_value address_of(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const Bytes bytes = arguments.uint8_array(0, "the bytes");
  if (!arguments.ok()) return nullptr;
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(address_of_bytes(bytes.data)), &result);
  return result;
}

napi_value prefault(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  uint64_t address = 0;
  uint64_t bytes = 0;
  arguments.range(0, 1, &address, &bytes);
  if (!arguments.ok()) return nullptr;

  const Pin pin(address, bytes);
  if (!pin.held()) return boolean(env, false);
  if (!pin.writable()) return throw_system(env, EACCES, "madvise");
  const Pages pages(address, bytes);
  for (size_t at = 0; at < pages.length; at += kPrefaultStepBytes) {
    if (pin.released()) return boolean(env, false);
    const int error = populate(pages.from + at, std::min(kPrefaultStepBytes, pages.length - at));
    if (error != 0) return throw_system(env, error, "madvise");
  }
  return boolean(env, true);
}

napi_value sync_range(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  uint64_t address = 0;
  uint64_t bytes = 0;
  arguments.range(0, 1, &address, &bytes);
  if (!arguments.ok()) return nullptr;

  const Pin pin(address, bytes);
  if (!pin.held()) return throw_unmapped(env);
  const Pages pages(address, bytes);
  if (msync(pages.from, pages.length, MS_SYNC) != 0) return throw_system(env, errno, "msync");
  return nullptr;
}

napi_value resident(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  uint64_t address = 0;
  uint64_t bytes = 0;
  arguments.range(0, 1, &address, &bytes);
  if (!arguments.ok()) return nullptr;

  const Pin pin(address, bytes);
  if (!pin.held()) return throw_unmapped(env);
  const Pages pages(address, bytes);
#ifdef __APPLE__
  char states[1024];
#else
  unsigned char states[1024];
#endif
  const size_t step_bytes = sizeof states * page_bytes();
  for (size_t at = 0; at < pages.length; at += step_bytes) {
    const size_t length = std::min(step_bytes, pages.length - at);
    while (mincore(pages.from + at, length, states) != 0) {
      if (errno != EAGAIN) return throw_system(env, errno, "mincore");
    }
    const size_t count = length / page_bytes();
    if (std::any_of(states, states + count, [](auto state) { return (state & 1) == 0; })) return boolean(env, false);
  }
  return boolean(env, true);
}

// Only pages that lie in the range as a whole: half a page may be in use by whoever writes the rest of it.
napi_value drop_pages(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  uint64_t address = 0;
  uint64_t bytes = 0;
  arguments.range(0, 1, &address, &bytes);
  if (!arguments.ok()) return nullptr;

  const Pin pin(address, bytes);
  if (!pin.held()) return boolean(env, false);
  const uint64_t page = page_bytes();
  const uint64_t from = (address + page - 1) / page * page;
  const uint64_t until = (address + bytes) / page * page;
  if (from >= until) return boolean(env, true);
  // Every mapping of the registry is shared and of a file, so nothing is lost: the system keeps the file's pages.
  if (madvise(reinterpret_cast<void*>(from), until - from, MADV_DONTNEED) != 0) return throw_system(env, errno, "madvise");
  return boolean(env, true);
}

napi_value read_ahead(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  uint64_t address = 0;
  uint64_t bytes = 0;
  arguments.range(0, 1, &address, &bytes);
  if (!arguments.ok()) return nullptr;

  const Pin pin(address, bytes);
  if (!pin.held()) return boolean(env, false);
  const Pages pages(address, bytes);
  if (madvise(pages.from, pages.length, MADV_WILLNEED) != 0) return throw_system(env, errno, "madvise");
  return boolean(env, true);
}

}  // namespace varve
