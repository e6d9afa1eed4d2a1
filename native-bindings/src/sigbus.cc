#include "sigbus.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace varve {

namespace {

constexpr size_t kPathBytesMax = 448;

}  // namespace

struct SignalEntry {
  std::atomic<uint64_t> version{0};
  std::atomic<uintptr_t> from{0};
  std::atomic<size_t> bytes{0};
  // The last `kPathBytesMax - 1` bytes of the path. Plain bytes: the version tells the handler when they changed under it.
  char path[kPathBytesMax] = {};
  SignalEntry* next_in_list = nullptr;
  SignalEntry* next_unused = nullptr;
};

namespace {

std::atomic<SignalEntry*> first_entry{nullptr};
SignalEntry* first_unused = nullptr;

// Orders the writers among each other; the handler does not take it.
std::mutex& writers() {
  static std::mutex* const mutex = new std::mutex();
  return *mutex;
}

struct sigaction previous_action;

void change(SignalEntry* entry, uintptr_t from, size_t bytes, const char* path) {
  entry->version.fetch_add(1, std::memory_order_acq_rel);
  std::atomic_thread_fence(std::memory_order_release);
  entry->from.store(from, std::memory_order_relaxed);
  entry->bytes.store(bytes, std::memory_order_relaxed);
  const size_t length = std::strlen(path);
  const size_t skipped = length < kPathBytesMax ? 0 : length - (kPathBytesMax - 1);
  std::memcpy(entry->path, path + skipped, length - skipped + 1);
  entry->version.fetch_add(1, std::memory_order_release);
}

// A line that is put together without any function that a signal handler may not call.
struct Line {
  char text[kPathBytesMax + 256];
  size_t length = 0;

  void add(const char* part) {
    while (*part != '\0' && length < sizeof text) text[length++] = *part++;
  }

  void add(uint64_t number) {
    char digits[20];
    size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    while (count > 0 && length < sizeof text) text[length++] = digits[--count];
  }

  void write_to(int file) const {
    size_t written = 0;
    while (written < length) {
      const ssize_t count = ::write(file, text + written, length - written);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      written += static_cast<size_t>(count);
    }
  }
};

// Copies what is known of the mapping that holds `address`; false if it is none of ours or changes this very moment.
bool describe(uintptr_t address, char (&path)[kPathBytesMax], uint64_t* at) {
  SignalEntry* entry = first_entry.load(std::memory_order_acquire);
  for (; entry != nullptr; entry = entry->next_in_list) {
    const uint64_t version = entry->version.load(std::memory_order_acquire);
    const uintptr_t from = entry->from.load(std::memory_order_relaxed);
    if (address < from || address - from >= entry->bytes.load(std::memory_order_relaxed)) continue;
    for (size_t index = 0; index < kPathBytesMax; index += 1) path[index] = entry->path[index];
    path[kPathBytesMax - 1] = '\0';
    *at = address - from;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (version % 2 == 0 && entry->version.load(std::memory_order_relaxed) == version) return true;
  }
  return false;
}

void on_sigbus(int, siginfo_t* info, void*) {
  const int errno_before = errno;
  char path[kPathBytesMax];
  uint64_t at = 0;
  Line line;
  if (info->si_code > 0 && describe(reinterpret_cast<uintptr_t>(info->si_addr), path, &at)) {
    line.add("varve: SIGBUS at byte ");
    line.add(at);
    line.add(" of ");
    line.add(path);
    line.add(": the mapped file was shortened, or its disk failed or is full; the process ends\n");
  } else {
    line.add("varve: SIGBUS outside of all mapped files; the process ends\n");
  }
  line.write_to(STDERR_FILENO);

  // The instruction runs again on return and raises the same signal, now for whoever was there before us: by default
  // the process ends with a core dump that shows the place. A signal that was sent does not repeat itself.
  sigaction(SIGBUS, &previous_action, nullptr);
  if (info->si_code <= 0) raise(SIGBUS);
  errno = errno_before;
}

}  // namespace

SignalEntry* add_signal_entry(uintptr_t from, size_t bytes, const char* path) {
  const std::lock_guard<std::mutex> lock(writers());
  SignalEntry* entry = first_unused;
  if (entry != nullptr) {
    first_unused = entry->next_unused;
    change(entry, from, bytes, path);
    return entry;
  }
  entry = new SignalEntry();
  change(entry, from, bytes, path);
  entry->next_in_list = first_entry.load(std::memory_order_relaxed);
  first_entry.store(entry, std::memory_order_release);
  return entry;
}

void remove_signal_entry(SignalEntry* entry) {
  const std::lock_guard<std::mutex> lock(writers());
  change(entry, 0, 0, "");
  entry->next_unused = first_unused;
  first_unused = entry;
}

int install_sigbus_handler() {
  static const int error = [] {
    // Read before ours is in place: a signal may come the moment it is.
    if (sigaction(SIGBUS, nullptr, &previous_action) != 0) return errno;
    struct sigaction action = {};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, nullptr) == 0 ? 0 : errno;
  }();
  return error;
}

}  // namespace varve
