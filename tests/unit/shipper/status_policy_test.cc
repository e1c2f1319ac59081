// docs/shipping.md says what each answer leads to, and the lane does that.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/files.h"
#include "common/settings.h"
#include "shipper/lane_shipper.h"
#include "tests/unit/shipper/fake_sink.h"

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

struct Row {
  std::vector<std::string> answers;  // as written: "413", "4xx", "500 TEXT", "time limit"
  std::string to_all;
  std::string to_one;
};

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream rest(line);
  std::string cell;
  std::getline(rest, cell, '|');
  while (std::getline(rest, cell, '|')) {
    const auto begin = cell.find_first_not_of(' ');
    cells.push_back(begin == std::string::npos
                        ? ""
                        : cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
  }
  return cells;
}

std::vector<std::string> in_backticks(const std::string& text) {
  std::vector<std::string> found;
  for (auto at = text.find('`'); at != std::string::npos;) {
    const auto end = text.find('`', at + 1);
    if (end == std::string::npos) break;
    found.push_back(text.substr(at + 1, end - at - 1));
    at = text.find('`', end + 1);
  }
  return found;
}

std::vector<Row> read_table() {
  const auto text = read_file(std::string(SLUICE_SOURCE_DIR) + "/docs/shipping.md", 1 << 20);
  EXPECT_TRUE(text) << text.error().message;
  std::istringstream lines(text.value_or(""));
  std::vector<Row> rows;
  bool is_in_table = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "| answer | to every request | to one batch |") {
      is_in_table = true;
    } else if (is_in_table && !line.starts_with("|")) {
      break;
    } else if (is_in_table && line.starts_with("| `")) {
      const auto parts = cells(line);
      EXPECT_EQ(parts.size(), 3U) << line;
      if (parts.size() == 3) rows.push_back({in_backticks(parts[0]), parts[1], parts[2]});
    }
  }
  return rows;
}

bool is_class(const std::string& answer) { return answer.size() == 3 && answer.ends_with("xx"); }

fluentd::Answer answer_of(const std::string& text) {
  if (text == "no connection") return network_failure(false);
  if (text == "connection lost") return network_failure(true);
  if (text == "silence of a forward input") {
    auto answer = network_failure(true);
    answer.is_silent = true;
    return answer;
  }
  if (text == "time limit") {
    auto answer = network_failure(true);
    answer.failure->time_limit = true;
    return answer;
  }
  return status(std::stoi(text.substr(0, 3)), text.size() > 4 ? text.substr(4) : "");
}

// The answers that a row means.
std::vector<std::string> expand(const Row& row, const std::vector<Row>& all) {
  std::set<std::string> named;
  for (const Row& one : all) named.insert(one.answers.begin(), one.answers.end());
  std::vector<std::string> answers;
  for (const std::string& answer : row.answers) {
    if (!is_class(answer)) {
      answers.push_back(answer);
      continue;
    }
    const int first = 100 * (answer[0] - '0');
    for (int code = first; code < first + 100; ++code) {
      if (!named.contains(std::to_string(code))) answers.push_back(std::to_string(code));
    }
  }
  return answers;
}

LaneOptions options_for_policy() {
  LaneOptions options;
  options.connections = 4;
  options.batch_events = 8;
  return options;
}

// Every request gets this answer for a long time, and then 200.
void try_on_all(const std::string& text, const std::string& expected) {
  LaneRig rig(options_for_policy());
  rig.lane.add_events(400);
  bool is_over = false;
  rig.transport.responder = [&](const auto&) { return is_over ? status(200) : answer_of(text); };
  rig.step(400);
  if (expected == "accepted") {
    EXPECT_EQ(rig.store.progress().position, 400U);
    EXPECT_TRUE(rig.store.letters.empty());
    return;
  }
  EXPECT_LE(rig.store.progress().position, kLoneRefusalsMax);
  const auto& sent = rig.transport.sent;
  ASSERT_GT(sent.size(), 5U);
  const bool stops_at_once = expected == "stop";
  const bool bisects = expected == "bisect, then stop";
  ASSERT_TRUE(stops_at_once || bisects || expected == "retry") << expected;
  // Four are under way when the first fails.
  if (!bisects) {
    const auto first_wait = sent[4].at - sent[3].at;
    EXPECT_EQ(first_wait >= rig.options.retry_max, stops_at_once) << first_wait.count();
  }
  // One request after each wait, and the lane says so.
  for (std::size_t i = sent.size() - 3; i < sent.size(); ++i) {
    EXPECT_GE(sent[i].at - sent[i - 1].at, rig.options.retry_min);
  }
  EXPECT_FALSE(rig.observer.failures.empty());
  EXPECT_EQ(rig.store.letters.size(), bisects ? kLoneRefusalsMax : 0U);

  is_over = true;
  EXPECT_TRUE(rig.step_until_position(400, 1000));
  EXPECT_EQ(rig.store.letters.size(), bisects ? kLoneRefusalsMax : 0U);
  EXPECT_GT(rig.observer.healed, 0);
}

