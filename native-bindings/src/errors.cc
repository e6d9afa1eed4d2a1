#include "errors.h"

#include <cerrno>
#include <cstring>
#include <string>

namespace varve {

napi_value throw_system(napi_env env, int error, const char* call) {
  const std::string message = std::string(errno_name(error)) + ": " + std::strerror(error) + ", " + call;
  napi_throw_error(env, errno_name(error), message.c_str());
  return nullptr;
}

#define VARVE_ERRNO_NAMES(each)                                                                                       \
  each(EACCES) each(EAGAIN) each(EBADF) each(EBUSY) each(EDEADLK) each(EDQUOT) each(EEXIST) each(EFAULT) each(EFBIG)  \
  each(EINTR) each(EINVAL) each(EIO) each(EISDIR) each(ELOOP) each(EMFILE) each(ENAMETOOLONG) each(ENFILE)            \
  each(ENODEV) each(ENOENT) each(ENOLCK) each(ENOMEM) each(ENOSPC) each(ENOSYS) each(ENOTDIR) each(ENOTSUP)           \
  each(ENXIO) each(EOVERFLOW) each(EPERM) each(EROFS) each(ESPIPE) each(ESTALE) each(ETXTBSY)

const char* errno_name(int error) {
#ifdef EHWPOISON
  if (error == EHWPOISON) return "EHWPOISON";
#endif
  // The same number on Linux, where the system's pages speak of EOPNOTSUPP; Node says ENOTSUP.
  if (error == EOPNOTSUPP) return "ENOTSUP";
#define VARVE_NAME(name) \
  if (error == name) return #name;
  VARVE_ERRNO_NAMES(VARVE_NAME)
#undef VARVE_NAME
  return "EUNKNOWN";
}

}  // namespace varve
