#include "tests/bench/event_pool.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace sluice::bench {
namespace {

constexpr std::size_t kBodies = 4096;
constexpr std::int64_t kFirstSecond = 1'767'323'045;
constexpr std::uint64_t kEventsPerSecond = 1000;

constexpr std::array<std::string_view, 8> kTypes = {
    "session.start", "session.end", "session.data",     "exec",
    "user.login",    "cert.create", "db.session.query", "kube.request"};
constexpr std::array<std::string_view, 12> kUsers = {"alice", "bruno", "chiara", "deniz",
                                                     "emil",  "fatou", "goran",  "hana",
                                                     "ines",  "jonas", "kofi",   "lena"};
constexpr std::array<std::string_view, 16> kWords = {
    "production", "staging", "payments",   "ledger", "eu-central-1", "us-east-2",
    "web",        "api",     "postgres",   "batch",  "operations",   "on-call",
    "read-only",  "editor",  "kubernetes", "worker"};
constexpr std::array<std::string_view, 6> kLabels = {"env", "team", "zone", "role", "host", "unit"};

template <typename List>
std::string_view pick(const List& list, std::mt19937_64* random) {
  return list[(*random)() % list.size()];
}

std::string uuid(std::mt19937_64* random) {
  const std::uint64_t high = (*random)();
  const std::uint64_t low = (*random)();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                     high & 0xfff, (low >> 48 & 0x3fff) | 0x8000, low & 0xffff'ffff'ffff);
}

std::string address(std::mt19937_64* random) {
  const std::uint64_t bits = (*random)();
  return fmt::format("10.{}.{}.{}:{}", bits & 0xff, bits >> 8 & 0xff, bits >> 16 & 0xff,
                     1024 + (bits >> 24) % 60'000);
}

}  // namespace

EventPool::EventPool(std::size_t body_bytes, std::uint64_t seed) : random_(seed) {
  bodies_.reserve(kBodies);
  for (std::size_t i = 0; i < kBodies; ++i) bodies_.push_back(make_body(body_bytes));
}

std::string EventPool::make_body(std::size_t body_bytes) {
  const std::uint64_t bits = random_();
  std::string body = fmt::format(
      R"({{"ei":{},"event":"{}","uid":"{}","code":"T{}I","time":"2026-01-02T{:02}:{:02}:{:02}.{:06}Z",)"
      R"("user":"{}@example.com")",
      bits % 16, pick(kTypes, &random_), uuid(&random_), 1000 + bits % 7000, bits >> 8 & 15,
      (bits >> 16) % 60, (bits >> 24) % 60, (bits >> 32) % 1'000'000, pick(kUsers, &random_));
  const auto add = [&](std::string_view name, std::string_view value) {
    const std::size_t needed = name.size() + value.size() + 6;
    // Room for the last field, which fills the body up to its size.
    if (body.size() + needed + 10 <= body_bytes) {
      body += fmt::format(R"(,"{}":"{}")", name, value);
    }
  };
  add("cluster_name", "bank.example.com");
  add("sid", uuid(&random_));
  add("server_id", uuid(&random_));
  add("addr.remote", address(&random_));
  add("server_hostname", fmt::format("ip-10-{}-{}", bits % 200, bits >> 40 & 0xff));
  for (int i = 0; body.size() + 80 < body_bytes; ++i) {
    add(fmt::format("labels.{}-{}", pick(kLabels, &random_), i),
        fmt::format("{} {}", pick(kWords, &random_), pick(kWords, &random_)));
    add(fmt::format("attribute-{}", i), fmt::format("{:016x}", random_()));
  }
  const std::size_t used = body.size() + std::string_view(R"(,"_":""})").size();
  body += R"(,"_":")";
  for (std::size_t i = used; i < body_bytes; ++i) {
    body.push_back(static_cast<char>('a' + random_() % 16));
  }
  return body + "\"}";
}

// The same form as uuid(), without the cost of formatting.
std::string EventPool::make_id() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id = "00000000-0000-4000-8000-000000000000";
  std::uint64_t bits = random_();
  for (const std::size_t i : {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 24, 25, 26, 27}) {
    id[i] = kDigits[bits & 15];
    bits >>= 4;
  }
  bits = ++made_;
  for (std::size_t i = id.size() - 1; bits != 0; --i, bits >>= 4) id[i] = kDigits[bits & 15];
  return id;
}

void EventPool::prepare(std::size_t count) {
  ids_.clear();
  next_id_ = 0;
  while (ids_.size() < count) ids_.push_back(make_id());
}

void EventPool::fill(queue::Lane lane, std::size_t count, queue::Append* append) {
  append->clear();
  if (ids_.size() - next_id_ < count) prepare(count);
  const auto seconds = static_cast<std::int64_t>(filled_ / kEventsPerSecond);
  filled_ += count;
  queue::RecordView record;
  record.fetched_at_ms = (kFirstSecond + seconds) * 1000;
  record.time = {kFirstSecond + seconds, 0};
  record.type = "session.data";
  if (lane == queue::Lane::kSession) record.route = "5d0a3f1c-9a55-4e0f-8e2a-7f6f3a7d2c11";
  for (std::size_t i = 0; i < count; ++i) {
    record.id = ids_[next_id_++];
    record.body = bodies_[next_];
    next_ = (next_ + 1) % bodies_.size();
    append->add(lane, record);
    if (lane == queue::Lane::kAudit) append->mark_seen(1, record.time, record.id);
  }
  append->put_state("bench/cursor", std::string(record.id));
}

std::string EventPool::next_bodies(std::size_t count) const {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += bodies_[(next_ + i) % bodies_.size()];
  return bytes;
}

}  // namespace sluice::bench
