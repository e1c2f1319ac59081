#include "tests/support/teleport_sim/event.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

namespace sluice::teleport_sim {
namespace {

void to_value(const nlohmann::json& json, google::protobuf::Value* value);

void to_struct(const nlohmann::json& json, google::protobuf::Struct* message) {
  auto& fields = *message->mutable_fields();
  for (const auto& [key, member] : json.items()) to_value(member, &fields[key]);
}

void to_value(const nlohmann::json& json, google::protobuf::Value* value) {
  if (json.is_object()) {
    to_struct(json, value->mutable_struct_value());
  } else if (json.is_array()) {
    auto* list = value->mutable_list_value();
    for (const auto& element : json) to_value(element, list->add_values());
  } else if (json.is_string()) {
    value->set_string_value(json.get_ref<const std::string&>());
  } else if (json.is_boolean()) {
    value->set_bool_value(json.get<bool>());
  } else if (json.is_number()) {
    value->set_number_value(json.get<double>());
  } else {
    value->set_null_value(google::protobuf::NULL_VALUE);
  }
}

}  // namespace

void to_message(const Event& event, teleport::auditlog::v1::EventUnstructured* message) {
  message->set_type(event.type);
  message->set_id(event.id);
  message->mutable_time()->set_seconds(event.time.seconds);
  message->mutable_time()->set_nanos(static_cast<std::int32_t>(event.time.nanos));
  message->set_index(event.index);
  to_struct(event.body, message->mutable_unstructured());
}

std::string hash_id(const nlohmann::json& body) {
  const std::string text = body.dump();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  ::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace sluice::teleport_sim
