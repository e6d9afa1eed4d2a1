#include "arguments.h"

#include <climits>
#include <cmath>

namespace varve {

Arguments::Arguments(napi_env env, napi_callback_info info, size_t expected) : env_(env) {
  size_t count = kCountMax;
  if (napi_get_cb_info(env, info, &count, values_, nullptr, nullptr) != napi_ok || count < expected) {
    refuse("the call", "has too few arguments");
  }
}

uint64_t Arguments::integer(size_t index, const char* name, uint64_t max) {
  if (!ok_) return 0;
  double value = std::nan("");  // It stays so if no number was given, and is refused.
  napi_get_value_double(env_, values_[index], &value);
  return number(value, name, max);
}

uint64_t Arguments::number(double value, const char* name, uint64_t max) {
  if (!ok_) return 0;
  // The comparison is written so that NaN fails it.
  if (!(value >= 0 && value <= static_cast<double>(max)) || value != std::floor(value)) {
    refuse(name, "must be an integer within its range");
    return 0;
  }
  return static_cast<uint64_t>(value);
}

void Arguments::range(size_t at_index, size_t bytes_index, uint64_t* at, uint64_t* bytes) {
  *at = integer(at_index, "the position");
  *bytes = integer(bytes_index, "the length");
  if (!ok_) return;
  if (*bytes == 0) refuse("the length", "must be at least 1");
  if (*at > kExactIntegerMax - *bytes) refuse("the range", "must end below 2^53");
}

int Arguments::file(size_t index) { return static_cast<int>(integer(index, "the file descriptor", INT_MAX)); }

bool Arguments::boolean(size_t index, const char* name) {
  if (!ok_) return false;
  bool value = false;
  if (napi_get_value_bool(env_, values_[index], &value) != napi_ok) refuse(name, "must be a boolean");
  return value;
}

std::string Arguments::string(size_t index, const char* name) {
  if (!ok_) return {};
  size_t length = 0;
  if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
    refuse(name, "must be a string");
    return {};
  }
  std::string text(length, '\0');
  // The call also writes a closing zero: std::string keeps a byte for it.
  napi_get_value_string_utf8(env_, values_[index], text.data(), length + 1, &length);
  if (text.find('\0') != std::string::npos) refuse(name, "must not have a zero character");
  return text;
}

napi_value Arguments::array_buffer(size_t index, const char* name, Bytes* bytes) {
  if (!ok_) return nullptr;
  bool is_array_buffer = false;
  napi_is_arraybuffer(env_, values_[index], &is_array_buffer);
  if (!is_array_buffer) {
    refuse(name, "must be an ArrayBuffer");
    return nullptr;
  }
  void* data = nullptr;
  napi_get_arraybuffer_info(env_, values_[index], &data, &bytes->length);
  bytes->data = static_cast<uint8_t*>(data);
  return values_[index];
}

Bytes Arguments::uint8_array(size_t index, const char* name) {
  Bytes bytes;
  bytes.data = static_cast<uint8_t*>(typed_array(index, name, napi_uint8_array, "must be a Uint8Array", &bytes.length));
  return bytes;
}

double* Arguments::float64_array(size_t index, const char* name, size_t* length) {
  return static_cast<double*>(typed_array(index, name, napi_float64_array, "must be a Float64Array", length));
}

int32_t* Arguments::int32_array(size_t index, const char* name, size_t* length) {
  return static_cast<int32_t*>(typed_array(index, name, napi_int32_array, "must be an Int32Array", length));
}

uint32_t* Arguments::uint32_array(size_t index, const char* name, size_t* length) {
  return static_cast<uint32_t*>(typed_array(index, name, napi_uint32_array, "must be a Uint32Array", length));
}

void Arguments::refuse(const char* name, const char* explains) {
  if (!ok_) return;
  ok_ = false;
  const std::string message = std::string("native-bindings: ") + name + " " + explains;
  napi_throw_type_error(env_, "ERR_VARVE_ARGUMENT", message.c_str());
}

void* Arguments::typed_array(size_t index, const char* name, napi_typedarray_type type, const char* explains,
                             size_t* length) {
  *length = 0;
  if (!ok_) return nullptr;
  bool is_typed_array = false;
  napi_is_typedarray(env_, values_[index], &is_typed_array);
  napi_typedarray_type found = napi_int8_array;
  void* data = nullptr;
  if (!is_typed_array ||
      napi_get_typedarray_info(env_, values_[index], &found, length, &data, nullptr, nullptr) != napi_ok ||
      found != type) {
    *length = 0;
    refuse(name, explains);
    return nullptr;
  }
  return data;
}

}  // namespace varve
