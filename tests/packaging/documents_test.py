"""Holds the man pages, completions and tables of settings that the build makes against what the programs
say by --help, and tries the completions in their shells.

Usage: documents_test.py BUILD_FOLDER SOURCE_FOLDER CASE. Exit status 77: skipped, for the reason
printed.
"""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from installation import install, need_tool, run

PAGES = {"sluice-adopt": 8, "sluice-fetcher": 8, "sluice-shipper": 8, "queuectl": 1}
PATIENCE_SECONDS = 60


@dataclass
class Help:
    """What --help says of a command."""

    path: list[str]
    commands: list["Help"] = field(default_factory=list)
    options: list[str] = field(default_factory=list)  # "-i", "--instance", …

    def all(self) -> list["Help"]:
        return [self] + [below for command in self.commands for below in command.all()]


def read_help(program: Path, path: list[str]) -> Help:
    said = Help(path)
    section = ""
    for line in run(program, *path, "--help").splitlines():
        if re.fullmatch(r"\w+:", line):
            section = line
        elif entry := re.match(r"  (\S+)", line):
            if section == "Options:":
                said.options += entry[1].split(",")
            elif section == "Subcommands:":
                said.commands.append(read_help(program, path + [entry[1]]))
    assert "--help" in said.options, f"{program} {path} --help is not understood"
    return said


def helps(build: Path) -> dict[str, Help]:
    return {program: read_help(build / "bin" / program, []) for program in PAGES}


def made(build: Path, name: str) -> Path:
    return build / "deploy/man" / name


def text_of(page: Path) -> str:
    """Without roff's fonts, escapes and line breaks."""
    text = re.sub(r"\\f[BIR]|\\&|\\c$", "", page.read_text(), flags=re.M).replace("\\-", "-")
    return re.sub(r"\s+", " ", re.sub(r"^\.(SS|SH|PP|RS.*|RE|br)\b", "", text, flags=re.M))


def man_pages_have_every_command_and_option(build: Path, _: Path) -> None:
    count = 0
    for program, root in helps(build).items():
        page = text_of(made(build, f"{program}.{PAGES[program]}"))
        for command in root.all():
            if command.path:
                # The heading of a command is its name, and its options stand below that.
                assert f'"{" ".join([program, *command.path])}' in page or \
                    f' {" ".join([program, *command.path])}' in page, f"{program}: {command.path}"
            for option in command.options:
                assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", page), \
                    f"{program} {' '.join(command.path)}: the man page has no {option}"
                count += 1
        assert "Exit status".upper() in page
    assert count > 150, f"only {count} options were looked for"


def man_page_of_the_configuration_has_every_setting(build: Path, source: Path) -> None:
    page = text_of(made(build, "sluice.toml.5"))
    rows = re.findall(r"^\| `([^`-][^`]*)` \| .* \| `(--[^`]+)` \| `([^`]+)` \|$",
                      (source / "docs/configuration.md").read_text(), re.M)
    assert len(rows) > 50, f"only {len(rows)} settings were found in docs/configuration.md"
    for key, flag, environment in rows:
        table, _, name = key.rpartition(".")
        assert f"[{table}]" in page or not table, f"no table [{table}]"
        assert f"{name} = " in page and flag in page and environment in page, key


def configuration_document_is_what_the_code_says(build: Path, source: Path) -> None:
    run(sys.executable, "-B", source / "cmake/settings_reference.py", "markdown",
        build / "bin/queuectl", source / "docs/configuration.md", "--check")


def configuration_document_without_a_setting_is_noticed(build: Path, source: Path) -> None:
    text = (source / "docs/configuration.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        for wrong in (re.sub(r"^\| `queue.retention`.*\n", "", text, flags=re.M),
                      text.replace("| `24h` |", "| `25h` |"),
                      text.replace("settings: queue.*", "settings: no.*"),
                      text.replace("queue.* debug log.* -->", "queue.* log.* -->")):
            assert wrong != text
            document = Path(folder, "configuration.md")
            document.write_text(wrong)
            done = subprocess.run(
                [sys.executable, "-B", source / "cmake/settings_reference.py", "markdown",
                 build / "bin/queuectl", document, "--check"], capture_output=True, check=False)
            assert done.returncode == 1, f"{done}"


