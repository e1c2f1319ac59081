#!/usr/bin/env python3
"""Makes a program's man page or its completion for a shell out of the program's own command line.

Usage: command_line.py bash|zsh|fish PROGRAM OUT
       command_line.py man PROGRAM OUT PAGE EXIT_CODES
PAGE is in scdoc, OUT in roff; the lines @OPTIONS@, @COMMANDS@ and @EXIT_STATUS@ of PAGE are replaced. EXIT_CODES is
docs/exit-codes.md.
"""

import re
import sys
from pathlib import Path

from described import Command, Described, Option, roff, scdoc, sentence

INSTANCES = "/etc/sluice/*.toml"
NOTE = "made by the build from the program's own command line"


def without_help(options: list[Option]) -> list[Option]:
    return [option for option in options if "--help" not in option.names]


# The man page.


def man_option(option: Option) -> str:
    value = f" _{scdoc(option.value)}_" if option.value else ""
    names = ", ".join(f"*{scdoc(name)}*{value}" for name in option.names) or f"_{option.value}_"
    text = sentence(option.help)
    if not all(choice in text.lower() for choice in option.choices):
        text += f" It is {' or '.join(option.choices)}."
    return f"{names}\n\t{scdoc(text)}\n"


def man_options(options: list[Option]) -> str:
    return "\n".join(man_option(option) for option in options)


def synopsis(program: str, command: Command) -> str:
    words = [program, *command.path]
    words += [o.value if o.required else f"[{o.value}]" for o in command.positionals]
    if without_help(command.options + command.above):
        words.append("[options]")
    if command.commands:
        words.append("COMMAND" if command.needs_command else "[COMMAND]")
    return " ".join(words)


def man_command(described: Described, command: Command, seen: list[Command]) -> str:
    parts = [f"## {synopsis(described.name, command)}\n", scdoc(sentence(command.help)) + "\n"]
    known = {option.long: option for option in described.root.options}
    own = [o for o in without_help(command.options) if known.get(o.long) != o]
    # One that takes all the options of a command before it need not have them all once more.
    for other in seen:
        theirs = {o.long for o in without_help(other.options)} - set(known)
        if len(theirs) > 3 and theirs <= {o.long for o in own}:
            own = [o for o in own if o.long not in theirs]
            parts.append(f"It takes the options of *{' '.join(other.path)}*"
                         f"{', and these' if own else ''}.\n")
            break
    if command.above:
        parts.append(f"The options of *{' '.join(command.path[:-1])}* may follow it, too.\n")
    if command.positionals or own:
        parts.append(man_options(command.positionals + own))
    return "\n".join(parts)


def man_commands(described: Described) -> str:
    commands = described.root.all()[1:]
    return "\n".join(man_command(described, command, commands[:i])
                     for i, command in enumerate(commands))


def man_exit_status(exit_codes: Path) -> str:
    rows = re.findall(r"^\| ([0-9, ]+) \| ([^|]+) \| ([^|]+) \|$", exit_codes.read_text(), re.M)
    return "\n".join(f"*{status}*\n\t{scdoc(sentence(meaning))} What to do: {scdoc(what)}.\n"
                     for status, meaning, what in rows)


def man(described: Described, page: Path, exit_codes: Path) -> str:
    parts = {
        "@OPTIONS@": lambda: man_options(described.root.options),
        "@COMMANDS@": lambda: man_commands(described),
        "@EXIT_STATUS@": lambda: man_exit_status(exit_codes),
    }
    lines = page.read_text().splitlines()
    return roff("\n".join(parts[line]() if line in parts else line for line in lines) + "\n")


# bash.


