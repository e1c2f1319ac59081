// What Fluentd answers: shipper/answer.
//
// Two bytes are the status, the rest is the body. The sentence about an answer is one line, short,
// and printable as far as ASCII goes.
#include <algorithm>
#include <string>
#include <string_view>

#include "shipper/answer.h"
#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

constexpr std::size_t kSentenceBytesMax = 600;

void check_sentence(const std::string& sentence) {
  expect(sentence.size() <= kSentenceBytesMax, "a long sentence");
  expect(std::ranges::none_of(sentence, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }),
         "a sentence with control characters");
}

void run(std::string_view input) {
  if (input.size() < 2) return;
  shipper::fluentd::Answer answer;
  answer.status = static_cast<unsigned char>(input[0]) * 256 + static_cast<unsigned char>(input[1]);
  answer.body = input.substr(2, shipper::fluentd::kAnswerBodyBytesMax);
  answer.retry_after = std::chrono::milliseconds(std::int64_t{answer.status} << 47U);
  const auto verdict = shipper::verdict_of(answer);
  expect((verdict == shipper::Verdict::kAccepted) == (answer.status / 100 == 2),
         "another status than 2xx is taken for success, or 2xx is not");
  expect(shipper::retry_after(answer) <= shipper::kRetryAfterMax, "a wait beyond the cap");
  if (shipper::is_chunk_limit_refusal(answer)) {
    expect(answer.status == 500, "a chunk limit is seen in another status than 500");
  }
  if (shipper::may_be_an_events_fault(answer)) {
    const bool is_known = answer.status != 401 && answer.status != 407;
    expect(answer.status == 500 || (verdict == shipper::Verdict::kConfiguration && is_known),
           "an event is suspected for a status that says nothing of events");
  }
  const std::string_view url = "https://fluentd.example.com:8888/audit";
  check_sentence(shipper::describe(answer, url));
  check_sentence(shipper::describe_for_all(answer, url));
  check_sentence(shipper::describe_of_one(answer, url));
  check_sentence(shipper::describe_refusal_of_all(answer, url));
}

std::vector<std::string> seeds() {
  std::vector<std::string> seeds;
  for (const int status : {0, 200, 204, 301, 400, 404, 413, 429, 500, 503, 600}) {
    for (const char* body : {"", "500 Internal Server Error\nlarger than 8MB chunk limit\n",
                             "buffer space has too many data", "\x1b[31m\r\n\x7f"}) {
      std::string seed = {static_cast<char>(status / 256), static_cast<char>(status % 256)};
      seeds.push_back(seed.append(body));
    }
  }
  return seeds;
}

}  // namespace

const FuzzTarget kTarget = {.run = &run, .seeds = &seeds, .vary = nullptr, .bytes_max = 2048};

}  // namespace sluice::fuzz
