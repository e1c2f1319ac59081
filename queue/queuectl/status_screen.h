// The status as a screen for people: fits 80 by 24, and narrower or lower terminals by leaving out
// what matters least. Pure.
#ifndef SLUICE_QUEUE_QUEUECTL_STATUS_SCREEN_H_
#define SLUICE_QUEUE_QUEUECTL_STATUS_SCREEN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "queue/queuectl/screen_text.h"
#include "queue/queuectl/snapshot.h"
#include "queue/queuectl/status_render.h"
#include "queue/types.h"

namespace sluice::queue {

// What was seen at looks in a row, the oldest first. Rates are events a second between two looks.
class StatusHistory {
 public:
  struct Series {
    std::vector<double> in;
    std::vector<double> out;
    std::vector<double> backlog;
  };
  // Forgets what is older than kKept looks.
  void add(const Snapshot& snapshot);
  const Series& lane(Lane lane) const { return lanes_[lane]; }

 private:
  static constexpr std::size_t kKept = 512;
  struct Look {
    std::int64_t at_ms = 0;
    PerLane<std::uint64_t> fetched;
    PerLane<std::uint64_t> done;
  };
  PerLane<Series> lanes_;
  std::optional<Look> last_;
};

// With a history, graphs of it fill what is left of the rows.
std::string status_screen(const Snapshot& snapshot, const StatusContext& context,
                          const ScreenStyle& style, const StatusHistory* history = nullptr);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_STATUS_SCREEN_H_
