/**
 * A disk that writes down what happens to it: `logged-disk MOUNTPOINT IMAGE LOG` mounts a file system of two files, and ends
 * when it is unmounted. It speaks to /dev/fuse itself. Once it serves, it says `ready`.
 *
 * | file | what it is |
 * |---|---|
 * | `disk` | the image, for a loop device; its size stays |
 * | `mark` | what is written to it, wherever, stands behind all that was written before, and goes to the log |
 *
 * The log is a sequence of records, numbers little-endian: kind (4 bytes: 1 a write of `disk`, 2 a flush of it, 3 a mark),
 * count of bytes (4), position on the disk (8), the bytes.
 *
 * Invariants:
 * - the log holds a write, a flush or a mark before whoever asked for it is answered
 * - one request is served at a time, so the order of the log is one in which things happened
 * - a request that is shorter than it says, or that reaches beyond the disk, changes nothing
 *
 * Not here: which of the writes a loss of power leaves (test/support/disk-log.ts).
 */
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr uint32_t PAGE_BYTES = 4096;
constexpr uint32_t TRANSFER_BYTES_MAX = 256 * 1024;
constexpr size_t REQUEST_BYTES_MAX = TRANSFER_BYTES_MAX + PAGE_BYTES;
constexpr uint64_t ATTRIBUTES_LAST_S = 3600;

constexpr uint64_t ROOT = FUSE_ROOT_ID;
constexpr uint64_t DISK = 2;
constexpr uint64_t MARK = 3;

enum class Kind : uint32_t { write = 1, flush = 2, mark = 3 };

struct Record {
  Kind kind;
  uint32_t bytes;
  uint64_t at;
};
static_assert(sizeof(Record) == 16, "the head of a record has no gaps");

[[noreturn]] void fail(const char* what) {
  fprintf(stderr, "logged-disk: %s: %s\n", what, strerror(errno));
  exit(1);
}

struct Bytes {
  const char* first;
  size_t count;

  /** The structure at the beginning, or null where there are not so many bytes. */
  template <typename Structure>
  const Structure* as() const {
    return count < sizeof(Structure) ? nullptr : reinterpret_cast<const Structure*>(first);
  }
};

class LoggedDisk {
 public:
  LoggedDisk(int fuse, int image, int log, uint64_t diskBytes)
      : fuse_(fuse), image_(image), log_(log), diskBytes_(diskBytes), transfer_(TRANSFER_BYTES_MAX) {}

  void serveUntilUnmounted() {
    std::vector<char> buffer(REQUEST_BYTES_MAX);
    for (;;) {
      const ssize_t got = ::read(fuse_, buffer.data(), buffer.size());
      if (got >= 0) {
        serve({buffer.data(), static_cast<size_t>(got)});
      } else if (errno == ENODEV) {
        return;
      } else if (errno != EINTR && errno != EAGAIN && errno != ENOENT) { // ENOENT: the request was taken back.
        fail("reading a request");
      }
    }
  }

 private:
  void serve(Bytes request) {
    const auto* head = request.as<fuse_in_header>();
    if (head == nullptr || head->len != request.count) {
      errno = EBADMSG;
      fail("a request that is not as long as it says");
    }
    const Bytes body = {request.first + sizeof(*head), request.count - sizeof(*head)};
    switch (head->opcode) {
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return; // These want no answer.
      case FUSE_INIT:
        return begin(*head, body);
      case FUSE_LOOKUP:
        return lookUp(*head, body);
      case FUSE_GETATTR:
        return answerAttributes(*head);
      case FUSE_OPEN:
        return open(*head);
      case FUSE_READ:
        return read(*head, body);
      case FUSE_WRITE:
        return write(*head, body);
      case FUSE_FSYNC:
        if (head->nodeid == DISK) append(Kind::flush, 0, {nullptr, 0});
        return answer(*head, 0);
      case FUSE_FLUSH:
      case FUSE_RELEASE:
      case FUSE_DESTROY:
        return answer(*head, 0);
      default:
        // Among them fallocate: what would have been a hole comes as a write of zeros.
        return answer(*head, -ENOSYS);
    }
  }

  void begin(const fuse_in_header& head, Bytes body) {
    // Older kernels send a shorter structure; only these fields are needed.
    if (body.count < offsetof(fuse_init_in, flags)) return answer(head, -EINVAL);
    fuse_init_out out = {};
    out.major = FUSE_KERNEL_VERSION;
    out.minor = FUSE_KERNEL_MINOR_VERSION;
    out.max_readahead = TRANSFER_BYTES_MAX;
    out.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES;
    out.max_write = TRANSFER_BYTES_MAX;
    out.max_pages = TRANSFER_BYTES_MAX / PAGE_BYTES;
    out.max_background = 16;
    out.congestion_threshold = 12;
    out.time_gran = 1;
    answer(head, out);
    if (puts("ready") < 0 || fflush(stdout) != 0) fail("saying that it is ready");
  }

