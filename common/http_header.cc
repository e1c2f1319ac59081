#include "common/http_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "common/credential.h"
#include "common/files.h"
#include "common/trimmed.h"

namespace sluice {
namespace {

// Those that follow from how the request is made.
constexpr std::array<std::string_view, 7> kOwnNames = {
    "connection", "content-encoding", "content-length", "content-type", "expect",
    "host",       "transfer-encoding"};
constexpr std::string_view kFile = "file:";

std::unexpected<Error> mistake(std::string message) {
  return fail(ErrorKind::kConfig, std::move(message));
}

bool may_stand_in_name(unsigned char c) {
  return std::isalnum(c) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, may_stand_in_name);
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text,
                             [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

bool is_own(std::string_view name) {
  return std::ranges::any_of(kOwnNames,
                             [&](std::string_view own) { return is_same_header(own, name); });
}

// Where the first word begins that starts with `mark`; npos: nowhere.
std::size_t find_word(std::string_view text, std::string_view mark) {
  std::size_t at = text.find(mark);
  while (at != std::string_view::npos && at != 0 && text[at - 1] != ' ') {
    at = text.find(mark, at + 1);
  }
  return at;
}

Result<HttpHeader> with_source(HttpHeader header, std::string_view value,
                               const std::filesystem::path& folder) {
  const std::size_t file = find_word(value, kFile);
  const std::size_t credential = find_word(value, kCredentialPrefix);
  const std::size_t begin = std::min(file, credential);
  header.value = value.substr(0, begin);
  if (begin == std::string_view::npos) return header;
  const bool is_file = begin == file;
  const auto name = value.substr(begin + (is_file ? kFile.size() : kCredentialPrefix.size()));
  if (name.empty()) {
    return mistake(fmt::format(
        "names no {} for the header {}",
        is_file ? "file after \"file:\"" : "credential after \"credential:\"", header.name));
  }
  if (is_file) {
    header.file = (folder / name).lexically_normal();
    return header;
  }
  if (!is_credential_name(name)) {
    return mistake(
        fmt::format("has a credential for the header {} that is no name of a file", header.name));
  }
  header.credential = name;
  return header;
}

Result<std::filesystem::path> file_of(const HttpHeader& header) {
  if (header.credential.empty()) return header.file;
  auto file = credential_file(header.credential);
  if (file) return file;
  return mistake(fmt::format("the header {}: {}", header.name, file.error().message));
}

std::string_view without_line_ends(std::string_view text) {
  while (!text.empty() && (text.ends_with('\n') || text.ends_with('\r'))) text.remove_suffix(1);
  return trimmed(text);
}

}  // namespace

bool is_same_header(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Result<HttpHeader> parse_http_header(std::string_view text, const std::filesystem::path& folder) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_name(text.substr(0, colon))) {
    return mistake(
        "has an entry that does not begin with a header's name and a colon, as in "
        "\"Authorization: Bearer file:token\"");
  }
  HttpHeader header;
  header.name = text.substr(0, colon);
  if (is_own(header.name)) {
    return mistake(
        fmt::format("has the header {}, which Sluice sets by itself: leave it out", header.name));
  }
  const auto value = text.substr(colon + 1);
  if (has_control_character(value)) {
    return mistake(
        fmt::format("has a line end or another control character in the value of the "
                    "header {}",
                    header.name));
  }
  if (trimmed(value).empty()) {
    return mistake(fmt::format("has no value for the header {}", header.name));
  }
  return with_source(std::move(header), trimmed(value), folder);
}

Result<std::string> header_line(const HttpHeader& header) {
  std::string line = fmt::format("{}: {}", header.name, header.value);
  if (header.file.empty() && header.credential.empty()) return line;
  SLUICE_ASSIGN(const auto file, file_of(header));
  SLUICE_ASSIGN(const auto text, read_file(file, kHeaderFileBytesMax));
  const auto value = without_line_ends(text);
  if (value.empty()) {
    return mistake(fmt::format("{}: the file is empty, but must hold the value of the header {}",
                               file.string(), header.name));
  }
  if (has_control_character(value)) {
    return mistake(
        fmt::format("{}: the value of the header {} must be one line without control characters",
                    file.string(), header.name));
  }
  return line + std::string(value);
}

}  // namespace sluice
