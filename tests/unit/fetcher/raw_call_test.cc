// Against a server of gRPC's own over a local socket.
#include "fetcher/teleport/raw_call.h"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "fetcher/teleport/call_channel.h"
#include "teleport/auditlog/v1/auditlog.grpc.pb.h"

namespace sluice::fetcher {
namespace {

namespace auditlog = teleport::auditlog::v1;
using std::chrono::milliseconds;

constexpr const char* kMethod = "/teleport.auditlog.v1.AuditLogService/ExportUnstructuredEvents";
constexpr milliseconds kPatience{30'000};

// Streams the numbers from 0 on, up to `count` of them, with `padding` bytes beside each.
class Numbers final : public auditlog::AuditLogService::Service {
 public:
  std::atomic<int> count = 0;
  std::atomic<std::size_t> padding = 0;
  std::atomic<bool> stays_silent = false;  // in place of the end
  std::atomic<int> written = 0;

  grpc::Status ExportUnstructuredEvents(
      grpc::ServerContext* context, const auditlog::ExportUnstructuredEventsRequest* /*request*/,
      grpc::ServerWriter<auditlog::ExportEventUnstructured>* writer) override {
    auditlog::ExportEventUnstructured message;
    message.mutable_event()->set_id(std::string(padding, 'x'));
    for (int i = 0; i < count; ++i) {
      message.set_cursor(std::to_string(i));
      if (!writer->Write(message)) return grpc::Status::CANCELLED;
      ++written;
    }
    while (stays_silent && !context->IsCancelled()) std::this_thread::sleep_for(milliseconds(1));
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no more");
  }
};

class RawCallTest : public testing::Test {
 protected:
  RawCallTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&numbers_);
    server_ = builder.BuildAndStart();
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    grpc::AddInsecureChannelFromFd(server_.get(), ends[0]);
    channel_ = std::make_shared<CallChannel>(
        grpc::CreateInsecureChannelFromFd("the test's server", ends[1]));
  }
  ~RawCallTest() override {
    channel_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  RawCall begin(milliseconds silence_max = kPatience) {
    return {channel_, kMethod, "", silence_max, stop_.get_token()};
  }

  static int number_in(std::string_view message) {
    auditlog::ExportEventUnstructured parsed;
    EXPECT_TRUE(parsed.ParseFromArray(message.data(), static_cast<int>(message.size())));
    return std::stoi(parsed.cursor());
  }

  Numbers numbers_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<CallChannel> channel_;
  std::stop_source stop_;
};

TEST_F(RawCallTest, HandsOutAllMessagesInTheirOrderAndThenWhyItEnded) {
  numbers_.count = 5'000;
  RawCall call = begin();
  for (int i = 0; i < numbers_.count; ++i) {
    const auto message = call.next();
    ASSERT_TRUE(message && *message) << i;
    ASSERT_EQ(number_in(**message), i);
  }
  const auto end = call.next();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(end.error().text, "no more");
}

TEST_F(RawCallTest, EndsWhereverItIsWhenNobodyWantsItAnyMore) {
  numbers_.count = 100'000;
  for (int round = 0; round < 1'500; ++round) {
    numbers_.padding = round % 3 == 0 ? 0 : round % 3 == 1 ? 1'000 : 20'000;
    RawCall call = begin();
    for (int i = 0; i < round % 300; ++i) ASSERT_TRUE(call.next());
  }
}

TEST_F(RawCallTest, ReadsAheadWithinBounds) {
  numbers_.count = 100'000;
  numbers_.padding = 1'000;
  RawCall call = begin();
  ASSERT_TRUE(call.next());
  int before = -1;
  while (before != numbers_.written) {
    before = numbers_.written;
    std::this_thread::sleep_for(milliseconds(200));
  }
  // Ours, and what gRPC and the sockets hold besides.
  EXPECT_GT(numbers_.written, 100);
  EXPECT_LT(numbers_.written, 8'000);
  for (int i = 1; i < 10'000; ++i) {
    const auto message = call.next();
    ASSERT_TRUE(message && *message);
    ASSERT_EQ(number_in(**message), i);
  }
}

TEST_F(RawCallTest, GivesUpWhenTheServerIsSilentForTooLong) {
  numbers_.count = 1;
  numbers_.stays_silent = true;
  RawCall call = begin(milliseconds(100));
  ASSERT_TRUE(call.next());
  const auto end = call.next();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(RawCallTest, AStopRequestEndsTheWait) {
  numbers_.stays_silent = true;
  RawCall call = begin();
  const std::jthread stopping([this] {
    std::this_thread::sleep_for(milliseconds(50));
    stop_.request_stop();
  });
  const auto end = call.next();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, grpc::StatusCode::CANCELLED);
}

TEST_F(RawCallTest, SeveralCallsOnOneChannelDoNotHoldUpEachOther) {
  numbers_.count = 100'000;
  RawCall held_up = begin();
  ASSERT_TRUE(held_up.next());
  for (int round = 0; round < 3; ++round) {
    RawCall call = begin();
    for (int i = 0; i < 2'000; ++i) {
      const auto message = call.next();
      ASSERT_TRUE(message && *message);
      ASSERT_EQ(number_in(**message), i);
    }
  }
}

}  // namespace
}  // namespace sluice::fetcher
