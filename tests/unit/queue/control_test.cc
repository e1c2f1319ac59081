// The control socket: who may do what, and what bad clients cannot do.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "queue/control/client.h"
#include "queue/control/frame.h"
#include "queue/control/handler.h"
#include "queue/control/server.h"
#include "queue/control/socket.h"
#include "queue/control_page.h"
#include "tests/unit/queue/queue_fixture.h"

namespace sluice::queue {
namespace {

using std::chrono::milliseconds;

constexpr uid_t kOwner = 501;
constexpr uid_t kStranger = 502;

class ControlTest : public QueueFixture {
 protected:
  ControlTest() {
    auto writer = open_writer();
    EXPECT_TRUE(append(writer.get(), Lane::kAudit, 20));
    writer.reset();
    store_ = open_store();
    EXPECT_EQ(error_of(store_->reconcile(open_reader()->view().value())), "");
    Completion completion(Lane::kAudit);
    for (Seq seq = 1; seq <= 20; ++seq) completion.acknowledge({seq, {}});
    EXPECT_EQ(error_of(store_->commit(completion)), "");
    handler_ = std::make_unique<ControlHandler>(store_.get(), kOwner);
  }

  // As if a process of that user asked.
  ControlClient as(uid_t uid) {
    return ControlClient([this, uid](const std::string& request) -> Result<std::string> {
      return handler_->handle(request, uid);
    });
  }

  static ReplaySpec spec() {
    ReplaySpec made;
    made.numbers = {3, 9};
    made.filter.types = {"user.login"};
    made.filter.ids = {"a", "b", "c", "d", "e"};
    made.rate = 5;
    made.mark = true;
    made.actor = {kStranger, "anna", "INC-1"};
    made.matched = 4;
    return made;
  }

