"""A machine without tools, for `check_code_type.py`. It records the calls of a command and lets
them succeed. It also makes the files that the tools would make, so that the lines after them run
too.

Every word of the commands is a recorded stub, unless it is a basic command of a shell. Tools of the
machine do not count, so a check gives the same result everywhere.
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
"""Programs that every runner and every machine with a shell has."""

LENIENT = ("cp", "mv", "install", "chmod")
"""Programs that often take the result of a tool. If it is missing, it is made before they run."""

# Runs after each stub. Marks that a stub was called, and starts WRITES only if the arguments may
# name a file to write, because Python takes ten times as long to start.
CALLED = "$RUNNER_TEMP/check-called"
MAY_WRITE = """\
#!{bash}
: > "{called}"
pattern='(^| )-(o|-?out)|output|metadata-file|out-?(dir|file|path){products}'
[[ "$*" =~ $pattern ]] || exit 0
exec {writes} "$@"
"""

# Writes the files that the arguments of a stub name. Standard library only, as in stub.py.
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

# Runs after a stub that has a script for its answer.
ANSWERS = """\
#!/usr/bin/env bash
bash '{script}' "$@" || exit
exec {writes} "$@"
"""

# Makes the missing products at the end of a build that succeeded and called a stub.
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

# Every bash reads this before its script. The script of a step has the id of the step as its name.
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
    """The products that a job has to leave, relative to the component's path."""

    path: str
    products: tuple[str, ...]
    step: str
    """The id of the step that builds them."""


def words(texts: list[str]) -> list[str]:
    """Every word of some commands that may be a tool's name."""
    shell = subprocess.run(
        ["bash", "-c", "compgen -bk"], capture_output=True, text=True, check=True
    ).stdout.split()
    found = {word for text in texts for word in re.findall(r"[A-Za-z_][\w.+-]*", text)}
    # The double runs actions with a `node` of its own.
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
        """`lines` are products that are files of one line. `answers` is a folder of scripts for
        tools that have to answer something; each script has the name of its tool."""
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
            # The last argument of the first three is the target; that of chmod is one of the files.
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
        """The products that no command made, each with its job."""
        if not self.made_log.exists():
            return []
        lines = self.made_log.read_text(encoding="utf-8").splitlines()
        return sorted({tuple(json.loads(line)) for line in lines})


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
