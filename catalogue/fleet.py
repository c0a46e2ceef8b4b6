# /// script
# requires-python = ">=3.11"
# dependencies = ["copier>=9.19,<10", "copier-template-extensions>=0.3.4"]
# ///
"""Lists which version of the template each repository has, and which may be updated now.

    uv run https://raw.githubusercontent.com/OWNER/copier-orchestrator/main/catalogue/fleet.py \\
        --organisation acme --template https://github.com/acme/copier-orchestrator

It reads GitHub, or a folder of clones, and changes nothing. It keeps no state: each call reads
everything again. It is one file that imports nothing else of this project, so its address is enough
to run it. Without --drift it needs only PyYAML and packaging, which come with Copier. See
docs/catalogue.md.
"""

from __future__ import annotations

import argparse
import base64
import concurrent.futures
import fnmatch
import functools
import hashlib
import html
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import yaml
from packaging.version import Version

ANSWERS_FILE = ".copier-answers.yml"
IS_ANSWERS_FILE = re.compile(r"\.copier-answers[^/]*\.ya?ml")
ORCHESTRATOR = re.compile(r"orchestrator-(.+)\.ya?ml", re.DOTALL)
"""The workflow of an environment. Each environment has one."""

ANSWERS = {"code_types", "components"}
"""As in drift.py: an answers file with neither of them has no answers of this template."""

STATES = ("broken", "unknown", "edited", "behind", "current")
"""The state of a row is the first that is true."""

LARGEST = 100_000
"""The largest answers file, in letters. One for 50 components has 20,000. A much larger one could
hold numbers of a million digits, which take minutes to read."""

DEEPEST = 50
"""The most nested levels of an answers file."""


class CannotTellError(Exception):
    """There is no result. The message is one line: place, cause, fix. The command exits with 2."""


class BrokenError(Exception):
    """Why an answers file cannot be read."""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads what Copier writes, but refuses `<<`: a few lines with it can fill the memory."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        pass


def read_yaml(text: str) -> Any:
    """Reads an untrusted file. Raises only YAMLError or ValueError, whatever the file contains."""
    if len(text) > LARGEST:
        raise yaml.YAMLError(f"has more than {LARGEST} letters")
    depth = 0
    for event in yaml.parse(text, Loader=Loader):  # parse() does not recurse, unlike load()
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"has more than {DEEPEST} levels")
    try:
        return yaml.load(text, Loader=Loader)
    except (LookupError, AttributeError, ArithmeticError):  # PyYAML, for `!!int ''` or `!!bool x`
        raise yaml.YAMLError("a value does not fit its tag") from None


def problem_of(error: Exception) -> str:
    """What is wrong with a file, in one line."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        return f"{f'line {mark.line + 1}: ' if mark else ''}{error.problem}"
    return str(error).splitlines()[0]


def shown(value: object, most: int = 300) -> str:
    """A value as one line of text, without control characters or invisible ones."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))
    text = re.sub(r"//[^/@\s]+@", "//", text)  # an address may hold a password
    return text if len(text) <= most else text[: most - 1] + "…"


