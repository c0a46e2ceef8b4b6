"""Concurrency groups: one holder, one claim that waits or many, names without regard to case."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: The most claims that wait, with `queue: max`.
QUEUE = 100
EXCLUSIVE = "concurrency: queue: max and cancel-in-progress exclude each other"


def check(concurrency: Any) -> None:
    """Check a `concurrency` key as GitHub does before it evaluates expressions.

    Raises ValueError.
    """
    settings = concurrency if isinstance(concurrency, dict) else {}
    if settings.get("queue") == "max" and settings.get("cancel-in-progress") is True:
        raise ValueError(EXCLUSIVE)


@dataclass(eq=False)
class Claim:
    """The claim of a run or a job to hold a group."""

    group: str
    #: Cancels the holder of the group.
    cancel: Callable[[], None]
    cancel_in_progress: bool = False
    #: With `queue: max` a claim waits beside others; otherwise it replaces them.
    queued: bool = False
    #: The claims of its run and of the jobs that call it. It must not wait for the same group
    #: again.
    outer: list[Claim] = field(default_factory=list)
    state: str = "new"
    message: str = ""

    @classmethod
    def from_setting(cls, concurrency: Any, cancel: Callable[[], None]) -> Claim:
        """The claim of a `concurrency` key whose expressions are evaluated. Raises ValueError."""
        settings = concurrency if isinstance(concurrency, dict) else {"group": concurrency}
        queue = settings.get("queue", "single")
        if queue not in ("single", "max"):
            raise ValueError(f"concurrency: unknown queue {queue}")
        cancels = settings.get("cancel-in-progress") in (True, "true")
        if queue == "max" and cancels:
            raise ValueError(EXCLUSIVE)
        return cls(str(settings["group"]), cancel, cancels, queue == "max")


class Groups:
    """All concurrency groups of a repository."""

    def __init__(self) -> None:
        self._running: dict[str, Claim] = {}
        self._pending: dict[str, list[Claim]] = {}
        self.changed = threading.Condition()
        #: Which waiting claim is next: GitHub promises no order.
        self.next: Callable[[list[Claim]], Claim] = lambda waiting: waiting[0]

    def shuffle(self, seed: int) -> None:
        """Choose by a seed which waiting claim is next."""
        self.next = random.Random(seed).choice

    def request(self, claim: Claim) -> None:
        """Let a claim hold its group now, or wait. Without a queue it replaces those that wait."""
        group = claim.group.lower()
        with self.changed:
            holder = self._running.get(group)
            if holder is None:
                self._running[group] = claim
                claim.state = "running"
                return
            if holder in claim.outer:
                claim.state = "cancelled"
                claim.message = (
                    "Canceling since a deadlock was detected for concurrency group: "
                    f"'{claim.group}'"
                )
                return
            message = (
                f"Canceling since a higher priority waiting request for '{claim.group}' exists"
            )
            pending = self._pending.setdefault(group, [])
            if claim.queued and len(pending) >= QUEUE:
                claim.state = "cancelled"
                claim.message = f"Canceling since the queue of '{claim.group}' is full"
                return
            for waiting in [] if claim.queued else pending:
                waiting.state, waiting.message = "cancelled", message
            pending[:] = [*(waiting for waiting in pending if waiting.state == "pending"), claim]
            claim.state = "pending"
            if claim.cancel_in_progress:
                holder.message = message
            self.changed.notify_all()
        if claim.cancel_in_progress:
            holder.cancel()

    def release(self, claim: Claim) -> None:
        group = claim.group.lower()
        with self.changed:
            pending = self._pending.get(group, [])
            if claim in pending:
                pending.remove(claim)
            # A claim may have been cancelled in the meantime.
            pending[:] = [waiting for waiting in pending if waiting.state == "pending"]
            if self._running.get(group) is claim:
                del self._running[group]
                if pending:
                    waiting = self.next(pending)
                    pending.remove(waiting)
                    waiting.state = "running"
                    self._running[group] = waiting
            claim.state = "released"
            self.changed.notify_all()
