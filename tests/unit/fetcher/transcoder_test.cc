#include "fetcher/transcode/transcoder.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::fetcher {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

std::string json_of(const Struct& message) {
  Transcoder transcoder({});
  const auto json = transcoder.transcode(message.SerializeAsString());
  EXPECT_TRUE(json) << json.error().message;
  return json ? std::string(*json) : "";
}

std::string reason_of(std::string_view bytes) {
  Transcoder transcoder({});
  const auto json = transcoder.transcode(bytes);
  EXPECT_FALSE(json) << *json;
  if (json) return "";
  EXPECT_EQ(json.error().kind, ErrorKind::kRejected);
  return json.error().message;
}

Struct with(std::string_view key, const Value& value) {
  Struct message;
  (*message.mutable_fields())[std::string(key)] = value;
  return message;
}

Struct with_string(std::string_view text) {
  Value value;
  value.set_string_value(std::string(text));
  return with("k", value);
}

// One length-delimited field, written by hand.
std::string field(int number, std::string_view content) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  SCOPED_TRACE("fields in these tests are shorter than 128 bytes");
  EXPECT_LT(content.size(), 128U);
  out.push_back(static_cast<char>(content.size()));
  return out.append(content);
}

std::string entry(std::string_view key, std::string_view value) {
  return field(1, field(1, key) + field(2, value));
}

TEST(Transcoder, WritesAnEmptyStructAsAnEmptyObject) { EXPECT_EQ(json_of(Struct()), "{}"); }

TEST(Transcoder, WritesEveryKindOfValue) {
  Struct message;
  auto& fields = *message.mutable_fields();
  fields["null"].set_null_value(google::protobuf::NULL_VALUE);
  fields["no"].set_bool_value(false);
  fields["yes"].set_bool_value(true);
  fields["zero"].set_number_value(0);
  fields["text"].set_string_value("abc");
  fields["empty"].set_string_value("");
  (*fields["object"].mutable_struct_value()->mutable_fields())["in"].set_number_value(1.5);
  fields["list"].mutable_list_value()->add_values()->set_string_value("a");
  fields["list"].mutable_list_value()->add_values()->set_number_value(2);
  fields["hollow"].mutable_list_value();
  EXPECT_EQ(json_of(message), R"({"empty":"","hollow":[],"list":["a",2],"no":false,"null":null,)"
                              R"("object":{"in":1.5},"text":"abc","yes":true,"zero":0})");
}

TEST(Transcoder, SortsTheKeysOfEveryLevelByTheirBytes) {
  Struct message;
  auto& fields = *message.mutable_fields();
  for (const char* key : {"b", "a", "B", "ab", "\xC3\xA4", "z", ""}) {
    auto& inner = *fields[key].mutable_struct_value()->mutable_fields();
    inner["2"].set_number_value(2);
    inner["10"].set_number_value(10);
  }
  const std::string in = R"({"10":10,"2":2})";
  EXPECT_EQ(json_of(message), R"({"":)" + in + R"(,"B":)" + in + R"(,"a":)" + in + R"(,"ab":)" +
                                  in + R"(,"b":)" + in + R"(,"z":)" + in + ",\"\xC3\xA4\":" + in +
                                  "}");
}

TEST(Transcoder, EscapesWhatJsonRequiresAndNothingElse) {
  EXPECT_EQ(json_of(with_string("a\"b\\c")), R"({"k":"a\"b\\c"})");
  EXPECT_EQ(json_of(with_string("\b\f\n\r\t")), R"({"k":"\b\f\n\r\t"})");
  EXPECT_EQ(json_of(with_string(std::string_view("\x00\x01\x1F\x7F", 4))),
            "{\"k\":\"\\u0000\\u0001\\u001f\x7F\"}");
  EXPECT_EQ(json_of(with_string("<a href='x'>&</a>/\xE2\x80\xA8")),
            "{\"k\":\"<a href='x'>&</a>/\xE2\x80\xA8\"}");
  Value value;
  value.set_bool_value(true);
  EXPECT_EQ(json_of(with("a\nb", value)), R"({"a\nb":true})");
}

TEST(Transcoder, SortsKeysThatDifferLateOrByAZeroByteOnly) {
  const std::string_view with_zero("a\0", 2);
  Struct message;
  for (const std::string_view key :
       {std::string_view("labels.zone"), std::string_view("a"), std::string_view("labels.env"),
        std::string_view("labels.z"), with_zero, std::string_view("labels.")}) {
    (*message.mutable_fields())[std::string(key)].set_bool_value(true);
  }
  EXPECT_EQ(json_of(message), R"({"a":true,"a\u0000":true,"labels.":true,"labels.env":true,)"
                              R"("labels.z":true,"labels.zone":true})");
}

