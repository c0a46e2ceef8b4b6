"""A repository without git: commits are made in microseconds, for histories by the hundred.

It is the work tree and the remote in one: `commit` and `tag` are what a person does, the pushes of
`OfflineGitHub` make it known to GitHub.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .repository import WORKFLOWS, GitError


class Tree:
    """The files that all commits share."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)

    @functools.cached_property
    def workflows(self) -> dict[str, str]:
        """The entries of a folder, sorted by name as git lists them."""
        pattern = re.compile(re.escape(WORKFLOWS) + r"/[^/]+\.ya?ml")
        return {p: self.files[p].decode() for p in sorted(self.files) if pattern.fullmatch(p)}

    @functools.cached_property
    def listed(self) -> list[tuple[str, str, str, str]]:
        """(path, mode, type, object id) of each file."""
        return [
            (path, "100644", "blob", hashlib.sha1(data).hexdigest())
            for path, data in sorted(self.files.items())
        ]

    @functools.cached_property
    def github_files(self) -> dict[str, bytes]:
        return {p: data for p, data in self.files.items() if p.startswith(".github/")}


@dataclass
class Commit:
    sha: str
    parents: tuple[str, ...]
    message: str
    tree: Tree


class MemoryRepository:
    """The branches and tags of a person's clone, and those that were pushed."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._first = Tree(_as_bytes(files))
        self._commits: dict[str, Commit] = {}
        self._ancestors: dict[str, frozenset[str]] = {}
        self._work: dict[str, str] = {}
        self._refs: dict[str, str] = {}
        self._known: set[str] = set()
        self.head: str | None = None

    @classmethod
    def from_folder(cls, folder: Path) -> MemoryRepository:
        """A repository that holds the `.github` of a work tree."""
        paths = [path for path in sorted((folder / ".github").rglob("*")) if path.is_file()]
        return cls({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})

    # The work of a person

    def commit(
        self,
        branch: str = "main",
        files: Mapping[str, str | bytes | None] | None = None,
        *,
        message: str = "",
        start: str | None = None,
        merge: str | None = None,
    ) -> str:
        """A commit on a branch, which begins at `start` (a commit; HEAD) if it is new.

        `files` says what changes (None deletes). `merge` is a second parent, whose files it takes.
        """
        ref = f"refs/heads/{branch}"
        first = start or self._work.get(ref) or self.head
        parents = tuple(parent for parent in (first, merge) if parent)
        tree = self._commits[parents[-1]].tree if parents else self._first
        if files:
            changed = {**tree.files, **_as_bytes({p: t for p, t in files.items() if t is not None})}
            tree = Tree({p: data for p, data in changed.items() if files.get(p, "") is not None})
        return self._made(ref, parents, message or f"Commit {len(self._commits) + 1}", tree)

    def _made(self, ref: str, parents: tuple[str, ...], message: str, tree: Tree) -> str:
        text = f"{len(self._commits)} {ref} {parents} {message}"
        sha = hashlib.sha1(text.encode()).hexdigest()
        self._commits[sha] = Commit(sha, parents, message, tree)
        above = [self._ancestors[parent] for parent in parents]
        self._ancestors[sha] = frozenset({sha}).union(*above)
        self._work[ref] = self.head = sha
        return sha

    def tag(self, name: str, commit: str | None = None) -> None:
        """Create a lightweight tag, at HEAD if no commit is given, or move it."""
        sha = commit or self.head
        assert sha
        self._work[f"refs/tags/{name}"] = sha

    def move(self, branch: str, commit: str) -> None:
        """Point a branch to another commit, for a forced push."""
        self._work[f"refs/heads/{branch}"] = self.head = commit

    # As `Repository` has it

    #: Nothing can be cloned.
    url = ""

    def ensure_tag(self, name: str) -> None:
        if f"refs/tags/{name}" not in self._work:
            self.tag(name)

    def change(self, ref: str) -> str:
        before = self._refs.get(ref)
        if before is None:
            return "creation"
        fast = before in self._ancestors[self._work[ref]] and ref.startswith("refs/heads/")
        return "update" if fast else "non_fast_forward"

    def push(self, ref: str, target: str = "") -> None:
        if ref not in self._work:
            raise GitError(f"src refspec {ref} does not match any")
        self._point(target or ref, self._work[ref])

    def _point(self, ref: str, sha: str) -> None:
        self._refs[ref] = sha
        self._known |= self._ancestors[sha]

    def delete(self, ref: str) -> None:
        del self._refs[ref]

    def merge(self, base: str, head: str, ref: str, message: str) -> str | None:
        common = self._ancestors[base] & self._ancestors[head]
        origin = max(common, key=lambda sha: len(self._ancestors[sha]), default=None)
        old = self._commits[origin].tree.files if origin else {}
        ours, theirs = self._commits[base].tree.files, self._commits[head].tree.files
        merged = dict(ours)
        for path in {*old, *ours, *theirs}:
            if theirs.get(path) == old.get(path) or theirs.get(path) == ours.get(path):
                continue
            if ours.get(path) != old.get(path):
                return None
            merged.pop(path, None)
            if path in theirs:
                merged[path] = theirs[path]
        head_before = self.head
        sha = self._made(ref, (base, head), message, Tree(merged))
        self.head = head_before
        self._point(ref, sha)
        return sha

    def resolve(self, name: str) -> str | None:
        if name in self._known:
            return name
        order = (name, f"refs/{name}", f"refs/tags/{name}", f"refs/heads/{name}")
        return next((self._refs[ref] for ref in order if ref in self._refs), None)

    def refs(self, prefix: str) -> dict[str, str]:
        found = {ref: sha for ref, sha in sorted(self._refs.items()) if ref.startswith(prefix)}
        return {ref.removeprefix(prefix): sha for ref, sha in found.items()}

    def pointed(self) -> dict[str, tuple[str, str]]:
        return {ref: ("commit", sha) for ref, sha in sorted(self._refs.items())}

    def tag_object(self, sha: str) -> dict[str, object] | None:
        return None  # its tags have none

    def workflows(self, commit: str) -> dict[str, str]:
        return self._commits[commit].tree.workflows

    def github_files(self, commit: str) -> dict[str, bytes]:
        return self._commits[commit].tree.github_files

    def message(self, commit: str) -> str:
        return self._commits[commit].message

    def parents(self, commit: str) -> list[str]:
        return list(self._commits[commit].parents)

    def history(self, commit: str) -> list[str]:
        """The commit and all before it, newest first."""
        order = list(self._commits)
        return sorted(self._ancestors[commit], key=order.index, reverse=True)

    def missing(self, base: str, head: str) -> list[str]:
        known = self._ancestors[base]
        return [sha for sha in reversed(self.history(head)) if sha not in known]

    def changed(self, base: str, head: str) -> list[dict[str, str]]:
        common = self._ancestors[base] & self._ancestors[head]
        if not common:
            return []
        origin = max(common, key=lambda sha: len(self._ancestors[sha]))
        old, new = self._commits[origin].tree.files, self._commits[head].tree.files
        return [
            {
                "filename": name,
                "status": "removed" if name not in new else "modified" if name in old else "added",
            }
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        ]

    def merge_base(self, base: str, head: str) -> str | None:
        common = self._ancestors[base] & self._ancestors[head]
        return max(common, key=lambda sha: len(self._ancestors[sha]), default=None)

    def tree(self, commit: str) -> list[tuple[str, str, str, str]]:
        return self._commits[commit].tree.listed

    def text(self, commit: str, path: str) -> bytes | None:
        return self._commits[commit].tree.files.get(path)

    def compare(self, base: str, head: str) -> dict[str, Any] | None:
        first, second = self.resolve(base), self.resolve(head)
        if not first or not second:
            return None
        behind = len(self._ancestors[first] - self._ancestors[second])
        ahead = len(self._ancestors[second] - self._ancestors[first])
        status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
        return {
            "status": status.get((ahead > 0, behind > 0), "identical"),
            "ahead_by": ahead,
            "behind_by": behind,
            "base": first,
            "head": second,
        }


def _as_bytes(files: Mapping[str, Any]) -> dict[str, bytes]:
    return {p: data.encode() if isinstance(data, str) else data for p, data in files.items()}
