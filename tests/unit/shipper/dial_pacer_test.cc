#include "shipper/fluentd/dial_pacer.h"

#include <gtest/gtest.h>

namespace sluice::shipper::fluentd {
namespace {

using std::chrono::milliseconds;

TEST(DialPacer, FirstIsImmediateAndOthersWaitTheirTurn) {
  DialPacer pacer(milliseconds{150});
  EXPECT_TRUE(pacer.try_dial(milliseconds{0}));
  EXPECT_FALSE(pacer.try_dial(milliseconds{149}));
  EXPECT_EQ(pacer.wait(milliseconds{149}), milliseconds{1});
  EXPECT_TRUE(pacer.try_dial(milliseconds{150}));
  EXPECT_FALSE(pacer.try_dial(milliseconds{299}));
  EXPECT_TRUE(pacer.try_dial(milliseconds{300}));
}

}  // namespace
}  // namespace sluice::shipper::fluentd
