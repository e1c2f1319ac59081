#include "fetcher/teleport/http_head.h"

#include <algorithm>
#include <charconv>

#include "common/trimmed.h"

namespace sluice::fetcher {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// "HTTP/1.1 101 Switching Protocols"
bool parse_status(std::string_view line, HttpHead* head) {
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ') return false;
  const std::string_view digits = line.substr(9, 3);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), head->status);
  if (error != std::errc() || end != digits.data() + digits.size() || head->status < 100) {
    return false;
  }
  if (line.size() > 12 && line[12] != ' ') return false;
  head->reason = trimmed(line.substr(12));
  return true;
}

}  // namespace

std::string_view HttpHead::field(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == fields.end() ? std::string_view() : found->second;
}

HttpHeadReader::State HttpHeadReader::feed(std::string_view bytes) {
  const std::size_t from = text_.size() < kHeadEnd.size() ? 0 : text_.size() - kHeadEnd.size();
  text_ += bytes;
  const std::size_t end = text_.find(kHeadEnd, from);
  if (end == std::string::npos) {
    // The last bytes may be the beginning of the end.
    const std::size_t end_at_least = text_.size() - std::min(text_.size(), kHeadEnd.size() - 1);
    return end_at_least > kBytesMax ? State::kMalformed : State::kMore;
  }
  if (end > kBytesMax) return State::kMalformed;
  end_ = end + kHeadEnd.size();
  return parse(std::string_view(text_).substr(0, end));
}

HttpHeadReader::State HttpHeadReader::parse(std::string_view text) {
  const std::size_t first_end = std::min(text.find(kLineEnd), text.size());
  if (!parse_status(text.substr(0, first_end), &head_)) return State::kMalformed;
  text.remove_prefix(std::min(first_end + kLineEnd.size(), text.size()));
  while (!text.empty()) {
    const std::size_t line_end = std::min(text.find(kLineEnd), text.size());
    const std::string_view line = text.substr(0, line_end);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return State::kMalformed;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), &lower);
    head_.fields.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
    text.remove_prefix(std::min(line_end + kLineEnd.size(), text.size()));
  }
  return State::kDone;
}

}  // namespace sluice::fetcher
