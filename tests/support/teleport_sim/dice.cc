#include "tests/support/teleport_sim/dice.h"

#include <fmt/format.h>

namespace sluice::teleport_sim {

Dice::Dice(std::initializer_list<std::uint64_t> made_from) {
  for (const std::uint64_t value : made_from) {
    state_ ^= value;
    state_ = next();
  }
}

// The finaliser of splitmix64: passes through all 2^64 states, and its output bits are well mixed.
std::uint64_t Dice::next() {
  state_ += 0x9e3779b97f4a7c15U;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
  return mixed ^ (mixed >> 31);
}

std::string Dice::uuid() {
  const std::uint64_t high = next();
  const std::uint64_t low = next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                     high & 0xfff, 0x8000 | ((low >> 48) & 0x3fff), low & 0xffffffffffff);
}

}  // namespace sluice::teleport_sim
