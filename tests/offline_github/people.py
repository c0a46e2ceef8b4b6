"""Accounts: every person that a test names has one."""

from __future__ import annotations

import zlib
from typing import Any

#: The actor of a run that a job has started with its GITHUB_TOKEN.
BOT = "github-actions[bot]"
IDS = {"octocat": 3001, "stranger": 3002, BOT: 41898282}
#: The role of people who are not in `OfflineGitHub.roles`.
ROLES = {"octocat": "admin", "stranger": "read", BOT: "write"}


def person_id(login: str) -> int:
    return IDS.setdefault(login, 100_000_000 + zlib.crc32(login.encode()))


def login_of(number: int) -> str | None:
    """The person with this number, if there is one."""
    return next((login for login, known in IDS.items() if known == number), None)


def account(login: str) -> dict[str, Any]:
    return {"login": login, "id": person_id(login), "type": "Bot" if login == BOT else "User"}
