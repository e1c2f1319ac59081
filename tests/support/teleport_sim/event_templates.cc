#include "tests/support/teleport_sim/event_templates.h"

#include <array>
#include <span>

namespace sluice::teleport_sim {
namespace {

struct Source {
  const char* type;
  const char* code;
  const char* shape;
};

constexpr std::array kAuditSources = {
    Source{"user.login", "T1000I", R"({"user":"$user","method":"local","success":true,
      "addr.remote":"$addr","user_agent":"$text","mfa_device":{"mfa_device_name":"$word",
      "mfa_device_type":"WebAuthn","mfa_device_uuid":"$uuid"},"required_private_key_policy":""})"},
    Source{"user.login", "T1000W", R"({"user":"$user","method":"saml","success":false,
      "addr.remote":"$addr","error":"$text","message":"$text","attributes":{"groups":["$word",
      "$word"],"email":null}})"},
    Source{"session.start", "T2000I", R"({"user":"$user","login":"$login","sid":"$uuid",
      "server_id":"$uuid","server_hostname":"$host","server_labels":{"env":"$word","zone":"$word",
      "kernel":"$text"},"addr.remote":"$addr","size":"80:25","initial_command":[],"proto":"ssh",
      "namespace":"default","private_key_policy":"none","session_recording":"node"})"},
    Source{"session.end", "T2004I", R"({"user":"$user","login":"$login","sid":"$uuid",
      "server_id":"$uuid","participants":["$user","$user"],"interactive":"$bool",
      "enhanced_recording":"$bool","session_start":"2026-01-02T03:04:05.000000006Z",
      "session_stop":"2026-01-02T03:05:05Z","server_hostname":"$host","namespace":"default"})"},
    Source{"session.leave", "T2003I", R"({"user":"$user","sid":"$uuid","server_id":"$uuid"})"},
    Source{"session.join", "T2001I", R"({"user":"$user","sid":"$uuid","login":"$login",
      "addr.remote":"$addr","participants":[]})"},
    Source{"session.data", "T2006I", R"({"user":"$user","sid":"$uuid","rx":"$big","tx":"$int",
      "addr.local":"$addr","addr.remote":"$addr","server_id":"$uuid"})"},
    Source{"exec", "T3002I", R"({"user":"$user","login":"$login","command":"$text","exitCode":"0",
      "addr.local":"$addr","addr.remote":"$addr","proto":"ssh","sid":"$uuid",
      "namespace":"default"})"},
    Source{"exec", "T3002E", R"({"user":"$user","login":"$login","command":"$text",
      "exitCode":"127","exitError":"$text","kubernetes_cluster":"$word",
      "kubernetes_pod_name":"$host","proto":"kube"})"},
    Source{"scp", "T3005I", R"({"user":"$user","login":"$login","path":"$path","action":"upload",
      "exitCode":"0","addr.remote":"$addr","command":"scp -r $HOME/\"quoted\"\\back"})"},
    Source{"sftp", "TS001I", R"({"user":"$user","path":"$path","target_path":"$path","flags":577,
      "attributes":{"file_size":"$big","permissions":420,"access_time":null,"offset":"$negative"},
      "working_directory":"$path","action":2,"error":""})"},
    Source{"cert.create", "TC000I", R"({"cert_type":"user","identity":{"user":"$user","roles":[
      "access","editor","$word"],"logins":["$login","-teleport-internal-join"],
      "expires":"2026-11-24T02:58:41.123456Z","route_to_cluster":"$word",
      "traits":{"logins":["$login"],
      "kubernetes_groups":null,"aws_role_arns":[],"db_names":["*"]},"teleport_cluster":"$word",
      "client_ip":"$addr","prev_identity_expires":"0001-01-01T00:00:00Z","generation":"$int",
      "private_key_policy":"none"},"user_agent":"tbot/17.4.2"})"},
    Source{"db.session.start", "TDB00I", R"({"user":"$user","db_service":"$word",
      "db_protocol":"postgres","db_uri":"$host:5432","db_name":"$word","db_user":"$login",
      "db_labels":{"env":"$word","team":"$text"},"sid":"$uuid","success":true})"},
    Source{"db.session.query", "TDB02I", R"({"user":"$user","db_service":"$word",
      "db_protocol":"postgres","db_name":"$word","db_user":"$login","db_query":"$text",
      "db_query_parameters":["$text","$text",""],"sid":"$uuid","success":"$bool"})"},
    Source{"db.session.end", "TDB01I", R"({"user":"$user","db_service":"$word","sid":"$uuid",
      "db_protocol":"mysql","participants":["$user"]})"},
    Source{"db.session.mysql.statements.execute", "TMY01I", R"({"user":"$user","sid":"$uuid",
      "statement_id":"$int","parameters":["$text","$fraction","$negative",null,true,[],{}]})"},
    Source{"db.session.dynamodb.request", "TDY01I", R"({"user":"$user","status_code":200,
      "target":"DynamoDB_20120810.Scan","method":"POST","path":"","raw_query":"",
      "body":{"TableName":"$word","Limit":"$int","ExclusiveStartKey":{"id":{"N":"$int"},
      "deep":[[["$text"]],{"a":{"b":{"c":{"d":{"e":"$fraction"}}}}}]}}})"},
    Source{"access_request.create", "T5000I", R"({"id":"$uuid","user":"$user","state":"PENDING",
      "roles":["$word","$word","$word"],"reason":"$text","resource_ids":[{"cluster":"$word",
      "kind":"node","name":"$uuid"}],"max_duration":"0001-01-01T00:00:00Z","expires":""})"},
    Source{"access_request.review", "T5002I", R"({"id":"$uuid","reviewer":"$user",
      "proposed_state":"APPROVED","state":"APPROVED","reason":"$text","annotations":{}})"},
    Source{"kube.request", "T3009I", R"({"user":"$user","login":"$login","verb":"GET",
      "request_path":"$path","kubernetes_cluster":"$word","kubernetes_groups":["system:masters"],
      "kubernetes_users":["$user"],"resource_api_group":"core/v1","resource_kind":"pods",
      "response_code":"$int","kubernetes_labels":{"teleport.internal/resource-id":"$uuid"}})"},
    Source{"app.session.start", "T2007I", R"({"user":"$user","sid":"$uuid","app_name":"$word",
      "app_public_addr":"$host","app_uri":"http://$host/?q=<a>&b='c'","public_addr":"$host",
      "app_labels":{"":"$word","ключ":"значение","鍵":"値"}})"},
    Source{"app.session.chunk", "T2008I", R"({"user":"$user","sid":"$uuid",
      "session_chunk_id":"$uuid","app_name":"$word"})"},
    Source{"lock.created", "TLK00I", R"({"name":"$uuid","user":"$user","target":{"user":"$user"},
      "expires":"0001-01-01T00:00:00Z","updated_by":"$user"})"},
    Source{"role.created", "T9000I",
           R"({"name":"$word","user":"$user","expires":"2026-11-24T00:00:00Z",
      "role":{"allow":{"logins":["{{internal.logins}}"],"node_labels":{"*":["*"]}},
      "options":{"max_session_ttl":30.5,"forward_agent":false,"port_forwarding":null}}})"},
    Source{"bot.join", "TJ001I", R"({"bot_name":"$word","method":"kubernetes","success":"$bool",
      "token_name":"$word","attributes":{"kubernetes":{"namespace":"$word","generation":"$big",
      "temperature":"$fraction","balance":"$negative"}}})"},
    Source{"windows.desktop.session.start", "TDP00I", R"({"user":"$user","sid":"$uuid",
      "desktop_addr":"$addr","windows_domain":"$word","windows_user":"$text","desktop_labels":
      {"teleport.dev/os":"Windows Server 2022"},"success":true,"allow_user_creation":"$bool"})"},
    Source{"desktop.clipboard.receive", "TDP03I", R"({"user":"$user","sid":"$uuid","length":"$int",
      "desktop_addr":"$addr"})"},
    Source{"user.update", "T1003I", R"({"name":"$user","user":"$user","expires":111111,
      "roles":["$word"],"connector":"local","traits":null})"},
};

