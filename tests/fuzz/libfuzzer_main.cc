// A fuzz target as libFuzzer runs it. With --seeds=FOLDER it writes the target's seeds there, and
// the length that inputs may have, into a file "bytes_max"; and no more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/fuzz/fuzz_target.h"

// libFuzzer's names.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);

namespace sluice::fuzz {
namespace {

void write(const std::filesystem::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  expect(!file.fail(), "the seeds cannot be written");
}

[[noreturn]] void write_seeds(const std::filesystem::path& folder) {
  int number = 0;
  for (const std::string& seed : kTarget.seeds()) {
    write(folder / ("seed-" + std::to_string(number++)), seed);
  }
  write(folder / "bytes_max", std::to_string(kTarget.bytes_max));
  std::exit(0);
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  constexpr std::string_view kSeeds = "--seeds=";
  for (int i = 1; i < *count; ++i) {
    const std::string_view argument = (*arguments)[i];
    if (argument.starts_with(kSeeds)) sluice::fuzz::write_seeds(argument.substr(kSeeds.size()));
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::fuzz::kTarget.run({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Every third time only bytes are changed, by libFuzzer's own means: it knows which bytes the code
// compared something with.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  sluice::fuzz::Random random(seed);
  if (sluice::fuzz::kTarget.vary == nullptr || random.one_in(3)) {
    return LLVMFuzzerMutate(data, size, size_max);
  }
  const std::string varied =
      sluice::fuzz::kTarget.vary({reinterpret_cast<const char*>(data), size}, &random);
  if (varied.empty() || varied.size() > size_max) return LLVMFuzzerMutate(data, size, size_max);
  std::memcpy(data, varied.data(), varied.size());
  return varied.size();
}
// NOLINTEND(readability-identifier-naming)
