// A queue in a folder of its own, and shortcuts to fill and read it.
#ifndef SLUICE_TESTS_UNIT_QUEUE_QUEUE_FIXTURE_H_
#define SLUICE_TESTS_UNIT_QUEUE_QUEUE_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "queue/delivery_store.h"
#include "queue/reader.h"
#include "queue/verify.h"
#include "queue/writer.h"
#include "tests/unit/queue/faulty_env.h"

namespace sluice::queue {

class QueueFixture : public ::testing::Test {
 protected:
  QueueFixture();
  ~QueueFixture() override;

  WriterOptions writer_options() const;
  DeliveryStoreOptions store_options() const;
  std::unique_ptr<Writer> open_writer() const;
  std::unique_ptr<Reader> open_reader() const;
  std::unique_ptr<DeliveryStore> open_store() const;

  // Appends `count` events to the lane as one batch. Their ids are PREFIX-1, PREFIX-2, … and their
  // bodies name the id.
  static Result<void> append(Writer* writer, Lane lane, int count, const std::string& prefix = "e");
  // The same, without waiting for the disk.
  static Result<void> append_behind(Writer* writer, Lane lane, int count,
                                    const std::string& prefix = "e");
  // All records of the lane from `first` on.
  static std::vector<std::string> read_ids(Reader* reader, Lane lane, Seq first = 1);

  // What verify() says, whose own failure is one of the test.
  VerifyReport checked() const;
  // "" if there is none.
  static std::string first_problem(const VerifyReport& report);
  // verify() finds nothing wrong.
  void expect_clean() const;
  // The lines of the delivery store's journal, oldest first; of a store that runs, too.
  std::string journal() const;

  InstancePaths paths_;
  Machine machine_{"machine-a", "boot-a"};
  rocksdb::Env* env_ = nullptr;
};

// The error's message, or "" for success: for expectations that print what came instead.
template <typename T>
std::string error_of(const Result<T>& result) {
  return result ? "" : result.error().message;
}

}  // namespace sluice::queue

#endif  // SLUICE_TESTS_UNIT_QUEUE_QUEUE_FIXTURE_H_
