"""A terminal in which Copier's command runs: see forked.py."""

from __future__ import annotations

import os
import pty
import termios
from pathlib import Path

import forked
from pexpect.fdpexpect import fdspawn

SETTINGS = {
    # Otherwise each prompt waits a second for the terminal to report its cursor's position.
    "PROMPT_TOOLKIT_NO_CPR": "1",
    "TERM": "xterm",
    "LC_ALL": "C.UTF-8",
}
WIDE = (60, 400)
"""A terminal so wide that no line breaks."""


class Terminal(fdspawn):  # type: ignore[misc]
    """The same as `pexpect.spawn`, for a `forked.Command`."""

    def __init__(self, *words: str | Path) -> None:
        ours, its = pty.openpty()
        termios.tcsetwinsize(its, WIDE)
        self.started = forked.Command(words, (its, its, its), environment=SETTINGS)
        os.close(its)
        self.exitstatus: int | None = None
        super().__init__(ours, encoding="utf-8", timeout=20)

    def sendintr(self) -> None:
        self.send("\x03")

    def close(self) -> None:
        """The command ends when its terminal is closed."""
        if self.exitstatus is None:
            super().close()
            self.exitstatus = self.started.wait()
