#include "shipper/fluentd/failure.h"

#include <curl/curl.h>
#include <gmock/gmock.h>

#include <cerrno>

namespace sluice::shipper::fluentd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const FailureContext context{"https://f:8888/test.log", "ca.pem", "client.crt"};

std::string sentence(int code, std::string_view detail, int os_error = 0) {
  return failure_sentence({.code = code, .detail = detail, .os_error = os_error}, context);
}

TEST(Failure, ClientCertificateRefusedBeforeOrAfterTheHandshakeIsCalledSo) {
  // TLS 1.2 ends the handshake; TLS 1.3 refuses at the first read, as a receive error.
  for (const auto& [code, detail] : std::vector<std::pair<int, std::string>>{
           {CURLE_SSL_CONNECT_ERROR,
            "OpenSSL/3.0.15: error:0A000418:SSL routines::tlsv1 alert unknown ca"},
           {CURLE_RECV_ERROR,
            "OpenSSL SSL_read: OpenSSL/3.0.15: error:0A00045C:SSL routines::tlsv13 alert "
            "certificate required, errno 0"}}) {
    EXPECT_THAT(sentence(code, detail),
                AllOf(HasSubstr("refuses our client certificate client.crt"),
                      ::testing::StartsWith("https://f:8888: ")));
    EXPECT_TRUE(is_client_certificate_refusal({code, detail, 0}));
  }
}

TEST(Failure, OwnExpiredCertificateIsNotBlamedOnTheServer) {
  EXPECT_THAT(sentence(CURLE_PEER_FAILED_VERIFICATION, "SSL certificate verification failed"),
              AllOf(HasSubstr("our client certificate client.crt"), HasSubstr("it has expired")));
  EXPECT_THAT(sentence(CURLE_RECV_ERROR, "OpenSSL SSL_read: sslv3 alert certificate expired"),
              HasSubstr("it has expired"));
}

TEST(Failure, UntrustedServerIsToldWithTheAuthoritiesFile) {
  const std::string detail = "SSL certificate problem: unable to get local issuer certificate";
  EXPECT_THAT(sentence(CURLE_PEER_FAILED_VERIFICATION, detail),
              AllOf(HasSubstr("not trusted by ca.pem"), HasSubstr("forward.fluentd.ca")));
  EXPECT_FALSE(is_client_certificate_refusal({CURLE_PEER_FAILED_VERIFICATION, detail, 0}));
}

TEST(Failure, ServersExpiredCertificateAndWrongNameAreToldApart) {
  EXPECT_THAT(
      sentence(CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate has expired"),
      HasSubstr("the server's certificate is not valid now"));
  EXPECT_THAT(sentence(CURLE_PEER_FAILED_VERIFICATION,
                       "SSL: no alternative certificate subject name matches target host name 'f'"),
              HasSubstr("another host name"));
}

TEST(Failure, ConnectionTroubleIsNamed) {
  EXPECT_THAT(sentence(CURLE_COULDNT_CONNECT, "", ECONNREFUSED),
              HasSubstr("cannot connect (Connection refused)"));
  EXPECT_THAT(sentence(CURLE_COULDNT_RESOLVE_HOST, ""), HasSubstr("cannot be resolved"));
  EXPECT_THAT(sentence(CURLE_OPERATION_TIMEDOUT, "Operation timed out"),
              HasSubstr("no answer in time"));
  EXPECT_THAT(sentence(CURLE_GOT_NOTHING, ""), HasSubstr("ended the connection"));
  EXPECT_FALSE(is_client_certificate_refusal({CURLE_RECV_ERROR, "Connection reset by peer", 0}));
}

TEST(Failure, SameCauseIsTheSameSentenceEachTime) {
  const auto told = [](int code, const std::string& detail, const std::string& url) {
    return failure_sentence({.code = code, .detail = detail, .os_error = ECONNREFUSED},
                            {.url = url, .ca = "", .cert = ""});
  };
  EXPECT_EQ(told(CURLE_COULDNT_CONNECT, "Failed to connect to f port 1 after 3 ms",
                 "https://f:1/session.aa.log"),
            told(CURLE_COULDNT_CONNECT, "Failed to connect to f port 1 after 11 ms",
                 "https://f:1/session.bb.log"));
  EXPECT_EQ(
      told(CURLE_OPERATION_TIMEDOUT, "Operation timed out after 30001 milliseconds", "https://f"),
      told(CURLE_OPERATION_TIMEDOUT, "Operation timed out after 30002 milliseconds", "https://f"));
}

TEST(Failure, PlainHttpPortIsRecognised) {
  EXPECT_THAT(
      sentence(CURLE_SSL_CONNECT_ERROR, "error:0A00010B:SSL routines::wrong version number"),
      HasSubstr("does not speak TLS"));
}

}  // namespace
}  // namespace sluice::shipper::fluentd
