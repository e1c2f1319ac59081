// The head of an HTTP/1.1 answer: status line and header fields, as a proxy or load balancer sends
// them before it passes bytes through.
//
// Foreign bytes: nothing is taken on trust, and the size is bounded.
#ifndef SLUICE_FETCHER_TELEPORT_HTTP_HEAD_H_
#define SLUICE_FETCHER_TELEPORT_HTTP_HEAD_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::fetcher {

struct HttpHead {
  int status = 0;      // 100 to 999
  std::string reason;  // what the server adds to the number; may be empty
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case

  // The first field of that name, in lower case; empty if there is none.
  std::string_view field(std::string_view name) const;
};

// Collects a head from pieces as they come.
class HttpHeadReader {
 public:
  static constexpr std::size_t kBytesMax = 16U << 10;

  enum class State { kMore, kDone, kMalformed };
  // After kDone or kMalformed nothing more may be fed.
  State feed(std::string_view bytes);

  const HttpHead& head() const { return head_; }
  // What came behind the head.
  std::string_view rest() const { return std::string_view(text_).substr(end_); }

 private:
  State parse(std::string_view text);
  std::string text_;
  std::size_t end_ = 0;
  HttpHead head_;
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_HTTP_HEAD_H_
