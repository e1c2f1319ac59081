// How many calls to Teleport there were, of one kind, since the start of the process. Value type.
#ifndef SLUICE_FETCHER_TELEPORT_CALL_COUNT_H_
#define SLUICE_FETCHER_TELEPORT_CALL_COUNT_H_

#include <cstdint>
#include <string_view>

namespace sluice::fetcher {

struct CallCount {
  std::string_view name;     // "search"
  std::uint64_t begun = 0;   // a stream is one call
  std::uint64_t failed = 0;  // of them; a stop is no failure
};

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TELEPORT_CALL_COUNT_H_
