// Failures of the system as JavaScript errors: `code` is the name of the errno, as in Node's own file functions.
#pragma once

#include <node_api.h>

namespace varve {

// Throws and returns nullptr, so that an entry point can end with it. `call` is the system call that failed.
napi_value throw_system(napi_env env, int error, const char* call);

// The name of an errno, `EUNKNOWN` for one that is not expected here.
const char* errno_name(int error);

}  // namespace varve
