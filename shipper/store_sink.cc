#include "shipper/store_sink.h"

#include <memory>
#include <set>

namespace sluice::shipper {
namespace {

queue::Completion completion_of(queue::Lane lane, const Finished& finished,
                                const std::set<queue::Seq>& skipped) {
  queue::Completion completion(lane);
  for (const auto& record : finished.acknowledged) {
    if (skipped.contains(record->seq)) {
      completion.honour(*record);
    } else {
      completion.acknowledge(*record);
    }
  }
  for (const auto& [record, letter] : finished.set_aside) {
    if (!skipped.contains(record->seq)) completion.set_aside(*record, letter);
  }
  for (const auto& record : finished.gaps) completion.pass_gap(*record);
  return completion;
}

}  // namespace

// A person may skip a number between the look and the commit; then the store takes nothing.
Result<void> StoreSink::commit(queue::Lane lane, const Finished& finished) {
  for (;;) {
    const auto skipped = store_->skipped(lane);
    auto done =
        store_->commit(completion_of(lane, finished, skipped ? *skipped : std::set<queue::Seq>()));
    if (done || done.error().kind != ErrorKind::kBusy) return done;
  }
}

// All of the numbers each time that anything was changed by hand, which is seldom.
std::vector<queue::Seq> StoreSink::taken_out(queue::Lane lane, std::uint64_t* mark) {
  const std::uint64_t changes = store_->changes();
  if (*mark == changes) return {};
  *mark = changes;
  const auto skipped = store_->skipped(lane);
  if (!skipped) return {};
  return {skipped->begin(), skipped->end()};
}

std::optional<std::string> StoreSink::no_room_for_letters(queue::Lane lane, std::size_t coming) {
  auto totals = store_->dead_letters(lane);
  totals.count += coming;
  if (limits_.share(totals) < 100) return std::nullopt;
  return limits_.describe(lane, totals);
}

}  // namespace sluice::shipper
