#include "shipper/dead_letter_reasons.h"

#include <fmt/format.h>

namespace sluice::shipper {
namespace {

std::string reason_of(const queue::DeadLetter& letter) {
  if (letter.kind == queue::RecordKind::kReject) return "reject";
  if (letter.status == 0) return "no_answer";
  return fmt::format("http_{}", letter.status);
}

}  // namespace

void DeadLetterReasons::add(const queue::DeadLetter& letter) {
  const std::lock_guard lock(mutex_);
  ++counts_[reason_of(letter)];
}

std::map<std::string, std::uint64_t> DeadLetterReasons::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace sluice::shipper
