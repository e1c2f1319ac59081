// A folder as Teleport's own teleport-event-handler leaves it, for tests of taking over from it.
#ifndef SLUICE_TESTS_UNIT_FETCHER_HANDLER_FOLDER_H_
#define SLUICE_TESTS_UNIT_FETCHER_HANDLER_FOLDER_H_

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include "common/time.h"
#include "tests/unit/common/temp_folder.h"

namespace sluice::fetcher {

class HandlerFolder {
 public:
  explicit HandlerFolder(std::string_view cluster = "teleport.example.com_443")
      : folder_(storage_.path() / cluster) {
    std::filesystem::create_directory(folder_);
  }

  const std::filesystem::path& storage() const { return storage_.path(); }
  const std::filesystem::path& path() const { return folder_; }

  void put(std::string_view name, std::string_view content) const {
    const std::filesystem::path file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
  }
  void put_index(const std::string& sid, std::uint64_t index) const {
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>(index >> static_cast<unsigned>(shift)));
    }
    put("session" + sid, bytes);
  }
  void begin_day(std::string_view day) const {
    std::filesystem::create_directories(folder_ / "cursor_v2" / day);
  }

  // As if everything in it had been written then.
  void written(Timestamp time) const {
    const auto at =
        std::chrono::file_clock::from_sys(std::chrono::sys_time<std::chrono::milliseconds>(
            std::chrono::milliseconds(to_unix_ms(time))));
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      std::filesystem::last_write_time(entry.path(), at);
    }
    std::filesystem::last_write_time(folder_, at);
  }

  // Everything that a write, or a mere touch, would change.
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(storage_.path())) {
      struct stat status{};
      ::lstat(entry.path().c_str(), &status);
      std::string text = std::to_string(status.st_mode) + " " + std::to_string(status.st_ino) +
                         " " + std::to_string(status.st_mtim.tv_sec) + "." +
                         std::to_string(status.st_mtim.tv_nsec) + " " +
                         std::to_string(status.st_ctim.tv_sec) + "." +
                         std::to_string(status.st_ctim.tv_nsec) + "\n";
      if (entry.is_regular_file()) {
        std::ifstream file(entry.path(), std::ios::binary);
        text.append(std::istreambuf_iterator<char>(file), {});
      }
      all.emplace(entry.path().native(), std::move(text));
    }
    return all;
  }

 private:
  TempFolder storage_;
  std::filesystem::path folder_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_TESTS_UNIT_FETCHER_HANDLER_FOLDER_H_
