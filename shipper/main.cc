// sluice-shipper: takes events out of the queue and sends them to Fluentd.
#include "common/daemon.h"
#include "common/memory.h"
#include "shipper/check/shipper_checks.h"
#include "shipper/configure/configure.h"
#include "shipper/probe.h"
#include "shipper/shipper.h"

int main(int argc, char** argv) {
  sluice::keep_freed_memory();
  const sluice::Daemon daemon{.name = "sluice-shipper",
                              .description = "Ships the events of a Sluice queue to Fluentd.",
                              .program = sluice::Program::kShipper,
                              .run = sluice::shipper::run_shipper,
                              .check = sluice::shipper::shipper_checks(),
                              .commands = {sluice::shipper::configure::configure_command(),
                                           sluice::shipper::probe_command()}};
  return sluice::run_daemon(daemon, argc, argv);
}
