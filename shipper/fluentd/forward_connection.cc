#include "shipper/fluentd/forward_connection.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "common/check.h"
#include "shipper/fluentd/failure.h"
#include "shipper/fluentd/server_tls.h"

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;

// Well below the minutes after which devices in between forget a silent connection.
constexpr milliseconds kIdleMax{60'000};
constexpr std::size_t kReadBytes = 4096;

}  // namespace

Answer unacknowledged(const Chunk& chunk, NetworkFailure failure) {
  Answer answer;
  answer.request_id = chunk.request_id;
  answer.failure = std::move(failure);
  return answer;
}

ForwardConnection::ForwardConnection(Chunk first, const ForwardOptions& options,
                                     ClientIdentity* identity, std::shared_ptr<EventFd> wake,
                                     milliseconds now)
    : options_(options),
      server_(first.url.server()),
      stream_(first.url.host, first.url.port, first.url.tls ? identity : nullptr, std::move(wake)),
      ready_by_(now + options.connect_timeout),
      ends_at_(now + options.connection_life_max),
      chunk_(std::move(first)) {}

void ForwardConnection::carry(Chunk chunk) {
  SLUICE_CHECK(is_idle(), "a connection carries one chunk at a time");
  chunk_ = std::move(chunk);
  sent_ = 0;
}

std::optional<Answer> ForwardConnection::advance(milliseconds now) {
  auto done = step(now);
  if (done && !acknowledged_) done = check_time(now);
  if (!done) state_ = State::kEnded;
  if (!chunk_ || (done && !acknowledged_)) return std::nullopt;
  // An acknowledgement holds, even if the connection ended right behind it.
  Answer answer = acknowledged_ ? acceptance() : this->answer(std::move(done.error()));
  acknowledged_ = false;
  chunk_.reset();
  retire_at_ = now + kIdleMax;
  if (!keepalive_ || now >= ends_at_) state_ = State::kEnded;
  return answer;
}

Answer ForwardConnection::acceptance() const {
  Answer answer;
  answer.request_id = chunk_->request_id;
  answer.status = 200;
  return answer;
}

// A server that refuses our certificate or wants a shared key has looked at no chunk.
Answer ForwardConnection::answer(NetworkFailure failure) const {
  const bool was_looked_at = is_sent() && failure.kind != ErrorKind::kUnauthorized;
  const bool has_no_answer =
      failure.code == CURLE_GOT_NOTHING || failure.code == CURLE_OPERATION_TIMEDOUT;
  failure.time_limit = was_looked_at && failure.code == CURLE_OPERATION_TIMEDOUT;
  Answer answer = unacknowledged(*chunk_, std::move(failure));
  answer.outcome_unknown = was_looked_at;
  answer.is_silent = was_looked_at && has_no_answer;
  return answer;
}

ForwardConnection::Outcome<void> ForwardConnection::step(milliseconds now) {
  if (state_ == State::kEnded) return {};
  if (state_ == State::kConnecting) {
    const auto is_open = stream_.connect(now);
    if (!is_open) return failed(is_open.error());
    if (!*is_open) return {};
    if (options_.on_connected && stream_.tls() != nullptr) {
      options_.on_connected(server_tls_of(stream_.tls()));
    }
    state_ = options_.security.shared_key_file.empty() ? State::kReady : State::kHelo;
  }
  // First, since what is there may be the reason why no more can be sent.
  if (auto done = receive(); !done) return done;
  return flush();
}

ForwardConnection::Outcome<void> ForwardConnection::receive() {
  std::array<char, kReadBytes> bytes{};
  while (true) {
    const auto count = stream_.read(bytes);
    if (!count) return closed(count.error());
    if (*count == 0) return {};
    received_.append(bytes.data(), *count);
    while (true) {
      auto message = take_server_message(&received_);
      if (!message) return failed(ErrorKind::kUnavailable, message.error().message, 0);
      if (!*message) break;
      if (auto done = on_message(**message); !done) return done;
    }
  }
}

ForwardConnection::Outcome<void> ForwardConnection::on_message(const ServerMessage& message) {
  if (const auto* helo = std::get_if<Helo>(&message)) return on_helo(*helo);
  if (const auto* pong = std::get_if<Pong>(&message)) return on_pong(*pong);
  return on_ack(std::get<Ack>(message));
}

ForwardConnection::Outcome<void> ForwardConnection::on_helo(const Helo& helo) {
  if (options_.security.shared_key_file.empty()) {
    return failed(ErrorKind::kUnauthorized,
                  "the server asks for a shared key, and none is configured: set "
                  "forward.fluentd.shared-key-file to a file with the shared_key of its <security>",
                  0);
  }
  if (state_ != State::kHelo) {
    return failed(ErrorKind::kUnavailable, "the server said HELO in the middle of a connection", 0);
  }
  auto handshake = ForwardHandshake::begin(options_.security);
  if (!handshake) return failed(ErrorKind::kUnavailable, handshake.error().message, 0);
  handshake_ = std::move(*handshake);
  keepalive_ = helo.keepalive;
  greeting_ = ping_message(handshake_->ping(helo));
  state_ = State::kPong;
  return {};
}

