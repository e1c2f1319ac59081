// A fuzz target as a program of its own, with any compiler: fuzz-NAME [--inputs N] [--seed S]
// [FILE...]
//
// Runs the files, which are inputs that libFuzzer has kept. Without files: the target's seeds, and
// then N inputs (5,000) that are made from them at random. Prints the seed; a finding aborts.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace sluice::fuzz {
namespace {

constexpr int kUsage = 64;
constexpr std::size_t kPoolMax = 1000;

struct Options {
  std::uint64_t inputs = 5000;
  std::uint64_t seed = std::random_device()();
  std::vector<std::string> files;
};

bool read_options(const std::vector<std::string>& words, Options* options) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].starts_with("--")) {
      options->files.push_back(words[i]);
      continue;
    }
    std::uint64_t* const number = words[i] == "--inputs" ? &options->inputs
                                  : words[i] == "--seed" ? &options->seed
                                                         : nullptr;
    if (number == nullptr || ++i == words.size()) return false;
    const char* const end = words[i].data() + words[i].size();
    if (std::from_chars(words[i].data(), end, *number).ptr != end) return false;
  }
  return true;
}

int run_files(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    if (file.bad() || !std::filesystem::is_regular_file(path)) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 1;
    }
    kTarget.run(input);
  }
  std::printf("%zu files, no finding\n", paths.size());
  return 0;
}

// Inputs grow out of inputs, so that changes add up; but not all, or few would be whole any more.
void run_random(const Options& options) {
  Random random(options.seed);
  const std::vector<std::string> seeds = kTarget.seeds();
  std::vector<std::string> pool = seeds;
  for (const std::string& seed : seeds) kTarget.run(seed);
  for (std::uint64_t i = 0; i < options.inputs; ++i) {
    const std::string& from = random.one_in(2) ? random.pick(seeds) : random.pick(pool);
    std::string input = kTarget.vary != nullptr && !random.one_in(3) ? kTarget.vary(from, &random)
                                                                     : vary_bytes(from, &random);
    if (input.size() > kTarget.bytes_max) input.resize(kTarget.bytes_max);
    kTarget.run(input);
    if (pool.size() < kPoolMax) {
      pool.push_back(std::move(input));
    } else {
      random.pick(pool) = std::move(input);
    }
  }
  std::printf("%llu inputs, no finding\n", static_cast<unsigned long long>(options.inputs));
}

int run_replay(const std::vector<std::string>& words) {
  Options options;
  if (!read_options(words, &options)) {
    std::fprintf(stderr, "usage: fuzz-NAME [--inputs N] [--seed S] [FILE...]\n");
    return kUsage;
  }
  if (!options.files.empty()) return run_files(options.files);
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  run_random(options);
  return 0;
}

}  // namespace
}  // namespace sluice::fuzz

int main(int count, char** arguments) {
  return sluice::fuzz::run_replay({arguments + 1, arguments + count});
}
