#include "shipper/fluentd/failure.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>

namespace sluice::shipper::fluentd {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// libcurl's text for the alert "certificate expired", with the code of a bad server certificate.
// Its texts for the server's certificate start in another way.
bool is_expired_alert(int code, std::string_view detail) {
  return contains(detail, "alert certificate expired") ||
         (code == CURLE_PEER_FAILED_VERIFICATION &&
          detail.starts_with("SSL certificate verification failed"));
}

// What the server says of our certificate; empty: nothing.
std::string_view client_certificate_cause(int code, std::string_view detail) {
  if (is_expired_alert(code, detail)) return "it has expired";
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
    if (contains(detail, text)) return cause;
  }
  return {};
}

std::string server_certificate_sentence(std::string_view detail, const FailureContext& context) {
  if (contains(detail, "subject name") || contains(detail, "subjectAltName")) {
    return fmt::format(
        "{}: the server's certificate is for another host name ({}); use the name that is in the "
        "certificate, or have it issued for this one",
        context.url, detail);
  }
  if (contains(detail, "expired") || contains(detail, "not yet valid")) {
    return fmt::format("{}: the server's certificate is not valid now ({}); renew it there",
                       context.url, detail);
  }
  const std::string trusted =
      context.ca.empty() ? std::string("the system's certificate authorities") : context.ca;
  return fmt::format(
      "{}: the server's certificate is not trusted by {} ({}); set forward.fluentd.ca to the "
      "authority that issued it",
      context.url, trusted, detail.empty() ? "no further reason" : detail);
}

std::string own_files_sentence(std::string_view detail, const FailureContext& context) {
  return fmt::format("{}: the client certificate {} or its key cannot be used ({})", context.url,
                     context.cert, detail);
}

std::string tls_sentence(std::string_view detail, const FailureContext& context) {
  if (contains(detail, "wrong version number") || contains(detail, "packet length too long")) {
    return fmt::format("{}: the server does not speak TLS at this port ({})", context.url, detail);
  }
  if (contains(detail, "alert protocol version")) {
    return fmt::format("{}: the server accepts no TLS version from 1.2 on ({})", context.url,
                       detail);
  }
  return fmt::format("{}: the TLS connection failed ({})", context.url, detail);
}

std::string connection_sentence(int code, std::string_view detail, const FailureContext& context) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return fmt::format("{}: the host name cannot be resolved ({})", context.url, detail);
    case CURLE_COULDNT_CONNECT:
      return fmt::format("{}: cannot connect ({}); is Fluentd running there?", context.url, detail);
    case CURLE_OPERATION_TIMEDOUT:
      return fmt::format("{}: no answer in time ({})", context.url, detail);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return fmt::format("{}: the server ended the connection before it answered ({})", context.url,
                         detail);
    default:
      return fmt::format("{}: the request failed ({}, libcurl error {})", context.url, detail,
                         code);
  }
}

}  // namespace

bool is_client_certificate_refusal(int code, std::string_view detail) {
  return !client_certificate_cause(code, detail).empty();
}

std::string failure_sentence(int code, std::string_view detail, const FailureContext& context) {
  if (detail.empty()) detail = curl_easy_strerror(static_cast<CURLcode>(code));
  if (const auto cause = client_certificate_cause(code, detail); !cause.empty()) {
    return fmt::format("{}: the server refuses our client certificate {}: {} ({})", context.url,
                       context.cert.empty() ? "(none is configured)" : context.cert, cause, detail);
  }
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return server_certificate_sentence(detail, context);
    case CURLE_SSL_CACERT_BADFILE:
      return fmt::format("{}: the file of certificate authorities {} cannot be used ({})",
                         context.url, context.ca, detail);
    case CURLE_SSL_CERTPROBLEM:
      return own_files_sentence(detail, context);
    case CURLE_SSL_CONNECT_ERROR:
      return tls_sentence(detail, context);
    default:
      return connection_sentence(code, detail, context);
  }
}

}  // namespace sluice::shipper::fluentd
