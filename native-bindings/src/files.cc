// What a storage engine needs of a file that Node's own `fs` does not offer: blocks allocated ahead and given back,
// ranges made durable, reads that never wait for the disk.
//
// Linux is the target. Elsewhere a call uses the portable alternative if there is one, and else throws ENOTSUP.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "entry-points.h"
#include "errors.h"
#include "registry.h"

namespace varve {

namespace {

// Positions in files are signed 64-bit numbers to the system; exact doubles are less than that.
static_assert(sizeof(off_t) == 8, "file positions have 64 bits");

template <typename Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

int sync_data_of(int file) {
#ifdef __linux__
  return retry_interrupted([file] { return fdatasync(file); });
#elif defined(__APPLE__)
  // Plain fsync stops at the drive's cache there.
  const int result = retry_interrupted([file] { return fcntl(file, F_FULLFSYNC); });
  return result == -1 && errno == ENOTSUP ? fsync(file) : result;
#else
  return retry_interrupted([file] { return fsync(file); });
#endif
}

}  // namespace

napi_value allocate(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 4);
  const int file = arguments.file(0);
  uint64_t at = 0;
  uint64_t bytes = 0;
  arguments.range(1, 2, &at, &bytes);
  const bool keep_size = arguments.boolean(3, "keepSize");
  if (!arguments.ok()) return nullptr;
#ifdef __linux__
  const int mode = keep_size ? FALLOC_FL_KEEP_SIZE : 0;
  const int result = retry_interrupted([=] { return fallocate(file, mode, static_cast<off_t>(at), static_cast<off_t>(bytes)); });
  if (result != 0) return throw_system(env, errno, "fallocate");
#elif defined(__APPLE__)
  // Blocks can only be added at the end of the file there.
  struct stat facts;
  if (fstat(file, &facts) != 0) return throw_system(env, errno, "fstat");
  const off_t until = static_cast<off_t>(at + bytes);
  const off_t missing = until - static_cast<off_t>(facts.st_blocks) * 512;
  if (missing > 0) {
    fstore_t request = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, missing, 0};
    if (fcntl(file, F_PREALLOCATE, &request) == -1) return throw_system(env, errno, "fcntl");
  }
  if (!keep_size && facts.st_size < until && ftruncate(file, until) != 0) return throw_system(env, errno, "ftruncate");
#else
  (void)keep_size;
  return throw_system(env, ENOTSUP, "fallocate");
#endif
  return nullptr;
}

napi_value punch_hole(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  const int file = arguments.file(0);
  uint64_t at = 0;
  uint64_t bytes = 0;
  arguments.range(1, 2, &at, &bytes);
  if (!arguments.ok()) return nullptr;
#ifdef __linux__
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  const int result = retry_interrupted([=] { return fallocate(file, mode, static_cast<off_t>(at), static_cast<off_t>(bytes)); });
  if (result != 0) return throw_system(env, errno, "fallocate");
  return nullptr;
#else
  (void)file;
  return throw_system(env, ENOTSUP, "fallocate");
#endif
}

// The system can make a range of a file durable only through a mapping: `sync_file_range` writes data back but neither
// the metadata that finds it again nor the cache of the drive, and `fdatasync` takes the whole file. The mapping lives
// for this call alone and its pages are never touched, so it costs next to nothing.
napi_value sync_file_bytes(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  const int file = arguments.file(0);
  uint64_t at = 0;
  uint64_t bytes = 0;
  arguments.range(1, 2, &at, &bytes);
  if (!arguments.ok()) return nullptr;

#ifdef __linux__
  const uint64_t first = at - at % page_bytes();
  const size_t length = static_cast<size_t>(at + bytes - first);
  void* const pages = mmap(nullptr, length, PROT_READ, MAP_SHARED, file, static_cast<off_t>(first));
  if (pages != MAP_FAILED) {
    const int error = msync(pages, length, MS_SYNC) == 0 ? 0 : errno;
    munmap(pages, length);
    return error == 0 ? nullptr : throw_system(env, error, "msync");
  }
  // The limit of mappings is reached, say: the whole file is more than was asked for, but no less durable.
#endif
  if (sync_data_of(file) != 0) return throw_system(env, errno, "fdatasync");
  return nullptr;
}

napi_value start_writing(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  const int file = arguments.file(0);
  uint64_t at = 0;
  uint64_t bytes = 0;
  arguments.range(1, 2, &at, &bytes);
  if (!arguments.ok()) return nullptr;
#ifdef __linux__
  if (sync_file_range(file, static_cast<off_t>(at), static_cast<off_t>(bytes), SYNC_FILE_RANGE_WRITE) != 0) {
    return throw_system(env, errno, "sync_file_range");
  }
#else
  (void)file;  // A hint: the system writes when it likes.
#endif
  return nullptr;
}

