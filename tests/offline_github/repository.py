"""The remote repository: a bare clone of the work tree under test."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import Any

WORKFLOWS = ".github/workflows"

# The machine's own git configuration (hooks, signing, credential helpers) must not matter.
GIT_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}

# Real GitHub lets one fetch any reachable commit; a bare repository must be told to.
CONFIGURATION = """\
[core]
\trepositoryformatversion = 0
\tbare = true
[uploadpack]
\tallowAnySHA1InWant = true
"""


class GitError(RuntimeError):
    """A git command failed."""

    code = 0


def git(*arguments: str | Path, cwd: Path, data: bytes | None = None) -> bytes:
    """What a git command prints."""
    if arguments == ("rev-parse", "HEAD") and (commit := _head(cwd)):
        return commit  # the most frequent question: read it from the files, without a process
    result = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=cwd,
        input=data,
        capture_output=True,
        env={**os.environ, **GIT_ENVIRONMENT},
    )
    if result.returncode:
        error = GitError(f"git {' '.join(map(str, arguments))}: {result.stderr.decode().strip()}")
        error.code = result.returncode
        raise error
    return result.stdout


def _head(work_tree: Path) -> bytes:
    """The commit that is checked out; None if reading two files is not enough to know it."""
    with contextlib.suppress(OSError):
        head = (work_tree / ".git" / "HEAD").read_bytes()
        if head.startswith(b"ref: "):
            head = (work_tree / ".git" / head[5:].decode().strip()).read_bytes()
        return head
    return b""


_packed: dict[str, frozenset[str]] = {}


def objects_of(index: Path) -> frozenset[str]:
    """The objects of a pack. A pack's name is a digest of them, so each is read once."""
    if index.name not in _packed:
        listed = git("show-index", cwd=index.parent, data=index.read_bytes()).decode()
        _packed[index.name] = frozenset(line.split()[1] for line in listed.splitlines())
    return _packed[index.name]


#: The objects that a commit reaches, by its SHA: many tests push the same commit.
_reached: dict[str, list[str]] = {}


