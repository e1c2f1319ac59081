#include "common/error.h"

#include <fmt/format.h>
#include <sysexits.h>

#include <cerrno>
#include <system_error>

namespace sluice {

Error errno_error(std::string_view operation, std::string_view object) {
  const int code = errno;
  ErrorKind kind = ErrorKind::kIo;
  if (code == EACCES || code == EPERM || code == EROFS) kind = ErrorKind::kCannotCreate;
  if (code == ENOENT || code == ENOTDIR) kind = ErrorKind::kNotFound;
  if (code == ENOSPC || code == EDQUOT) kind = ErrorKind::kNoSpace;
  return Error{kind, fmt::format("cannot {} {}: {}", operation, object,
                                 std::generic_category().message(code))};
}

int exit_status(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return EX_USAGE;
    case ErrorKind::kConfig:
      return EX_CONFIG;
    case ErrorKind::kCorrupt:
    case ErrorKind::kFormat:
    case ErrorKind::kIdentity:
    case ErrorKind::kHole:
    case ErrorKind::kRejected:
    case ErrorKind::kTooLarge:
      return EX_DATAERR;
    case ErrorKind::kNotFound:
    case ErrorKind::kTrimmed:
      return EX_NOINPUT;
    case ErrorKind::kCannotCreate:
      return EX_CANTCREAT;
    case ErrorKind::kIo:
    case ErrorKind::kNoSpace:
      return EX_IOERR;
    case ErrorKind::kBusy:
    case ErrorKind::kEpochChanged:
    case ErrorKind::kStopped:
      return EX_TEMPFAIL;
    case ErrorKind::kUnavailable:
    case ErrorKind::kUnimplemented:
      return EX_UNAVAILABLE;
    case ErrorKind::kUnauthorized:
      return EX_NOPERM;
    case ErrorKind::kInternal:
      break;
  }
  return EX_SOFTWARE;
}

std::string_view name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kConfig:
      return "config";
    case ErrorKind::kCorrupt:
      return "corrupt";
    case ErrorKind::kFormat:
      return "format";
    case ErrorKind::kIdentity:
      return "identity";
    case ErrorKind::kNotFound:
      return "not-found";
    case ErrorKind::kTrimmed:
      return "trimmed";
    case ErrorKind::kCannotCreate:
      return "cannot-create";
    case ErrorKind::kIo:
      return "io";
    case ErrorKind::kBusy:
      return "busy";
    case ErrorKind::kUnavailable:
      return "unavailable";
    case ErrorKind::kUnauthorized:
      return "unauthorized";
    case ErrorKind::kUnimplemented:
      return "unimplemented";
    case ErrorKind::kRejected:
      return "rejected";
    case ErrorKind::kTooLarge:
      return "too-large";
    case ErrorKind::kEpochChanged:
      return "epoch-changed";
    case ErrorKind::kHole:
      return "hole";
    case ErrorKind::kNoSpace:
      return "no-space";
    case ErrorKind::kStopped:
      return "stopped";
    case ErrorKind::kInternal:
      break;
  }
  return "internal";
}

}  // namespace sluice
