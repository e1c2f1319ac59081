#include "tests/bench/measure_transcode.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <string>
#include <utility>
#include <vector>

#include "fetcher/transcode/event.h"
#include "fetcher/transcode/transcoder.h"
#include "teleport/auditlog/v1/auditlog.pb.h"
#include "tests/bench/child.h"
#include "tests/bench/wire_events.h"
#include "tests/support/allocation_counter.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kEvents = 2048;
constexpr std::uint64_t kSeed = 11;
constexpr Day kDay = 20'000;
constexpr int kRounds = 9;
constexpr int kOurTurns = 100;  // through all events, of a round
constexpr int kStockTurns = 4;

struct Input {
  std::vector<std::string> envelopes;  // EventUnstructured
  std::vector<std::string> bodies;     // Struct
};

Result<Input> make_input() {
  Input input;
  for (const WireEvent& event : make_wire_events(kEvents, kDay, kSeed)) {
    teleport::auditlog::v1::ExportEventUnstructured message;
    if (!message.ParseFromString(event.message())) {
      return fail(ErrorKind::kInternal, "an event for the benchmark cannot be parsed");
    }
    input.envelopes.push_back(message.event().SerializeAsString());
    input.bodies.push_back(message.event().unstructured().SerializeAsString());
  }
  return input;
}

double mean_size(const std::vector<std::string>& texts) {
  double total = 0;
  for (const std::string& text : texts) total += static_cast<double>(text.size());
  return total / static_cast<double>(texts.size());
}

// Events a second of processor time. `work` returns the bytes it has made of one event; none: it
// has failed.
template <typename Work>
Result<double> rate(const std::vector<std::string>& events, int turns, const Work& work) {
  const double before = processor_seconds();
  for (int turn = 0; turn < turns; ++turn) {
    for (const std::string& event : events) {
      if (work(event) == 0) return fail(ErrorKind::kInternal, "an event cannot be transcoded");
    }
  }
  return static_cast<double>(events.size()) * turns / (processor_seconds() - before);
}

// What is measured, with what it keeps from event to event.
class Ways {
 public:
  std::size_t transcode(const std::string& body) {
    const auto json = transcoder_.transcode(body);
    return json ? json->size() : 0;
  }
  std::size_t decode(const std::string& envelope) {
    const auto event = decoder_.decode(envelope);
    return event ? event->json.size() : 0;
  }
  std::size_t stock(const std::string& body) {
    json_.clear();
    if (!message_.ParseFromString(body)) return 0;
    return google::protobuf::util::MessageToJsonString(message_, &json_).ok() ? json_.size() : 0;
  }

 private:
  // As many wanted keys as the EventDecoder has.
  fetcher::Transcoder transcoder_{{"time", "sid", "success", "user", "login"}};
  fetcher::EventDecoder decoder_;
  google::protobuf::Struct message_;
  std::string json_;
};

Result<void> measure(const Setup& setup, const Parent& parent) {
  SLUICE_ASSIGN(const Input input, make_input());
  Ways ways;
  const auto transcode = [&](const std::string& body) { return ways.transcode(body); };
  const auto decode = [&](const std::string& envelope) { return ways.decode(envelope); };
  const auto stock = [&](const std::string& body) { return ways.stock(body); };
  const int turns = setup.amount(kOurTurns, 1);
  Values values;
  double json_bytes = 0;
  for (const std::string& body : input.bodies) json_bytes += static_cast<double>(transcode(body));
  for (int round = 0; round < setup.amount(kRounds, 2); ++round) {
    SLUICE_ASSIGN(const double ours, rate(input.bodies, turns, transcode));
    SLUICE_ASSIGN(const double theirs, rate(input.bodies, setup.amount(kStockTurns, 1), stock));
    SLUICE_ASSIGN(const double decoded, rate(input.envelopes, turns, decode));
    values["transcode"].push_back(ours);
    values["stock"].push_back(theirs);
    values["ratio"].push_back(ours / theirs);
    values["decode"].push_back(decoded);
  }
  const AllocationCounter allocations;
  SLUICE_TRY(rate(input.bodies, 1, transcode));
  values["allocations"].push_back(static_cast<double>(allocations.count()) / kEvents);
  values["wire"].push_back(mean_size(input.bodies));
  values["json"].push_back(json_bytes / kEvents);
  parent.send(values);
  return {};
}

}  // namespace

Result<void> measure_transcode(const Setup& setup, Report* report) {
  SLUICE_ASSIGN(auto values, run_child("the transcoding measurement", [&](const Parent& parent) {
                  return measure(setup, parent);
                }));
  report->add("transcoder alone, one core", at_least(400'000), "{:.0f} events/s",
              values["transcode"]);
  report->add("the same by Struct and MessageToJsonString", {}, "{:.0f} events/s", values["stock"]);
  report->add("transcoder, times as quick as that", {}, "{:.1f}", values["ratio"]);
  report->add("transcoder, allocations an event", below(0.0005), "{:.3f}", values["allocations"]);
  report->add("EventDecoder (envelope, transcoder, checks, copies), one core", {},
              "{:.0f} events/s", values["decode"]);
  report->add_text(fmt::format(
      "Transcoder alone: {} events of the simulator's kinds (seed {}), on average {:.0f} bytes of "
      "Struct on the wire and {:.0f} bytes of JSON, in turn; by processor time.\n",
      kEvents, kSeed, values["wire"].front(), values["json"].front()));
  return {};
}

}  // namespace sluice::bench
