// Numbers that look random and depend on nothing but what they are made from.
//
// A Dice made from the same values gives the same numbers on every machine and in every release, so
// an event of the simulator can be made again at any time instead of being kept. Not thread-safe;
// cheap to make.
#ifndef SLUICE_TESTS_SUPPORT_TELEPORT_SIM_DICE_H_
#define SLUICE_TESTS_SUPPORT_TELEPORT_SIM_DICE_H_

#include <cstdint>
#include <initializer_list>
#include <string>

namespace sluice::teleport_sim {

class Dice {
 public:
  Dice(std::initializer_list<std::uint64_t> made_from);

  std::uint64_t next();
  // 0 .. limit - 1; `limit` is at least 1.
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool one_in(std::uint64_t times) { return below(times) == 0; }
  // Version 4 form, lower case.
  std::string uuid();

 private:
  std::uint64_t state_ = 0;
};

}  // namespace sluice::teleport_sim

#endif  // SLUICE_TESTS_SUPPORT_TELEPORT_SIM_DICE_H_
