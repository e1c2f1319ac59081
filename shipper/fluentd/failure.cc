#include "shipper/fluentd/failure.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <system_error>

namespace sluice::shipper::fluentd {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// "https://host:port" of a URL.
std::string_view server_of(std::string_view url) {
  const auto scheme_end = url.find("://");
  const auto host = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  return url.substr(0, url.find_first_of("/?#", host));
}

// libcurl's text for the alert "certificate expired", with the code of a bad server certificate.
// Its texts for the server's certificate start in another way.
bool is_expired_alert(const Failure& failure) {
  return contains(failure.detail, "alert certificate expired") ||
         (failure.code == CURLE_PEER_FAILED_VERIFICATION &&
          failure.detail.starts_with("SSL certificate verification failed"));
}

// What the server says of our certificate; empty: nothing.
std::string_view client_certificate_cause(const Failure& failure) {
  if (is_expired_alert(failure)) return "it has expired";
  static constexpr std::array<std::array<std::string_view, 2>, 8> kCauses = {{
      {"alert unknown ca", "its issuer is not one that the server trusts"},
      {"alert certificate required", "the server wants one and none was sent"},
      {"alert certificate revoked", "it has been revoked"},
      {"alert unsupported certificate", "it is not meant for clients (extended key usage)"},
      {"alert bad certificate", "the server finds it bad"},
      {"alert certificate unknown", "the server finds it not acceptable"},
      {"alert access denied", "the server denies access to it"},
      {"alert handshake failure",
       "none was sent, or client and server have no cipher or signature in common"},
  }};
  for (const auto& [text, cause] : kCauses) {
    if (contains(failure.detail, text)) return cause;
  }
  return {};
}

std::string server_certificate_sentence(std::string_view detail, const FailureContext& context) {
  if (contains(detail, "subject name") || contains(detail, "subjectAltName")) {
    return fmt::format(
        "the server's certificate is for another host name ({}); use the name that is in the "
        "certificate, or have it issued for this one",
        detail);
  }
  if (contains(detail, "expired") || contains(detail, "not yet valid")) {
    return fmt::format("the server's certificate is not valid now ({}); renew it there", detail);
  }
  return fmt::format(
      "the server's certificate is not trusted by {} ({}); set forward.fluentd.ca to the authority "
      "that issued it",
      context.ca.empty() ? "the system's certificate authorities" : context.ca, detail);
}

std::string tls_sentence(std::string_view detail) {
  if (contains(detail, "wrong version number") || contains(detail, "packet length too long")) {
    return fmt::format("the server does not speak TLS at this port ({})", detail);
  }
  if (contains(detail, "alert protocol version")) {
    return fmt::format("the server accepts no TLS version from 1.2 on ({})", detail);
  }
  return fmt::format("the TLS connection failed ({})", detail);
}

// libcurl's own texts for these have the milliseconds in them.
std::string not_connected_sentence(int os_error) {
  return fmt::format("cannot connect{}; is Fluentd running there?",
                     os_error == 0
                         ? std::string()
                         : fmt::format(" ({})", std::generic_category().message(os_error)));
}

std::string timeout_sentence(std::string_view detail) {
  if (contains(detail, "Resolving")) return "the host name was not resolved in time";
  if (contains(detail, "onnection time")) return "no connection could be made in time";
  return "no answer in time; Fluentd may be blocked by a full buffer or a slow disk";
}

std::string cause_of(const Failure& failure, const FailureContext& context) {
  const std::string_view detail = failure.detail;
  switch (failure.code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return server_certificate_sentence(detail, context);
    case CURLE_SSL_CACERT_BADFILE:
      return fmt::format("the file of certificate authorities {} cannot be used ({})", context.ca,
                         detail);
    case CURLE_SSL_CERTPROBLEM:
      return fmt::format("the client certificate {} or its key cannot be used ({})", context.cert,
                         detail);
    case CURLE_SSL_CONNECT_ERROR:
      return tls_sentence(detail);
    case CURLE_COULDNT_RESOLVE_HOST:
      return fmt::format("the host name cannot be resolved ({})", detail);
    case CURLE_COULDNT_CONNECT:
      return not_connected_sentence(failure.os_error);
    case CURLE_OPERATION_TIMEDOUT:
      return timeout_sentence(detail);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return fmt::format("the server ended the connection before it answered ({})", detail);
    default:
      return fmt::format("the request failed ({}, libcurl error {})", detail, failure.code);
  }
}

}  // namespace

bool is_client_certificate_refusal(const Failure& failure) {
  return !client_certificate_cause(failure).empty();
}

std::string failure_sentence(const Failure& given, const FailureContext& context) {
  Failure failure = given;
  if (failure.detail.empty()) {
    failure.detail = curl_easy_strerror(static_cast<CURLcode>(failure.code));
  }
  const auto server = server_of(context.url);
  if (const auto cause = client_certificate_cause(failure); !cause.empty()) {
    return fmt::format("{}: the server refuses our client certificate {}: {} ({})", server,
                       context.cert.empty() ? "(none is configured)" : context.cert, cause,
                       failure.detail);
  }
  return fmt::format("{}: {}", server, cause_of(failure, context));
}

}  // namespace sluice::shipper::fluentd
