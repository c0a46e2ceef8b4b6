"""Which component a file belongs to: `owns` of the action `what-changed`."""

from __future__ import annotations

from collections.abc import Iterator

import planner
import pytest
from oracle import oracle
from oracle.world import owned

PATHS = [
    *("api/x", "api", "api-v2/x", "apix/y", "my/api/x", "README.md", "docs/a.md", "docs/ci-cd.md"),
    *(
        ".github/workflows/api-build.yml",
        ".github/own.yml",
        ".copier-answers.yml",
        "a b/c d",
        "dätä/ß",
    ),
    *("libs/u.py", "libs/a/u.py", "libs/a/b/u.py", "libs/a/u.txt", "xlibs/a/u.py", "libs/a.py/x"),
    *(
        "iac/dev.tfvars",
        "iac/dev/x",
        "iac/test/x",
        "iac/prd/x",
        "iac/pre-prd/x",
        "a+b/(c)/x",
        "aab/c/x",
    ),
    *("🚀/x", "tools/x", "tools/xy", "new\nline.md"),
]

CASES = {
    "a folder": (["api"], {"api/x", "api"}),
    "a folder with a slash": (["api/"], {"api/x", "api"}),
    "names with a common start": (["api-v2"], {"api-v2/x"}),
    "a nested folder": (["libs/a"], {"libs/a/u.py", "libs/a/b/u.py", "libs/a/u.txt"}),
    "a file": (["README.md"], {"README.md"}),
    "the root has all files except the template's": (
        ["."],
        {*PATHS}
        - {
            ".github/workflows/api-build.yml",
            ".github/own.yml",
            ".copier-answers.yml",
            "docs/ci-cd.md",
        },
    ),
    "a named file belongs even if the template writes it": (
        [".github/own.yml"],
        {".github/own.yml"},
    ),
    "spaces": (["a b"], {"a b/c d"}),
    "other letters": (["dätä", "?/x"], {"dätä/ß", "🚀/x"}),
    "a path that looks like a regular expression": (["a+b/(c)"], {"a+b/(c)/x"}),
    "a star stays in its folder": (["libs/*.py"], {"libs/u.py"}),
    "two stars cross folders, and none": (
        ["libs/**/*.py"],
        {"libs/u.py", "libs/a/u.py", "libs/a/b/u.py"},
    ),
    "a question mark": (["tools/?"], {"tools/x"}),
    "all of one ending": (["**/*.md"], {"README.md", "docs/a.md", "docs/ci-cd.md", "new\nline.md"}),
    "files are excluded": (
        ["libs", "!libs/a/b/**"],
        {"libs/u.py", "libs/a/u.py", "libs/a/u.txt", "libs/a.py/x"},
    ),
    "a folder is excluded": (["libs", "!libs/a"], {"libs/u.py", "libs/a.py/x"}),
    "an exclusion counts even if it comes first": (["!**/*.py", "libs/a"], {"libs/a/u.txt"}),
    "only an exclusion": (["!api"], set()),
    "the files of an environment": (["iac/{environment}"], {"iac/test/x"}),
    "all but those of an environment": (
        ["iac", "!iac/{environment}"],
        {"iac/dev.tfvars", "iac/dev/x", "iac/prd/x", "iac/pre-prd/x"},
    ),
}


@pytest.fixture(scope="module")
def ask() -> Iterator[planner.Planner]:
    with planner.started() as process:
        yield process


@pytest.mark.parametrize("name", CASES)
def test_owns(name: str, ask: planner.Planner) -> None:
    files, expected = CASES[name]
    component = {"files": files}
    assert {*ask("owns", component=component, environment="test", paths=PATHS)} == expected
    # The oracle and its world, which share no code for this, agree.
    path, *watches = sorted(files, key=lambda text: any(wild in text for wild in "!*?"))
    if any(wild in path for wild in "!*?"):
        path, watches = "nowhere", files
    component = oracle.Component("x", path, tuple(watches))
    assert {p for p in PATHS if oracle.owns(component, p, ("test",))} == expected
    assert {p for p in PATHS if owned(component, p, ("test",))} == expected
