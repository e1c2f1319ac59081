#include "adopt/adoption.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "adopt/files.h"
#include "adopt/old_config.h"
#include "adopt/old_unit.h"
#include "common/config.h"
#include "common/files.h"

namespace sluice::adopt {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileBytesMax = 1U << 20;

// Whose file it is, and how it is called here.
enum class Role { kFetcherSecret, kShipperSecret, kPublic };
struct Credential {
  std::string_view setting;
  std::string_view name;
  Role role;
};
constexpr std::array<Credential, 7> kCredentials = {{
    {"fluentd-ca", "fluentd-ca.crt", Role::kPublic},
    {"fluentd-cert", "fluentd-client.crt", Role::kPublic},
    {"fluentd-key", "fluentd-client.key", Role::kShipperSecret},
    {"teleport-identity", "teleport-identity", Role::kFetcherSecret},
    {"teleport-ca", "teleport-ca.crt", Role::kPublic},
    {"teleport-cert", "teleport.crt", Role::kPublic},
    {"teleport-key", "teleport.key", Role::kFetcherSecret},
}};

struct FileToPlace {
  std::string what;  // where it comes from
  fs::path to;
  std::string content;
  Owner owner;
  mode_t mode = 0;
};

class Adoption {
 public:
  Adoption(const AdoptionOptions& options, const Systemctl& systemctl, const Say& say)
      : options_(options), systemctl_(systemctl), say_(say) {
    // As systemctl takes it.
    if (fs::path(options_.unit).extension().empty()) options_.unit += ".service";
  }

  Result<void> run() {
    SLUICE_TRY(look());
    SLUICE_TRY(stop_unit());
    SLUICE_TRY(place_files());
    SLUICE_TRY(copy_state());
    SLUICE_TRY(place_config());
    for (const std::string& line : to_do_) say_("TO DO  " + line);
    say_(fmt::format("next   systemctl enable --now {}", new_units()));
    return {};
  }

 private:
  fs::path below_root(const fs::path& path) const { return options_.root / path.relative_path(); }

  // Everything that can be found out before the first change.
  Result<void> look() {
    SLUICE_ASSIGN(fetcher_, find_owner(options_.root, "sluice-fetcher", "sluice"));
    SLUICE_ASSIGN(shipper_, find_owner(options_.root, "sluice-shipper", "sluice"));
    SLUICE_ASSIGN(public_, find_owner(options_.root, "root", "sluice"));
    SLUICE_ASSIGN(unit_, read_old_unit(options_.root, options_.unit));
    SLUICE_TRY(read_config());
    if (unit_) {
      for (const std::string& setting : unit_->settings) {
        to_do_.push_back(fmt::format("{} has {}: write it into {}", options_.unit, setting,
                                     config_place().native()));
      }
    }
    for (const Credential& credential : kCredentials) SLUICE_TRY(plan_credential(credential));
    return plan_storage();
  }

  fs::path config_place() const { return fs::path("/etc/sluice") / (options_.instance + ".toml"); }
  fs::path credentials_folder() const { return fs::path("/etc/sluice") / options_.instance; }
  fs::path state_place() const {
    return fs::path("/var/lib/sluice") / options_.instance / "teleport-event-handler";
  }
  std::string new_units() const {
    return options_.instance == "default"
               ? "sluice-fetcher sluice-shipper"
               : fmt::format("sluice-fetcher@{0} sluice-shipper@{0}", options_.instance);
  }

  // Of the configuration and, by way of its working directory, of the unit.
  fs::path absolute(const fs::path& path) const {
    if (path.is_absolute()) return path.lexically_normal();
    const fs::path in_work = unit_ ? unit_->working_directory / path : path;
    std::error_code ignored;
    if (unit_ && fs::exists(below_root(in_work), ignored)) return in_work.lexically_normal();
    const fs::path beside = old_config_place_.parent_path() / path;
    if (!unit_ || fs::exists(below_root(beside), ignored)) return beside.lexically_normal();
    return in_work.lexically_normal();
  }

