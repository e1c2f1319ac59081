#include "common/body_form.h"

namespace sluice {

std::optional<BodyForm> body_form(std::string_view name) {
  if (name == "array") return BodyForm::kArray;
  if (name == "ndjson") return BodyForm::kNdjson;
  if (name == "single") return BodyForm::kSingle;
  return std::nullopt;
}

std::string_view content_type(BodyForm form) {
  return form == BodyForm::kNdjson ? "application/x-ndjson" : "application/json";
}

}  // namespace sluice
