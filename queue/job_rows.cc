#include "queue/job_rows.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/check.h"
#include "queue/bytes.h"
#include "queue/control_page.h"
#include "queue/delivery_schema.h"

namespace sluice::queue {
namespace {

constexpr std::uint64_t kSpecVersion = 0;

std::string job_key(std::uint64_t id, std::uint64_t version) {
  std::string key;
  put_big(&key, id);
  put_big(&key, version);
  return key;
}

struct Row {
  std::uint64_t id = 0;
  std::uint64_t version = 0;
  std::string value;
};

Result<std::vector<Row>> read_rows(Database& database) {
  std::vector<Row> rows;
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(scan_options(), database.family(kJobsFamily)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    ByteReader key({it->key().data(), it->key().size()});
    Row row;
    row.id = key.big<std::uint64_t>();
    row.version = key.big<std::uint64_t>();
    row.value = it->value().ToString();
    if (!key.finished()) {
      return fail(ErrorKind::kCorrupt, "the delivery store is damaged: a replay job's key");
    }
    rows.push_back(std::move(row));
  }
  if (!it->status().ok()) {
    return fail(database_error("read the replay jobs in", database.path(), it->status()));
  }
  return rows;
}

struct LoadedJob {
  bool has_spec = false;
  std::uint64_t version = 0;  // of the progress; 0: there is none
  ReplayJob job;
};

// The rows of a job follow each other, the spec first and then the progress by version.
Result<std::map<std::uint64_t, LoadedJob>> load_jobs(Database& database) {
  SLUICE_ASSIGN(const auto rows, read_rows(database));
  std::map<std::uint64_t, LoadedJob> loaded;
  for (const Row& row : rows) {
    LoadedJob& one = loaded[row.id];
    one.job.id = row.id;
    if (row.version == kSpecVersion) {
      SLUICE_ASSIGN(one.job.spec, decode_replay_spec(row.value));
      one.has_spec = true;
      continue;
    }
    SLUICE_ASSIGN(one.job.progress, decode_replay_progress(row.value));
    one.version = row.version;
  }
  return loaded;
}

bool is_whole(const LoadedJob& one) { return one.has_spec && one.version != 0; }

}  // namespace

Result<std::vector<ReplayJob>> read_jobs(Database& database) {
  std::vector<ReplayJob> jobs;
  if (!database.has_family(kJobsFamily)) return jobs;
  SLUICE_ASSIGN(auto loaded, load_jobs(database));
  for (auto& [id, one] : loaded) {
    if (!is_whole(one)) return fail(ErrorKind::kBusy, "a replay job is just being written");
    jobs.push_back(std::move(one.job));
  }
  return jobs;
}

Result<JobRows> JobRows::load(Database& database) {
  JobRows rows;
  SLUICE_ASSIGN(auto loaded, load_jobs(database));
  for (auto& [id, one] : loaded) {
    if (!is_whole(one)) {
      return fail(ErrorKind::kCorrupt, "the delivery store is damaged: half of a replay job");
    }
    rows.versions_[id] = one.version;
    rows.newest_version_ = std::max(rows.newest_version_, one.version);
    rows.jobs_.emplace(id, std::move(one.job));
  }
  return rows;
}

const ReplayJob* JobRows::find(std::uint64_t id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

std::uint64_t JobRows::next_id() const { return jobs_.empty() ? 1 : jobs_.rbegin()->first + 1; }

std::size_t JobRows::active_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(jobs_, [](const auto& entry) { return entry.second.is_active(); }));
}

Seq JobRows::hold(Lane lane) const {
  Seq lowest = kNoHold;
  for (const auto& [id, job] : jobs_) {
    if (job.is_active() && job.spec.lane == lane) {
      lowest = std::min(lowest, job.progress.position + 1);
    }
  }
  return lowest;
}

void JobRows::add(const Database& database, const ReplayJob& job, std::uint64_t version,
                  rocksdb::WriteBatch* batch) {
  SLUICE_CHECK(job.id == next_id(), "a new job gets the next number");
  batch->Put(database.family(kJobsFamily), job_key(job.id, kSpecVersion),
             encode_replay_spec(job.spec));
  put_progress(database, job, version, batch);
  jobs_.emplace(job.id, job);
  forget_oldest(database, batch);
}

void JobRows::set_progress(const Database& database, std::uint64_t id, ReplayProgress progress,
                           std::uint64_t version, rocksdb::WriteBatch* batch) {
  ReplayJob& job = jobs_.at(id);
  job.progress = std::move(progress);
  put_progress(database, job, version, batch);
}

void JobRows::put_progress(const Database& database, const ReplayJob& job, std::uint64_t version,
                           rocksdb::WriteBatch* batch) {
  auto* family = database.family(kJobsFamily);
  std::uint64_t& written = versions_[job.id];
  if (written != 0) batch->Delete(family, job_key(job.id, written));
  batch->Put(family, job_key(job.id, version), encode_replay_progress(job.progress));
  written = version;
  newest_version_ = std::max(newest_version_, version);
}

void JobRows::forget_oldest(const Database& database, rocksdb::WriteBatch* batch) {
  auto* family = database.family(kJobsFamily);
  std::size_t finished = jobs_.size() - active_count();
  for (auto job = jobs_.begin(); job != jobs_.end() && finished > kReplaysFinishedKept;) {
    if (job->second.is_active()) {
      ++job;
      continue;
    }
    batch->Delete(family, job_key(job->first, kSpecVersion));
    batch->Delete(family, job_key(job->first, versions_.at(job->first)));
    versions_.erase(job->first);
    job = jobs_.erase(job);
    --finished;
  }
}

}  // namespace sluice::queue
