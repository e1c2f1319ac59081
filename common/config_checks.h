// What must hold between the values of a configuration, and for the files that it names.
#ifndef SLUICE_COMMON_CONFIG_CHECKS_H_
#define SLUICE_COMMON_CONFIG_CHECKS_H_

#include "common/config.h"
#include "common/error.h"
#include "common/given_settings.h"

namespace sluice {

// Checks the half that `program` uses and opens its files, applies the limits that one setting puts
// on another, and adds warnings. The other half is not looked at: a fetcher starts although
// Fluentd's certificate is missing. Nothing is required of queuectl's configuration.
Result<void> check_config(Program program, const GivenSettings& given, Config* config);

}  // namespace sluice

#endif  // SLUICE_COMMON_CONFIG_CHECKS_H_
