// The list of what the addon offers. Loaded once per process, initialised once per thread that requires it.
#include "entry-points.h"
#include "errors.h"
#include "sigbus.h"

namespace varve {

napi_value install_handler(napi_env env, napi_callback_info) {
  const int error = install_sigbus_handler();
  return error == 0 ? nullptr : throw_system(env, error, "sigaction");
}

namespace {

struct EntryPoint {
  const char* name;
  napi_callback function;
};

constexpr EntryPoint kEntryPoints[] = {
    {"map", map_file},
    {"unmap", unmap},
    {"widen", widen},
    {"addressOf", address_of},
    {"prefault", prefault},
    {"syncRange", sync_range},
    {"resident", resident},
    {"dropPages", drop_pages},
    {"readAhead", read_ahead},
    {"allocate", allocate},
    {"punchHole", punch_hole},
    {"syncFileBytes", sync_file_bytes},
    {"startWriting", start_writing},
    {"syncData", sync_data},
    {"syncDirectory", sync_directory},
    {"syncFileSystem", sync_file_system},
    {"mountOf", mount_of},
    {"fileReadAhead", file_read_ahead},
    {"readNoWait", read_no_wait},
    {"nextData", next_data},
    {"lockFile", lock_file},
    {"unlockFile", unlock_file},
    {"crc32", crc32_of},
    {"crc32Many", crc32_of_many},
    {"intactRecords", intact_records},
    {"installSigbusHandler", install_handler},
};

}  // namespace
}  // namespace varve

NAPI_MODULE_INIT() {
  for (const auto& entry_point : varve::kEntryPoints) {
    napi_value function = nullptr;
    if (napi_create_function(env, entry_point.name, NAPI_AUTO_LENGTH, entry_point.function, nullptr, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, entry_point.name, function) != napi_ok) {
      return nullptr;  // The failing call has left an exception, or the thread is ending.
    }
  }
  napi_value sources = nullptr;
  napi_create_string_utf8(env, VARVE_SOURCES, NAPI_AUTO_LENGTH, &sources);
  napi_set_named_property(env, exports, "sources", sources);
  return exports;
}
