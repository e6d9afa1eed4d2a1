// The lock that keeps a second process off a store: a POSIX record lock on byte 0, which is what Java's
// `FileChannel.lock(0, 1)` takes on Linux.
//
// Such a lock belongs to the process, not to the file descriptor. Two consequences stand here and one does not: a second
// lock within the process always succeeds as far as the system is concerned, so a table of this process's own locks
// refuses it; the table is shared by all threads. What nobody can mend: closing *any* descriptor of the file in this
// process drops the lock, so nothing else may open the lock file.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "arguments.h"
#include "entry-points.h"
#include "errors.h"

namespace varve {

namespace {

using FileIdentity = std::pair<uint64_t, uint64_t>;  // Device and inode.

// A lock goes with the thread that took it: Node closes the files of a worker that ends, and so drops the lock.
struct Held {
  napi_env env;
  FileIdentity identity;
};

struct Locks {
  std::mutex mutex;
  std::map<FileIdentity, Held*> held;
};

Locks& locks() {
  static Locks* const shared = new Locks();
  return *shared;
}

void forget_lock(void* data) {
  auto* held = static_cast<Held*>(data);
  const std::lock_guard<std::mutex> guard(locks().mutex);
  locks().held.erase(held->identity);
  delete held;
}

struct flock first_byte(int type) {
  struct flock lock = {};
  lock.l_type = static_cast<short>(type);
  lock.l_whence = SEEK_SET;
  lock.l_start = 0;
  lock.l_len = 1;
  return lock;
}

struct Attempt {
  int error = 0;
  bool taken = false;
  // 0 where the system cannot name it: a process of another container or machine.
  pid_t holder = 0;
};

Attempt take_lock(int file) {
  Attempt attempt;
  for (;;) {
    struct flock lock = first_byte(F_WRLCK);
    if (fcntl(file, F_SETLK, &lock) == 0) {
      attempt.taken = true;
      return attempt;
    }
    if (errno == EINTR) continue;
    struct flock holder = first_byte(F_WRLCK);
    if ((errno != EACCES && errno != EAGAIN) || fcntl(file, F_GETLK, &holder) != 0) {
      attempt.error = errno;
      return attempt;
    }
    if (holder.l_type == F_UNLCK) continue;  // Let go between the two calls: try once more.
    attempt.holder = holder.l_pid > 0 ? holder.l_pid : 0;
    return attempt;
  }
}

napi_value number(napi_env env, pid_t value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

}  // namespace

napi_value lock_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const int file = arguments.file(0);
  if (!arguments.ok()) return nullptr;
  struct stat facts;
  if (fstat(file, &facts) != 0) return throw_system(env, errno, "fstat");
  const FileIdentity identity{facts.st_dev, facts.st_ino};

  // Held until the answer is known, so that of two threads one gets the lock and the other is refused.
  const std::lock_guard<std::mutex> guard(locks().mutex);
  if (locks().held.count(identity) > 0) return number(env, getpid());
  const Attempt attempt = take_lock(file);
  if (attempt.error != 0) return throw_system(env, attempt.error, "fcntl");
  if (!attempt.taken) return number(env, attempt.holder);
  auto* held = new Held{env, identity};
  locks().held[identity] = held;
  napi_add_env_cleanup_hook(env, forget_lock, held);
  return nullptr;
}

napi_value unlock_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const int file = arguments.file(0);
  if (!arguments.ok()) return nullptr;
  struct stat facts;
  if (fstat(file, &facts) != 0) return throw_system(env, errno, "fstat");

  const std::lock_guard<std::mutex> guard(locks().mutex);
  const auto found = locks().held.find({facts.st_dev, facts.st_ino});
  if (found == locks().held.end() || found->second->env != env) {
    napi_throw_error(env, "ERR_VARVE_NOT_LOCKED", "native-bindings: this thread does not hold the lock of the file");
    return nullptr;
  }
  struct flock lock = first_byte(F_UNLCK);
  if (fcntl(file, F_SETLK, &lock) != 0) return throw_system(env, errno, "fcntl");
  napi_remove_env_cleanup_hook(env, forget_lock, found->second);
  delete found->second;
  locks().held.erase(found);
  return nullptr;
}

}  // namespace varve
