"""Pushes the change as one commit and opens, or refreshes, one pull request.

It is called with the folder of change.patch and report.json. The template's code may have written
these files, so they are only data here. There is no work tree, so no filter and no hook runs.
Standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ANSWERS_FILES, BRANCH, EngineError, git, plain, run, summary

LISTED, NAME, SAID = 100, 200, 15_000
"""Limits: files in a list, letters of each name, and letters of Copier's output. Together they are
fewer than the 65,536 that GitHub accepts. Cutting the whole text could cut inside a code block."""


@dataclass(frozen=True)
class Report:
    """The report of render.py. Nothing in it is trusted."""

    mode: str
    answers_file: str
    before: str
    now: str
    conflicts: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    said: str

    @classmethod
    def read(cls, text: str) -> Report:
        try:
            read = json.loads(text)
            return cls(
                mode=str(read["mode"]),
                answers_file=str(read["answers_file"]),
                before=_version(read["before"]),
                now=_version(read["now"]),
                conflicts=tuple(map(str, read["conflicts"])),
                changed=tuple((str(state), str(file)) for state, file in read["changed"]),
                said=str(read["said"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise EngineError(f"report.json: cannot be read: {error}") from None

    @property
    def branch(self) -> str:
        """One for each answers file."""
        match = re.fullmatch(ANSWERS_FILES, self.answers_file)
        name = match[1].strip(".-") if match and match[1] else ""
        return f"{BRANCH}-{name}" if name else BRANCH

    @property
    def title(self) -> str:
        number = len(self.conflicts)
        noun = "conflict" if number == 1 else "conflicts"
        conflicts = f": {number} {noun} to resolve" if number else ""
        if self.mode == "copy":
            return f"Add pipelines ({self.now}){conflicts}"
        if self.before != self.now:
            return f"Update the pipelines from {self.before} to {self.now}{conflicts}"
        return f"Change the pipelines ({self.now}){conflicts}"


def _version(text: object) -> str:
    return str(text) if re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,59}", str(text)) else "unknown"


def _line(text: str) -> str:
    """One line without invisible characters, and none that change the direction of writing."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def _code(text: str) -> str:
    text = _line(text).replace("`", "'")
    return f"`{text if len(text) <= NAME else text[: NAME - 1] + '…'}`"


def _listed(files: list[str]) -> str:
    lines = [f"- {file}" for file in files[:LISTED]]
    if len(files) > LISTED:
        lines.append(f"- and {len(files) - LISTED} more")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Untrusted lines: nothing in them works as Markdown, or as a mention."""
    lines = "\n".join(map(_line, text.strip().splitlines())).replace("~~~", "~ ~ ~")
    return "\n".join(["~~~text", lines if len(lines) <= SAID else f"{lines[:SAID]}…", "~~~"])


def body(report: Report, repository: str, run_url: str) -> str:
    """The pull request's text."""
    parts = []
    if report.conflicts:
        parts += [
            "## Resolve these conflicts first",
            "The repository and the template changed the same lines in these files. The "
            "repository's lines are between `<<<<<<<` and `=======`, the template's lines below. "
            "Resolve them on this branch.",
            _listed([_code(file) for file in report.conflicts]),
        ]
    words = {"A": "new", "D": "deleted"}
    files = [f"{_code(file)}: {words.get(state, 'changed')}" for state, file in report.changed]
    guide = f"{os.environ['GITHUB_SERVER_URL']}/{repository}/blob/{report.branch}/docs/ci-cd.md"
    parts += [
        "## What to set up on GitHub",
        f"[docs/ci-cd.md]({guide}) has the commands to paste.",
        *([_quoted(report.said)] if report.said.strip() else []),
        f"<details><summary>{len(files)} changed files</summary>",
        _listed(files),
        "</details>",
        f"Made by [this run]({run_url}) from {_code(report.answers_file)}. Your edits and your own "
        "jobs are kept. The next run replaces this branch, unless somebody else has pushed to it.",
    ]
    return "\n\n".join(parts)


