#include "tests/bench/setup.h"

#include <sys/stat.h>

#include <system_error>
#include <thread>

#include "tests/bench/child.h"

namespace sluice::bench {
namespace {

constexpr auto kQuietFor = std::chrono::milliseconds(100);
constexpr auto kQuietPatience = std::chrono::seconds(20);

template <typename Size>
double bytes_of_files(const std::filesystem::path& folder, const std::string& extension,
                      const Size& size_of) {
  double bytes = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    struct stat info{};
    // Files come and go while the queue is open.
    if (entry.path().extension() != extension || ::stat(entry.path().c_str(), &info) != 0) continue;
    bytes += static_cast<double>(size_of(info));
  }
  return bytes;
}

}  // namespace

queue::InstancePaths instance_at(const std::filesystem::path& folder) {
  queue::InstancePaths paths;
  paths.root = folder;
  return paths;
}

Result<std::unique_ptr<queue::Writer>> open_writer(const queue::InstancePaths& paths) {
  std::error_code made;
  std::filesystem::create_directories(paths.root, made);
  if (made) {
    return fail(ErrorKind::kCannotCreate,
                "cannot make the folder " + paths.root.string() + ": " + made.message());
  }
  queue::WriterOptions options;
  options.paths = paths;
  options.machine = queue::this_machine();
  return queue::Writer::open(options);
}

Result<std::unique_ptr<queue::Reader>> open_reader(const queue::InstancePaths& paths,
                                                   const std::string& name) {
  queue::ReaderOptions options;
  options.paths = paths;
  options.scratch = paths.root / ("scratch-" + name);
  return queue::Reader::open(options);
}

ScratchFolder::ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;
  std::filesystem::create_directories(path_, ignored);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

double table_bytes(const queue::InstancePaths& paths) {
  return bytes_of_files(paths.queue_db(), ".sst",
                        [](const struct stat& info) { return info.st_blocks * 512; });
}

// Not by blocks: room for a log is taken ahead.
double log_bytes(const queue::InstancePaths& paths) {
  return bytes_of_files(paths.queue_db(), ".log",
                        [](const struct stat& info) { return info.st_size; });
}

void wait_until_quiet() {
  const Stopwatch watch;
  double before = -1;
  while (watch.seconds() < std::chrono::duration<double>(kQuietPatience).count()) {
    const double now = bytes_written();
    if (now == before) return;
    before = now;
    std::this_thread::sleep_for(kQuietFor);
  }
}

}  // namespace sluice::bench
