// What was set explicitly, by file, environment or flag, and where: for checks that concern more
// than one value, and for sentences that name the place.
#ifndef SLUICE_COMMON_GIVEN_SETTINGS_H_
#define SLUICE_COMMON_GIVEN_SETTINGS_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/setting_value.h"

namespace sluice {

struct GivenSetting {
  Value value;
  Origin origin;
  std::string text;  // a scalar as it was written
};

// By the name of the setting. A setting that was given as empty text is not in it.
using GivenSettings = std::map<std::string, GivenSetting, std::less<>>;

}  // namespace sluice

#endif  // SLUICE_COMMON_GIVEN_SETTINGS_H_
