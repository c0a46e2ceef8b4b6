"""A machine without tools, for `check_code_type.py`: what a command calls is written down and
succeeds, and what it was to make is made, so that the lines after it run too.

Every word of the commands that is no basic command of a shell is a recorded stub, whatever the
machine has, so that a check says the same everywhere.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from offline_github import OfflineGitHub

BASICS = (
    *("[", "awk", "base64", "basename", "bash", "cat", "chmod", "cmp", "comm", "cp", "cut", "date"),
    *("diff", "dirname", "du", "env", "expr", "false", "find", "git", "grep", "gunzip", "gzip"),
    *("head", "id", "install", "jq", "ln", "ls", "mkdir", "mktemp", "mv", "nl", "od", "paste"),
    *(
        "printf",
        "pwd",
        "readlink",
        "realpath",
        "rm",
        "rmdir",
        "sed",
        "seq",
        "sh",
        "sha1sum",
        "sha256sum",
    ),
    *("sha512sum", "sleep", "sort", "split", "stat", "tac", "tail", "tar", "tee", "test", "touch"),
    *("tr", "true", "uname", "uniq", "wc", "xargs"),
)
"""What a command may take for granted, on every runner and every machine with a shell."""

LENIENT = ("cp", "mv", "install", "chmod")
"""Those that are handed what a tool was to make: where it is missing, it is made before."""

# After each stub: a mark that one was called, and whether its arguments may say that it writes
# something, because Python takes ten times as long to start.
CALLED = "$RUNNER_TEMP/check-called"
MAY_WRITE = """\
#!{bash}
: > "{called}"
pattern='(^| )-(o|-?out)|output|metadata-file|out-?(dir|file|path){products}'
[[ "$*" =~ $pattern ]] || exit 0
exec {writes} "$@"
"""

# Then: what its arguments say that it writes. Standard library only, as in stub.py.
WRITES = """\
#!{python} -SE
import json, os, re, sys
with open({settings!r}) as file:
    settings = json.load(file)
job = settings["jobs"].get(os.environ.get("OFFLINE_GITHUB_JOB", ""), {{}})
place = os.path.join(os.environ.get("GITHUB_WORKSPACE", ""), job.get("path", ""))
products = {{os.path.normpath(os.path.join(place, name)): name for name in job.get("products", [])}}

def make(path, folder):
    if folder:
        os.makedirs(path, exist_ok=True)
    if os.path.isdir(path):
        if not os.listdir(path):
            open(os.path.join(path, "made-by-the-check"), "w").close()
    elif not os.path.exists(path) and os.path.isdir(os.path.dirname(path) or "."):
        open(path, "w").close()

before = ""
for argument in sys.argv[1:]:
    option, _, value = argument.rpartition("=")
    option, value = option or before, value.rstrip("/")
    path = os.path.normpath(os.path.join(os.getcwd(), value))
    output = re.fullmatch(r"-o|--?out|-?-?.*(output|metadata-file|out-?(dir|file|path))", option)
    if value and (path in products or output) and len(value) < 200 and "\\n" not in value:
        product = path in products and not output and "." not in value
        make(path, product or "dir" in option or argument.endswith("/"))
    before = argument if argument.startswith("-") else ""
"""

# After a stub of which somebody has said what it answers.
ANSWERS = """\
#!/usr/bin/env bash
bash '{script}' "$@" || exit
exec {writes} "$@"
"""

# At the end of a build that succeeded and called a stub: what it was to leave, and has not.
LEAVES = """\
#!{python} -SE
import json, os
with open({settings!r}) as file:
    settings = json.load(file)
name = os.environ["OFFLINE_GITHUB_JOB"]
job = settings["jobs"][name]
for product in job["products"]:
    path = os.path.join(os.environ["GITHUB_WORKSPACE"], job["path"], product)
    if os.path.isdir(path) and not os.listdir(path) or not os.path.exists(path):
        if "." not in os.path.basename(path) and product not in settings["lines"]:
            os.makedirs(path, exist_ok=True)
            path = os.path.join(path, "made-by-the-check")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").write("made by the check\\n")
        with open({made!r}, "a") as file:
            file.write(json.dumps([name, product]) + "\\n")
"""

# Read by every bash before its script; that of a step is called as the runner calls the step.
PRELUDE = """\
case "$0" in
  */act/workflow/*.sh)
    rm -f "{called}"
    trap '
      _code=$?
      case "$_code {builds}" in
        "0 "*"|$OFFLINE_GITHUB_JOB ${{0##*/}}|"*) [ ! -e "{called}" ] || {leaves} ;;
        "0 "*) ;;
        *) echo "check: failed at: $BASH_COMMAND" ;;
      esac
      exit "$_code"
    ' EXIT
    ;;