TEST(Transcoder, EscapesAtEveryPlaceOfAText) {
  for (const auto& [byte, escaped] :
       {std::pair('"', "\\\""), std::pair('\\', "\\\\"), std::pair('\x1F', "\\u001f"),
        std::pair('\0', "\\u0000"), std::pair('\n', "\\n"), std::pair('!', "!"),
        std::pair(' ', " "), std::pair('\x7F', "\x7F"), std::pair('[', "[")}) {
    for (std::size_t size = 1; size < 26; ++size) {
      for (std::size_t place = 0; place < size; ++place) {
        // What stands around it: a plain letter, the neighbours of what is escaped, two-byte text.
        for (const std::string filler : {"a", "#", "]", "\xC3\xA4"}) {
          std::string text;
          std::string expected;
          for (std::size_t i = 0; i < size; ++i) {
            text += i == place ? std::string(1, byte) : filler;
            expected += i == place ? std::string(escaped) : filler;
          }
          ASSERT_EQ(json_of(with_string(text)), "{\"k\":\"" + expected + "\"}") << size << place;
        }
      }
    }
  }
}

TEST(Transcoder, TakesTheLastValueOfAKeyThatIsThereTwice) {
  const std::string one = "\x11" + std::string("\x00\x00\x00\x00\x00\x00\xF0\x3F", 8);
  const std::string two = "\x11" + std::string("\x00\x00\x00\x00\x00\x00\x00\x40", 8);
  Transcoder transcoder({});
  EXPECT_EQ(transcoder.transcode(entry("a", one) + entry("b", one) + entry("a", two)).value(),
            R"({"a":2,"b":1})");
}

TEST(Transcoder, SkipsUnknownFields) {
  const std::string text = field(3, "x");
  Transcoder transcoder({});
  EXPECT_EQ(transcoder
                .transcode("\x10\x05" +
                           field(1, field(1, "a") + field(2, text + field(9, "?")) + field(7, "?")))
                .value(),
            R"({"a":"x"})");
}

TEST(Transcoder, RefusesAValueWithoutAKindOrWithTwo) {
  EXPECT_NE(reason_of(entry("a", "")).find("no kind"), std::string::npos);
  EXPECT_NE(reason_of(field(1, field(1, "a"))).find("no kind"), std::string::npos);
  EXPECT_NE(reason_of(entry("a", field(3, "x") + field(3, "y"))).find("two"), std::string::npos);
  // A kind with another wire type than its own is an unknown field.
  EXPECT_NE(reason_of(entry("a", "\x18\x01")).find("no kind"), std::string::npos);
  EXPECT_NE(reason_of(field(1, field(1, "a") + field(2, field(3, "x")) + field(2, field(3, "x"))))
                .find("two values"),
            std::string::npos);
}

TEST(Transcoder, RefusesNumbersThatJsonCannotExpress) {
  for (const double number :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Value value;
    value.set_number_value(number);
    EXPECT_NE(reason_of(with("n", value).SerializeAsString()).find("not finite"),
              std::string::npos);
  }
}

TEST(Transcoder, RefusesInvalidUtf8InValuesAndKeys) {
  for (const std::string_view bad : {"\xFF", "\xC3", "\xED\xA0\x80", "\xC0\x80", "a\xE2\x82"}) {
    EXPECT_NE(reason_of(entry("a", field(3, bad))).find("UTF-8"), std::string::npos);
    EXPECT_NE(reason_of(entry(bad, field(3, "x"))).find("UTF-8"), std::string::npos);
  }
}

TEST(Transcoder, RefusesTruncatedBytes) {
  Struct message = with_string("some text");
  (*message.mutable_fields())["more"].mutable_list_value()->add_values()->set_number_value(1);
  const std::string whole = message.SerializeAsString();
  const std::size_t first_entry = 2 + static_cast<unsigned char>(whole[1]);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    if (size == first_entry) continue;  // A shorter, but whole message.
    EXPECT_FALSE(reason_of(whole.substr(0, size)).empty());
  }
}

Struct nested_objects(std::size_t levels) {
  Struct message;
  Struct* innermost = &message;
  for (std::size_t i = 1; i < levels; ++i) {
    innermost = (*innermost->mutable_fields())["a"].mutable_struct_value();
  }
  return message;
}

Struct nested_lists(std::size_t levels) {
  Struct message;
  ListValue* innermost = (*message.mutable_fields())["a"].mutable_list_value();
  for (std::size_t i = 2; i < levels; ++i)
    innermost = innermost->add_values()->mutable_list_value();
  return message;
}

TEST(Transcoder, TakesAHundredLevelsAndRefusesMore) {
  EXPECT_EQ(json_of(nested_objects(Transcoder::kDepthMax)).size(), 2 + 99 * 6U);
  EXPECT_EQ(json_of(nested_lists(Transcoder::kDepthMax)).size(), 6 + 99 * 2U);
  EXPECT_NE(reason_of(nested_objects(Transcoder::kDepthMax + 1).SerializeAsString()).find("100"),
            std::string::npos);
  EXPECT_NE(reason_of(nested_lists(Transcoder::kDepthMax + 1).SerializeAsString()).find("100"),
            std::string::npos);
}

