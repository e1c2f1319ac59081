#include "tests/support/teleport_sim/page_key.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace sluice::teleport_sim {
namespace {

using teleport::auditlog::v1::GetUnstructuredEventsRequest;

std::string window_digest(const GetUnstructuredEventsRequest& request, const std::string& backend) {
  nlohmann::json window = {backend,
                           request.namespace_(),
                           request.start_date().seconds(),
                           request.start_date().nanos(),
                           request.end_date().seconds(),
                           request.end_date().nanos(),
                           static_cast<int>(request.order())};
  for (const std::string& type : request.event_types()) window.push_back(type);
  return hash_id(window).substr(0, 16);
}

}  // namespace

std::string make_page_key(const GetUnstructuredEventsRequest& request, const std::string& backend,
                          const Place& last, std::uint64_t page) {
  const nlohmann::json key = {window_digest(request, backend), last.time.seconds, last.time.nanos,
                              last.id, page};
  return key.dump();
}

std::optional<Place> read_page_key(const GetUnstructuredEventsRequest& request,
                                   const std::string& backend) {
  const auto key = nlohmann::json::parse(request.start_key(), nullptr, false);
  if (!key.is_array() || key.size() != 5 || key[0] != window_digest(request, backend) ||
      !key[1].is_number_integer() || !key[2].is_number_unsigned() || !key[3].is_string()) {
    return std::nullopt;
  }
  return Place{{key[1].get<std::int64_t>(), key[2].get<std::uint32_t>()},
               key[3].get<std::string>()};
}

}  // namespace sluice::teleport_sim
