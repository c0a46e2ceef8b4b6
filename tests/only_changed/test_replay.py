"""The first pushes of a replayed history deploy the components that the commits change."""

from __future__ import annotations

import subprocess
import sys

import toolbox

# Files in the root, documents and licences belong to no deployed component.
PUSHES = {
    **dict.fromkeys(["b753813", "ce288fb", "0defb3e", "89d0d32"], "-"),
    "c766bd3": "ui-helm",
    **dict.fromkeys(["595540d", "680f432"], "-"),
    **dict.fromkeys(["8448fef", "02f87e1"], "ui-helm"),
    "c61109e": "checkout-helm",
    "5384d49": "cart-helm, catalog-helm, checkout-helm, orders-helm, ui-helm",
    "8966a33": "-",
    "b30aa6c": "cart-helm, orders-helm",
    "cbaf176": "ui-helm",
    **dict.fromkeys(["baa6287", "f5ee6fc", "8002406", "53882fe", "0e0ca09"], "-"),
    "1755e02": "catalog-helm",
}


def test_the_first_pushes() -> None:
    program = toolbox.ROOT / "benchmarks" / "only_changed.py"
    command = [sys.executable, program, str(len(PUSHES)), "--each"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pushes = [f"{commit}: {deployed}" for commit, deployed in PUSHES.items()]
    assert printed.splitlines()[: len(pushes) + 1] == [
        *pushes,
        "20 pushes in 0.4 months; 12 of them deploy nothing.",
    ]
    # Each push has 23 builds in the first environment, 10 deployments in each of three
    # environments, and 7 other jobs, if everything runs.
    assert "| jobs | 2,686 |" in printed