def git(*arguments: str, folder: Path | None = None) -> str:
    """What git prints. Raises CannotTellError with what it says."""
    command = ["git", *(("-C", str(folder)) if folder else ()), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    except (OSError, ValueError) as error:  # not installed; a NUL in an argument
        raise CannotTellError(f"git: {error}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["git failed"]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
        raise CannotTellError((fatal or lines)[0])
    return done.stdout


# Templates ---------------------------------------------------------------------------------------

SHORT = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
"""Copier's own short forms."""

SCHEMES = {"https", "http", "ssh", "git"}
NUMBERS = re.compile(r"v\d+(?:\.\d+)*|\d+(?:\.\d+)+")
"""A released version, as in drift.py. Digits alone may be the beginning of a SHA."""

DESCRIBED = re.compile(r"(.+)-\d+-g([0-9a-f]{7,64})")
SHA = re.compile(r"[0-9a-f]{7,64}")

parsed = functools.cache(Version)


def address(given: str) -> str:
    """An address as git takes it."""
    text = given.strip().removeprefix("git+")
    for short, long in SHORT.items():
        if text.startswith(short):
            return long + text.removeprefix(short).lstrip("/")
    return text


def identity(given: str, folder: Path | None = None) -> str:
    """One form for all spellings of an address: `host/owner/name` in small letters, or a path.

    A relative path starts at `folder`.
    """
    text = address(given)
    if not text:
        return ""
    scheme, _, rest = text.partition("://")
    if rest and scheme.lower() in SCHEMES:
        host, _, path = rest.partition("/")
        host = re.sub(r":\d+$", "", host.rpartition("@")[2])
    elif match := re.fullmatch(r"(?:[^/@\\:\s]+@)?([^/\\:\s]{2,}):(?!//)(.+)", text):
        host, path = match[1], match[2]
    else:
        if scheme.lower() == "file" and rest:
            text = urllib.request.url2pathname(urllib.parse.urlsplit(text).path)
        try:
            return os.path.normcase(Path(folder or "", Path(text).expanduser()).resolve())
        except (OSError, ValueError, RuntimeError):  # a NUL, `~nobody`, a loop of links
            return text
    host = host.lower().removeprefix("www.").removeprefix("ssh.")
    return f"{host}/{path.strip('/').removesuffix('.git').lower()}"


@dataclass
class Template:
    """A template, its releases and, as far as they are known, its commits."""

    given: str
    identities: set[str]
    path: Path | None = None
    """A clone of it, if there is one."""
    releases: dict[str, str] = field(default_factory=dict)
    """Each released version with its commit, the oldest first."""
    head: str = ""
    history: list[str] = field(default_factory=list)
    """The commits of the default branch, the newest first; maybe not all."""
    has_tags: bool = False

    @property
    def latest(self) -> str | None:
        """The newest release or, if there is none, the first digits of the newest commit."""
        return next(reversed(self.releases), None) or self.head[:7] or None

    def set_releases(self, tags: Mapping[str, str], releases_file: str) -> None:
        """Set the releases: from the tags or, if there are none, from `releases.yml`."""
        found = {name: sha for name, sha in tags.items() if NUMBERS.fullmatch(name)}
        self.has_tags = bool(found)
        if not found:
            try:
                listed = read_yaml(releases_file)
            except (yaml.YAMLError, ValueError):
                listed = None
            for name, sha in listed.items() if isinstance(listed, dict) else ():
                if NUMBERS.fullmatch(str(name)) and SHA.fullmatch(str(sha)):
                    found[str(name)] = str(sha)
        self.releases = dict(sorted(found.items(), key=lambda item: parsed(item[0])))

    def releases_after(self, version: str) -> list[str] | None:
        """The releases after a version that Copier has recorded; None if they are unknown."""
        match = DESCRIBED.fullmatch(version)
        if (base := match[1] if match else version) and NUMBERS.match(base):
            try:
                return [name for name in self.releases if parsed(name) > parsed(base)]
            except ValueError:  # `v1-final`: a tag that is no version
                return None
        if not (match or SHA.fullmatch(version)):
            return None
        sha = match[2] if match else version
        for name, commit in self.releases.items():
            if commit.startswith(sha):
                return [other for other in self.releases if parsed(other) > parsed(name)]
        if self.head.startswith(sha):
            # A release from another branch is not newer than the head of this one.
            return []
        at = [number for number, commit in enumerate(self.history) if commit.startswith(sha)]
        if len(at) != 1 or not self.releases:
            return None
        since = set(self.history[: at[0]])
        return [name for name, commit in self.releases.items() if commit in since]


def read_clone(template: Template) -> None:
    """Reads versions from a clone, without the network. Raises CannotTellError."""
    folder = template.path
    peeled = "%(refname:strip=2) %(objectname) %(*objectname)"
    listed = [x.split(" ") for x in git("tag", f"--format={peeled}", folder=folder).splitlines()]
    template.history = git("rev-list", "HEAD", folder=folder).splitlines()
    template.head = template.history[0]
    try:
        releases_file = git("show", "HEAD:releases.yml", folder=folder)
    except CannotTellError:
        releases_file = ""
    template.set_releases({name: tag or sha for name, sha, tag in listed}, releases_file)


def read_remote(template: Template) -> None:
    """Ask git for the versions at an address. Raises CannotTellError."""
    listed = git("ls-remote", "--", address(template.given), "HEAD", "refs/tags/*")
    heads = {name: sha for sha, name in (line.split("\t") for line in listed.splitlines())}
    template.head = heads.pop("HEAD", "")
    tags = {name.removeprefix("refs/tags/"): sha for name, sha in heads.items()}
    template.set_releases(
        {n: tags.get(n + "^{}", tags[n]) for n in tags if not n.endswith("^{}")}, ""
    )


def templates_of(given: Sequence[str]) -> list[Template]:
    """The templates that `--template` names, each once.

    Raises CannotTellError for a folder that is no repository.
    """
    made: list[Template] = []
    for text in given:
        template = Template(text, {known := identity(text)})
        folder = Path(known)
        if folder.is_absolute() and folder.is_dir():
            template.path = folder
            try:
                read_clone(template)
            except CannotTellError as error:
                raise CannotTellError(
                    f"--template {shown(text)}: is no git repository with a commit: {error}; name "
                    "a clone of the template, or its address"
                ) from None
            template.identities |= {identity(x) for x in remotes(folder).values()}
        same = [other for other in made if other.identities & template.identities]
        if not same:
            made.append(template)
        elif template.path and not same[0].path:  # a clone knows more than an address
            template.identities |= same[0].identities
            made[made.index(same[0])] = template
        else:
            same[0].identities |= template.identities
    return made


def remotes(folder: Path) -> dict[str, str]:
    """The addresses of a clone's remotes, `origin` first."""
    try:
        lines = git("config", "--get-regexp", r"^remote\..*\.url$", folder=folder).splitlines()
    except CannotTellError:
        return {}
    found = {line.split(" ", 1)[0]: line.split(" ", 1)[-1] for line in lines}
    return dict(sorted(found.items(), key=lambda item: item[0] != "remote.origin.url"))


# Answers files and rows --------------------------------------------------------------------------


@dataclass
class Proof:
    """Whether the pipelines of the wanted version have deployed: `proved`, `failed`, `waits`."""

    kind: str
    reason: str
    since: datetime | None = None
    """When they first deployed, in the deployments that were read."""


@dataclass
class Row:
    """An answers file of a repository."""

    repository: str
    answers_file: str
    url: str | None = None
    template: str | None = None
    version: str | None = None
    latest: str | None = None
    behind: int | None = None
    """How many releases are newer."""
    state: str = "unknown"
    reason: str = ""
    archived: bool = False
    private: bool | None = None
    drift: str | None = None
    pull_request: dict[str, Any] | None = None
    deployments: list[dict[str, Any]] | None = None
    ring: str | None = None
    may_update: bool | None = None
    update_to: str | None = None
    source: str = ""
    """The template's address as it was read: it may contain a password."""
    made_from: Template | None = None
    """The template of `--template` that it was made from."""
    proof: Proof | None = None

    def as_json(self, rings: bool) -> dict[str, Any]:
        names = [
            name
            for name in self.__dataclass_fields__
            if name not in ("source", "made_from", "proof")
        ]
        if not rings:
            names = [name for name in names if name not in ("ring", "may_update", "update_to")]
        return {name: getattr(self, name) for name in names}

    def has_release(self, version: str) -> bool:
        """Whether it has the release, or a later commit."""
        newer = (
            self.made_from.releases_after(self.version) if self.made_from and self.version else None
        )
        return newer is not None and version not in newer


def read_answers(text: str) -> dict[str, Any]:
    """The content of an answers file. Raises BrokenError."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"(<{7}|>{7}) ", line):
            raise BrokenError(
                f"line {number} is a merge conflict; resolve it, then run `copier update "
                "--vcs-ref=:current:`"
            )
    try:
        answers = read_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise BrokenError(f"is not YAML: {problem_of(error)}; restore it from git") from None
    if not isinstance(answers, dict):
        raise BrokenError("holds no answers; restore it from git")
    if ANSWERS & set(answers) and not isinstance(answers.get("_src_path"), str):
        raise BrokenError("_src_path does not name its template; restore it from git")
    return answers


def recorded_version(text: str | None) -> str | None:
    """The version that an answers file records. The rest of the file is not checked."""
    match = re.search(r"^_commit:(.*)$", text or "", re.MULTILINE)
    try:
        version = read_yaml(match[1]) if match else None
    except (yaml.YAMLError, ValueError):
        return None
    return version if isinstance(version, str) else None


def fill_in_state(
    row: Row, text: str | BrokenError, templates: Sequence[Template], folder: Path | None = None
) -> Row | None:
    """Fill in version and state. None: the answers file is another template's."""
    try:
        if isinstance(text, BrokenError):
            raise text
        answers = read_answers(text)
    except BrokenError as error:
        row.state, row.reason = "broken", shown(error)
        return row
    source = answers.get("_src_path")
    if not isinstance(source, str):
        return None
    known = identity(source, folder)
    row.made_from = next((template for template in templates if known in template.identities), None)
    if row.made_from is None:
        return None
    row.source, row.template, row.latest = source, shown(source), row.made_from.latest
    version = answers.get("_commit")
    if not isinstance(version, str) or not version.strip():
        row.reason = "_commit does not say which version this is; restore it from git"
        return row
    row.version = version
    newer = row.made_from.releases_after(version)
    if newer is None and row.made_from.releases:
        row.reason = (
            f"{shown(version)} is neither a release nor a commit that was read; update to a "
            "release by hand: copier update --vcs-ref VERSION"
        )
    elif newer is None:
        row.state = "behind"
        row.reason = f"the template has no releases, and its newest commit is {row.latest}"
    elif newer:
        row.state, row.behind = "behind", len(newer)
        row.reason = f"{len(newer)} newer: {', '.join(reversed(newer))}"
    else:
        row.state, row.behind = "current", 0
        row.reason = "" if version == row.latest else f"made after {row.latest}"
        if not row.made_from.releases:
            row.reason = "the template's newest commit; it has no releases"
    return row


# Clones ------------------------------------------------------------------------------------------


def clones_in(folder: Path) -> list[Path]:
    """The clones below a folder, at most three levels deep. Raises CannotTellError for none."""
    if not folder.is_dir():
        raise CannotTellError(f"--clones {folder}: is no folder; name the one with the clones")
    found, looked_at = [], [(folder, 0)]
    while looked_at:
        place, depth = looked_at.pop()
        if os.path.lexists(place / ".git"):
            found.append(place)
        elif depth < 3:
            try:
                looked_at += [
                    (inside, depth + 1)
                    for inside in place.iterdir()
                    if inside.is_dir() and not inside.is_symlink()
                ]
            except OSError as error:
                say(f"{inside_of(place, folder)}: cannot be read: {error.strerror}")
    if not found:
        raise CannotTellError(f"--clones {folder}: holds no clone; clone the repositories there")
    return sorted(found)


def inside_of(place: Path, folder: Path) -> str:
    """The path of a place below a folder; the name of the folder for the folder itself."""
    return place.name if place == folder else place.relative_to(folder).as_posix()


def read_clones(
    folder: Path, templates: list[Template], answers_files: Sequence[str], progress: Progress
) -> tuple[list[Row], dict[int, Path]]:
    """A row for each answers file in a clone, and the clone of each row."""
    rows, places = [], {}
    clones = clones_in(folder)
    addresses = {}
    for number, clone in enumerate(clones, 1):
        progress(f"Read {number} of {len(clones)} clones")
        addresses[clone] = next(iter(remotes(clone).values()), "")
    # The clones may include a template whose address was given: then the network is not used.
    for template in templates:
        if not template.path:
            same = (c for c in clones if identity(addresses[c]) in template.identities)
            template.path = next(same, None)
            try:
                read_clone(template) if template.path else read_remote(template)
            except CannotTellError as error:
                raise no_versions(template, error) from None
    for clone in clones:
        origin = addresses[clone]
        name = inside_of(clone, folder)
        url = None
        if origin and not Path(known := identity(origin)).is_absolute() and "/" in known:
            host, _, path = known.partition("/")
            spelled = re.split(r"[/:]", address(origin).rstrip("/").removesuffix(".git"))
            name = "/".join(spelled[-path.count("/") - 1 :])
            url = f"https://{host}/{name}"
        try:
            names = answers_files_of(clone, answers_files)
        except OSError as error:
            say(f"{name}: cannot be read: {error.strerror}")
            continue
        for answers_file in names:
            row = Row(name, answers_file, url)
            if fill_in_state(row, answers_text(clone, answers_file), templates, clone):
                rows.append(row)
                places[id(row)] = clone
    return rows, places


def no_versions(template: Template, error: CannotTellError) -> CannotTellError:
    """The error for a template whose versions cannot be read."""
    return CannotTellError(
        f"--template {shown(template.given)}: its versions cannot be read: {error}; check the "
        "address and your rights, or name a clone of it"
    )


def answers_files_of(clone: Path, more: Sequence[str]) -> list[str]:
    """The answers files of a clone: those with the usual name, and `more` if they exist."""
    here = {entry.name for entry in clone.iterdir() if IS_ANSWERS_FILE.fullmatch(entry.name)}
    return sorted(here | {name for name in more if os.path.lexists(clone / name)})


def answers_text(clone: Path, name: str) -> str | BrokenError:
    """The text of an answers file of a clone, or why it cannot be read."""
    file = clone / name
    # A link may lead to any file of this machine, and the reason, which is published, may quote it.
    try:
        is_link = file.is_symlink() or file.resolve() != clone.resolve() / name
    except (OSError, RuntimeError):  # a loop of links, before Python 3.13
        is_link = True
    if is_link:
        return BrokenError("is a link; replace it by the file")
    if not file.is_file():
        return BrokenError("is no file; restore it from git")
    try:
        if file.stat().st_size > LARGEST:
            return BrokenError("is too large; restore it from git")
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return BrokenError("is not UTF-8; restore it from git")
    except OSError as error:
        return BrokenError(f"cannot be read: {error.strerror}")


# Drift -------------------------------------------------------------------------------------------


def fill_in_drift(rows: Sequence[Row], places: Mapping[int, Path], progress: Progress) -> None:
    """Run the template's drift.py in each clone, and fill in what it finds.

    drift.py uses our copy of the template. Whatever address an answers file contains, git reads
    only that copy. So no other template's code can run.
    """
    told = [row for row in rows if row.made_from and row.version]
    with tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True) as temporary:
        runs: list[tuple[Row, list[str], dict[str, str]]] = []
        named = {id(row.made_from): row.made_from for row in told if row.made_from}
        for number, template in enumerate(named.values()):
            progress(f"Fetch {shown(template.given)}")
            mine = [row for row in told if row.made_from is template]
            bare = Path(temporary, f"{number}.git")
            program = Path(temporary, f"drift-{number}.py")
            try:
                source = str(template.path or address(template.given))
                git("clone", "--quiet", "--bare", "--", source, str(bare))
                for name, sha in template.releases.items() if not template.has_tags else ():
                    git("tag", name, sha, folder=bare)
                program.write_text(git("show", "HEAD:hooks/drift.py", folder=bare), "utf-8")
            except CannotTellError as error:
                raise CannotTellError(
                    f"--template {shown(template.given)}: its hooks/drift.py cannot be read: "
                    f"{error}; name a template that has it"
                ) from None
            environment = {k: v for k, v in os.environ.items() if not k.endswith("_TOKEN")}
            environment |= {"PYTHONUTF8": "1", "GIT_ALLOW_PROTOCOL": "file"}
            # Copier caches clones by address; our copy must not get into that cache.
            environment["COPIER_CACHE_DIR"] = str(Path(temporary, f"cache-{number}"))
            environment |= redirections(bare, {row.source for row in mine})
            command = [sys.executable, str(program), "--trust", "--answers-file"]
            runs += [(row, [*command, row.answers_file], environment) for row in mine]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            waiting = [
                pool.submit(compare_with_template, row, places[id(row)], command, environment)
                for row, command, environment in runs
            ]
            for number, _ in enumerate(concurrent.futures.as_completed(waiting), 1):
                progress(f"Compared {number} of {len(runs)} repositories with their templates")
            for done in waiting:
                done.result()


def redirections(bare: Path, sources: Iterable[str]) -> dict[str, str]:
    """Settings that make git read this folder for every address."""
    # Copier adds `.git` to its own short forms, and takes `git+` away.
    bases = sorted({address(source) for source in sources})
    addresses = {x for base in bases for x in (base, base.removesuffix(".git") + ".git")}
    # The settings that the environment already has stay.
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    settings = {"GIT_CONFIG_COUNT": str(first + len(addresses))}
    for number, given in enumerate(sorted(addresses), first):
        settings[f"GIT_CONFIG_KEY_{number}"] = f"url.{bare.as_uri()}.insteadOf"
        settings[f"GIT_CONFIG_VALUE_{number}"] = given
    return settings


def compare_with_template(
    row: Row, clone: Path, command: list[str], environment: dict[str, str]
) -> None:
    """Run drift.py in one clone, and fill in what it finds."""
    try:
        done = subprocess.run(
            command,
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        row.drift = "unknown: it took more than 5 minutes"
    else:
        last = shown((done.stdout.splitlines() or [""])[-1])
        if done.returncode == 0:
            row.drift = "none"
        elif done.returncode == 1 and last.startswith("Drift from "):
            # Before the bracket are counts. The names of files come after it, and are left out.
            row.drift = last.partition(": ")[2].partition(" (")[0]
            row.state = "edited"
            behind = f"; {row.reason}" if row.behind else ""
            row.reason = f"{row.drift}{behind}; see docs/drift.md"
        else:
            cause = (done.stderr.splitlines() or ["drift.py failed"])[-1]
            row.drift = f"unknown: {shown(cause)}"
    if row.drift.startswith("unknown"):
        row.reason = "; ".join(filter(None, (row.reason, f"drift {row.drift}")))


# GitHub ------------------------------------------------------------------------------------------

PAGE = 100
"""How many repositories one call reads. A hundred need a call for the list, and one for details."""

ACTIONS_APP = 15368
"""The number of the app GitHub Actions on github.com. An app's token may not read the check suites
of other apps."""

RUN_FAILED = {"FAILURE", "TIMED_OUT", "STARTUP_FAILURE", "ACTION_REQUIRED"}
RUN_SAYS_NOTHING = {"SKIPPED", "CANCELLED", "NEUTRAL", "STALE"}
DEPLOYED = {"ACTIVE", "INACTIVE", "SUCCESS", "DESTROYED"}
"""A deployment becomes inactive when the next one of its environment has succeeded."""

LISTING = """query Listing($owner: String!, $first: Int!, $after: String) {
  rateLimit { cost remaining resetAt }
  repositoryOwner(login: $owner) {
    repositories(first: $first, after: $after, ownerAffiliations: [OWNER],
                 orderBy: {field: NAME, direction: ASC}) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        id nameWithOwner url isArchived isPrivate
        defaultBranchRef { name }
        root: object(expression: "HEAD:") { ... on Tree { entries { name } } }
        workflows: object(expression: "HEAD:.github/workflows") {
          ... on Tree { entries { name } }
        }
        %s
      }
    }
  }
  %s
}
"""

ANSWERS_FRAGMENT = (
    "fragment Answers on GitObject { __typename oid ... on Blob { text isTruncated } }"
)

VERSIONS = """
    nameWithOwner
    defaultBranchRef { target { oid ... on Commit { history(first: 100) { nodes { oid } } } } }
    releases: object(expression: "HEAD:releases.yml") { ... on Blob { text } }
    refs(refPrefix: "refs/tags/", first: 100, after: %s,
         orderBy: {field: TAG_COMMIT_DATE, direction: DESC}) {
      pageInfo { hasNextPage endCursor }
      nodes { name target { oid ... on Tag { target { oid } } } }
    }
"""

SUITES = """checkSuites(last: 100%s) {
  nodes {
    status conclusion
    workflowRun { url event createdAt file { path } workflow { id resourcePath } }
  }
}"""


LAST_FRAGMENT = re.compile(r"fragment ((?:Last|All)\d+) ")
"""Fragments that a query uses only if a repository has an environment."""


TOO_MUCH = ("RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED")


class TooMuchError(Exception):
    """GitHub could not answer this call; a smaller one may work."""


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: one could take the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirects)


class GitHub:
    """The GraphQL API. Its errors are one line each, in CannotTellError."""

    def __init__(self, url: str, token: str, progress: Progress) -> None:
        self.url, self.token, self.progress = url, token, progress
        self.calls = self.points = 0
        self.said: dict[str, int] = {}
        """What GitHub refused to answer, and how often."""

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer. Raises TooMuchError and CannotTellError."""
        body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
        for attempt in range(1, 6):
            self.calls += 1
            answer = self.post(body, attempt)
            if answer is not None:
                break
        else:
            raise CannotTellError(f"{self.host}: asks to wait again and again; run this later")
        errors = answer.get("errors") or []
        data = answer.get("data")
        self.points += ((data or {}).get("rateLimit") or {}).get("cost") or 0
        for error in errors:
            kind, says = str(error.get("type") or ""), shown(error.get("message") or error)
            if kind == "RATE_LIMITED":
                raise self._spent(None)
            if kind in TOO_MUCH or re.search(
                "something went wrong while executing|timeout|timed out", says, re.IGNORECASE
            ):
                raise TooMuchError(says)
            place = error.get("path") or []
            if kind == "NOT_FOUND" and len(place) == 1:
                continue  # the caller sees that it is null
            # The error concerns one repository of many: the rest of the answer is valid.
            where = ".".join(str(part) for part in place if not isinstance(part, int))
            says = f"{re.sub(r'[0-9]+', '', where) or 'the query'}: {says}"
            self.said[says] = self.said.get(says, 0) + 1
        if not isinstance(data, dict):
            cause = next(iter(self.said), "an answer without data")
            raise CannotTellError(f"{self.host}: {cause}; check the token's rights")
        return data

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.url).netloc or self.url

    def post(self, body: bytes, attempt: int) -> dict[str, Any] | None:
        """An answer, or None if the call has to be repeated."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "User-Agent": "copier-orchestrator-fleet",
        }
        try:
            request = urllib.request.Request(self.url, body, headers)
            with OPENER.open(request, timeout=60) as response:
                answer = json.loads(response.read())
        except urllib.error.HTTPError as error:
            self._refused(error)
            return None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            if attempt < 3:
                pause(attempt)
                return None
            reason = getattr(error, "reason", None) or error
            raise CannotTellError(
                f"{self.host}: cannot be reached: {shown(reason)}; check the network"
            ) from None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CannotTellError(f"{self.host}: does not answer as GitHub does; check {self.url}")
        return answer

    def _refused(self, error: urllib.error.HTTPError) -> None:
        """Wait if GitHub asks for that. Raises TooMuchError and CannotTellError otherwise."""
        try:
            told = json.loads(error.read())
        except (ValueError, OSError, http.client.HTTPException):
            told = {}
        says = shown(told.get("message") or "") if isinstance(told, dict) else ""
        says = says or http.client.responses.get(error.code, "")
        if error.code == 401:
            raise CannotTellError(
                f"GH_TOKEN: {self.host} does not accept it: {says}; make a new one"
            ) from None
        if error.code >= 500:
            raise TooMuchError(f"{error.code} {says}") from None
        wait = error.headers.get("retry-after", "")
        if error.code in (403, 429):
            if error.headers.get("x-ratelimit-remaining") == "0":
                raise self._spent(error.headers.get("x-ratelimit-reset")) from None
            if wait.isdigit() and int(wait) <= 120:
                self.progress(f"{self.host} asks to wait {wait} seconds")
                pause(int(wait))
                return
            if "rate limit" in says.lower():
                raise self._spent(None) from None
        raise CannotTellError(
            f"{self.host}: {error.code} {says}; check the token's rights"
        ) from None

    def _spent(self, reset: str | None) -> CannotTellError:
        """The error for a token that has no calls left in this hour."""
        at = ""
        if reset and reset.isdigit():
            at = f" until {datetime.fromtimestamp(int(reset), UTC):%H:%M} UTC"
        return CannotTellError(f"{self.host}: the token's calls of this hour are spent{at}; wait")

    def in_parts(
        self, items: Sequence[Any], ask: Callable[[Sequence[Any]], dict[str, Any]], size: int = PAGE
    ) -> Iterator[tuple[Sequence[Any], dict[str, Any] | None]]:
        """Asks about many repositories, in parts that GitHub can answer.

        The answer is None if GitHub cannot answer about a single one.
        """
        start = failed = 0
        most = size
        while start < len(items):
            part = items[start : start + size]
            try:
                answer: dict[str, Any] | None = ask(part)
            except TooMuchError:
                if len(part) > 1:
                    size = len(part) // 2
                    continue
                failed += 1
                if failed < 3:
                    pause(failed)
                    continue
                answer = None
            yield part, answer
            # After a repository that is too large, the calls become larger again.
            start, failed, size = start + len(part), 0, min(2 * size, most)


