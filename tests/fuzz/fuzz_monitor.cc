// What Fluentd's monitor_agent answers: shipper/monitor/plugins, against another JSON parser.
//
// An answer that is taken is JSON, with as many plugins and with the numbers that the other parser
// finds there; names are fit for a log line. The process's id is what the other parser finds, too.
// Where keys stand in an object twice the two parsers choose differently: then only that is held
// against each other which does not depend on it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "shipper/monitor/plugins.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using nlohmann::json;

// Notes whether a key stands in one object twice.
class Keys : public json::json_sax_t {
 public:
  bool has_twice = false;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(json::number_integer_t) override { return true; }
  bool number_unsigned(json::number_unsigned_t) override { return true; }
  bool number_float(json::number_float_t, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    objects_.emplace_back();
    return true;
  }
  bool end_object() override {
    objects_.pop_back();
    return true;
  }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool key(std::string& text) override {
    auto& keys = objects_.back();
    has_twice = has_twice || std::ranges::find(keys, text) != keys.end();
    keys.push_back(text);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  std::vector<std::vector<std::string>> objects_;
};

bool is_fit_for_a_log(const std::string& name) {
  return name.size() <= 256 &&
         std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::optional<std::uint64_t> count_in(const json& plugin, const char* key) {
  const auto found = plugin.find(key);
  if (found == plugin.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

void run(std::string_view input) {
  const auto plugins = shipper::parse_plugins(input);
  const auto process = shipper::parse_process_id(input);
  if (!plugins && !process) return;
  Keys keys;
  expect(input.find('\0') == std::string_view::npos && json::sax_parse(input, &keys),
         "taken, and is no JSON");
  if (keys.has_twice) return;
  const json other = json::parse(input, nullptr, false);
  if (process) expect(count_in(other, "pid") == process, "another process");
  if (!plugins) return;
  const json& list = other.at("plugins");
  expect(list.size() == plugins->size(), "another number of plugins");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const shipper::Plugin& plugin = plugins->at(i);
    expect(is_fit_for_a_log(plugin.id) && is_fit_for_a_log(plugin.type),
           "a name not fit for a log");
    expect(plugin.emit_records == count_in(list[i], "emit_records"), "another count");
    for (const auto& [name, count] : plugin.counters) {
      expect(count_in(list[i], name.c_str()) == count, "another counter");
    }
  }
  [[maybe_unused]] const auto found = shipper::find_counting(*plugins, {}, "http");
}

std::vector<std::string> seeds() {
  return {
      (R"({"plugins":[{"plugin_id":"object:67c","plugin_category":"input","type":"http",)"
       R"("output_plugin":false,"retry_count":null,"emit_records":5,"emit_size":0},)"
       R"({"plugin_id":"out","plugin_category":"output","type":"file","retry_count":2,)"
       R"("write_count":1,"buffer_available_buffer_space_ratios":99.8,"retry":{"steps":2}}]})"),
      R"({"pid":20924,"ppid":20728,"version":"1.19.3","config_path":"f.conf","pid_file":null})",
      R"({"plugins":[]})",
      R"({"plugins":[{"plugin_id":"a\n\u0007","type":7,"emit_records":-1}]})",
      R"({"plugins":[{"emit_records":18446744073709551616,"retry":{}}]})",
      R"({"plugins":[[]]})",
      "<html>",
  };
}

// Puts a piece of such an answer somewhere.
std::string vary(std::string_view input, Random* random) {
  static constexpr std::string_view kPieces[] = {"\"plugins\":",
                                                 "\"emit_records\":",
                                                 "\"plugin_category\":\"input\"",
                                                 "\"type\":\"http\"",
                                                 "\"pid\":",
                                                 "\"retry\":{",
                                                 "18446744073709551615",
                                                 "-1",
                                                 "1e3",
                                                 "null",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ",",
                                                 ":",
                                                 "\"",
                                                 "\\u0000"};
  return vary_with_pieces(input, kPieces, random);
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = &vary, .bytes_max = 4096};

}  // namespace sluice::fuzz
