#include "tests/unit/queue/queue_fixture.h"

#include <fmt/format.h>

#include <atomic>
#include <deque>

#include "queue/database.h"
#include "queue/delivery_schema.h"

namespace sluice::queue {

QueueFixture::QueueFixture() {
  std::string folder = (std::filesystem::temp_directory_path() / "sluice-queue-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
  paths_.root = folder;
}

QueueFixture::~QueueFixture() { std::filesystem::remove_all(paths_.root); }

WriterOptions QueueFixture::writer_options() const {
  WriterOptions options;
  options.paths = paths_;
  options.machine = machine_;
  options.env = env_;
  return options;
}

DeliveryStoreOptions QueueFixture::store_options() const {
  DeliveryStoreOptions options;
  options.paths = paths_;
  options.machine = machine_;
  return options;
}

std::unique_ptr<Writer> QueueFixture::open_writer() const {
  auto writer = Writer::open(writer_options());
  EXPECT_EQ(error_of(writer), "");
  return writer ? std::move(*writer) : nullptr;
}

std::unique_ptr<Reader> QueueFixture::open_reader() const {
  static std::atomic<int> count{0};
  ReaderOptions options;
  options.paths = paths_;
  options.scratch = paths_.root / fmt::format("scratch-{}", ++count);
  options.hole_patience = std::chrono::milliseconds(200);
  auto reader = Reader::open(options);
  EXPECT_EQ(error_of(reader), "");
  return reader ? std::move(*reader) : nullptr;
}

std::unique_ptr<DeliveryStore> QueueFixture::open_store() const {
  auto store = DeliveryStore::open(store_options());
  EXPECT_EQ(error_of(store), "");
  return store ? std::move(*store) : nullptr;
}

VerifyReport QueueFixture::checked() const {
  VerifyOptions options;
  options.paths = paths_;
  options.scratch = paths_.root / "scratch-verify";
  auto report = verify(options);
  EXPECT_EQ(error_of(report), "");
  EXPECT_FALSE(std::filesystem::exists(options.scratch));
  return report ? std::move(*report) : VerifyReport{};
}

std::string QueueFixture::first_problem(const VerifyReport& report) {
  if (!report.problems.empty()) return report.problems.front();
  return report.ranges.empty() ? "" : report.ranges.front().why;
}

void QueueFixture::expect_clean() const {
  const VerifyReport report = checked();
  EXPECT_TRUE(report.is_clean()) << first_problem(report);
}

std::string QueueFixture::journal() const {
  const auto database =
      Database::open_secondary(paths_.delivery_db(), paths_.root / "look", delivery_families());
  EXPECT_EQ(error_of(database), "");
  std::string text;
  if (!database) return text;
  const std::unique_ptr<rocksdb::Iterator> it(
      (*database)->db().NewIterator({}, (*database)->family(kJournalFamily)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) text += it->value().ToString() + "\n";
  return text;
}

namespace {

// A batch as append() has it, with the memory that it holds views of.
struct Batch {
  Batch(Lane lane, int count, const std::string& prefix) {
    for (int i = 1; i <= count; ++i) {
      const std::string& id = texts.emplace_back(fmt::format("{}-{}", prefix, i));
      RecordView record;
      record.id = id;
      record.type = "user.login";
      record.time = {1'700'000'000, 0};
      record.body = texts.emplace_back(fmt::format(R"({{"uid":"{}"}})", id));
      append.add(lane, record);
    }
  }
  std::deque<std::string> texts;  // keeps addresses while it grows
  Append append;
};

}  // namespace

Result<void> QueueFixture::append(Writer* writer, Lane lane, int count, const std::string& prefix) {
  return writer->append(Batch(lane, count, prefix).append);
}

Result<void> QueueFixture::append_behind(Writer* writer, Lane lane, int count,
                                         const std::string& prefix) {
  return writer->append_behind(Batch(lane, count, prefix).append);
}

std::vector<std::string> QueueFixture::read_ids(Reader* reader, Lane lane, Seq first) {
  std::vector<std::string> ids;
  for (;;) {
    const auto batch = reader->read(lane, first, {});
    EXPECT_EQ(error_of(batch), "");
    if (!batch || batch->empty()) return ids;
    for (const StoredRecord& record : batch->records()) {
      EXPECT_EQ(record.seq, first++);
      ids.emplace_back(record.record.id);
    }
  }
}

}  // namespace sluice::queue
