// Where a lane's finished work is made durable: the delivery store, or a test's list.
//
// Used by the threads of all lanes at once.
#ifndef SLUICE_SHIPPER_COMPLETION_SINK_H_
#define SLUICE_SHIPPER_COMPLETION_SINK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
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

  // Numbers of the lane that must not be sent any more, though they were read: those that were
  // taken out since `*mark`, which the caller keeps (at first 0). Called before each request, so it
  // must be cheap. What is in flight may be committed all the same.
  virtual std::vector<queue::Seq> taken_out(queue::Lane /*lane*/, std::uint64_t* /*mark*/) {
    return {};
  }
  // Why nothing more can be set aside in the lane for now, beyond `coming` letters that are not
  // committed yet: a sentence. Nothing: there is room.
  virtual std::optional<std::string> no_room_for_letters(queue::Lane /*lane*/,
                                                         std::size_t /*coming*/) {
    return std::nullopt;
  }
};

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_COMPLETION_SINK_H_
