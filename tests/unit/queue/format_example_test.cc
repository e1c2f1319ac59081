// The worked examples of docs/queue-format.md are what this program writes and reads.
//
// The hex dumps are read from the document itself, so neither it nor the code can change alone.

#include <gtest/gtest.h>

#include <charconv>
#include <sstream>
#include <string>
#include <string_view>

#include "common/files.h"
#include "common/time.h"
#include "queue/control_page.h"
#include "queue/record.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::queue {
namespace {

constexpr std::size_t kDocumentBytesMax = 1U << 20;

unsigned hex_number(std::string_view digits) {
  unsigned value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  EXPECT_EQ(error, std::errc{}) << "\"" << digits << "\" is not a hexadecimal number";
  EXPECT_EQ(end, digits.data() + digits.size()) << digits;
  return value;
}

// The bytes of one line "OFFSET  XX XX …  |text|", whose offset must be `offset`.
std::string bytes_of_line(const std::string& line, std::size_t offset) {
  std::istringstream words(line.substr(0, line.find('|')));
  std::string word;
  words >> word;
  EXPECT_EQ(hex_number(word), offset) << "the offset in front of: " << line;
  std::string bytes;
  while (words >> word) bytes.push_back(static_cast<char>(hex_number(word)));
  return bytes;
}

// The hex dump in the document's code block that begins with "```hex NAME"; its first byte is that
// of `offset`.
std::string example(std::string_view name, std::size_t offset = 0) {
  const auto document =
      read_file(std::string(SLUICE_SOURCE_DIR) + "/docs/queue-format.md", kDocumentBytesMax);
  EXPECT_TRUE(document) << document.error().message;
  std::istringstream lines(document.value_or(""));
  const std::string opening = std::string("```hex ").append(name);
  std::string bytes;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (inside && line == "```") return bytes;
    if (inside) bytes += bytes_of_line(line, offset + bytes.size());
    if (line == opening) inside = true;
  }
  ADD_FAILURE() << "docs/queue-format.md has no whole block " << opening;
  return bytes;
}

constexpr Lane kLane = Lane::kAudit;
constexpr Seq kSeq = 42;

// The fields as the document names them above the dump.
RecordView documented_record() {
  RecordView record;
  record.kind = RecordKind::kEvent;
  record.epoch = 7;
  record.fetched_at_ms = 1'795'402'721'250;    // 2026-11-23T02:58:41.250Z
  record.time = {1'795'402'719, 123'000'000};  // 2026-11-23T02:58:39.123Z
  record.id = "b7e1c9d2";
  record.type = "user.login";
  record.body = R"({"event":"user.login","time":"2026-11-23T02:58:39.123Z","uid":"b7e1c9d2"})";
  return record;
}

FetcherPage documented_page() {
  FetcherPage page;
  for (std::size_t i = 0; i < page.queue_id.bytes.size(); ++i) {
    page.queue_id.bytes[i] = static_cast<std::uint8_t>(0x10 + i);
  }
  page.boot_id = "9f7b1b0c7c2d4b0d8a2c2f3e4d5c6b7a";
  page.epoch = {7, 0x1122'3344'5566'7788};
  page.durable[Lane::kAudit] = 42;
  page.durable[Lane::kSession] = 3;
  page.floor[Lane::kAudit] = 1;
  page.floor[Lane::kSession] = 1;
  return page;
}

TEST(FormatDocument, RecordExampleDecodesToTheFieldsThatTheDocumentNames) {
  const std::string bytes = example("record");
  const auto decoded = decode_record(kLane, kSeq, bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  const RecordView expected = documented_record();
  EXPECT_EQ(decoded->kind, expected.kind);
  EXPECT_EQ(decoded->epoch, expected.epoch);
  EXPECT_EQ(decoded->fetched_at_ms, expected.fetched_at_ms);
  EXPECT_EQ(format_rfc3339(from_unix_ms(decoded->fetched_at_ms)), "2026-11-23T02:58:41.250Z");
  EXPECT_EQ(format_rfc3339(decoded->time), "2026-11-23T02:58:39.123Z");
  EXPECT_EQ(decoded->id, expected.id);
  EXPECT_EQ(decoded->type, expected.type);
  EXPECT_EQ(decoded->route, "");
  EXPECT_EQ(decoded->note, "");
  EXPECT_EQ(decoded->body, expected.body);
}

TEST(FormatDocument, RecordExampleIsWhatIsWritten) {
  std::string bytes;
  encode_record(kLane, kSeq, documented_record(), &bytes);
  EXPECT_EQ(bytes, example("record"));
}

TEST(FormatDocument, RecordExampleIsDamageInAnyOtherPlace) {
  const std::string bytes = example("record");
  EXPECT_EQ(decode_record(kLane, kSeq + 1, bytes).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(decode_record(Lane::kSession, kSeq, bytes).error().kind, ErrorKind::kCorrupt);
}

TEST(FormatDocument, PageExampleIsWhatIsWrittenByTheFirstPublication) {
  const TempFolder folder;
  const auto path = folder.path() / "page";
  auto writer = PageWriter::open(path, PageRole::kFetcher);
  ASSERT_TRUE(writer) << writer.error().message;
  writer->publish(encode_page(documented_page()));
  const auto file = read_file(path, kDocumentBytesMax);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->size(), 4096U);

  const std::string head = example("page-head");
  EXPECT_EQ(file->substr(0, head.size()), head);
  constexpr std::size_t kSecondSlot = 1536;
  const std::string slot = example("page-slot", kSecondSlot);
  EXPECT_EQ(file->substr(kSecondSlot, slot.size()), slot);
  const std::string rest = file->substr(kSecondSlot + slot.size());
  EXPECT_EQ(rest.find_first_not_of('\0'), std::string::npos);
}

TEST(FormatDocument, PageExampleDecodesToTheFieldsThatTheDocumentNames) {
  constexpr std::size_t kSlotHeaderBytes = 16;
  const auto page = decode_fetcher_page(example("page-slot", 1536).substr(kSlotHeaderBytes));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->queue_id.to_string(), "101112131415161718191a1b1c1d1e1f");
  EXPECT_EQ(page->boot_id, "9f7b1b0c7c2d4b0d8a2c2f3e4d5c6b7a");
  EXPECT_EQ(page->epoch, (Epoch{7, 0x1122'3344'5566'7788}));
  EXPECT_EQ(page->durable[Lane::kAudit], 42U);
  EXPECT_EQ(page->durable[Lane::kSession], 3U);
  EXPECT_EQ(page->floor[Lane::kAudit], 1U);
}

}  // namespace
}  // namespace sluice::queue
