// CRC-32 of bytes in JavaScript's hands. Many ranges go in one call: the crossing costs more than a small record's sum.
#include <cmath>

#include "arguments.h"
#include "crc32.h"
#include "entry-points.h"

namespace varve {

namespace {

// Whether `[from, until)` lies inside `length` bytes. Doubles that are no such integers, NaN included, do not.
bool is_range(double from, double until, size_t length) {
  return from >= 0 && from <= until && until <= static_cast<double>(length) && from == std::floor(from) &&
         until == std::floor(until);
}

}  // namespace

napi_value crc32_of(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 3);
  const Bytes bytes = arguments.uint8_array(0, "the bytes");
  const uint64_t from = arguments.integer(1, "from", bytes.length);
  const uint64_t until = arguments.integer(2, "until", bytes.length);
  if (from > until) arguments.refuse("from", "must not be above until");
  if (!arguments.ok()) return nullptr;
  napi_value result = nullptr;
  napi_create_uint32(env, crc32(0, bytes.data + from, until - from), &result);
  return result;
}

napi_value crc32_of_many(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, 4);
  const Bytes bytes = arguments.uint8_array(0, "the bytes");
  size_t range_numbers = 0;
  const double* const ranges = arguments.float64_array(1, "the ranges", &range_numbers);
  size_t into_length = 0;
  uint32_t* const into = arguments.uint32_array(3, "the results", &into_length);
  const uint64_t count = arguments.integer(2, "the count", into_length);
  if (arguments.ok() && count > range_numbers / 2) arguments.refuse("the count", "must not exceed the pairs of ranges");
  if (!arguments.ok()) return nullptr;

  for (uint64_t index = 0; index < count; index += 1) {
    // Read once: the numbers may lie in memory that another thread writes to.
    const double from = static_cast<const volatile double*>(ranges)[2 * index];
    const double until = static_cast<const volatile double*>(ranges)[2 * index + 1];
    if (!is_range(from, until, bytes.length)) {
      arguments.refuse("each range", "must lie inside the bytes");
      return nullptr;
    }
    const size_t at = static_cast<size_t>(from);
    into[index] = crc32(0, bytes.data + at, static_cast<size_t>(until) - at);
  }
  return nullptr;
}

}  // namespace varve