class Facts(dict[Any, Any]):
    """Answers about SHAs, which never change: many tests push the same commits."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) >= self._size:
            # The oldest goes. Another thread may be doing the same.
            with contextlib.suppress(KeyError, RuntimeError):
                del self[next(iter(self))]
        super().__setitem__(key, value)


#: For the commits of all repositories.
ARCHIVES, WORKFLOW_FILES, TREES = Facts(30), Facts(100), Facts(300)
MESSAGES, PARENTS, HISTORIES, MISSING, CHANGED, COUNTS, BASES = (Facts(3000) for _ in range(7))


class Repository:
    """A bare repository, and the work tree that is pushed to it."""

    def __init__(self, path: Path, work_tree: Path) -> None:
        self.path = path
        self.work_tree = work_tree
        self._objects: set[str] = set()
        self._commits: set[str] = set()
        #: The files of the refs, and what git listed when they had these contents.
        self._listings: dict[tuple[str, str], tuple[dict[str, bytes], list[str]]] = {}
        # The files that `git init --bare` would create, without a process.
        for folder in ("objects", "refs"):
            (path / folder).mkdir(parents=True)
        (path / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
        (path / "config").write_text(CONFIGURATION, encoding="utf-8")

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def change(self, ref: str) -> str:
        """The effect of a push on this ref."""
        before = self.resolve(ref)
        if before is None:
            return "creation"
        commit = self._local(ref)
        if not commit or ref.startswith("refs/tags/"):
            commit = git("rev-parse", f"{ref}^{{commit}}", cwd=self.work_tree).decode().strip()
        known = before in self.history(commit, self.work_tree)
        return "update" if known else "non_fast_forward"

    def push(self, ref: str, target: str = "") -> None:
        """Push like `git push --force`, for which git needs a dozen processes."""
        if not ref.startswith("refs/heads/") or not self._take(ref, target or ref):
            to = f"{ref}:{target or ref}"
            git("push", "--quiet", "--force", self.path, to, cwd=self.work_tree)

    def _local(self, ref: str) -> str:
        """What a ref of the work tree points to; empty if reading its file is not enough."""
        with contextlib.suppress(OSError):
            return (self.work_tree / ".git" / ref).read_text(encoding="utf-8").strip()
        return ""

    def _packs(self) -> dict[str, frozenset[str]]:
        """The packs of the work tree: each holds many objects in one file."""
        folder = self.work_tree / ".git" / "objects" / "pack"
        return {file.stem: objects_of(file) for file in folder.glob("*.idx")}

    def _take(self, ref: str, target: str) -> bool:
        """Link the objects of a branch, and the packs.

        False, and no change, if an object is missing.
        """
        commit = self._local(ref)
        names = _reached.get(commit, [])
        if not names:
            listed = git("rev-list", "--objects", commit or ref, "--", cwd=self.work_tree)
            names = [line.split(" ", 1)[0] for line in listed.decode().splitlines()]
            _reached[names[0]] = names
        packs = self._packs()
        left = {*names} - self._objects - set().union(*packs.values())
        new = [f"objects/{name[:2]}/{name[2:]}" for name in left]
        if not all((self.work_tree / ".git" / name).exists() for name in new):
            return False
        new += [f"objects/pack/{pack}.{kind}" for pack in packs for kind in ("pack", "idx")]
        for name in new:
            link = self.path / name
            link.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileExistsError):  # another thread may push the same
                link.hardlink_to(self.work_tree / ".git" / name)
        self._objects.update(names)
        self._commits.add(names[0])
        file = self.path / target
        file.parent.mkdir(parents=True, exist_ok=True)
        whole = file.with_name(f"{file.name}.{threading.get_ident()}.lock")
        whole.write_text(f"{names[0]}\n", encoding="utf-8")
        whole.replace(file)
        return True

    def merge(self, base: str, head: str, ref: str, message: str) -> str | None:
        """Point a ref to a merge of two commits. None, and no change, if they conflict."""
        try:
            tree = git("merge-tree", "--write-tree", base, head, cwd=self.path).decode().strip()
        except GitError as error:
            if error.code == 1:
                return None
            raise
        author = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")
        parents = ("-p", base, "-p", head)
        merged = git(*author, "commit-tree", tree, *parents, "-m", message, cwd=self.path)
        git("update-ref", ref, merged.decode().strip(), cwd=self.path)
        return merged.decode().strip()

    def resolve(self, name: str) -> str | None:
        """The commit of a ref, branch, tag or SHA."""
        if name in self._commits:
            return name
        if name.startswith(
            "refs/heads/"
        ):  # the most frequent question: read it from the files, without a process
            with contextlib.suppress(OSError):
                return (self.path / name).read_text(encoding="utf-8").strip()
        try:
            printed = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", cwd=self.path)
        except GitError:
            return None
        commit = printed.decode().strip()
        self._commits.add(commit)
        return commit

    def refs(self, prefix: str) -> dict[str, str]:
        """Ref name (without the prefix) -> commit, in the order of the names."""
        refs = {}
        for line in self._listed("%(refname) %(objectname) %(*objectname)", prefix):
            name, commit, *tagged = line.split()
            refs[name.removeprefix(prefix)] = tagged[0] if tagged else commit
        return refs

    def pointed(self) -> dict[str, tuple[str, str]]:
        """Full ref name -> type and SHA of its object, which may be a tag object."""
        rows = [line.split() for line in self._listed("%(refname) %(objecttype) %(objectname)")]
        return {name: (kind, sha) for name, kind, sha in rows}

    def _listed(self, form: str, prefix: str = "refs/") -> list[str]:
        """The lines of `git for-each-ref`, which only runs when a file of the refs has changed."""
        state = self._ref_files()
        known, lines = self._listings.get((form, prefix), ({}, []))
        if state != known:
            listed = git("for-each-ref", f"--format={form}", prefix, cwd=self.path)
            lines = listed.decode().splitlines()
            self._listings[form, prefix] = state, lines
        return lines

    def _ref_files(self) -> dict[str, bytes]:
        state = {}
        refs = [f"{at}/{n}" for at, _, found in os.walk(self.path / "refs") for n in found]
        for file in (*refs, str(self.path / "packed-refs")):
            with contextlib.suppress(FileNotFoundError):  # another thread may just replace it
                state[file] = Path(file).read_bytes()
        return state

    def tag_object(self, sha: str) -> dict[str, object] | None:
        """An annotated tag, by the SHA of its object."""
        try:
            head, _, message = git("cat-file", "tag", sha, cwd=self.path).decode().partition("\n\n")
        except GitError:
            return None
        fields = dict(line.split(" ", 1) for line in head.splitlines())
        pointed = {"type": fields["type"], "sha": fields["object"]}
        return {"tag": fields["tag"], "sha": sha, "message": message.strip(), "object": pointed}

    def workflows(self, commit: str) -> dict[str, str]:
        """The text of every workflow file of a commit, by path."""
        files: dict[str, str] | None = WORKFLOW_FILES.get(commit)
        if files is None:
            files = WORKFLOW_FILES[commit] = {
                path: content.decode()
                for path, content in self.github_files(commit).items()
                if Path(path).parent.as_posix() == WORKFLOWS and path.endswith((".yml", ".yaml"))
            }
        return files

    def archive(self, commit: str) -> bytes:
        """`.github` of a commit, as a tar file."""
        archive: bytes | None = ARCHIVES.get(commit)
        if archive is None:
            paths = ("--format=tar", commit, ".github")
            try:
                archive = ARCHIVES[commit] = git("archive", *paths, cwd=self.path)
            except GitError:  # it has none
                archive = bytes(tarfile.RECORDSIZE)
        return archive

    def github_files(self, commit: str) -> dict[str, bytes]:
        """The contents of `.github`, by path."""
        files = {}
        with tarfile.open(fileobj=io.BytesIO(self.archive(commit))) as archive:
            for member in archive:
                if content := archive.extractfile(member) if member.isfile() else None:
                    files[member.name] = content.read()
        return files

    def pack(self, commit: str, folder: Path) -> None:
        """Write into a folder of git what a fetch of depth 1 brings: that takes six processes."""
        wanted = f"--shallow {commit}\n{commit}\n".encode()
        pack = folder / "objects" / "pack"
        pack.mkdir(exist_ok=True)
        git("pack-objects", "--quiet", "--revs", pack / "pack", cwd=self.path, data=wanted)
        if self.parents(commit):
            (folder / "shallow").write_text(f"{commit}\n", encoding="utf-8")

    def ensure_tag(self, name: str) -> None:
        """Create a tag in the work tree, at HEAD, unless it exists."""
        if name not in git("tag", "--list", name, cwd=self.work_tree).decode().split():
            git("tag", name, cwd=self.work_tree)

    def message(self, commit: str) -> str:
        if commit not in MESSAGES:
            self._read(commit, self.path)
        return str(MESSAGES[commit])

    def parents(self, commit: str) -> list[str]:
        if commit not in PARENTS:
            self._read(commit, self.path)
        parents: list[str] = PARENTS[commit]
        return parents

    def history(self, commit: str, place: Path | None = None) -> list[str]:
        """A commit and all before it, newest first."""
        history: list[str] | None = HISTORIES.get(commit)
        return self._read(commit, place or self.path) if history is None else history

    @staticmethod
    def _read(commit: str, place: Path) -> list[str]:
        """Keep the history of a commit, and the message and the parents of each commit in it."""
        printed = git("log", "-z", "--format=%H %P%n%B", commit, cwd=place).decode()
        history: list[str] = []
        # The commit itself comes last, so that it is kept also if there are too many.
        for entry in reversed(printed.removesuffix("\0").split("\0")):
            names, _, message = entry.partition("\n")
            sha, *parents = names.split()
            history.append(sha)
            MESSAGES[sha], PARENTS[sha] = message.strip(), parents
        history.reverse()
        HISTORIES[commit] = history
        return history

    def missing(self, base: str, head: str) -> list[str]:
        """The commits in the history of one commit and not of another, oldest first."""
        missing: list[str] | None = MISSING.get((base, head))
        if missing is None:
            listed = git("rev-list", "--reverse", f"{base}..{head}", cwd=self.path)
            missing = MISSING[base, head] = listed.decode().split()
        return missing

    def changed(self, base: str, head: str) -> list[dict[str, str]]:
        """The files that differ between the merge base and a commit, as the API names them."""
        changed: list[dict[str, str]] | None = CHANGED.get((base, head))
        if changed is None:
            arguments = ("--name-status", "--no-renames", "-z", f"{base}...{head}")
            try:
                fields = git("diff", *arguments, cwd=self.path).decode().split("\0")
            except GitError:  # they have nothing in common
                fields = []
            words = {"A": "added", "D": "removed"}
            changed = CHANGED[base, head] = [
                {"filename": name, "status": words.get(letter, "modified")}
                for letter, name in zip(fields[::2], fields[1::2], strict=False)
            ]
        return changed

    def merge_base(self, base: str, head: str) -> str | None:
        """The best common ancestor of two commits; None if they have none."""
        common: str | None = BASES.get((base, head))
        if common is None:
            with contextlib.suppress(GitError):
                common = git("merge-base", base, head, cwd=self.path).decode().strip()
                BASES[base, head] = common
        return common

    def tree(self, commit: str) -> list[tuple[str, str, str, str]]:
        """(path, mode, type, object id) of each file."""
        tree: list[tuple[str, str, str, str]] | None = TREES.get(commit)
        if tree is None:
            listed = git("ls-tree", "-r", "-z", commit, cwd=self.path).decode().split("\0")
            found = [line.partition("\t") for line in listed if line]
            tree = TREES[commit] = [(path, *what.split(" ")) for what, _, path in found]  # type: ignore[misc]
        return tree

    def text(self, commit: str, path: str) -> bytes | None:
        """A file of a commit."""
        try:
            return git("cat-file", "blob", f"{commit}:{path}", cwd=self.path)
        except GitError:
            return None

    def compare(self, base: str, head: str) -> dict[str, int | str] | None:
        """The comparison of two commits, as the API returns it; None if one is unknown."""
        first, second = self.resolve(base), self.resolve(head)
        if not first or not second:
            return None
        counts: bytes | None = COUNTS.get((first, second))
        if counts is None:
            between = f"{first}...{second}"
            counts = git("rev-list", "--left-right", "--count", between, cwd=self.path)
            COUNTS[first, second] = counts
        behind, ahead = map(int, counts.split())
        status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
        return {
            "status": status.get((ahead > 0, behind > 0), "identical"),
            "ahead_by": ahead,
            "behind_by": behind,
            "base": first,
            "head": second,
        }
