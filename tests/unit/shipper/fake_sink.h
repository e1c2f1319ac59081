// Fakes around a LaneShipper: a clock that only moves when told, a lane of records, a Fluentd that
// answers as a test says, and a store that keeps what was committed.
#ifndef SLUICE_TESTS_UNIT_SHIPPER_FAKE_SINK_H_
#define SLUICE_TESTS_UNIT_SHIPPER_FAKE_SINK_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/time.h"
#include "shipper/lane_shipper.h"

namespace sluice::shipper {

class FakeClock final : public Clock {
 public:
  Timestamp now() const override { return from_unix_ms(1'700'000'000'000 + time_.count()); }
  std::chrono::milliseconds monotonic() const override { return time_; }
  void advance(std::chrono::milliseconds by) { time_ += by; }

 private:
  std::chrono::milliseconds time_{1000};
};

// A lane in memory. Numbers are given from 1 on.
class FakeLane final : public RecordSource {
 public:
  void add_events(int count, const std::string& route = "");
  void add_event(const std::string& body, const std::string& route = "");
  void add(queue::RecordKind kind, const std::string& body, const std::string& note);
  queue::Seq last() const { return records_.size(); }

  Result<std::vector<RecordPtr>> read(queue::Lane lane, queue::Seq first,
                                      const queue::ReadLimits& limits) override;

  std::optional<Error> error;         // what read() returns from now on
  std::optional<Error> error_at_end;  // what it returns when there is no record
  std::size_t records_read = 0;
  std::set<queue::Seq> numbers_read;  // each is to be read once

 private:
  struct Owned {
    std::string id, type = "test.event", route, note, body;
    queue::StoredRecord stored;
  };
  void store(Owned owned, queue::RecordKind kind);
  std::vector<std::shared_ptr<const Owned>> records_;
};

// Keeps requests until they are answered. Each waiting answer is given by one poll().
class FakeTransport final : public fluentd::Transport {
 public:
  struct Request {
    std::uint64_t id;
    std::string url;
    std::string body;
    std::chrono::milliseconds at;
  };
  // How poll() answers by itself. Nothing: the request stays in flight.
  using Responder = std::function<std::optional<fluentd::Answer>(const Request&)>;

  explicit FakeTransport(FakeClock* clock) : clock_(clock) {}

  void start(std::uint64_t request_id, const std::string& url, std::string body) override;
  std::vector<fluentd::Answer> poll(std::chrono::milliseconds timeout) override;
  void wake() override {}
  void cancel_all() override { in_flight.clear(); }

  // The next poll() gives this answer to the request.
  void answer(std::uint64_t request_id, fluentd::Answer answer);

  Responder responder;
  std::deque<Request> in_flight;
  std::vector<Request> sent;  // all, in order
  std::size_t in_flight_max = 0;
  std::chrono::milliseconds poll_max = std::chrono::hours(1);  // as if wake() came by then

 private:
  FakeClock* clock_;
  std::vector<fluentd::Answer> ready_;
};

fluentd::Answer status(int code, std::string body = "");
fluentd::Answer network_failure(bool outcome_unknown);
// As a forward input that closes the connection behind a whole chunk.
fluentd::Answer silence();

// The numbers of the events in a body made by FakeLane::add_events().
std::vector<int> event_numbers(const std::string& body);

class FakeStore final : public CompletionSink {
 public:
  Result<void> commit(queue::Lane lane, const Finished& finished) override;
  // As the delivery store computes it.
  queue::LaneProgress progress() const;
  bool has(queue::Seq seq) const { return done_.contains(seq); }

  std::optional<Error> error;  // what commit() returns from now on
  std::function<void()> before_commit;
  std::vector<queue::DeadLetter> letters;
  std::vector<queue::Seq> gaps;
  std::size_t commits = 0;

 private:
  void finish(queue::Seq seq);
  std::set<queue::Seq> done_;
};

class FakeObserver final : public LaneObserver {
 public:
  void on_failure(std::string_view sentence, const Batch* /*batch*/) override {
    failures.emplace_back(sentence);
  }
  void on_healed() override { ++healed; }
  void on_other_url(std::string_view url, std::string_view /*reason*/) override {
    urls.emplace_back(url);
  }
  void on_dead_letter(const queue::DeadLetter& letter) override {
    dead_letters.push_back(letter.seq);
  }
  std::vector<std::string> failures;
  std::vector<std::string> urls;
  std::vector<queue::Seq> dead_letters;
  int healed = 0;
};

// A lane shipper and all its fakes.
struct LaneRig {
  explicit LaneRig(LaneOptions lane_options = {});
  LaneShipper& start();      // or again, from what the store has
  void step(int times = 1);  // fails the test on an error
  bool step_until_position(queue::Seq position, int steps_max = 10'000);

  LaneOptions options;
  FakeClock clock;
  FakeLane lane;
  FakeTransport transport{&clock};
  FakeStore store;
  FakeObserver observer;
  LaneCounters counters;
  SendRate* rate = nullptr;
  SinkTally tally;
  std::unique_ptr<LaneShipper> shipper;
};

}  // namespace sluice::shipper

#endif  // SLUICE_TESTS_UNIT_SHIPPER_FAKE_SINK_H_
