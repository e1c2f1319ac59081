// What queuectl and the shipper say to each other: queue/control/frame and queue/control/messages.
//
// Messages come out of a stream of frames the same however it is cut. A replay, an event that is to
// be skipped, or what was made of dead letters says the same when it is sent again.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "queue/control/frame.h"
#include "queue/control/messages.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

namespace wire = queue::wire;

struct Taken {
  bool ok = true;
  std::vector<std::string> messages;
  bool operator==(const Taken&) const = default;
};

Taken take_all(std::string_view bytes, std::size_t piece) {
  Taken taken;
  std::string buffer;
  while (!bytes.empty()) {
    buffer += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      auto message = queue::take_frame(&buffer, queue::kRequestBytesMax);
      taken.ok = message.has_value();
      if (!taken.ok) return taken;
      if (!*message) break;
      taken.messages.push_back(std::move(**message));
    }
  }
  return taken;
}

template <typename Message>
void check_kept(const Message& message) {
  const auto value = queue::from_wire(message);
  if (!value) return;
  const auto once = queue::to_wire(*value);
  const auto again = queue::from_wire(once);
  expect(again.has_value(), "what was understood is not understood again");
  expect(queue::to_wire(*again).SerializeAsString() == once.SerializeAsString(),
         "what was understood says something else when it is sent again");
}

void check_request(const std::string& bytes) {
  wire::Request request;
  if (!request.ParseFromString(bytes)) return;
  check_kept(request.create_replay().spec());
  for (const auto& event : request.skip().events()) check_kept(event);
}

void check_response(const std::string& bytes) {
  wire::Response response;
  if (!response.ParseFromString(bytes)) return;
  check_kept(response.replay());
  for (const auto& replay : response.replays().replays()) check_kept(replay);
  const auto change = queue::from_wire(response.dead_letter_change());
  const auto again = queue::from_wire(queue::to_wire(change));
  expect(again.changed == change.changed && again.rejects == change.rejects &&
             again.as_asked == change.as_asked && again.gone == change.gone,
         "what was made of dead letters says something else when it is sent again");
  const Error error = queue::from_wire(response.failure());
  expect(error.message == response.failure().message(), "a failure loses its sentence");
}

void run(std::string_view input) {
  google::protobuf::SetLogHandler(nullptr);
  if (input.empty()) return;
  const std::size_t piece = 1 + static_cast<unsigned char>(input[0]) % 32;
  input.remove_prefix(1);
  const Taken taken = take_all(input, std::max<std::size_t>(input.size(), 1));
  expect(taken == take_all(input, piece), "pieces of another size give other messages");
  for (const std::string& message : taken.messages) {
    check_request(message);
    check_response(message);
  }
  // Bytes that are no frame may be a message still.
  check_request(std::string(input));
  check_response(std::string(input));
}

wire::Replay example() {
  wire::Replay replay;
  replay.set_id(3);
  auto& spec = *replay.mutable_spec();
  spec.set_lane(wire::LANE_AUDIT);
  spec.set_first(1);
  spec.set_last(100);
  spec.mutable_from_time()->set_seconds(1'795'402'721);
  spec.mutable_to_time()->set_seconds(1'795'402'722);
  spec.add_types("user.login");
  spec.add_ids("3b7d9f0e");
  spec.set_reason("Fluentd's disk failed");
  spec.mutable_created_at()->set_seconds(1'795'402'723);
  spec.mutable_created_at()->set_nanos(5'000'000);
  auto& progress = *replay.mutable_progress();
  progress.set_state(wire::REPLAY_STATE_ACTIVE);
  progress.set_position(7);
  progress.set_last(100);
  progress.add_refused_numbers(5);
  progress.mutable_changed_at()->set_seconds(1'795'402'724);
  return replay;
}

std::vector<std::string> changes_by_hand() {
  wire::Request requeue;
  auto& letters = *requeue.mutable_change_dead_letters();
  letters.set_order(wire::ChangeDeadLettersRequest::ORDER_REQUEUE);
  letters.set_reason("the filter is mended");
  letters.set_claimed_by("anna");
  auto& letter = *letters.add_records();
  letter.set_lane(wire::LANE_AUDIT);
  letter.set_seq(7);
  letter.set_epoch(1);
  wire::Request skip;
  skip.mutable_skip()->set_lane(wire::LANE_SESSION);
  skip.mutable_skip()->set_reason("it is not wanted");
  auto& event = *skip.mutable_skip()->add_events();
  event.set_seq(8);
  event.set_epoch(1);
  event.mutable_time()->set_seconds(1'795'402'725);
  event.set_id("3b7d9f0e");
  event.set_type("print");
  wire::Response changed;
  changed.mutable_dead_letter_change()->set_changed(1);
  changed.mutable_dead_letter_change()->set_gone(2);
  wire::Response skipped;
  skipped.mutable_skip_done();
  return {requeue.SerializeAsString(), skip.SerializeAsString(), changed.SerializeAsString(),
          skipped.SerializeAsString()};
}

std::vector<std::string> seeds() {
  wire::Request create;
  *create.mutable_create_replay()->mutable_spec() = example().spec();
  wire::Request far = create;
  far.mutable_create_replay()->mutable_spec()->mutable_created_at()->set_seconds(
      std::numeric_limits<std::int64_t>::max());
  wire::Request list;
  list.mutable_list_replays();
  wire::Response replays;
  *replays.mutable_replays()->add_replays() = example();
  wire::Response replay;
  *replay.mutable_replay() = example();
  wire::Response failure;
  failure.mutable_failure()->set_kind("trimmed");
  failure.mutable_failure()->set_message("they are gone");
  std::vector<std::string> messages = {create.SerializeAsString(), far.SerializeAsString(),
                                       list.SerializeAsString(),   replays.SerializeAsString(),
                                       replay.SerializeAsString(), failure.SerializeAsString()};
  for (auto& message : changes_by_hand()) messages.push_back(std::move(message));
  std::string stream;
  std::vector<std::string> seeds;
  for (const std::string& message : messages) {
    seeds.push_back(std::string(1, '\6') + message);
    stream += queue::frame_of(message);
    seeds.push_back(std::string(1, '\6') + stream);
  }
  return seeds;
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = nullptr, .bytes_max = 4096};

}  // namespace sluice::fuzz
