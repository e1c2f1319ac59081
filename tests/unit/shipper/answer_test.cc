#include "shipper/answer.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::shipper {
namespace {

using std::chrono::milliseconds;

fluentd::Answer with_status(int status, std::string body = "") {
  fluentd::Answer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

struct Expected {
  std::vector<int> statuses;
  Verdict verdict;
};

TEST(Answer, EachStatusHasItsVerdict) {
  const std::vector<Expected> table = {
      {{200, 201, 202, 204, 299}, Verdict::kAccepted},
      {{408, 425, 429, 500, 502, 503, 504, 507, 599}, Verdict::kRetry},
      {{301, 302, 307, 308, 401, 403, 404, 405, 407, 421, 600}, Verdict::kConfiguration},
      {{413}, Verdict::kTooLarge},
      {{400, 402, 406, 409, 410, 411, 414, 415, 417, 422, 431, 451, 499}, Verdict::kRefused},
  };
  for (const auto& [statuses, verdict] : table) {
    for (const int status : statuses) {
      EXPECT_EQ(verdict_of(with_status(status)), verdict) << "status " << status;
    }
  }
}

TEST(Answer, NetworkFailureIsRetried) {
  fluentd::Answer answer;
  answer.failure = fluentd::NetworkFailure{.code = 28, .sentence = "no answer in time"};
  EXPECT_EQ(verdict_of(answer), Verdict::kRetry);
  EXPECT_EQ(describe(answer, "https://f/x"), "no answer in time");
}

TEST(Answer, RetryAfterIsCapped) {
  auto answer = with_status(429);
  EXPECT_EQ(retry_after(answer), milliseconds{0});
  answer.retry_after = std::chrono::seconds(7);
  EXPECT_EQ(retry_after(answer), std::chrono::seconds(7));
  answer.retry_after = std::chrono::hours(100);
  EXPECT_EQ(retry_after(answer), kRetryAfterMax);
}

TEST(Answer, ChunkLimitRefusalIsToldFromOtherServerErrors) {
  const std::string limit =
      "500 Internal Server Error\na 400030 bytes record (nth: 5) is larger than buffer chunk limit "
      "size (262144)\n";
  EXPECT_TRUE(is_chunk_limit_refusal(with_status(500, limit)));
  EXPECT_FALSE(is_chunk_limit_refusal(with_status(503, limit)));
  EXPECT_FALSE(is_chunk_limit_refusal(with_status(500, "buffer space has too many data")));
}

TEST(Answer, SentenceNamesUrlStatusAndTheSinksWordsInOneLine) {
  const auto sentence = describe(with_status(503, "too busy\nreally\x01\n"), "https://f/x");
  EXPECT_EQ(sentence, "https://f/x: answered 503 \"too busy really\"");
}

TEST(Answer, SentenceRepeatsNothingOfAnEventThatTheSinkRepeats) {
  const auto words_of = [](std::string_view body) {
    return describe(with_status(400, std::string(body)), "u");
  };
  EXPECT_EQ(words_of("Bad Request\nunexpected token at '{\"user\":\"anna\"}'"),
            "u: answered 400 \"Bad Request unexpected token at\"");
  EXPECT_EQ(words_of("unexpected token at 'anna\",\"login\":\"root\"'"),
            "u: answered 400 \"unexpected token at\"");
  EXPECT_EQ(words_of("at '" + std::string(300, 'a') + "\",\"login\":\"root\"'"),
            "u: answered 400 \"at\"");
  EXPECT_EQ(words_of("the key \"time\" is missing"),
            "u: answered 400 \"the key \"time\" is missing\"");
}

TEST(Answer, SentenceForAConfigurationErrorSaysThatNothingIsLost) {
  EXPECT_NE(describe_for_all(with_status(404), "https://f/x").find("nothing is set aside"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::shipper
