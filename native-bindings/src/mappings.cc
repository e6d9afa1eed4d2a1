// Mapping files, and everything that names a range of a mapping by its address.
//
// Who may unmap, and when: a mapping made here is an external ArrayBuffer. `unmap` detaches it first, so that no
// JavaScript view reaches the range any more, and unmaps it then; a buffer that is garbage collected, or whose thread
// ends, is unmapped by its finalizer. A mapping made by mmap-io is unmapped by mmap-io's own finalizer, some turns of
// the event loop after `disown` detached it: until then its range keeps an empty anonymous mapping, so that the file is
// let go at once and yet nothing else can come to lie there.
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

namespace {

// The largest typed array of every Node version that is supported.
constexpr uint64_t kMappingBytesMax = uint64_t{1} << 32;
// Between two steps a long pre-fault looks whether the mapping has been released.
constexpr size_t kPrefaultStepBytes = size_t{2} << 20;

// What the finalizer of an external ArrayBuffer needs; it outlives the mapping when `unmap` was called.
struct External {
  Mapping* mapping;
};

struct Adoption {
  napi_env env;
  Mapping* mapping;
  // Keeps the buffer from being collected, and so mmap-io from unmapping, while the range is in the registry.
  napi_ref buffer;
};

void finalize_external(napi_env, void*, void* hint) {
  auto* external = static_cast<External*>(hint);
  if (external->mapping != nullptr) Registry::shared().release(external->mapping);
  delete external;
}

// The thread ends without having called `disown`. Hooks run in reverse order, so this comes before mmap-io's own hook,
// which was added when it mapped.
void forget_adoption(void* data) {
  auto* adoption = static_cast<Adoption*>(data);
  Registry::shared().release(adoption->mapping);
  delete adoption;
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
Mapping* mapping_of(napi_env env, const Bytes& bytes, bool adopted) {
  if (bytes.data == nullptr) return nullptr;
  Mapping* const mapping = Registry::shared().find(address_of_bytes(bytes.data), env);
  return mapping != nullptr && mapping->adopted == adopted && mapping->bytes == bytes.length ? mapping : nullptr;
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

  struct stat facts;
  if (fstat(file, &facts) != 0) return throw_system(env, errno, "fstat");
  if (static_cast<uint64_t>(facts.st_size) < bytes) {
    napi_throw_error(env, "ERR_VARVE_FILE_SHORT", "native-bindings: the file is shorter than the mapping asked for");
    return nullptr;
  }

  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* const data = mmap(nullptr, bytes, protection, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) return throw_system(env, errno, "mmap");

  Mapping* const mapping = Registry::shared().add(address_of_bytes(data), bytes, path, writable, false, env);
  auto* external = new External{mapping};
  mapping->origin = external;
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

napi_value unmap(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  Bytes bytes;
  const napi_value buffer = arguments.array_buffer(0, "the buffer", &bytes);
  if (!arguments.ok()) return nullptr;
  Mapping* const mapping = mapping_of(env, bytes, false);
  if (mapping == nullptr) return throw_unmapped(env);

  // Detaching may run the finalizer: from here on the mapping is this function's to release.
  auto* external = static_cast<External*>(mapping->origin);
  external->mapping = nullptr;
  if (napi_detach_arraybuffer(env, buffer) != napi_ok) {
    external->mapping = mapping;
    return throw_system(env, EBUSY, "napi_detach_arraybuffer");
  }
  Registry::shared().release(mapping);
  return nullptr;
}

napi_value adopt(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  Bytes bytes;
  const napi_value buffer = arguments.array_buffer(0, "the buffer", &bytes);
  const bool writable = arguments.boolean(1, "writable");
  const std::string path = arguments.string(2, "the path");
  const uintptr_t from = address_of_bytes(bytes.data);
  if (from == 0 || bytes.length == 0 || from % page_bytes() != 0) {
    arguments.refuse("the buffer", "must show a mapping from its first page on");
  } else if (Pin(from, bytes.length).held()) {
    arguments.refuse("the buffer", "is registered already");
  }
  if (!arguments.ok()) return nullptr;

  napi_ref reference = nullptr;
  if (napi_create_reference(env, buffer, 1, &reference) != napi_ok) return throw_system(env, ENOMEM, "napi_create_reference");
  Mapping* const mapping = Registry::shared().add(from, bytes.length, path, writable, true, env);
  auto* adoption = new Adoption{env, mapping, reference};
  mapping->origin = adoption;
  napi_add_env_cleanup_hook(env, forget_adoption, adoption);
  return nullptr;
}

napi_value disown(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  Bytes bytes;
  const napi_value buffer = arguments.array_buffer(0, "the buffer", &bytes);
  if (!arguments.ok()) return nullptr;
  Mapping* const mapping = mapping_of(env, bytes, true);
  if (mapping == nullptr) return throw_unmapped(env);

  auto* adoption = static_cast<Adoption*>(mapping->origin);
  napi_remove_env_cleanup_hook(env, forget_adoption, adoption);
  Registry::shared().release(mapping);

  // Replaced before it is detached: once detached, mmap-io may unmap the range, and something else may come to lie there.
  // Readable, so that even a view that should not exist any more reads zeros.
  void* const emptied = mmap(bytes.data, bytes.length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  const int error = emptied == MAP_FAILED ? errno : 0;
  const napi_status detached = napi_detach_arraybuffer(env, buffer);
  napi_delete_reference(env, adoption->buffer);
  delete adoption;
  if (detached != napi_ok) return throw_system(env, EBUSY, "napi_detach_arraybuffer");
  if (error != 0) return throw_system(env, error, "mmap");
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