BASH = """\
# bash completion for @PROGRAM@, @NOTE@

_@NAME@() {
    local cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
    local path='' kind='' words='' word file i
    local valued=' @VALUED@ '
    COMPREPLY=()
    # "--option=value" comes as three words.
    if [[ $cur == = ]]; then
        cur=''
    elif [[ $option == = ]] && ((COMP_CWORD > 2)); then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    # Which command it is: options and their values are no part of its name.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $valued == *" $word "* ]]; then
            [[ ${COMP_WORDS[i + 1]} != = ]] || ((i++))
            ((i++))
            continue
        fi
        case "$path $word" in
            @COMMANDS@) path="${path:+$path }$word" ;;
        esac
    done
    case "$path:$option" in
        @VALUES@
        *)
            case $path in
                @WORDS@
            esac
            ;;
    esac
    case $kind in
        files | folders)
            compopt -o filenames 2>/dev/null
            if [[ $kind == files ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            else
                mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            fi
            return
            ;;
        instances)
            for file in @INSTANCES@; do
                [[ ! -e $file ]] || words+=" $(basename "$file" .toml)"
            done
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _@NAME@ @PROGRAM@
"""


def filled(template: str, **parts: str) -> str:
    return re.sub(r"@([A-Z]+)@", lambda found: parts[found[1]], template)


def bash_pattern(command: Command) -> str:
    return f"'{' ' if len(command.path) == 1 else ''}{' '.join(command.path)}'"


def bash_values(command: Command) -> list[str]:
    """For each kind of value, a case of the options after which it comes."""
    by_kind: dict[str, list[str]] = {}
    for option in command.options + command.above:
        if option.value:
            words = f" words='{' '.join(option.choices)}'" if option.choices else ""
            by_kind.setdefault(f"kind={option.kind}{words}", []).extend(
                f"'{' '.join(command.path)}:{name}'" for name in option.names)
    return [f"{' | '.join(patterns)}) {kind} ;;" for kind, patterns in by_kind.items()]


def bash_words(command: Command) -> str:
    """What may come where no value is due: a command or a positional argument, else an option."""
    below = " ".join(c.path[-1] for c in command.commands)
    options = " ".join(n for o in command.options + command.above for n in o.names)
    kind = command.positionals[0].kind if command.positionals else "nothing"
    first = f"kind={kind}" if kind in ("files", "folders") else f"words='{below}'" if below else ""
    choose = f"if [[ $cur == -* ]]; then words='{options}'; else {first}; fi"
    only = f"words='{options}'"
    return f"'{' '.join(command.path)}') {choose if first else only} ;;"


def bash(described: Described) -> str:
    commands = described.root.all()
    return filled(
        BASH,
        PROGRAM=described.name,
        NOTE=NOTE,
        NAME=described.name.replace("-", "_"),
        INSTANCES=INSTANCES,
        VALUED=" ".join(described.valued_names()),
        # Without commands a pattern that no word is like.
        COMMANDS=" | ".join(bash_pattern(command) for command in commands[1:]) or "''",
        VALUES="\n        ".join(case for command in commands for case in bash_values(command)),
        WORDS="\n                ".join(bash_words(command) for command in commands),
    )


# zsh.


def zsh_text(text: str) -> str:
    return re.sub(r"([\\\[\]:$`])", r"\\\1", text).replace("'", "'\\''")


def zsh_value(function: str, option: Option) -> str:
    action = {
        "words": f"({' '.join(option.choices)})",
        "instances": f"_{function}_instances",
        "files": "_files",
        "folders": "_files -/",
    }.get(option.kind, " ")
    return f":{zsh_text(option.value)}:{action}"


def zsh_option(function: str, option: Option) -> str:
    value = zsh_value(function, option) if option.value else ""
    names = [name + ("" if not option.value else "=" if name.startswith("--") else "+")
             for name in option.names]
    text = f"'[{zsh_text(option.help)}]{value}'"
    if len(names) == 1:
        return f"'{names[0]}'{text}"
    return f"'({' '.join(option.names)})'{{{','.join(names)}}}{text}"


