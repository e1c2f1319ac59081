#include "tests/fuzz/vary_event.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>

#include "tests/fuzz/wire.h"

namespace sluice::fuzz {
namespace {

constexpr std::size_t kParseDepthMax = 500;

// Around the limit of 100 levels.
constexpr std::size_t kWrapsMax = 110;

// A field; those that are messages are taken apart.
struct Node {
  std::uint32_t number = 0;
  int type = kBytes;
  std::uint64_t scalar = 0;
  std::string bytes;
  Shape shape = Shape::kNone;  // of the content; kNone: `bytes` is it
  std::vector<Node> children;
};

bool parse(std::string_view bytes, Shape shape, std::size_t depth, std::vector<Node>* nodes) {
  const auto fields = split(bytes);
  if (!fields) return false;
  for (const Field& field : *fields) {
    Node node{.number = field.number,
              .type = field.type,
              .scalar = field.scalar,
              .bytes = std::string(field.bytes),
              .shape = Shape::kNone,
              .children = {}};
    const Shape within = field.type == kBytes ? shape_within(shape, field.number) : Shape::kNone;
    if (within != Shape::kNone && depth < kParseDepthMax &&
        parse(field.bytes, within, depth + 1, &node.children)) {
      node.shape = within;
    } else {
      node.children.clear();
    }
    nodes->push_back(std::move(node));
  }
  return true;
}

std::string bytes_of(const std::vector<Node>& nodes) {
  std::string out;
  for (const Node& node : nodes) {
    const std::string content = node.shape == Shape::kNone ? node.bytes : bytes_of(node.children);
    put({.number = node.number, .type = node.type, .scalar = node.scalar, .bytes = content}, &out);
  }
  return out;
}

Node text_node(std::uint32_t number, std::string text) {
  Node node;
  node.number = number;
  node.bytes = std::move(text);
  return node;
}

Node scalar_node(std::uint32_t number, int type, std::uint64_t scalar) {
  Node node;
  node.number = number;
  node.type = type;
  node.scalar = scalar;
  return node;
}

Node message_node(std::uint32_t number, Shape shape, std::vector<Node> children) {
  Node node;
  node.number = number;
  node.shape = shape;
  node.children = std::move(children);
  return node;
}

std::string any_text(Random* random) {
  static const std::string kTexts[] = {"",
                                       "a",
                                       "time",
                                       "sid",
                                       "success",
                                       "user",
                                       "login",
                                       "user.login",
                                       "session.upload",
                                       "é",
                                       "\"\\\n",
                                       "</b>&",
                                       "\x01\x1F",
                                       "\x7F",
                                       "\xF0\x9F\x98\x80",
                                       "\xE2\x80\xA8",
                                       std::string(1, '\0')};
  static const std::string kNoUtf8[] = {"\xFF", "\xC0\x80", "\xE2\x82", "\xED\xA0\x80"};
  static const std::string kTimes[] = {
      "2026-11-23T02:58:41Z",      "2026-11-23T02:58:41.123456789+02:00",
      "2026-11-23T02:58:41",       "0001-01-01T00:00:00Z",
      "9999-12-31T23:59:60-23:59", "2026-02-29T00:00:00Z",
      "0000-01-01T00:00:00+23:59", "2026-11-23 02:58:41",
  };
  if (random->one_in(10)) return random->pick(kTimes);
  std::string text = random->one_in(100) ? random->pick(kNoUtf8) : "";
  for (std::size_t i = random->below(4); i > 0; --i) text += random->pick(kTexts);
  return text;
}

std::uint64_t any_scalar(int type, Random* random) {
  static constexpr double kDoubles[] = {
      0.0,  -0.0,     1.0,        -1.5,   0.1,    1e-6,   9.999999999999999e-7,   1e20,
      1e21, 0x1p53,   0x1p53 + 2, 0x1p63, 0x1p64, 5e-324, 1.7976931348623157e308, 123456.789,
      4.35, 0x1p-1022};
  static constexpr std::uint64_t kNumbers[] = {0,
                                               1,
                                               2,
                                               127,
                                               128,
                                               999'999'999,
                                               1'000'000'000,
                                               1'795'402'721,
                                               0x7FFFFFFF,
                                               0xFFFFFFFF,
                                               253'402'300'799,
                                               253'402'300'800,
                                               std::numeric_limits<std::int64_t>::max(),
                                               std::uint64_t{1} << 63U,
                                               std::numeric_limits<std::uint64_t>::max()};
  if (type == kFixed64 && !random->one_in(4)) {
    return std::bit_cast<std::uint64_t>(random->pick(kDoubles));
  }
  return random->one_in(2) ? random->any() : random->pick(kNumbers);
}

Node any_value(std::uint32_t number, std::size_t depth, Random* random);

std::vector<Node> any_values(std::uint32_t number, std::size_t depth, Random* random) {
  std::vector<Node> nodes;
  for (std::size_t i = random->below(4); i > 0; --i) {
    nodes.push_back(any_value(number, depth + 1, random));
  }
  return nodes;
}

Node any_entry(std::size_t depth, Random* random) {
  return message_node(1, Shape::kEntry,
                      {text_node(1, any_text(random)), any_value(2, depth + 1, random)});
}

std::vector<Node> any_entries(std::size_t depth, Random* random) {
  std::vector<Node> nodes;
  for (std::size_t i = random->below(4); i > 0; --i) nodes.push_back(any_entry(depth, random));
  return nodes;
}

Node any_kind(std::size_t depth, Random* random) {
  switch (random->below(depth > 4 ? 4 : 6)) {
    case 0:
      return scalar_node(1, kVarint, random->one_in(4) ? any_scalar(kVarint, random) : 0);
    case 1:
      return scalar_node(2, kFixed64, any_scalar(kFixed64, random));
    case 2:
      return text_node(3, any_text(random));
    case 3:
      return scalar_node(4, kVarint, random->below(2));
    case 4:
      return message_node(5, Shape::kStruct, any_entries(depth, random));
    default:
      return message_node(6, Shape::kList, any_values(1, depth, random));
  }
}

Node any_value(std::uint32_t number, std::size_t depth, Random* random) {
  return message_node(number, Shape::kValue, {any_kind(depth, random)});
}

// What may stand in a message of this shape.
Node any_field(Shape shape, Random* random) {
  switch (shape) {
    case Shape::kStruct:
      return any_entry(0, random);
    case Shape::kEntry:
      return random->one_in(2) ? text_node(1, any_text(random)) : any_value(2, 0, random);
    case Shape::kValue:
      return any_kind(0, random);
    case Shape::kList:
      return any_value(1, 0, random);
    case Shape::kTimestamp:
      return scalar_node(1 + random->below(2) % 2, kVarint, any_scalar(kVarint, random));
    case Shape::kEvent:
      if (random->one_in(4)) return message_node(5, Shape::kStruct, any_entries(0, random));
      if (random->one_in(3)) return scalar_node(4, kVarint, any_scalar(kVarint, random));
      return text_node(1 + random->below(2) % 2, any_text(random));
    case Shape::kNone:
      break;
  }
  return scalar_node(static_cast<std::uint32_t>(1 + random->below(9)), kFixed32, random->any());
}

// Puts what a Value holds into that many objects and lists.
void wrap(Node* value, std::size_t times, Random* random) {
  const bool objects = random->one_in(2);
  for (; times > 0; --times) {
    Node inner = message_node(1, Shape::kValue, std::move(value->children));
    Node outer;
    if (objects) {
      inner.number = 2;
      Node entry = message_node(1, Shape::kEntry, {});
      entry.children.push_back(text_node(1, "k"));
      entry.children.push_back(std::move(inner));
      outer = message_node(5, Shape::kStruct, {});
      outer.children.push_back(std::move(entry));
    } else {
      outer = message_node(6, Shape::kList, {});
      outer.children.push_back(std::move(inner));
    }
    value->children.clear();
    value->children.push_back(std::move(outer));
  }
}

// Changes trees. Most of the time carefully, so that what could be shipped can be shipped still;
// else in any way.
class Changer {
 public:
  explicit Changer(Random* random) : random_(*random), careful_(!random->one_in(3)) {}