def pause(seconds: float) -> None:
    time.sleep(seconds)


def quoted(text: str) -> str:
    """A string of GraphQL, which has JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)


@dataclass
class Found:
    """A repository of the listing, with its answers files."""

    node: dict[str, Any]
    texts: dict[str, Any]
    unread: list[str]
    """Answers files whose names are known, but not yet their texts."""
    environments: list[str]
    details: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The newest runs of each environment's orchestrator, with the commit of each."""

    def __post_init__(self) -> None:
        self.names = sorted({*self.texts, *self.unread})


def read_organisation(
    github: GitHub,
    owner: str,
    templates: list[Template],
    answers_files: Sequence[str],
    rings: bool,
    progress: Progress,
) -> tuple[list[Row], list[tuple[Row, Found]]]:
    """A row for each answers file of an organisation. Raises CannotTellError."""
    found = list_repositories(github, owner, templates, answers_files, progress)
    mine = [
        repository
        for repository in found
        if repository.unread or any(may_be_ours(x, templates) for x in repository.texts.values())
    ]
    actions_only = urllib.parse.urlsplit(github.url).netloc == "api.github.com"
    done = 0
    for part, answer in github.in_parts(
        mine, lambda part: github.ask(details_query(part, rings, actions_only))
    ):
        for number, repository in enumerate(part):
            repository.details = (answer or {}).get(f"r{number}") or {}
            for file, name in enumerate(repository.unread):
                repository.texts[name] = repository.details.get(f"a{file}")
        done += len(part)
        progress(f"Read {done} of {len(mine)} repositories with an answers file")
    rows, pairs = [], []
    for repository in mine:
        for name, blob in sorted(repository.texts.items()):
            if blob is None and repository.details:
                continue
            row = Row(
                repository.details.get("nameWithOwner") or repository.node["nameWithOwner"], name
            )
            row.url = repository.node["url"]
            row.archived = repository.node["isArchived"]
            row.private = repository.node["isPrivate"]
            if fill_in_state(row, blob_text(blob), templates):
                fill_in(row, repository)
                rows.append(row)
                pairs.append((row, repository))
    for says, times in github.said.items():
        say(f"{github.host}: refused {times} times: {says}; check the token's rights")
    return rows, pairs


