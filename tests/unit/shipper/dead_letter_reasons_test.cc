#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "shipper/dead_letter_reasons.h"

namespace sluice::shipper {
namespace {

TEST(DeadLetterReasons, AreCountedByWhoRefusedAndHow) {
  DeadLetterReasons reasons;
  queue::DeadLetter letter;
  letter.status = 400;
  reasons.add(letter);
  reasons.add(letter);
  letter.status = 0;
  reasons.add(letter);
  letter.kind = queue::RecordKind::kReject;
  reasons.add(letter);
  EXPECT_EQ(reasons.counts(), (std::map<std::string, std::uint64_t>{
                                  {"http_400", 2}, {"no_answer", 1}, {"reject", 1}}));
}

}  // namespace
}  // namespace sluice::shipper
