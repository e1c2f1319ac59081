// What the sources need of Teleport: the calls, without how they are made.
//
// TeleportClient implements it; tests put stand-ins in its place. Every call may be made from any
// thread, several at once; each stream belongs to one thread. A stop token that is asked to stop
// ends every wait soon, with kStopped. Other errors are of kind
//   kUnavailable    what may pass by itself: connection, time limit, trouble on the server
//   kUnauthorized   Teleport refuses our identity, or what it may do
//   kUnimplemented  this Teleport (or its storage) does not have the call
//   kNotFound       no such chunk, or no such recording
//   kRejected       a cursor or key that Teleport does not take
//   kTooLarge       the next message has more than kMessageBytesMax bytes
// and each says in one sentence which address failed, and why.
#ifndef SLUICE_FETCHER_SOURCE_EVENT_API_H_
#define SLUICE_FETCHER_SOURCE_EVENT_API_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/time.h"

namespace sluice::fetcher {

// One event of a chunk, as wire bytes of EventUnstructured, and the cursor behind it. The views are
// valid until the stream's next next().
struct ExportItem {
  std::string_view event;
  std::string_view cursor;
};

// Streams end with nothing. Destroying one cancels it.
class ExportStream {
 public:
  virtual ~ExportStream() = default;
  virtual Result<std::optional<ExportItem>> next() = 0;
};

class SessionStream {
 public:
  virtual ~SessionStream() = default;
  virtual Result<std::optional<std::string_view>> next() = 0;
};

struct SearchRequest {
  Timestamp from;
  Timestamp to;
  std::vector<std::string> types;  // none: all
  std::uint32_t limit = 0;
  std::string start_key;  // of the page before, in the same window
};

struct SearchPage {
  std::shared_ptr<const void> owner;  // keeps alive what the views point into
  std::vector<std::string_view> events;
  std::string last_key;  // empty: the window has no further page
};

// Keeps a user from logging in.
struct LockRequest {
  std::string name;  // of the lock; one of the same name is replaced
  std::string user;
  std::string login;  // on the host; empty: any
  std::string message;
  std::optional<Timestamp> expires;  // nothing: until somebody removes it
};

// Larger than any event that can be kept (kEventBytesMax, transcode/event.h), so that of one that
// cannot it is still seen what it is.
inline constexpr std::size_t kMessageBytesMax = 256U << 20;

class EventApi {
 public:
  EventApi() = default;
  EventApi(const EventApi&) = delete;
  EventApi& operator=(const EventApi&) = delete;
  virtual ~EventApi() = default;

  // The cluster's name.
  virtual Result<std::string> ping(std::stop_token stop) = 0;
  // All chunks of a day, as Teleport lists them: unsorted.
  virtual Result<std::vector<std::string>> list_chunks(Day day, std::stop_token stop) = 0;
  // The events of a chunk behind `cursor` (empty: all). An error of the call itself comes with the
  // first next().
  virtual std::unique_ptr<ExportStream> export_chunk(Day day, const std::string& chunk,
                                                     const std::string& cursor,
                                                     std::stop_token stop) = 0;
  virtual Result<SearchPage> search(const SearchRequest& request, std::stop_token stop) = 0;
  // A recording's events from `start_index` on. Errors as in export_chunk().
  virtual std::unique_ptr<SessionStream> stream_session(const std::string& sid,
                                                        std::int32_t start_index,
                                                        std::stop_token stop) = 0;
  virtual Result<void> lock(const LockRequest& request, std::stop_token stop) = 0;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_SOURCE_EVENT_API_H_
