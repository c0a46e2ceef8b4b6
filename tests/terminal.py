"""A terminal in which Copier's command runs: see forked.py."""

from __future__ import annotations

import os
import pty
import termios
from pathlib import Path

import forked
from pexpect.fdpexpect import fdspawn

SETTINGS = {
    # Otherwise each prompt waits a second for the terminal to say where its cursor is.
    "PROMPT_TOOLKIT_NO_CPR": "1",
    "TERM": "xterm",
    "LC_ALL": "C.UTF-8",
}
WIDE = (60, 400)
"""No line breaks in it."""


class Terminal(fdspawn):  # type: ignore[misc]
    """What `pexpect.spawn` is for a command that is started."""

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
        """Without its terminal, it ends."""
        if self.exitstatus is None:
            super().close()
            self.exitstatus = self.started.wait()
