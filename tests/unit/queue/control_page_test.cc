#include "queue/control_page.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace sluice::queue {
namespace {

using namespace std::chrono_literals;

class ControlPage : public ::testing::Test {
 protected:
  ControlPage() {
    std::string folder = (std::filesystem::temp_directory_path() / "sluice-page-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
    folder_ = folder;
  }
  ~ControlPage() override { std::filesystem::remove_all(folder_); }

  PageWriter writer() const {
    auto opened = PageWriter::open(path(), PageRole::kFetcher);
    EXPECT_TRUE(opened);
    return std::move(*opened);
  }
  std::filesystem::path path() const { return folder_ / "page"; }
  void overwrite(std::streamoff offset, const std::string& bytes) const {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << bytes;
  }

  std::filesystem::path folder_;
};

TEST_F(ControlPage, SaysWhatWasLastPublished) {
  PageWriter page = writer();
  PageReader reader(path(), PageRole::kFetcher);
  page.publish("one");
  EXPECT_EQ(reader.read(), "one");
  page.publish("two");
  page.publish("three");
  EXPECT_EQ(reader.read(), "three");
}

TEST_F(ControlPage, ThatIsMissingOrEmptyOrTooShortSaysNothing) {
  PageReader reader(path(), PageRole::kFetcher);
  EXPECT_EQ(reader.read(), std::nullopt);
  {
    std::ofstream make(path());
  }
  EXPECT_EQ(reader.read(), std::nullopt);
  std::filesystem::resize_file(path(), 4096);
  EXPECT_EQ(reader.read(), std::nullopt);
}

TEST_F(ControlPage, OfAnotherRoleSaysNothing) {
  writer().publish("fetcher's");
  PageReader reader(path(), PageRole::kShipper);
  EXPECT_EQ(reader.read(), std::nullopt);
}

TEST_F(ControlPage, KeepsItsValuesAcrossTheDeathOfItsWriter) {
  writer().publish("one");
  EXPECT_EQ(writer().last(), "one");
}

// A writer that is killed while it fills the slot that is not current.
TEST_F(ControlPage, WithAHalfWrittenNextSlotSaysTheLastValues) {
  PageWriter page = writer();
  page.publish("first");   // slot 1
  page.publish("second");  // slot 0, current
  overwrite(1024 + 512 + 8, "garbage");
  PageReader reader(path(), PageRole::kFetcher);
  EXPECT_EQ(reader.read(), "second");
}

TEST_F(ControlPage, TornByAPowerCutSaysNothing) {
  PageWriter page = writer();
  page.publish("first");
  page.publish("second");
  overwrite(1024 + 8, "garbage");  // the current slot
  PageReader reader(path(), PageRole::kFetcher);
  EXPECT_EQ(reader.read(), std::nullopt);
}

TEST_F(ControlPage, IsFollowedWhenTheFileIsMadeAnew) {
  writer().publish("old");
  PageReader reader(path(), PageRole::kFetcher);
  EXPECT_EQ(reader.read(), "old");
  std::filesystem::remove(path());
  writer().publish("new");
  EXPECT_EQ(reader.read(), "new");
}

TEST_F(ControlPage, RingsOnEveryPublish) {
  PageWriter page = writer();
  page.publish("one");
  PageReader reader(path(), PageRole::kFetcher);
  const std::uint32_t seen = reader.doorbell();
  EXPECT_FALSE(reader.wait(seen, 1ms));
  page.publish("two");
  EXPECT_TRUE(reader.wait(seen, 1ms));
  std::jthread later([&] {
    std::this_thread::sleep_for(20ms);
    page.publish("three");
  });
  EXPECT_TRUE(reader.wait(reader.doorbell(), 60s));
}

// Two values that are published together must never be read apart.
TEST_F(ControlPage, NeverMixesTwoPublishedStates) {
  PageWriter page = writer();
  const auto values = [](Seq n) {
    FetcherPage both;
    both.durable[Lane::kAudit] = n;
    both.durable[Lane::kSession] = n * 3;
    return encode_page(both);
  };
  page.publish(values(0));
  PageReader reader(path(), PageRole::kFetcher);
  std::jthread publishing([&](const std::stop_token& stop) {
    for (Seq n = 1; !stop.stop_requested(); ++n) page.publish(values(n));
  });
  Seq last = 0;
  for (int i = 0; i < 50'000; ++i) {
    const auto payload = reader.read();
    ASSERT_TRUE(payload);
    const auto both = decode_fetcher_page(*payload);
    ASSERT_TRUE(both);
    ASSERT_EQ(both->durable[Lane::kSession], both->durable[Lane::kAudit] * 3);
    ASSERT_GE(both->durable[Lane::kAudit], last);
    last = both->durable[Lane::kAudit];
  }
}

TEST_F(ControlPage, CarriesAllOfTheShippersValues) {
  ShipperPage page;
  page.delivery_id = Id128::random();
  page.queue_id = Id128::random();
  page.boot_id = "9f7b1b0c7c2d4b0d8a2c2f3e4d5c6b7a";
  page.epoch = {3, 99};
  page.position[Lane::kSession] = 12;
  page.hold[Lane::kAudit] = kNoHold;
  const auto decoded = decode_shipper_page(encode_page(page));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->delivery_id, page.delivery_id);
  EXPECT_EQ(decoded->queue_id, page.queue_id);
  EXPECT_EQ(decoded->boot_id, page.boot_id);
  EXPECT_EQ(decoded->epoch, page.epoch);
  EXPECT_EQ(decoded->position, page.position);
  EXPECT_EQ(decoded->hold, page.hold);
}

}  // namespace
}  // namespace sluice::queue
