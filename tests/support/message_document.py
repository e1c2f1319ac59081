#!/usr/bin/env python3
"""Makes docs/messages.md from the sources: message_document.py ROOT [--write].

Its first half is the table of kinds of messages (common/message_kinds.h), each with the sentences that it is logged with. Its second
half is every other text of three words or more in the sources of the daemons, whatever function it goes through: so that no error
sentence, or part of one, can be left out. What is no message (help texts, debug lines, invariants) is told by what stands before it.

Without --write it prints the document.
"""

import re
import sys
from pathlib import Path

DOCUMENT = "docs/messages.md"
KINDS = "common/message_kinds.h"

# Where sentences come from, and what to do about them beyond what they say. The first folder or file that fits counts.
AREAS = (
    (("common/config", "common/setting", "common/toml_source", "common/raw_value", "common/http_header",
      "common/forward_url", "common/given_settings", "common/body_form", "common/log_format"), "The configuration",
     "Correct what the sentence names (file, line and column, or flag, or environment variable; docs/configuration.md has every "
     "setting), and start again or reload. A daemon that runs keeps what it has."),
    (("common/secret", "common/credential"), "Files with secrets",
     "Look at the file, its owner and its mode: it is for the daemon's own user alone."),
    (("fetcher/teleport",), "The connection to Teleport",
     "It is tried for ever, and Teleport keeps the events. If the sentence names the identity, look at tbot, or renew it with tctl "
     "auth sign; if it names a role, add the rule; else look at the address, the network, and the health of Teleport's Auth "
     "service and proxy. What is in brackets is the other side's own word."),
    (("fetcher/transcode",), "Events that cannot be taken",
     "The reason of a reject: the event is kept with its bytes (queuectl peek), and becomes a dead letter of the shipper (queuectl "
     "dead-letter). Report it with the event's type: what Teleport writes should be taken."),
    (("fetcher/import", "fetcher/position"), "The position of Teleport's own handler",
     "Nothing is ever written to that folder. Stop teleport-event-handler, and see that sluice-fetcher's user may read it; what is "
     "not understood is fetched again rather than left out."),
    (("fetcher",), "Fetching",
     "If a saved state cannot be read, the queue was written by something else: queuectl verify. Else do what the sentence says; "
     "what fails is tried again, and nothing is lost while Teleport keeps the events."),
    (("shipper/monitor", "shipper/probe", "shipper/sink_watch"), "What Fluentd says of itself, and the probe",
     "Events go on being sent. docs/operations.md, \"Do events arrive?\" and \"Fluentd has lost events\"."),
    (("shipper/fluentd",), "The connection to Fluentd",
     "It is tried for ever, and events stay in the queue. Compare address, certificates and shared key with Fluentd's configuration, "
     "and look at its log; docs/shipping.md says what each answer leads to."),
    (("shipper/replay", "shipper/requeue"), "Replays and dead letters that are sent again",
     "The live flow goes on. queuectl replay show, or queuectl dead-letter show, has more."),
    (("shipper",), "Sending",
     "docs/shipping.md says what each answer leads to. Events stay in the queue, or become dead letters (queuectl dead-letter)."),
    (("queue/control",), "The control socket",
     "The answer to a command of queuectl, or why there is none: sending is not concerned."),
    (("queue/verify", "queue/repair", "queue/salvage", "queue/adopt", "queue/upgrade"), "queuectl's work on a stopped queue",
     "Nothing was changed if the sentence does not say so. docs/operations.md has the whole of each procedure."),
    (("queue",), "The queue and the delivery store on disk",
     "Look at the disk first (free space, mount options, owner and mode, the kernel's log). For damage and for halves that do not "
     "belong together, run what the sentence names (queuectl verify, repair, adopt; docs/operations.md): delete nothing by hand."),
    (("common",), "The process and its files",
     "Look at the object that the sentence names: owner, mode, free space, limits of the process."),
)