napi_value sync_data(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const int file = arguments.file(0);
  if (!arguments.ok()) return nullptr;
  if (sync_data_of(file) != 0) return throw_system(env, errno, "fdatasync");
  return nullptr;
}

napi_value sync_directory(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const std::string path = arguments.string(0, "the path");
  if (!arguments.ok()) return nullptr;
  const int directory = retry_interrupted([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (directory == -1) return throw_system(env, errno, "open");
  const int error = retry_interrupted([=] { return fsync(directory); }) == 0 ? 0 : errno;
  close(directory);
  if (error != 0) return throw_system(env, error, "fsync");
  return nullptr;
}

napi_value sync_file_system(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const int file = arguments.file(0);
  if (!arguments.ok()) return nullptr;
#ifdef __linux__
  if (syncfs(file) != 0) return throw_system(env, errno, "syncfs");
  return nullptr;
#else
  (void)file;
  return throw_system(env, ENOTSUP, "syncfs");
#endif
}

// The numbers of `statx` are written out: the headers of a system may be older than its kernel, which says in the mask of its
// answer what it has told.
napi_value mount_of(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const std::string path = arguments.string(0, "the path");
  if (!arguments.ok()) return nullptr;
#if defined(__linux__) && defined(SYS_statx)
  constexpr unsigned kUniqueMountId = 0x4000;
  constexpr size_t kMountIdAt = 0x90;
  alignas(8) unsigned char facts[256] = {};
  if (syscall(SYS_statx, AT_FDCWD, path.c_str(), 0, kUniqueMountId, facts) != 0) {
    return errno == ENOSYS ? nullptr : throw_system(env, errno, "statx");
  }
  uint32_t told = 0;
  uint64_t mount = 0;
  memcpy(&told, facts, sizeof told);
  memcpy(&mount, facts + kMountIdAt, sizeof mount);
  if ((told & kUniqueMountId) == 0 || mount > kExactIntegerMax) return nullptr;
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(mount), &result);
  return result;
#else
  return nullptr;
#endif
}

napi_value file_read_ahead(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  const int file = arguments.file(0);
  uint64_t at = 0;
  uint64_t bytes = 0;
  arguments.range(1, 2, &at, &bytes);
  if (!arguments.ok()) return nullptr;
#ifdef __linux__
  const int error = posix_fadvise(file, static_cast<off_t>(at), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
  if (error != 0) return throw_system(env, error, "posix_fadvise");
#elif defined(__APPLE__)
  struct radvisory request = {static_cast<off_t>(at), static_cast<int>(bytes < INT32_MAX ? bytes : INT32_MAX)};
  if (fcntl(file, F_RDADVISE, &request) == -1) return throw_system(env, errno, "fcntl");
#else
  (void)file;
#endif
  return nullptr;
}

napi_value read_no_wait(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  const int file = arguments.file(0);
  const Bytes into = arguments.uint8_array(1, "the buffer");
  const uint64_t at = arguments.integer(2, "the position", kExactIntegerMax >> 1);
  if (!arguments.ok()) return nullptr;
#if defined(__linux__) && defined(RWF_NOWAIT)
  size_t done = 0;
  while (done < into.length) {
    struct iovec rest = {into.data + done, into.length - done};
    const ssize_t count = preadv2(file, &rest, 1, static_cast<off_t>(at + done), RWF_NOWAIT);
    if (count == 0) break;  // The end of the file.
    if (count == -1 && errno == EINTR) continue;
    if (count == -1 && errno == EAGAIN) return nullptr;  // Undefined: it would have to wait for the disk.
    if (count == -1) return throw_system(env, errno, "preadv2");
    done += static_cast<size_t>(count);
  }
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(done), &result);
  return result;
#else
  (void)file;
  (void)into;
  (void)at;
  return throw_system(env, ENOTSUP, "preadv2");
#endif
}

napi_value next_data(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 2);
  const int file = arguments.file(0);
  const uint64_t at = arguments.integer(1, "the position", kExactIntegerMax >> 1);
  if (!arguments.ok()) return nullptr;
#ifdef SEEK_DATA
  const off_t found = lseek(file, static_cast<off_t>(at), SEEK_DATA);
  if (found == -1 && errno == ENXIO) return nullptr;  // Undefined: nothing but a hole up to the end.
  if (found == -1) return throw_system(env, errno == EINVAL ? ENOTSUP : errno, "lseek");
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(found), &result);
  return result;
#else
  (void)file;
  (void)at;
  return throw_system(env, ENOTSUP, "lseek");
#endif
}

}  // namespace varve
