// Reads a RocksDB log file without RocksDB, to get at what lies behind damage in it. Internal to
// queue/; for repair only.
//
// A record of the log is one write batch. One whose checksum does not match is left out and
// counted; reading goes on at the next that matches. The log's layout is RocksDB's own (blocks of
// 32 KiB, fragments with a checksum each), which has not changed since its first release. One
// thread.
#ifndef SLUICE_QUEUE_LOG_SCAN_H_
#define SLUICE_QUEUE_LOG_SCAN_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "common/error.h"

namespace sluice::queue {

struct LogScan {
  std::uint64_t batches = 0;         // that were whole
  std::uint64_t damaged_places = 0;  // where something was left out
  bool torn_end = false;             // it ends in the middle of a batch, as after a kill
};

// `behind_damage`: something was left out between the batch before, or the log's beginning, and it.
using VisitBatch = std::function<Result<void>(std::string_view batch, bool behind_damage)>;

// Calls `visit` with the bytes of each whole batch, in the log's order; its error ends the scan.
Result<LogScan> scan_log(const std::filesystem::path& path, const VisitBatch& visit);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_LOG_SCAN_H_