ForwardConnection::Outcome<void> ForwardConnection::on_pong(const Pong& pong) {
  if (state_ != State::kPong) {
    return failed(ErrorKind::kUnavailable, "the server said PONG without having been asked", 0);
  }
  const auto checked = handshake_->check(pong);
  if (!checked) return failed(checked.error().kind, checked.error().message, 0);
  handshake_.reset();
  state_ = State::kReady;
  return {};
}

ForwardConnection::Outcome<void> ForwardConnection::on_ack(const Ack& ack) {
  if (!is_sent() || acknowledged_ || ack.chunk != chunk_->id) {
    return failed(ErrorKind::kUnavailable,
                  "the server acknowledged another chunk than the one that was sent to it", 0);
  }
  acknowledged_ = true;
  return {};
}

ForwardConnection::Outcome<void> ForwardConnection::flush() {
  while (!greeting_.empty()) {
    const auto count = stream_.write(greeting_);
    if (!count) return closed(count.error());
    if (*count == 0) return {};
    greeting_.erase(0, *count);
  }
  while (state_ == State::kReady && chunk_ && !is_sent()) {
    const auto count = stream_.write(unsent());
    if (!count) return closed(count.error());
    if (*count == 0) return {};
    sent_ += *count;
  }
  return {};
}

std::size_t ForwardConnection::chunk_bytes() const {
  return chunk_->head.size() + chunk_->entries.size() + chunk_->tail.size();
}

// Of the part that is under way; not empty.
std::string_view ForwardConnection::unsent() const {
  std::size_t skipped = sent_;
  for (const std::string* part : {&chunk_->head, &chunk_->entries}) {
    if (skipped < part->size()) return std::string_view(*part).substr(skipped);
    skipped -= part->size();
  }
  return std::string_view(chunk_->tail).substr(skipped);
}

ForwardConnection::Outcome<void> ForwardConnection::check_time(milliseconds now) const {
  if (state_ == State::kReady && !chunk_) {
    if (now < retire_at_) return {};
    return failed(ErrorKind::kUnavailable, "not used for long", 0);
  }
  const bool is_late = chunk_ && now >= chunk_->deadline;
  if (state_ == State::kReady) {
    if (!is_late) return {};
    return failed(ErrorKind::kUnavailable,
                  "no acknowledgement in time; Fluentd may be blocked by a full buffer or a slow "
                  "disk, or drop what is above its chunk_size_limit: look at its log",
                  CURLE_OPERATION_TIMEDOUT);
  }
  if (!is_late && now < ready_by_) return {};
  if (state_ == State::kHelo) {
    return failed(ErrorKind::kUnauthorized,
                  "the server has not asked for the shared key that is configured: it has no "
                  "<security>, or is no forward input; take forward.fluentd.shared-key-file out, "
                  "or set a shared_key there",
                  CURLE_OPERATION_TIMEDOUT);
  }
  if (state_ == State::kPong) {
    return failed(ErrorKind::kUnavailable, "the server has not answered our PING in time",
                  CURLE_OPERATION_TIMEDOUT);
  }
  return failed(StreamFailure{
      .code = CURLE_OPERATION_TIMEDOUT, .detail = stream_.waits_for(), .os_error = 0});
}

std::unexpected<NetworkFailure> ForwardConnection::failed(ErrorKind kind, std::string_view cause,
                                                          int code) const {
  return std::unexpected(NetworkFailure{
      .code = code, .kind = kind, .sentence = fmt::format("{}: {}", server_, cause)});
}

std::unexpected<NetworkFailure> ForwardConnection::failed(const StreamFailure& failure) const {
  const Failure cause{.code = failure.code, .detail = failure.detail, .os_error = failure.os_error};
  return std::unexpected(NetworkFailure{
      .code = failure.code,
      .kind =
          is_client_certificate_refusal(cause) ? ErrorKind::kUnauthorized : ErrorKind::kUnavailable,
      .sentence = failure_sentence(cause, {server_, options_.tls.ca, options_.tls.cert})});
}

std::unexpected<NetworkFailure> ForwardConnection::closed(const StreamFailure& failure) const {
  if (failure.code == CURLE_GOT_NOTHING && state_ == State::kReady && is_sent()) {
    return failed(
        ErrorKind::kUnavailable,
        "the server closed the connection without acknowledging the chunk; Fluentd does "
        "so when its buffer is full or a record is above its chunk limit: look at its log",
        CURLE_GOT_NOTHING);
  }
  return failed(failure);
}

milliseconds ForwardConnection::next_step_at() const {
  milliseconds at = ready_by_;
  if (state_ == State::kReady) at = chunk_ ? chunk_->deadline : retire_at_;
  if (chunk_) at = std::min(at, chunk_->deadline);
  const auto connecting = stream_.next_step_at();
  return connecting.count() > 0 ? std::min(at, connecting) : at;
}

}  // namespace sluice::shipper::fluentd
