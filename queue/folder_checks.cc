#include "queue/folder_checks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/file_access.h"
#include "queue/configured_limits.h"
#include "queue/control_page.h"
#include "queue/disk_limits.h"
#include "queue/format_file.h"
#include "queue/instance.h"

namespace sluice::queue {
namespace {

constexpr const char* kFolders = "folders";
constexpr const char* kStore = "store";
constexpr const char* kDisk = "disk";

// As the effective user of this process.
bool may(const std::filesystem::path& path, int what) {
  return ::faccessat(AT_FDCWD, path.c_str(), what, AT_EACCESS) == 0;
}

// A folder of the instance, and what is expected of it.
struct Folder {
  std::filesystem::path path;
  bool is_own = false;      // the daemon's that is checked
  bool is_private = false;  // nobody but its owner may enter
};

class FolderCheck {
 public:
  FolderCheck(Program program, const CheckContext& context, Findings* findings)
      : is_fetcher_(program == Program::kFetcher),
        context_(context),
        findings_(*findings),
        paths_{context.config.queue_path} {}

  void run() {
    if (!look_at_root()) return;
    look_at({.path = paths_.queue(), .is_own = is_fetcher_});
    if (!is_fetcher_ || exists(paths_.delivery())) {
      look_at({.path = paths_.delivery(), .is_own = !is_fetcher_, .is_private = true});
    }
    look_at({.path = paths_.shipper(), .is_own = !is_fetcher_});
    if (!is_fine_) return;
    findings_.push_back(found_ok(kFolders, fmt::format("{}: {}", paths_.root.string(), seen_)));
  }

 private:
  static bool exists(const std::filesystem::path& path) { return file_access(path).has_value(); }

  void add(Finding finding) {
    is_fine_ = false;
    findings_.push_back(std::move(finding));
  }

  bool look_at_root() {
    const auto root = file_access(paths_.root);
    if (!root) {
      // A daemon ends with that, since it makes its own folder only.
      add(root.error().kind == ErrorKind::kNotFound
              ? failure(kFolders, {ErrorKind::kCannotCreate, root.error().message},
                        fmt::format("install -d -m 0755 {}, or correct queue.path",
                                    paths_.root.string()))
              : cannot_look(context_, kFolders, root.error()));
      return false;
    }
    if (const auto local = check_local_file_system(paths_.root); !local) {
      add(failure(kFolders, local.error()));
      return false;
    }
    return true;
  }

  void look_at(const Folder& folder) {
    const std::string path = folder.path.string();
    const auto access = file_access(folder.path);
    if (!access && access.error().kind == ErrorKind::kNotFound) return look_at_absent(folder);
    if (!access) return add(cannot_look(context_, kFolders, access.error()));
    if (!access->is_folder) {
      return add(failure(kFolders,
                         {ErrorKind::kCannotCreate, fmt::format("{} is not a directory", path)},
                         "move it away"));
    }
    note(folder, access->in_words());
    if (context_.is_daemon_user) look_at_rights(folder, *access);
    look_at_mode(folder, *access);
  }

  void note(const Folder& folder, std::string_view how) {
    seen_ +=
        fmt::format("{}{} {}", seen_.empty() ? "" : ", ", folder.path.filename().string(), how);
  }

  void look_at_absent(const Folder& folder) {
    note(folder, "not there yet");
    if (!folder.is_own || !context_.is_daemon_user || may(paths_.root, W_OK | X_OK)) return;
    add(warning(kFolders,
                fmt::format("{} is not there, and this user cannot make it in {}",
                            folder.path.string(), paths_.root.string()),
                "nothing under systemd, whose unit makes it; else make it as "
                "/usr/lib/tmpfiles.d/sluice.conf says"));
  }

  // Whether the daemon can do there what it has to.
  void look_at_rights(const Folder& folder, const FileAccess& access) {
    const std::string path = folder.path.string();
    if (folder.is_own && !may(folder.path, R_OK | W_OK | X_OK)) {
      return add(failure(
          kFolders,
          {ErrorKind::kCannotCreate, fmt::format("{} ({}) cannot be written by {}", path,
                                                 access.in_words(), user_name(::geteuid()))},
          fmt::format("chown {} {}, or mount it writable", user_name(::geteuid()), path)));
    }
    if (!folder.is_own && !folder.is_private && !may(folder.path, R_OK | X_OK)) {
      add(failure(
          kFolders,
          {ErrorKind::kCannotCreate, fmt::format("{} ({}) cannot be read by {}", path,
                                                 access.in_words(), user_name(::geteuid()))},
          fmt::format("chgrp sluice {0} && chmod 2750 {0}, and put both users into that "
                      "group",
                      path)));
    }
  }

