"""The repositories of the histories: their answers, and the oracle's view, written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from copies import example
from generated_repositories import DIAMOND, diamond, generic
from oracle import oracle as o
from worlds import Pipelines

Get = Callable[[str], Pipelines]
"""The fixture `of_kind`."""

LINE = ["api", "web", "infra"]
EDGES = [
    {"code_type": "web", "depends_on": "api"},
    {"code_type": "infra", "depends_on": "web", "artifacts": []},
]
PYTHON = "src/lambda-python-s3-lambda-trigger"


def part(name: str, **more: Any) -> o.Component:
    return o.Component(name, f"parts/{name}", **more)


def files_of(names: list[str]) -> tuple[str, ...]:
    return tuple(f"parts/{name}/{file}" for name in names for file in ("a.txt", "b.txt"))


IN_A_DIAMOND = (
    part("alone"),
    part("base"),
    part("left", after=("base",)),
    part("right", takes=("base",)),
    part("top", takes=("left", "right")),
)

#: Name -> answers, components, and files that change.
KINDS: dict[str, tuple[dict[str, Any], tuple[o.Component, ...], tuple[str, ...]]] = {
    "line": (
        {"components": generic(LINE), "dependency_map": EDGES},
        (part("api"), part("web", takes=("api",)), part("infra", after=("web",))),
        files_of(LINE),
    ),
    "diamond": (
        diamond(),
        IN_A_DIAMOND,
        files_of(DIAMOND),
    ),
    "dispatch": (
        {**diamond(), "orchestration": "dispatch"},
        IN_A_DIAMOND,
        files_of(DIAMOND),
    ),
    "mixed": (
        {
            "components": {
                **generic(["api"], watches=["shared/**/*.txt", "!**/*.md"]),
                **generic(["conf"], environments=["prd"]),
                **generic(["lib"], deploy=""),
                **generic(["tool"], build="", produces=[]),
            },
            "dependency_map": {"tool": "api"},
        },
        (
            part("api", watches=("shared/**/*.txt", "!**/*.md")),
            part("conf", environments=("prd",)),
            part("lib", environments=()),
            part("tool", takes=("api",), package=False),
        ),
        (*files_of(["api", "conf", "lib", "tool"]), "shared/x/a.txt", "parts/api/notes.md"),
    ),
    "lambda": (
        example("lambda"),
        (
            o.Component("python", PYTHON, (".tool-versions", "pyproject.toml"), environments=()),
            o.Component(
                "terraform",
                "iac/terraform",
                (".tool-versions", "iac/.terraform-version"),
                ("python",),
                package=False,
            ),
        ),
        (
            f"{PYTHON}/handler.py",
            f"{PYTHON}/requirements.txt",
            "iac/terraform/main.tf",
            "iac/.terraform-version",
            ".tool-versions",
            "pyproject.toml",
        ),
    ),
}
