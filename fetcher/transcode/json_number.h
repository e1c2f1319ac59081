// Writes a double as JSON text, as Go's encoder does, which Teleport's own tools show.
//
// The shortest digits that read back as the same double; whole numbers without a fraction; an
// exponent only below 1e-6 and from 1e21 on; minus zero as "-0". Pure; any thread.
#ifndef SLUICE_FETCHER_TRANSCODE_JSON_NUMBER_H_
#define SLUICE_FETCHER_TRANSCODE_JSON_NUMBER_H_

#include <string>

namespace sluice::fetcher {

// Appends `value` to *out. False, and nothing appended, for NaN and the infinities, which JSON
// cannot say.
bool append_json_number(double value, std::string* out);

}  // namespace sluice::fetcher

#endif  // SLUICE_FETCHER_TRANSCODE_JSON_NUMBER_H_
