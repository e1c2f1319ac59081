#include "queue/event_json.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>

namespace sluice::queue {

struct EventJson::Impl {
  simdjson::dom::parser parser;
};

EventJson::EventJson() : impl_(std::make_unique<Impl>()) {}
EventJson::~EventJson() = default;

bool EventJson::is_object(std::string_view body) {
  simdjson::dom::element root;
  const auto error = impl_->parser.parse(body.data(), body.size(), true).get(root);
  if (error == simdjson::SUCCESS) return root.is_object();
  // Integers beyond 64 bits and deep nesting are JSON, though this parser does not take them.
  const bool may_be_json = error == simdjson::NUMBER_ERROR || error == simdjson::DEPTH_ERROR;
  const auto first = body.find_first_not_of(" \t\r\n");
  return may_be_json && first != std::string_view::npos && body[first] == '{' &&
         nlohmann::json::accept(body);
}

}  // namespace sluice::queue
