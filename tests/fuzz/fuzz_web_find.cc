// What a proxy answers to GET /webapi/find: fetcher/teleport/web_find, against another JSON parser.
//
// An answer that is taken is JSON and says of the cluster and of TLS routing what the other parser
// finds there; the cluster's name can be asked for. An answer that is JSON and names a cluster is
// taken, within documented limits of the parser: depth, and numbers that no machine type holds.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "fetcher/teleport/dial.h"
#include "fetcher/teleport/web_find.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

using nlohmann::json;

constexpr std::size_t kDepthMax = 1000;  // simdjson's is 1024

// Notes what stands at "cluster_name" and at "proxy"."tls_routing_enabled"; of keys that are there
// twice the first, as simdjson does.
class Answer : public json::json_sax_t {
 public:
  std::optional<std::string> cluster;
  std::optional<bool> tls_routing;
  bool is_object = false;
  bool is_beyond_limits = false;

  bool null() override { return value(); }
  bool boolean(bool flag) override {
    if (at_routing() && !seen_routing_) tls_routing = flag;
    return value();
  }
  bool number_integer(json::number_integer_t) override { return value(); }
  bool number_unsigned(json::number_unsigned_t) override { return value(); }
  bool number_float(json::number_float_t, const std::string& text) override {
    // A whole number that is too large for 64 bits, or a very long one.
    if (text.find_first_of(".eE") == std::string::npos) is_beyond_limits = true;
    return value();
  }
  bool string(std::string& text) override {
    if (keys_.size() == 1 && keys_[0] == "cluster_name" && !seen_cluster_) cluster = text;
    return value();
  }
  bool binary(json::binary_t&) override { return value(); }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(std::string& text) override {
    keys_.back() = text;
    if (keys_.size() == 1) is_object = true;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  bool at_routing() const {
    return keys_.size() == 2 && keys_[0] == "proxy" && keys_[1] == "tls_routing_enabled" &&
           !seen_proxy_;
  }
  // Behind a value, be it a single one or what has just been closed.
  bool value() {
    if (at_routing()) seen_routing_ = true;
    if (keys_.size() == 1 && keys_[0] == "cluster_name") seen_cluster_ = true;
    if (keys_.size() == 1 && keys_[0] == "proxy") seen_proxy_ = true;
    return true;
  }
  bool open() {
    keys_.emplace_back();  // Stays empty in arrays.
    if (keys_.size() > kDepthMax) is_beyond_limits = true;
    return true;
  }
  bool close() {
    keys_.pop_back();
    return value();
  }

  std::vector<std::string> keys_;
  bool seen_cluster_ = false;
  bool seen_proxy_ = false;
  bool seen_routing_ = false;
};

void run(std::string_view input) {
  const auto facts = fetcher::parse_proxy_facts(input);
  Answer answer;
  // JSON has no zero bytes; the other parser takes one for the end.
  const bool is_json =
      input.find('\0') == std::string_view::npos && json::sax_parse(input, &answer);
  if (!facts) {
    expect(facts.error().kind == ErrorKind::kRejected, "a refusal of another kind");
    const bool has_mark = input.starts_with("\xEF\xBB\xBF");  // which JSON does not have
    if (!is_json || answer.is_beyond_limits || has_mark || !answer.cluster) return;
    const bool can_be_asked_for =
        !answer.cluster->empty() && answer.cluster->size() <= fetcher::kClusterBytesMax;
    expect(!can_be_asked_for, "refused, and must be taken");
    return;
  }
  expect(is_json, "taken, and is no JSON");
  expect(answer.cluster == facts->cluster, "another cluster");
  expect(answer.tls_routing.value_or(false) == facts->tls_routing, "another word on TLS routing");
  expect(!facts->cluster.empty() && facts->cluster.size() <= fetcher::kClusterBytesMax,
         "a cluster whose name cannot be asked for");
}

std::vector<std::string> seeds() {
  return {
      (R"({"auth":{"type":"local"},"proxy":{"kube":{"enabled":true},"tls_routing_enabled":true},)"
       R"("server_version":"17.1.0","cluster_name":"root.example.com"})"),
      R"({"proxy":{},"cluster_name":"a"})",
      R"({"cluster_name":"a\u00e9\"\n","cluster_name":"b","proxy":{"tls_routing_enabled":false}})",
      R"({"cluster_name":7})",
      R"([{"cluster_name":"a"}])",
      R"({"proxy":{"tls_routing_enabled":1.5e300},"cluster_name":"a","n":-12345678901234567890})",
      R"({"cluster_name":")" + std::string(109, 'x') + R"("})",
      R"({"cluster_name":")" + std::string(110, 'x') + R"("})",
      "<html>",
      std::string(R"({"cluster_name":"a"})") + '\0',
  };
}

// Puts a piece of such an answer somewhere.
std::string vary(std::string_view input, Random* random) {
  static constexpr std::string_view kPieces[] = {"\"cluster_name\":",
                                                 "\"proxy\":",
                                                 "\"tls_routing_enabled\":",
                                                 "true",
                                                 "false",
                                                 "null",
                                                 "\"a\"",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ",",
                                                 ":",
                                                 "\"",
                                                 "\\u00e9",
                                                 "\\ud83d\\ude00",
                                                 "\\ud800",
                                                 "1e400",
                                                 "18446744073709551616",
                                                 "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""};
  return vary_with_pieces(input, kPieces, random);
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = &vary, .bytes_max = 4096};

}  // namespace sluice::fuzz
