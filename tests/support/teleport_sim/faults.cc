#include "tests/support/teleport_sim/faults.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace sluice::teleport_sim {
namespace {

constexpr std::array<std::pair<std::string_view, grpc::StatusCode>, 13> kCodes = {{
    {"Cancelled", grpc::StatusCode::CANCELLED},
    {"Unknown", grpc::StatusCode::UNKNOWN},
    {"InvalidArgument", grpc::StatusCode::INVALID_ARGUMENT},
    {"DeadlineExceeded", grpc::StatusCode::DEADLINE_EXCEEDED},
    {"NotFound", grpc::StatusCode::NOT_FOUND},
    {"PermissionDenied", grpc::StatusCode::PERMISSION_DENIED},
    {"ResourceExhausted", grpc::StatusCode::RESOURCE_EXHAUSTED},
    {"FailedPrecondition", grpc::StatusCode::FAILED_PRECONDITION},
    {"Aborted", grpc::StatusCode::ABORTED},
    {"Unimplemented", grpc::StatusCode::UNIMPLEMENTED},
    {"Internal", grpc::StatusCode::INTERNAL},
    {"Unavailable", grpc::StatusCode::UNAVAILABLE},
    {"Unauthenticated", grpc::StatusCode::UNAUTHENTICATED},
}};

constexpr std::array<std::pair<std::string_view, FaultTarget>, 5> kTargets = {{
    {"any", FaultTarget::kAny},
    {"chunks", FaultTarget::kChunks},
    {"export", FaultTarget::kExport},
    {"search", FaultTarget::kSearch},
    {"session", FaultTarget::kSession},
}};

template <typename Table>
auto find_by_name(const Table& table, std::string_view name)
    -> std::optional<typename Table::value_type::second_type> {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.first == name; });
  return found == table.end() ? std::nullopt : std::optional(found->second);
}

bool matches(FaultTarget armed, FaultTarget called) {
  return armed == called || (armed == FaultTarget::kAny && called != FaultTarget::kChunks);
}

}  // namespace

std::optional<grpc::StatusCode> status_code_by_name(const std::string& name) {
  return find_by_name(kCodes, name);
}

std::optional<FaultTarget> fault_target_by_name(const std::string& name) {
  return find_by_name(kTargets, name);
}

void Faults::fail_after(std::uint64_t messages, grpc::StatusCode code, FaultTarget target) {
  const std::lock_guard lock(mutex_);
  armed_ = Armed{messages, code, target};
}

std::string Faults::cursor_prefix() const { return "a" + std::to_string(key_generation_) + ":"; }

std::optional<grpc::Status> Faults::take_for_call() {
  if (call_limit.take()) return std::nullopt;
  return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "rate limit exceeded");
}

std::optional<grpc::Status> Faults::take_for_stream(FaultTarget target, std::uint64_t sent) {
  const std::lock_guard lock(mutex_);
  if (!armed_ || !matches(armed_->target, target) || sent < armed_->messages) return std::nullopt;
  return fire();
}

std::optional<grpc::Status> Faults::take_for_page() {
  const std::lock_guard lock(mutex_);
  if (!armed_ || !matches(armed_->target, FaultTarget::kSearch)) return std::nullopt;
  if (armed_->messages > 0) {
    --armed_->messages;
    return std::nullopt;
  }
  return fire();
}

grpc::Status Faults::fire() {
  const grpc::StatusCode code = armed_->code;
  armed_.reset();
  return {code, "fault asked for by the test"};
}

}  // namespace sluice::teleport_sim