constexpr int kCulprit = 13;

// Requests with one certain event get this answer, and all others 200.
void try_on_one(const std::string& text, const std::string& expected) {
  LaneRig rig(options_for_policy());
  std::size_t tries = 0;
  rig.transport.responder = [&](const auto& request) {
    const auto numbers = event_numbers(request.body);
    const bool has_culprit = std::ranges::find(numbers, kCulprit) != numbers.end();
    tries += has_culprit ? 1 : 0;
    return has_culprit ? answer_of(text) : status(200);
  };
  for (int i = 0; i < 500; ++i) {
    rig.lane.add_events(16);
    rig.step(3);
  }
  const auto last = rig.lane.last();
  for (int i = 0; i < 500 && !rig.store.has(last); ++i) rig.step();
  if (expected == "accepted") {
    EXPECT_EQ(rig.store.progress().position, last);
    EXPECT_EQ(tries, 1U);
    return;
  }
  EXPECT_TRUE(rig.store.has(last));  // the lane goes on
  if (expected == "retry") {
    EXPECT_TRUE(rig.store.letters.empty());
    EXPECT_LT(rig.store.progress().position, queue::Seq{kCulprit});
    EXPECT_GE(tries, 8U);
    EXPECT_GE(rig.observer.failures.size(), tries - 1);  // not in silence
    return;
  }
  EXPECT_EQ(rig.store.progress().position, last);
  ASSERT_EQ(rig.store.letters.size(), 1U);
  EXPECT_EQ(rig.store.letters[0].seq, queue::Seq{kCulprit});
  constexpr std::size_t kHalvings = 3;  // of a batch of 8
  const std::map<std::string, std::pair<std::size_t, std::size_t>> bounds = {
      {"bisect", {kHalvings + 1, kHalvings + 1}},
      // How many come before the rule applies depends on what is accepted in between.
      {"bisect after 2 tries", {kHalvings + 2, 2 * kHalvings + 2}},
      {"bisect after 3 tries", {kSilencesMax + kHalvings + 8, 40}},
      {"bisect after 8 tries", {kSuspectAnswersMax + kHalvings + 8, 40}}};
  ASSERT_TRUE(bounds.contains(expected)) << expected;
  EXPECT_GE(tries, bounds.at(expected).first);
  EXPECT_LE(tries, bounds.at(expected).second);
}

TEST(StatusPolicy, EveryRowOfTheDocumentIsWhatHappens) {
  const std::vector<Row> rows = read_table();
  ASSERT_GE(rows.size(), 11U);
  for (const Row& row : rows) {
    ASSERT_FALSE(row.answers.empty());
    for (const std::string& answer : expand(row, rows)) {
      SCOPED_TRACE(answer);
      try_on_all(answer, row.to_all);
      if (row.to_one != "cannot be") try_on_one(answer, row.to_one);
    }
  }
}

TEST(StatusPolicy, EveryStatusHasARow) {
  std::set<std::string> named;
  for (const Row& row : read_table()) named.insert(row.answers.begin(), row.answers.end());
  for (const char* const one :
       {"2xx", "3xx", "4xx", "5xx", "no connection", "connection lost", "time limit"}) {
    EXPECT_TRUE(named.contains(one)) << one;
  }
}

// A recording whose path is not known at the sink, while all others are.
TEST(StatusPolicy, OneRecordingWhoseUrlIsRefusedHoldsUpNoOther) {
  LaneOptions options = options_for_policy();
  options.lane = queue::Lane::kSession;
  options.urls = {"https://f/session"};
  LaneRig rig(options);
  rig.transport.responder = [](const auto& request) {
    return status(request.url.ends_with("session.lost.log") ? 404 : 200);
  };
  rig.lane.add_events(24, "lost");
  for (int i = 0; i < 4000; ++i) {
    rig.lane.add_events(2, i % 2 == 0 ? "a" : "b");
    rig.step(2);
  }
  EXPECT_TRUE(rig.store.has(rig.lane.last()));
  EXPECT_EQ(rig.store.letters.size(), 24U);
  EXPECT_EQ(rig.store.progress().position, rig.lane.last());
  for (const auto& letter : rig.store.letters) {
    EXPECT_NE(letter.reason.find("session.lost.log: answered 404"), std::string::npos);
    EXPECT_EQ(letter.reason.find("nothing is set aside"), std::string::npos);
  }
}

TEST(StatusPolicy, LargestBatchIsBelowFluentdsLimit) {
  const Setting* const bytes = find_setting("batch-bytes");
  const Setting* const events = find_setting("batch-events");
  // An array's commas and brackets, and what a stamp adds at most to each event.
  constexpr std::uint64_t kBesidesAnEvent = 180;
  EXPECT_LT(bytes->bounds.max + events->bounds.max * kBesidesAnEvent, 32U << 20);
}

}  // namespace
}  // namespace sluice::shipper