TEST(Transcoder, TellsTheWantedTopLevelStrings) {
  Struct message;
  auto& fields = *message.mutable_fields();
  fields["time"].set_string_value("2026-11-23T00:00:00Z");
  fields["ei"].set_number_value(3);
  (*fields["inner"].mutable_struct_value()->mutable_fields())["sid"].set_string_value("not me");
  const std::string bytes = message.SerializeAsString();
  Transcoder transcoder({"time", "sid", "ei"});
  ASSERT_TRUE(transcoder.transcode(bytes));
  EXPECT_EQ(transcoder.wanted(0), "2026-11-23T00:00:00Z");
  EXPECT_EQ(transcoder.wanted(1), std::nullopt);
  EXPECT_EQ(transcoder.wanted(2), std::nullopt);
  ASSERT_TRUE(transcoder.transcode(""));
  EXPECT_EQ(transcoder.wanted(0), std::nullopt) << "values of the event before must not stay";
}

TEST(Transcoder, GoesOnAfterARefusal) {
  Transcoder transcoder({});
  EXPECT_FALSE(transcoder.transcode(entry("a", "")));
  EXPECT_EQ(transcoder.transcode(entry("a", field(3, "x"))).value(), R"({"a":"x"})");
}

// Map entries in the order of their keys, so that a seed gives the same bytes in every run.
std::string bytes_of(const Struct& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// Random structs of every shape, for the comparison with protobuf's own code.
class RandomStructs {
 public:
  explicit RandomStructs(std::uint64_t seed) : random_(seed) {}

  Struct next() {
    Struct message;
    fill(&message, 0);
    return message;
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void fill(Struct* message, int depth) {
    const std::uint64_t count = below(depth == 0 ? 20 : 6);
    for (std::uint64_t i = 0; i < count; ++i) {
      fill(&(*message->mutable_fields())[text()], depth + 1);
    }
  }

  void fill(Value* value, int depth) {
    switch (below(depth > 4 ? 4 : 6)) {
      case 0:
        value->set_null_value(google::protobuf::NULL_VALUE);
        return;
      case 1:
        value->set_number_value(number());
        return;
      case 2:
        value->set_string_value(text());
        return;
      case 3:
        value->set_bool_value(below(2) == 1);
        return;
      case 4:
        fill(value->mutable_struct_value(), depth);
        return;
      default:
        value->mutable_list_value();
        for (std::uint64_t i = below(5); i > 0; --i) {
          fill(value->mutable_list_value()->add_values(), depth + 1);
        }
    }
  }

  double number() {
    switch (below(4)) {
      case 0:
        return static_cast<double>(static_cast<std::int64_t>(below(2'000'001)) - 1'000'000);
      case 1:
        return static_cast<double>(random_());
      case 2:
        return static_cast<double>(below(1'000'000)) / 1000.0;
      default: {
        const double any = std::bit_cast<double>(random_());
        return std::isfinite(any) ? any : -0.0;
      }
    }
  }

  std::string text() {
    static constexpr std::string_view kPieces[] = {
        "a",   "key", "\"", "\\", "\n", "\x01", "/", "\xC3\xA9", "\x7F", "\xF0\x9F\x98\x80",
        "<&>", " "};
    std::string out;
    for (std::uint64_t i = below(8); i > 0; --i) out += kPieces[below(std::size(kPieces))];
    if (below(10) == 0) out.push_back('\0');
    return out;
  }

  std::mt19937_64 random_;
};

TEST(Transcoder, AgreesWithProtobufsOwnCodeOnRandomStructs) {
  RandomStructs structs(7);
  Transcoder transcoder({"time"});
  for (int i = 0; i < 20'000; ++i) {
    const Struct message = structs.next();
    const auto json = transcoder.transcode(message.SerializeAsString());
    ASSERT_TRUE(json) << json.error().message << " for " << message.ShortDebugString();
    Struct back;
    const auto status = google::protobuf::util::JsonStringToMessage(std::string(*json), &back);
    ASSERT_TRUE(status.ok()) << status.ToString() << " for " << *json;
    ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(message, back)) << *json;
  }
}

TEST(Transcoder, NeverAcceptsDamagedBytesAsJsonThatProtobufCannotRead) {
  RandomStructs structs(11);
  std::mt19937_64 random(13);
  Transcoder transcoder({});
  int compared = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = bytes_of(structs.next());
    if (bytes.empty()) continue;
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto json = transcoder.transcode(bytes);
    if (!json) continue;
    Struct back;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(std::string(*json), &back).ok());
    // Protobuf's reading of the damaged bytes, written again, must give the same text: this
    // leaves aside unknown fields and unknown numbers of null, which JSON does not show. Protobuf
    // refuses a few more: it also looks into values that a later one of the same key replaces.
    Struct read_by_protobuf;
    if (read_by_protobuf.ParseFromString(bytes)) {
      ASSERT_EQ(json_of(read_by_protobuf), *json);
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000);
}

}  // namespace
}  // namespace sluice::fetcher
