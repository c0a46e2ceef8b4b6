"""What the board and the rings of 500 repositories cost.

    .venv/bin/python benchmarks/fleet_time.py

An organisation of 500 repositories with three environments each, on a double of GitHub's GraphQL
API that checks queries by GitHub's schema. The time is that of fleet.py alone: the double itself
needs more. Points are counted as GitHub's documentation says, of 5,000 an hour.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "catalogue")]

from fleet_github import ADDRESS, Organisation, five_hundred  # noqa: E402
from fleet_program import FLEET  # noqa: E402

RINGS = """rings:
  - {name: canary, repositories: [service-00*], soak: 24}
  - {name: early, repositories: [service-0*], soak: 24}
  - {name: rest, others: true}
"""


def measure(world: Organisation, *arguments: str) -> None:
    """Print a row of the table: what fleet.py costs with these arguments."""
    spent, points, sent, received = 0.0, 0, 0, 0

    def post(_: Any, body: bytes, attempt: int) -> Any:
        nonlocal spent, points, sent, received
        start = time.perf_counter()
        answer = json.dumps(world.answer(body)[2])
        spent += time.perf_counter() - start
        points, sent, received = points + world.points, sent + len(body), received + len(answer)
        return json.loads(answer)

    FLEET.GitHub.post = post
    world.calls.clear()
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        FLEET.main(["--organisation", "acme", "--template", ADDRESS, *arguments])
    own = time.perf_counter() - start - spent
    print(
        f"| {' '.join(arguments).split(' ')[0]} | {len(world.calls)} | {points} | {own:.1f} s | "
        f"{sent // 1000} kB | {received // 1000} kB |"
    )


def main() -> None:
    os.environ["GH_TOKEN"] = "a-token"
    world = five_hundred()
    print("| 500 repositories | calls | points | time | sent | received |")
    print("| --- | --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as temporary:
        page, rings = Path(temporary, "fleet.html"), Path(temporary, "rings.yml")
        rings.write_text(RINGS, encoding="utf-8")
        measure(world, "--html", str(page))
        measure(world, "--rings", str(rings))
        print(f"\nThe page has {page.stat().st_size // 1000} kB.")


if __name__ == "__main__":
    main()