# These have no messages of the daemons: another program, a command that is run by hand and explains itself, what docs/checks.md has,
# and the help texts of metrics.
LEFT_OUT = ("queue/queuectl/", "shipper/configure/", "common/finding", "common/self_check", "fetcher/check/", "shipper/check/",
            "queue/folder_checks", "common/process_metrics", "fetcher/fetcher_metrics", "shipper/shipper_metrics", KINDS)

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((?P<raw>.*?)\)"|"(?P<text>(?:\\.|[^"\\\n])*)"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
BETWEEN = re.compile(r"(?:\s|//[^\n]*\n)*")
# What ends with these stands before a text that is no message.
NO_MESSAGE = re.compile(
    r"(?:\.help = |\.description = |SLUICE_CHECK\([^;]*|static_assert\([^;]*|log_debug\([^;]*"
    r"|(?:add_option|add_flag|add_subcommand)(?:_function)?(?:<[^;]*>)?\([^;]*)$")
KIND_OF_ERROR = re.compile(r"ErrorKind::k(\w+),\s*(?:fmt::format\(\s*)?$")
WORD = re.compile(r"[^\W\d_]{2,}")
PLACE = re.compile(r"\{[^{}]*\}")


def literals(text):
    """(begin, end, value) of each string, with those beside it."""
    found = []
    for match in TOKEN.finditer(text):
        value = match["text"] if match["text"] is not None else match["raw"]
        if value is None:
            continue
        if found and BETWEEN.fullmatch(text, found[-1][1], match.start()):
            begin, _, before = found.pop()
            found.append((begin, match.end(), before + value))
        else:
            found.append((match.start(), match.end(), value))
    return found


def without_strings(text):
    """Of the same length, with blanks in the place of what strings and comments hold."""
    return TOKEN.sub(lambda match: '"' + " " * (len(match[0]) - 2) + '"', text)


def shown(value):
    """As it is in the document: what differs is "…"."""
    value = PLACE.sub("…", value.replace("{{", "\0").replace("}}", "\1")).replace("\0", "{").replace("\1", "}")
    return value.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", " ").strip()


def is_sentence(value):
    """Three words or more, and no line of a protocol."""
    return shown(value).count(" ") >= 2 and len(WORD.findall(PLACE.sub("", value))) >= 2 and r"\r\n" not in value


def in_code(value):
    return f"`` {value} ``" if "`" in value else f"`{value}`"


def dashed(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


class Sources:
    def __init__(self, root):
        self.files = {}
        for folder in ("common", "fetcher", "queue", "shipper"):
            for path in sorted((root / folder).rglob("*")):
                name = path.relative_to(root).as_posix()
                if path.suffix in (".cc", ".h") and not name.startswith(LEFT_OUT):
                    self.files[name] = path.read_text(encoding="utf-8")
        self._bare = {name: without_strings(text) for name, text in self.files.items()}
        self.kinds_text = (root / KINDS).read_text(encoding="utf-8")

    def sections(self):
        """(title, kinds) in the order of the table; a kind is (constant, name, level, id, what to do)."""
        found = []
        for part in self.kinds_text.split("\n// ## ")[1:]:
            title, rest = part.split("\n", 1)
            strings = {begin: value for begin, _, value in literals(rest)}
            kinds = []
            for match in re.finditer(r"MessageKind (k\w+)\{(.*?)\};", rest, re.DOTALL):
                name, number, advice = (value for begin, value in sorted(strings.items())
                                        if match.start() < begin < match.end())
                level = re.search(r"LogLevel::k(\w+)", match[2])[1].lower()
                kinds.append((match[1], name, level, number, shown(advice)))
            found.append((title, kinds))
        return found

    def uses_of(self, constant):
        """The sentences that it is logged with; empty texts where a function makes them."""
        found = []
        for name, text in self.files.items():
            for match in re.finditer(rf"message::{constant}\b", self._bare[name]):
                end = re.compile(r";|message::k").search(self._bare[name], match.end()).start()
                inside = [shown(value) for _, _, value in literals(text[match.end():end])]
                word = next((value for value in inside if value.isalpha()), "")
                value = next((value for value in inside if " " in value), word)
                if value not in found:
                    found.append(value)
        return found

    def sentences(self):
        """By area: (text, kind of error or "") of all texts that are no part of a log call with a kind."""
        found = {title: set() for _, title, _ in AREAS}
        logged = {sentence for _, kinds in self.sections() for kind in kinds for sentence in self.uses_of(kind[0])}
        for name, text in self.files.items():
            title = next(title for beginnings, title, _ in AREAS if name.startswith(beginnings))
            for begin, _, value in literals(text):
                before = self._bare[name][max(0, begin - 300):begin]
                if not is_sentence(value) or NO_MESSAGE.search(before) or shown(value) in logged:
                    continue
                kind = KIND_OF_ERROR.search(before)
                found[title].add((shown(value), dashed(kind[1]) if kind else ""))
        return found


def document(root):
    sources = Sources(root)
    lines = [
        "# Messages",
        "",
        "Every message that the daemons log at info and above, and every sentence that an error is told with. This file is made from "
        "the sources by `./dev messages`; a test compares them.",
        "",
        "`…` stands for what differs from one time to the next. docs/operations.md says how to look at the logs.",
        "",
        "## Kinds of messages",
        "",
        "`journalctl SLUICE_KIND=…` or `MESSAGE_ID=…` shows those of one kind. A trouble that repeats is told once for each cause, then "
        "summed up after 1, 2, 4 … minutes, and at least once an hour, with `(… times in …)` behind it; its end is a message of the "
        "kind `over`.",
        "",
    ]
    for title, kinds in sources.sections():
        lines += [f"### {title}", "", "| kind | level | message | what to do | id |", "|---|---|---|---|---|"]
        for constant, name, level, number, advice in kinds:
            told = [in_code(sentence) for sentence in sources.uses_of(constant) if sentence] or ["a sentence from below"]
            cells = [f"`{name}`", level, " or ".join(told), advice, f"`{number}`"]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    lines += [
        "## Sentences of errors",
        "",
        "They end a program (as `failed`, with an exit status), are the reason in one of the messages above, or are what `queuectl` gets "
        "as an answer. What `check` and `queuectl doctor` find is in checks.md. Many are made of several of these. The word in brackets is the kind of error: exit-codes.md has the exit "
        "status of each, and what to do about it in general. `unauthorized`, `unavailable` and the like do not end a daemon.",
        "",
    ]
    advice_of = {title: advice for _, title, advice in AREAS}
    for title, sentences in sources.sentences().items():
        if not sentences:
            continue
        lines += [f"### {title}", "", f"What to do: {advice_of[title]}", ""]
        lines += [f"- {in_code(text)}{f' ({kind})' if kind else ''}" for text, kind in sorted(sentences)]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    ROOT = Path(sys.argv[1])
    if sys.argv[2:] == ["--write"]:
        (ROOT / DOCUMENT).write_text(document(ROOT), encoding="utf-8")
    else:
        print(document(ROOT), end="")
