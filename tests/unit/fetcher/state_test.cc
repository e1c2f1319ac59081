#include <gtest/gtest.h>

#include <limits>

#include "fetcher/source/bulk_state.h"
#include "fetcher/source/recording_state.h"
#include "fetcher/source/search_state.h"
#include "fetcher/source/state_fields.h"

namespace sluice::fetcher {
namespace {

TEST(StateFields, KeepAnyBytes) {
  StateFields fields;
  fields.set("key", "a=b\nc\\d\\n\x01");
  fields.set_number("n", -5);
  const auto back = StateFields::decode(fields.encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->find("key"), "a=b\nc\\d\\n\x01");
  EXPECT_EQ(back->number("n").value(), -5);
  EXPECT_EQ(back->find("other"), std::nullopt);
}

TEST(StateFields, RefuseWhatTheyDidNotWrite) {
  for (const char* text : {"no equals\n", "a=b", "a=\\x\n", "a=\\\n"}) {
    const auto fields = StateFields::decode(text);
    ASSERT_FALSE(fields) << text;
    EXPECT_EQ(fields.error().kind, ErrorKind::kCorrupt);
  }
  EXPECT_FALSE(StateFields::decode("n=1x\n")->number("n"));
}

TEST(SearchState, ComesBackAsItWas) {
  SearchState state{.from = {1'795'402'721, 5},
                    .newest = Timestamp{1'795'402'800, 0},
                    .page_key = "key\nwith=everything\\",
                    .to = {1'795'500'000, 0},
                    .types = "a,b",
                    .opened = Timestamp{1'795'402'000, 7}};
  EXPECT_EQ(decode_search_state(encode_search_state(state)).value(), state);
  EXPECT_FALSE(decode_search_state("newest=2026-11-23T00:00:00Z\n"));
}

TEST(SearchState, ComesBackWithWhatAnotherHandlerSentLast) {
  SearchState state;
  state.from = {1'795'402'721, 0};
  state.sent_id = "e-17";
  state.sent_key = "a\nkey";
  EXPECT_EQ(decode_search_state(encode_search_state(state)).value(), state);
}

TEST(SearchState, ComesBackWithTimesThatRfc3339CannotSay) {
  for (const std::int64_t seconds :
       {std::int64_t{253'402'300'800}, std::int64_t{-62'167'219'201},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    const Timestamp time{seconds, 999'999'999};
    const SearchState state{
        .from = time, .newest = time, .page_key = "key", .to = time, .types = "", .opened = time};
    const auto back = decode_search_state(encode_search_state(state));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, state);
  }
  for (const char* text : {"unix:", "unix:1", "unix:1.5", "unix:1.0000000001", "unix:x.000000000",
                           "unix:1.00000000x", "10000-01-01T00:00:00Z"}) {
    EXPECT_FALSE(decode_search_state(std::string("from=") + text + "\n")) << text;
  }
}

TEST(RecordingState, ComesBackAsItWas) {
  RecordingState state;
  state.announced_at_ms = 1'795'402'721'000;
  for (const std::int64_t index : {0, 7, 7, 3}) state.take(index);
  state.tries = 4;
  EXPECT_TRUE(state.by_count);
  EXPECT_EQ(state.taken, 4U);
  EXPECT_EQ(decode_recording_state(encode_recording_state(state)).value(), state);
  EXPECT_FALSE(decode_recording_state("taken=1\n"));
}

TEST(BulkState, ComesBackFromItsRows) {
  const Day day = parse_day("2026-11-23").value();
  const auto state =
      decode_bulk_state("2026-11-22", {{chunk_key(day, "a/b"), "done"},
                                       {chunk_key(day, "c"), "lost"},
                                       {chunk_key(day, "d"), encode_chunk_cursor("a1:5")},
                                       {chunk_key(day, "e"), encode_chunk_cursor("")}});
  ASSERT_TRUE(state);
  EXPECT_EQ(state->first_day, day - 1);
  const auto& chunks = state->days.at(day);
  EXPECT_TRUE(chunks.at("a/b").finished);
  EXPECT_TRUE(chunks.at("c").finished);
  EXPECT_EQ(chunks.at("d"), (ChunkProgress{.finished = false, .cursor = "a1:5"}));
  EXPECT_EQ(chunks.at("e"), (ChunkProgress{.finished = false, .cursor = ""}));
}

TEST(BulkState, KnowsTheDaysThatTheHandlerHadClosed) {
  const Day day = day_of({1'795'402'721, 0});
  EXPECT_EQ(closed_day_key(day), "bulk-closed/2026-11-23");
  const auto state = decode_bulk_state("2026-11-20", {}, {{closed_day_key(day), ""}});
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->closed, std::set<Day>{day});
  EXPECT_FALSE(decode_bulk_state(std::nullopt, {}, {{"bulk-closed/never", ""}}));
}

TEST(BulkState, RefusesRowsThatItDidNotWrite) {
  EXPECT_FALSE(decode_bulk_state("yesterday", {}));
  EXPECT_FALSE(decode_bulk_state(std::nullopt, {{"bulk/2026-11-23/a", "half"}}));
  EXPECT_FALSE(decode_bulk_state(std::nullopt, {{"bulk/2026-11-23", "done"}}));
}

}  // namespace
}  // namespace sluice::fetcher
