#include "common/process_metrics.h"

#include <sys/statvfs.h>

#include <string>

#include "common/process_note.h"

namespace sluice {

void fill_process_metrics(std::string_view program, const Config& config, MetricsPage* page) {
  page->gauge("sluice_build_info", "Always 1; the labels say what runs.",
              {{"program", std::string(program)},
               {"version", SLUICE_VERSION},
               {"instance_name", config.instance}},
              1);
  const ProcessNote note = process_note();
  for (const auto& [whose, ends_ms] : note.certificates) {
    page->gauge("sluice_certificate_expiry_timestamp_seconds",
                "When a certificate ends, as unix time.", {{"whose", whose}},
                static_cast<double>(ends_ms) / 1000);
  }
  if (note.problem_ms != 0) {
    page->gauge("sluice_last_error_timestamp_seconds",
                "When there was last a warning or an error in the log, as unix time.", {},
                static_cast<double>(note.problem_ms) / 1000);
  }
  struct statvfs disk{};
  if (::statvfs(config.queue_path.c_str(), &disk) != 0) return;
  const auto block = static_cast<double>(disk.f_frsize);
  page->gauge("sluice_disk_free_bytes", "What is free on the file system of the queue.", {},
              static_cast<double>(disk.f_bavail) * block);
  page->gauge("sluice_disk_size_bytes", "The size of that file system.", {},
              static_cast<double>(disk.f_blocks) * block);
}

}  // namespace sluice
