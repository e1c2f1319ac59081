// The one table of the kinds of messages that the daemons log at info and above: name, level, id,
// and what the reader is to do. docs/messages.md is made from it and from the sentences in the
// sources by "./dev messages", and a test compares them.
//
// A new message: a kind here, with an id of its own (from uuidgen, without the dashes), the call of
// log_message(), "./dev messages". Names and ids are what people's filters and alarms go by: they
// are never changed or used anew.
#ifndef SLUICE_COMMON_MESSAGE_KINDS_H_
#define SLUICE_COMMON_MESSAGE_KINDS_H_

#include "common/message_kind.h"

namespace sluice::message {

// ## Both daemons

inline constexpr MessageKind kStarting{"starting", LogLevel::kInfo,
                                       "bdeb1913aa854f9b9145734fc6a0974a", "nothing"};
inline constexpr MessageKind kStopped{"stopped", LogLevel::kInfo,
                                      "5ff28061cbf840308f812b295292a31d",
                                      "nothing, if you or systemd stopped it"};
inline constexpr MessageKind kStopping{
    "stopping", LogLevel::kInfo, "a22efe5fb173491faef50858fb08dff7",
    "wait: what is in flight is finished first. A second signal ends it at once, by which "
    "some events may be sent again"};
inline constexpr MessageKind kEndingAtOnce{"ending-at-once", LogLevel::kWarn,
                                           "1728ce2ebe4040c0ad696105f731c688",
                                           "nothing; some events may be sent again"};
inline constexpr MessageKind kFailed{
    "failed", LogLevel::kError, "1fd30f4b17334c4b9daa73df217ba1c4",
    "do what the sentence says; below, it is listed with the others of its kind, and "
    "docs/exit-codes.md has what its exit status means"};
inline constexpr MessageKind kOver{
    "over", LogLevel::kInfo, "92763100123e4c278bb654df30e8721d",
    "nothing: the trouble that SLUICE_CAUSE names is over; look at how often and how long it "
    "was"};
inline constexpr MessageKind kConfigWarning{
    "config-warning", LogLevel::kWarn, "13ec9aa6766645e98e240d9b86ec3966",
    "correct the setting that it names, or keep it, if that is meant so"};
inline constexpr MessageKind kConfigReloaded{"config-reloaded", LogLevel::kInfo,
                                             "cbb2e899470d48c9935220bce5358bc2", "nothing"};
inline constexpr MessageKind kConfigNotReloaded{
    "config-not-reloaded", LogLevel::kError, "8fcc0fa5d816450ba4ca09b8a094e860",
    "correct what the sentence names, and reload again; nothing has changed until then"};
inline constexpr MessageKind kConfigGivenUp{
    "config-given-up", LogLevel::kError, "dfca6053f00f48dcb98473f330e5ad60",
    "correct what the sentence names, and reload again; the configuration before is in use "
    "until then"};
inline constexpr MessageKind kStalled{
    "stalled", LogLevel::kError, "220092d371764e759f1c92d6ba42ccbe",
    "look at the disk (dmesg, free space, iostat); systemd ends the process if it stays so, "
    "and starts it anew, and nothing is lost. If the disk is in order, report a defect, with "
    "the log"};
inline constexpr MessageKind kProgressAgain{"progress-again", LogLevel::kInfo,
                                            "4ad7e4d07463494f99b14199c00e97f7",
                                            "look at the disk, which was slow"};
inline constexpr MessageKind kMetricsUnavailable{
    "metrics-unavailable", LogLevel::kError, "950bcd4954d7479b9b699b2cf4f14302",
    "free the port, or choose another one in [metrics]; events are fetched and sent all the same"};
inline constexpr MessageKind kMessagesLost{
    "messages-lost", LogLevel::kWarn, "1022f9446c0a48d4af07f7bca13e2c5b",
    "look at journald (systemctl status systemd-journald), which took nothing; no event is "
    "concerned"};

// ## sluice-fetcher: the queue

inline constexpr MessageKind kQueueOpened{"queue-opened", LogLevel::kInfo,
                                          "b1d9c18577524c788ef31611276ab117", "nothing"};
inline constexpr MessageKind kDiskLostEvents{
    "disk-lost-events", LogLevel::kError, "f8af9c0bcdbf466ea27322b7a01b9ef9",
    "nothing for the events, which are fetched again; the disk or its controller says that "
    "data is written when it is not: look at its write cache"};
inline constexpr MessageKind kQueueReopened{
    "queue-reopened", LogLevel::kError, "fbba3744a344402494af0a6dfefa6233",
    "look at what it says about the disk; nothing is lost, and fetching goes on by itself "
    "once the queue can be written to"};
inline constexpr MessageKind kQueueNotOpened{
    "queue-not-opened", LogLevel::kError, "3f2cacb994854551aee5fc0f19bcf475",
    "make room, or repair the disk, as the sentence says; it is tried again and again, and "
    "Teleport keeps the events"};
inline constexpr MessageKind kLanePaused{
    "lane-paused", LogLevel::kWarn, "dd8b0d410877465584d33e0fe04d203c",
    "find out why the shipper does not drain the queue (queuectl status), or give the queue "
    "more room (queue.max-size, queue.session-max-size, queue.min-free-disk); Teleport keeps "
    "the events, for as long as it keeps any"};
inline constexpr MessageKind kLaneGoesOn{"lane-goes-on", LogLevel::kInfo,
                                         "b37b612f7a564178844925ee52e118b2", "nothing"};
inline constexpr MessageKind kFetcherStatus{
    "fetcher-status", LogLevel::kInfo, "3440717c96bc4a12afab3683c40e84ff",
    "nothing: a line a minute; an age of \"read completely up to\" that grows is an alarm"};
inline constexpr MessageKind kFetchingFrom{
    "fetching-from", LogLevel::kInfo, "a0aa9740639e427c90fb886606acceb3",
    "nothing; if events before that are wanted, see \"Fetching again from a time on\" in "
    "docs/operations.md"};
inline constexpr MessageKind kFetchedAgain{
    "fetched-again", LogLevel::kWarn, "b36dd975717a41e3a58f9ec2852e25c7",
    "nothing, since --restart-from asked for it; the receiver gets events twice as it says"};
inline constexpr MessageKind kFetchingAgainGoesOn{
    "fetching-again-goes-on", LogLevel::kInfo, "d30e3b1ba57e4b4db3951ddfee48f6d8",
    "take --restart-from out of the command line: it has no more effect"};
inline constexpr MessageKind kStartTimeIgnored{
    "start-time-ignored", LogLevel::kWarn, "68a5666f4f6140afb3baf0337e1cdf85",
    "take start-time out of the configuration or set it to what is in use; to fetch again "
    "from another time on, do what the sentence says"};
inline constexpr MessageKind kPositionTakenOver{
    "position-taken-over", LogLevel::kInfo, "60f4006c80904c3f905b8d9e06e307da",
    "nothing; what comes twice is in docs/migration.md"};
inline constexpr MessageKind kPositionDamaged{
    "position-damaged", LogLevel::kWarn, "0c5cd4f9f45446e1aad2566a7930bd44",
    "nothing: what the file would have said is read again; look whether the disk is in order"};
inline constexpr MessageKind kPositionLeftOut{
    "position-left-out", LogLevel::kInfo, "df35d3dc5049438394515a88a675b0e9",
    "take storage out of the configuration: it has no effect on a queue that was begun"};
inline constexpr MessageKind kNoPosition{
    "no-position", LogLevel::kInfo, "da30ad9d86334592be51d5b73d6fdf1a",
    "nothing, if teleport-event-handler never ran; else correct storage or teleport.addr, and "
    "begin again with --restart-from"};
inline constexpr MessageKind kRecordingLeftOut{
    "recording-left-out", LogLevel::kWarn, "f29a44a48f2c41148105b54a44a6f2fb",
    "find out where that file of teleport-event-handler comes from; no recording has such an id"};
inline constexpr MessageKind kHandlerRunsAgain{
    "handler-runs-again", LogLevel::kWarn, "8ac92411a4c2465ab6d1f24cc23aa466",
    "stop teleport-event-handler: systemctl disable --now teleport-event-handler"};
inline constexpr MessageKind kLastSentUnknown{
    "last-sent-unknown", LogLevel::kWarn, "4625fc9675c047b083622e9162369906",
    "look at Teleport and at the identity, as for other calls that fail; it is tried for ever"};
inline constexpr MessageKind kLastSentFound{"last-sent-found", LogLevel::kInfo,
                                            "c833d1e4c22f4ea6b6d29178f58dc1b1", "nothing"};
inline constexpr MessageKind kLastSentGone{
    "last-sent-gone", LogLevel::kWarn, "935f2ea3188b4194b446214f500ca501",
    "nothing, if the receiver bears events twice; Teleport has deleted that event, or an old "
    "release gave it another id"};
inline constexpr MessageKind kRecordingNotFetched{
    "recording-not-fetched", LogLevel::kWarn, "8d8426fcfad94a6ebf70f5e356a2ba1a",
    "look at the event with queuectl peek: what Teleport has put there for the session is no "
    "id, and its recording, if there is one, is not exported"};

// ## sluice-fetcher: Teleport

inline constexpr MessageKind kNoConnection{
    "no-connection", LogLevel::kWarn, "5c80cdf6460e43f38c4c6dbdeade6726",
    "do what the sentence says; it is tried for ever, and Teleport keeps the events"};
inline constexpr MessageKind kConnected{"connected", LogLevel::kInfo,
                                        "0ded60d3481d414584ea2d322b17fe24", "nothing"};
inline constexpr MessageKind kIdentityPermissions{
    "identity-permissions", LogLevel::kWarn, "1977eecd07ee466da6fc5db7e84dc157",
    "chmod the file as the sentence says: who can read it can be this exporter towards "
    "Teleport"};
inline constexpr MessageKind kIdentityExpires{
    "identity-expires", LogLevel::kWarn, "8b2b5750085a4915a947f14cbef48496",
    "look at tbot (systemctl status tbot), or renew the identity with tctl auth sign; when it"
    " has expired, fetching stops until there is a new one"};
inline constexpr MessageKind kIdentityRenewed{"identity-renewed", LogLevel::kInfo,
                                              "e5badea75150498883baa01b2950b611", "nothing"};
inline constexpr MessageKind kIdentityNotRenewed{
    "identity-not-renewed", LogLevel::kWarn, "286be313a40b49b4bb3e15c310bf12ac",
    "look at the file and at what writes it (tbot); the old identity serves until it expires"};
inline constexpr MessageKind kApiUnknown{
    "api-unknown", LogLevel::kWarn, "264fb406e95b409babd2a932b4c31584",
    "do what the sentence says; it is tried for ever, and nothing is fetched before"};
inline constexpr MessageKind kReadingBegins{"reading-begins", LogLevel::kInfo,
                                            "4bd109ef4aae42af8691b84fffd700e0", "nothing"};
inline constexpr MessageKind kBulkExportFound{"bulk-export-found", LogLevel::kInfo,
                                              "34eba69439254397837c200d5b9ca636", "nothing"};
inline constexpr MessageKind kBulkExportGone{
    "bulk-export-gone", LogLevel::kWarn, "aa167a0440fe47e3a19360e1e3dff8ca",
    "nothing, if Teleport was changed to another version or backend; else look at its log"};
inline constexpr MessageKind kFirstDayInFuture{
    "first-day-in-future", LogLevel::kError, "d51e7f74266b47b6b5a9c0f36ee91c60",
    "set the clock right (timedatectl), and compare queuectl report with Teleport for the "
    "days before; what is missing is fetched by fetcher.backfill"};
inline constexpr MessageKind kListingFails{"listing-fails", LogLevel::kWarn,
                                           "3302f43cca474f0e85e4756164101883",
                                           "do what the sentence says; it is tried for ever"};
inline constexpr MessageKind kReadingFails{"reading-fails", LogLevel::kWarn,
                                           "ae9096e7e4764dfaa30125fb2febb598",
                                           "do what the sentence says; it is tried for ever"};
inline constexpr MessageKind kSearchFails{"search-fails", LogLevel::kWarn,
                                          "d5ecc445dde9498faca0ab43ea092809",
                                          "do what the sentence says; it is tried for ever"};
inline constexpr MessageKind kPageKeyFails{
    "page-key-fails", LogLevel::kWarn, "f4ec997e07804d1bb437a1d9ad0c98ae",
    "nothing: the window is searched again, and no event is queued twice; if it stays so, "
    "look at Teleport's log"};
inline constexpr MessageKind kChunkLost{
    "chunk-lost", LogLevel::kError, "69aee64333374ac2a57dcda3b03bd9ac",
    "find out from Teleport's storage whether the chunk is still there; fetcher.backfill "
    "fetches its day again once it is"};
inline constexpr MessageKind kEventLost{
    "event-lost", LogLevel::kError, "d8899d3619c04b71aca0614217f5c47a",
    "look at the event with queuectl peek, where it is kept as a reject; what is behind it in"
    " its chunk can come only from another way to Teleport's storage"};
inline constexpr MessageKind kRecordingFails{
    "recording-fails", LogLevel::kWarn, "c0df87e0fdb341309a8525283f7d6695",
    "do what the sentence says; it is tried for ever, and audit events go on"};
inline constexpr MessageKind kRecordingGivenUp{
    "recording-given-up", LogLevel::kError, "bf48a52dd7c345a78bfb3924aed825a6",
    "look whether tsh play can show the session; if Teleport has it, report the sentence: it "
    "is not tried again"};
inline constexpr MessageKind kBackfillBegins{"backfill-begins", LogLevel::kInfo,
                                             "5a0c4b67921f41e3b46280aafb44be90", "nothing"};
inline constexpr MessageKind kBackfillRepeats{
    "backfill-repeats", LogLevel::kWarn, "d62a066866d54a358c77372bb36b105e",
    "nothing, if the receiver bears events twice; else take the span out of fetcher.backfill"};
inline constexpr MessageKind kBackfillDone{
    "backfill-done", LogLevel::kInfo, "dc4f57242c0a42338263fca89ab0eb23",
    "take the span out of fetcher.backfill; it has no more effect"};
inline constexpr MessageKind kUserLocked{
    "user-locked", LogLevel::kWarn, "dbb76ad0c1244f088a254dc1ad053c56",
    "find out who tried to log in; tctl get locks shows the lock, and tctl rm takes it away"};
inline constexpr MessageKind kUserNotLocked{
    "user-not-locked", LogLevel::kError, "e1f269a19fff4690968ba3ad422d348c",
    "lock the user by hand (tctl lock), if that is still wanted"};
inline constexpr MessageKind kUserLockFails{
    "user-lock-fails", LogLevel::kError, "0fdb0b5073c54d4bb67b2c6c1a30dddd",
    "look at whether the role of the identity may create locks; it is tried for as long as it"
    " makes sense"};
inline constexpr MessageKind kDryRun{"dry-run", LogLevel::kInfo, "6897507b2fe74a58a4501befd4a5f0e7",
                                     "nothing"};
inline constexpr MessageKind kDryRunReject{
    "dry-run-reject", LogLevel::kWarn, "dcb5d407e38443daae48832371206722",
    "nothing; the event would become a dead letter of the shipper"};

// ## sluice-shipper: the queue

inline constexpr MessageKind kWaitingForQueue{
    "waiting-for-queue", LogLevel::kInfo, "091cfcab56c34aa58b0a11808137d5f3",
    "start the fetcher, if it never ran; it is tried for ever"};
inline constexpr MessageKind kShipping{"shipping", LogLevel::kInfo,
                                       "b3ac6d4df64b46519ce87d65f8b45b41", "nothing"};
inline constexpr MessageKind kPositionsHeld{"positions-held", LogLevel::kInfo,
                                            "cb9b8a82042d42b89d1c7f339fd6ce3e",
                                            "nothing: the fetcher opened the queue anew"};
inline constexpr MessageKind kRecordsLost{
    "records-lost", LogLevel::kWarn, "468981dcb2834ac086a4cab2dca6c23d",
    "nothing for the events, which are fetched and shipped again; the disk has lost what it "
    "said was written: look at its write cache"};
inline constexpr MessageKind kDrained{"drained", LogLevel::kInfo,
                                      "9cce1feb6be6437595498d15e0b1098b", "nothing"};
inline constexpr MessageKind kShipperStatus{"shipper-status", LogLevel::kInfo,
                                            "c7f32060177748af967de4b2e7a744d6",
                                            "nothing: a line a minute"};
inline constexpr MessageKind kDeliveryReopened{
    "delivery-reopened", LogLevel::kError, "97b60165101e4337a52ae2cb369bf73d",
    "look at what it says about the disk; nothing is lost, and sending goes on by itself once"
    " the delivery store can be written to"};
inline constexpr MessageKind kControlUnreachable{
    "control-unreachable", LogLevel::kError, "671dfbe6e5744454b6ac2004493a59fd",
    "correct what the sentence names and restart the shipper; sending goes on, and only "
    "queuectl's changes do not work"};

// ## sluice-shipper: sending

inline constexpr MessageKind kEventsWait{
    "events-wait", LogLevel::kWarn, "36d0214a4c534a16bba86658f9cf1fbb",
    "do what the sentence says (docs/shipping.md has what each answer leads to); the events "
    "stay in the queue, and it is tried for ever"};
inline constexpr MessageKind kOtherUrl{
    "other-url", LogLevel::kWarn, "3bf616c65552448088739e45edccc92a",
    "look at the server that failed; the preferred one is tried again by itself"};
inline constexpr MessageKind kDeadLetter{
    "dead-letter", LogLevel::kWarn, "81ebf41990e146419bd266befa46e8bb",
    "queuectl dead-letter list, and then show, requeue or discard (docs/operations.md, \"Dead"
    " letters and skips\")"};
inline constexpr MessageKind kDeadLettersMany{
    "dead-letters-many", LogLevel::kWarn, "f4b663ec64af41b0b233abcfeee52c40",
    "find out why they are refused (queuectl dead-letter list); requeue or discard them "
    "before the limit is reached"};
inline constexpr MessageKind kDeadLettersFull{
    "dead-letters-full", LogLevel::kError, "310cdcd9b15d4bd69cd7e6df45cf8010",
    "requeue or discard dead letters (queuectl dead-letter), or raise shipper.dead-letters-"
    "max; the lane waits until then"};
inline constexpr MessageKind kDeadLettersRoom{"dead-letters-room", LogLevel::kInfo,
                                              "708a2fb404534f5aa9f1acebd414f9cd", "nothing"};
inline constexpr MessageKind kClientCertificateBad{
    "client-certificate-bad", LogLevel::kError, "d9647a5e173c4d95a997a2e942940224",
    "have the certificate renewed; it is taken up without a restart"};
inline constexpr MessageKind kClientCertificateNotRead{
    "client-certificate-not-read", LogLevel::kWarn, "e49c0619357243a5b74a0f3473c94f82",
    "look at the two files and at what writes them; the last good ones are in use"};
inline constexpr MessageKind kCertificateExpires{
    "certificate-expires", LogLevel::kWarn, "6303288fec3d4c9a85e169f27dd93c8e",
    "have it renewed (docs/operations.md, \"Certificates towards Fluentd\")"};
inline constexpr MessageKind kCertificateExpired{
    "certificate-expired", LogLevel::kError, "d36d7ad862ba4805bc2ae48b10ce8abb",
    "have it renewed now: nothing is sent without; ours is taken up without a restart"};
inline constexpr MessageKind kHeaderNotRead{
    "header-not-read", LogLevel::kWarn, "91bd80f9d9ff4bb68ae7301b6e00a2b6",
    "look at the file and at what writes it; the last value is sent on"};
inline constexpr MessageKind kHeartbeatsFail{
    "heartbeats-fail", LogLevel::kWarn, "fd98a45fab2e4dbfa14400a64c066740",
    "do what the sentence says: Fluentd would not take events either; the next heartbeat is tried "
    "at its own time"};
inline constexpr MessageKind kReplayBegins{"replay-begins", LogLevel::kInfo,
                                           "60c545561cc84895b835d880905918b8", "nothing"};
inline constexpr MessageKind kReplayWaits{
    "replay-waits", LogLevel::kWarn, "f1ccea407b994f17988eacb9b8a7cff5",
    "do what the sentence says; it is tried again and again, and the live flow goes on"};
inline constexpr MessageKind kReplayRefused{
    "replay-refused", LogLevel::kWarn, "e2d16ad123654d17bd6809f617781739",
    "look at the event with queuectl trace: the receiver refuses it now; the job goes on and "
    "counts it"};
inline constexpr MessageKind kReplayEnded{
    "replay-ended", LogLevel::kInfo, "d36bd901876d4f5f8952d66b6601ffa3",
    "nothing; what was refused is in the count, and queuectl replay list has it"};

// ## sluice-shipper: what Fluentd says of itself

inline constexpr MessageKind kComparedPartly{"compared-partly", LogLevel::kInfo,
                                             "478bc0523ab646ddb07f4ad8d39ff57a", "nothing"};
inline constexpr MessageKind kNotCompared{
    "not-compared", LogLevel::kWarn, "9a86a1e902f64a62911580a318dcf4c2",
    "do what the sentence says (docs/operations.md, \"Do events arrive?\"); sending goes on"};
inline constexpr MessageKind kEventsMissing{"events-missing", LogLevel::kError,
                                            "d1a342c7260d4c3094c69c9c97c53974",
                                            "docs/operations.md, \"Fluentd has lost events\""};
inline constexpr MessageKind kOutputBufferFills{
    "output-buffer-fills", LogLevel::kWarn, "673bed52f086407484bc8fe82df934f4",
    "look at the destination of that output; if its buffer is full, Fluentd takes nothing "
    "more, and the events wait in the queue"};
inline constexpr MessageKind kOutputBufferRoom{"output-buffer-room", LogLevel::kInfo,
                                               "6a3c6c200514409284cfcee8dfdf6c3c", "nothing"};
inline constexpr MessageKind kOutputFails{
    "output-fails", LogLevel::kWarn, "633ed31d1ac64defa75b0bc01bb5b452",
    "look at Fluentd's log and at the destination of that output"};
inline constexpr MessageKind kOutputWrites{"output-writes", LogLevel::kInfo,
                                           "04b94bb6edc846e5866884956657b559", "nothing"};
inline constexpr MessageKind kOutputDropped{
    "output-dropped", LogLevel::kError, "106bb5a38860455caf9f6d4736709d49",
    "take overflow_action drop_oldest_chunk out of Fluentd's configuration, and send the "
    "events again with queuectl replay"};

}  // namespace sluice::message

#endif  // SLUICE_COMMON_MESSAGE_KINDS_H_
