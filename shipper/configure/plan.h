// What `sluice-shipper configure` is asked for, as it is written and after it was checked.
//
// Value types and a pure function but for one look at where OUT's path leads; any thread.
#ifndef SLUICE_SHIPPER_CONFIGURE_PLAN_H_
#define SLUICE_SHIPPER_CONFIGURE_PLAN_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/time.h"
#include "shipper/configure/certificates.h"

namespace sluice::shipper::configure {

// As the command line has it.
struct Options {
  std::filesystem::path out = {};
  std::string addr = "localhost:3025";
  std::vector<std::string> dns_names = {};
  std::vector<std::string> ips = {};
  std::uint16_t port = 0;  // 0: the input's usual one
  bool forward = false;
  std::string key_type = "ecdsa";
  unsigned length = 0;  // 0: the usual one
  std::string ttl = "87600h";
  std::string organization = "Sluice";
  std::string ca_name = "Sluice CA";
  std::string server_name = {};  // empty: Fluentd's first host name or address
  std::string client_name = "sluice-shipper";
  std::string fluentd_keys = {};  // empty: OUT
  std::string fluentd_data = "/var/log/fluent";
  std::string role_name = "sluice";
  bool lock_enabled = false;
  bool force = false;
};

// What the texts are made of. All of it may be put between quotes, of TOML, YAML and Fluentd, as it
// is: make_plan() refuses what would end them.
struct Plan {
  std::filesystem::path out;  // absolute, without links
  bool force = false;
  std::string teleport_addr;
  bool teleport_is_auth = false;  // by its port: the Auth service's own address, not a proxy's
  std::string role_name;
  bool lock_enabled = false;
  bool forward = false;  // a forward input in place of an http one
  std::uint16_t port = 0;
  std::string fluentd_host;  // as a URL has it
  std::string fluentd_keys;  // the folder of its certificate on Fluentd's machine
  std::string fluentd_data;  // the folder of its buffers and files
  CertificateOrder certificates;
};

// kUsage, with the argument's name, for what cannot be made. Certificates are valid from an hour
// before `now`, for clocks that are late. A new passphrase at each call.
Result<Plan> make_plan(const Options& options, Timestamp now);

}  // namespace sluice::shipper::configure

#endif  // SLUICE_SHIPPER_CONFIGURE_PLAN_H_
