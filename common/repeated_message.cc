#include "common/repeated_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice {

RepeatedMessage::RepeatedMessage(std::string subject, LogLevel level, const Clock& clock, Sink sink)
    : subject_(std::move(subject)), level_(level), clock_(clock), sink_(std::move(sink)) {}

void RepeatedMessage::failed(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.monotonic();
  if (count_ == 0) {
    first_ = now;
    last_summary_ = now;
    texts_.clear();
  }
  ++count_;
  if (now - last_summary_ >= kSummaryInterval) {
    sink_(level_, fmt::format("{}: {} ({} times in {})", subject_, reason, count_,
                              format_duration(now - first_)));
    last_summary_ = now;
    texts_.assign(1, std::string(reason));
    return;
  }
  const bool is_known = std::ranges::find(texts_, reason) != texts_.end();
  if (is_known || texts_.size() == kTextsMax) return;
  texts_.emplace_back(reason);
  sink_(level_, fmt::format("{}: {}", subject_, reason));
}

void RepeatedMessage::succeeded() {
  const std::lock_guard lock(mutex_);
  if (count_ == 0) return;
  sink_(LogLevel::kInfo, fmt::format("{}: this is over after {}, {} {}", subject_,
                                     format_duration(clock_.monotonic() - first_), count_,
                                     count_ == 1 ? "time" : "times"));
  count_ = 0;
  texts_.clear();
}

}  // namespace sluice
