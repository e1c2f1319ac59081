#include "shipper/configure/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace sluice::shipper::configure {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Timestamp kNow{.seconds = 1'800'000'000, .nanos = 7};

Options options() {
  Options given;
  given.out = "/tmp/new";
  return given;
}

Plan plan(const Options& given) {
  auto made = make_plan(given, kNow);
  EXPECT_TRUE(made) << made.error().message;
  return made.value_or(Plan{});
}

TEST(Plan, WithoutOptionsIsForAFluentdOnThisMachine) {
  const Plan made = plan(options());
  EXPECT_EQ(made.out, "/tmp/new");
  EXPECT_EQ(made.teleport_addr, "localhost:3025");
  EXPECT_TRUE(made.teleport_is_auth);
  EXPECT_EQ(made.fluentd_host, "localhost");
  EXPECT_EQ(made.port, 8888);
  EXPECT_EQ(made.fluentd_keys, "/tmp/new");
  EXPECT_THAT(made.certificates.dns_names, ElementsAre("localhost"));
  EXPECT_THAT(made.certificates.ips, ElementsAre("127.0.0.1", "::1"));
  EXPECT_EQ(made.certificates.key_type, KeyType::kEcdsa);
  EXPECT_EQ(made.certificates.server.common_name, "localhost");
  EXPECT_EQ(made.certificates.from.seconds, kNow.seconds - 3600);
  EXPECT_EQ(made.certificates.until.seconds, kNow.seconds + 87'600LL * 3600);
}

TEST(Plan, HasAnotherPassphraseEachTime) {
  const Plan made = plan(options());
  EXPECT_THAT(made.certificates.server_passphrase, testing::MatchesRegex("[0-9a-f]{64}"));
  EXPECT_NE(made.certificates.server_passphrase, plan(options()).certificates.server_passphrase);
}

TEST(Plan, TheFirstNameIsWhatFluentdIsReachedBy) {
  Options given = options();
  given.dns_names = {"*.example.org", "fluentd.example.com"};
  given.ips = {"10.0.0.1"};
  const Plan made = plan(given);
  EXPECT_EQ(made.fluentd_host, "fluentd.example.com");
  EXPECT_THAT(made.certificates.dns_names, ElementsAre("*.example.org", "fluentd.example.com"));
  EXPECT_THAT(made.certificates.ips, ElementsAre("10.0.0.1"));
}

TEST(Plan, OfAddressesAloneTheFirstIsUsed) {
  Options given = options();
  given.ips = {"::1", "10.0.0.1"};
  const Plan made = plan(given);
  EXPECT_EQ(made.fluentd_host, "[::1]");
  EXPECT_THAT(made.certificates.dns_names, IsEmpty());
  EXPECT_EQ(made.certificates.server.common_name, "::1");
}

TEST(Plan, APathIsMadeAbsoluteAndTheUsualPortIsThatOfTheInput) {
  Options given = options();
  given.out = "new/";
  given.forward = true;
  EXPECT_EQ(plan(given).out, std::filesystem::current_path() / "new");
  EXPECT_EQ(plan(given).port, 24224);
  given.port = 1;
  EXPECT_EQ(plan(given).port, 1);
}

TEST(Plan, AHostNameThatIsTooLongForACommonNameIsAnAlternativeNameOnly) {
  Options given = options();
  given.dns_names = {std::string(60, 'a') + ".example.com"};
  EXPECT_EQ(plan(given).certificates.server.common_name, "Fluentd");
}

TEST(Plan, KeysOfRsaHaveTheLengthThatIsAskedFor) {
  Options given = options();
  given.key_type = "rsa";
  EXPECT_EQ(plan(given).certificates.rsa_bits, 3072U);
  given.length = 4096;
  EXPECT_EQ(plan(given).certificates.rsa_bits, 4096U);
}

TEST(Plan, WhatCannotBeMadeIsToldWithTheArgumentsName) {
  const std::pair<std::function<void(Options*)>, const char*> mistakes[] = {
      {[](Options* o) { o->out = ""; }, "OUT is"},
      {[](Options* o) { o->out = "/"; }, "OUT is \"/\", but must be a folder below the root"},
      {[](Options* o) { o->out = "/tmp/it's"; }, "OUT is"},
      {[](Options* o) { o->addr = "teleport.example.com"; }, "ADDR is"},
      {[](Options* o) { o->addr = "a\"b:443"; }, "ADDR is"},
      {[](Options* o) { o->dns_names = {"a b"}; }, "--dns-names is \"a b\", but must be a host"},
      {[](Options* o) { o->dns_names = {"a,DNS:b"}; }, "--dns-names is"},
      {[](Options* o) { o->dns_names = {""}; }, "--dns-names is"},
      {[](Options* o) { o->dns_names = {"-a.example.com"}; }, "--dns-names is"},
      {[](Options* o) { o->dns_names = {"a.*.com"}; }, "--dns-names is"},
      {[](Options* o) { o->dns_names = {"10.0.0.1"}; }, "give it with --ip"},
      {[](Options* o) { o->dns_names = {"*.example.com"}; }, "what Fluentd is reached by"},
      {[](Options* o) { o->ips = {"10.0.0.256"}; }, "--ip is"},
      {[](Options* o) { o->key_type = "dsa"; }, "--key-type is \"dsa\", but must be ecdsa or rsa"},
      {[](Options* o) { o->length = 4096; }, "--length is for RSA only"},
      {[](Options* o) { o->key_type = "rsa", o->length = 1024; }, "must be 2048, 3072 or 4096"},
      {[](Options* o) { o->ttl = "10"; }, "--ttl: "},
      {[](Options* o) { o->ttl = "1s"; }, "--ttl is \"1s\", but must be at least 1h"},
      {[](Options* o) { o->organization = ""; }, "--organization is"},
      {[](Options* o) { o->ca_name = "a\nb"; }, "--ca-name is"},
      {[](Options* o) { o->server_name = std::string(65, 'a'); }, "--server-name is"},
      {[](Options* o) { o->client_name = ""; }, "--client-name is"},
      {[](Options* o) { o->role_name = "a\"b"; }, "--role-name is"},
      {[](Options* o) { o->fluentd_keys = "keys"; }, "--fluentd-keys is"},
      {[](Options* o) { o->fluentd_data = "/data/'"; }, "--fluentd-data is"},
      {[](Options* o) { o->fluentd_data = "/data/%Y"; }, "--fluentd-data is"},
  };
  for (const auto& [make, complaint] : mistakes) {
    Options given = options();
    make(&given);
    const auto made = make_plan(given, kNow);
    ASSERT_FALSE(made) << complaint;
    EXPECT_EQ(made.error().kind, ErrorKind::kUsage);
    EXPECT_THAT(made.error().message, HasSubstr(complaint));
  }
}

}  // namespace
}  // namespace sluice::shipper::configure
