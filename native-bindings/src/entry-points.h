// The functions that JavaScript sees, one declaration each; index.ts documents them. module.cc makes the list.
#pragma once

#include <node_api.h>

namespace varve {

// mappings.cc
napi_value map_file(napi_env env, napi_callback_info info);
napi_value unmap(napi_env env, napi_callback_info info);
napi_value widen(napi_env env, napi_callback_info info);
napi_value address_of(napi_env env, napi_callback_info info);
napi_value prefault(napi_env env, napi_callback_info info);
napi_value sync_range(napi_env env, napi_callback_info info);
napi_value resident(napi_env env, napi_callback_info info);
napi_value drop_pages(napi_env env, napi_callback_info info);
napi_value read_ahead(napi_env env, napi_callback_info info);

// files.cc
napi_value allocate(napi_env env, napi_callback_info info);
napi_value punch_hole(napi_env env, napi_callback_info info);
napi_value sync_file_bytes(napi_env env, napi_callback_info info);
napi_value start_writing(napi_env env, napi_callback_info info);
napi_value sync_data(napi_env env, napi_callback_info info);
napi_value sync_directory(napi_env env, napi_callback_info info);
napi_value sync_file_system(napi_env env, napi_callback_info info);
napi_value mount_of(napi_env env, napi_callback_info info);
napi_value file_read_ahead(napi_env env, napi_callback_info info);
napi_value read_no_wait(napi_env env, napi_callback_info info);
napi_value next_data(napi_env env, napi_callback_info info);

// locks.cc
napi_value lock_file(napi_env env, napi_callback_info info);
napi_value unlock_file(napi_env env, napi_callback_info info);

// checksums.cc
napi_value crc32_of(napi_env env, napi_callback_info info);
napi_value crc32_of_many(napi_env env, napi_callback_info info);

// records.cc
napi_value intact_records(napi_env env, napi_callback_info info);

// module.cc
napi_value install_handler(napi_env env, napi_callback_info info);

}  // namespace varve
