#include "shipper/fluentd/forward_transport.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <deque>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "common/base64.h"
#include "common/check.h"
#include "common/forward_url.h"
#include "common/random.h"
#include "common/time.h"
#include "shipper/fluentd/client_identity.h"
#include "shipper/fluentd/dial_pacer.h"
#include "shipper/fluentd/event_fd.h"
#include "shipper/fluentd/forward_connection.h"
#include "shipper/fluentd/forward_message.h"
#include "shipper/fluentd/gzip.h"

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kChunkIdBytes = 16;
// Of BodyForm::kEntries: what its uint32 takes.
constexpr std::size_t kCountBytes = 5;

std::string new_chunk_id() {
  std::array<std::uint8_t, kChunkIdBytes> bytes{};
  fill_random(bytes);
  return base64(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::uint32_t take_count(std::string* body) {
  SLUICE_CHECK(body->size() >= kCountBytes && body->front() == '\xce',
               "the forward protocol needs a body of entries");
  std::uint32_t count = 0;
  for (std::size_t i = 1; i < kCountBytes; ++i) {
    count = count << 8U | static_cast<unsigned char>((*body)[i]);
  }
  body->erase(0, kCountBytes);
  return count;
}

}  // namespace

struct ForwardTransport::Impl {
  explicit Impl(const ForwardOptions& forward_options)
      : options(forward_options),
        pacer(forward_options.dial_interval),
        identity(forward_options.tls) {
    if (options.gzip) gzip.emplace();
  }

  Chunk chunk_of(std::uint64_t request_id, const std::string& url, std::string body);
  void place_waiting(milliseconds now);
  bool give_to_idle(Chunk* chunk, milliseconds now);
  bool may_dial(const Chunk& chunk, milliseconds now);
  void advance(milliseconds now, std::vector<Answer>* answers);
  void expire(milliseconds now, std::vector<Answer>* answers);
  void wait(milliseconds now, milliseconds until);

  const ForwardOptions options;
  DialPacer pacer;
  ClientIdentity identity;
  std::optional<Gzip> gzip;
  std::shared_ptr<EventFd> event = std::make_shared<EventFd>();
  std::atomic<bool> woken = false;
  std::deque<Chunk> waiting;     // for a connection
  bool waits_for_pacer = false;  // one of them, and for nothing else
  std::list<ForwardConnection> connections;
};

Chunk ForwardTransport::Impl::chunk_of(std::uint64_t request_id, const std::string& url,
                                       std::string body) {
  auto parsed = parse_forward_url(url);
  SLUICE_CHECK(parsed.has_value(), "the URL was checked with the configuration");
  const std::uint32_t events = take_count(&body);
  if (gzip) body = gzip->pack(body);
  Chunk chunk{.request_id = request_id,
              .id = new_chunk_id(),
              .url = std::move(*parsed),
              .head = {},
              .entries = std::move(body),
              .tail = {},
              .deadline = system_clock().monotonic() + options.request_timeout};
  ChunkFrame frame = chunk_frame({.tag = chunk.url.tag,
                                  .id = chunk.id,
                                  .events = events,
                                  .entries_bytes = chunk.entries.size(),
                                  .gzip = options.gzip});
  chunk.head = std::move(frame.head);
  chunk.tail = std::move(frame.tail);
  return chunk;
}

// A connection that the server has closed in the meantime is found out here, before it is used.
bool ForwardTransport::Impl::give_to_idle(Chunk* chunk, milliseconds now) {
  for (ForwardConnection& connection : connections) {
    if (!connection.is_idle() || connection.server() != chunk->url.server()) continue;
    connection.advance(now);
    if (!connection.is_idle()) continue;
    connection.carry(std::move(*chunk));
    return true;
  }
  return false;
}

// One that stands idle for another server gives way.
bool ForwardTransport::Impl::may_dial(const Chunk& chunk, milliseconds now) {
  connections.remove_if([](const ForwardConnection& one) { return one.has_ended(); });
  auto other = connections.end();
  if (connections.size() >= options.connections) {
    other = std::ranges::find_if(connections, [&](const ForwardConnection& one) {
      return one.is_idle() && one.server() != chunk.url.server();
    });
    if (other == connections.end()) return false;
  }
  waits_for_pacer = !pacer.try_dial(now);
  if (waits_for_pacer) return false;
  if (other != connections.end()) connections.erase(other);
  return true;
}

void ForwardTransport::Impl::place_waiting(milliseconds now) {
  std::deque<Chunk> still_waiting;
  waits_for_pacer = false;
  for (Chunk& chunk : waiting) {
    if (give_to_idle(&chunk, now)) continue;
    if (may_dial(chunk, now)) {
      connections.emplace_back(std::move(chunk), options, &identity, event, now);
    } else {
      still_waiting.push_back(std::move(chunk));
    }
  }
  waiting = std::move(still_waiting);
}

void ForwardTransport::Impl::advance(milliseconds now, std::vector<Answer>* answers) {
  for (ForwardConnection& connection : connections) {
    if (auto answer = connection.advance(now)) answers->push_back(std::move(*answer));
  }
  connections.remove_if([](const ForwardConnection& one) { return one.has_ended(); });
}

void ForwardTransport::Impl::expire(milliseconds now, std::vector<Answer>* answers) {
  std::erase_if(waiting, [&](const Chunk& chunk) {
    if (now < chunk.deadline) return false;
    answers->push_back(unacknowledged(
        chunk,
        {.code = CURLE_OPERATION_TIMEDOUT,
         .kind = ErrorKind::kUnavailable,
         .sentence = fmt::format("{}: no connection could be made in time", chunk.url.server())}));
    return true;
  });
}

void ForwardTransport::Impl::wait(milliseconds now, milliseconds until) {
  std::vector<pollfd> entries = {{.fd = event->get(), .events = POLLIN, .revents = 0}};
  for (const ForwardConnection& connection : connections) {
    entries.push_back(connection.poll_entry());
    until = std::min(until, connection.next_step_at());
  }
  for (const Chunk& chunk : waiting) until = std::min(until, chunk.deadline);
  if (waits_for_pacer) until = std::min(until, now + pacer.wait(now));
  const auto timeout = std::max(until - now, milliseconds{0}).count();
  if (::poll(entries.data(), entries.size(), static_cast<int>(timeout)) > 0 &&
      entries.front().revents != 0) {
    event->clear();
  }
}

ForwardTransport::ForwardTransport(const ForwardOptions& options)
    : impl_(std::make_unique<Impl>(options)) {
  // OpenSSL writes to sockets in a way that lets a closed connection raise it.
  std::signal(SIGPIPE, SIG_IGN);
}

ForwardTransport::~ForwardTransport() = default;

void ForwardTransport::start(std::uint64_t request_id, const std::string& url, std::string body) {
  impl_->waiting.push_back(impl_->chunk_of(request_id, url, std::move(body)));
}

std::vector<Answer> ForwardTransport::poll(milliseconds timeout) {
  std::vector<Answer> answers;
  const auto deadline = system_clock().monotonic() + timeout;
  while (true) {
    const auto now = system_clock().monotonic();
    impl_->place_waiting(now);
    impl_->advance(now, &answers);
    impl_->expire(now, &answers);
    if (!answers.empty() || now >= deadline || impl_->woken.exchange(false)) return answers;
    impl_->wait(now, deadline);
  }
}

void ForwardTransport::wake() {
  impl_->woken = true;
  impl_->event->signal();
}

void ForwardTransport::cancel_all() {
  impl_->waiting.clear();
  impl_->connections.remove_if([](const ForwardConnection& one) { return one.carries_chunk(); });
}

}  // namespace sluice::shipper::fluentd
