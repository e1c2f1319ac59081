// The file FORMAT beside a database: what kind of store this is and which format version it has, in
// one line of text.
//
// It is there before the database is and is read before the database is opened, because opening one
// writes to it, and a store of a newer release must stay untouched.
#ifndef SLUICE_QUEUE_FORMAT_FILE_H_
#define SLUICE_QUEUE_FORMAT_FILE_H_

#include <filesystem>
#include <string_view>

#include "common/error.h"

namespace sluice::queue {

// What this release writes. A store that exists is raised to it by `queuectl upgrade-format` only,
// never by a daemon.
inline constexpr int kFormatVersion = 2;
// The oldest that this release still reads.
inline constexpr int kFormatVersionOldest = 1;

inline constexpr std::string_view kQueueFormat = "sluice-queue";
inline constexpr std::string_view kDeliveryFormat = "sluice-delivery";

// For who only reads: the version that DIRECTORY/FORMAT says. kFormat: newer than this program.
// kCorrupt: not a FORMAT file of this kind. kNotFound: there is none (a store that was never begun,
// if there is no database either).
Result<int> check_format(const std::filesystem::path& directory, std::string_view kind);

// For who writes: the same, but an older version is kFormat too, with the command that raises it.
Result<void> check_format_for_writing(const std::filesystem::path& directory,
                                      std::string_view kind);

// Writes kFormatVersion and syncs it, by a rename so that it is whole or not there.
Result<void> write_format(const std::filesystem::path& directory, std::string_view kind);

}  // namespace sluice::queue

#endif  // SLUICE_QUEUE_FORMAT_FILE_H_
