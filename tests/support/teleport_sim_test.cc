// Runs the program teleport-sim and holds it against what is known of Teleport, over mTLS.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/time.h"
#include "teleport/auditlog/v1/auditlog.grpc.pb.h"
#include "teleport/legacy/client/proto/authservice.grpc.pb.h"

namespace sluice {
namespace {

namespace auditlog = teleport::auditlog::v1;
namespace fs = std::filesystem;

// 2026-03-10T12:00:00Z, in the past of every run.
constexpr std::int64_t kBaseSeconds = 1'773'144'000;
constexpr const char* kBase = "2026-03-10T12:00:00Z";
constexpr int kEvents = 3000;
constexpr int kSessions = 3;
constexpr int kEventsPerSession = 12;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

pid_t spawn(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, arguments[0], nullptr, nullptr, arguments.data(), environ);
  return error == 0 ? pid : -1;
}

int wait_for(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

fs::path make_folder() {
  std::string name = (fs::temp_directory_path() / "teleport-sim-test-XXXXXX").string();
  return ::mkdtemp(name.data());
}

// Made once for all tests, which takes longer than most of them; removed at the end.
class Certificates {
 public:
  Certificates() : path_(make_folder()) {
    const std::string script = std::string(SLUICE_SUPPORT_SOURCE) + "/certificates.py";
    EXPECT_EQ(0, wait_for(spawn({"python3", script, path_.string()})));
  }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  ~Certificates() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A folder of its own with certificates, removed at the end.
class Folder {
 public:
  Folder() : path_(make_folder()) {
    static const Certificates certificates;
    fs::copy(certificates.path(), path_, fs::copy_options::recursive);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  fs::path path(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

// The program, running, with the audit log's and Auth's clients connected to it.
class Sim {
 public:
  Sim(const Folder& folder, std::vector<std::string> extra) : folder_(folder) {
    fs::remove(folder_.path("port"));
    std::vector<std::string> command = {SLUICE_TELEPORT_SIM,
                                        "--ca",
                                        certificate("client-cas.crt"),
                                        "--cert",
                                        certificate("auth.crt"),
                                        "--key",
                                        certificate("auth.key"),
                                        "--port-file",
                                        folder_.path("port"),
                                        "--control",
                                        folder_.path("control"),
                                        "--record",
                                        folder_.path("record"),
                                        "--now",
                                        kBase,
                                        "--events",
                                        std::to_string(kEvents),
                                        "--sessions",
                                        std::to_string(kSessions),
                                        "--events-per-session",
                                        std::to_string(kEventsPerSession),
                                        "--chunk-events",
                                        "400"};
    command.insert(command.end(), extra.begin(), extra.end());
    pid_ = spawn(command);
    while (!fs::exists(folder_.path("port")) && ::waitpid(pid_, nullptr, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    audit_log = auditlog::AuditLogService::NewStub(channel("client", "client"));
    auth = proto::AuthService::NewStub(channel("client", "client"));
  }
  Sim(const Sim&) = delete;
  Sim& operator=(const Sim&) = delete;
  ~Sim() { stop(SIGTERM); }

  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    status_ = wait_for(pid_);
    pid_ = -1;
  }
  int status() const { return status_; }

  std::shared_ptr<grpc::Channel> channel(const std::string& cert, const std::string& key,
                                         grpc::ChannelArguments arguments = {}) const {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = read_text(certificate("host-ca.crt"));
    if (!cert.empty()) {
      tls.pem_cert_chain = read_text(certificate(cert + ".crt"));
      tls.pem_private_key = read_text(certificate(key + ".key"));
    }
    arguments.SetSslTargetNameOverride("teleport.cluster.local");
    std::string port = read_text(folder_.path("port"));
    port.resize(port.find('\n'));
    return grpc::CreateCustomChannel("127.0.0.1:" + port, grpc::SslCredentials(tls), arguments);
  }

  // Sends one line to the control socket and returns the answer.
  std::string command(const std::string& line) const {
    const int file = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    folder_.path("control").string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    std::string answer;
    if (::connect(file, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      const std::string text = line + "\n";
      EXPECT_EQ(static_cast<ssize_t>(text.size()), ::write(file, text.data(), text.size()));
      char byte = 0;
      while (::read(file, &byte, 1) == 1 && byte != '\n') answer += byte;
    }
    ::close(file);
    return answer;
  }

  std::vector<nlohmann::json> record() const {
    std::ifstream file(folder_.path("record"));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  std::unique_ptr<auditlog::AuditLogService::Stub> audit_log;
  std::unique_ptr<proto::AuthService::Stub> auth;

 private:
  fs::path certificate(const std::string& name) const { return folder_.path("teleport/" + name); }

  const Folder& folder_;
  pid_t pid_ = -1;
  int status_ = 0;
};

template <typename Message>
struct Received {
  std::vector<Message> messages;
  grpc::Status status;
};

template <typename Message>
Received<Message> drain(std::unique_ptr<grpc::ClientReader<Message>> reader) {
  Received<Message> received;
  for (Message message; reader->Read(&message);) received.messages.push_back(message);
  received.status = reader->Finish();
  return received;
}

Received<auditlog::EventExportChunk> list_chunks(const Sim& sim, std::int64_t seconds) {
  grpc::ClientContext context;
  auditlog::GetEventExportChunksRequest request;
  request.mutable_date()->set_seconds(seconds);
  return drain(sim.audit_log->GetEventExportChunks(&context, request));
}

Received<auditlog::ExportEventUnstructured> export_chunk(const Sim& sim, std::int64_t seconds,
                                                         const std::string& chunk,
                                                         const std::string& cursor) {
  grpc::ClientContext context;
  auditlog::ExportUnstructuredEventsRequest request;
  request.mutable_date()->set_seconds(seconds);
  request.set_chunk(chunk);
  request.set_cursor(cursor);
  return drain(sim.audit_log->ExportUnstructuredEvents(&context, request));
}

Received<auditlog::EventUnstructured> stream_session(const Sim& sim, const std::string& sid,
                                                     int start) {
  grpc::ClientContext context;
  auditlog::StreamUnstructuredSessionEventsRequest request;
  request.set_session_id(sid);
  request.set_start_index(start);
  return drain(sim.audit_log->StreamUnstructuredSessionEvents(&context, request));
}

auditlog::GetUnstructuredEventsRequest whole_window() {
  auditlog::GetUnstructuredEventsRequest request;
  request.set_namespace_("default");
  request.mutable_start_date()->set_seconds(kBaseSeconds - 10 * 86'400);
  request.mutable_end_date()->set_seconds(kBaseSeconds + 10 * 86'400);
  request.set_order(auditlog::ORDER_ASCENDING);
  request.set_limit(1000);
  return request;
}

grpc::Status search(const Sim& sim, const auditlog::GetUnstructuredEventsRequest& request,
                    auditlog::EventsUnstructured* page) {
  grpc::ClientContext context;
  page->Clear();
  return sim.audit_log->GetUnstructuredEvents(&context, request, page);
}

std::vector<auditlog::EventUnstructured> search_all(
    const Sim& sim, auditlog::GetUnstructuredEventsRequest request) {
  std::vector<auditlog::EventUnstructured> events;
  auditlog::EventsUnstructured page;
  do {
    EXPECT_TRUE(search(sim, request, &page).ok());
    EXPECT_LE(page.ByteSizeLong(), (1U << 20) + 4096);
    events.insert(events.end(), page.items().begin(), page.items().end());
    request.set_start_key(page.last_key());
  } while (!page.last_key().empty());
  return events;
}

const std::string& text_of(const auditlog::EventUnstructured& event, const std::string& key) {
  return event.unstructured().fields().at(key).string_value();
}

std::vector<auditlog::EventUnstructured> export_all(const Sim& sim) {
  std::vector<auditlog::EventUnstructured> events;
  for (std::int64_t day = -4; day <= 1; ++day) {
    const std::int64_t seconds = kBaseSeconds + day * 86'400;
    for (const auto& chunk : list_chunks(sim, seconds).messages) {
      const auto received = export_chunk(sim, seconds, chunk.chunk(), "");
      EXPECT_TRUE(received.status.ok()) << received.status.error_message();
      for (const auto& message : received.messages) events.push_back(message.event());
    }
  }
  return events;
}

std::set<std::string> ids_of(const std::vector<auditlog::EventUnstructured>& events) {
  std::set<std::string> ids;
  for (const auto& event : events) ids.insert(event.id());
  return ids;
}

TEST(TeleportSim, RefusesAClientWithoutAGoodCertificate) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", ""}, {"expired", "client"}, {"other", "other"}};
  for (const auto& [cert, key] : bad) {
    const auto auth = proto::AuthService::NewStub(sim.channel(cert, key));
    grpc::ClientContext context;
    proto::PingResponse response;
    EXPECT_EQ(grpc::StatusCode::UNAVAILABLE, auth->Ping(&context, {}, &response).error_code())
        << cert;
  }
}

TEST(TeleportSim, SaysItsNameAndTakesLocks) {
  const Folder folder;
  const Sim sim(folder, {"--cluster", "bank.example.com"});
  grpc::ClientContext ping_context;
  proto::PingResponse pong;
  ASSERT_TRUE(sim.auth->Ping(&ping_context, {}, &pong).ok());
  EXPECT_EQ("bank.example.com", pong.cluster_name());
  EXPECT_EQ("17.4.2", pong.server_version());
  grpc::ClientContext lock_context;
  types::LockV2 lock;
  google::protobuf::Empty empty;
  lock.set_kind("lock");
  lock.set_version("v2");
  lock.mutable_metadata()->set_name("auto-lock");
  lock.mutable_spec()->mutable_target()->set_user("eve");
  ASSERT_TRUE(sim.auth->UpsertLock(&lock_context, lock, &empty).ok());
  const auto stats = nlohmann::json::parse(sim.command("stats"));
  EXPECT_EQ("eve", stats["locks"][0]["user"]);
  EXPECT_EQ(1, stats["calls"]["Ping"]);
}

TEST(TeleportSim, ShowsNothingNewWhileItsTimeStandsStill) {
  const Folder folder;
  const std::string now = format_rfc3339(system_clock().now());
  const Sim sim(folder, {"--now", now, "--rate", "1000", "--events", "100000", "--sessions", "0",
                         "--chunk-interval", "10"});
  const auto servable = [&] {
    return nlohmann::json::parse(sim.command("stats"))["servable"].get<std::uint64_t>();
  };
  EXPECT_EQ("ok", sim.command("freeze on"));
  const std::uint64_t frozen = servable();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(frozen, servable());
  EXPECT_EQ("ok", sim.command("freeze off"));
  for (int i = 0; i < 2000 && servable() == frozen; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LT(frozen, servable());
}

TEST(TeleportSim, ExportsEachEventOnceAndRecordsItAsServed) {
  const Folder folder;
  const Sim sim(folder, {});
  const auto events = export_all(sim);
  EXPECT_EQ(kEvents, static_cast<int>(events.size()));
  EXPECT_EQ(kEvents, static_cast<int>(ids_of(events).size()));
  std::map<std::string, nlohmann::json> recorded;
  for (const auto& line : sim.record()) recorded[line["id"]] = line["body"];
  ASSERT_EQ(events.size(), recorded.size());
  std::set<std::string> types;
  int without_uid = 0;
  for (const auto& event : events) {
    const auto& body = recorded[event.id()];
    types.insert(event.type());
    EXPECT_EQ(text_of(event, "time"), body["time"].get<std::string>());
    std::string json;
    ASSERT_TRUE(google::protobuf::util::MessageToJsonString(event.unstructured(), &json).ok());
    EXPECT_EQ(body, nlohmann::json::parse(json));
    const auto time = parse_rfc3339(text_of(event, "time"));
    ASSERT_TRUE(time.has_value()) << text_of(event, "time");
    EXPECT_EQ(time->seconds, event.time().seconds());
    EXPECT_EQ(static_cast<int>(time->nanos), event.time().nanos());
    if (!body.contains("uid")) ++without_uid;
  }
  EXPECT_GE(types.size(), 20U);
  EXPECT_GT(without_uid, 0);
}

TEST(TeleportSim, ResumesStrictlyBehindACursorAndRefusesUnknownChunks) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::int64_t day = kBaseSeconds - 86'400;
  const auto chunks = list_chunks(sim, day);
  ASSERT_GE(chunks.messages.size(), 2U);
  const std::string name = chunks.messages[0].chunk();
  const auto all = export_chunk(sim, day, name, "");
  ASSERT_GT(all.messages.size(), 10U);
  const auto rest = export_chunk(sim, day, name, all.messages[6].cursor());
  ASSERT_EQ(all.messages.size() - 7, rest.messages.size());
  EXPECT_EQ(all.messages[7].event().id(), rest.messages[0].event().id());
  EXPECT_TRUE(export_chunk(sim, day, name, all.messages.back().cursor()).messages.empty());
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT,
            export_chunk(sim, day, name, "b1:3").status.error_code());
  EXPECT_EQ(grpc::StatusCode::NOT_FOUND,
            export_chunk(sim, day, "no-such-chunk", "").status.error_code());
  EXPECT_EQ(grpc::StatusCode::NOT_FOUND,
            export_chunk(sim, kBaseSeconds, name, "").status.error_code());
  const auto future = list_chunks(sim, kBaseSeconds + 3650 * 86'400LL);
  EXPECT_TRUE(future.status.ok());
  EXPECT_TRUE(future.messages.empty());
}

TEST(TeleportSim, SearchesInOrderOfTimeAndIdInPagesOfOneMebibyte) {
  const Folder folder;
  const Sim sim(folder, {"--mode", "search"});
  const auto events = search_all(sim, whole_window());
  EXPECT_EQ(kEvents, static_cast<int>(events.size()));
  int same_time = 0;
  std::size_t largest = 0;
  for (std::size_t i = 1; i < events.size(); ++i) {
    const auto key = [&](std::size_t at) {
      return std::tuple(events[at].time().seconds(), events[at].time().nanos(), events[at].id());
    };
    EXPECT_LT(key(i - 1), key(i));
    if (text_of(events[i - 1], "time") == text_of(events[i], "time")) ++same_time;
    largest = std::max(largest, events[i].ByteSizeLong());
  }
  EXPECT_GT(same_time, 0);
  EXPECT_GT(largest, 200'000U);
  EXPECT_EQ(grpc::StatusCode::UNIMPLEMENTED, list_chunks(sim, kBaseSeconds).status.error_code());
  EXPECT_EQ(grpc::StatusCode::UNIMPLEMENTED,
            export_chunk(sim, kBaseSeconds, "x", "").status.error_code());
}

TEST(TeleportSim, AcceptsAPageKeyOnlyInTheWindowItWasMadeFor) {
  const Folder folder;
  const Sim sim(folder, {"--mode", "search"});
  auditlog::EventsUnstructured page;
  auto request = whole_window();
  request.set_limit(10);
  ASSERT_TRUE(search(sim, request, &page).ok());
  ASSERT_EQ(10, page.items_size());
  request.set_start_key(page.last_key());
  request.set_limit(20);  // another limit is another page, not another window
  EXPECT_TRUE(search(sim, request, &page).ok());
  auto other_window = request;
  other_window.mutable_end_date()->set_seconds(kBaseSeconds);
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT, search(sim, other_window, &page).error_code());
  auto other_types = request;
  other_types.add_event_types("exec");
  EXPECT_EQ("invalid key format", search(sim, other_types, &page).error_message());
  request.set_start_key("made up");
  EXPECT_EQ("invalid key format", search(sim, request, &page).error_message());
}

TEST(TeleportSim, HonoursTypesLimitsAndInclusiveBounds) {
  const Folder folder;
  const Sim sim(folder, {"--mode", "search"});
  auto request = whole_window();
  request.add_event_types("session.upload");
  const auto uploads = search_all(sim, request);
  ASSERT_EQ(kSessions, static_cast<int>(uploads.size()));
  EXPECT_EQ("T2005I", text_of(uploads[0], "code"));
  EXPECT_EQ(2147483647, uploads[0].index());
  *request.mutable_start_date() = uploads[1].time();
  *request.mutable_end_date() = uploads[1].time();
  EXPECT_EQ(1U, search_all(sim, request).size());
  auditlog::EventsUnstructured page;
  auto unlimited = whole_window();
  unlimited.set_limit(10'001);
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT, search(sim, unlimited, &page).error_code());
  unlimited.set_limit(0);
  ASSERT_TRUE(search(sim, unlimited, &page).ok());
  EXPECT_EQ(500, page.items_size());
  unlimited.set_order(auditlog::ORDER_DESCENDING_UNSPECIFIED);
  auto downwards = search_all(sim, unlimited);
  std::reverse(downwards.begin(), downwards.end());
  const auto upwards = search_all(sim, whole_window());
  ASSERT_EQ(upwards.size(), downwards.size());
  for (std::size_t i = 0; i < upwards.size(); ++i) EXPECT_EQ(upwards[i].id(), downwards[i].id());
}

TEST(TeleportSim, StreamsRecordingsFromAnIndexOnAndDoesNotFindOthers) {
  const Folder folder;
  const Sim sim(folder, {});
  auto request = whole_window();
  request.add_event_types("session.upload");
  const std::string sid = text_of(search_all(sim, request).at(0), "sid");
  const auto whole = stream_session(sim, sid, 0);
  ASSERT_TRUE(whole.status.ok());
  ASSERT_EQ(kEventsPerSession, static_cast<int>(whole.messages.size()));
  EXPECT_EQ("session.start", whole.messages.front().type());
  EXPECT_EQ("session.end", whole.messages.back().type());
  int prints = 0;
  for (const auto& event : whole.messages) {
    EXPECT_EQ(sid, text_of(event, "sid"));
    if (event.type() == "print" && !text_of(event, "data").empty()) ++prints;
  }
  EXPECT_GT(prints, 0);
  const auto tail = stream_session(sim, sid, 5);
  ASSERT_EQ(whole.messages.size() - 5, tail.messages.size());
  EXPECT_EQ(whole.messages[5].id(), tail.messages[0].id());
  EXPECT_EQ(grpc::StatusCode::NOT_FOUND, stream_session(sim, "no-such", 0).status.error_code());
  EXPECT_EQ("ok", sim.command("hide-recordings on"));
  EXPECT_EQ(grpc::StatusCode::NOT_FOUND, stream_session(sim, sid, 0).status.error_code());
}

TEST(TeleportSim, FailsOnceWhereTheTestAsksForIt) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::string name = list_chunks(sim, kBaseSeconds).messages.at(0).chunk();
  ASSERT_EQ("ok", sim.command("fail-after 3 Unavailable"));
  EXPECT_TRUE(list_chunks(sim, kBaseSeconds).status.ok());
  const auto failed = export_chunk(sim, kBaseSeconds, name, "");
  EXPECT_EQ(3U, failed.messages.size());
  EXPECT_EQ(grpc::StatusCode::UNAVAILABLE, failed.status.error_code());
  EXPECT_TRUE(export_chunk(sim, kBaseSeconds, name, "").status.ok());
  ASSERT_EQ("ok", sim.command("fail-after 1 ResourceExhausted search"));
  auditlog::EventsUnstructured page;
  EXPECT_TRUE(search(sim, whole_window(), &page).ok());
  EXPECT_EQ(grpc::StatusCode::RESOURCE_EXHAUSTED, search(sim, whole_window(), &page).error_code());
  EXPECT_TRUE(search(sim, whole_window(), &page).ok());
  ASSERT_EQ("ok", sim.command("fail-after 0 Internal chunks"));
  EXPECT_EQ(grpc::StatusCode::INTERNAL, list_chunks(sim, kBaseSeconds).status.error_code());
  ASSERT_EQ("ok", sim.command("unimplemented export on"));
  EXPECT_EQ(grpc::StatusCode::UNIMPLEMENTED, list_chunks(sim, kBaseSeconds).status.error_code());
  ASSERT_EQ("ok", sim.command("unimplemented export off"));
  EXPECT_TRUE(list_chunks(sim, kBaseSeconds).status.ok());
  EXPECT_TRUE(sim.command("dance").starts_with("error"));
  EXPECT_TRUE(sim.command("fail-after 3 Nonsense").starts_with("error"));
}

TEST(TeleportSim, AddsLateChunksNewEventsAndSessions) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::int64_t day = kBaseSeconds - 86'400;
  const std::size_t before = list_chunks(sim, day).messages.size();
  const std::string date = format_day(day_of(Timestamp{day, 0}));
  ASSERT_EQ("ok", sim.command("late-chunk " + date + " 5"));
  EXPECT_EQ(before + 1, list_chunks(sim, day).messages.size());
  EXPECT_EQ(kEvents + 5U, search_all(sim, whole_window()).size());
  ASSERT_EQ("ok", sim.command("add 7"));
  const Timestamp now = system_clock().now();
  std::size_t added = 0;
  // Midnight may have passed between the command and now.
  for (const std::int64_t seconds : {now.seconds, now.seconds - 86'400}) {
    for (const auto& chunk : list_chunks(sim, seconds).messages) {
      added += export_chunk(sim, seconds, chunk.chunk(), "").messages.size();
    }
  }
  EXPECT_EQ(7U, added);
  const std::string answer = sim.command("add-session 4");
  ASSERT_TRUE(answer.starts_with("ok "));
  EXPECT_EQ(4U, stream_session(sim, answer.substr(3), 0).messages.size());
}

TEST(TeleportSim, ServesTheSameAfterAKillAndContinuesItsRecord) {
  const Folder folder;
  std::vector<auditlog::EventUnstructured> first;
  {
    Sim sim(folder, {});
    first = export_all(sim);
    sim.stop(SIGKILL);
    EXPECT_EQ(first.size(), sim.record().size());
  }
  // As if the kill had come in the middle of a line.
  std::ofstream(folder.path("record"), std::ios::app) << R"({"lane":"aud)";
  Sim again(folder, {});
  EXPECT_EQ(ids_of(first), ids_of(export_all(again)));
  EXPECT_EQ(first.size(), again.record().size());
  again.stop(SIGTERM);
  EXPECT_EQ(0, again.status());
}

TEST(TeleportSim, MakesEventsAppearAtARate) {
  const Folder folder;
  const Timestamp start = system_clock().now();
  const Sim sim(folder, {"--now", format_rfc3339(start), "--rate", "2000", "--events", "600",
                         "--chunk-interval", "50", "--sessions", "0"});
  auto request = whole_window();
  request.mutable_start_date()->set_seconds(start.seconds - 1);
  request.mutable_end_date()->set_seconds(start.seconds + 3600);
  std::set<std::string> seen;
  std::map<std::string, std::size_t> chunks;
  // Until all have appeared, both in the search and in chunks.
  std::size_t exported = 0;
  while (seen.size() < 600 || exported < 600) {
    for (const std::string& id : ids_of(search_all(sim, request))) seen.insert(id);
    for (const std::int64_t seconds : {start.seconds, start.seconds + 86'400}) {
      for (const auto& chunk : list_chunks(sim, seconds).messages) {
        const auto events = export_chunk(sim, seconds, chunk.chunk(), "");
        const auto [known, is_new] = chunks.emplace(chunk.chunk(), events.messages.size());
        EXPECT_EQ(known->second, events.messages.size()) << "a listed chunk never changes";
        if (is_new) exported += events.messages.size();
      }
    }
  }
  EXPECT_EQ(600U, seen.size());
  EXPECT_EQ(600U, exported);
  EXPECT_GT(chunks.size(), 2U);
}

TEST(TeleportSim, ServesEventsOfAFile) {
  const Folder folder;
  std::ofstream(folder.path("events")) << R"({"event":"exec","time":"2026-03-09T10:00:00.5Z",)"
                                          R"("uid":"u1","deep":{"n":-1.5e300,"l":[null,true]}})"
                                       << '\n'
                                       << R"({"event":"scp","time":"2026-03-09T11:00:00Z"})" << '\n'
                                       << R"({"event":"scp","time":"2026-03-09T11:00:00Z"})" << '\n'
                                       << R"({"event":"exec","time":"2026-03-09T12:00:00Z",)"
                                          R"("uid":"u1"})"
                                       << '\n';
  const Sim sim(folder, {"--events-file", folder.path("events"), "--sessions", "0"});
  const auto events = search_all(sim, whole_window());
  ASSERT_EQ(3U, events.size());
  EXPECT_EQ("u1", events[0].id());
  EXPECT_EQ(500'000'000, events[0].time().nanos());
  const auto& deep = events[0].unstructured().fields().at("deep").struct_value().fields();
  EXPECT_EQ(-1.5e300, deep.at("n").number_value());
  EXPECT_EQ(64U, events[1].id().size());
  EXPECT_NE("u1", events[2].id());
  EXPECT_EQ(text_of(events[2], "uid"), events[2].id());
}

TEST(TeleportSim, RefusesCallsAboveItsRateLimit) {
  const Folder folder;
  const Sim sim(folder, {});
  ASSERT_EQ("ok", sim.command("rate-limit 2"));
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    const auto code = list_chunks(sim, kBaseSeconds).status.error_code();
    if (code == grpc::StatusCode::RESOURCE_EXHAUSTED) ++refused;
  }
  EXPECT_GT(refused, 2);
  ASSERT_EQ("ok", sim.command("rate-limit 0"));
  EXPECT_TRUE(list_chunks(sim, kBaseSeconds).status.ok());
}

TEST(TeleportSim, LeavesWithAGoodbyeLetsCallsFinishAndComesBackOnItsPort) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::string name = list_chunks(sim, kBaseSeconds).messages.at(0).chunk();
  const std::size_t events = export_chunk(sim, kBaseSeconds, name, "").messages.size();
  const std::string port = read_text(folder.path("port"));
  ASSERT_EQ("ok", sim.command("slow 2"));
  grpc::ClientContext context;
  auditlog::ExportUnstructuredEventsRequest request;
  request.mutable_date()->set_seconds(kBaseSeconds);
  request.set_chunk(name);
  auto reader = sim.audit_log->ExportUnstructuredEvents(&context, request);
  auditlog::ExportEventUnstructured message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_EQ("ok", sim.command("goaway 60000"));
  std::size_t received = 1;
  while (reader->Read(&message)) ++received;
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(events, received);
  grpc::ClientContext ping_context;
  ping_context.set_wait_for_ready(true);
  proto::PingResponse pong;
  EXPECT_TRUE(sim.auth->Ping(&ping_context, {}, &pong).ok());
  EXPECT_EQ(port, read_text(folder.path("port")));
}

TEST(TeleportSim, SaysGoodbyeToConnectionsThatAreOldEnough) {
  const Folder folder;
  const Sim sim(folder, {});
  const auto is_there = [&] {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    proto::PingResponse pong;
    return sim.auth->Ping(&context, {}, &pong).ok();
  };
  const auto channel = sim.channel("client", "client");
  ASSERT_EQ("ok", sim.command("connection-age 100"));
  ASSERT_TRUE(is_there());
  ASSERT_TRUE(
      channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::minutes(1)));
  // A channel without calls that is told to go away does not connect again by itself.
  EXPECT_TRUE(channel->WaitForStateChange(
      GRPC_CHANNEL_READY, std::chrono::system_clock::now() + std::chrono::minutes(1)));
  EXPECT_TRUE(is_there());
}

TEST(TeleportSim, CutsOffCallsThatItsGoodbyeLeavesNoTimeFor) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::string name = list_chunks(sim, kBaseSeconds).messages.at(0).chunk();
  ASSERT_EQ("ok", sim.command("slow 1000"));
  std::jthread leaving([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    sim.command("goaway 0");
  });
  EXPECT_FALSE(export_chunk(sim, kBaseSeconds, name, "").status.ok());
}

TEST(TeleportSim, SendsAwayAClientThatPingsMoreOftenThanOnceAMinute) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::string name = list_chunks(sim, kBaseSeconds).messages.at(0).chunk();
  grpc::ChannelArguments often;
  often.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 50);
  often.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  const auto audit_log =
      auditlog::AuditLogService::NewStub(sim.channel("client", "client", std::move(often)));
  ASSERT_EQ("ok", sim.command("slow 20000"));
  grpc::ClientContext context;
  auditlog::ExportUnstructuredEventsRequest request;
  request.mutable_date()->set_seconds(kBaseSeconds);
  request.set_chunk(name);
  const auto received = drain(audit_log->ExportUnstructuredEvents(&context, request));
  EXPECT_EQ(grpc::StatusCode::UNAVAILABLE, received.status.error_code());
}

TEST(TeleportSim, EndsPagesWhereItLikesWithoutLossOrRepetition) {
  const Folder folder;
  const Sim sim(folder, {"--mode", "search"});
  ASSERT_EQ("ok", sim.command("page-edges on"));
  auto request = whole_window();
  auditlog::EventsUnstructured page;
  std::vector<auditlog::EventUnstructured> events;
  int empty = 0;
  int short_ones = 0;
  do {
    ASSERT_TRUE(search(sim, request, &page).ok());
    EXPECT_NE(page.last_key(), page.items_size() == 0 ? request.start_key() : "-");
    if (page.items_size() == 0) ++empty;
    if (page.items_size() == 1 && !page.last_key().empty()) ++short_ones;
    events.insert(events.end(), page.items().begin(), page.items().end());
    request.set_start_key(page.last_key());
  } while (!page.last_key().empty());
  EXPECT_GT(empty, 0);
  EXPECT_GT(short_ones, 0);
  EXPECT_EQ(kEvents, static_cast<int>(events.size()));
  EXPECT_EQ(kEvents, static_cast<int>(ids_of(events).size()));
}

TEST(TeleportSim, GivesSomeEventsTwiceAndRecordsThemOnce) {
  const Folder folder;
  const Sim sim(folder, {});
  ASSERT_EQ("ok", sim.command("duplicates on"));
  const auto exported = export_all(sim);
  EXPECT_GT(exported.size(), kEvents + kEvents / 10U);
  EXPECT_EQ(kEvents, static_cast<int>(ids_of(exported).size()));
  const auto found = search_all(sim, whole_window());
  EXPECT_GT(found.size(), kEvents + kEvents / 10U);
  EXPECT_EQ(ids_of(exported), ids_of(found));
  EXPECT_EQ(kEvents, static_cast<int>(sim.record().size()));
}

TEST(TeleportSim, ForgetsTheKeysAndCursorsThatItHasGivenOut) {
  const Folder folder;
  const Sim sim(folder, {});
  const std::string name = list_chunks(sim, kBaseSeconds).messages.at(0).chunk();
  const std::string cursor = export_chunk(sim, kBaseSeconds, name, "").messages.at(0).cursor();
  auditlog::EventsUnstructured page;
  auto request = whole_window();
  request.set_limit(10);
  ASSERT_TRUE(search(sim, request, &page).ok());
  request.set_start_key(page.last_key());
  ASSERT_EQ("ok", sim.command("forget-keys"));
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT, search(sim, request, &page).error_code());
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT,
            export_chunk(sim, kBaseSeconds, name, cursor).status.error_code());
}

TEST(TeleportSim, AddsLateEventsLargeEventsAndRecordingsThatComeLateOrNever) {
  const Folder folder;
  const Sim sim(folder, {"--mode", "search", "--events", "0", "--sessions", "0"});
  const std::int64_t now = system_clock().now().seconds;
  ASSERT_EQ("ok", sim.command("late-event 100 3"));
  auto request = whole_window();
  request.mutable_start_date()->set_seconds(now - 110);
  request.mutable_end_date()->set_seconds(now - 50);
  EXPECT_EQ(3U, search_all(sim, request).size());
  ASSERT_EQ("ok", sim.command("add-large 3000000"));
  request.mutable_start_date()->set_seconds(now - 10);
  request.mutable_end_date()->set_seconds(now + 3600);
  auditlog::EventsUnstructured page;
  ASSERT_TRUE(search(sim, request, &page).ok());
  ASSERT_EQ(1, page.items_size());
  EXPECT_GT(page.ByteSizeLong(), 3'000'000U);
  const auto sid_of = [&](const std::string& line) { return sim.command(line).substr(3); };
  const std::string late = sid_of("add-session 4 1");
  const std::string never = sid_of("add-session 5 never");
  EXPECT_EQ(grpc::StatusCode::NOT_FOUND, stream_session(sim, late, 0).status.error_code());
  for (int i = 0; i < 500 && !stream_session(sim, late, 0).status.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(4U, stream_session(sim, late, 0).messages.size());
  EXPECT_EQ(grpc::StatusCode::NOT_FOUND, stream_session(sim, never, 0).status.error_code());
  // Three late ones, a large one, two announcements, and the recording that came.
  EXPECT_EQ(10, nlohmann::json::parse(sim.command("stats"))["servable"]);
}

}  // namespace
}  // namespace sluice
