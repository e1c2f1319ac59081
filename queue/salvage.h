// Gets at what is readable in the folder of a damaged database, without opening it as one. Internal
// to queue/; for repair.
//
// Table files are read one by one and log files by our own scanner, so neither needs the MANIFEST,
// CURRENT, or the other files. That is sound because all but the fetcher's state is under keys that
// are never used for anything else: which file is newer does not matter. The state is taken from
// the database's own view of its table files, or, without a MANIFEST, from one that RocksDB makes
// of a scratch copy; what the logs say goes on top, up to where they have lost a change. Nothing in
// the damaged folder is changed. One thread; `scratch` must be on the same file system (hard
// links).
#ifndef SLUICE_QUEUE_SALVAGE_H_
#define SLUICE_QUEUE_SALVAGE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "queue/types.h"

namespace sluice::queue {

class Salvage {
 public:
  // Looks through `folder` (a database of the queue); makes `scratch` and works in it.
  static Result<std::unique_ptr<Salvage>> open(const std::filesystem::path& folder,
                                               const std::filesystem::path& scratch);
  ~Salvage();
  Salvage(const Salvage&) = delete;
  Salvage& operator=(const Salvage&) = delete;

  // Visits all readable rows of a family, ascending by key, each key once for each distinct place
  // it was found in. An error of `visit` ends it.
  using Visit = std::function<Result<void>(std::string_view key, std::string_view value)>;
  Result<void> each(std::string_view family, const Visit& visit);

  // The rows of `default`: identity, floor, numbers and the fetcher's state.
  const std::map<std::string, std::string>& state() const;
  // False: a file of it is damaged, so rows may be missing or old.
  bool state_is_whole() const;

  // A sentence for each thing that could not be read.
  const std::vector<std::string>& damage() const;

 private:
  struct Impl;
  explicit Salvage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_SALVAGE_H_