  Result<void> read_config() {
    fs::path place = options_.config;
    if (place.empty() && unit_) {
      place = unit_->config;
      if (!place.empty() && place.is_relative()) place = unit_->working_directory / place;
    }
    if (place.empty()) {
      return fail(ErrorKind::kNotFound,
                  unit_ ? fmt::format("{} names no configuration file: give it with --config, or "
                                      "write one from its flags",
                                      options_.unit)
                        : fmt::format("there is no unit {}: give the configuration file of "
                                      "teleport-event-handler with --config",
                                      options_.unit));
    }
    // A file that is given has the path that it has now, not one below the root.
    old_config_file_ = options_.config.empty() ? below_root(place) : place;
    old_config_place_ = options_.config.empty() ? place : fs::absolute(place);
    SLUICE_ASSIGN(std::string text, read_file(old_config_file_, kFileBytesMax));
    // What Sluice does not know in it is a mistake now, and not only when the daemons start.
    SLUICE_TRY(load_config(Program::kQueuectl, {old_config_file_, options_.instance, {}}));
    SLUICE_ASSIGN(config_, OldConfig::parse(std::move(text)));
    say_(fmt::format("found  {}", old_config_place_.native()));
    return {};
  }

  // The identity is left where it is when somebody renews it there.
  Result<void> plan_credential(const Credential& credential) {
    const auto found = config_->paths().find(std::string(credential.setting));
    if (found == config_->paths().end() || found->second.value.empty()) return {};
    const fs::path from = absolute(found->second.value);
    if (credential.setting == "teleport-identity" && config_->renews_identity()) {
      new_paths_[std::string(credential.setting)] = from.native();
      if (!can_read(options_.root, from, fetcher_)) {
        to_do_.push_back(fmt::format(
            "{} is renewed where it is (teleport.refresh.enabled), and sluice-fetcher cannot read "
            "it there: let tbot write it so that this user can, and change teleport.identity "
            "in {} if it is elsewhere then",
            from.native(), config_place().native()));
      }
      return {};
    }
    SLUICE_ASSIGN(std::string content, read_file(below_root(from), kFileBytesMax));
    const fs::path to = credentials_folder() / credential.name;
    const Owner& owner = credential.role == Role::kFetcherSecret   ? fetcher_
                         : credential.role == Role::kShipperSecret ? shipper_
                                                                   : public_;
    files_.push_back({.what = from.native(),
                      .to = to,
                      .content = std::move(content),
                      .owner = owner,
                      .mode = static_cast<mode_t>(credential.role == Role::kPublic ? 0640 : 0400)});
    new_paths_[std::string(credential.setting)] = to.native();
    return {};
  }

  Result<void> plan_storage() {
    const auto found = config_->paths().find("storage");
    if (found == config_->paths().end() || found->second.value.empty()) return {};
    storage_ = absolute(found->second.value);
    std::error_code error;
    if (!fs::is_directory(below_root(storage_), error)) {
      to_do_.push_back(fmt::format(
          "{} is not there, so there is no position to take over: correct storage in {}, or take "
          "it out",
          storage_.native(), config_place().native()));
      copies_state_ = false;
    } else {
      copies_state_ = !can_read(options_.root, storage_, fetcher_);
    }
    new_paths_["storage"] = copies_state_ ? state_place().native() : storage_.native();
    return {};
  }