def zsh_function(described: Described, command: Command) -> list[str]:
    root = "_" + described.name.replace("-", "_")
    name = "_".join([root, *(word.replace("-", "_") for word in command.path)])
    specs = [zsh_option(root[1:], option) for option in command.options + command.above]
    if command.commands:
        specs += ["'1: :->command'", "'*:: :->rest'"]
    else:
        specs += [f"'{i}{zsh_value(root[1:], option)}'"
                  for i, option in enumerate(command.positionals, start=1)
                  # Of the others zsh would tell the name, and then insert nothing that it knows.
                  if option.kind != "nothing"]
    lines = [f"{name}() {{"]
    if not command.commands:
        return lines + ["    _arguments \\\n        " + " \\\n        ".join(specs), "}", ""]
    lines += [
        "    local curcontext=$curcontext context state state_descr line ret=1",
        "    local -A opt_args",
        "    local -a commands",
        "    _arguments -C -A '-*' \\\n        " + " \\\n        ".join(specs) + " && ret=0",
        "    case $state in",
        "        (command)",
        "            commands=(",
        *(f"                '{below.path[-1]}:{zsh_text(below.help)}'" for below in command.commands),
        "            )",
        "            _describe -t commands command commands && ret=0",
        "            ;;",
        "        (rest)",
        "            case $words[1] in",
        *(f"                ({below.path[-1]}) {name}_{below.path[-1].replace('-', '_')} && ret=0 ;;"
          for below in command.commands),
        "            esac",
        "            ;;",
        "    esac",
        "    return ret",
        "}",
        "",
    ]
    return lines


def zsh(described: Described) -> str:
    root = "_" + described.name.replace("-", "_")
    lines = [
        f"#compdef {described.name}",
        f"# zsh completion for {described.name}, {NOTE}",
        "",
        f"{root}_instances() {{",
        "    local -a names",
        f"    names=({INSTANCES}(N:t:r))",
        "    compadd -a names",
        "}",
        "",
    ]
    for command in described.root.all():
        lines += zsh_function(described, command)
    return "\n".join([*lines, f'{root} "$@"']) + "\n"


# fish.


def fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(function: str, option: Option) -> str:
    names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names)
    if not option.value:
        return names
    return names + {
        "words": f" -x -a '{' '.join(option.choices)}'",
        "instances": f" -x -a '(__{function}_instances)'",
        "files": " -r -F",
        "folders": " -x -a '(__fish_complete_directories)'",
    }.get(option.kind, " -x")


def fish(described: Described) -> str:
    function = described.name.replace("-", "_")
    commands = described.root.all()
    lines = [
        f"# fish completion for {described.name}, {NOTE}",
        "",
        f"function __{function}_instances",
        f"    for file in {INSTANCES}",
        "        basename $file .toml",
        "    end",
        "end",
        "",
        "# Whether it is this command: options and their values are no part of its name.",
        f"function __{function}_at",
        "    set -l path ''",
        "    set -l is_value 0",
        "    set -l words (commandline -opc)",
        "    for word in $words[2..-1]",
        "        if test $is_value = 1",
        "            set is_value 0",
        f"        else if contains -- $word {' '.join(described.valued_names())}",
        "            set is_value 1",
        "        else",
        "            switch \"$path$word\"",
        f"                case {' '.join(fish_text(' '.join(c.path)) for c in commands[1:])}",
        "                    set path \"$path$word \"",
        "            end",
        "        end",
        "    end",
        "    test \"$path\" = \"$argv[1]\"",
        "end",
        "",
        f"complete -c {described.name} -f",
    ]
    for command in commands:
        at = "".join(word + " " for word in command.path)
        start = f'complete -c {described.name} -n "__{function}_at \'{at}\'"'
        lines += [f"{start} -a {c.path[-1]} -d {fish_text(c.help)}" for c in command.commands]
        lines += [f"{start} {fish_option(function, o)} -d {fish_text(o.help)}"
                  for o in command.options + command.above]
        if command.positionals and command.positionals[0].kind == "folders":
            lines.append(f"{start} -a '(__fish_complete_directories)'")
        elif command.positionals and command.positionals[0].kind == "files":
            lines.append(f"{start} -F")
    return "\n".join(lines) + "\n"


FORMS = {"man": man, "bash": bash, "zsh": zsh, "fish": fish}


def main() -> None:
    form, program, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    text = FORMS[form](Described(program), *(Path(more) for more in sys.argv[4:]))
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
