// An ArrayBuffer over memory that is not the heap's: N-API has one, but V8 then counts its length as memory to be freed
// by garbage collection. Each segment of 1 GiB that is mapped so starts a full collection of the thread that appends:
// 100 ms for 200 MB of live objects, measured on Node 20. Mapped files are not memory that collection could free, and
// V8 leaves a buffer out of its sum if nothing is to be done when it dies (`BackingStore::EmptyDeleter`).
//
// That way is not part of N-API. It uses four functions of V8 that have not changed in binary form since Node 14; they
// are weak references, and where one is missing, or memory outside of the heap is not allowed at all, N-API does the job.
#pragma once

#include <node_api.h>

#include <cstddef>

namespace varve {

// `finalize` runs once, when the buffer is collected or the thread ends. It also runs if the call fails, or never:
// what it does must be right in both cases.
napi_status create_external_buffer(napi_env env, void* data, size_t bytes, napi_finalize finalize, void* hint,
                                   napi_value* result);

// Whether garbage collection takes no notice of the size of mapped files.
bool external_buffers_are_free();

}  // namespace varve
