// Where a lane's finished work is made durable: the delivery store, or a test's list.
//
// Used by the threads of all lanes at once.
#ifndef SLUICE_SHIPPER_COMPLETION_SINK_H_
#define SLUICE_SHIPPER_COMPLETION_SINK_H_

#include <vector>

#include "common/error.h"
#include "queue/dead_letter.h"
#include "queue/types.h"
#include "shipper/batch.h"

namespace sluice::shipper {

struct SetAside {
  RecordPtr record;
  queue::DeadLetter letter;
};

// Records of one lane that need no more work, each once, in any order.
struct Finished {
  std::vector<RecordPtr> acknowledged;
  std::vector<SetAside> set_aside;
  std::vector<RecordPtr> gaps;
  bool empty() const { return acknowledged.empty() && set_aside.empty() && gaps.empty(); }
};

class CompletionSink {
 public:
  CompletionSink() = default;
  CompletionSink(const CompletionSink&) = delete;
  CompletionSink& operator=(const CompletionSink&) = delete;
  virtual ~CompletionSink() = default;

  // Success: all of it is on disk. After an error nothing more may be sent with this sink.
  virtual Result<void> commit(queue::Lane lane, const Finished& finished) = 0;
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_COMPLETION_SINK_H_
