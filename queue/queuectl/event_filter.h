// The options by which several commands choose events: --type, --id, --from-time, --to-time.
//
// One thread.
#ifndef SLUICE_QUEUE_QUEUECTL_EVENT_FILTER_H_
#define SLUICE_QUEUE_QUEUECTL_EVENT_FILTER_H_

#include <string>
#include <vector>

#include "common/error.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace sluice::queue {

class EventFilterOptions {
 public:
  // Adds them; this must outlive the parser.
  void declare(CLI::App* app);
  // kUsage: a time that is none, or none that lies between the two.
  Result<ReplayFilter> filter() const;

 private:
  std::string from_time_;
  std::string to_time_;
  std::vector<std::string> types_;
  std::vector<std::string> ids_;
};

// "17" or "17..20". kUsage: it is neither.
Result<SeqRange> parse_numbers(const std::string& text);

// The name that whoever runs this gives themselves: whoever uses sudo is not root, though the
// kernel says so.
std::string claimed_name_of_caller();

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_QUEUECTL_EVENT_FILTER_H_