class RefusedError(EngineError):
    """GitHub has answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class GitHub:
    """REST calls for one repository."""

    def __init__(self, repository: str, token: str) -> None:
        self._url = f"{os.environ['GITHUB_API_URL']}/repos/{repository}"
        self._token = token

    def call(self, method: str, path: str, content: Any = None) -> Any:
        """The answer, parsed. Raises RefusedError, or EngineError if there is none."""
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer) if answer.status != 204 else None
        except urllib.error.HTTPError as error:
            try:
                message = json.loads(error.read())["message"]
            except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
                message = error.reason
            raise RefusedError(
                error.code,
                f"GitHub answers {error.code} to {method} {path.partition('?')[0]}: {message}; "
                "start the run again, or look at the App's permissions",
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EngineError(f"GitHub cannot be reached: {error}; start the run again") from None


def commit(patch: Path, parent: str, message: str, author: tuple[str, str], cwd: Path) -> str:
    """A commit of the change on its parent, made without a work tree. Raises EngineError."""
    git("read-tree", parent, cwd=cwd)
    git("apply", "--cached", "--whitespace=nowarn", str(patch.resolve()), cwd=cwd)
    tree = git("write-tree", cwd=cwd)
    name, email = author
    identity = ("-c", f"user.name={name}", "-c", f"user.email={email}")
    # `git` names a command by its first word.
    made = subprocess.run(
        ["git", *identity, "commit-tree", tree, "-p", parent],
        cwd=cwd,
        input=message.encode(),
        capture_output=True,
        check=True,
    )
    return made.stdout.decode().strip()


def push(
    folder: Path,
    report: Report,
    remote: str,
    token: str,
    parent: str,
    author: tuple[str, str],
    is_open: bool,
    message: str,
    patch: Path,
) -> bool:
    """Pushes the change to its branch. False if the branch already contains it."""
    ref = f"refs/heads/{report.branch}"
    git("init", "--quiet", "--bare", cwd=folder)
    git("fetch", "--quiet", "--depth=1", remote, parent, cwd=folder, token=token)
    there = git("ls-remote", remote, ref, cwd=folder, token=token).partition("\t")[0]
    made = commit(patch, parent, message, author, folder)
    if there:
        git("fetch", "--quiet", "--depth=2", remote, there, cwd=folder, token=token)
        email, above = git("log", "-1", "--format=%ce %P", there, cwd=folder).split(" ", 1)
        if is_open and email != author[1]:
            raise EngineError(
                f"{report.branch}: somebody else has pushed to this branch; merge or close its "
                "pull request, then start the run again"
            )
        trees = [git("rev-parse", f"{each}^{{tree}}", cwd=folder) for each in (there, made)]
        if above == parent and trees[0] == trees[1]:
            return False
    lease = f"--force-with-lease={ref}:{there}"
    git("push", "--quiet", lease, remote, f"{made}:{ref}", cwd=folder, token=token)
    return True


def main() -> None:
    folder = Path(sys.argv[1])
    report = Report.read((folder / "report.json").read_text(encoding="utf-8"))
    token, slug = os.environ["TOKEN"], os.environ["APP_SLUG"]
    repository, base = os.environ["REPOSITORY"], os.environ["BASE"]
    server, central = os.environ["GITHUB_SERVER_URL"], os.environ["GITHUB_REPOSITORY"]
    run_url = f"{server}/{central}/actions/runs/{os.environ['GITHUB_RUN_ID']}"
    github = GitHub(repository, token)
    owner = repository.partition("/")[0]
    query = {"state": "open", "head": f"{owner}:{report.branch}", "base": base}
    opened = github.call("GET", f"/pulls?{urllib.parse.urlencode(query)}")
    author = (f"{slug}[bot]", f"{slug}[bot]@users.noreply.github.com")
    with tempfile.TemporaryDirectory() as bare:
        pushed = push(
            Path(bare),
            report,
            f"{server}/{repository}.git",
            token,
            os.environ["COMMIT"],
            author,
            bool(opened),
            f"{report.title}\n\nMade by {run_url}\n",
            folder / "change.patch",
        )
    text = {"title": report.title, "body": body(report, repository, run_url)}
    if not opened:
        pull = github.call("POST", "/pulls", {**text, "head": report.branch, "base": base})
        done = "Opened"
    elif pushed:
        pull = github.call("PATCH", f"/pulls/{opened[0]['number']}", text)
        done = "Refreshed"
    else:
        pull, done = opened[0], "Nothing to do: this pull request is already open:"
    summary(f"{done} [{plain(report.title)}]({pull['html_url']}).")
    print(f"{done} {pull['html_url']}")


if __name__ == "__main__":
    run(main)
