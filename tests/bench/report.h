// The figures of a benchmark, against their targets, as a Markdown table.
//
// The rule for "missed": each figure is measured in several rounds and the median counts. If it is
// beyond the target but the better quartile of the rounds is not, then the machine was disturbed as
// much as the program is slow, and the verdict is "unclear"; only if that quartile is beyond the
// target too is it "MISSED", which is what makes the program fail.
#ifndef SLUICE_TESTS_BENCH_REPORT_H_
#define SLUICE_TESTS_BENCH_REPORT_H_

#include <string>
#include <vector>

namespace sluice::bench {

struct Target {
  enum class Kind { kAtLeast, kBelow, kNone };
  Kind kind = Kind::kNone;
  double limit = 0;
};
inline Target at_least(double limit) { return {Target::Kind::kAtLeast, limit}; }
inline Target below(double limit) { return {Target::Kind::kBelow, limit}; }

enum class Verdict { kMet, kUnclear, kMissed, kNone };

// The value below which the share `part` (0..1) of the samples lies. At least one sample.
double quantile(std::vector<double> samples, double part);
inline double median(const std::vector<double>& samples) { return quantile(samples, 0.5); }

Verdict judge(const Target& target, const std::vector<double>& samples);

class Report {
 public:
  // `format` is fmt's for one number and its unit, for example "{:.1f} ms". Also printed as
  // progress.
  void add(std::string name, const Target& target, const std::string& format,
           const std::vector<double>& samples);
  // Printed behind the table.
  void add_text(std::string text) { texts_.push_back(std::move(text)); }
  std::string to_markdown() const;
  bool anything_missed() const;

 private:
  struct Figure {
    std::string name;
    std::string target;
    std::string measured;
    std::string range;
    Verdict verdict = Verdict::kNone;
  };
  std::vector<Figure> figures_;
  std::vector<std::string> texts_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_REPORT_H_