def blob_text(blob: Any) -> str | BrokenError:
    """The text of an answers file in an answer of GitHub, or why it cannot be read."""
    if blob is None:
        return BrokenError("GitHub did not send it; run this again")
    if blob.get("__typename") != "Blob":
        return BrokenError("is no file; restore it from git")
    if blob.get("text") is None or blob.get("isTruncated"):
        return BrokenError("is no text, or too large; restore it from git")
    return str(blob["text"])


def may_be_ours(blob: Any, templates: Sequence[Template]) -> bool:
    """Whether an answers file belongs to one of the templates, or cannot be read."""
    return fill_in_state(Row("", ""), blob_text(blob), templates) is not None


def list_repositories(
    github: GitHub,
    owner: str,
    templates: Sequence[Template],
    answers_files: Sequence[str],
    progress: Progress,
) -> list[Found]:
    """All repositories with a file that has the name of an answers file."""
    # The first page also asks for the versions of templates on the same GitHub.
    asked = {}
    server = urllib.parse.urlsplit(os.environ.get("GITHUB_SERVER_URL") or "https://github.com")
    for number, template in enumerate(templates):
        if not template.path:
            for known in template.identities:
                host, _, path = known.partition("/")
                if host == server.netloc.lower() and path.count("/") == 1:
                    asked[f"t{number}"] = template, path
    names = [ANSWERS_FILE, *(name for name in answers_files if name != ANSWERS_FILE)]
    blobs = " ".join(
        f"a{number}: object(expression: {quoted('HEAD:' + name)}) {{ ...Answers }}"
        for number, name in enumerate(names)
    )
    found: dict[str, Found] = {}
    first, after, failed, seen = PAGE, None, 0, 0
    more = True
    while more:
        versions = "" if seen else " ".join(versions_query(k, p) for k, (_, p) in asked.items())
        try:
            data = github.ask(
                LISTING % (blobs, versions) + ANSWERS_FRAGMENT,
                {"owner": owner, "first": first, "after": after},
            )
        except TooMuchError as error:
            failed += first == 1
            if failed > 2:
                raise CannotTellError(f"{github.host}: {shown(error)}; run this again") from None
            pause(failed)
            first = max(1, first // 2)
            continue
        if data.get("repositoryOwner") is None:
            cause = next(iter(github.said), "GitHub shows this token no such organisation")
            raise CannotTellError(
                f"--organisation {shown(owner)}: {cause}; check the name, and what the token may "
                "read"
            )
        if not seen:
            take_versions(github, templates, asked, data)
        page = data["repositoryOwner"]["repositories"]
        for node in page["nodes"]:
            seen += 1
            if node is None:  # GitHub's reason is among its errors
                continue
            entries = [e for e in ((node.get("root") or {}).get("entries") or []) if e]
            texts = {name: node.get(f"a{number}") for number, name in enumerate(names)}
            texts = {name: blob for name, blob in texts.items() if blob is not None}
            here = {e["name"] for e in entries if IS_ANSWERS_FILE.fullmatch(e["name"])}
            unread = sorted(here - set(texts))
            workflows = [e["name"] for e in ((node.get("workflows") or {}).get("entries") or [])]
            matches = [ORCHESTRATOR.fullmatch(name) for name in workflows]
            if texts or unread:
                environments = [match[1] for match in matches if match]
                found[node["id"]] = Found(node, texts, unread, environments)
        more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        progress(f"Listed {seen} of {page['totalCount']} repositories")
    return list(found.values())


def versions_query(alias: str, path: str, after: str | None = None) -> str:
    owner, _, name = path.partition("/")
    inner = VERSIONS % json.dumps(after)
    return f"{alias}: repository(owner: {quoted(owner)}, name: {quoted(name)}) {{{inner}}}"


def take_versions(
    github: GitHub,
    templates: Sequence[Template],
    asked: Mapping[str, tuple[Template, str]],
    data: Mapping[str, Any],
) -> None:
    """Set the versions of each template. If GitHub has no answer, ask git.

    Raises CannotTellError.
    """
    for alias, (template, path) in asked.items():
        answer = data.get(alias)
        if answer is None:
            continue
        host = next(iter(template.identities)).partition("/")[0]
        template.identities.add(f"{host}/{answer['nameWithOwner'].lower()}")  # it was renamed
        target = (answer.get("defaultBranchRef") or {}).get("target") or {}
        template.head = target.get("oid") or ""
        template.history = [x["oid"] for x in (target.get("history") or {}).get("nodes") or []]
        tags: dict[str, str] = {}
        page = answer.get("refs") or {"nodes": [], "pageInfo": {"hasNextPage": False}}
        while True:
            for ref in page["nodes"]:
                tagged = (ref["target"] or {}).get("target") or ref["target"] or {}
                tags[ref["name"]] = tagged.get("oid") or ""
            if not page["pageInfo"]["hasNextPage"]:
                break
            more = versions_query(alias, path, page["pageInfo"]["endCursor"])
            [(_, found)] = github.in_parts(
                [more], lambda part: github.ask(f"query Versions {{ {part[0]} }}")
            )
            if not (found and found.get(alias)):
                raise CannotTellError(
                    f"--template {shown(template.given)}: its tags cannot be read; run this again"
                )
            page = found[alias]["refs"]
        template.set_releases(tags, (answer.get("releases") or {}).get("text") or "")
    for template in templates:
        if not template.head and not template.path:
            try:
                read_remote(template)
            except CannotTellError as error:
                raise no_versions(template, error) from None


def details_query(part: Sequence[Found], rings: bool, actions_only: bool) -> str:
    """The query about repositories with an answers file; with rings, also about their runs.

    Most have answers files with the same names, so they share fragments.
    """
    blocks, fragments, numbers = [], [], dict[tuple[str, ...], int]()
    for number, repository in enumerate(part):
        names = tuple(repository.names)
        if names not in numbers:
            numbers[names] = len(numbers)
            fragments += fragments_for(names, numbers[names], rings)
        n = numbers[names]
        branch = (repository.node.get("defaultBranchRef") or {}).get("name") or "main"
        asked = [
            f"a{file}: object(expression: {quoted('HEAD:' + name)}) {{ ...Answers }}"
            for file, name in enumerate(repository.unread)
        ]
        asked.append(
            f"pullRequests(states: OPEN, first: 20, baseRefName: {quoted(branch)},"
            f" orderBy: {{field: UPDATED_AT, direction: DESC}}) {{ ...Pulls{n} }}"
        )
        for at, environment in enumerate(repository.environments):
            asked.append(f"e{at}: environment(name: {quoted(environment)}) {{ ...Last{n} }}")
            if rings:
                asked.append(
                    f"d{at}: deployments(environments: [{quoted(environment)}], first: 20,"
                    f" orderBy: {{field: CREATED_AT, direction: DESC}}) {{ ...All{n} }}"
                )
        if rings:
            # Without environments, the newest commit with a run decides.
            commits = 1 if repository.environments else 5
            asked.append(
                f"defaultBranchRef {{ target {{ ...Arrival{n} ... on Commit {{"
                f" history(first: {commits}) {{ nodes {{ ...Texts{n} ...Runs }} }} }} }} }}"
            )
        inner = " ".join(asked)
        node = f"node(id: {quoted(repository.node['id'])})"
        blocks.append(f"r{number}: {node} {{ ... on Repository {{ nameWithOwner {inner} }} }}")
    text = " ".join(blocks)
    # GraphQL refuses a fragment that nothing uses.
    used = [x for x in fragments if not (m := LAST_FRAGMENT.match(x)) or f"...{m[1]} " in text]
    lines = ["query Details {", "rateLimit { cost remaining resetAt }", *blocks, "}", *used]
    if any(repository.unread for repository in part):
        lines.append(ANSWERS_FRAGMENT)
    if rings:
        suites = SUITES % (f", filterBy: {{appId: {ACTIONS_APP}}}" if actions_only else "")
        lines.append(f"fragment Runs on Commit {{ {suites} }}")
    return "\n".join(lines)


def fragments_for(names: Sequence[str], number: int, rings: bool) -> list[str]:
    """The parts of a query that name the answers files."""

    def each(text: str) -> str:
        return " ".join(text % (n, quoted(name)) for n, name in enumerate(names))

    runs = " ...Runs" if rings else ""
    made = [
        f"Texts{number} on Commit {{ oid "
        + each("f%d: file(path: %s) { object { ... on Blob { text } } }")
        + " }",
        f"Pulls{number} on PullRequestConnection {{ nodes {{ number url isCrossRepository"
        f" headRef {{ target {{ ... on Commit {{ statusCheckRollup {{ state }} }} ...Texts{number}"
        " } } } }",
        f"Last{number} on Environment {{ latestCompletedDeployment {{ state updatedAt"
        f" latestStatus {{ createdAt logUrl }} commit {{ ...Texts{number}{runs} }} }} }}",
    ]
    if rings:
        made += [
            f"All{number} on DeploymentConnection {{ nodes {{ createdAt state commit {{ "
            + each("f%d: file(path: %s) { oid }")
            + " } } }",
            f"Arrival{number} on Commit {{ "
            + each(
                "l%d: history(first: 1, path: %s) { nodes { committedDate"
                " associatedPullRequests(first: 1) { nodes { mergedAt } } } }"
            )
            + " }",
        ]
    return [f"fragment {fragment}" for fragment in made]


def nodes(connection: Any) -> list[dict[str, Any]]:
    return [node for node in ((connection or {}).get("nodes") or []) if node]


def text_at(commit: Any, number: int) -> str | None:
    """The text of an answers file at a commit."""
    entry = (commit or {}).get(f"f{number}") or {}
    return (entry.get("object") or {}).get("text")


def fill_in(row: Row, repository: Found) -> None:
    """Fill in the open pull request that updates it, and each environment's last deployment."""
    details, number = repository.details, repository.names.index(row.answers_file)
    if not details:
        row.reason = "; ".join(filter(None, (row.reason, "GitHub did not send its details")))
        return
    for pull in nodes(details.get("pullRequests")):
        commit = (pull.get("headRef") or {}).get("target")
        version = recorded_version(text_at(commit, number))
        if pull["isCrossRepository"] or not version or not is_later(row, version):
            continue
        if row.pull_request and not is_later(row, version, row.pull_request["version"]):
            continue
        row.pull_request = {
            "number": pull["number"],
            "url": pull["url"],
            "version": version,
            "checks": ((commit or {}).get("statusCheckRollup") or {}).get("state", "none").lower(),
        }
    row.deployments = []
    for n, environment in enumerate(repository.environments):
        deployment = (details.get(f"e{n}") or {}).get("latestCompletedDeployment") or {}
        status = deployment.get("latestStatus") or {}
        row.deployments.append(
            {
                "environment": environment,
                "result": deployed(deployment.get("state")),
                "version": recorded_version(text_at(deployment.get("commit"), number)),
                "finished": status.get("createdAt") or deployment.get("updatedAt"),
                "url": status.get("logUrl"),
            }
        )


def deployed(state: str | None) -> str | None:
    """The result of a deployment that GitHub shows in this state."""
    if state is None:
        return None
    return "success" if state in DEPLOYED else "failure"


def is_later(row: Row, version: str, than: str | None = None) -> bool:
    """Whether a pull request's version is newer than the repository's, or than another one's."""
    before = than or row.version
    if row.made_from is None or before is None:
        return True  # a broken file: any version repairs it
    old, new = row.made_from.releases_after(before), row.made_from.releases_after(version)
    if old is None or new is None:
        return version != before
    return len(new) < len(old)


# Rings -------------------------------------------------------------------------------------------


@dataclass
class Ring:
    name: str
    patterns: tuple[str, ...]
    """Empty: all repositories that no other ring names."""
    soak: timedelta = timedelta()


@dataclass
class Rings:
    """The content of `rings.yml`."""

    rings: list[Ring]
    version: str | None = None
    organisation: str | None = None
    templates: tuple[str, ...] = ()


def read_rings(file: Path) -> Rings:
    """Read `rings.yml`. Raises CannotTellError."""

    def wrong(place: str, cause: str, fix: str) -> CannotTellError:
        return CannotTellError(f"{file}: {place}{': ' if place else ''}{cause}; {fix}")

    def texts(place: str, value: Any) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(x, str) and x.strip() for x in values):
            raise wrong(place, "is no list of texts", "write one, for example [acme/shop-*]")
        return tuple(values)

    try:
        read = read_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise wrong("", f"cannot be read: {error.strerror}", "name a file with rings") from None
    except UnicodeDecodeError:
        raise wrong("", "is not UTF-8", "name a file with rings") from None
    except (yaml.YAMLError, ValueError) as error:
        raise wrong("", f"is not YAML: {shown(problem_of(error))}", "fix it") from None
    if not isinstance(read, dict) or not isinstance(read.get("rings"), list) or not read["rings"]:
        raise wrong("rings", "there is no list of rings", "see docs/catalogue.md")
    for key in read:
        if key not in ("rings", "version", "organisation", "template"):
            raise wrong(shown(key), "is no setting", "drop it, or see docs/catalogue.md")
    for key in ("version", "organisation"):
        if read.get(key) is not None and not isinstance(read[key], str):
            raise wrong(key, f"{shown(read[key])} is no text", "write it in quotes")
    rings: list[Ring] = []
    for number, given in enumerate(read["rings"]):
        place = f"rings[{number}]"
        name = given.get("name") if isinstance(given, dict) else None
        if not isinstance(name, str) or not name.strip():
            raise wrong(place, "has no name", "write `name:` and `repositories:`")
        place = f"rings.{shown(given['name'])}"
        for key in given:
            if key not in ("name", "repositories", "others", "soak"):
                raise wrong(f"{place}.{shown(key)}", "is no setting", "see docs/catalogue.md")
        soak = given.get("soak", 0)
        if isinstance(soak, bool) or not isinstance(soak, int | float) or not 0 <= soak <= 8760:
            raise wrong(f"{place}.soak", f"{shown(soak)} is no number of hours", "write 0 to 8760")
        others = given.get("others", False)
        if not isinstance(others, bool) or others == ("repositories" in given):
            raise wrong(
                place, "needs one of `repositories` and `others: true`", "write one of them"
            )
        if given["name"] in (ring.name for ring in rings):
            raise wrong(place, "is there twice", "give each ring a different name")
        if others and any(not ring.patterns for ring in rings):
            raise wrong(place, "is the second with `others: true`", "name its repositories")
        patterns = () if others else texts(f"{place}.repositories", given["repositories"])
        rings.append(Ring(given["name"], patterns, timedelta(hours=soak)))
    templates = texts("template", read["template"]) if read.get("template") is not None else ()
    return Rings(rings, read.get("version"), read.get("organisation"), templates)


