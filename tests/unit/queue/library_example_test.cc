// The example in queue/queue.h does what the text around it says.

#include <filesystem>
#include <string>

#include "common/error.h"
#include "queue/queue.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

#include "library_example.inc"

class LibraryExample : public QueueFixture {};

TEST_F(LibraryExample, DeliversWhatWasFilledIn) {
  const auto delivered = fill_and_deliver(paths_.root);
  ASSERT_TRUE(delivered) << error_of(delivered);
  EXPECT_EQ(R"({"hello":"world"})", *delivered);
}

TEST_F(LibraryExample, DeliversNothingTwice) {
  ASSERT_TRUE(fill_and_deliver(paths_.root));
  const auto again = fill_and_deliver(paths_.root);
  ASSERT_TRUE(again) << error_of(again);
  EXPECT_EQ(R"({"hello":"world"})", *again) << "only the second filling's record";
  EXPECT_EQ(2U, open_store()->progress(Lane::kAudit).position);
}

}  // namespace
}  // namespace sluice::queue
