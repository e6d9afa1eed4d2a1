// Looking at many records of the log in one call: the commonest thing that a reader waits for.
//
// Where a field lies is not known here. JavaScript has found one record whole and intact, and says of it in a plan where
// its fields stand; what is looked at has the same version and the same hosts, so they stand there in all of them up to
// the body. A record that is not so is no failure: the caller looks at it by itself.
#include <algorithm>
#include <cstring>

#include "arguments.h"
#include "crc32.h"
#include "entry-points.h"

namespace varve {

namespace {

// As `RECORD_PLAN` in index.ts has them.
enum Number : size_t {
  kFrom,
  kUntil,
  kBase,
  kQueueOffset,
  kTotalBytesAt,
  kMagicAt,
  kMagic,
  kChecksumAt,
  kQueueIdAt,
  kQueueId,
  kQueueOffsetAt,
  kPhysicalOffsetAt,
  kSysFlagAt,
  kHostBits,
  kHostBitsSet,
  kBodyBytesAt,
  kTopicFrom,
  kTopicUntil,
  kNumberCount
};

// How far before it is looked at a record is fetched: memory takes as long as the checksums of four records of 1 KiB.
constexpr size_t kAheadBytes = 4096;
constexpr size_t kAheadCount = 2;
// Of one record; beyond it the processor itself sees where reading goes.
constexpr size_t kFetchBytesMax = 4096;
constexpr size_t kCacheLineBytes = 64;
constexpr size_t kPropertiesLengthBytes = 2;
constexpr uint32_t kChecksumBits = 0x7fffffff;

uint32_t uint32_at(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | uint32_t{bytes[3]};
}

uint64_t uint64_at(const uint8_t* bytes) { return uint64_t{uint32_at(bytes)} << 32 | uint32_at(bytes + 4); }

struct Plan {
  uint64_t base;
  size_t total_bytes_at, magic_at, checksum_at, queue_id_at, queue_offset_at, physical_offset_at, sys_flag_at, body_bytes_at;
  uint32_t magic, queue_id, host_bits, host_bits_set;
  // The length of the topic and the topic, as they stand in every record.
  const uint8_t* topic;
  size_t topic_bytes;
  // Everything up to the body.
  size_t head_bytes;
};

// A record as its entry has it, `size_bytes` of it inside the bytes.
bool is_intact(const Plan& plan, const uint8_t* record, size_t size_bytes, uint64_t position, uint64_t queue_offset) {
  const size_t least = plan.head_bytes + plan.topic_bytes + kPropertiesLengthBytes;
  if (size_bytes < least || uint32_at(record + plan.total_bytes_at) != size_bytes) return false;
  if (uint32_at(record + plan.magic_at) != plan.magic) return false;
  if (uint32_at(record + plan.queue_id_at) != plan.queue_id) return false;
  if ((uint32_at(record + plan.sys_flag_at) & plan.host_bits) != plan.host_bits_set) return false;
  if (uint64_at(record + plan.physical_offset_at) != position) return false;
  if (uint64_at(record + plan.queue_offset_at) != queue_offset) return false;

  const size_t body_bytes = uint32_at(record + plan.body_bytes_at);
  if (body_bytes > size_bytes - least) return false;
  const uint8_t* const body = record + plan.head_bytes;
  if (std::memcmp(body + body_bytes, plan.topic, plan.topic_bytes) != 0) return false;
  const uint8_t* const properties_length = body + body_bytes + plan.topic_bytes;
  const size_t properties_bytes = size_t{properties_length[0]} << 8 | properties_length[1];
  if (properties_bytes > INT16_MAX || properties_bytes != size_bytes - least - body_bytes) return false;
  // An empty body has nothing to check.
  return body_bytes == 0 || (crc32(0, body, body_bytes) & kChecksumBits) == uint32_at(record + plan.checksum_at);
}

// A hint: it waits for nothing, and a page that is not present stays so.
void fetch(const uint8_t* from, size_t bytes) {
  for (size_t at = 0; at < std::min(bytes, kFetchBytesMax); at += kCacheLineBytes) __builtin_prefetch(from + at);
}

// Where records are said to lie, in memory that another thread may write to: each number is read once and checked.
class Places {
 public:
  Places(const Bytes& bytes, uint64_t base, const double* positions, const int32_t* sizes)
      : bytes_(bytes), base_(static_cast<double>(base)), positions_(positions), sizes_(sizes) {}

