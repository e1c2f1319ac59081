#include "common/describe.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/setting_value.h"
#include "common/settings.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

Json describe_option(const CLI::Option& option) {
  Json names = Json::array();
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  const bool is_switch = option.get_items_expected_max() == 0;
  return {
      {"names", std::move(names)},  // none: a positional argument
      {"positional", option.get_positional() ? Json(option.get_name(true)) : Json(nullptr)},
      {"value", is_switch ? Json(nullptr) : Json(option.get_type_name())},
      {"default", option.get_default_str()},
      {"required", option.get_required()},
      {"help", option.get_description()},
  };
}

Json describe_command(const CLI::App& app) {
  Json options = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) options.push_back(describe_option(*option));
  }
  Json commands = Json::array();
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) commands.push_back(describe_command(*command));
  }
  return {
      {"name", app.get_name()},
      {"help", app.get_description()},
      {"needs_command", app.get_require_subcommand_min() > 0},
      // Options of the command above it are taken behind its name, too.
      {"takes_options_above", app.get_fallthrough()},
      {"options", std::move(options)},
      {"commands", std::move(commands)},
  };
}

Json describe_setting(const Setting& setting) {
  return {
      {"name", setting.name},
      {"keys", file_keys(setting)},
      {"key", setting.key},
      {"environment", environment_names(setting)},
      {"default", setting.initial},
      {"range", setting.bounds.max == 0 ? "" : describe(setting.type, setting.bounds)},
      {"value", placeholder(setting.type)},
      {"fetcher", uses(Program::kFetcher, setting)},
      {"shipper", uses(Program::kShipper, setting)},
      {"help", setting.help},
  };
}

}  // namespace

CLI::App* add_describe_command(CLI::App* app) {
  return app->add_subcommand("describe", "Print the command line and all settings as JSON")
      ->group("");
}

std::string describe_program(const CLI::App& app) {
  Json all_settings = Json::array();
  for (const Setting& setting : settings()) all_settings.push_back(describe_setting(setting));
  return Json{{"command_line", describe_command(app)}, {"settings", std::move(all_settings)}}.dump(
      1);
}

}  // namespace sluice
