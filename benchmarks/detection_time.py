"""How long it takes to find out what a repository holds.

    .venv/bin/python benchmarks/detection_time.py

Makes repositories of 1,000 and 10,000 small files in a temporary folder, with two components for
every 250 files, and prints the median of five times for listing and proposing. The aim is 0.3 s
for 10,000.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "extensions"))

from pipeline.catalogue import load_catalogue  # noqa: E402
from pipeline.proposal import propose  # noqa: E402
from pipeline.repository_files import list_files  # noqa: E402

TEXTS = {
    "py": "import os\n\n\ndef f(x):\n    return x\n" * 40,
    "ts": "export const a = 1\n" * 100,
    "go": "package a\n\nfunc A() {}\n" * 60,
    "yaml": "a: b\nc: [1, 2]\n" * 50,
    "md": "text\n" * 200,
    "java": "class A {}\n" * 50,
}


def make(root: Path, number: int) -> None:
    chosen = random.Random(2026)
    for index in range(number):
        service = root / f"services/s{index // 250}"
        folder = service / f"p{index // 10 % 25}"
        folder.mkdir(parents=True, exist_ok=True)
        ending = chosen.choice(sorted(TEXTS))
        (folder / f"f{index}.{ending}").write_text(TEXTS[ending])
        if index % 250 == 0:
            (service / "pyproject.toml").write_text("[project]\nname = 'x'\n")
            (service / "Dockerfile").write_text("FROM scratch\nCOPY . .\n")


def main() -> None:
    code_types = load_catalogue(ROOT).code_types
    for number in (1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), number)
            times = []
            for _ in range(5):
                start = time.perf_counter()
                found = propose(list_files(Path(folder)), code_types)
                times.append(time.perf_counter() - start)
        print(f"{number} files: {statistics.median(times):.2f} s, {len(found.names)} components")


if __name__ == "__main__":
    main()