  void lookUp(const fuse_in_header& head, Bytes name) {
    const auto is = [name](const char* known) {
      return name.count == strlen(known) + 1 && memcmp(name.first, known, name.count) == 0;
    };
    const uint64_t node = head.nodeid != ROOT ? 0 : is("disk") ? DISK : is("mark") ? MARK : 0;
    if (node == 0) return answer(head, -ENOENT);
    fuse_entry_out out = {};
    out.nodeid = node;
    out.entry_valid = ATTRIBUTES_LAST_S;
    out.attr_valid = ATTRIBUTES_LAST_S;
    out.attr = attributesOf(node);
    answer(head, out);
  }

  void answerAttributes(const fuse_in_header& head) {
    if (head.nodeid != ROOT && head.nodeid != DISK && head.nodeid != MARK) return answer(head, -ENOENT);
    fuse_attr_out out = {};
    out.attr_valid = ATTRIBUTES_LAST_S;
    out.attr = attributesOf(head.nodeid);
    answer(head, out);
  }

  fuse_attr attributesOf(uint64_t node) const {
    fuse_attr attributes = {};
    attributes.ino = node;
    attributes.mode = node == ROOT ? S_IFDIR | 0700 : S_IFREG | 0600;
    attributes.nlink = 1;
    attributes.size = node == DISK ? diskBytes_ : 0;
    attributes.blocks = attributes.size / 512;
    attributes.blksize = PAGE_BYTES;
    return attributes;
  }

  void open(const fuse_in_header& head) {
    fuse_open_out out = {};
    // Nothing waits in the page cache of this file: a write that has returned is in the log.
    out.open_flags = FOPEN_DIRECT_IO;
    answer(head, out);
  }

  void read(const fuse_in_header& head, Bytes body) {
    const auto* in = body.as<fuse_read_in>();
    if (in == nullptr || in->size > TRANSFER_BYTES_MAX) return answer(head, -EINVAL);
    if (head.nodeid == MARK) {
      const size_t from = std::min<size_t>(in->offset, marks_.size());
      return answer(head, 0, {marks_.data() + from, std::min<size_t>(in->size, marks_.size() - from)});
    }
    if (head.nodeid != DISK) return answer(head, -EINVAL);
    const ssize_t got = pread(image_, transfer_.data(), in->size, static_cast<off_t>(in->offset));
    if (got < 0) return answer(head, -errno);
    answer(head, 0, {transfer_.data(), static_cast<size_t>(got)});
  }

  void write(const fuse_in_header& head, Bytes body) {
    const auto* in = body.as<fuse_write_in>();
    if (in == nullptr || in->size != body.count - sizeof(*in)) return answer(head, -EINVAL);
    const Bytes bytes = {body.first + sizeof(*in), in->size};
    if (head.nodeid == MARK) {
      append(Kind::mark, 0, bytes);
      marks_.append(bytes.first, bytes.count);
    } else if (head.nodeid == DISK && in->offset <= diskBytes_ && in->size <= diskBytes_ - in->offset) {
      append(Kind::write, in->offset, bytes);
      const ssize_t put = pwrite(image_, bytes.first, bytes.count, static_cast<off_t>(in->offset));
      if (put != static_cast<ssize_t>(bytes.count)) fail("writing the image");
    } else {
      return answer(head, -EINVAL);
    }
    fuse_write_out out = {};
    out.size = in->size;
    answer(head, out);
  }

  void append(Kind kind, uint64_t at, Bytes bytes) {
    Record record = {kind, static_cast<uint32_t>(bytes.count), at};
    const iovec parts[] = {{&record, sizeof(record)}, {const_cast<char*>(bytes.first), bytes.count}};
    const ssize_t put = writev(log_, parts, 2);
    if (put != static_cast<ssize_t>(sizeof(record) + bytes.count)) fail("writing the log");
  }

  template <typename Out>
  void answer(const fuse_in_header& head, const Out& out) {
    answer(head, 0, {reinterpret_cast<const char*>(&out), sizeof(out)});
  }

  void answer(const fuse_in_header& head, int error, Bytes bytes = {nullptr, 0}) {
    fuse_out_header out = {};
    out.len = static_cast<uint32_t>(sizeof(out) + bytes.count);
    out.error = error;
    out.unique = head.unique;
    const iovec parts[] = {{&out, sizeof(out)}, {const_cast<char*>(bytes.first), bytes.count}};
    // ENOENT: who asked does not wait any more; it was killed.
    if (writev(fuse_, parts, 2) < 0 && errno != ENOENT) fail("answering a request");
  }

  const int fuse_;
  const int image_;
  const int log_;
  const uint64_t diskBytes_;
  std::vector<char> transfer_;
  std::string marks_;
};

} // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: logged-disk MOUNTPOINT IMAGE LOG\n");
    return 2;
  }
  // Whoever started this unmounts it too; without them nobody would.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int image = open(arguments[2], O_RDWR | O_CLOEXEC);
  struct stat facts;
  if (image < 0 || fstat(image, &facts) != 0) fail("opening the image");
  const int log = open(arguments[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log < 0) fail("opening the log");
  const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fuse < 0) fail("opening /dev/fuse");
  char options[100];
  snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fuse, getuid(), getgid());
  if (mount("logged-disk", arguments[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0) fail("mounting");
  LoggedDisk(fuse, image, log, static_cast<uint64_t>(facts.st_size)).serveUntilUnmounted();
  return 0;
}
