"""Finds files that a component's own file takes, as a Dockerfile does, and that nothing makes."""

from __future__ import annotations

import re

from .answers import Answers
from .checkout import submodules_of
from .components import Component
from .detection import names_in
from .errors import beginning
from .printing import in_markdown
from .repository_files import FILES, RepositoryFiles, is_in, join, upwards

SHOWN = 3
"""The most files that a line names."""


def missing_inputs(component: Component, answers: Answers, files: RepositoryFiles) -> list[str]:
    """A line for what a component's file takes, but neither the repository nor a package has.

    Only for code types whose file names what it takes. Nothing if the component has a `build` of
    its own, which may make anything.
    """
    detect = component.code_type.detect
    if not detect or not detect.setting or "build" in component.own_commands:
        return []
    given = component.settings.get(detect.setting)
    file = join(component.path, given if isinstance(given, str) else detect.files[0])
    taken = _taken(component, file, files) if files.exists(file) else []
    missing = [path for path in taken if not files.exists(path)]
    if not missing:
        return []
    listed = frozenset(files.every())
    if len(listed) >= FILES:
        return []  # there are more
    brought = [*_placed(component, answers), *submodules_of(files), ".git"]  # a checkout has .git
    left = [
        in_markdown(path)
        for path in missing
        if not _is_there(path, listed)
        and not any(is_in(path, b) or is_in(b, path) for b in brought)
    ]
    if not left:
        return []
    return [
        f"{component.name} takes {beginning(left, SHOWN)} ({in_markdown(file)}), and "
        "the repository has no such file: say in dependency_map which component's package has it, "
        f"with `to`, or give {component.name} a `build` of your own. Otherwise its build fails."
    ]


def _taken(component: Component, file: str, files: RepositoryFiles) -> list[str]:
    """The paths that a component's file takes, each once; none with a pattern or a variable."""
    detect = component.code_type.detect
    assert detect
    values = {
        # What a package gives to a variable is not known before.
        name: value if isinstance(value, str) else f"${name}"
        for setting in component.settings.values()
        if not isinstance(setting, str)
        for name, value in setting.items()
    }
    names = [
        name.strip("'\"").lstrip("/")
        for consumed in component.code_type.consumes
        if consumed.pattern and consumed.named_in == detect.files
        for name in names_in(files, file, consumed, values)
        if not re.search(r"[$*?\[]", name)
    ]
    paths = dict.fromkeys(join(component.path, name) for name in names)
    return [path for path in paths if path != "." and not path.startswith("..")]


def _placed(component: Component, answers: Answers) -> list[str]:
    """The paths where packages of other components are put for it."""
    edges = [edge for edge in answers.dependencies.edges if edge.consumer == component.name]
    return [edge.path_of(placement) for edge in edges for placement in edge.placements]


def _is_there(path: str, listed: frozenset[str]) -> bool:
    """Whether there is such a file or folder, or it lies behind a link to a folder."""
    return not listed.isdisjoint(upwards(path)) or any(
        file.startswith(f"{path}/") for file in listed
    )
