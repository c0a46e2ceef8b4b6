"""The time that scripts see, and the number of calls that GitHub allows them in an hour."""

from __future__ import annotations

import datetime
import math
import threading
import time


def timestamp(text: str) -> float:
    """A date and time of the API, in seconds."""
    return datetime.datetime.fromisoformat(text).timestamp()


class Clock:
    """A clock that starts at the true time and runs `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self._lock = threading.RLock()
        self._real = self._shown = time.time()
        self._speed = speed
        self._last = 0

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        with self._lock:
            self._real, self._shown = self.pair()
            self._speed = speed

    def advance(self, seconds: float) -> None:
        """Move the clock forward by this time."""
        with self._lock:
            self._shown += seconds

    def pair(self) -> tuple[float, float]:
        """The true time and the time that this clock shows, in seconds."""
        with self._lock:
            real = time.time()
            return real, self._shown + (real - self._real) * self._speed

    def now(self) -> float:
        return self.pair()[1]

    def stamp(self, new: bool = False, frozen: bool = False) -> str:
        """The current second. A `new` one is later than all earlier ones, unless `frozen`."""
        with self._lock:
            now = self.now()
            if not (frozen and self._last):
                self._last = max(self._last + new, int(now))
                self._shown += max(
                    0.0, self._last - now
                )  # seconds that were given out are never in the future
            moment = datetime.datetime.fromtimestamp(self._last, datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class SteppedClock(Clock):
    """A clock that moves only when it is told to, so that a test is the same each time."""

    #: Thursday, 1 October 2026, 8:00 UTC.
    START = 1_790_841_600.0

    def __init__(self) -> None:
        super().__init__(speed=1)
        self._shown = self.START

    def pair(self) -> tuple[float, float]:
        return time.time(), self._shown


class RateLimit:
    """The calls that the GITHUB_TOKENs of one repository may make in an hour of the clock."""

    limit = 1000

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.window = 3600
        self._lock = threading.RLock()
        self._used = 0
        self._endless = True
        self._reset = 0

    def set_left(self, calls: int | None) -> None:
        """Set how many calls are left in the hour that the next call begins; None: no limit."""
        with self._lock:
            self._endless, self._reset = calls is None, 0
            self._used = 0 if calls is None else self.limit - calls

    @property
    def left(self) -> int | None:
        with self._lock:
            return None if self._endless else self.limit - self._used

    def _turn(self) -> None:
        """Begin an hour. If an earlier one has ended, all calls are left again."""
        now = self.clock.now()
        if now < self._reset:
            return
        if self._reset:
            self._used, self._endless = 0, True
        self._reset = math.floor(now) + self.window

    def take(self) -> bool:
        """Count a call, if there is one left."""
        with self._lock:
            self._turn()
            if not self._endless and self._used >= self.limit:
                return False
            self._used += not self._endless or self._used < self.limit - 1
            return True

    def give_back(self) -> None:
        """Take back the count of a call."""
        with self._lock:
            self._used = max(0, self._used - 1)

    def state(self) -> dict[str, int]:
        """The answer of `GET /rate_limit`; `reset` is in seconds of the clock."""
        with self._lock:
            self._turn()
            return {
                "limit": self.limit,
                "remaining": self.limit - self._used,
                "used": self._used,
                "reset": self._reset,
            }

    def headers(self) -> dict[str, str]:
        """The headers about the limit that every answer has."""
        shown = {**self.state(), "resource": "core"}
        return {f"x-ratelimit-{name}": str(value) for name, value in shown.items()}