  // Where the record of an entry begins and how long it is; false unless all of that is inside the bytes.
  bool find(size_t index, size_t* at, size_t* size_bytes) const {
    const double from = static_cast<const volatile double*>(positions_)[index] - base_;
    const int32_t size = static_cast<const volatile int32_t*>(sizes_)[index];
    // The comparison is written so that NaN fails it.
    if (!(from >= 0 && from < static_cast<double>(bytes_.length)) || size < 0) return false;
    *at = static_cast<size_t>(from);
    *size_bytes = static_cast<size_t>(size);
    return static_cast<double>(*at) == from && *size_bytes <= bytes_.length - *at;
  }

 private:
  const Bytes bytes_;
  const double base_;
  const double* const positions_;
  const int32_t* const sizes_;
};

}  // namespace

napi_value intact_records(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 4);
  const Bytes bytes = arguments.uint8_array(0, "the bytes");
  size_t position_count = 0;
  const double* const positions = arguments.float64_array(1, "the positions", &position_count);
  size_t size_count = 0;
  const int32_t* const sizes = arguments.int32_array(2, "the sizes", &size_count);
  size_t number_count = 0;
  const double* const numbers = arguments.float64_array(3, "the plan", &number_count);
  if (arguments.ok() && number_count != kNumberCount) arguments.refuse("the plan", "must have all of its numbers");
  if (!arguments.ok()) return nullptr;

  const auto number = [&](Number index, uint64_t max) { return arguments.number(numbers[index], "the plan", max); };
  const size_t until = number(kUntil, std::min(position_count, size_count));
  const size_t from = number(kFrom, until);
  const uint64_t queue_offset = number(kQueueOffset, kExactIntegerMax);
  const size_t body_bytes_at = number(kBodyBytesAt, UINT16_MAX);
  // Every field lies before the body, so that a record which holds its head holds them.
  const size_t last_32_at = body_bytes_at;
  const size_t last_64_at = body_bytes_at >= 4 ? body_bytes_at - 4 : 0;
  const size_t topic_until = number(kTopicUntil, bytes.length);
  const size_t topic_from = number(kTopicFrom, topic_until);
  const Plan plan = {number(kBase, kExactIntegerMax),
                     number(kTotalBytesAt, last_32_at),
                     number(kMagicAt, last_32_at),
                     number(kChecksumAt, last_32_at),
                     number(kQueueIdAt, last_32_at),
                     number(kQueueOffsetAt, last_64_at),
                     number(kPhysicalOffsetAt, last_64_at),
                     number(kSysFlagAt, last_32_at),
                     body_bytes_at,
                     static_cast<uint32_t>(number(kMagic, UINT32_MAX)),
                     static_cast<uint32_t>(number(kQueueId, UINT32_MAX)),
                     static_cast<uint32_t>(number(kHostBits, UINT32_MAX)),
                     static_cast<uint32_t>(number(kHostBitsSet, UINT32_MAX)),
                     bytes.data + topic_from,
                     topic_until - topic_from,
                     body_bytes_at + 4};
  if (arguments.ok() && body_bytes_at < 4) arguments.refuse("the plan", "must have the fields before the body");
  if (!arguments.ok()) return nullptr;

  const Places places(bytes, plan.base, positions, sizes);
  size_t index = from;
  size_t fetched = from;
  size_t at = 0;
  size_t size_bytes = 0;
  for (; index < until && places.find(index, &at, &size_bytes); index += 1) {
    // Beside the sums of those before it, so that one waits for memory while the other computes.
    size_t next_at = 0;
    size_t next_bytes = 0;
    for (; fetched < until && places.find(fetched, &next_at, &next_bytes); fetched += 1) {
      if (next_at > at + kAheadBytes && fetched > index + kAheadCount) break;
      fetch(bytes.data + next_at, next_bytes);
    }
    if (!is_intact(plan, bytes.data + at, size_bytes, plan.base + at, queue_offset + (index - from))) break;
  }
  napi_value result = nullptr;
  napi_create_uint32(env, static_cast<uint32_t>(index - from), &result);
  return result;
}

}  // namespace varve
