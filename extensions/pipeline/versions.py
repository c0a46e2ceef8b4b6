"""Versions of the template."""

from __future__ import annotations

import re


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing: `0.2.0.post3.dev0+8d2d` is past 0.2.0."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(number) for number in match[1].split(".")) if match else (0,)
