#include "tests/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/check.h"

namespace sluice::bench {
namespace {

constexpr double kBetterQuartile = 0.25;

bool meets(const Target& target, double value) {
  switch (target.kind) {
    case Target::Kind::kAtLeast:
      return value >= target.limit;
    case Target::Kind::kBelow:
      return value < target.limit;
    case Target::Kind::kNone:
      break;
  }
  return true;
}

std::string text_of(const Target& target, const std::string& format) {
  const std::string number = fmt::format(fmt::runtime(format), target.limit);
  switch (target.kind) {
    case Target::Kind::kAtLeast:
      return ">= " + number;
    case Target::Kind::kBelow:
      return "< " + number;
    case Target::Kind::kNone:
      break;
  }
  return "";
}

const char* text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kMet:
      return "met";
    case Verdict::kUnclear:
      return "unclear";
    case Verdict::kMissed:
      return "MISSED";
    case Verdict::kNone:
      break;
  }
  return "";
}

}  // namespace

double quantile(std::vector<double> samples, double part) {
  SLUICE_CHECK(!samples.empty(), "a figure has samples");
  std::sort(samples.begin(), samples.end());
  const double place = part * static_cast<double>(samples.size() - 1);
  const auto below_it = static_cast<std::size_t>(std::floor(place));
  const auto above_it = static_cast<std::size_t>(std::ceil(place));
  return std::lerp(samples[below_it], samples[above_it], place - std::floor(place));
}

Verdict judge(const Target& target, const std::vector<double>& samples) {
  if (target.kind == Target::Kind::kNone) return Verdict::kNone;
  if (meets(target, median(samples))) return Verdict::kMet;
  const bool more_is_better = target.kind == Target::Kind::kAtLeast;
  const double better = quantile(samples, more_is_better ? 1 - kBetterQuartile : kBetterQuartile);
  return meets(target, better) ? Verdict::kUnclear : Verdict::kMissed;
}

void Report::add(std::string name, const Target& target, const std::string& format,
                 const std::vector<double>& samples) {
  const auto written = [&](double value) { return fmt::format(fmt::runtime(format), value); };
  Figure figure;
  figure.name = std::move(name);
  figure.target = text_of(target, format);
  figure.measured = written(median(samples));
  if (samples.size() > 1) {
    figure.range = fmt::format("{} to {} ({} rounds)", written(quantile(samples, kBetterQuartile)),
                               written(quantile(samples, 1 - kBetterQuartile)), samples.size());
  }
  figure.verdict = judge(target, samples);
  fmt::print(stderr, "    {}: {} {}\n", figure.name, figure.measured, text_of(figure.verdict));
  figures_.push_back(std::move(figure));
}

std::string Report::to_markdown() const {
  std::string text = "| figure | target | measured | middle half of the rounds | verdict |\n";
  text += "|---|---|---|---|---|\n";
  for (const Figure& figure : figures_) {
    text += fmt::format("| {} | {} | {} | {} | {} |\n", figure.name, figure.target, figure.measured,
                        figure.range, text_of(figure.verdict));
  }
  for (const std::string& more : texts_) text += "\n" + more;
  return text;
}

bool Report::anything_missed() const {
  return std::any_of(figures_.begin(), figures_.end(),
                     [](const Figure& figure) { return figure.verdict == Verdict::kMissed; });
}

}  // namespace sluice::bench
