"""Finds a project's own tasks for our commands: in a Makefile, Taskfile or justfile, and scripts of
package.json.

A code type says in `detect.commands` which programs its jobs have. A task that calls others is not
proposed, because it would fail without them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .code_type_model import OwnCommands
from .repository_files import RepositoryFiles, join, words

NAMES: Mapping[str, tuple[str, ...]] = {
    "lint": ("lint", "lint:check", "lint-check", "check:lint"),
    "test": ("test", "tests", "test:unit", "test-unit", "unit-test"),
    "build": ("build",),
}
"""By our command: the names that projects use, the most usual first."""

SCRIPTS: Mapping[str, tuple[str, ...]] = {**NAMES, "lint": (*NAMES["lint"], "check", "typecheck")}
"""The same in package.json. In a Makefile, `check` usually runs the tests."""


@dataclass(frozen=True)
class TaskRunner:
    """A file with named tasks, and how one of them is run."""

    files: tuple[str, ...]
    task: str
    """A regular expression with the task's name as {name}: its groups are the tasks that it
    needs, and the lines that it runs."""
    command: str


RUNNERS = (
    TaskRunner(
        ("GNUmakefile", "makefile", "Makefile"),
        r"^{name}[ \t]*::?(?!=)([^\n#=;]*)(?:#.*)?\n((?:\t.*\n|[ \t]*(?:#.*)?\n)*)",
        "make {name}",
    ),
    TaskRunner(
        ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "taskfile.yaml"),
        r"^  [\"']?{name}[\"']?:[ \t]*()([^\n]*\n(?:    .*\n|[ \t]*\n)*)",
        "pipx run --spec go-task-bin==3.54.0 task {name}",
    ),
    TaskRunner(
        ("justfile", "Justfile", ".justfile"),
        r"^@?{name}(?:[ \t]+[^:\n]*)?:(?!=)([^\n#]*)(?:#.*)?\n((?:[ \t]+.*\n|\n)*)",
        "pipx run --spec rust-just==1.59.0 just {name}",
    ),
)
"""In the order in which they count."""

PACKAGE_SCRIPTS = re.compile(r'"scripts"\s*:\s*(?=\{)')
"""What stands before the scripts in package.json."""

NOTHING = words("echo printf true : exit")
"""Programs that do nothing."""

FILES = words(
    "cd test [ [[ mkdir rm cp mv set export if then else fi for do done cat ls grep sed sort touch"
)
"""Programs that may build, but check nothing."""

SHELL = NOTHING | FILES | words("find xargs bash sh env command time make git")
"""Programs that every job has."""

IDLE = {"lint": NOTHING | FILES, "test": NOTHING | FILES, "build": NOTHING}
"""By our command: programs that do not do its work. A task of these alone would check nothing."""

SWALLOWED = re.compile(
    r"^(?:\t@?-| +@?-(?! ))|^ *(?:- *)?ignore_error *: *true"
    r"|\|\|[ \t]*(?:true|:|echo|printf|exit 0)(?![\w./-])|;[ \t]*(?:true|:|exit 0)[ \t]*[\"']?$",
    re.MULTILINE,
)
"""Shell that hides a failure: `-` in front of a line, or `|| true` and the like at its end."""

PIPED = re.compile(r"(?<!\|)\|(?!\|)")
"""A pipe between two programs: only the last one's failure counts."""


def own_commands(
    files: RepositoryFiles, folder: str, commands: OwnCommands, alone: bool, builds: bool
) -> dict[str, str]:
    """The commands that run the project's tasks, by our commands.

    `alone`: whether the folder has one component; otherwise only scripts of package.json count.
    `builds`: whether a task may be the build.
    """
    scripts = scripts_of(files, folder) if commands.script else {}
    found = {}
    for ours in NAMES:
        if ours == "build" and not builds:
            continue
        if name := _working_script(scripts, ours):
            # The code type runs the scripts `lint` and `test` by itself.
            if name != ours or ours == "build":
                found[ours] = f"{commands.script} {name}"
        elif alone and (task := _working_task(files, folder, commands, ours)):
            found[ours] = task
    return found


