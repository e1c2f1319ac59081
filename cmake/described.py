"""What a program says of itself by its hidden subcommand `describe` (common/describe.h), and how text
is written in scdoc. For the scripts beside this one, which the build runs."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# What may stand for some placeholders. Others are written by hand.
WORDS = {"LANE": ["audit", "session"]}
FILES = {"FILE"}
FOLDERS = {"DIR", "FOLDER"}


@dataclass
class Option:
    names: list[str]  # ["-i", "--instance"]; none: a positional argument
    value: str  # "NAME", or the name of a positional argument; "" for a switch
    type: str  # what kind of value that is: "FILE"
    choices: list[str]
    required: bool
    help: str

    @property
    def long(self) -> str:
        return self.names[-1] if self.names else self.value

    @property
    def kind(self) -> str:
        """What its value is completed by: words, instances, files, folders or nothing."""
        if self.choices:
            return "words"
        if "--instance" in self.names:
            return "instances"
        if self.type in FILES:
            return "files"
        return "folders" if self.type in FOLDERS else "nothing"


@dataclass
class Command:
    path: list[str]  # ["dead-letter", "list"]; [] is the program itself
    help: str
    needs_command: bool
    options: list[Option]  # its own
    positionals: list[Option]
    commands: list["Command"] = field(default_factory=list)
    above: list[Option] = field(default_factory=list)  # options of others that it takes, too

    def all(self) -> list["Command"]:
        return [self] + [below for command in self.commands for below in command.all()]


def sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def _option(described: dict) -> Option:
    # CLI11's type name: "FILE", "FORM:{table,json}", "N:INT in [1 - 100]".
    value, _, condition = (described["value"] or "").partition(":")
    if condition == "PORT":  # HOST:PORT
        value, condition = described["value"], ""
    choices = re.fullmatch(r"\{(.*)\}", condition)
    text = described["help"]
    if described["default"] and "default" not in text:
        text += f" (default: {described['default']})"
    return Option(
        names=described["names"],
        value=described["positional"] or value,
        type=value,
        choices=choices[1].split(",") if choices else WORDS.get(value, []),
        required=described["required"],
        help=text,
    )


def _command(described: dict, path: list[str], above: list[Option]) -> Command:
    options = [_option(option) for option in described["options"]]
    command = Command(
        path=path,
        help=described["help"],
        needs_command=described["needs_command"],
        options=[option for option in options if option.names],
        positionals=[option for option in options if not option.names],
    )
    if described["takes_options_above"]:
        own = {name for option in command.options for name in option.names}
        command.above = [option for option in above if not own & set(option.names)]
    taken = command.options + command.above
    for below in described["commands"]:
        command.commands.append(_command(below, path + [below["name"]], taken))
    return command


class Described:
    def __init__(self, program: Path):
        said = subprocess.run(
            [program, "describe"], check=True, capture_output=True, text=True, encoding="utf-8"
        ).stdout
        described = json.loads(said)
        self.name: str = described["command_line"]["name"]
        self.root = _command(described["command_line"], [], [])
        self.settings: list[dict] = described["settings"]

    def valued_names(self) -> list[str]:
        """The names of all options that take a value, which is the same in all commands."""
        valued, switches = set(), set()
        for command in self.root.all():
            for option in command.options:
                (valued if option.value else switches).update(option.names)
        both = valued & switches
        if both:
            raise SystemExit(f"{self.name}: with a value and without one: {sorted(both)}")
        return sorted(valued)


def scdoc(text: str) -> str:
    """The text with nothing in it that scdoc takes for formatting."""
    return re.sub(r"([\\*_<>#|\[\]])", r"\\\1", text).replace("`", "")


def roff(page: str) -> str:
    """The man page that scdoc makes of the text, which may have too many empty lines."""
    page = re.sub(r"\n{3,}", "\n\n", page)
    made = subprocess.run(["scdoc"], check=True, input=page, capture_output=True, text=True,
                          encoding="utf-8").stdout
    # The macro of the title turns hyphenation on again, which breaks names that one wants to copy.
    return re.sub(r"^(\.TH .*)$", r"\1\n.nh", made, count=1, flags=re.M)