  std::unique_ptr<ControlServer> serve(std::size_t clients_max = 16,
                                       milliseconds patience = milliseconds(10'000)) {
    auto started = ControlServer::start(
        {.socket = paths_.control_socket(), .clients_max = clients_max, .patience = patience},
        [this](std::string_view request, uid_t uid) { return handler_->handle(request, uid); });
    EXPECT_EQ(error_of(started), "");
    return std::move(*started);
  }

  OwnedFd connect() const { return std::move(connect_to(paths_.control_socket()).value()); }

  static void send(const OwnedFd& fd, std::string_view bytes) {
    EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // Whether the server closes the connection; waits for it.
  static bool is_closed(const OwnedFd& fd) {
    char byte = 0;
    return ::recv(fd.get(), &byte, 1, 0) <= 0;
  }

  std::unique_ptr<DeliveryStore> store_;
  std::unique_ptr<ControlHandler> handler_;
};

TEST_F(ControlTest, WhatTheShipperKnowsOfItsSinkIsToldAsItIs) {
  EXPECT_FALSE(as(kStranger).status()->sink.has_value());
  SinkReport report;
  report.certificates = {{"client", 1'790'000'000'000}, {"server", -1000}};
  report.count = {.since_ms = 1'790'000'000'123,
                  .acknowledged = 500,
                  .counted = 400,
                  .differs_by = -100,
                  .problem = "p"};
  report.warnings = {"one", "two"};
  handler_ = std::make_unique<ControlHandler>(store_.get(), kOwner, [&] { return report; });
  EXPECT_EQ(as(kStranger).status()->sink, report);
  report = {};
  EXPECT_EQ(as(kStranger).status()->sink, report);
  report.count = SinkReport::Count();
  EXPECT_EQ(as(kStranger).status()->sink, report);
}

TEST_F(ControlTest, WhoeverCanAskMayLook) {
  ASSERT_TRUE(as(0).start_replay(spec(), false));
  auto client = as(kStranger);
  const auto status = client.status();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->delivery_id, store_->id().to_string());
  EXPECT_EQ(status->position[Lane::kAudit], 20u);
  EXPECT_EQ(status->active_replays, 1u);
  EXPECT_FALSE(status->may_change);
  EXPECT_EQ(client.replays()->size(), 1u);
  EXPECT_EQ(client.replay(1)->spec.filter.ids.size(), 5u);
  EXPECT_EQ(client.replay(2).error().kind, ErrorKind::kNotFound);
}

TEST_F(ControlTest, OnlyRootAndTheOwnerMayChangeAnything) {
  EXPECT_EQ(as(kStranger).start_replay(spec(), false).error().kind, ErrorKind::kUnauthorized);
  EXPECT_TRUE(as(kOwner).start_replay(spec(), false));
  EXPECT_EQ(as(kStranger).cancel_replay(1, {0, "", "x"}).error().kind, ErrorKind::kUnauthorized);
  EXPECT_TRUE(store_->replay(1)->is_active());
  EXPECT_EQ(as(0).cancel_replay(1, {0, "", "x"})->progress.state, ReplayState::kCancelled);
  EXPECT_TRUE(as(0).status()->may_change);
}

TEST_F(ControlTest, UserIdIsTheKernelsAndNotTheCallers) {
  const auto job = as(kOwner).start_replay(spec(), false).value();
  EXPECT_EQ(job.spec.actor.uid, kOwner);
  EXPECT_EQ(job.spec.actor.claimed, "anna");
  const auto cancelled = as(0).cancel_replay(1, {kOwner, "bert", "wrong"}).value();
  EXPECT_EQ(cancelled.progress.remark, "cancelled by uid 0 (bert, as that user says): wrong");
}

TEST_F(ControlTest, JobArrivesAsItWasAskedFor) {
  const auto job = as(0).start_replay(spec(), false).value();
  EXPECT_EQ(job, store_->replay(1).value());
  ReplaySpec expected = spec();
  expected.actor.uid = 0;
  expected.created_at_ms = job.spec.created_at_ms;
  EXPECT_EQ(job.spec, expected);
}

TEST_F(ControlTest, ChangesNeedAReason) {
  ReplaySpec silent = spec();
  silent.actor.reason.clear();
  EXPECT_EQ(as(0).start_replay(silent, false).error().kind, ErrorKind::kUsage);
  ASSERT_TRUE(as(0).start_replay(spec(), false));
  EXPECT_EQ(as(0).cancel_replay(1, {0, "", ""}).error().kind, ErrorKind::kUsage);
}

// They could not be counted in milliseconds.
TEST_F(ControlTest, TimesOutsideTheYearsOfProtobufsTimestampAreRefused) {
  for (const std::int64_t seconds : {INT64_MAX, INT64_MIN, 253'402'300'800, -62'135'596'801}) {
    ReplaySpec wrong = spec();
    wrong.filter.from_time = Timestamp{seconds, 0};
    const auto job = as(0).start_replay(wrong, false);
    ASSERT_FALSE(job) << seconds;
    EXPECT_EQ(job.error().kind, ErrorKind::kUsage);
  }
  ReplaySpec right = spec();
  right.filter.from_time = Timestamp{-62'135'596'800, 0};
  right.filter.to_time = Timestamp{253'402'300'799, 999'999'999};
  EXPECT_TRUE(as(0).start_replay(right, false));
}

TEST_F(ControlTest, NonsenseIsAnsweredWithAFailure) {
  for (const std::string& request :
       {std::string("\xff\xff\xff"), std::string(), std::string("x")}) {
    ControlClient client(
        [&](const std::string&) -> Result<std::string> { return handler_->handle(request, 0); });
    EXPECT_FALSE(client.status());
  }
}

TEST_F(ControlTest, ServesThroughTheSocketWithTheKernelsUserId) {
  const auto server = serve();
  auto client = ControlClient::connect(paths_.control_socket()).value();
  handler_ = std::make_unique<ControlHandler>(store_.get(), ::geteuid());
  const auto job = client.start_replay(spec(), false);
  ASSERT_EQ(error_of(job), "");
  EXPECT_EQ(job->spec.actor.uid, ::geteuid());
  EXPECT_EQ(client.replays()->size(), 1u);
  EXPECT_EQ(client.status()->active_replays, 1u);
}

TEST_F(ControlTest, SocketIsForOwnerAndGroup) {
  const auto server = serve();
  struct stat info{};
  ASSERT_EQ(::stat(paths_.control_socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660u);
}

TEST_F(ControlTest, SocketGoesWithTheServerAndReplacesOneThatWasLeft) {
  serve().reset();
  EXPECT_FALSE(std::filesystem::exists(paths_.control_socket()));
  EXPECT_EQ(ControlClient::connect(paths_.control_socket()).error().kind, ErrorKind::kNotFound);
  auto left = listen_at(paths_.control_socket());
  ASSERT_TRUE(left);
  *left = OwnedFd();
  EXPECT_EQ(ControlClient::connect(paths_.control_socket()).error().kind, ErrorKind::kNotFound);
  const auto server = serve();
  EXPECT_TRUE(ControlClient::connect(paths_.control_socket())->status());
}

TEST_F(ControlTest, FolderWithALongNameWillDo) {
  paths_.root /= std::string(150, 'x');
  std::filesystem::create_directories(paths_.shipper());
  const auto server = serve();
  EXPECT_TRUE(ControlClient::connect(paths_.control_socket())->status());
}

TEST_F(ControlTest, MessageThatIsTooLongEndsItsConnectionOnly) {
  const auto server = serve();
  auto good = ControlClient::connect(paths_.control_socket()).value();
  const OwnedFd bad = connect();
  send(bad, "\xff\xff\xff\x7f");
  EXPECT_TRUE(is_closed(bad));
  EXPECT_TRUE(good.status());
}

TEST_F(ControlTest, SilentAndSlowClientsAreDropped) {
  const auto server = serve(16, milliseconds(50));
  const OwnedFd silent = connect();
  const OwnedFd slow = connect();
  send(slow, std::string_view("\x10\0\0", 3));
  EXPECT_TRUE(is_closed(silent));
  EXPECT_TRUE(is_closed(slow));
  EXPECT_TRUE(ControlClient::connect(paths_.control_socket())->status());
}

TEST_F(ControlTest, ClientThatTakesNoAnswersIsDroppedAndHoldsUpNobody) {
  const auto server = serve(16, milliseconds(500));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(as(0).start_replay(spec(), false));
  const OwnedFd greedy = connect();
  timeval patience{5, 0};
  ::setsockopt(greedy.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  // Field 2, an empty message: the list of jobs, again and again.
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += frame_of(std::string_view("\x12\0", 2));
  // Its end is dropped before all of it is taken, or when the time is over.
  for (int i = 0; i < 50; ++i) {
    if (::send(greedy.get(), requests.data(), requests.size(), MSG_NOSIGNAL) < 0) break;
    auto good = ControlClient::connect(paths_.control_socket());
    ASSERT_TRUE(good);
    EXPECT_TRUE(good->status());
  }
}

TEST_F(ControlTest, NewClientTakesThePlaceOfTheOneThatWaitedLongest) {
  const auto server = serve(3);
  const OwnedFd first = connect();
  std::vector<OwnedFd> others;
  for (int i = 0; i < 5; ++i) others.push_back(connect());
  EXPECT_TRUE(is_closed(first));
  EXPECT_TRUE(ControlClient::connect(paths_.control_socket())->status());
}

TEST_F(ControlTest, RequestInSmallPiecesIsUnderstood) {
  const auto server = serve();
  const OwnedFd fd = connect();
  for (const char byte : frame_of(std::string_view("\x0a\0", 2))) {
    send(fd, std::string_view(&byte, 1));
    std::this_thread::yield();
  }
  std::string header(kFrameHeaderBytes, '\0');
  EXPECT_EQ(::recv(fd.get(), header.data(), header.size(), MSG_WAITALL),
            static_cast<ssize_t>(header.size()));
  EXPECT_GT(header[0], 0);
}

TEST(Frame, TakesMessagesOneByOneAndRefusesLongOnes) {
  std::string bytes = frame_of("one") + frame_of("") + frame_of("three").substr(0, 6);
  EXPECT_EQ(take_frame(&bytes, 5).value(), "one");
  EXPECT_EQ(take_frame(&bytes, 5).value(), "");
  EXPECT_EQ(take_frame(&bytes, 5).value(), std::nullopt);
  bytes += "ree";
  EXPECT_EQ(take_frame(&bytes, 5).value(), "three");
  bytes = frame_of("longer");
  EXPECT_EQ(take_frame(&bytes, 5).error().kind, ErrorKind::kRejected);
}

TEST_F(ControlTest, DeadLettersAndSkipsAreChangedByRootAndTheOwnerOnly) {
  auto writer = open_writer();
  ASSERT_TRUE(append(writer.get(), Lane::kAudit, 4, "f"));
  writer.reset();
  const auto reader = open_reader();
  ASSERT_EQ(error_of(store_->reconcile(reader->view().value())), "");
  const auto block = reader->read(Lane::kAudit, 21, {}).value();
  const StoredRecord& dead = block.records()[0];
  Completion completion(Lane::kAudit);
  completion.set_aside(dead, DeadLetter::of(Lane::kAudit, dead));
  ASSERT_TRUE(store_->commit(completion));
  const std::vector<RecordKey> letters = {{Lane::kAudit, 21, dead.record.epoch},
                                          {Lane::kSession, 1, 1}};
  const std::vector<StoredRecord> events = {block.records()[1], block.records()[2]};
  const Actor anna{0, "anna", "INC-1"};
  EXPECT_EQ(as(kStranger).requeue(letters, anna).error().kind, ErrorKind::kUnauthorized);
  EXPECT_EQ(as(kStranger).discard(letters, anna).error().kind, ErrorKind::kUnauthorized);
  EXPECT_EQ(as(kStranger).skip(Lane::kAudit, events, anna).error().kind, ErrorKind::kUnauthorized);
  EXPECT_EQ(as(kOwner).requeue(letters, {0, "anna", ""}).error().kind, ErrorKind::kUsage);
  const auto asked = as(kOwner).requeue(letters, anna);
  ASSERT_EQ(error_of(asked), "");
  EXPECT_EQ(asked->changed, 1u);
  EXPECT_EQ(asked->gone, 1u);
  EXPECT_EQ(as(0).cancel_requeue(letters, anna)->changed, 1u);
  EXPECT_EQ(error_of(as(kOwner).skip(Lane::kAudit, events, anna)), "");
  EXPECT_EQ(as(0).discard(letters, anna)->changed, 1u);
  EXPECT_EQ(store_->progress(Lane::kAudit).skipped, 3u);
  EXPECT_EQ(store_->progress(Lane::kAudit).position, 23u);
  // The kernel says who it is, not the client.
  EXPECT_NE(journal().find("(event f-2, user.login) is skipped, by uid 501 (anna, as that user "
                           "says): INC-1"),
            std::string::npos)
      << journal();
}

}  // namespace
}  // namespace sluice::queue