def fits(pattern: str, repository: str) -> bool:
    """A pattern with `/` is compared with owner/name, one without with the name."""
    name = repository if "/" in pattern else repository.rpartition("/")[2]
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def put_into_rings(rings: Sequence[Ring], rows: Sequence[Row]) -> list[str]:
    """Set the ring of each row. Returns messages about repositories and patterns."""
    notes = []
    repositories = sorted({row.repository for row in rows})
    for ring in rings:
        for pattern in ring.patterns:
            if not any(fits(pattern, repository) for repository in repositories):
                notes.append(f"ring {shown(ring.name)}: {shown(pattern)} matches no repository")
    others = next((ring.name for ring in rings if not ring.patterns), None)
    for repository in repositories:
        named = [r.name for r in rings if any(fits(p, repository) for p in r.patterns)]
        if len(named) > 1:
            notes.append(
                f"{shown(repository)}: is in {len(named)} rings, {', '.join(map(shown, named))}; "
                "it is updated in the last of them"
            )
        if not named and others is None:
            notes.append(f"{shown(repository)}: is in no ring, and is not updated; add it to one")
        ring_name = named[-1] if named else others
        for row in rows:
            if row.repository == repository:
                row.ring = ring_name
    return notes


def roll_out(
    rings: Sequence[Ring], rows: Sequence[Row], version: str | None, now: datetime
) -> tuple[list[str], list[str]]:
    """Decide for each row whether it may be updated now. Returns the failures and the messages.

    A ring is open when each repository of all rings before it has the version, has proved it, and
    has had it for the hours that its ring names (`soak`). Nothing is stored between calls.
    """
    notes = put_into_rings(rings, rows)
    failures: list[str] = []
    closed = ""  # why this ring and later ones are closed
    for row in rows:
        row.may_update, row.update_to = False, version or row.latest
        if row.ring is None:
            row.reason = "is in no ring"
    for ring in rings:
        members = [row for row in rows if row.ring == ring.name]
        active = [row for row in members if not row.archived]
        failed, waiting, latest_start = [], [], None
        for row in active:
            wanted = row.update_to
            if row.state in ("broken", "unknown") or wanted is None:
                waiting.append(f"{shown(row.repository)} is {row.state}")
                notes.append(f"{shown(row.repository)}: {shown(row.answers_file)}: {row.reason}")
            elif not row.has_release(wanted):
                waiting.append(f"{shown(row.repository)} has {shown(row.version)}")
            elif row.proof is None or row.proof.kind == "waits":
                waiting.append(f"{shown(row.repository)} has not deployed {wanted} yet")
            elif row.proof.kind == "failed":
                failed.append(row)
            elif ring.soak and (row.proof.since is None or row.proof.since + ring.soak > now):
                soaked = row.proof.since
                latest_start = max(filter(None, (latest_start, soaked)), default=None)
                if soaked is None:
                    waiting.append(f"{shown(row.repository)}: when it deployed is not known")
        for row in failed:
            assert row.proof
            failures.append(
                f"ring {shown(ring.name)}: {shown(row.repository)}: {row.proof.reason}; fix it, "
                "or release a version that does not fail"
            )
        for row in members:
            decide(row, row.update_to, closed, bool(failed), ring)
        if closed:
            continue
        if failed:
            closed = f"ring {shown(ring.name)} has failed: {shown(failed[0].repository)}"
        elif not active:
            closed = f"ring {shown(ring.name)} has no repository that could prove a version"
            notes.append(f"{closed}; no later ring opens")
        elif waiting:
            more = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
            closed = f"ring {shown(ring.name)} has not proved the version yet: {waiting[0]}{more}"
        elif latest_start:
            until = latest_start + ring.soak
            closed = f"ring {shown(ring.name)} soaks until {until:%Y-%m-%d %H:%M} UTC"
    return failures, notes