constexpr std::array kRecordingSources = {
    Source{"resize", "T2002I", R"({"user":"$user","login":"$login","size":"132:43",
      "namespace":"default"})"},
    Source{"session.command", "T4000I", R"({"user":"$user","login":"$login","program":"$word",
      "path":"$path","argv":["$text","-v",""],"pid":"$int","ppid":"$int","return_code":"$negative",
      "cgroup_id":"$big"})"},
    Source{"session.disk", "T4001I",
           R"({"user":"$user","login":"$login","path":"$path","flags":2100000,
      "program":"$word","pid":"$int","return_code":0})"},
    Source{"session.network", "T4002I", R"({"user":"$user","login":"$login","dst_addr":"$addr",
      "dst_port":443,"src_addr":"$addr","version":4,"operation":0,"action":0})"},
};

std::vector<EventTemplate> parse(std::span<const Source> sources) {
  std::vector<EventTemplate> templates;
  for (const Source& source : sources) {
    templates.push_back({source.type, source.code, nlohmann::json::parse(source.shape)});
  }
  return templates;
}

}  // namespace

const std::vector<EventTemplate>& audit_templates() {
  static const std::vector<EventTemplate> templates = parse(kAuditSources);
  return templates;
}

const std::vector<EventTemplate>& recording_templates() {
  static const std::vector<EventTemplate> templates = parse(kRecordingSources);
  return templates;
}

}  // namespace sluice::teleport_sim
