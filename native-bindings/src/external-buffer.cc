#include "external-buffer.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

// What is needed of V8, as v8.h declares it; its headers belong to one version each.
namespace v8 {

#define VARVE_WEAK __attribute__((weak, visibility("default")))

class Isolate {
 public:
  VARVE_WEAK static Isolate* GetCurrent();
};

template <class Type>
class Local {
 public:
  Type* slot;
};

template <class Type>
class Maybe {
 public:
  bool has_value;
  Type value;
};

class Value;

class BackingStore {
 public:
  using DeleterCallback = void (*)(void* data, size_t length, void* deleter_data);
  VARVE_WEAK ~BackingStore();
  VARVE_WEAK static void EmptyDeleter(void* data, size_t length, void* deleter_data);
};

class ArrayBuffer {
 public:
  VARVE_WEAK static std::unique_ptr<BackingStore> NewBackingStore(void* data, size_t length,
                                                                 BackingStore::DeleterCallback deleter,
                                                                 void* deleter_data);
  VARVE_WEAK static Local<ArrayBuffer> New(Isolate* isolate, std::shared_ptr<BackingStore> backing_store);
  VARVE_WEAK void SetDetachKey(Local<Value> key);
  VARVE_WEAK Maybe<bool> Detach(Local<Value> key);
};

}  // namespace v8

namespace varve {

namespace {

// Through a volatile, because a compiler takes the address of a function for never null.
template <typename Function>
bool is_there(Function function) {
  Function volatile address = function;
  return address != nullptr;
}

bool v8_has_what_is_needed() {
  using NewBuffer = v8::Local<v8::ArrayBuffer> (*)(v8::Isolate*, std::shared_ptr<v8::BackingStore>);
  return is_there(&v8::Isolate::GetCurrent) && is_there(&v8::BackingStore::EmptyDeleter) &&
         is_there(&v8::ArrayBuffer::NewBackingStore) && is_there(static_cast<NewBuffer>(&v8::ArrayBuffer::New));
}

bool v8_has_detach_keys() {
  return is_there(&v8::ArrayBuffer::SetDetachKey) && is_there(&v8::ArrayBuffer::Detach);
}

// A napi_value is the slot of a V8 handle: node_api.h hides it, and every Node version converts it so.
template <typename To, typename From>
To convert(From handle) {
  static_assert(sizeof(To) == sizeof handle, "both are one pointer");
  To converted;
  std::memcpy(&converted, &handle, sizeof converted);
  return converted;
}

// Some builds of V8 keep all buffers in a cage of addresses and end the process over one outside of it; N-API answers
// with an error there. One answer holds for the whole process.
napi_status ask_for_permission(napi_env env) {
  static std::atomic<bool> is_granted{false};
  if (is_granted.load(std::memory_order_relaxed)) return napi_ok;
  static char probe[8];
  napi_value buffer = nullptr;
  const auto nothing = [](napi_env, void*, void*) {};
  const napi_status status = napi_create_external_arraybuffer(env, probe, sizeof probe, nothing, nullptr, &buffer);
  if (status == napi_ok) is_granted.store(true, std::memory_order_relaxed);
  return status;
}

}  // namespace

bool external_buffers_are_free() {
  static const bool are_free = std::getenv("VARVE_NATIVE_ACCOUNTED") == nullptr && v8_has_what_is_needed();
  return are_free;
}

napi_status create_external_buffer(napi_env env, void* data, size_t bytes, napi_finalize finalize, void* hint,
                                   napi_value* result) {
  if (!external_buffers_are_free()) return napi_create_external_arraybuffer(env, data, bytes, finalize, hint, result);

  const napi_status status = ask_for_permission(env);
  if (status != napi_ok) return status;

  // Deleted without a size: the class is larger than is declared here, and than v8.h declares it.
  const auto discard = [](v8::BackingStore* store) {
    store->~BackingStore();
    ::operator delete(static_cast<void*>(store));
  };
  auto store = v8::ArrayBuffer::NewBackingStore(data, bytes, v8::BackingStore::EmptyDeleter, nullptr);
  const std::shared_ptr<v8::BackingStore> shared(store.release(), discard);
  *result = convert<napi_value>(v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), shared));
  return napi_add_finalizer(env, *result, data, finalize, hint, nullptr);
}

napi_status detach_external_buffer(napi_env env, napi_value buffer) {
  if (!v8_has_detach_keys()) return napi_detach_arraybuffer(env, buffer);

  // Keys are compared with `===`, so any number will do.
  napi_value number = nullptr;
  const napi_status status = napi_create_int32(env, 1, &number);
  if (status != napi_ok) return status;
  const auto key = convert<v8::Local<v8::Value>>(number);
  auto* const array_buffer = convert<v8::ArrayBuffer*>(buffer);
  array_buffer->SetDetachKey(key);
  array_buffer->Detach(key);
  bool is_detached = false;
  napi_is_detached_arraybuffer(env, buffer, &is_detached);
  return is_detached ? napi_ok : napi_generic_failure;
}

}  // namespace varve
