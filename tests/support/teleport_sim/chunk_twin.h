// A second chunk with the same events as another one.
//
// Athena's backend takes events from a queue that delivers at least once, so that an event can be
// in two of its objects, and each of them is a chunk (reference/teleport.md §4). Twins are listed
// while duplicates are asked for, and can be read always, as a chunk that was listed once stays.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CHUNK_TWIN_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CHUNK_TWIN_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::teleport_sim {

inline constexpr std::string_view kTwinEnd = "-2";

// The chunk of which this name means the events.
inline std::string chunk_behind(const std::string& name) {
  return name.ends_with(kTwinEnd) ? name.substr(0, name.size() - kTwinEnd.size()) : name;
}

// Adds twins of every third chunk, always of the same ones.
inline void add_twins(std::vector<std::string>* names) {
  const std::size_t chunks = names->size();
  for (std::size_t i = 0; i < chunks; ++i) {
    const std::string& name = (*names)[i];
    if (static_cast<unsigned char>(name.back()) % 3 == 0) {
      names->push_back(std::string(name).append(kTwinEnd));
    }
  }
}

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_CHUNK_TWIN_H_
