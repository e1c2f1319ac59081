// One fuzz target: what is done with an input, and where inputs come from.
//
// Each fuzz_NAME.cc defines kTarget. It is linked with libfuzzer_main.cc, which looks for inputs
// that reach new code, or with replay_main.cc, which any compiler builds and `./dev test` runs.
// A target ends the process by finding() when the code under test did what it must not. Inputs may
// come in any order and any number of times; one thread.
#ifndef SLUICE_TESTS_FUZZ_FUZZ_TARGET_H_
#define SLUICE_TESTS_FUZZ_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::fuzz {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t any() { return engine_(); }
  // 0 to limit - 1; limit is not 0.
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <typename Container>
  auto& pick(Container& from) {
    return from[below(std::size(from))];
  }

 private:
  std::mt19937_64 engine_;
};

struct FuzzTarget {
  void (*run)(std::string_view input) = nullptr;
  // Inputs to begin with, small and of every shape. Made anew in each process.
  std::vector<std::string> (*seeds)() = nullptr;
  // Another input of the same shape, so that more than the outermost layer is reached. nullptr:
  // changing bytes does.
  std::string (*vary)(std::string_view input, Random* random) = nullptr;
  // Longer inputs are not tried.
  std::size_t bytes_max = 4096;
};

extern const FuzzTarget kTarget;  // NOLINT(readability-identifier-naming): as constexpr ones

// Prints the sentence and aborts, which the engine takes as its sign to keep the input.
[[noreturn]] void finding(std::string_view sentence);

// A finding unless `holds`.
inline void expect(bool holds, std::string_view sentence) {
  if (!holds) finding(sentence);
}

// Changes a few bytes anywhere: flips, inserts, removes, repeats.
std::string vary_bytes(std::string_view input, Random* random);
// The same, or puts some of `pieces` anywhere: of a text that bytes alone seldom hit.
std::string vary_with_pieces(std::string_view input, std::span<const std::string_view> pieces,
                             Random* random);

}  // namespace sluice::fuzz

#endif  // SLUICE_TESTS_FUZZ_FUZZ_TARGET_H_
