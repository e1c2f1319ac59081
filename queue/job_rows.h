// The replay jobs in the delivery store's database, and the holds that follow from them. Internal
// to queue/.
//
// A job's spec is written once, at version 0 of its number; its progress under higher versions, the
// one before deleted in the same write, so that no key is ever overwritten. If the write of a batch
// that was filled here fails, the object must not be used again. One thread at a time.
#ifndef SLUICE_QUEUE_JOB_ROWS_H_
#define SLUICE_QUEUE_JOB_ROWS_H_

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <map>
#include <vector>

#include "common/error.h"
#include "queue/database.h"
#include "queue/replay_job.h"
#include "queue/types.h"

namespace sluice::queue {

// All jobs, oldest first. A reader that follows another process may see a job without its progress,
// or the reverse: kBusy, look again.
Result<std::vector<ReplayJob>> read_jobs(Database& database);

class JobRows {
 public:
  static Result<JobRows> load(Database& database);

  const std::map<std::uint64_t, ReplayJob>& jobs() const { return jobs_; }
  const ReplayJob* find(std::uint64_t id) const;
  std::uint64_t next_id() const;
  std::size_t active_count() const;
  std::uint64_t newest_version() const { return newest_version_; }
  // The first number that an active job of the lane still needs; kNoHold: none.
  Seq hold(Lane lane) const;

  // A new job. Forgets the oldest finished ones when there are too many.
  void add(const Database& database, const ReplayJob& job, std::uint64_t version,
           rocksdb::WriteBatch* batch);
  void set_progress(const Database& database, std::uint64_t id, ReplayProgress progress,
                    std::uint64_t version, rocksdb::WriteBatch* batch);

 private:
  void put_progress(const Database& database, const ReplayJob& job, std::uint64_t version,
                    rocksdb::WriteBatch* batch);
  void forget_oldest(const Database& database, rocksdb::WriteBatch* batch);

  std::map<std::uint64_t, ReplayJob> jobs_;
  std::map<std::uint64_t, std::uint64_t> versions_;  // of each job's progress row
  std::uint64_t newest_version_ = 0;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_JOB_ROWS_H_
