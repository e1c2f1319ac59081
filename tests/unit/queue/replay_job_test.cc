#include "queue/replay_job.h"

#include <gtest/gtest.h>

#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

ReplaySpec full_spec() {
  ReplaySpec spec;
  spec.lane = Lane::kSession;
  spec.numbers = {7, 1'000'000'000'000};
  spec.filter.from_time = Timestamp{-5, 1};
  spec.filter.to_time = Timestamp{1'700'000'000, 999'999'999};
  spec.filter.types = {"user.login", "db.query"};
  spec.filter.ids = {"one", std::string("t\0wo", 4)};
  spec.rate = 500;
  spec.mark = true;
  spec.actor = {1001, "anna", "INC-4711"};
  spec.created_at_ms = 1'700'000'000'123;
  spec.matched = 42;
  spec.matched_bytes = 4200;
  spec.trimmed = 3;
  return spec;
}

ReplayProgress full_progress() {
  ReplayProgress progress;
  progress.state = ReplayState::kPartial;
  progress.position = 9;
  progress.last = 99;
  progress.completed = {{11, 12}, {20, 30}};
  progress.sent = 8;
  progress.sent_bytes = 800;
  progress.refused = 2;
  progress.refused_numbers = {3, 5};
  progress.refusal = "400: no";
  progress.remark = "trimmed";
  progress.changed_at_ms = 1'700'000'000'456;
  return progress;
}

RecordView event(std::string_view type, std::string_view id, Timestamp time) {
  RecordView record;
  record.type = type;
  record.id = id;
  record.time = time;
  return record;
}

TEST(ReplayJob, SpecAndProgressComeBackAsTheyWereWritten) {
  EXPECT_EQ(decode_replay_spec(encode_replay_spec(full_spec())).value(), full_spec());
  EXPECT_EQ(decode_replay_spec(encode_replay_spec({})).value(), ReplaySpec{});
  EXPECT_EQ(decode_replay_progress(encode_replay_progress(full_progress())).value(),
            full_progress());
  EXPECT_EQ(decode_replay_progress(encode_replay_progress({})).value(), ReplayProgress{});
}

TEST(ReplayJob, EveryCutInTheBytesIsFound) {
  const std::string spec = encode_replay_spec(full_spec());
  for (std::size_t size = 0; size < spec.size(); ++size) {
    EXPECT_FALSE(decode_replay_spec(std::string_view(spec).substr(0, size))) << size;
  }
  const std::string progress = encode_replay_progress(full_progress());
  for (std::size_t size = 0; size < progress.size(); ++size) {
    EXPECT_FALSE(decode_replay_progress(std::string_view(progress).substr(0, size))) << size;
  }
  EXPECT_EQ(decode_replay_spec(spec + "x").error().kind, ErrorKind::kCorrupt);
}

TEST(ReplayJob, NewerRowsAndUnknownStatesAreRefused) {
  std::string bytes = encode_replay_progress(full_progress());
  bytes[0] = 2;
  EXPECT_EQ(decode_replay_progress(bytes).error().kind, ErrorKind::kFormat);
  bytes[0] = 1;
  bytes[1] = 77;
  EXPECT_EQ(decode_replay_progress(bytes).error().kind, ErrorKind::kCorrupt);
}

TEST(ReplayJob, FilterMeansWhatAllOfItsPartsMean) {
  ReplayFilter filter;
  filter.from_time = Timestamp{100, 0};
  filter.to_time = Timestamp{200, 0};
  filter.types = {"user.login"};
  filter.ids = {"a", "b"};
  const ReplayMatcher matcher(filter);
  EXPECT_TRUE(matcher.matches(event("user.login", "a", {100, 0})));
  EXPECT_TRUE(matcher.matches(event("user.login", "b", {199, 999'999'999})));
  EXPECT_FALSE(matcher.matches(event("user.login", "a", {99, 999'999'999})));
  EXPECT_FALSE(matcher.matches(event("user.login", "a", {200, 0})));
  EXPECT_FALSE(matcher.matches(event("user.logout", "a", {150, 0})));
  EXPECT_FALSE(matcher.matches(event("user.login", "c", {150, 0})));
}

TEST(ReplayJob, WhatStandsInAnEventsPlaceIsNeverMeant) {
  const ReplayMatcher any({});
  RecordView record = event("user.login", "a", {100, 0});
  EXPECT_TRUE(any.matches(record));
  record.kind = RecordKind::kReject;
  EXPECT_FALSE(any.matches(record));
  record.kind = RecordKind::kGap;
  EXPECT_FALSE(any.matches(record));
}

TEST(ReplayJob, SpecsThatBreakABoundAreRefusedWithASentence) {
  EXPECT_EQ(error_of(check_spec(full_spec())), "");
  const auto refused = [](auto change) {
    ReplaySpec spec = full_spec();
    change(&spec);
    const auto checked = check_spec(spec);
    return !checked && checked.error().kind == ErrorKind::kUsage;
  };
  EXPECT_TRUE(refused([](ReplaySpec* spec) { spec->actor.reason.clear(); }));
  EXPECT_TRUE(refused([](ReplaySpec* spec) { spec->actor.reason.assign(2000, 'x'); }));
  EXPECT_TRUE(refused([](ReplaySpec* spec) { spec->numbers = {0, 5}; }));
  EXPECT_TRUE(refused([](ReplaySpec* spec) { spec->numbers = {6, 5}; }));
  EXPECT_TRUE(refused([](ReplaySpec* spec) { spec->filter.ids.assign(1001, "x"); }));
  EXPECT_TRUE(refused([](ReplaySpec* spec) { spec->filter.types = {""}; }));
  EXPECT_TRUE(refused([](ReplaySpec* spec) { spec->filter.types = {std::string(2000, 'x')}; }));
}

}  // namespace
}  // namespace sluice::queue
