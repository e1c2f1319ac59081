#include "fetcher/import/handler_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <thread>

#include "tests/unit/fetcher/handler_folder.h"

namespace sluice::fetcher {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

HandlerState read(const HandlerFolder& folder) {
  const auto state = read_handler_state(folder.path());
  EXPECT_TRUE(state) << state.error().message;
  return state.value().value();
}

TEST(HandlerFolderName, IsHostAndPort) {
  EXPECT_EQ(handler_folder_name("teleport.example.com:443"), "teleport.example.com_443");
  EXPECT_EQ(handler_folder_name("10.0.0.1:3025"), "10.0.0.1_3025");
  EXPECT_EQ(handler_folder_name("[2001:db8::1]:3025"), "2001:db8::1_3025");
}

TEST(HandlerStateTest, OfASearch) {
  const HandlerFolder folder;
  folder.put("start_time", "2026-11-01T00:00:00Z");
  folder.put("window_time", "2026-11-22T00:00:00+02:00");
  folder.put("cursor", "the page's key");
  folder.put("id", "0d1c-77");
  const HandlerState state = read(folder);
  EXPECT_EQ(format_rfc3339(state.start_time.value()), "2026-11-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339(state.window_time.value()), "2026-11-21T22:00:00Z");
  EXPECT_EQ(state.page_key, "the page's key");
  EXPECT_EQ(state.last_id, "0d1c-77");
  EXPECT_THAT(state.days, IsEmpty());
  EXPECT_THAT(state.damage, IsEmpty());
  EXPECT_TRUE(state.has_position());
}

TEST(HandlerStateTest, OfABulkExport) {
  const HandlerFolder folder;
  folder.put("cursor_v2/2026-11-20/completed-chunks", "a\nb\n");
  folder.put("cursor_v2/2026-11-20/c.chunk", "a1:17\n");
  folder.put("cursor_v2/2026-11-20/c.with.dots.chunk", "a1:18");
  folder.begin_day("2026-11-21");
  folder.begin_day("no-day");
  folder.put("cursor_v2/2026-11-22", "a file is no day");
  const HandlerState state = read(folder);
  ASSERT_EQ(state.days.size(), 2U);
  const auto& [day, chunks] = *state.days.begin();
  EXPECT_EQ(format_day(day), "2026-11-20");
  EXPECT_THAT(chunks.completed, ElementsAre("a", "b"));
  EXPECT_THAT(chunks.cursors, ElementsAre(Pair("c", "a1:17"), Pair("c.with.dots", "a1:18")));
  EXPECT_THAT(state.days.rbegin()->second.completed, IsEmpty());
  EXPECT_THAT(state.damage, IsEmpty());
}

TEST(HandlerStateTest, AChunkThatIsDoneIsNotBegunToo) {
  const HandlerFolder folder;
  folder.put("cursor_v2/2026-11-20/completed-chunks", "a\n");
  folder.put("cursor_v2/2026-11-20/a.chunk", "a1:17");
  EXPECT_THAT(read(folder).days.begin()->second.cursors, IsEmpty());
}

TEST(HandlerStateTest, OfRecordings) {
  const HandlerFolder folder;
  folder.put_index("b5f2-1", 0x0102);
  folder.put("sessionb5f2-2", "");
  folder.put("session", "not one of them");
  folder.put("missing_recordingb5f2-3",
             R"({"Index":7,"Attempt":2,"Timestamp":"2026-11-20T10:00:00.5Z"})");
  folder.put_index("b5f2-3", 5);
  const HandlerState state = read(folder);
  EXPECT_THAT(state.recordings,
              ElementsAre(Pair("b5f2-1", 0x0102), Pair("b5f2-2", 0), Pair("b5f2-3", 5)));
  EXPECT_THAT(state.damage, IsEmpty());
}

TEST(HandlerStateTest, WhatAPowerCutLeavesMeansThatMoreIsFetchedAndIsSaid) {
  const HandlerFolder folder;
  folder.put("start_time", "2026-11-0");
  folder.put("window_time", "");
  folder.put("cursor", std::string(12, '\0'));
  folder.put("id", "\xff\xfe");
  folder.put("sessionb5f2-1", "123");
  folder.put("sessionb5f2-2", "\xff\xff\xff\xff\xff\xff\xff\xff");
  folder.put("missing_recordingb5f2-3", R"({"Index":)");
  folder.put("cursor_v2/2026-11-20/completed-chunks", "a\nb");
  folder.put("cursor_v2/2026-11-20/c.chunk", "");
  folder.put("cursor_v2/2026-11-20/d.chunk", std::string("a1\0", 3));
  const HandlerState state = read(folder);
  EXPECT_FALSE(state.start_time);
  EXPECT_FALSE(state.window_time);
  EXPECT_EQ(state.page_key, "");
  EXPECT_EQ(state.last_id, "");
  EXPECT_THAT(state.recordings,
              ElementsAre(Pair("b5f2-1", 0), Pair("b5f2-2", 0), Pair("b5f2-3", 0)));
  EXPECT_THAT(state.days.begin()->second.completed, ElementsAre("a"));
  EXPECT_THAT(state.days.begin()->second.cursors, IsEmpty());
  EXPECT_EQ(state.damage.size(), 10U);
  EXPECT_THAT(state.damage.front(), HasSubstr("cursor is no text: the page is not used"));
}

TEST(HandlerStateTest, GosZeroTimeIsNone) {
  const HandlerFolder folder;
  folder.put("window_time", "0001-01-01T00:00:00Z");
  const HandlerState state = read(folder);
  EXPECT_FALSE(state.window_time);
  EXPECT_THAT(state.damage, IsEmpty());
  EXPECT_FALSE(state.has_position());
}

TEST(HandlerStateTest, LinksAndPipesAreNotFollowed) {
  const HandlerFolder folder;
  folder.put("secret", "x");
  std::filesystem::create_symlink(folder.path() / "secret", folder.path() / "cursor");
  ASSERT_EQ(::mkfifo((folder.path() / "id").c_str(), 0600), 0);
  const HandlerState state = read(folder);
  EXPECT_EQ(state.page_key, "");
  EXPECT_EQ(state.last_id, "");
}

TEST(HandlerStateTest, IsAsOldAsWhatWasWrittenLastInIt) {
  const HandlerFolder folder;
  const Timestamp old{1'795'000'000, 0};
  const Timestamp later{1'795'000'500, 0};
  folder.put("start_time", "2026-11-01T00:00:00Z");
  folder.put("dry_run/x/start_time", "2026-11-01T00:00:00Z");
  folder.put("cursor_v2/2026-11-20/a.chunk", "a1:1");
  folder.written(old);
  const auto at = [](Timestamp time) {
    return std::filesystem::file_time_type(std::chrono::file_clock::from_sys(
        std::chrono::sys_seconds(std::chrono::seconds(time.seconds))));
  };
  EXPECT_EQ(read(folder).written_at, at(old));
  std::filesystem::last_write_time(folder.path() / "dry_run/x/start_time", at(later));
  EXPECT_EQ(read(folder).written_at, at(old));
  std::filesystem::last_write_time(folder.path() / "cursor_v2/2026-11-20/a.chunk", at(later));
  EXPECT_EQ(read(folder).written_at, at(later));
}

TEST(HandlerStateTest, IsNothingWhereThereIsNoFolder) {
  const HandlerFolder folder;
  EXPECT_FALSE(read_handler_state(folder.storage() / "other_443").value());
  EXPECT_THAT(handler_positions(folder.storage()), IsEmpty());
  folder.begin_day("2026-11-20");
  EXPECT_THAT(handler_positions(folder.storage()), ElementsAre("teleport.example.com_443"));
  EXPECT_THAT(handler_positions(folder.storage() / "none"), IsEmpty());
}

TEST(HandlerStateTest, WhatMustNotBeReadIsAnErrorAndNoDamage) {
  const HandlerFolder folder;
  folder.put("id", "x");
  std::filesystem::permissions(folder.path() / "id", std::filesystem::perms::none);
  std::filesystem::permissions(folder.storage(), std::filesystem::perms::all);
  Result<std::optional<HandlerState>> state;
  std::jthread([&] {
    // Of this thread alone; root may read everything.
    if (::geteuid() == 0) ::setfsuid(65'534);
    state = read_handler_state(folder.path());
  }).join();
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().kind, ErrorKind::kCannotCreate);
  EXPECT_THAT(state.error().message, HasSubstr("/id: Permission denied"));
}

}  // namespace
}  // namespace sluice::fetcher
