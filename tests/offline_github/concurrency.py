"""Concurrency groups: one holder and one waiting claim each, names without regard to case."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Claim:
    """A run's or job's wish to hold a group."""

    group: str
    holder: str
    cancel: Callable[[], None]
    #: Claims of the run and calling jobs around it: the same group again would wait for itself.
    outer: list[Claim] = field(default_factory=list)
    state: str = "new"
    message: str = ""


class Groups:
    def __init__(self) -> None:
        self._running: dict[str, Claim] = {}
        self._pending: dict[str, Claim] = {}
        self.changed = threading.Condition()

    def request(self, claim: Claim, cancel_in_progress: bool) -> None:
        """Run now, or wait; a newer claim replaces the one that waits."""
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
            if waiting := self._pending.get(group):
                waiting.state = "cancelled"
                waiting.message = (
                    f"Canceling since a higher priority waiting request for '{claim.group}' exists"
                )
            self._pending[group] = claim
            claim.state = "pending"
            self.changed.notify_all()
        if cancel_in_progress:
            holder.cancel()

    def release(self, claim: Claim) -> None:
        group = claim.group.lower()
        with self.changed:
            if self._pending.get(group) is claim:
                del self._pending[group]
            if self._running.get(group) is claim:
                del self._running[group]
                waiting = self._pending.pop(group, None)
                if waiting and waiting.state == "pending":  # it may have been cancelled meanwhile
                    waiting.state = "running"
                    self._running[group] = waiting
            claim.state = "released"
            self.changed.notify_all()
