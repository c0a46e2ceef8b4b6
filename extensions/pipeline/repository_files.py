"""The files of an existing repository that detection reads."""

from __future__ import annotations

import bisect
import fnmatch
import functools
import itertools
import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path


def words(*lines: str) -> frozenset[str]:
    """The words of some lines."""
    return frozenset(" ".join(lines).split())


OTHERS = words(
    # vendored, installed
    "node_modules bower_components vendor vendored third_party third-party external deps",
    "site-packages venv virtualenv",
    # generated
    "dist build target out bin obj coverage htmlcov generated release releases __pycache__ cdk.out",
    # of tests
    "test tests testing testdata test-data test_data fixtures fixture e2e spec specs mocks",
    "__tests__ __fixtures__ __mocks__ testsuite integration-tests",
    # of documentation, and to learn from
    "doc docs documentation website example examples sample samples demo demos tutorial tutorials",
    "exercise exercises playground snippets archive deprecated hack",
)
"""Folders whose files belong to no component, in lower case. Folders with a dot in front are left
out, too."""

OF_TESTS = words("test testing demo")
"""Such a folder is an environment inside one of AROUND_TESTS, or beside one of BESIDE_TESTS."""

AROUND_TESTS = words("overlays environments environment envs env stages live")

BESIDE_TESTS = words(
    "prod production prd stage staging stg uat qa acc acceptance preprod pre-prod preproduction",
    "nonprod non-prod nonproduction",
)

CHARACTERS = 65_536
"""The most characters that are read of a file."""

FILES = 100_000
"""The most files that are listed."""

PER_FOLDER = 25
"""The most files of a folder that are read for one pattern: the first by name."""


WORKFLOWS = ".github/workflows"
"""Where GitHub looks for workflows."""

WORKFLOW = re.compile(rf"{re.escape(WORKFLOWS)}/[^/]+\.ya?ml")


