"""Runs without machines: the test decides how jobs end, and a seed decides what happens next.

Everything happens in the thread of the test, one thing at a time: a run starts what it can, a job
does a step, a script hears the answer to one call. Which of all runs and jobs is next, a generator
of random numbers chooses, so a seed stands for one way in which concurrent runs can interleave.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import io
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from .model import Run
from .runner import JobOutcome
from .server import Session
from .waits import Wait
from .work import Ended, Going, Work

if TYPE_CHECKING:
    from .github import OfflineGitHub
    from .workflows import Node

#: How a job ends. None: its steps run, without shells (see `Work.steps`).
Execute = Callable[[Work], "Ended | Going | None"]


_laying_out = threading.Lock()


@functools.cache
def _store() -> Path:
    """A folder of this process for files that many tests read and none writes."""
    folder = Path(tempfile.mkdtemp(prefix="offline-github-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def unpacked(files: Mapping[str, bytes]) -> Path:
    """A folder with these files; the same for the same files."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    folder = _store() / digest.hexdigest()[:16]
    if not folder.exists():
        for path, data in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    return folder


def laid_out(archive: bytes) -> Path:
    """A folder with what is in a tar file; the same for the same contents."""
    digest = hashlib.sha256()
    files: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            data = content.read() if content else member.linkname.encode()
            digest.update(f"{member.name}\0{member.mode}\0{len(data)}\0".encode() + data)
            files[member.name] = member, data
    folder = _store() / f"tar-{digest.hexdigest()[:16]}"
    with _laying_out:
        if not folder.exists():
            folder.mkdir()
            for name, (member, data) in files.items():
                _lay_out(folder / name, member, data)
    return folder


def _lay_out(place: Path, member: tarfile.TarInfo, data: bytes) -> None:
    """Unpack as `extractall` does, in a fraction of the time: git's archives need no checks."""
    if member.isdir():
        place.mkdir()
    elif member.issym():
        place.symlink_to(member.linkname)
    else:
        place.write_bytes(data)
        if member.mode & 0o100:
            place.chmod(0o755)


class Life:
    """A run, between its start and its end."""

    def __init__(self, run: Run, steps: Iterator[Wait]) -> None:
        self.run = run
        self.steps = steps
        self.wait: Wait | None = None

    def ready(self, now: float) -> bool:
        return self.wait is None or self.wait.over()

    def go(self, now: float) -> bool:
        """Take the next step. Returns False when the run is over."""
        self.wait = next(self.steps, None)
        return self.wait is not None


class Body:
    """A job that runs step by step. It can be cancelled, as `runner.JobProcess` can."""

    def __init__(self, work: Work, steps: Going, ended: Callable[[JobOutcome], None]) -> None:
        self.work = work
        self._steps = steps
        self._ended = ended
        self.wake_at = 0.0

    def cancel(self) -> None:
        self.work.cancelled, self.wake_at = True, 0.0

    kill = cancel

    def ready(self, now: float) -> bool:
        return self.wake_at <= now

    def go(self, now: float) -> bool:
        if self.work.cancelled and not self.work.in_steps:
            self._steps.close()  # a job that the test executes itself has no steps that clean up
            outcome = self.work.outcome("cancelled")
        else:
            try:
                self.wake_at = now + next(self._steps)
                return True
            except StopIteration as end:
                outcome = self.work.outcome(end.value)
        if self.work.cancelled:
            outcome.result = "cancelled"
        self._ended(outcome)
        return False


class Driver:
    """Lets runs and jobs take their steps one at a time, in an order that a seed decides."""

    def __init__(self, github: OfflineGitHub, execute: Execute, seed: int) -> None:
        self.github = github
        self.execute = execute
        self.random = Random(seed)
        #: The seconds that pass with each step.
        self.pace = 1.0
        self._parts: list[Life | Body] = []

    def add(self, run: Run, life: Iterator[Wait], ready: threading.Event) -> None:
        """Begin a run, which asks for its concurrency group."""
        part = Life(run, life)
        while not ready.is_set() and part.go(0):
            pass
        if part.wait:
            self._parts.append(part)

    def start(
        self,
        session: Session,
        node: Node,
        contexts: dict[str, Any],
        ended: Callable[[JobOutcome], None],
    ) -> Body:
        """Begin a job that has its groups, its approval and a runner."""
        work = Work(session, node, contexts, self.random)
        body = Body(work, self._body(work), ended)
        self._parts.append(body)
        return body

    def _body(self, work: Work) -> Generator[float, None, Any]:
        yield 0
        github = self.github
        if github.before_job:
            github.before_job(work.run, work.key)
        if result := github.forced_results.get(work.key):
            return JobOutcome(result, dict(github.forced_outputs.get(work.key, {})))
        decided = self.execute(work)
        if decided is None:
            decided = work.steps()
        if isinstance(decided, Generator):
            decided = yield from decided
        return decided

    def step(self) -> bool:
        """Let one thing happen. Returns False if nothing goes on without the test."""
        clock = self.github.clock
        ready = [part for part in self._parts if part.ready(clock.now())]
        if not ready:
            asleep = [part.wake_at for part in self._parts if isinstance(part, Body)]
            if not asleep:
                self.github.raise_failures()
                return False
            clock.advance(min(asleep) - clock.now())
            ready = [part for part in self._parts if part.ready(clock.now())]
        clock.advance(self.pace)
        part = self.random.choice(ready)
        if not part.go(clock.now()):
            self._parts.remove(part)
        self.github.raise_failures()
        return True
