// The lock that keeps a second process off a store: a POSIX record lock on byte 0, which is what Java's
// `FileChannel.lock(0, 1)` takes on Linux.
//
// Such a lock belongs to the process, not to the file descriptor. A second lock within the process always succeeds as
// far as the system is concerned, so a table of this process's own locks, shared by all threads, refuses it. And closing
// *any* descriptor of the file in this process drops the lock: so the file is opened here, after the table was asked,
// and nothing else may open it.
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

struct Held {
  napi_env env;
  FileIdentity identity;
  int file;
};

struct Locks {
  std::mutex mutex;
  std::map<FileIdentity, Held*> held;
};

Locks& locks() {
  static Locks* const shared = new Locks();
  return *shared;
}

FileIdentity identity_of(const struct stat& facts) {
  return {static_cast<uint64_t>(facts.st_dev), static_cast<uint64_t>(facts.st_ino)};
}

// Under the mutex. Closing the file gives the lock back.
void let_go(Held* held) {
  close(held->file);
  locks().held.erase(held->identity);
  delete held;
}

// The thread ends without having unlocked.
void let_go_at_exit(void* data) {
  const std::lock_guard<std::mutex> guard(locks().mutex);
  let_go(static_cast<Held*>(data));
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

napi_value object_with(napi_env env, const char* name, int value) {
  napi_value object = nullptr;
  napi_value number = nullptr;
  napi_create_object(env, &object);
  napi_create_int32(env, value, &number);
  napi_set_named_property(env, object, name, number);
  return object;
}

}  // namespace

napi_value lock_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const std::string path = arguments.string(0, "the path");
  if (!arguments.ok()) return nullptr;

  // Held until the answer is known, so that of two threads one gets the lock and the other is refused.
  const std::lock_guard<std::mutex> guard(locks().mutex);
  struct stat facts;
  if (stat(path.c_str(), &facts) == 0 && locks().held.count(identity_of(facts)) > 0) {
    return object_with(env, "holderPid", getpid());
  }
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file == -1) return throw_system(env, errno, "open");
  const int stat_error = fstat(file, &facts) == 0 ? 0 : errno;
  if (stat_error != 0) {
    close(file);
    return throw_system(env, stat_error, "fstat");
  }
  const Attempt attempt = take_lock(file);
  if (!attempt.taken) {
    close(file);
    if (attempt.error != 0) return throw_system(env, attempt.error, "fcntl");
    return object_with(env, "holderPid", attempt.holder);
  }
  auto* held = new Held{env, identity_of(facts), file};
  locks().held[held->identity] = held;
  napi_add_env_cleanup_hook(env, let_go_at_exit, held);
  return object_with(env, "file", file);
}

napi_value unlock_file(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 1);
  const int file = arguments.file(0);
  if (!arguments.ok()) return nullptr;

  const std::lock_guard<std::mutex> guard(locks().mutex);
  for (const auto& entry : locks().held) {
    Held* const held = entry.second;
    if (held->file != file || held->env != env) continue;
    napi_remove_env_cleanup_hook(env, let_go_at_exit, held);
    let_go(held);
    return nullptr;
  }
  napi_throw_error(env, "ERR_VARVE_NOT_LOCKED", "native-bindings: this thread does not hold the lock of the file");
  return nullptr;
}

}  // namespace varve
