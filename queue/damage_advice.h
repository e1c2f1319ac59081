// What a sentence about damage ends with: which folder it is in, and which command to run.
//
// Pure, any thread.
#ifndef SLUICE_QUEUE_DAMAGE_ADVICE_H_
#define SLUICE_QUEUE_DAMAGE_ADVICE_H_

#include <utility>

#include "common/error.h"
#include "queue/instance.h"

namespace sluice::queue {

// Errors of damage (kCorrupt, kHole) that do not name a command yet get one; all others stay as
// they are.
Error advise_on_queue(Error error, const InstancePaths& paths);
Error advise_on_store(Error error, const InstancePaths& paths);

// For who works on both halves: by which of them the error names.
Error advise_on_instance(Error error, const InstancePaths& paths);

template <typename T>
Result<T> with_queue_advice(Result<T> result, const InstancePaths& paths) {
  if (result) return result;
  return fail(advise_on_queue(std::move(result).error(), paths));
}

template <typename T>
Result<T> with_store_advice(Result<T> result, const InstancePaths& paths) {
  if (result) return result;
  return fail(advise_on_store(std::move(result).error(), paths));
}

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_DAMAGE_ADVICE_H_
