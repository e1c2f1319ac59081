#include <fmt/format.h>

#include "shipper/configure/texts.h"

namespace sluice::shipper::configure {
namespace {

constexpr std::string_view kHead =
    R"(# Fluentd as the receiver of Sluice, made by "sluice-shipper configure". Fluentd 1.12.4 or later.
# This file holds the passphrase of server.key: only Fluentd's user may read it.
#
# Fluentd's answer "200" means no more than that the event is in the buffer of the <match> that its
# tag led to. So that this is a promise, do not
#   * take <buffer> out of a <match>, or give it "@type memory": what is in memory dies with Fluentd.
#     In <source> a <buffer> does nothing.
#   * set overflow_action to drop_oldest_chunk, which deletes what was answered with 200, or to block,
#     which stops every connection of the input. throw_exception answers 500, and Sluice waits.
#   * take retry_forever out: after retry_timeout (72 hours) Fluentd throws a chunk away.
#   * add <label @ERROR>: with it every error is answered with 200, and Sluice goes on.
#   * add an output by @type copy before these without need: when one output fails, the others have
#     the events already, and get them once more.
#   * take the last <match **> out: an event with a tag that nothing matches is dropped with a 200.
# Fluentd syncs nothing to its disk. What a power cut takes from it, "queuectl replay" sends again.
# Events may arrive more than once; their "uid" tells.
)";

constexpr std::string_view kTransport = R"(  <transport tls>
    # Only who has a certificate of this authority may send.
    client_cert_auth true
    ca_path '{keys}/ca.crt'
    cert_path '{keys}/server.crt'
    private_key_path '{keys}/server.key'
    private_key_passphrase '{passphrase}'
    # Without both, Fluentd speaks TLS 1.2 only.
    min_version TLS1_2
    max_version TLS1_3
  </transport>
)";

constexpr std::string_view kHttpSource = R"(
<source>
  @type http
  @id sluice
  @label @SLUICE
  bind 0.0.0.0
  port {port}
  # The largest event that Sluice sends fits, and so does the largest request.
  body_size_limit 80m
{transport}  <parse>
    @type json
    time_type string
    # Fraction and zone are kept. A format without a zone would be read in this machine's zone.
    time_format %iso8601
    # Otherwise Fluentd takes "time" out of the event.
    keep_time_key true
  </parse>
</source>
)";

constexpr std::string_view kForwardSource = R"(
<source>
  @type forward
  @id sluice
  @label @SLUICE
  bind 0.0.0.0
  port {port}
{transport}</source>
)";

constexpr std::string_view kMonitor = R"(
# Tells how full the buffers are and how many events came in. It asks nobody who they are: leave it
# on this machine's own address.
<source>
  @type monitor_agent
  @id sluice_monitor
  bind 127.0.0.1
  port 24220
</source>
)";

// A line is "TIME<tab>TAG<tab>EVENT". Several flush threads would write into one file at once.
constexpr std::string_view kMatch = R"(
  # {comment}
  <match {pattern}>
    @type file
    @id sluice_{name}
    path '{data}/{name}.%Y-%m-%d'
    append true
    <format>
      @type out_file
      localtime false
    </format>
    <buffer time>
      @type file
      path '{data}/buffer/{name}'
      timekey 1d
      timekey_use_utc true
      flush_mode interval
      flush_interval 1s
      flush_thread_count 1
      # More than the largest event: a larger one is refused for ever. All events of a request
      # would be stored again at each try.
      chunk_limit_size 256m
      # The disk must hold this much for each <match>. When it is full, Sluice waits.
      total_limit_size 16g
      overflow_action throw_exception
      retry_forever true
      retry_max_interval 30s
    </buffer>
  </match>
)";

std::string match(const Plan& plan, std::string_view pattern, std::string_view name,
                  std::string_view comment) {
  return fmt::format(kMatch, fmt::arg("pattern", pattern), fmt::arg("name", name),
                     fmt::arg("comment", comment), fmt::arg("data", plan.fluentd_data));
}

std::string source(const Plan& plan) {
  const std::string transport =
      fmt::format(kTransport, fmt::arg("keys", plan.fluentd_keys),
                  fmt::arg("passphrase", plan.certificates.server_passphrase));
  return fmt::format(fmt::runtime(plan.forward ? kForwardSource : kHttpSource),
                     fmt::arg("port", plan.port), fmt::arg("transport", transport));
}

}  // namespace

std::string fluent_conf(const Plan& plan) {
  std::string text(kHead);
  text += source(plan);
  text += kMonitor;
  text += "\n<label @SLUICE>";
  text += match(plan, "events.log", "events", "Audit events.");
  text += match(plan, "session.*.log", "sessions",
                "Session recordings. Not <buffer tag>: that would be a chunk for each session.");
  text += match(plan, "**", "other",
                "Everything else, which is nothing as long as the URLs are those here.");
  text += "</label>\n";
  return text;
}

}  // namespace sluice::shipper::configure
