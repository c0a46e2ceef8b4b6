"""The things that a run waits for, because it cannot do them itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _always() -> bool:
    return True


@dataclass
class Wait:
    #: Whether the run can go on.
    over: Callable[[], bool]
    #: Notified when the result of `over` may have changed.
    changed: threading.Condition | None = None
    #: Whether only other runs, and the test, can end it.
    rests: Callable[[], bool] = _always
    #: How often it checks without a notification, in seconds.
    look: Callable[[], float | None] = lambda: None

    def pause(self) -> None:
        """Block until it is over."""
        if self.changed:
            with self.changed:
                self.changed.wait_for(self.over, self.look())


class Inbox:
    """The messages of others to a run. It takes none out while it waits."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self.changed = threading.Condition()

    def __bool__(self) -> bool:
        return bool(self._items)

    def put(self, item: Any) -> None:
        with self.changed:
            self._items.append(item)
            self.changed.notify_all()

    def take(self) -> list[Any]:
        """Everything that has arrived."""
        with self.changed:
            items, self._items = self._items, []
        return items
