#include "tests/bench/measure_append.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/child.h"
#include "tests/bench/event_pool.h"

namespace sluice::bench {
namespace {

struct Case {
  std::size_t events;  // of a batch
  int batches;         // of a round
  double target;
};

// A round takes about half a second; at large batches it fills several memtables, so that their
// flushes are part of it.
constexpr std::array kCases = {Case{1, 800, 0.7}, Case{20, 500, 0.7}, Case{100, 800, 0.5},
                               Case{500, 400, 0.5}};
constexpr int kRounds = 9;

class PlainFile {
 public:
  explicit PlainFile(std::filesystem::path path)
      : path_(std::move(path)),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {}
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;
  ~PlainFile() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  Result<void> append(std::string_view bytes) const {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written != static_cast<ssize_t>(bytes.size()) || ::fdatasync(fd_) != 0) {
      return fail(errno_error("write to", path_.string()));
    }
    return {};
  }

 private:
  std::filesystem::path path_;
  int fd_;
};

// How the queue is written: as the fetcher does it, or each batch only when the one before is on
// the disk.
enum class Way { kBehind, kOneByOne };

// Seconds of one round, at whose end all is on the disk.
Result<double> queue_round(Way way, const Case& what, int batches, EventPool* pool,
                           queue::Writer* writer) {
  queue::Append append;
  pool->prepare(what.events * static_cast<std::size_t>(batches));
  const Stopwatch watch;
  for (int i = 0; i < batches; ++i) {
    pool->fill(queue::Lane::kAudit, what.events, &append);
    SLUICE_TRY(way == Way::kBehind ? writer->append_behind(append) : writer->append(append));
  }
  SLUICE_TRY(writer->sync());
  return watch.seconds();
}

Result<double> plain_round(const Case& what, int batches, const EventPool& pool,
                           const PlainFile& file) {
  const std::string bytes = pool.next_bodies(what.events);
  const Stopwatch watch;
  for (int i = 0; i < batches; ++i) SLUICE_TRY(file.append(bytes));
  return watch.seconds();
}

Result<void> measure(const Setup& setup, const Case& what, const Parent& parent) {
  const ScratchFolder folder(setup.folder / fmt::format("append-{}", what.events));
  EventPool pool(kEventBytes, 1);
  SLUICE_ASSIGN(const auto writer, open_writer(instance_at(folder.path())));
  const PlainFile file(folder.path() / "plain");
  const int batches = setup.amount(what.batches, 5);
  Values values;
  const int rounds = setup.amount(kRounds, 2);
  const double events = static_cast<double>(what.events) * batches;
  // Seconds of each, in an order that differs from round to round.
  const std::array<std::pair<const char*, std::function<Result<double>()>>, 3> turns = {{
      {"behind", [&] { return queue_round(Way::kBehind, what, batches, &pool, writer.get()); }},
      {"plain", [&] { return plain_round(what, batches, pool, file); }},
      {"one-by-one",
       [&] { return queue_round(Way::kOneByOne, what, batches, &pool, writer.get()); }},
  }};
  for (int round = -1; round < rounds; ++round) {
    std::map<std::string, double> seconds;
    for (std::size_t i = 0; i < turns.size(); ++i) {
      const auto& [name, run] = turns[(i + static_cast<std::size_t>(round + 1)) % turns.size()];
      SLUICE_ASSIGN(seconds[name], run());
      // What the queue still does behind must not slow the others down.
      wait_until_quiet();
    }
    if (round < 0) continue;  // the first opens files and fills caches
    for (const char* name : {"behind", "one-by-one"}) {
      values[fmt::format("{}-ratio", name)].push_back(seconds["plain"] / seconds[name]);
    }
    for (const auto& [name, took] : seconds) values[name].push_back(events / took);
  }
  parent.send(values);
  return {};
}

}  // namespace

Result<void> measure_append(const Setup& setup, Report* report) {
  for (const Case& what : kCases) {
    SLUICE_ASSIGN(auto values, run_child("the append measurement", [&](const Parent& parent) {
                    return measure(setup, what, parent);
                  }));
    report->add(fmt::format("append, {} a batch: share of plain write + fdatasync", what.events),
                at_least(what.target), "{:.2f}", values["behind-ratio"]);
    report->add(fmt::format("append, {} a batch, one at a time: share of plain", what.events), {},
                "{:.2f}", values["one-by-one-ratio"]);
    for (const char* name : {"behind", "one-by-one", "plain"}) {
      report->add(fmt::format("{} a batch, {}", what.events, name), {}, "{:.0f} events/s",
                  values[name]);
    }
  }
  return {};
}

}  // namespace sluice::bench
