#include "queue/control/client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <memory>
#include <utility>

#include "queue/control/frame.h"
#include "queue/control/messages.h"
#include "queue/control/socket.h"

namespace sluice::queue {
namespace {

// A shipper answers when its disk has synced, which on a bad day takes a while.
constexpr timeval kPatience{30, 0};

std::unexpected<Error> silent(const std::filesystem::path& socket) {
  return fail(ErrorKind::kIo,
              fmt::format("the shipper at {} does not answer: look at its log, and with "
                          "\"queuectl replay list\" or \"queuectl dead-letter list\" whether the "
                          "change was made",
                          socket.string()));
}

Result<std::string> exchange(int fd, const std::filesystem::path& socket,
                             const std::string& request) {
  std::string out = frame_of(request);
  while (!out.empty()) {
    const ssize_t sent = ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    if (sent <= 0) return silent(socket);
    out.erase(0, static_cast<std::size_t>(sent));
  }
  std::string in;
  std::array<char, 65'536> block{};
  for (;;) {
    SLUICE_ASSIGN(auto response, take_frame(&in, kResponseBytesMax));
    if (response) return std::move(*response);
    const ssize_t received = ::recv(fd, block.data(), block.size(), 0);
    if (received <= 0) return silent(socket);
    in.append(block.data(), static_cast<std::size_t>(received));
  }
}

Result<wire::Response> ask(const ControlClient::Exchange& exchange, const wire::Request& request) {
  SLUICE_ASSIGN(const std::string bytes, exchange(request.SerializeAsString()));
  wire::Response response;
  if (!response.ParseFromString(bytes)) {
    return fail(ErrorKind::kIo, "the shipper's answer cannot be read");
  }
  if (response.has_failure()) return fail(from_wire(response.failure()));
  return response;
}

std::unexpected<Error> strange() {
  return fail(ErrorKind::kFormat,
              "the shipper's answer is not one to the question: use queuectl "
              "of the shipper's release");
}

Result<ReplayJob> ask_for_replay(const ControlClient::Exchange& exchange,
                                 const wire::Request& request) {
  SLUICE_ASSIGN(const auto response, ask(exchange, request));
  if (!response.has_replay()) return strange();
  return from_wire(response.replay());
}

Result<DeadLetterChange> change_dead_letters(const ControlClient::Exchange& exchange,
                                             wire::ChangeDeadLettersRequest::Order order,
                                             const std::vector<RecordKey>& records,
                                             const Actor& actor) {
  wire::Request request;
  wire::ChangeDeadLettersRequest& change = *request.mutable_change_dead_letters();
  change.set_order(order);
  change.set_reason(actor.reason);
  change.set_claimed_by(actor.claimed);
  for (const RecordKey& record : records) {
    wire::RecordKey& one = *change.add_records();
    one.set_lane(to_wire(record.lane));
    one.set_seq(record.seq);
    one.set_epoch(record.epoch);
  }
  SLUICE_ASSIGN(const auto response, ask(exchange, request));
  if (!response.has_dead_letter_change()) return strange();
  return from_wire(response.dead_letter_change());
}

}  // namespace

Result<ControlClient> ControlClient::connect(const std::filesystem::path& socket) {
  SLUICE_ASSIGN(auto opened, connect_to(socket));
  const auto fd = std::make_shared<OwnedFd>(std::move(opened));
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(fd->get(), SOL_SOCKET, option, &kPatience, sizeof kPatience) != 0) {
      return fail(errno_error("set the time limit of", socket.string()));
    }
  }
  return ControlClient(
      [fd, socket](const std::string& request) { return exchange(fd->get(), socket, request); });
}

Result<ControlStatus> ControlClient::status() {
  wire::Request request;
  request.mutable_get_status();
  SLUICE_ASSIGN(const auto response, ask(exchange_, request));
  if (!response.has_status()) return strange();
  const wire::Status& in = response.status();
  ControlStatus status;
  status.delivery_id = in.delivery_id();
  status.pid = in.pid();
  status.active_replays = in.active_replays();
  status.may_change = in.may_change();
  if (in.has_sink()) status.sink = from_wire(in.sink());
  for (const wire::LaneStatus& one : in.lanes()) {
    SLUICE_ASSIGN(const Lane lane, from_wire(one.lane()));
    status.position[lane] = one.position();
  }
  return status;
}

Result<std::vector<ReplayJob>> ControlClient::replays() {
  wire::Request request;
  request.mutable_list_replays();
  SLUICE_ASSIGN(const auto response, ask(exchange_, request));
  if (!response.has_replays()) return strange();
  std::vector<ReplayJob> jobs;
  for (const wire::Replay& replay : response.replays().replays()) {
    SLUICE_ASSIGN(ReplayJob job, from_wire(replay));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<ReplayJob> ControlClient::replay(std::uint64_t id) {
  wire::Request request;
  request.mutable_get_replay()->set_id(id);
  return ask_for_replay(exchange_, request);
}

Result<ReplayJob> ControlClient::start_replay(const ReplaySpec& spec, bool allow_partial) {
  wire::Request request;
  *request.mutable_create_replay()->mutable_spec() = to_wire(spec);
  request.mutable_create_replay()->set_allow_partial(allow_partial);
  return ask_for_replay(exchange_, request);
}

Result<ReplayJob> ControlClient::cancel_replay(std::uint64_t id, const Actor& actor) {
  wire::Request request;
  request.mutable_cancel_replay()->set_id(id);
  request.mutable_cancel_replay()->set_reason(actor.reason);
  request.mutable_cancel_replay()->set_claimed_by(actor.claimed);
  return ask_for_replay(exchange_, request);
}

Result<DeadLetterChange> ControlClient::requeue(const std::vector<RecordKey>& records,
                                                const Actor& actor) {
  return change_dead_letters(exchange_, wire::ChangeDeadLettersRequest::ORDER_REQUEUE, records,
                             actor);
}

Result<DeadLetterChange> ControlClient::cancel_requeue(const std::vector<RecordKey>& records,
                                                       const Actor& actor) {
  return change_dead_letters(exchange_, wire::ChangeDeadLettersRequest::ORDER_CANCEL_REQUEUE,
                             records, actor);
}

Result<DeadLetterChange> ControlClient::discard(const std::vector<RecordKey>& records,
                                                const Actor& actor) {
  return change_dead_letters(exchange_, wire::ChangeDeadLettersRequest::ORDER_DISCARD, records,
                             actor);
}

Result<void> ControlClient::skip(Lane lane, const std::vector<StoredRecord>& events,
                                 const Actor& actor) {
  wire::Request request;
  wire::SkipRequest& skip = *request.mutable_skip();
  skip.set_lane(to_wire(lane));
  skip.set_reason(actor.reason);
  skip.set_claimed_by(actor.claimed);
  for (const StoredRecord& event : events) *skip.add_events() = to_wire(event);
  SLUICE_ASSIGN(const auto response, ask(exchange_, request));
  if (!response.has_skip_done()) return strange();
  return {};
}

}  // namespace sluice::queue
