"""The project's own tasks are proposed as commands if it is clear what they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from repositories import proposed

GO = {"go.mod": "module x\n", "x.go": "package x\n"}
MAKE = (
    '.PHONY: lint test\nlint: fmt ## check\n\t@go vet ./...\n\nfmt:\n\t@test -z "$$(gofmt -l .)"\n'
)
TEST = "\ntest:\n\tgo test ./... && echo good\nbuild:\n\tgo build ./...\n"
TASK = "pipx run --spec go-task-bin==3.54.0 task"
JUST = "pipx run --spec rust-just==1.59.0 just"


def commands(files: Mapping[str, str], name: str = "go") -> dict[str, Any]:
    settings = proposed(files).components.get(name, {})
    return {k: v for k, v in settings.items() if k in ("lint", "test", "security", "build")}


def scripts(**given: str) -> dict[str, str]:
    return {"package.json": json.dumps({"main": "x", "private": True, "scripts": given}, indent=2)}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"Makefile": MAKE + TEST},
            {"lint": "make lint", "test": "make test", "build": "make build"},
        ),
        ({"Makefile": "GO ?= go\ntest:\n\tCGO_ENABLED=1 $(GO) test ./..."}, {"test": "make test"}),
        (
            {
                "Taskfile.yml": "tasks:\n  lint:\n    desc: Lint\n    cmds:\n      - go vet ./...\n"
                "  test: go test ./...\n"
            },
            {"lint": f"{TASK} lint", "test": f"{TASK} test"},
        ),
        ({"justfile": "lint *args:\n    go vet {{args}}\n"}, {"lint": f"{JUST} lint"}),
        ({"justfile": "@unit-test:\n  go test ./...\n"}, {"test": f"{JUST} unit-test"}),
        # These tools may be missing on a runner, or the task cannot be read.
        ({"Makefile": "lint:\n\tgolangci-lint run\n"}, {}),
        ({"Makefile": "lint: deps\n\tgo vet\ndeps:\n\tbrew install x\n"}, {}),
        ({"Makefile": "lint: missing\n\tgo vet\n"}, {}),
        ({"Makefile": "lint:\n\t$(LINT)\ntest:\n\t$(shell x) go\n"}, {}),
        ({"Makefile": "lint := go vet\nlinting:\n\tgo vet\n"}, {}),
        # These tasks hide failures or check nothing. As a command, they would turn ours off.
        ({"Makefile": "lint:\n\t@echo todo\ntest:\n\ttrue\n"}, {}),
        ({"Makefile": "lint:\ntest: lint\n"}, {}),
        ({"Makefile": "lint:\n\tset -e; ls; exit 0\ntest:\n\tcd x && cat y\n"}, {}),
        ({"Makefile": "lint:\n\t-go vet\ntest:\n\t@-go test \\\n\t-v\n"}, {}),
        ({"Makefile": "lint:\n\tgo vet || true\ntest:\n\tgo test ; exit 0\n"}, {}),
        ({"Makefile": "lint: vet\n\tgofmt -l .\nvet:\n\tgo vet || echo no\n"}, {}),
        ({"Makefile": "test:\n\tgo test ./... | tee log\n"}, {}),
        ({"justfile": "lint:\n    -go vet\n"}, {}),
        (
            {
                "Taskfile.yml": "tasks:\n  lint:\n    ignore_error: true\n    cmds: [go vet]\n"
                "  test:\n    cmds:\n      - cmd: go test\n        ignore_error: true\n"
            },
            {},
        ),
        ({"Makefile": "test:\n\tfind . | xargs go test \\\n\t-v\n"}, {"test": "make test"}),
        (
            {
                "Taskfile.yml": "tasks:\n  test:\n    cmds:\n      - |\n        go vet\n"
                "      - go test\n"
            },
            {"test": f"{TASK} test"},
        ),
        # Two files have the same task, so it is not clear which one is meant.
        ({"Makefile": MAKE, "justfile": "lint:\n  go vet\n"}, {}),
        ({"Makefile": "lint:\n\tx\n", "justfile": "lint:\n  go vet\n"}, {}),
        # The Makefile in the root may be for other code too.
        ({"Makefile": MAKE, "other/go.mod": "module y\n"}, {}),
        ({"Makefile": MAKE, "web/package.json": '{"main": "x"}'}, {}),
        (
            {"Makefile": MAKE, "infra/main.tf": "", "Dockerfile": "COPY . .\n"},
            {"lint": "make lint"},
        ),
    ],
)
def test_tasks_of_a_module(files: dict[str, str], expected: dict[str, str]) -> None:
    assert commands({**GO, **files}) == expected


def test_a_build_that_produces_something_is_not_replaced() -> None:
    assert commands({**GO, "Makefile": MAKE + TEST, "x.go": "package main\n"}) == {
        "lint": "make lint",
        "test": "make test",
    }


def test_tasks_above_a_component_are_not_its_own() -> None:
    assert commands({"Makefile": MAKE, "a/go.mod": "module x\n"}) == {}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # The code type runs lint and test of package.json anyway.
        (scripts(lint="eslint .", test="jest"), {}),
        (scripts(lint="eslint .", check="tsc") | {"Makefile": "lint:\n\tnpm run x\n"}, {}),
        (scripts(check="tsc", test="jest"), {"lint": "run-script check"}),
        (scripts(typecheck="tsc", **{"lint:check": "eslint ."}), {"lint": "run-script lint:check"}),
        (scripts(lint="echo later", check="tsc"), {"lint": "run-script check"}),
        (scripts(lint="eslint . || true", check="tsc"), {"lint": "run-script check"}),
        (
            scripts(format="prettier **/*.{js,ts}", check='tsc -p "a b"'),
            {"lint": "run-script check"},
        ),
        (scripts(check="tsc | cat", **{"test:unit": "jest; exit 0"}), {}),
        (
            scripts(**{"test:unit": "jest", "test": 'echo \\"no test specified\\" && exit 1'}),
            {"test": "run-script test:unit"},
        ),
        (
            scripts() | {"Makefile": "lint:\n\tnpx eslint .\n"},
            {"lint": "install-packages && make lint"},
        ),
        (scripts() | {"package.json": '{"main": "x", "scripts": {"check": "tsc"'}, {}),
        (scripts() | {"package.json": '{"main": "x", "scripts": {"check": ["tsc"]}}'}, {}),
        (
            scripts() | {"package.json": '{"main": "x", "scripts": {"check": "tsc"}, "end": ['},
            {"lint": "run-script check"},
        ),
        (scripts(start="x") | {"package.json": '{"main": "x", "lint": "x", "scripts": {}}'}, {}),
    ],
)
def test_scripts_of_a_package(files: dict[str, str], expected: dict[str, str]) -> None:
    assert commands({**files}, "node") == expected


def test_a_workspace_is_built() -> None:
    """No component takes its result, but the build has to work."""
    files = {"package.json": '{"workspaces": ["a"], "scripts": {"build": "turbo build"}}'}
    assert commands(files, "node") == {"build": "run-script build"}
