"""Submodules and files of Git LFS are found, and proposed as settings."""

from __future__ import annotations

from typing import Any

import pytest
import toolbox
from pipeline.catalogue import load_catalogue
from pipeline.proposal import propose
from pipeline.repository_files import RepositoryFiles

CODE_TYPES = load_catalogue(toolbox.ROOT).code_types
CHARTS = {"api/Chart.yaml": "apiVersion: v2\n", "web/Chart.yaml": "apiVersion: v2\n"}
SHARED = '[submodule "x"]\n\tpath = {}\n\turl = ../x.git\n'


def proposed(files: dict[str, str]) -> dict[str, Any]:
    """The settings that are proposed for `api` and `web`, without code types and paths."""
    files = {**CHARTS, **files}
    found = propose(RepositoryFiles(files, lambda name: files.get(name, "")), CODE_TYPES)
    known = ("code_type", "path")
    settings = {
        name: {key: value for key, value in given.items() if key not in known}
        for name, given in found.components.items()
    }
    return {name: given for name, given in settings.items() if given}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("api/shared", ["api"]),
        ("api", ["api"]),
        ('"api/my shared"', ["api"]),
        ("web/", ["web"]),
        ("apis/shared", []),
        ("docs/theme", []),
    ],
)
def test_submodules(path: str, names: list[str]) -> None:
    found = proposed({".gitmodules": SHARED.format("lib/other") + SHARED.format(path)})
    assert found == {name: {"submodules": True} for name in names}


@pytest.mark.parametrize(
    ("attributes", "file", "found"),
    [
        ("*.onnx", "api/m/model.onnx", True),
        ("*.onnx", "api/tests/data/model.onnx", True),  # among the tests of the component
        ("*.onnx", "api/model.txt", False),
        ("*.onnx", "model.onnx", False),
        ("/api/*.bin", "api/a.bin", True),
        ("/api/*.bin", "api/b/a.bin", False),
        ("api/**", "api/b/a.bin", True),
        ("**/data/*", "api/data/x", True),
        ("a?i/[ab].bin", "api/a.bin", True),
        ("a?i/[!ab].bin", "api/a.bin", False),
        ("model*", "api/x/models", True),
        ("api/[", "api/a.bin", False),
        # `git lfs track` writes names with spaces and with # like this.
        ("my[[:space:]]model.bin", "api/my model.bin", True),
        ("\\#1[^[:digit:]].bin", "api/#1a.bin", True),
        ('"my model.bin"', "api/my model.bin", True),
        ("api/**/[[a]/**/b*c*.bin", "api/x/[/y/z/bacd.bin", True),
        ("api/**/a/*.bin", "api/b/a.bin", False),
        ("a[a--&&]i/x", "a-i/x", False),
        # Many ways to match: a slow matcher would try them all.
        ("*a" * 30 + "b", f"api/{'a' * 200}", False),
        ("**/a/" * 15 + "b", f"api/{'a/' * 60}c", False),
    ],
)
def test_files_of_git_lfs(attributes: str, file: str, found: bool) -> None:
    line = f"# comment\n{attributes} filter=lfs diff=lfs merge=lfs -text\n*.py text\n"
    expected: dict[str, Any] = {"api": {"lfs": True}} if found else {}
    assert proposed({".gitattributes": line, file: ""}) == expected
    plain = line.replace("filter=lfs", "filter=other")
    assert proposed({".gitattributes": plain, file: ""}) == {}


def test_attributes_of_a_folder() -> None:
    assert proposed(
        {"web/.gitattributes": "*.zip filter=lfs\n", "web/a.zip": "", "api/b.zip": ""}
    ) == {"web": {"lfs": True}}