def example_configuration_is_accepted(build: Path, source: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [build / "bin/queuectl", "status", "--config", source / "deploy/sluice.toml",
             "--queue-path", folder], capture_output=True, text=True, check=False)
    # There is no queue; a mistake in the file would be a 78.
    assert done.returncode == 66, done.stderr


def bash_completes_every_command_and_option(build: Path, _: Path) -> None:
    for program, root in helps(build).items():
        function = "_" + program.replace("-", "_")
        script = [f"source {made(build, 'bash')}/{program}",
                  f"try() {{ COMP_WORDS=({program} \"$@\"); COMP_CWORD=$#; {function}; "
                  "echo \"${COMPREPLY[*]}\"; }"]
        for command in root.all():
            script += [f"try {' '.join(command.path)} ''", f"try {' '.join(command.path)} -"]
        lines = run("bash", "-u", "-c", "\n".join(script)).splitlines()
        assert len(lines) == 2 * len(root.all())
        for command, words, options in zip(root.all(), lines[::2], lines[1::2]):
            if command.commands:
                assert words.split() == [below.path[-1] for below in command.commands], words
            missing = set(command.options) - set(options.split())
            assert not missing, f"{program} {command.path}: {missing} are not completed"
            assert all(word.startswith("-") for word in options.split()), options


def bash_completes_values(build: Path, _: Path) -> None:
    def complete(program: str, *words: str) -> list[str]:
        function = "_" + program.replace("-", "_")
        quoted = " ".join(f"'{word}'" for word in (program, *words))
        return run("bash", "-u", "-c", f"source {made(build, 'bash')}/{program}; COMP_WORDS=({quoted}); "
                   f"COMP_CWORD={len(words)}; {function}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                   cwd=folder).split()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bank.toml").touch()
        (folder / "bank.d").mkdir()
        assert complete("queuectl", "status", "-o", "") == ["table", "json"]
        assert complete("queuectl", "status", "--output", "j") == ["json"]
        assert complete("queuectl", "status", "--output", "=") == ["table", "json"]
        assert complete("queuectl", "status", "--output", "=", "t") == ["table"]
        assert complete("queuectl", "peek", "--lane", "") == ["audit", "session"]
        assert sorted(complete("queuectl", "--config", "ba")) == ["bank.d", "bank.toml"]
        assert complete("queuectl", "--queue-path", "ba") == ["bank.d"]
        assert complete("sluice-shipper", "configure", "ba") == ["bank.d"]
        # The value of an option is no command, and is skipped.
        assert complete("queuectl", "-i", "replay", "stat") == ["status"]
        assert complete("queuectl", "--instance", "=", "replay", "dead-letter", "li") == ["list"]
        assert "--lane" in complete("queuectl", "dead-letter", "list", "--l")
        assert complete("sluice-fetcher", "start", "--timeout", "") == []


def fish_completes_every_command_and_option(build: Path, _: Path) -> None:
    need_tool("fish", "fish")
    for program, root in helps(build).items():
        script = made(build, f"fish/{program}.fish")
        run("fish", "--no-execute", script)
        # What fish knows of a program by itself is of no interest here.
        tries = [f"source {script}"]
        for command in root.all():
            line = " ".join([program, *command.path])
            tries += [f"complete -C '{line} '", "echo ----", f"complete -C '{line} -'", "echo ----",
                      f"complete -C '{line} --'", "echo ----"]
        with tempfile.TemporaryDirectory() as home:
            said = run("fish", "--no-config", "-c", "\n".join(tries),
                       env={**os.environ, "HOME": home, "XDG_DATA_HOME": home})
        parts = [{line.split("\t")[0] for line in part.splitlines()} for part in said.split("----\n")]
        assert len(parts) == 3 * len(root.all()) + 1
        for i, command in enumerate(root.all()):
            words, options = parts[3 * i], parts[3 * i + 1] | parts[3 * i + 2]
            if command.commands:
                assert {below.path[-1] for below in command.commands} <= words, words
            missing = set(command.options) - options
            assert not missing, f"{program} {command.path}: {missing} are not completed"


