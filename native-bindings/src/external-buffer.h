// An ArrayBuffer over memory that is not the heap's: N-API has one, but V8 then counts its length as memory to be freed
// by garbage collection. Each segment of 1 GiB that is mapped so starts a full collection of the thread that appends:
// 100 ms for 200 MB of live objects, measured on Node 20. Mapped files are not memory that collection could free, and
// V8 leaves a buffer out of its sum if nothing is to be done when it dies (`BackingStore::EmptyDeleter`).
//
// That way is not part of N-API. It uses six functions of V8 that are the same in binary form from Node 20 to 24; they
// are weak references, and where one is missing, or memory outside of the heap is not allowed at all, N-API does the job.
#pragma once

#include <node_api.h>

#include <cstddef>

namespace varve {

// `finalize` runs once, when the buffer is collected or the thread ends. It also runs if the call fails, or never:
// what it does must be right in both cases.
napi_status create_external_buffer(napi_env env, void* data, size_t bytes, napi_finalize finalize, void* hint,
                                   napi_value* result);

// Detaches a buffer made by the function above. From Node 24 on `markAsUntransferable` locks a buffer with a key that N-API
// does not know, and N-API ends the process when it detaches one: so the key is replaced first.
napi_status detach_external_buffer(napi_env env, napi_value buffer);

// Whether garbage collection takes no notice of the size of mapped files.
bool external_buffers_are_free();

}  // namespace varve
