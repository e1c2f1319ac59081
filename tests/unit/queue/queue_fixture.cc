#include "tests/unit/queue/queue_fixture.h"

#include <fmt/format.h>

#include <atomic>
#include <deque>

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

Result<void> QueueFixture::append(Writer* writer, Lane lane, int count, const std::string& prefix) {
  std::deque<std::string> texts;  // keeps addresses while it grows
  Append batch;
  for (int i = 1; i <= count; ++i) {
    const std::string& id = texts.emplace_back(fmt::format("{}-{}", prefix, i));
    RecordView record;
    record.id = id;
    record.type = "user.login";
    record.time = {1'700'000'000, 0};
    record.body = texts.emplace_back(fmt::format(R"({{"uid":"{}"}})", id));
    batch.add(lane, record);
  }
  return writer->append(batch);
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
