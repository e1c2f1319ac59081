// A program of its own, since the counter replaces operator new.
#include <google/protobuf/struct.pb.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fetcher/transcode/transcoder.h"
#include "tests/support/allocation_counter.h"

namespace sluice::fetcher {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;

// Of all kinds of values, with texts, numbers and nesting that grow with `number`.
std::string event_body(std::size_t number) {
  Struct event;
  auto& fields = *event.mutable_fields();
  fields["time"].set_string_value("2026-11-23T02:58:41.123Z");
  fields["sid"].set_string_value("0b5a1d3e-0000-4000-8000-000000000000");
  fields["success"].set_bool_value(number % 2 == 0);
  fields["nothing"].set_null_value(google::protobuf::NULL_VALUE);
  fields["whole"].set_number_value(static_cast<double>(number));
  fields["fraction"].set_number_value(static_cast<double>(number) / 997);
  fields["small"].set_number_value(-5e-324);
  fields["large"].set_number_value(1e300);
  fields["text"].set_string_value(std::string(number * 7, 'a') + "\"\\\n\x01 \xE2\x82\xAC");
  Struct* inner = &event;
  for (std::size_t depth = 0; depth < number % 20; ++depth) {
    inner = (*inner->mutable_fields())["inner"].mutable_struct_value();
    ListValue* list = (*inner->mutable_fields())["list"].mutable_list_value();
    for (std::size_t i = 0; i < 5; ++i) list->add_values()->set_string_value("element");
  }
  return event.SerializeAsString();
}

TEST(Transcoder, AllocatesNothingOnceItHasSeenItsLargestEvent) {
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < 500; ++i) bodies.push_back(event_body(i));
  Transcoder transcoder({"time", "sid", "success"});
  std::size_t bytes = 0;
  for (const std::string& body : bodies) bytes += transcoder.transcode(body).value().size();

  std::size_t bytes_again = 0;
  const AllocationCounter allocations;
  for (int turn = 0; turn < 3; ++turn) {
    for (const std::string& body : bodies) bytes_again += transcoder.transcode(body).value().size();
  }
  EXPECT_EQ(allocations.count(), 0U);
  EXPECT_EQ(bytes_again, 3 * bytes);
}

TEST(AllocationCounter, CountsWhatIsAllocated) {
  const AllocationCounter allocations;
  std::string text(100, 'a');
  std::vector<int> numbers(100);
  EXPECT_EQ(allocations.count(), 2U) << text << numbers.size();
}

}  // namespace
}  // namespace sluice::fetcher
