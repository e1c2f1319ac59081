#include "tests/unit/shipper/fake_sink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace sluice::shipper {

using std::chrono::milliseconds;

void FakeLane::store(Owned owned, queue::RecordKind kind) {
  auto kept = std::make_shared<Owned>(std::move(owned));
  kept->stored.seq = records_.size() + 1;
  auto& record = kept->stored.record;
  record.kind = kind;
  record.epoch = 1;
  record.id = kept->id;
  record.type = kept->type;
  record.route = kept->route;
  record.note = kept->note;
  record.body = kept->body;
  records_.push_back(std::move(kept));
}

void FakeLane::add_event(const std::string& body, const std::string& route) {
  Owned owned;
  owned.id = "id-" + std::to_string(records_.size() + 1);
  owned.route = route;
  owned.body = body;
  store(std::move(owned), queue::RecordKind::kEvent);
}

void FakeLane::add_events(int count, const std::string& route) {
  for (int i = 0; i < count; ++i) {
    add_event("{\"n\":" + std::to_string(records_.size() + 1) + "}", route);
  }
}

void FakeLane::add(queue::RecordKind kind, const std::string& body, const std::string& note) {
  Owned owned;
  owned.id = "id-" + std::to_string(records_.size() + 1);
  owned.body = body;
  owned.note = note;
  store(std::move(owned), kind);
}

Result<std::vector<RecordPtr>> FakeLane::read(queue::Lane /*lane*/, queue::Seq first,
                                              const queue::ReadLimits& limits) {
  if (error) return fail(*error);
  std::vector<RecordPtr> read;
  std::size_t bytes = 0;
  for (queue::Seq seq = first; seq <= records_.size() && read.size() < limits.records_max; ++seq) {
    const auto& owned = records_[seq - 1];
    bytes += owned->body.size();
    if (!read.empty() && bytes > limits.bytes_max) break;
    read.emplace_back(owned, &owned->stored);
    numbers_read.insert(seq);
  }
  if (read.empty() && error_at_end) return fail(*error_at_end);
  records_read += read.size();
  return read;
}

void FakeTransport::start(std::uint64_t request_id, const std::string& url, std::string body) {
  in_flight.push_back({request_id, url, body, clock_->monotonic()});
  sent.push_back(in_flight.back());
  in_flight_max = std::max(in_flight_max, in_flight.size());
}

void FakeTransport::answer(std::uint64_t request_id, fluentd::Answer answer) {
  const auto request = std::find_if(in_flight.begin(), in_flight.end(),
                                    [&](const Request& r) { return r.id == request_id; });
  ASSERT_NE(request, in_flight.end()) << "request " << request_id << " is not in flight";
  in_flight.erase(request);
  answer.request_id = request_id;
  ready_.push_back(std::move(answer));
}

std::vector<fluentd::Answer> FakeTransport::poll(milliseconds timeout) {
  if (responder) {
    const auto requests = in_flight;
    for (const auto& request : requests) {
      if (auto given = responder(request)) answer(request.id, std::move(*given));
    }
  }
  if (ready_.empty()) clock_->advance(std::min(timeout, poll_max));
  return std::exchange(ready_, {});
}

fluentd::Answer status(int code, std::string body) {
  fluentd::Answer answer;
  answer.status = code;
  answer.body = std::move(body);
  return answer;
}

fluentd::Answer network_failure(bool outcome_unknown) {
  fluentd::Answer answer;
  answer.failure = fluentd::NetworkFailure{.code = 7, .sentence = "cannot connect"};
  answer.outcome_unknown = outcome_unknown;
  return answer;
}

fluentd::Answer silence() {
  fluentd::Answer answer = network_failure(true);
  answer.failure->sentence = "the server closed the connection";
  answer.is_silent = true;
  return answer;
}

std::vector<int> event_numbers(const std::string& body) {
  std::vector<int> numbers;
  const std::string key = "\"n\":";
  for (auto at = body.find(key); at != std::string::npos; at = body.find(key, at + 1)) {
    numbers.push_back(std::stoi(body.substr(at + key.size())));
  }
  return numbers;
}

void FakeStore::finish(queue::Seq seq) {
  EXPECT_TRUE(done_.insert(seq).second) << "number " << seq << " was finished twice";
}

Result<void> FakeStore::commit(queue::Lane /*lane*/, const Finished& finished) {
  if (before_commit) before_commit();
  if (error) return fail(*error);
  ++commits;
  for (const auto& record : finished.acknowledged) finish(record->seq);
  for (const auto& [record, letter] : finished.set_aside) {
    EXPECT_EQ(record->seq, letter.seq);
    finish(record->seq);
    letters.push_back(letter);
  }
  for (const auto& record : finished.gaps) {
    finish(record->seq);
    gaps.push_back(record->seq);
  }
  return {};
}

queue::LaneProgress FakeStore::progress() const {
  queue::LaneProgress progress;
  for (const auto seq : done_) {
    if (progress.completed.empty() && seq == progress.position + 1) {
      progress.position = seq;
    } else if (!progress.completed.empty() && progress.completed.back().last + 1 == seq) {
      progress.completed.back().last = seq;
    } else {
      progress.completed.push_back({seq, seq});
    }
  }
  return progress;
}

LaneRig::LaneRig(LaneOptions lane_options) : options(std::move(lane_options)) {
  if (options.urls.empty()) options.urls = {"https://fluentd:8888/test.log"};
}

LaneShipper& LaneRig::start() {
  const LaneParts parts{.source = &lane,
                        .sink = &store,
                        .transport = &transport,
                        .observer = &observer,
                        .counters = &counters,
                        .clock = &clock,
                        .rate = rate,
                        .tally = &tally};
  shipper = std::make_unique<LaneShipper>(options, parts, store.progress());
  return *shipper;
}

void LaneRig::step(int times) {
  if (!shipper) start();
  for (int i = 0; i < times; ++i) {
    const auto done = shipper->step();
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }
}

bool LaneRig::step_until_position(queue::Seq position, int steps_max) {
  for (int i = 0; i < steps_max; ++i) {
    if (store.progress().position >= position) return true;
    step();
    if (testing::Test::HasFatalFailure()) return false;
  }
  return store.progress().position >= position;
}

}  // namespace sluice::shipper
