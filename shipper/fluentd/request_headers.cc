#include "shipper/fluentd/request_headers.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/message_kinds.h"

namespace sluice::shipper::fluentd {
namespace {

constexpr std::chrono::milliseconds kReadInterval{1000};

bool has_file(const HttpHeader& header) {
  return !header.file.empty() || !header.credential.empty();
}

}  // namespace

RequestHeaders::RequestHeaders(std::vector<std::string> own_lines,
                               std::vector<HttpHeader> configured)
    : own_lines_(std::move(own_lines)),
      configured_(std::move(configured)),
      has_files_(std::ranges::any_of(configured_, has_file)),
      reading_(message::kHeaderNotRead,
               "a header's value is not read again, the last one is sent on") {}

Result<void> RequestHeaders::open(std::chrono::milliseconds now) {
  SLUICE_ASSIGN(list_, read());
  read_at_ = now;
  return {};
}

RequestHeaders::List RequestHeaders::current(std::chrono::milliseconds now) {
  if (!has_files_ || now - read_at_ < kReadInterval) return list_;
  read_at_ = now;
  auto fresh = read();
  if (fresh) {
    reading_.succeeded();
    list_ = std::move(*fresh);
  } else {
    reading_.failed(fresh.error().message);
  }
  return list_;
}

Result<RequestHeaders::List> RequestHeaders::read() const {
  std::vector<std::string> lines = own_lines_;
  for (const HttpHeader& header : configured_) {
    SLUICE_ASSIGN(lines.emplace_back(), header_line(header));
  }
  List list;
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    SLUICE_CHECK(longer != nullptr, "libcurl must be able to keep a header");
    if (list == nullptr) list.reset(longer, curl_slist_free_all);
  }
  return list;
}

}  // namespace sluice::shipper::fluentd