  // First, so that what is copied is final.
  Result<void> stop_unit() {
    if (!unit_) {
      to_do_.push_back(
          fmt::format("there is no unit {}: stop teleport-event-handler, if it runs "
                      "in another way, before sluice-fetcher is started",
                      options_.unit));
      return {};
    }
    const bool is_here = options_.root == "/";
    std::vector<std::string> in_root;
    if (!is_here) in_root.push_back("--root=" + options_.root.native());
    const auto asks = [&](const char* what) -> Result<bool> {
      std::vector<std::string> arguments = in_root;
      arguments.insert(arguments.end(), {"--quiet", what, options_.unit});
      SLUICE_ASSIGN(const int status, systemctl_(arguments));
      return status == 0;
    };
    SLUICE_ASSIGN(const bool is_enabled, asks("is-enabled"));
    bool is_active = false;
    if (is_here) {
      SLUICE_ASSIGN(is_active, asks("is-active"));
    }
    if (!is_enabled && !is_active) {
      say_(fmt::format("ok     {} is stopped and disabled", options_.unit));
      return {};
    }
    say_(fmt::format("do     stop and disable {}", options_.unit));
    if (options_.dry_run) return {};
    std::vector<std::string> arguments = in_root;
    arguments.emplace_back("disable");
    if (is_here) arguments.emplace_back("--now");
    arguments.push_back(options_.unit);
    SLUICE_ASSIGN(const int status, systemctl_(arguments));
    if (status == 0) return {};
    return fail(ErrorKind::kIo, fmt::format("systemctl could not stop and disable {} (status {}): "
                                            "nothing else was changed",
                                            options_.unit, status));
  }

  Result<void> place_files() {
    if (!options_.dry_run) {
      SLUICE_TRY(place_folder(below_root("/etc/sluice"), public_, 0750));
      if (!files_.empty()) {
        SLUICE_TRY(place_folder(below_root(credentials_folder()), public_, 0750));
      }
    }
    for (const FileToPlace& file : files_) SLUICE_TRY(place(file));
    return {};
  }

  // One that is there and says something else is somebody's work, such as a renewed key, of which
  // there may be no other copy.
  Result<void> place(const FileToPlace& file) {
    const fs::path to = below_root(file.to);
    if (is_file(to, file.content, file.owner, file.mode)) {
      say_(fmt::format("ok     {}", file.to.native()));
      return {};
    }
    const auto there = read_file(to, kFileBytesMax);
    if (!there && there.error().kind != ErrorKind::kNotFound) return fail(there.error());
    if (there && *there != file.content) {
      say_(fmt::format("keep   {}", file.to.native()));
      to_do_.push_back(fmt::format(
          "{} is there already and says something else, so it was left alone: compare it with {}, "
          "or move it away and run this again",
          file.to.native(), file.what));
      return {};
    }
    say_(fmt::format("do     copy {} to {} ({} {:04o})", file.what, file.to.native(),
                     file.owner.name, file.mode));
    if (options_.dry_run) return {};
    return place_file(to, file.content, file.owner, file.mode);
  }

  Result<void> copy_state() {
    if (storage_.empty()) return {};
    if (!copies_state_) {
      say_(fmt::format("ok     {} is read where it is", storage_.native()));
      return {};
    }
    const fs::path from = below_root(storage_);
    const fs::path to = below_root(state_place());
    SLUICE_ASSIGN(const bool is_there, is_copy(from, to));
    if (is_there) {
      say_(fmt::format("ok     {}", state_place().native()));
      return {};
    }
    say_(fmt::format("do     copy {} to {}, since sluice-fetcher cannot read it there",
                     storage_.native(), state_place().native()));
    if (options_.dry_run) return {};
    return copy_folder(from, to, public_);
  }

  Result<void> place_config() {
    const std::string text =
        fmt::format("# Made by sluice-adopt from {}: paths are changed, all else is as it was.\n",
                    old_config_place_.native()) +
        config_->with(new_paths_);
    return place({.what = old_config_place_.native(),
                  .to = config_place(),
                  .content = text,
                  .owner = public_,
                  .mode = 0640});
  }

  AdoptionOptions options_;
  const Systemctl& systemctl_;
  const Say& say_;
  Owner fetcher_;
  Owner shipper_;
  Owner public_;
  std::optional<OldUnit> unit_;
  fs::path old_config_file_;   // where it is read
  fs::path old_config_place_;  // as it is called
  std::optional<OldConfig> config_;
  std::map<std::string, std::string> new_paths_;  // by setting
  std::vector<FileToPlace> files_;
  fs::path storage_;
  bool copies_state_ = false;
  std::vector<std::string> to_do_;
};

}  // namespace

Result<void> adopt(const AdoptionOptions& options, const Systemctl& systemctl, const Say& say) {
  return Adoption(options, systemctl, say).run();
}

}  // namespace sluice::adopt
