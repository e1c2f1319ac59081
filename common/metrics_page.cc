#include "common/metrics_page.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

namespace sluice {

struct MetricsPage::Families {
  prometheus::ClientMetric& add(std::string_view name, std::string_view help,
                                prometheus::MetricType type, const Labels& labels) {
    auto found = std::ranges::find(all, name, &prometheus::MetricFamily::name);
    if (found == all.end()) {
      found = all.insert(all.end(), {std::string(name), std::string(help), type, {}});
    }
    prometheus::ClientMetric& metric = found->metric.emplace_back();
    for (const auto& [label, value] : labels) metric.label.push_back({label, value});
    return metric;
  }

  std::vector<prometheus::MetricFamily> all;
};

MetricsPage::MetricsPage() : families_(std::make_unique<Families>()) {}

MetricsPage::~MetricsPage() = default;

void MetricsPage::counter(std::string_view name, std::string_view help, const Labels& labels,
                          double value) {
  families_->add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void MetricsPage::gauge(std::string_view name, std::string_view help, const Labels& labels,
                        double value) {
  families_->add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void MetricsPage::histogram(std::string_view name, std::string_view help, const Labels& labels,
                            const Histogram::Snapshot& values) {
  auto& made = families_->add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  for (std::size_t i = 0; i < values.counts.size(); ++i) {
    made.sample_count += values.counts[i];
    made.bucket.push_back({made.sample_count, i < Histogram::kBounds.size()
                                                  ? Histogram::kBounds[i]
                                                  : std::numeric_limits<double>::infinity()});
  }
  made.sample_sum = values.sum_seconds;
}

std::string MetricsPage::text() const {
  return prometheus::TextSerializer().Serialize(families_->all);
}

}  // namespace sluice
