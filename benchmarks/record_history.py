"""Writes down a repository's history for `only_changed.py`: listings of paths, and answers.

    .venv/bin/python benchmarks/record_history.py CLONE OWNER/NAME COMMIT MANY DATE

`CLONE` may be bare. What is recorded are the last `MANY` commits up to `COMMIT`, along first
parents, and the answers that the template's own detection proposes at `COMMIT`. `DATE` says when
the clone was made. No file's contents are kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from detection import reader
from only_changed import DATA
from pipeline.catalogue import load_catalogue
from pipeline.proposal import propose
from pipeline.repository_files import RepositoryFiles

DIGITS = 7
KINDS = {"100755": "x", "120000": "link", "160000": "submodule"}
"""A mark after the object's digits, for files whose mode is not that of a plain file."""


def git(clone: Path, *arguments: str) -> str:
    command = ["git", "-C", str(clone), *arguments]
    here = {**os.environ, "TZ": "UTC"}
    done = subprocess.run(command, check=True, capture_output=True, env=here)
    return done.stdout.decode("utf-8")


def line(mode: str, digits: str, path: str) -> str:
    if "\n" in path:
        raise ValueError(f"a name of two lines: {path!r}")
    return f"{digits[:DIGITS]}{KINDS.get(mode, '')}\t{path}"


def listing(clone: Path, commit: str) -> Iterator[str]:
    for entry in git(clone, "ls-tree", "-r", "-z", commit).split("\0")[:-1]:
        about, path = entry.split("\t", 1)
        mode, _, digits = about.split()
        yield line(mode, digits, path)


def changes(clone: Path, parent: str, commit: str) -> Iterator[str]:
    raw = git(clone, "diff-tree", "-r", "-z", "--raw", "--no-renames", parent, commit)
    parts = raw.split("\0")[:-1]
    for about, path in zip(parts[::2], parts[1::2], strict=True):
        _, mode, _, digits, status = about.split()
        yield f"-\t{path}" if status == "D" else line(mode, digits, path)


def history(clone: Path, name: str, commit: str, many: int, date: str) -> Iterator[str]:
    when = "--date=format-local:%Y-%m-%dT%H:%M:%SZ"
    log = git(clone, "log", "--first-parent", f"-{many + 1}", "--format=%H %cd", when, commit)
    commits = [entry.split(" ") for entry in reversed(log.splitlines())]
    (first, began), (last, ended) = commits[0], commits[-1]
    yield f"# {name}, {many} commits of its default branch (first parents), as of {date}:"
    yield f"# after {first} ({began[:10]})"
    yield f"# up to {last} ({ended[:10]})"
    yield "# Each commit: = when, which. Below it the paths that changed, each after the first"
    yield "# digits of its new object's id; - where it was deleted. The first lists all files."
    before = ""
    for sha, time in commits:
        yield f"= {time} {sha[:DIGITS]}"
        yield from changes(clone, before, sha) if before else listing(clone, sha)
        before = sha


def answers(clone: Path, name: str, commit: str) -> dict[str, Any]:
    names = git(clone, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")[:-1]
    files = RepositoryFiles(names, reader(clone, commit), name)
    proposal = propose(files, load_catalogue(DATA.parent.parent).code_types)
    return {
        "project_name": name,
        "code_types": proposal.code_types,
        "components": dict(proposal.components),
        "dependency_map": proposal.dependency_map,
    }


def main(folder: str, repository: str, commit: str, many: str, date: str) -> None:
    clone, name = Path(folder), repository.rpartition("/")[2]
    commit = git(clone, "rev-parse", commit).strip()
    text = "\n".join(history(clone, repository, commit, int(many), date))
    (DATA / f"{name}.txt").write_text(f"{text}\n", encoding="utf-8")
    head = f"# What detection proposes for {repository} at {commit}, unchanged.\n"
    proposed = yaml.safe_dump(answers(clone, name, commit), sort_keys=False, width=100)
    (DATA / f"{name}.yml").write_text(head + proposed, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