def zsh_completes(build: Path, _: Path) -> None:
    need_tool("zsh", "zsh")
    for program in PAGES:
        run("zsh", "-n", made(build, f"zsh/_{program}"))
    typed = {
        "queuectl dead-let\tlis\t": "dead-letter list",
        "queuectl -i replay stat\t--outp\tjs\t": "-i replay status --output json",
        "queuectl peek --lan\taud\t": "peek --lane audit",
        "queuectl replay cance\t--reas\t": "replay cancel --reason",
        "sluice-shipper confi\t--key-ty\t": "configure --key-type",
        "sluice-fetcher star\t--teleport-addr\t": "start --teleport-addr",
    }
    with tempfile.TemporaryDirectory() as folder:
        setup = f"fpath=({made(build, 'zsh')} $fpath); autoload -Uz compinit; compinit -u -d {folder}/dump"
        # Each of the programs says which arguments it got.
        setup += "".join(f"; {program}() {{ echo \"<<${{@//=/ }}>>\" }}" for program in PAGES)
        shell, terminal = pty.fork()
        if shell == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "PS1": "", "ZDOTDIR": folder})
        try:
            os.write(terminal, f"{setup}; echo re''ady\n".encode())
            wait_for(terminal, "ready")
            for keys, arguments in typed.items():
                os.write(terminal, keys.encode() + b"\n")
                got = re.sub(r"\s+", " ", wait_for(terminal, r"<<([^>$]*)>>"))
                assert got.strip() == arguments, f"{keys!r}: {got}"
        finally:
            os.kill(shell, 9)
            os.waitpid(shell, 0)
            os.close(terminal)


def wait_for(terminal: int, pattern: str) -> str:
    shown = ""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
            if found := re.search(pattern, shown):
                return found[found.re.groups]
    raise AssertionError(f"there was no {pattern} in:\n{shown}")


def everything_is_installed_where_it_is_looked_for(build: Path, source: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for component in ("programs", "systemd", "documents"):
            install(build, root, component)
        found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    prefix = next(path for path in found if path.endswith("bin/queuectl")).removesuffix("bin/queuectl")
    files = {path.removeprefix(prefix) for path in found}
    for program, section in PAGES.items():
        assert {f"bin/{program}", f"share/man/man{section}/{program}.{section}",
                f"share/bash-completion/completions/{program}", f"share/zsh/site-functions/_{program}",
                f"share/fish/vendor_completions.d/{program}.fish"} <= files, files
    documents = {f"share/doc/sluice/{path.name}" for path in (source / "docs").glob("*.md")}
    assert documents | {"share/man/man5/sluice.toml.5", "share/doc/sluice/examples/sluice.toml",
                        "share/doc/sluice/examples/sluice-alerts.yml", "share/doc/sluice/examples/sluice-dashboard.json",
                        "lib/sysusers.d/sluice.conf", "lib/tmpfiles.d/sluice.conf",
                        "lib/systemd/system/sluice.target"} <= files, files


def debian_folder_agrees_with_the_rest(build: Path, source: Path) -> None:
    """What a build of the packages, which takes long, would say late or never."""
    version = re.search(r"^sluice \(([^)]+)\)", (source / "debian/changelog").read_text())[1]
    assert run(build / "bin/sluice-fetcher", "version").split()[1] == version
    needed = re.search(r"^Build-Depends:\n((?: .*\n)+)", (source / "debian/control").read_text(), re.M)[1]
    packages = {re.match(r"[^\s:,(]+", line.strip())[0] for line in needed.splitlines()}
    script = (source / "dev").read_text()
    installed = re.search(r"^readonly build_packages=\((.*?)^\)", script, re.M | re.S)[1]
    installed = re.sub(r"#.*", "", installed).split()
    missing = packages - set(installed) - {"debhelper-compat"}
    assert not missing, f"debian/control names what ./dev does not install: {missing}"
    libraries = {word for word in installed if word.endswith("-dev")}
    unused = libraries - packages - {"libgtest-dev", "libgmock-dev", "libnghttp2-dev"}
    assert not unused, f"./dev installs what debian/control does not name: {unused}"


CASES = {
    case.__name__: case
    for case in (
        man_pages_have_every_command_and_option,
        man_page_of_the_configuration_has_every_setting,
        configuration_document_is_what_the_code_says,
        configuration_document_without_a_setting_is_noticed,
        example_configuration_is_accepted,
        bash_completes_every_command_and_option,
        bash_completes_values,
        fish_completes_every_command_and_option,
        zsh_completes,
        everything_is_installed_where_it_is_looked_for,
        debian_folder_agrees_with_the_rest,
    )
}


if __name__ == "__main__":
    CASES[sys.argv[3]](Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
