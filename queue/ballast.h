// A file that only takes up room, so that room can be had when the file system is full: RocksDB
// cannot even be opened without any.
//
// Not thread-safe. Nothing is read from the file.
#ifndef SLUICE_QUEUE_BALLAST_H_
#define SLUICE_QUEUE_BALLAST_H_

#include <cstdint>
#include <filesystem>

#include "common/error.h"

namespace sluice::queue {

class Ballast {
 public:
  Ballast(std::filesystem::path path, std::uint64_t bytes);

  // Makes it, if it is not there and at least `free_after` bytes of the file system stay free
  // beside it. Fails in silence: the next call tries again.
  void make(std::uint64_t free_after);
  // Gives its room back. False: it was not there.
  bool release();
  bool exists() const;

 private:
  std::filesystem::path path_;
  std::uint64_t bytes_;
};

// Opening a database writes tables of what is in its logs. On a file system that is too full for
// that it would fail half-way, again and again: kNoSpace then, after the ballast was given up.
Result<void> require_room_to_open(const std::filesystem::path& database, Ballast* ballast);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_BALLAST_H_