def decide(row: Row, wanted: str | None, closed: str, failed: bool, ring: Ring) -> None:
    """Decide whether a row may be updated now, and say why.

    `closed`: why its ring is closed; `failed`: whether its own ring has failed.
    """
    if row.archived:
        row.reason = "is archived: nobody can update it, and no ring waits for it"
    elif row.state in ("broken", "unknown") or wanted is None:
        return  # the row has a reason already
    elif row.has_release(wanted):
        row.reason = f"has {wanted}" if row.version == wanted else f"has {shown(row.version)}"
        if row.proof:
            row.reason += f"; {row.proof.reason}"
    elif closed:
        row.reason = closed
    elif failed:
        row.reason = f"ring {shown(ring.name)} has failed"
    elif row.pull_request and not is_later(row, wanted, row.pull_request["version"]):
        pull = row.pull_request
        row.reason = f"pull request {pull['number']} is open; its checks: {pull['checks']}"
    else:
        row.may_update = True
        row.reason = f"may be updated to {wanted}"


def proof_of(row: Row, repository: Found, wanted: str) -> Proof:
    """Whether the pipelines of a version have deployed, as GitHub shows it.

    A run uses the workflows of its commit, so the answers file at that commit says which version
    has run. Times are not compared, because a commit can have any time.
    """
    details, number = repository.details, repository.names.index(row.answers_file)
    target = (details.get("defaultBranchRef") or {}).get("target") or {}
    commits = nodes(target.get("history"))
    arrived = arrival(target, number)

    def has(commit: Any) -> bool:
        version = recorded_version(text_at(commit, number))
        newer = row.made_from.releases_after(version) if row.made_from and version else None
        return newer is not None and wanted not in newer

    if not repository.environments:
        return proof_by_runs([commit for commit in commits if has(commit)], arrived)
    proofs = []
    for n, environment in enumerate(repository.environments):
        deployment = (details.get(f"e{n}") or {}).get("latestCompletedDeployment") or {}
        deployed_it = deployed(deployment.get("state")) == "success" and has(deployment["commit"])
        ended = (
            run
            for run in repository.runs.get(environment, ())
            if run["conclusion"] not in (None, *RUN_SAYS_NOTHING) and has(run["commit"])
        )
        last = max(ended, key=lambda run: str(run["started"]), default=None)
        if last and last["conclusion"] in RUN_FAILED:
            proofs.append(Proof("failed", f"{last['file']} failed: {shown(last['url'])}"))
        elif not (last and last["conclusion"] == "SUCCESS" and deployed_it):
            proofs.append(Proof("waits", f"not deployed to {shown(environment)}"))
        else:
            since = first_deployed(nodes(details.get(f"d{n}")), row, repository, arrived)
            proofs.append(Proof("proved", shown(environment), since))
    return joint_proof(proofs)


def joint_proof(proofs: Sequence[Proof]) -> Proof:
    """The proof for all environments: one that failed or waits decides."""
    for kind in ("failed", "waits"):
        if these := [proof for proof in proofs if proof.kind == kind]:
            return Proof(kind, "; ".join(proof.reason for proof in these))
    since = [proof.since for proof in proofs if proof.since]
    reason = f"deployed to {', '.join(proof.reason for proof in proofs)}"
    return Proof("proved", reason, max(since) if len(since) == len(proofs) else None)


def proof_by_runs(commits: Sequence[Mapping[str, Any]], arrived: datetime | None) -> Proof:
    """Decides by the newest commit of the default branch that has a run which ended."""
    for commit in commits:
        runs = [run for run in runs_of(commit) if run["event"] not in ("pull_request", "dynamic")]
        if any(run["conclusion"] is None for run in runs):
            return Proof("waits", "waits for the runs of its default branch")
        newest: dict[str, dict[str, Any]] = {}
        for run in sorted(runs, key=lambda run: str(run["started"])):
            if run["conclusion"] not in RUN_SAYS_NOTHING:
                newest[run["file"]] = run
        for run in newest.values():
            if run["conclusion"] in RUN_FAILED:
                return Proof("failed", f"{run['file']} failed: {shown(run['url'])}")
        if newest:
            green = all(run["conclusion"] == "SUCCESS" for run in newest.values())
            if not green:
                break
            return Proof("proved", "its default branch is green", arrived)
    return Proof("waits", "waits for a green run on its default branch")


