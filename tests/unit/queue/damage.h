// Ways to damage a database's files, and to get its records into the kind of file that is meant.
#ifndef SLUICE_TESTS_UNIT_QUEUE_DAMAGE_H_
#define SLUICE_TESTS_UNIT_QUEUE_DAMAGE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "queue/database.h"
#include "queue/queue_schema.h"

namespace sluice::queue {

// The files of `folder` that end (or begin) with `part`, oldest first.
inline std::vector<std::filesystem::path> files_like(const std::filesystem::path& folder,
                                                     std::string_view part) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(part) || name.starts_with(part)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Inverts `count` bytes from `offset` on.
inline void flip(const std::filesystem::path& path, std::uintmax_t offset, std::size_t count = 1) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(count, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  ASSERT_EQ(file.gcount(), static_cast<std::streamsize>(count)) << path;
  for (char& c : bytes) c = static_cast<char>(~c);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(count));
}

// Writes what is in the log of a database into table files, one for each family.
inline void flush_tables(const std::filesystem::path& db,
                         const std::vector<ColumnFamilySpec>& families) {
  auto database = Database::open_primary(db, families, nullptr);
  ASSERT_TRUE(database);
  for (const auto& family : families) {
    ASSERT_TRUE(
        (*database)->db().Flush(rocksdb::FlushOptions(), (*database)->family(family.name)).ok());
  }
}

inline void flush_queue(const std::filesystem::path& db) { flush_tables(db, queue_families()); }

// The table file in which `family` has most bytes.
inline std::filesystem::path table_of(
    const std::filesystem::path& db, std::string_view family,
    const std::vector<ColumnFamilySpec>& families = queue_families()) {
  auto database = Database::open_primary(db, families, nullptr);
  EXPECT_TRUE(database);
  std::vector<rocksdb::LiveFileMetaData> files;
  (*database)->db().GetLiveFilesMetaData(&files);
  std::filesystem::path best;
  std::size_t most = 0;
  for (const auto& file : files) {
    if (file.column_family_name != family || file.size < most) continue;
    most = file.size;
    best = file.db_path + file.name;
  }
  return best;
}

}  // namespace sluice::queue

#endif  // SLUICE_TESTS_UNIT_QUEUE_DAMAGE_H_
