#include "shipper/dead_letter_alarm.h"

#include <chrono>

#include "common/log.h"
#include "common/message_kinds.h"

namespace sluice::shipper {
namespace {

constexpr std::chrono::minutes kRepeat{10};

}  // namespace

void DeadLetterAlarm::tick(const queue::DeliveryStore& store) {
  const auto now = clock_.monotonic();
  for (const queue::Lane lane : queue::kLanes) {
    const auto totals = store.dead_letters(lane);
    const std::uint64_t share = limits_.share(totals);
    const Level level = share >= 100                            ? Level::kFull
                        : share >= queue::kDeadLettersWarnShare ? Level::kMany
                                                                : Level::kNone;
    Said& said = said_[lane];
    const bool is_old = level == said.level && now - said.at < kRepeat;
    if (is_old || (level == Level::kNone && said.level == Level::kNone)) continue;
    if (level == Level::kFull) {
      log_message(message::kDeadLettersFull, {.lane = queue::name_of(lane)}, "{}",
                  limits_.describe(lane, totals));
    } else if (level == Level::kMany) {
      log_message(message::kDeadLettersMany, {.lane = queue::name_of(lane)}, "{}",
                  limits_.describe(lane, totals));
    } else {
      log_message(message::kDeadLettersRoom, {.lane = queue::name_of(lane)},
                  "lane {} has {} dead letters again: there is room for more", queue::name_of(lane),
                  totals.count);
    }
    said = {level, now};
  }
}

}  // namespace sluice::shipper
