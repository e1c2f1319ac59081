#include "tests/bench/measure_real_fluentd.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/certificates.h"
#include "tests/bench/child.h"
#include "tests/bench/load_generator.h"
#include "tests/bench/real_fluentd.h"
#include "tests/bench/shipping.h"

namespace sluice::bench {
namespace {

constexpr int kRounds = 7;
constexpr std::uint64_t kEvents = 300'000;
// An answer comes each 20 ms or so.
constexpr Window kWindow{.before_seconds = 1, .seconds = 3};
constexpr double kShareMin = 0.95;

constexpr Way kAdaptive = {"array, adaptive", BodyForm::kArray, 4, true};
constexpr Way kFixed = {"array, fixed limits", BodyForm::kArray, 4, false};
constexpr const char* kBare = "a bare load generator";

// What is measured by turns, one after the other beginning at another in each round, so that
// whoever comes after the same one all the time has no advantage of it.
struct Turn {
  const char* name;
  const Way* way;  // nullptr: the bare load generator
};
constexpr std::array kTurns = {Turn{kBare, nullptr}, Turn{kAdaptive.name, &kAdaptive},
                               Turn{kFixed.name, &kFixed}};

Result<Values> take(const Turn& turn, const ShipPlan& plan, const RealFluentd& fluentd) {
  SLUICE_TRY(fluentd.empty());
  return run_child(turn.name, [&](const Parent& parent) {
    if (turn.way != nullptr) {
      return ship_for_a_while(plan, *turn.way, fluentd.port(), kWindow, parent);
    }
    return generate_load({.port = fluentd.port(), .certificates = plan.certificates}, plan.setup,
                         kWindow, parent);
  });
}

Result<void> measure_output(const ShipPlan& plan, FluentdOutput output, const char* name,
                            Report* report) {
  const ScratchFolder folder(plan.paths.root.parent_path() / "receiver");
  SLUICE_ASSIGN(const auto fluentd, RealFluentd::start(folder.path(), plan.certificates, output));
  Values rates;
  Values processor;
  for (int round = 0; round < plan.setup.amount(kRounds, 1); ++round) {
    for (std::size_t i = 0; i < kTurns.size(); ++i) {
      const Turn& turn = kTurns[(i + static_cast<std::size_t>(round)) % kTurns.size()];
      SLUICE_ASSIGN(Values found, take(turn, plan, *fluentd));
      rates[turn.name].push_back(found.at("rate").front());
      processor[turn.name].push_back(found.at("processor").front());
    }
  }
  const auto shares = [&](const char* of, const char* in) {
    std::vector<double> found;
    for (std::size_t i = 0; i < rates[of].size(); ++i) found.push_back(rates[of][i] / rates[in][i]);
    return found;
  };
  const std::string where = fmt::format("a real Fluentd, {}", name);
  for (const Turn& turn : kTurns) {
    report->add(fmt::format("{}: {}", where, turn.name), {}, "{:.0f} events/s", rates[turn.name]);
    report->add(fmt::format("{}: {}, its processor time an event", where, turn.name), {},
                "{:.2f} µs", processor[turn.name]);
  }
  report->add(fmt::format("{}: {}, share of what {} gets", where, kAdaptive.name, kBare),
              at_least(kShareMin), "{:.3f}", shares(kAdaptive.name, kBare));
  report->add(fmt::format("{}: {}, share of what {} gets", where, kFixed.name, kBare), {}, "{:.3f}",
              shares(kFixed.name, kBare));
  report->add(fmt::format("{}: adaptive, share of what fixed limits get", where),
              at_least(kShareMin), "{:.3f}", shares(kAdaptive.name, kFixed.name));
  return {};
}

}  // namespace

Result<void> measure_real_fluentd(const Setup& setup, Report* report) {
  if (!RealFluentd::is_on_path()) {
    report->add_text(
        "SKIPPED: there is no `fluentd` on the PATH, so no share of a real one's rate was "
        "measured.\n");
    return {};
  }
  const ScratchFolder folder(setup.folder / "fluentd");
  SLUICE_TRY(make_certificates(folder.path()));
  const ShipPlan plan{.setup = setup,
                      .paths = instance_at(folder.path() / "instance"),
                      .certificates = folder.path() / "fluentd",
                      .events = setup.amount<std::uint64_t>(kEvents, 20'000)};
  SLUICE_TRY(fill_queue_in_child(plan));
  SLUICE_TRY(measure_output(plan, FluentdOutput::kNull, "<match> @type null", report));
  return measure_output(plan, FluentdOutput::kFileBuffer, "file buffer", report);
}

}  // namespace sluice::bench
