#include "common/repeated_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/message_kinds.h"

namespace sluice {

RepeatedMessage::RepeatedMessage(const MessageKind& kind, std::string subject, const Clock& clock,
                                 LogSink sink)
    : kind_(kind), subject_(std::move(subject)), clock_(clock), sink_(std::move(sink)) {}

void RepeatedMessage::begin(std::chrono::milliseconds now) {
  count_ = 0;
  first_ = now;
  last_summary_ = now;
  summary_interval_ = kSummaryIntervalMin;
  texts_.clear();
}

bool RepeatedMessage::failed(std::string_view reason, const LogFields& fields,
                             std::string_view detail, std::source_location where) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.monotonic();
  const bool is_new = count_ == 0 || (!is_told_ && now - last_ >= kSettled);
  if (is_new) begin(now);
  last_ = now;
  ++count_;
  const bool is_sum = now - last_summary_ >= summary_interval_;
  const bool is_known = std::ranges::find(texts_, reason) != texts_.end();
  if (!is_sum && (is_known || texts_.size() == kTextsMax)) return false;
  std::string more(detail);
  if (is_sum) {
    last_summary_ = now;
    summary_interval_ = std::min(2 * summary_interval_, kSummaryIntervalMax);
    texts_.clear();
    more += fmt::format("{}{} times in {}", more.empty() ? "" : "; ", count_,
                        format_duration(now - first_));
  }
  texts_.emplace_back(reason);
  is_told_ = true;
  LogFields counted = fields;
  counted.count = count_;
  sink_({kind_,
         fmt::format("{}: {}{}", subject_, reason, more.empty() ? "" : fmt::format(" ({})", more)),
         counted, where});
  return true;
}

void RepeatedMessage::succeeded(const LogFields& fields, std::source_location where) {
  const std::lock_guard lock(mutex_);
  if (!is_told_) return;
  is_told_ = false;
  LogFields counted = fields;
  counted.cause = kind_.name;
  counted.count = count_;
  sink_({message::kOver,
         fmt::format("{}: this is over after {}, {} {}", subject_,
                     format_duration(clock_.monotonic() - first_), count_,
                     count_ == 1 ? "time" : "times"),
         counted, where});
}

}  // namespace sluice
