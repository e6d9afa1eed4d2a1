// What JavaScript hands in, checked: every entry point reads its arguments through this class and through nothing else.
//
// The first argument that does not fit throws a JavaScript error and turns `ok()` false; every later read then answers
// zero at once. An entry point reads all of its arguments, asks `ok()` once, and only then acts.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace varve {

// Integers cross as doubles; above this they are not exact.
inline constexpr uint64_t kExactIntegerMax = (uint64_t{1} << 53) - 1;

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info, size_t expected);

  bool ok() const { return ok_; }

  // An integer from 0 to `max`.
  uint64_t integer(size_t index, const char* name, uint64_t max = kExactIntegerMax);
  // A position and a length of at least 1 whose sum is still exact.
  void range(size_t at_index, size_t bytes_index, uint64_t* at, uint64_t* bytes);
  int file(size_t index);
  bool boolean(size_t index, const char* name);
  std::string string(size_t index, const char* name);
  napi_value array_buffer(size_t index, const char* name, Bytes* bytes);
  Bytes uint8_array(size_t index, const char* name);
  double* float64_array(size_t index, const char* name, size_t* length);
  int32_t* int32_array(size_t index, const char* name, size_t* length);
  uint32_t* uint32_array(size_t index, const char* name, size_t* length);

  // A number that came in an array, as an integer from 0 to `max`.
  uint64_t number(double value, const char* name, uint64_t max);

  // Refuses the call: `explains` finishes the sentence "<name> …".
  void refuse(const char* name, const char* explains);

 private:
  static constexpr size_t kCountMax = 6;

  void* typed_array(size_t index, const char* name, napi_typedarray_type type, const char* explains, size_t* length);

  napi_env env_;
  napi_value values_[kCountMax] = {};
  bool ok_ = true;
};

}  // namespace varve
