// What must hold between the values of a configuration, and for the files that it names.
#ifndef SLUICE_COMMON_CONFIG_CHECKS_H_
#define SLUICE_COMMON_CONFIG_CHECKS_H_

#include "common/config.h"
#include "common/config_report.h"
#include "common/given_settings.h"

namespace sluice {

// Whether the files that are named are opened, as a daemon does before it begins.
enum class Files { kOpen, kLeave };

// Checks the half that `program` uses, applies the limits that one setting puts on another, and
// adds warnings and mistakes to the report; what a mistake is about already is left out. The other
// half is not looked at: a fetcher starts although Fluentd's certificate is missing. Nothing is
// required of queuectl's configuration.
void check_config(Program program, const GivenSettings& given, Files files, ConfigReport* report);

}  // namespace sluice

#endif  // SLUICE_COMMON_CONFIG_CHECKS_H_
