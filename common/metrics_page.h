// A page of metrics in Prometheus' text format, made anew for each scrape.
//
// Names follow Prometheus' conventions: counters end in _total, units are seconds and bytes. Value
// type; one thread at a time.
#ifndef SLUICE_COMMON_METRICS_PAGE_H_
#define SLUICE_COMMON_METRICS_PAGE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/histogram.h"

namespace sluice {

class MetricsPage {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  MetricsPage();
  ~MetricsPage();
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;

  // Metrics of one name may have several sets of labels; the help of the first is used.
  void counter(std::string_view name, std::string_view help, const Labels& labels, double value);
  void gauge(std::string_view name, std::string_view help, const Labels& labels, double value);
  void histogram(std::string_view name, std::string_view help, const Labels& labels,
                 const Histogram::Snapshot& values);

  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace sluice

#endif  // SLUICE_COMMON_METRICS_PAGE_H_