class RepositoryFiles:
    """Names of files, relative to the root and with /, and their texts.

    `read` returns the text of a file, empty if it cannot be read; `name` is the repository's.
    """

    def __init__(
        self,
        names: Iterable[str],
        read: Callable[[str], str],
        name: str = "",
        every: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self.name = name
        names = list(names)
        self.every = functools.cache(every or (lambda: names))
        """All files and links, also in folders that are left out. It is slow and seldom needed."""
        self.workflows = sorted(filter(WORKFLOW.fullmatch, names))
        """The repository's own workflows."""
        by_folder: dict[str, list[str]] = {}
        for each in sorted(names):
            folder, _, base = each.rpartition("/")
            by_folder.setdefault(folder or ".", []).append(base)
        in_order = sorted(by_folder)
        self.folders = {f: b for f, b in by_folder.items() if not _is_left_out(f, in_order)}
        self._sorted = sorted(self.folders)
        self._children: dict[str, list[str]] = {}
        self._folders_by_name: dict[str, list[str]] = {}
        for folder, bases in self.folders.items():
            for base in bases:
                self._folders_by_name.setdefault(base, []).append(folder)
        self._folders_by_patterns: dict[tuple[str, ...], frozenset[str]] = {}
        self._read = read
        self._texts: dict[str, str] = {}
        self.compose: dict[str, str] | None = None
        """Folder by image, computed once by `found_edges.built_by_compose`."""

    def text(self, name: str) -> str:
        """The text of a file; empty if it cannot be read as text."""
        if name not in self._texts:
            self._texts[name] = self._read(name)
        return self._texts[name]

    def holds(self, name: str, expression: str) -> bool:
        """Whether the file's text matches a regular expression."""
        return bool(re.search(expression, self.text(name), re.MULTILINE))

    def groups(self, name: str, expression: str) -> list[tuple[str, ...]]:
        """What the groups of a regular expression match in the file's text, for each match of it.

        A group that took no part in a match is an empty text.
        """
        matches = re.finditer(expression, self.text(name), re.MULTILINE)
        return [match.groups("") for match in matches]

    def attributes(self) -> list[str]:
        """The files `.gitattributes`."""
        name = ".gitattributes"
        return [join(folder, name) for folder in sorted(self._folders_by_name.get(name, ()))]

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        folder, base = posixpath.split(path)
        if path in self.folders or base in self.folders.get(folder or ".", ()):
            return True
        return next(self._inside(path), "") != ""

    def leaves_out(self, path: str) -> bool:
        """Whether a path lies in a folder that is left out: it may exist, though not listed."""
        return any(_left_out(part) for part in path.split("/"))

    def below(self, folder: str) -> Iterator[str]:
        """The folder, if it holds files itself, and all folders in it that do."""
        if folder == ".":
            yield from self._sorted
            return
        if folder in self.folders:
            yield folder
        yield from self._inside(folder)

    def children(self, folder: str) -> list[str]:
        """The names of the folders right inside a folder."""
        if not self._children:
            every = {outer for each in self._sorted for outer in upwards(each)}
            for each in sorted(every):
                parent, base = posixpath.split(each)
                self._children.setdefault(parent or ".", []).append(base)
        return self._children.get(folder, [])

    def only(self, folder: str, patterns: tuple[str, ...]) -> bool:
        """Whether a folder holds no folders, and no files but those whose names fit a pattern."""
        fits = matcher(patterns)
        alone = next(self._inside(folder), "") == ""
        return alone and all(fits(name) for name in self.folders.get(folder, ()))

    def holding(self, patterns: tuple[str, ...]) -> frozenset[str]:
        """The folders that hold a file whose name fits a pattern."""
        if patterns not in self._folders_by_patterns:
            plain = [pattern for pattern in patterns if not re.search(r"[*?\[]", pattern)]
            names = list(plain)
            if len(plain) < len(patterns):
                fits = matcher(tuple(pattern for pattern in patterns if pattern not in plain))
                names += filter(fits, self._folders_by_name)
            self._folders_by_patterns[patterns] = frozenset(
                folder for name in names for folder in self._folders_by_name.get(name, ())
            )
        return self._folders_by_patterns[patterns]

    def named(
        self,
        folder: str,
        patterns: Iterable[str],
        everywhere: bool = False,
        most: int = PER_FOLDER,
    ) -> list[str]:
        """The files of a folder, or of all folders in it, whose names fit a pattern; at most `most`
        of a folder."""
        fits, there = matcher(tuple(patterns)), self.holding(tuple(patterns))
        found = []
        for each in self.below(folder) if everywhere else [folder]:
            if each not in there:
                continue
            names = [name for name in self.folders.get(each, ()) if fits(name)]
            found += [join(each, name) for name in names[:most]]
        return found

    def _inside(self, folder: str) -> Iterator[str]:
        """All folders in a folder that hold files."""
        # Names with the same beginning are next to each other in sorted order.
        start = f"{folder}/"
        for index in range(bisect.bisect_left(self._sorted, start), len(self._sorted)):
            if not self._sorted[index].startswith(start):
                return
            yield self._sorted[index]


def list_files(root: Path) -> RepositoryFiles:
    """The files of a folder, without following links and without other repositories inside."""

    def read(name: str) -> str:
        try:
            # Editors on Windows may begin a file with a byte order mark, which is no text.
            with (root / name).open(encoding="utf-8-sig", errors="ignore") as file:
                return file.read(CHARACTERS)
        except OSError:
            return ""

    left_out = (".git", "node_modules")
    every = functools.partial(_names, root, lambda folder: folder in left_out, links=True)
    names = [*_names(root, _left_out), *_names(root, _left_out, WORKFLOWS)]
    return RepositoryFiles(names, read, root.resolve().name, every)


def _names(
    root: Path, left_out: Callable[[str], bool], start: str = "", links: bool = False
) -> list[str]:
    """The names of the files in the folder `start` and below; with `links` also those of links."""
    names: list[str] = []
    folders = [start]
    while folders and len(names) < FILES:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if folder and any(entry.name == ".git" for entry in entries):
            continue  # a submodule or another clone
        inside = {entry.name.lower() for entry in entries}
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                among_environments = (
                    posixpath.basename(folder).lower() in AROUND_TESTS or inside & BESIDE_TESTS
                )
                if not left_out(entry.name) or (
                    entry.name.lower() in OF_TESTS and among_environments
                ):
                    folders.append(name)
            elif entry.is_file(follow_symlinks=False) or (links and entry.is_symlink()):
                names.append(name)
    return names


def _left_out(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in OTHERS


def _is_left_out(folder: str, every: list[str]) -> bool:
    """Whether a folder is left out, or lies in one that is.

    `every` are all folders with files, sorted.
    """
    if folder == ".":
        return False
    for outer in upwards(folder):
        parent, name = posixpath.split(outer)
        if not _left_out(name):
            continue
        if name.lower() not in OF_TESTS:
            return True
        beside = (f"{parent}/{each}" if parent else each for each in sorted(BESIDE_TESTS))
        if posixpath.basename(parent).lower() not in AROUND_TESTS and not any(
            _is_there(each, every) for each in beside
        ):
            return True
    return False


def _is_there(folder: str, every: list[str]) -> bool:
    """Whether a folder holds files, in itself or further inside."""
    at = bisect.bisect_left(every, folder)
    if at < len(every) and every[at] == folder:
        return True
    at = bisect.bisect_left(every, f"{folder}/")
    return at < len(every) and every[at].startswith(f"{folder}/")


_MATCHERS: dict[tuple[str, ...], Callable[[str], bool]] = {}


def matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """A function that tells whether a file's name fits one of some patterns; case counts."""
    if patterns not in _MATCHERS:
        any_of = "|".join(fnmatch.translate(pattern) for pattern in patterns)
        expression = re.compile(any_of if patterns else r"(?!)")
        _MATCHERS[patterns] = lambda name: expression.match(name) is not None
    return _MATCHERS[patterns]


def is_in(folder: str, outer: str) -> bool:
    """Whether a folder is another one, or lies in it."""
    return outer == "." or folder == outer or folder.startswith(f"{outer}/")


def is_in_any(folder: str, outer: Collection[str], above: str = ".") -> bool:
    """Whether a folder is one of some others, or lies in one of them; they lie in `above`."""
    inside = itertools.takewhile(lambda each: each != above, upwards(folder))
    return any(each in outer for each in inside)


def upwards(folder: str) -> list[str]:
    """A folder and the folders that it lies in, without the root."""
    outer = []
    while folder not in ("", "."):
        outer.append(folder)
        folder = posixpath.dirname(folder)
    return outer


def join(folder: str, path: str) -> str:
    """A path relative to a folder, as one relative to the root; `.` for the root itself."""
    return posixpath.normpath(posixpath.join(folder, path))