def runs_of(commit: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The runs of GitHub Actions at a commit."""
    for suite in nodes(commit.get("checkSuites")):
        if run := suite.get("workflowRun"):
            yield run_details(run, suite)


def run_details(run: Mapping[str, Any], suite: Mapping[str, Any]) -> dict[str, Any]:
    path = (run.get("file") or {}).get("path") or run["workflow"]["resourcePath"]
    return {
        "file": PurePosixPath(path).name,
        "workflow": run["workflow"].get("id"),
        "url": run["url"],
        "event": run["event"],
        "started": run["createdAt"],
        "conclusion": suite["conclusion"] if suite["status"] == "COMPLETED" else None,
        "commit": suite.get("commit"),
    }


def read_runs(github: GitHub, repositories: Sequence[Found], progress: Progress) -> None:
    """Read the newest runs of each orchestrator, for all commits.

    The API finds a workflow only by one of its runs. So this starts with the runs of the newest
    commit, and of the commits that were deployed last.
    """
    wanted: list[tuple[Found, str, str]] = []
    for repository in repositories:
        target = (repository.details.get("defaultBranchRef") or {}).get("target") or {}
        commits = nodes(target.get("history"))
        for n in range(len(repository.environments)):
            deployment = (repository.details.get(f"e{n}") or {}).get("latestCompletedDeployment")
            commits.append((deployment or {}).get("commit") or {})
        ids = {run["file"]: run["workflow"] for commit in commits for run in runs_of(commit)}
        for file, workflow in ids.items():
            match = ORCHESTRATOR.fullmatch(file)
            if match and match[1] in repository.environments:
                wanted.append((repository, match[1], workflow))

    def ask(part: Sequence[tuple[Found, str, str]]) -> dict[str, Any]:
        blocks: list[str] = []
        fragments: list[str] = []
        numbers: dict[tuple[str, ...], int] = {}
        for number, (repository, _, workflow) in enumerate(part):
            n = numbers.setdefault(tuple(repository.names), len(numbers))
            if n == len(fragments):
                fragments.append(fragments_for(repository.names, n, False)[0])
            blocks.append(
                f"w{number}: node(id: {quoted(workflow)}) {{ ... on Workflow {{"
                " runs(first: 20, orderBy: {field: CREATED_AT, direction: DESC}) { nodes {"
                " url event createdAt file { path } workflow { resourcePath }"
                f" checkSuite {{ status conclusion commit {{ ...Texts{n} }} }} }} }} }} }}"
            )
        lines = ["query Runs {", "rateLimit { cost remaining resetAt }", *blocks, "}", *fragments]
        return github.ask("\n".join(lines))

    done = 0
    for part, answer in github.in_parts(wanted, ask, 3 * PAGE):
        for number, (repository, environment, _) in enumerate(part):
            workflow_runs = ((answer or {}).get(f"w{number}") or {}).get("runs")
            repository.runs[environment] = [
                run_details(run, run["checkSuite"]) for run in nodes(workflow_runs)
            ]
        done += len(part)
        progress(f"Read the runs of {done} of {len(wanted)} workflows")


def arrival(target: Mapping[str, Any], number: int) -> datetime | None:
    """When the default branch got the current answers file: its commit, or a later merge."""
    for commit in nodes(target.get(f"l{number}")):
        merged = [p.get("mergedAt") for p in nodes(commit.get("associatedPullRequests"))]
        return max(
            filter(None, map(parse_time, (commit.get("committedDate"), *merged))), default=None
        )
    return None


def first_deployed(
    deployments: Sequence[Mapping[str, Any]],
    row: Row,
    repository: Found,
    arrived: datetime | None,
) -> datetime | None:
    """The first deployment with the current answers file.

    If all deployments that were read have it, there may be earlier ones, so the arrival of the file
    counts.
    """
    number = repository.names.index(row.answers_file)
    now = (repository.texts[row.answers_file] or {}).get("oid")
    times = [
        parse_time(deployment["createdAt"])
        for deployment in deployments
        if ((deployment.get("commit") or {}).get(f"f{number}") or {}).get("oid") == now
        and deployment["state"] in DEPLOYED
    ]
    if len(times) == 20 and arrived:
        return arrived
    return min(filter(None, times), default=arrived)


def parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# What is printed ---------------------------------------------------------------------------------


class Progress:
    """Shows the progress in one line on stderr, if that is a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        self.width = 0

    def __call__(self, text: str) -> None:
        if self.is_terminal:
            text = shown(text, shutil.get_terminal_size().columns - 1)
            print(f"\r{text:<{self.width}}", end="", file=sys.stderr, flush=True)
            self.width = len(text)

    def clear(self) -> None:
        if self.is_terminal and self.width:
            print("\r" + " " * self.width + "\r", end="", file=sys.stderr, flush=True)
            self.width = 0


PROGRESS = Progress()


def say(text: str) -> None:
    """Print a message on stderr."""
    PROGRESS.clear()
    print(f"fleet.py: {shown(text, 2000)}", file=sys.stderr)


def in_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(
        rows,
        key=lambda row: (
            STATES.index(row.state),
            -(row.behind or 0),
            row.repository.lower(),
            row.answers_file,
        ),
    )


def pull_request_text(row: Row) -> str:
    pull = row.pull_request
    if not pull:
        return ""
    return f"#{pull['number']} {shown(pull['version'])} {shown(pull['checks'])}"


def deployment_text(deployment: Mapping[str, Any]) -> str:
    finished = shown(deployment["finished"] or "")[:10]
    return " ".join(filter(None, (deployment["result"] or "never", finished)))


def results_text(row: Row) -> str:
    """The environments, grouped by the results of their last deployments."""
    ended: dict[str, list[str]] = {}
    for deployment in row.deployments or ():
        ended.setdefault(deployment["result"] or "never", []).append(deployment["environment"])
    listed = {result: shown(", ".join(names)) for result, names in ended.items()}
    return "; ".join(f"{result}: {names}" for result, names in sorted(listed.items()))


def summary(rows: Sequence[Row]) -> str:
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    repositories = len({row.repository for row in rows})
    what = "1 repository" if repositories == 1 else f"{repositories} repositories"
    if repositories != len(rows):
        what += f" with {len(rows)} answers files"
    newest = sorted({f"newest {shown(row.latest)}" for row in rows if row.latest})
    return f"{what}: {told}; {', '.join(newest)}" if rows else "no repository has an answers file"


def columns_of(row: Row, rings: bool) -> dict[str, str]:
    columns = {
        "state": row.state,
        "repository": shown(row.repository),
        "answers file": shown(row.answers_file),
        "version": shown(row.version or ""),
        "behind": "" if row.behind is None else str(row.behind),
        "pull request": pull_request_text(row),
        "deployed": results_text(row),
    }
    if rings:
        columns["ring"] = shown(row.ring or "")
        columns["update"] = "yes" if row.may_update else "no"
    return columns | {"reason": shown(row.reason)}


def width_of(text: str) -> int:
    """The number of terminal columns of a text."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def fitted(text: str, width: int) -> str:
    """A text cut or filled to a number of terminal columns."""
    if width_of(text) > width:
        while text and width_of(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - width_of(text))


SHRINKING = (
    *(("reason", 24), ("deployed", 16), ("pull request", 12), ("answers file", 12)),
    *(("reason", 10), ("deployed", 9), ("pull request", 8), ("ring", 6), ("repository", 14)),
)


def table(rows: Sequence[Row], rings: bool, width: int | None) -> str:
    """A table as wide as the terminal; with None as wide as its content."""
    cells = [columns_of(row, rings) for row in rows]
    names = list(cells[0]) if cells else []
    # An empty column is left out.
    usual = {"answers file": {ANSWERS_FILE}}
    names = [n for n in names if {c[n] for c in cells} - usual.get(n, {""})]
    widths = {name: max(width_of(name), *(width_of(c[name]) for c in cells)) for name in names}
    # Each column shrinks to its least width, in this order; after them the widest one does.
    for name, least in (*SHRINKING, *[("", 4)] * len(names)):
        name = name or max(names, key=widths.__getitem__, default="")
        excess = sum(widths.values()) + 2 * (len(names) - 1) - (width or sys.maxsize)
        if excess > 0 and name in widths:
            widths[name] = max(min(least, widths[name]), widths[name] - excess)
    lines = [{name: name.upper() for name in names}, *cells]
    return "\n".join(
        "  ".join(fitted(line[name], widths[name]) for name in names).rstrip() for line in lines
    )


# The page ----------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --text: #1f2328;
  --back: #ffffff; --link: #0550ae; --bad: #a40e26; --warn: #7a4d00; --good: #116329; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #151b23; --text: #f0f6fc;
  --back: #0d1117; --link: #79c0ff; --bad: #ff9492; --warn: #f0b72f; --good: #4ae168; } }
body { margin: 1rem; font: 0.9rem/1.4 system-ui, sans-serif; color: var(--text);
  background: var(--back); }
h1 { font-size: 1.3rem; margin: 0; }
p { margin: 0.3rem 0; }
a { color: var(--link); }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: end; margin: 0.8rem 0; }
fieldset { border: 0; padding: 0; margin: 0; }
fieldset label { margin-right: 0.8rem; white-space: nowrap; }
input[type="search"], select, form button { font: inherit; padding: 0.25rem 0.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; min-width: 5rem; }
thead th { position: sticky; top: 0; background: var(--soft); white-space: nowrap; padding: 0; }
thead button { all: unset; box-sizing: border-box; width: 100%; padding: 0.4rem 0.6rem;
  cursor: pointer; font-weight: 600; }
thead button:focus-visible, a:focus-visible, .wide:focus-visible {
  outline: 2px solid var(--link); outline-offset: -2px; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
tbody th { font-weight: 600; }
td ul { list-style: none; margin: 0; padding: 0; font-size: 0.85em; white-space: nowrap; }
.number { text-align: right; }
.broken, .unknown, .failure { color: var(--bad); font-weight: 600; }
.edited, .behind { color: var(--warn); }
.current, .success { color: var(--good); }
.failure a, .success a { color: inherit; }
@media print { form { display: none; } }
"""

SCRIPT = """
"use strict";
const body = document.querySelector("tbody");
const heads = [...document.querySelectorAll("thead th")];
const form = document.querySelector("form");
const states = [...form.querySelectorAll("input[name=state]")];
const status = document.querySelector("[role=status]");
const collator = new Intl.Collator("en", { numeric: true });
const rows = [...body.rows].map((row, number) => ({
  row, number, text: row.textContent.toLowerCase(), state: row.dataset.state,
  ring: row.dataset.ring,
  keys: [...row.cells].map((cell) => cell.dataset.sort ?? cell.textContent),
}));

// The address contains what is shown, so that people can link to it.
function wanted() {
  const given = new URLSearchParams(location.hash.slice(1));
  return {
    text: given.get("text") ?? "", sort: given.get("sort") ?? "",
    down: given.get("order") === "down", ring: given.get("ring") ?? "",
    states: given.has("state") ? given.get("state").split(",") : null,
  };
}

function show() {
  const now = wanted();
  form.elements.text.value = now.text;
  for (const box of states) box.checked = !now.states || now.states.includes(box.value);
  if (form.elements.ring) form.elements.ring.value = now.ring;
  const words = now.text.toLowerCase().split(/\\s+/).filter(Boolean);
  const column = heads.findIndex((head) => head.dataset.name === now.sort);
  heads.forEach((head, number) => {
    if (number === column) head.setAttribute("aria-sort", now.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
  const sign = now.down ? -1 : 1;
  rows.sort((a, b) => {
    if (column < 0) return a.number - b.number;
    const [x, y] = [a.keys[column], b.keys[column]];
    if (!x !== !y) return x ? -1 : 1; // empty values come last
    return sign * collator.compare(x, y) || a.number - b.number;
  });
  let count = 0;
  for (const one of rows) {
    one.row.hidden = !(words.every((word) => one.text.includes(word)) &&
      (!now.states || now.states.includes(one.state)) && (!now.ring || one.ring === now.ring));
    if (!one.row.hidden) count += 1;
  }
  body.append(...rows.map((one) => one.row));
  status.textContent = `${count} of ${rows.length} rows are shown.`;
}

function go(change) {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(change)) {
    if (value === null || (value === "" && name !== "state")) given.delete(name);
    else given.set(name, value);
  }
  history.replaceState(null, "", `#${given}`);
  show();
}

form.addEventListener("submit", (event) => event.preventDefault());
form.elements.text.addEventListener("input", (event) => go({ text: event.target.value }));
form.elements.ring?.addEventListener("change", (event) => go({ ring: event.target.value }));
for (const box of states) {
  box.addEventListener("change", () => {
    const checked = states.filter((one) => one.checked).map((one) => one.value);
    go({ state: checked.length === states.length ? null : checked.join(",") });
  });
}
form.addEventListener("reset", (event) => {
  event.preventDefault();
  go({ text: null, state: null, ring: null, sort: null, order: null });
});
heads.forEach((head) => head.querySelector("button").addEventListener("click", () => {
  const now = wanted();
  const again = now.sort === head.dataset.name;
  const [sort, order] = [head.dataset.name, again ? "down" : null];
  go(again && now.down ? { sort: null, order: null } : { sort, order });
}));
window.addEventListener("hashchange", show);
form.hidden = false;
show();
"""

PAGE_TEXT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{summary}. Read <time datetime="{iso}">{read}</time>.</p>
<form hidden>
<label>Search <input type="search" name="text" autocomplete="off"></label>
<fieldset><legend>State</legend>{states}</fieldset>
{rings}
<button type="reset">Show all</button>
</form>
<p role="status"></p>
<div class="wide" role="region" aria-label="Repositories" tabindex="0">
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</main>
<script>{script}</script>
</body>
</html>
"""


def escaped(value: object) -> str:
    return html.escape(shown(value, 1000))


def linked(text: object, url: object) -> str:
    """A link if the address is a web address; otherwise only the text."""
    if isinstance(url, str) and re.fullmatch(r"https?://[!-.0-~][!-~]*", url):
        return f'<a href="{html.escape(url)}">{escaped(text)}</a>'
    return escaped(text)


def cell(content: str, kind: str = "", key: str | None = None) -> str:
    sort = f' data-sort="{html.escape(key)}"' if key is not None else ""
    return f"<td{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}{sort}>{content}</td>"


def page_row(row: Row, rings: bool, files: bool) -> str:
    pull, deployments = row.pull_request, row.deployments or []
    listed = "".join(
        f'<li>{escaped(x["environment"])}: <span class="{x["result"] or ""}">'
        f"{linked(deployment_text(x), x['url'])}</span></li>"
        for x in deployments
    )
    finished = max((x["finished"] or "" for x in deployments), default="")
    extra = " (archived)" if row.archived else ""
    cells = [
        cell(row.state, row.state, str(STATES.index(row.state))),
        f'<th scope="row">{linked(row.repository, row.url)}{extra}</th>',
        *([cell(escaped(row.answers_file))] if files else []),
        cell(escaped(row.version or "")),
        cell("" if row.behind is None else str(row.behind), "number"),
        cell(
            linked(f"#{pull['number']} to {pull['version']}", pull["url"])
            + f", checks: {escaped(pull['checks'])}"
            if pull
            else ""
        ),
        cell(f"<ul>{listed}</ul>" if listed else "", key=shown(finished)),
    ]
    if rings:
        cells.append(cell(escaped(row.ring or "")))
        cells.append(cell("yes" if row.may_update else "no"))
    cells.append(cell(escaped(row.reason)))
    ring = f' data-ring="{escaped(row.ring or "")}"' if rings else ""
    return f'<tr data-state="{row.state}"{ring}>{"".join(cells)}</tr>'


def page(rows: Sequence[Row], title: str, rings: Sequence[str] | None, now: datetime) -> str:
    """One page without external parts. Every value in it is text, or the address of a link."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    files = any(row.answers_file != ANSWERS_FILE for row in rows)
    names = ["State", "Repository", *(["Answers file"] if files else []), "Version", "Behind"]
    names += ["Pull request", "Deployed"]
    names += [*(["Ring", "May update"] if rings is not None else []), "Reason"]
    heads = (
        f'<th scope="col" data-name="{name.lower().replace(" ", "-")}">'
        f'<button type="button">{name}</button></th>'
        for name in names
    )
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    boxes = (
        f'<label><input type="checkbox" name="state" value="{state}" checked> {state} ({n})</label>'
        for state, n in counts.items()
    )
    options = "".join(f"<option>{escaped(name)}</option>" for name in rings or ())
    choice = (
        f'<label>Ring <select name="ring"><option value="">all</option>{options}</select></label>'
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest(STYLE)}'; "
        f"script-src 'sha256-{digest(SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )
    return PAGE_TEXT.format(
        policy=policy,
        title=escaped(title),
        style=STYLE,
        summary=html.escape(summary(rows)),
        iso=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        read=f"{now:%Y-%m-%d %H:%M} UTC",
        states=" ".join(boxes),
        rings=choice if rings is not None else "",
        heads="".join(heads),
        rows="\n".join(page_row(row, rings is not None, files) for row in rows),
        script=SCRIPT,
    )


# The command -------------------------------------------------------------------------------------


class OneLine(argparse.ArgumentParser):
    """Prints an error in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fleet.py: {shown(message)}; see --help\n")


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OneLine(
        prog="fleet.py",
        description="Lists which version of the template each repository has. The exit code is 0; "
        "1 if a ring has failed; 2 if there is no result.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--organisation",
        metavar="NAME",
        help="read all repositories of NAME on GitHub; GH_TOKEN holds the token",
    )
    where.add_argument(
        "--clones",
        metavar="FOLDER",
        type=Path,
        help="read the clones in FOLDER, as they are checked out",
    )
    parser.add_argument(
        "--template",
        metavar="URL_OR_PATH",
        action="append",
        default=[],
        help="only repositories of this template; repeat it for another template or address",
    )
    parser.add_argument(
        "--answers-file",
        metavar="FILE",
        action="append",
        default=[],
        help="also read answers files with this name; .copier-answers*.yml are always read",
    )
    parser.add_argument(
        "--drift",
        action="store_true",
        help="also find edited files; needs --clones, and runs the template's code",
    )
    parser.add_argument(
        "--rings",
        metavar="FILE",
        type=Path,
        help="show which repositories of the rings in FILE may be updated now",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="also write FILE, a page to look at in a browser"
    )
    return parser.parse_args(arguments)


def check_options(options: argparse.Namespace, rings: Rings | None) -> None:
    """Complete the options from the rings. Raises CannotTellError if they do not fit together."""
    if rings and not options.clones:
        options.organisation = options.organisation or rings.organisation
    options.template = [text for text in options.template if text.strip()]
    if rings and not options.template:
        options.template = list(rings.templates)
    if not (options.organisation or options.clones):
        raise CannotTellError("say which repositories: --organisation NAME or --clones FOLDER")
    if not options.template:
        raise CannotTellError("say which template: --template URL_OR_PATH")
    if rings and options.clones:
        raise CannotTellError(
            "--rings needs --organisation NAME: only GitHub knows what was deployed"
        )
    if options.drift and not options.clones:
        raise CannotTellError("--drift needs --clones FOLDER: it compares files")
    for name in options.answers_file:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or not path.name or ":" in name:
            raise CannotTellError(f"--answers-file {name}: is no path inside a repository")
    options.answers_file = [
        PurePosixPath(n.replace("\\", "/")).as_posix() for n in options.answers_file
    ]


def read_fleet(options: argparse.Namespace) -> tuple[list[Row], list[str], Rings | None]:
    """The rows, what has failed, and the rings. Raises CannotTellError."""
    rings = read_rings(options.rings) if options.rings else None
    check_options(options, rings)
    templates = templates_of(options.template)
    if options.clones:
        rows, places = read_clones(options.clones, templates, options.answers_file, PROGRESS)
        if options.drift:
            fill_in_drift(rows, places, PROGRESS)
        return in_order(rows), [], None
    token = os.environ.get("GH_TOKEN", "").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise CannotTellError('GH_TOKEN: holds no token; run export GH_TOKEN="$(gh auth token)"')
    url = os.environ.get("GITHUB_GRAPHQL_URL") or "https://api.github.com/graphql"
    github = GitHub(url, token, PROGRESS)
    rows, pairs = read_organisation(
        github, options.organisation, templates, options.answers_file, bool(rings), PROGRESS
    )
    failures: list[str] = []
    if rings:
        check_version(rings, templates, options.rings)
        updated = [
            (row, repository, wanted)
            for row, repository in pairs
            if (wanted := rings.version or row.latest)
            and not row.archived
            and row.has_release(wanted)
        ]
        read_runs(github, list({id(x): x for _, x, _ in updated}.values()), PROGRESS)
        for row, repository, wanted in updated:
            row.proof = proof_of(row, repository, wanted)
        failures, notes = roll_out(rings.rings, rows, rings.version, datetime.now(UTC))
        for note in notes:
            say(note)
    PROGRESS.clear()
    if PROGRESS.is_terminal:
        say(f"{github.calls} calls, {github.points} points of the token's hour")
    return in_order(rows), failures, rings


def check_version(rings: Rings, templates: Sequence[Template], file: Path) -> None:
    """Rings need a version that Copier finds: a tag. Raises CannotTellError."""
    for template in templates:
        if not template.has_tags:
            raise CannotTellError(
                f"--template {shown(template.given)}: has no tag that is a version, and Copier "
                "updates to tags; tag a release there"
            )
        if rings.version is not None and rings.version not in template.releases:
            newest = ", ".join([*template.releases][-3:])
            raise CannotTellError(
                f"{file}: version: {shown(rings.version)} is no release of "
                f"{shown(template.given)}; the newest are {newest}"
            )


def main(arguments: Sequence[str]) -> int:
    options = read_options(arguments)
    try:
        rows, failures, rings = read_fleet(options)
        if options.html:
            names = [ring.name for ring in rings.rings] if rings else None
            title = f"Pipelines of {shown(options.organisation or options.clones.resolve().name)}"
            text = page(rows, title, names, datetime.now(UTC))
            try:
                options.html.write_text(text, encoding="utf-8")
            except OSError as error:
                raise CannotTellError(
                    f"--html {options.html}: cannot be written: {error.strerror}; name a file in a "
                    "folder that is there"
                ) from None
    except CannotTellError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        PROGRESS.clear()
        return 130
    except Exception as error:  # a traceback would end with 1: a ring has failed
        say(f"{type(error).__name__}: {error}; report it as a bug")
        return 2
    PROGRESS.clear()
    try:
        if options.json:
            print(json.dumps([row.as_json(rings is not None) for row in rows], indent=1))
        else:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            if rows:
                print(table(rows, rings is not None, width))
            print(summary(rows))
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for failure in failures:
        say(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")  # a console of Windows would stop at ☂
    if not sys.stdin or not sys.stdin.isatty():
        os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")
    sys.exit(main(sys.argv[1:]))
