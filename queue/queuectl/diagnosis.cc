#include "queue/queuectl/diagnosis.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "queue/queuectl/render.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

// More than any retry or poll takes while all is well.
constexpr milliseconds kWaitsTooLong{600'000};
constexpr milliseconds kAskedTooLongAgo{600'000};

milliseconds since(std::int64_t at_ms, Timestamp now) {
  return std::max(milliseconds{0}, milliseconds(to_unix_ms(now) - at_ms));
}

class Diagnosis {
 public:
  Diagnosis(const Snapshot& snapshot, const Pages& pages, const DiagnosisContext& context)
      : snapshot_(snapshot), pages_(pages), context_(context) {}

  std::vector<Finding> run() {
    look_at_daemon("fetcher", snapshot_.fetcher);
    look_at_daemon("shipper", snapshot_.shipper);
    look_at_source();
    look_at_store();
    for (const Lane lane : kLanes) look_at_lane(lane);
    look_at_letters();
    look_at_sink();
    look_at_pages();
    return std::move(findings_);
  }

 private:
  void look_at_daemon(const std::string& name, const DaemonStatus& daemon) {
    if (!daemon.running) {
      findings_.push_back(not_looked_at(
          name, "whether it runs cannot be seen: its folder may not be read", context_.see_all));
    } else if (!*daemon.running) {
      findings_.push_back(failure(name, {ErrorKind::kUnavailable, "it does not run"},
                                  fmt::format("systemctl status sluice-{0} says why; then "
                                              "systemctl start sluice-{0}",
                                              name)));
    } else {
      findings_.push_back(found_ok(name, fmt::format("runs (process {})", daemon.pid)));
    }
  }

  void look_at_source() {
    const auto& reached = snapshot_.read_up_to;
    if (!reached) {
      findings_.push_back(not_looked_at("source", "how far Teleport was read is not known yet"));
      return;
    }
    const milliseconds asked = since(reached->looked_at_ms, snapshot_.taken);
    const std::string text = fmt::format(
        "Teleport was read completely up to {} and asked {} ago",
        format_rfc3339({from_unix_ms(reached->time_ms).seconds, 0}), format_duration(asked));
    if (snapshot_.fetcher.running.value_or(true) && asked > kAskedTooLongAgo) {
      findings_.push_back(
          warning("source", text, "journalctl -u sluice-fetcher says why it does not go on"));
    } else {
      findings_.push_back(found_ok("source", text));
    }
  }

  void look_at_store() {
    if (!snapshot_.delivery_problem) return;
    const Error& problem = *snapshot_.delivery_problem;
    findings_.push_back(problem.kind == ErrorKind::kCannotCreate
                            ? not_looked_at("delivery", problem.message, context_.see_all)
                            : failure("delivery", problem));
  }

  void look_at_lane(Lane lane) {
    const std::string name(name_of(lane));
    const LaneStatus& status = snapshot_.lanes[lane];
    if (!status.damage.empty()) {
      findings_.push_back(failure(name, {ErrorKind::kCorrupt, status.damage}));
    }
    if (snapshot_.delivery_problem) return;
    if (status.unaccounted != 0) {
      findings_.push_back(failure(
          name,
          {ErrorKind::kCorrupt, fmt::format("{} events are not accounted for", status.unaccounted)},
          "run \"queuectl verify\", and keep both folders as they are"));
    }
    if (status.backlog == 0) {
      findings_.push_back(found_ok(
          name, fmt::format("{} events fetched, none waits", with_thousands(status.fetched))));
      return;
    }
    const milliseconds oldest =
        since(status.oldest_ms.value_or(to_unix_ms(snapshot_.taken)), snapshot_.taken);
    const std::string text = fmt::format("{} events wait, the oldest for {}",
                                         with_thousands(status.backlog), format_duration(oldest));
    findings_.push_back(oldest > kWaitsTooLong
                            ? warning(name, text,
                                      "nothing is lost; journalctl -u sluice-shipper says what "
                                      "Fluentd answers")
                            : found_ok(name, text));
  }

  void look_at_letters() {
    constexpr const char* kLetters = "dead-letters";
    if (snapshot_.delivery_problem) return;
    for (const Lane lane : kLanes) {
      const DeadLetterTotals& totals = snapshot_.letters.totals(lane);
      if (context_.letter_limits.share(totals) < kDeadLettersWarnShare) continue;
      findings_.push_back(warning(kLetters, context_.letter_limits.describe(lane, totals)));
    }
    const std::uint64_t count = snapshot_.letters.count();
    if (count == 0) {
      findings_.push_back(found_ok(kLetters, "none"));
      return;
    }
    const auto top = snapshot_.letters.top(1);
    findings_.push_back(
        warning(kLetters,
                fmt::format("{} events were refused and set aside, the most frequent reason: {}",
                            with_thousands(count), top.empty() ? "not known" : top.front().first),
                "\"queuectl dead-letter list\", then requeue or discard them"));
  }

  void look_at_sink() {
    if (!snapshot_.sink) return;
    for (const std::string& text : snapshot_.sink->warnings) {
      findings_.push_back(warning("sink", text));
    }
    if (snapshot_.sink->count && snapshot_.sink->count->differs_by < 0) {
      findings_.push_back(warning(
          "sink",
          fmt::format(
              "Fluentd has counted {} events less than it acknowledged",
              with_thousands(static_cast<std::uint64_t>(-snapshot_.sink->count->differs_by))),
          "operations.md, \"Fluentd has lost events\""));
    }
  }

  void look_at_pages() {
    bool is_fine = look_at_page("fetcher", snapshot_.fetcher, pages_.fetcher);
    is_fine = look_at_page("shipper", snapshot_.shipper, pages_.shipper) && is_fine;
    if (is_fine) findings_.push_back(found_ok("pages", "as their daemons' state asks for"));
  }

  // The page of a daemon that runs is of this boot and this queue.
  template <typename Page>
  bool look_at_page(std::string_view name, const DaemonStatus& daemon,
                    const std::optional<Page>& page) {
    if (!daemon.running.value_or(false)) return true;
    std::string why;
    if (!page) {
      why = "is not valid, or may not be read";
    } else if (page->queue_id != snapshot_.queue_id) {
      why = "is of another queue";
    } else if (!context_.boot_id.empty() && !page->boot_id.empty() &&
               page->boot_id != context_.boot_id) {
      why = "is from before the machine was last started";
    } else if (page->epoch.number != snapshot_.epoch) {
      why = fmt::format("is of epoch {}, and the queue of epoch {}", page->epoch.number,
                        snapshot_.epoch);
    }
    if (why.empty()) return true;
    findings_.push_back(warning(
        "pages", fmt::format("the {} runs, but its page {}", name, why),
        fmt::format("look again in a minute; if it stays so, systemctl restart sluice-{}", name)));
    return false;
  }

  const Snapshot& snapshot_;
  const Pages& pages_;
  const DiagnosisContext& context_;
  std::vector<Finding> findings_;
};

}  // namespace

Pages look_at_pages(const InstancePaths& paths) {
  Pages pages;
  if (const auto bytes = PageReader(paths.fetcher_page(), PageRole::kFetcher).read()) {
    pages.fetcher = decode_fetcher_page(*bytes);
  }
  if (const auto bytes = PageReader(paths.shipper_page(), PageRole::kShipper).read()) {
    pages.shipper = decode_shipper_page(*bytes);
  }
  return pages;
}

std::vector<Finding> diagnose(const Snapshot& snapshot, const Pages& pages,
                              const DiagnosisContext& context) {
  return Diagnosis(snapshot, pages, context).run();
}

Finding look_at_process(const std::string& name, int pid, const std::filesystem::path& program) {
  const std::string link = fmt::format("/proc/{}/exe", pid);
  struct stat running{};
  struct stat on_disk{};
  if (::stat(link.c_str(), &running) != 0) {
    return not_looked_at("version", fmt::format("which program the {} (process {}) runs cannot be "
                                                "seen by this user",
                                                name, pid));
  }
  std::error_code error;
  const std::string target = std::filesystem::read_symlink(link, error).string();
  const bool is_same = ::stat(program.c_str(), &on_disk) == 0 && running.st_dev == on_disk.st_dev &&
                       running.st_ino == on_disk.st_ino;
  if (is_same) {
    return found_ok("version", fmt::format("the {} runs {} as it is now", name, program.string()));
  }
  return warning("version",
                 fmt::format("the {} (process {}) runs {}, which is not {} as it is now", name, pid,
                             error ? "another file" : target, program.string()),
                 fmt::format("systemctl restart sluice-{}, if it was upgraded since", name));
}

}  // namespace sluice::queue
