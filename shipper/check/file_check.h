// Looks at files that the shipper has to read, whoever looks. Internal to shipper/check/.
#ifndef SLUICE_SHIPPER_CHECK_FILE_CHECK_H_
#define SLUICE_SHIPPER_CHECK_FILE_CHECK_H_

#include <filesystem>
#include <string>

#include "common/self_check.h"

namespace sluice::shipper {

// Whether the file can be opened; adds why it cannot, under the name of `check`.
bool can_open(const std::filesystem::path& file, const CheckContext& context, const char* check,
              Findings* findings);

// For a file with a secret: `text`, which is about it, with who may read it; a warning if that is
// everybody.
Finding with_readers(const std::filesystem::path& file, const char* check, std::string text);

}  // namespace sluice::shipper

#endif  // SLUICE_SHIPPER_CHECK_FILE_CHECK_H_