  // Goes down to a place of any depth, and changes something there.
  void change_somewhere(std::vector<Node>* nodes, Shape shape) {
    while (!nodes->empty() && !random_.one_in(shape == Shape::kEvent ? 20 : 4)) {
      Node& node =
          shape == Shape::kEvent && random_.one_in(2) ? nodes->back() : random_.pick(*nodes);
      if (node.shape == Shape::kNone || (careful_ && is_time(node))) break;
      nodes = &node.children;
      shape = node.shape;
    }
    change_one(nodes, shape);
  }

 private:
  // Whether the order and the number of these do not matter.
  static bool is_many(Shape shape) { return shape == Shape::kStruct || shape == Shape::kList; }

  static bool is_time(const Node& node) {
    return node.shape == Shape::kEntry && !node.children.empty() &&
           node.children.front().bytes == "time";
  }

  void change_one(std::vector<Node>* nodes, Shape shape) {
    const bool free = !careful_ || is_many(shape);
    if (nodes->empty() || (free && random_.one_in(4))) {
      if (free) nodes->push_back(any_field(shape, &random_));
      return;
    }
    Node& node = random_.pick(*nodes);
    if (careful_ && is_time(node)) return;
    switch (random_.below(free ? 8 : 4)) {
      case 7:
        nodes->erase(nodes->begin() + (&node - nodes->data()));
        break;
      case 6:
        nodes->push_back(Node(node));
        break;
      case 5:
        std::swap(node, random_.pick(*nodes));
        break;
      default:
        if (careful_) {
          change_carefully(&node, shape);
        } else {
          change_freely(&node);
        }
    }
  }