esac
"""

LENIENT_COMMAND = """\
#!{bash}
arguments=()
for argument; do
  argument=${{argument//\\*/made}}
  case "$argument" in
    -* | [0-7][0-7][0-7] | *[+=]*) ;;
    "$GITHUB_WORKSPACE"/* | "$RUNNER_TEMP"/* | [!/]*)
      if [ "${{#arguments[@]}}" -lt "$(($# - {last}))" ] && [ ! -e "$argument" ]; then
        mkdir -p "$(dirname "$argument")"
        case "$argument" in */) mkdir -p "$argument" ;; *) : > "$argument" ;; esac
      fi
      ;;
  esac
  arguments+=("$argument")
done
exec {real} "${{arguments[@]}}"
"""

FAILED = "check: failed at: "


@dataclass(frozen=True)
class Leaves:
    """What a job is to leave: products, relative to the component's path."""

    path: str
    products: tuple[str, ...]
    step: str
    """What the runner calls the step that builds them."""


def words(texts: list[str]) -> list[str]:
    """Every word of some commands that may be a tool's name; Node runs actions as well."""
    shell = subprocess.run(
        ["bash", "-c", "compgen -bk"], capture_output=True, text=True, check=True
    ).stdout.split()
    found = {word for text in texts for word in re.findall(r"[A-Za-z_][\w.+-]*", text)}
    # Actions are run by `node`: what has that name is the double's own.
    return sorted(word for word in found - {*shell, *BASICS, "node"} if len(word) < 60)


class BareMachine:
    """Lets the jobs of a double of GitHub run on a machine without tools."""

    def __init__(
        self,
        github: OfflineGitHub,
        folder: Path,
        commands: list[str],
        leaves: Mapping[str, Leaves],
        lines: list[str],
        answers: Path | None,
    ) -> None:
        """`lines` are products of one line; `answers` is a folder of scripts, by the name of the
        tool whose stub runs it, for tools that have to answer something."""
        folder.mkdir()
        self.made_log = folder / "made.jsonl"
        settings = folder / "settings.json"
        jobs = {job: {"path": o.path, "products": o.products} for job, o in leaves.items()}
        settings.write_text(json.dumps({"jobs": jobs, "lines": lines}), encoding="utf-8")
        names = {
            "python": sys.executable,
            "settings": str(settings),
            "made": str(self.made_log),
        }
        _write(folder / "leaves", LEAVES.format(**names))
        builds = "".join(f"|{job} {job_leaves.step}.sh|" for job, job_leaves in leaves.items())
        prelude = folder / "prelude.sh"
        prelude.write_text(
            PRELUDE.format(leaves=folder / "leaves", builds=builds, called=CALLED),
            encoding="utf-8",
        )
        writes = folder / "writes"
        _write(writes, WRITES.format(**names))
        products = {name for job in leaves.values() for name in job.products}
        may_write = MAY_WRITE.format(
            bash=shutil.which("bash"),
            writes=writes,
            called=CALLED,
            products="".join(f"|{re.escape(name)}" for name in sorted(products)),
        )
        _write(github.tools.folder / ".writes", may_write)
        answering = {file.name: file for file in answers.iterdir()} if answers else {}
        for word in sorted({*words(commands), *answering}):
            github.tools.add(word, None)
            if word in answering:
                after = github.tools.folder / f".after-{word}"
                _write(
                    after, ANSWERS.format(script=answering[word], writes=after.with_name(".writes"))
                )
            else:
                (github.tools.folder / f".after-{word}").symlink_to(".writes")
        basics = folder / "bin"
        basics.mkdir()
        for name in BASICS:
            if real := shutil.which(name):
                (basics / name).symlink_to(real)
        for name in LENIENT:
            # The last argument of the first three is where to, and of chmod one of the files.
            text = LENIENT_COMMAND.format(
                bash=shutil.which("bash"), real=shutil.which(name), last=name != "chmod"
            )
            _write(github.tools.folder / name, text.replace("True", "1").replace("False", "0"))
        shims = github.path[1]
        github.path = [str(github.tools.folder), shims]
        github.runner_environment = {"BASH_ENV": str(prelude)}
        self.path = str(basics)

    @property
    def made(self) -> list[tuple[str, str]]:
        """The products that no command made: (job, product)."""
        if not self.made_log.exists():
            return []
        lines = self.made_log.read_text(encoding="utf-8").splitlines()
        return sorted({tuple(json.loads(line)) for line in lines})


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