def scripts_of(files: RepositoryFiles, folder: str) -> dict[str, str]:
    """The scripts of package.json by name; none if they cannot be read."""
    text = files.text(join(folder, "package.json"))
    start = PACKAGE_SCRIPTS.search(text)
    if not start:
        return {}
    try:
        # Only the scripts: the end of a long file is not read.
        scripts, _ = json.JSONDecoder().raw_decode(text, start.end())
    except (ValueError, RecursionError):
        return {}
    return {name: script for name, script in scripts.items() if isinstance(script, str)}


def _working_script(scripts: Mapping[str, str], ours: str) -> str:
    """The name of the first script that does the work of our command; empty for none."""
    for name in SCRIPTS[ours]:
        script = scripts.get(name, "")
        if set(_programs(script)) - IDLE[ours] and not _hides_failures(script):
            return name
    return ""


def _working_task(files: RepositoryFiles, folder: str, commands: OwnCommands, ours: str) -> str:
    """The command that runs a task in place of ours; empty if none does its work, or several files
    have a task of that name."""
    runners = [
        (runner, files.text(there[0]) + "\n")
        for runner in RUNNERS
        if (there := files.named(folder, runner.files))
    ]
    for name in NAMES[ours]:
        having = [(runner, text) for runner, text in runners if _task(runner, text, name)]
        if len(having) > 1:  # several are possible
            break
        for runner, text in having:
            if _works(runner, text, name, {*SHELL, *commands.calls}, IDLE[ours]):
                before = f"{commands.before} && " if commands.before else ""
                return before + runner.command.format(name=name)
    return ""


def _task(runner: TaskRunner, text: str, name: str) -> list[tuple[str, str]]:
    """(the tasks that a task needs, the lines that it runs)."""
    return re.findall(runner.task.format(name=re.escape(name)), text, re.MULTILINE)


def _works(runner: TaskRunner, text: str, name: str, known: set[str], idle: frozenset[str]) -> bool:
    """Whether a task exists, does work, fails if that fails, and calls only known programs."""
    values = dict(re.findall(r"^(\w+)[ \t]*[?:]*=[ \t]*([^\n#]*?)[ \t]*$", text, re.MULTILINE))
    programs: set[str] = set()
    open_tasks, seen = [name], set()
    while open_tasks:
        task = open_tasks.pop()
        if task in seen:
            continue
        seen.add(task)
        found = _task(runner, text, task)
        if not found:
            return False
        for needs, lines in found:
            open_tasks += needs.split()
            # A Makefile may name a program by a variable.
            lines = re.sub(r"\$[({](\w+)[)}]", lambda m: values.get(m[1], m[0]), lines)
            if _hides_failures(lines):
                return False
            programs |= set(_programs(lines))
    return programs <= known and bool(programs - idle)


def _hides_failures(lines: str) -> bool:
    """Whether lines of shell may succeed though a program in them has failed."""
    lines = re.sub(r"\{\{.*?\}\}", "?", lines.replace("\\\n", " "))
    piped = (part for line in lines.split("\n") for part in PIPED.split(line)[:-1])
    return bool(SWALLOWED.search(lines)) or any({*_programs(part)} - SHELL for part in piped)


def _programs(lines: str) -> Iterator[str]:
    """The programs that some lines of shell call."""
    for line in lines.replace("\\\n", " ").split("\n"):
        # A Taskfile has other keys than commands.
        line = re.sub(r"\{\{.*?\}\}", "?", line)
        text = re.sub(r"^[ \t]*(?:cmds?:|- (?:cmd:)?|[@+-]+)?[ \t]*[|>\"']?[@-]*", "", line)
        if re.match(r"(?:desc|summary|silent|dir|sources|generates|vars|env|aliases)\b *:", text):
            continue
        for part in re.split(r"&&|\|\||[;|(){}]", re.sub(r"\$\(MAKE\)", "make", text)):
            said = [word for word in part.split() if not re.match(r"\w+=", word)]
            program = said[0].strip("\"'") if said else ""
            if program and not program.startswith("#"):
                yield program
