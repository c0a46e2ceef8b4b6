"""Accounts: everybody that a test names has one."""

from __future__ import annotations

import zlib
from typing import Any

#: Who starts a run with the GITHUB_TOKEN of a job.
BOT = "github-actions[bot]"
IDS = {"octocat": 3001, "stranger": 3002, BOT: 41898282}
#: What somebody may do who is not listed in `OfflineGitHub.roles`.
ROLES = {"octocat": "admin", "stranger": "read", BOT: "write"}


def person_id(login: str) -> int:
    return IDS.setdefault(login, 100_000_000 + zlib.crc32(login.encode()))


def login_of(number: int) -> str | None:
    """Whose number that is, if the account was ever named."""
    return next((login for login, known in IDS.items() if known == number), None)


def account(login: str) -> dict[str, Any]:
    return {"login": login, "id": person_id(login), "type": "Bot" if login == BOT else "User"}