  // Whether others can do what they must not.
  void look_at_mode(const Folder& folder, const FileAccess& access) {
    const std::string path = folder.path.string();
    if (folder.is_private && (access.mode & 077) != 0) {
      return add(warning(kFolders,
                         fmt::format("{} ({}) is open to others, and the dead letters in it are "
                                     "whole events",
                                     path, access.in_words()),
                         fmt::format("chmod 0700 {}", path)));
    }
    if (!folder.is_private && (access.mode & 027) != 0) {
      add(warning(kFolders,
                  fmt::format("{} ({}) is open to more than its group's reading: who can write "
                              "there can forge events",
                              path, access.in_words()),
                  fmt::format("chmod 2750 {}", path)));
    }
  }

  const bool is_fetcher_;
  const CheckContext& context_;
  Findings& findings_;
  const InstancePaths paths_;
  std::string seen_;
  bool is_fine_ = true;
};

// What is wrong between the halves; nothing: nothing to be seen.
std::optional<Error> find_mismatch(const InstancePaths& paths) {
  const auto fetcher_bytes = PageReader(paths.fetcher_page(), PageRole::kFetcher).read();
  const auto shipper_bytes = PageReader(paths.shipper_page(), PageRole::kShipper).read();
  const auto fetcher = fetcher_bytes ? decode_fetcher_page(*fetcher_bytes) : std::nullopt;
  const auto shipper = shipper_bytes ? decode_shipper_page(*shipper_bytes) : std::nullopt;
  if (!fetcher || !shipper || shipper->queue_id == Id128{}) return std::nullopt;
  if (fetcher->queue_id == shipper->queue_id) return std::nullopt;
  return Error{ErrorKind::kIdentity,
               fmt::format("the delivery store is of queue {}, and this is queue {}",
                           shipper->queue_id.short_string(), fetcher->queue_id.short_string())};
}

std::filesystem::path nearest_existing(std::filesystem::path path) {
  std::error_code error;
  while (path.has_relative_path() && !std::filesystem::exists(path, error)) {
    path = path.parent_path();
  }
  return path;
}

}  // namespace

void check_folders(Program program, const CheckContext& context, Findings* findings) {
  FolderCheck(program, context, findings).run();
}

void check_store(Program program, const CheckContext& context, Findings* findings) {
  const InstancePaths paths{context.config.queue_path};
  const bool is_fetcher = program == Program::kFetcher;
  const auto folder = is_fetcher ? paths.queue() : paths.sink();
  const std::string_view name = is_fetcher ? "queue" : "delivery store";
  const auto done = check_format_for_writing(folder, is_fetcher ? kQueueFormat : kDeliveryFormat);
  if (!done && done.error().kind == ErrorKind::kNotFound) {
    findings->push_back(
        found_ok(kStore, fmt::format("there is no {} yet: the first start begins one", name)));
    return;
  }
  if (!done) {
    findings->push_back(cannot_look(context, kStore, done.error()));
    return;
  }
  if (const auto mismatch = find_mismatch(paths)) {
    findings->push_back(
        failure(kStore, *mismatch, "find out which half was restored or copied (operations.md)"));
    return;
  }
  findings->push_back(
      found_ok(kStore, fmt::format("{}: format version {}", folder.string(), kFormatVersion)));
}

void check_disk(const CheckContext& context, Findings* findings) {
  const InstancePaths paths{context.config.queue_path};
  const auto space = file_system_space(nearest_existing(paths.queue()));
  if (!space) {
    findings->push_back(cannot_look(context, kDisk, space.error()));
    return;
  }
  const DiskPlan plan = plan_disk(configured_limits(context.config.queue), space->size);
  const bool is_seen = !file_access(paths.queue()) || may(paths.queue(), R_OK | X_OK);
  const std::uint64_t used = folder_bytes(paths.queue());
  const std::string numbers = fmt::format("{} of {} free, the queue has {} of {}",
                                          describe_bytes(space->free), describe_bytes(space->size),
                                          is_seen ? describe_bytes(used) : "what cannot be seen",
                                          describe_bytes(plan.max_size));
  if (space->free < plan.min_free) {
    findings->push_back(failure(
        kDisk,
        {ErrorKind::kNoSpace,
         fmt::format("{}: less is free than queue.min-free-disk ({}), so nothing is fetched",
                     numbers, describe_bytes(plan.min_free))},
        "make room on it; the fetcher goes on by itself"));
  } else if (used > plan.trim_above()) {
    findings->push_back(warning(
        kDisk, fmt::format("{}: nearly as much as it may have (queue.max-size)", numbers),
        "look at \"queuectl status\": acknowledged events are trimmed by themselves, a backlog is "
        "not"));
  } else if (space->free < plan.trim_free_below()) {
    findings->push_back(warning(
        kDisk,
        fmt::format("{}: little more than queue.min-free-disk ({}), below which nothing is fetched",
                    numbers, describe_bytes(plan.min_free)),
        "make room on it"));
  } else {
    findings->push_back(found_ok(kDisk, numbers));
  }
}

}  // namespace sluice::queue
