// For libraries that are preloaded into a program to interfere with its work on files: settings
// from the environment, and which files are watched.
//
// Nothing here changes errno, and nothing calls a function that such a library replaces.
#ifndef SLUICE_TESTS_SUPPORT_WATCHED_FILES_H_
#define SLUICE_TESTS_SUPPORT_WATCHED_FILES_H_

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

namespace watched_files {

inline std::string_view text_setting(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

inline long number_setting(const char* name) {
  return strtol(std::string(text_setting(name)).c_str(), nullptr, 10);
}

// A file for write_line(); -1 if the setting is empty.
inline int log_setting(const char* name) {
  const std::string path(text_setting(name));
  if (path.empty()) return -1;
  return static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
}

// The line "NUMBER NAME PATH".
inline void write_line(int log, long number, const char* name, std::string_view path) {
  if (log < 0) return;
  std::array<char, PATH_MAX + 64> line{};
  const int length = snprintf(line.data(), line.size(), "%ld %s %.*s\n", number, name,
                              static_cast<int>(path.size()), path.data());
  if (length <= 0) return;
  const int error = errno;
  syscall(SYS_write, log, line.data(), static_cast<std::size_t>(length));
  errno = error;
}

inline bool is_below(std::string_view path, std::string_view folder) {
  return !folder.empty() && path.starts_with(folder) &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

// Takes the first folder off a list of them, which are separated by ":".
inline std::string_view take_folder(std::string_view* list) {
  const std::size_t end = list->find(':');
  const std::string_view first = list->substr(0, end);
  *list = end == std::string_view::npos ? std::string_view() : list->substr(end + 1);
  return first;
}

inline bool is_below_one_of(std::string_view path, std::string_view folders) {
  while (!folders.empty()) {
    if (is_below(path, take_folder(&folders))) return true;
  }
  return false;
}

// The path of an open file, put into `buffer`; empty if it has none.
inline std::string_view path_of(int fd, std::array<char, PATH_MAX>* buffer) {
  std::array<char, 64> link{};
  snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  const int error = errno;
  const ssize_t length =
      syscall(SYS_readlinkat, AT_FDCWD, link.data(), buffer->data(), buffer->size());
  errno = error;
  if (length <= 0) return {};
  return {buffer->data(), static_cast<std::size_t>(length)};
}

}  // namespace watched_files

#endif  // SLUICE_TESTS_SUPPORT_WATCHED_FILES_H_
