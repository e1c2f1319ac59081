// Errors as values.
//
// Every function that can fail returns Result<T>; no exception crosses a module. An Error has one
// sentence for people (what failed, on which object, what to do) and a kind, which programs decide
// by and from which a process's exit status follows (sysexits.h numbers, listed in
// docs/exit-codes.md).
#ifndef SLUICE_COMMON_ERROR_H_
#define SLUICE_COMMON_ERROR_H_

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

enum class ErrorKind {
  kUsage,     // the command line is wrong
  kConfig,    // the configuration is wrong: a retry with the same files cannot help
  kCorrupt,   // stored data is damaged, or does not belong together
  kFormat,    // stored data has a newer format than this program knows
  kIdentity,  // queue, delivery store and machine do not belong together (design: identity of the
              // pair)
  kNotFound,  // the object is not there (yet)
  kTrimmed,   // a record was asked for that the queue no longer keeps
  kCannotCreate,   // a file or directory cannot be created or written
  kIo,             // reading or writing failed
  kBusy,           // somebody else holds it
  kUnavailable,    // a remote service cannot be reached or answers that it cannot serve
  kUnauthorized,   // a remote service refuses who we are or what we may do
  kUnimplemented,  // a remote service does not have what was asked for
  kRejected,       // a remote service will never accept this input
  kTooLarge,       // a message is larger than this program takes
  kEpochChanged,   // the queue's writer has opened it anew: reopen and reconcile
  kHole,           // a sequence number that must be there is not
  kNoSpace,        // the file system is full: it may have room again later
  kStopped,        // asked to stop
  kInternal,       // a defect of this program
};

struct [[nodiscard]] Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

// unexpected(kind, sentence): what a failing function returns.
inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, std::move(message)});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

// "OPERATION PATH: REASON" for a failed system call; errno is read at the call. EACCES, EPERM and
// EROFS become kCannotCreate, ENOENT kNotFound, ENOSPC and EDQUOT kNoSpace, all others kIo.
Error errno_error(std::string_view operation, std::string_view object);

// The exit status for an error that ends a process.
int exit_status(ErrorKind kind);

// A word for logs and JSON, for example "corrupt".
std::string_view name_of(ErrorKind kind);

}  // namespace sluice

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

// SLUICE_TRY(expression): returns the error of a Result<…> from the calling function; drops the
// value.
#define SLUICE_TRY(expression)                               \
  do {                                                       \
    if (auto try_result = (expression); !try_result) {       \
      return std::unexpected(std::move(try_result).error()); \
    }                                                        \
  } while (false)

// SLUICE_ASSIGN(declaration, expression): `declaration` takes the value, or the error is returned.
#define SLUICE_ASSIGN(declaration, expression) \
  SLUICE_ASSIGN_IMPL(SLUICE_CONCAT(assign_result_, __LINE__), declaration, expression)
#define SLUICE_ASSIGN_IMPL(result, declaration, expression)       \
  auto result = (expression);                                     \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)

#endif  // SLUICE_COMMON_ERROR_H_
