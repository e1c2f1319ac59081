#include "common/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <string_view>
#include <system_error>

#include "common/config_checks.h"
#include "common/config_report.h"
#include "common/files.h"
#include "common/given_settings.h"
#include "common/nearest_word.h"
#include "common/settings.h"
#include "common/toml_source.h"

namespace sluice {
namespace {

constexpr std::size_t kFileBytesMax = 1U << 20;
constexpr std::size_t kInstanceLengthMax = 32;

std::string_view program_name(Program program) {
  switch (program) {
    case Program::kFetcher:
      return "sluice-fetcher";
    case Program::kShipper:
      return "sluice-shipper";
    case Program::kQueuectl:
      break;
  }
  return "queuectl";
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::filesystem::path absolute_folder(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known,
                         std::string_view prefix) {
  const auto nearest = nearest_word(word, known);
  return nearest ? fmt::format("; did you mean {}{}?", prefix, *nearest) : "";
}

Result<void> check_instance(const std::string& instance) {
  const bool valid =
      !instance.empty() && instance.size() <= kInstanceLengthMax &&
      instance.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  if (valid) return {};
  return fail(ErrorKind::kUsage,
              fmt::format("--instance is \"{}\", but must be 1 to {} of a-z, 0-9 and -", instance,
                          kInstanceLengthMax));
}

// Puts one source after the other into the configuration, the weakest first. A mistake is noted,
// and the reading goes on.
class Loader {
 public:
  Loader(Program program, const ConfigSources& sources) : program_(program), sources_(sources) {}

  ConfigReport load(Files files) {
    note(choose_instance_and_file());
    if (!config().file.empty()) take_file();
    take_environment();
    take_flags();
    if (config().queue_path.empty()) {
      config().queue_path = std::filesystem::path("/var/lib/sluice") / config().instance;
    }
    leave_default_ports_to_the_default_instance();
    check_config(program_, given_, files, &report_);
    list_settings();
    return std::move(report_);
  }

 private:
  Config& config() { return report_.config; }

  void note(const Result<void>& done) {
    if (!done) report_.mistakes.push_back(done.error());
  }
  void note(const Error& mistake, const Setting& setting) {
    report_.mistakes.push_back(mistake);
    report_.unusable.emplace(setting.name);
  }
  // Nobody knows what is in a file that cannot be read.
  void distrust_all() {
    for (const Setting& setting : settings()) report_.unusable.emplace(setting.name);
  }

  Result<void> choose_instance_and_file() {
    config().file = sources_.file;
    if (!sources_.instance.empty()) {
      if (auto valid = check_instance(sources_.instance); !valid) {
        distrust_all();
        return valid;
      }
      config().instance = sources_.instance;
    }
    if (!config().file.empty()) return {};
    const auto of_instance = std::filesystem::path("/etc/sluice") / (config().instance + ".toml");
    if (!sources_.instance.empty()) {
      config().file = of_instance;
      return {};
    }
    config().file = environment("FDFWD_CONFIG");
    // Where it is installed, its own file need not be named.
    std::error_code unseen;
    if (config().file.empty() && std::filesystem::exists(of_instance, unseen)) {
      config().file = of_instance;
    }
    return {};
  }

  void take_file() {
    const auto text = read_file(config().file, kFileBytesMax);
    if (!text) {
      report_.mistakes.push_back({ErrorKind::kConfig, text.error().message});
      return distrust_all();
    }
    TomlContent content = parse_toml(*text, config().file.native());
    report_.mistakes.insert(report_.mistakes.end(), content.mistakes.begin(),
                            content.mistakes.end());
    if (!content.is_whole) return distrust_all();
    for (const TomlEntry& entry : content.entries) take_entry(entry);
  }

  void take_entry(const TomlEntry& entry) {
    const auto place = [&](TomlPlace at) {
      return fmt::format("{}:{}:{}: ", config().file.native(), at.line, at.column);
    };
    const auto found = keys_.find(entry.key);
    if (found == keys_.end()) {
      if (entry.value.kind == RawValue::Kind::kTable && is_section(entry.key)) return;
      report_.mistakes.push_back(
          {ErrorKind::kConfig,
           fmt::format("{}the key {} is not known{}", place(entry.key_place), entry.key,
                       did_you_mean(entry.key, documented_keys(), ""))});
      return;
    }
    const Setting& setting = *found->second;
    const auto [line, is_first] = lines_.emplace(setting.name, entry.key_place.line);
    if (!is_first) {
      report_.mistakes.push_back(
          {ErrorKind::kConfig,
           fmt::format("{}{} is given twice, first in line {}: keep one of them",
                       place(entry.key_place), setting.key, line->second)});
      return;
    }
    take(setting, entry.value,
         Origin{SettingSource::kFile, place(entry.value_place), entry.key, ErrorKind::kConfig,
                absolute_folder(config().file).parent_path()});
  }

  void take_environment() {
    for (const Setting& setting : settings()) {
      std::string first_name;
      std::string first_value;
      for (const std::string& name : environment_names(setting)) {
        const std::string value = environment(name.c_str());
        if (value.empty()) continue;
        if (!first_name.empty() && value != first_value) {
          note({ErrorKind::kConfig,
                fmt::format("the environment variables {} and {} differ: keep one of them",
                            first_name, name)},
               setting);
          continue;
        }
        first_name = name;
        first_value = value;
      }
      if (first_name.empty()) continue;
      take(setting, RawValue{RawValue::Kind::kText, first_value, {}},
           outside_file(SettingSource::kEnvironment, "the environment variable " + first_name,
                        ErrorKind::kConfig));
    }
  }

  void take_flags() {
    std::map<std::string, RawValue, std::less<>> values;
    for (const auto& [name, value] : sources_.flags) {
      const auto known = find_flag(name);
      if (!known) {
        report_.mistakes.push_back(known.error());
        continue;
      }
      const Setting* const setting = *known;
      if (setting->type == ValueType::kHeaders) {
        RawValue& headers = values[name];
        headers.kind = RawValue::Kind::kArray;
        if (!value.empty()) headers.items.push_back({RawValue::Kind::kText, value, {}});
        continue;
      }
      const bool bare_switch = setting->type == ValueType::kSwitch && value.empty();
      const RawValue raw{RawValue::Kind::kText, bare_switch ? "true" : value, {}};
      const auto [earlier, is_first] = values.emplace(name, raw);
      if (is_first) continue;
      if (setting->type != ValueType::kList && setting->type != ValueType::kUrls) {
        note({ErrorKind::kUsage, fmt::format("--{} is given twice: keep one of them", name)},
             *setting);
        continue;
      }
      earlier->second.text += "," + value;
    }
    for (const auto& [name, raw] : values) {
      take(*find_setting(name), raw,
           outside_file(SettingSource::kFlag, "--" + name, ErrorKind::kUsage));
    }
  }

  Result<const Setting*> find_flag(const std::string& name) const {
    const Setting* setting = find_setting(name);
    if (setting != nullptr && uses(program_, *setting)) return setting;
    if (setting != nullptr && program_ != Program::kQueuectl) {
      const Program other = program_ == Program::kFetcher ? Program::kShipper : Program::kFetcher;
      return fail(ErrorKind::kUsage, fmt::format("--{} is a flag of {}, not of {}", name,
                                                 program_name(other), program_name(program_)));
    }
    std::vector<std::string_view> known;
    for (const Setting& candidate : settings()) {
      if (uses(program_, candidate)) known.push_back(candidate.name);
    }
    return fail(ErrorKind::kUsage,
                fmt::format("--{} is not a flag of {}{}", name, program_name(program_),
                            did_you_mean(name, known, "--")));
  }

  void take(const Setting& setting, const RawValue& raw, const Origin& origin) {
    const auto value = parse_value(setting.type, setting.bounds, raw, origin);
    if (!value) return note(value.error(), setting);
    if (setting.assign != nullptr) setting.assign(*value, &config());
    const std::string name(setting.name);
    if (std::holds_alternative<std::monostate>(*value)) {
      given_.erase(name);
    } else {
      given_.insert_or_assign(name, GivenSetting{*value, origin, raw.text});
    }
  }

  std::string* metrics_address(std::string_view setting) {
    if (setting == "fetcher-metrics-address") return &config().fetcher.metrics_address;
    if (setting == "shipper-metrics-address") return &config().shipper.metrics_address;
    return nullptr;
  }

  // A port has room for one instance; whichever started first would be taken for another one.
  void leave_default_ports_to_the_default_instance() {
    if (config().instance == "default") return;
    for (const char* const setting : {"fetcher-metrics-address", "shipper-metrics-address"}) {
      if (!given_.contains(setting)) *metrics_address(setting) = kNoAddress;
    }
  }

  static Origin outside_file(SettingSource from, std::string label, ErrorKind kind) {
    return Origin{from, "", std::move(label), kind, absolute_folder(".")};
  }

  void list_settings() {
    for (const Setting& setting : settings()) {
      if (!uses(program_, setting)) continue;
      ResolvedSetting resolved{.name = std::string(setting.name),
                               .key = std::string(setting.key),
                               .value = std::string(setting.initial),
                               .from = SettingSource::kDefault,
                               .place = ""};
      if (const auto found = given_.find(setting.name); found != given_.end()) {
        const Origin& origin = found->second.origin;
        resolved.value = format_value(setting.type, found->second.value);
        resolved.from = origin.from;
        resolved.place = origin.place();
      } else if (setting.name == "queue-path") {
        resolved.value = config().queue_path.string();
      } else if (const std::string* address = metrics_address(setting.name)) {
        resolved.value = *address;
      } else if (resolved.value.empty()) {
        resolved.value = "none";
      }
      report_.settings.push_back(std::move(resolved));
    }
  }

  // Whether known keys begin with `key` and a dot.
  bool is_section(const std::string& key) const {
    const auto next = keys_.lower_bound(key + ".");
    return next != keys_.end() && next->first.starts_with(key + ".");
  }

  static std::map<std::string, const Setting*> all_keys() {
    std::map<std::string, const Setting*> keys;
    for (const Setting& setting : settings()) {
      for (const std::string& key : file_keys(setting)) keys.emplace(key, &setting);
    }
    return keys;
  }

  static std::vector<std::string_view> documented_keys() {
    std::vector<std::string_view> keys;
    for (const Setting& setting : settings()) {
      if (!setting.key.empty()) keys.push_back(setting.key);
    }
    return keys;
  }

  Program program_;
  const ConfigSources& sources_;
  const std::map<std::string, const Setting*> keys_ = all_keys();
  std::map<std::string_view, std::uint32_t> lines_;  // of the file's settings, by name
  GivenSettings given_;
  ConfigReport report_;
};

}  // namespace

std::optional<TeleportMode> teleport_mode(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, TeleportMode>, 4> kModes = {
      {{"auto", TeleportMode::kAuto},
       {"direct", TeleportMode::kDirect},
       {"tls-routing", TeleportMode::kTlsRouting},
       {"upgrade", TeleportMode::kUpgrade}}};
  const auto* found = std::find_if(kModes.begin(), kModes.end(),
                                   [&](const auto& mode) { return mode.first == name; });
  if (found == kModes.end()) return std::nullopt;
  return found->second;
}

std::string address_queuectl(std::string sentence, const Config& config) {
  std::string options;
  if (config.instance != "default") {
    options = fmt::format("-i {} ", config.instance);
  } else if (!config.file.empty()) {
    options = fmt::format("--config {} ", config.file.string());
  }
  constexpr std::string_view kCommand = "\"queuectl ";
  for (auto at = sentence.find(kCommand); at != std::string::npos;
       at = sentence.find(kCommand, at + kCommand.size())) {
    sentence.insert(at + kCommand.size(), options);
  }
  return sentence;
}

Result<Config> load_config(Program program, const ConfigSources& sources) {
  ConfigReport report = Loader(program, sources).load(Files::kOpen);
  if (!report.mistakes.empty()) return fail(std::move(report.mistakes.front()));
  return std::move(report.config);
}

ConfigReport report_on_config(Program program, const ConfigSources& sources) {
  return Loader(program, sources).load(Files::kLeave);
}

std::string_view name_of(SettingSource source) {
  switch (source) {
    case SettingSource::kFile:
      return "file";
    case SettingSource::kEnvironment:
      return "environment";
    case SettingSource::kFlag:
      return "flag";
    case SettingSource::kDefault:
      break;
  }
  return "default";
}

std::vector<FlagHelp> config_flags(Program program) {
  std::vector<FlagHelp> flags;
  for (const Setting& setting : settings()) {
    if (!uses(program, setting)) continue;
    std::string help(setting.help);
    if (!setting.initial.empty()) help += fmt::format(" (default: {})", setting.initial);
    flags.push_back({std::string(setting.name), placeholder(setting.type), std::move(help)});
  }
  return flags;
}

}  // namespace sluice
