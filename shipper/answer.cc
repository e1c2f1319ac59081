#include "shipper/answer.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::shipper {
namespace {

constexpr std::size_t kWordsMax = 200;

// Where a server that repeats what it does not understand begins to repeat a part of an event,
// which is not for the log: the first quote or brace, if there are members of an object behind it.
std::size_t length_without_json(std::string_view body) {
  const bool has_json =
      body.find("\":") != std::string_view::npos || body.find("{\"") != std::string_view::npos;
  return has_json ? body.find_first_of("\"'{[") : body.size();
}

// The sink's own words for a log line: in one line, printable, short, and without an event's.
std::string first_words(std::string_view body) {
  std::string words;
  for (const char c : body.substr(0, std::min(kWordsMax, length_without_json(body)))) {
    const bool is_control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!is_control) {
      words.push_back(c);
    } else if (!words.empty() && words.back() != ' ') {
      words.push_back(' ');
    }
  }
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return words;
}

bool is_full_buffer(const fluentd::Answer& answer) {
  return answer.body.find("buffer space has too many data") != std::string::npos;
}

}  // namespace

Verdict verdict_of(const fluentd::Answer& answer) {
  if (answer.failure) return Verdict::kRetry;
  const int status = answer.status;
  if (status >= 200 && status < 300) return Verdict::kAccepted;
  switch (status) {
    case 408:
    case 425:
    case 429:
      return Verdict::kRetry;
    case 401:
    case 403:
    case 404:
    case 405:
    case 407:
    case 421:
      return Verdict::kConfiguration;
    case 413:
      return Verdict::kTooLarge;
    default:
      break;
  }
  if (status >= 400 && status < 500) return Verdict::kRefused;
  if (status >= 500 && status < 600) return Verdict::kRetry;
  return Verdict::kConfiguration;
}

bool is_chunk_limit_refusal(const fluentd::Answer& answer) {
  return answer.status == 500 && answer.body.find("larger than") != std::string::npos &&
         answer.body.find("chunk limit") != std::string::npos;
}

bool may_be_an_events_fault(const fluentd::Answer& answer) {
  if (answer.is_silent) return true;
  if (verdict_of(answer) == Verdict::kConfiguration) {
    return answer.status != 401 && answer.status != 407;
  }
  return answer.status == 500 && !is_full_buffer(answer);
}

bool is_overload(const fluentd::Answer& answer) {
  const int status = answer.status;
  return status == 429 || status == 503 || status == 504 ||
         (status == 500 && is_full_buffer(answer));
}

bool is_failure_of_sink(const fluentd::Answer& answer) {
  return answer.failure || answer.status >= 500 || verdict_of(answer) == Verdict::kConfiguration;
}

std::chrono::milliseconds retry_after(const fluentd::Answer& answer) {
  return std::min(answer.retry_after.value_or(std::chrono::milliseconds{0}), kRetryAfterMax);
}

std::string describe(const fluentd::Answer& answer, std::string_view url) {
  if (answer.failure) return answer.failure->sentence;
  const std::string words = first_words(answer.body);
  return fmt::format("{}: answered {}{}{}", url, answer.status, words.empty() ? "" : " ",
                     words.empty() ? "" : fmt::format("\"{}\"", words));
}

std::string describe_for_all(const fluentd::Answer& answer, std::string_view url) {
  if (verdict_of(answer) != Verdict::kConfiguration) return describe(answer, url);
  return describe(answer, url) +
         "; nothing is sent on and nothing is set aside until this is corrected: look at the URL "
         "and at what is in front of Fluentd";
}

std::string describe_of_one(const fluentd::Answer& answer, std::string_view url) {
  return describe(answer, url) +
         "; other events are accepted, so if this stays so for some tries, what is refused is set "
         "aside";
}

std::string describe_refusal_of_all(const fluentd::Answer& answer, std::string_view url) {
  return describe(answer, url) +
         "; nothing was accepted since several events were refused one by one, and nothing more is "
         "set aside until something is: look at what is in front of Fluentd";
}

}  // namespace sluice::shipper