  void change_carefully(Node* node, Shape around) {
    if (node->shape == Shape::kValue) {
      if (random_.one_in(3)) return wrap_some(node);
      node->children = {any_kind(0, &random_)};
    } else if (node->type == kVarint && around == Shape::kTimestamp) {
      node->scalar = random_.below(1'000'000'000);
    } else if (node->type != kBytes) {
      const std::uint64_t scalar = any_scalar(node->type, &random_);
      if (node->type != kFixed64 || std::isfinite(std::bit_cast<double>(scalar))) {
        node->scalar = scalar;
      }
    } else if (node->shape == Shape::kNone) {
      node->bytes = any_text(&random_);
    } else if (is_many(node->shape)) {
      node->children.push_back(any_field(node->shape, &random_));
    }
  }

  void change_freely(Node* node) {
    if (random_.one_in(10)) {
      node->number = static_cast<std::uint32_t>(1 + random_.below(7));
    } else if (node->shape == Shape::kValue && random_.one_in(3)) {
      wrap_some(node);
    } else if (node->type != kBytes) {
      node->scalar = any_scalar(node->type, &random_);
      constexpr int kTypes[] = {kVarint, kFixed64, kFixed32};
      if (random_.one_in(8)) node->type = random_.pick(kTypes);
    } else if (node->shape == Shape::kNone) {
      node->bytes = random_.one_in(3) ? vary_bytes(node->bytes, &random_) : any_text(&random_);
    } else if (random_.one_in(4)) {
      // From here on as bytes: lengths and ends go wrong.
      node->bytes = vary_bytes(bytes_of(node->children), &random_);
      node->shape = Shape::kNone;
    } else {
      node->children.push_back(any_field(node->shape, &random_));
    }
  }

  void wrap_some(Node* value) {
    const bool near_limit = random_.one_in(6);
    wrap(value, near_limit ? 90 + random_.below(kWrapsMax - 90) : 1 + random_.below(3), &random_);
  }

  Random& random_;
  bool careful_;
};

std::vector<Node> whole_event(std::vector<Node> entries) {
  entries.push_back(
      message_node(1, Shape::kEntry,
                   {text_node(1, "time"),
                    message_node(2, Shape::kValue, {text_node(3, "2026-11-23T02:58:41.005Z")})}));
  return {
      text_node(1, "user.login"), text_node(2, "3b7d9f0e"),
      message_node(3, Shape::kTimestamp,
                   {scalar_node(1, kVarint, 1'795'402'721), scalar_node(2, kVarint, 5'000'000)}),
      scalar_node(4, kVarint, 4), message_node(5, Shape::kStruct, std::move(entries))};
}

}  // namespace

std::vector<std::string> event_seeds() {
  constexpr std::size_t kCount = 100;
  Random random(20'261'123);
  std::vector<std::string> seeds = {bytes_of(whole_event({}))};
  for (std::size_t i = 1; i < kCount; ++i) {
    seeds.push_back(bytes_of(whole_event(any_entries(0, &random))));
  }
  for (const std::size_t levels : {1, 98, 99, 100}) {
    for (int tries = 0; tries < 2; ++tries) {
      Node entry = any_entry(5, &random);
      wrap(&entry.children.back(), levels, &random);
      seeds.push_back(bytes_of(whole_event({entry})));
    }
  }
  return seeds;
}

std::string vary_event(std::string_view message, Random* random) {
  std::vector<Node> nodes;
  if (!parse(message, Shape::kEvent, 0, &nodes)) return vary_bytes(message, random);
  Changer changer(random);
  for (std::size_t changes = 1 + random->below(4); changes > 0; --changes) {
    changer.change_somewhere(&nodes, Shape::kEvent);
  }
  return bytes_of(nodes);
}

}  // namespace sluice::fuzz
