"""Finds deployments whose state is lost, or is one and the same for several environments.

A code type says in `detect.state` how its files show where the state is kept.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from .answers import Answers
from .code_type_model import State
from .components import Component
from .environments import Environment
from .errors import listed
from .names import ENVIRONMENT_FOLDER, EXPRESSION
from .printing import in_markdown
from .repository_files import CHARACTERS, FILES, RepositoryFiles, join, matcher
from .scope import deploys_to

SHOWN = 2
"""The most variables that a line names."""


def wrong_states(component: Component, answers: Answers, files: RepositoryFiles) -> list[str]:
    """A line for each state of a component that is lost, or that several environments share.

    Nothing if its own command deploys it: nobody knows where that keeps a state.
    """
    detect = component.code_type.detect
    if not detect or not detect.state or "deploy" in component.own_commands:
        return []
    environments = [e for e in answers.environments if deploys_to(component, e)]
    by_folder: dict[str, list[Environment]] = {}
    for environment in environments:
        if folder := _folder(component, environment, detect.state, files):
            by_folder.setdefault(folder, []).append(environment)
    lines = []
    for folder, users in by_folder.items():
        if files.named(folder, detect.not_read):
            continue  # another tool writes where the state is kept
        file = _file(folder, detect.state, files)
        if not file:
            if not _may_say_it(folder, detect.state, files):
                lines.append(
                    f"{in_markdown(folder)}: no file says where {component.code_type.label} keeps "
                    f"its state, so each run of {component.name} would create everything again: "
                    f"configure a backend, or take {component.name} out of the answers."
                )
            continue
        variables = " or ".join(detect.state.apart[:SHOWN])
        for group in _sharing(users, component, detect.state):
            lines.append(
                f"{component.name} has one state ({in_markdown(file)}) for {listed(group)}, so "
                "each of these deployments changes what the others have made: in the answer "
                f"`environments`, set {variables} in the `env` of each, or list one of them in "
                f"components.{component.name}.environments."
            )
    return lines


def _folder(
    component: Component, environment: Environment, state: State, files: RepositoryFiles
) -> str:
    """The folder that is deployed to an environment; empty if it is not there."""
    folders = [component.path_in(environment.name)]
    folders += [
        join(component.path, folder.replace(ENVIRONMENT_FOLDER, environment.name))
        for folder in component.code_type.environment_files
        if folder.endswith("/")
    ]
    return next((folder for folder in folders if files.named(folder, state.named_in)), "")


def _file(folder: str, state: State, files: RepositoryFiles) -> str:
    """The file that says where the state is kept; empty for none."""
    # One file says it, and its name may come late, as versions.tf.
    named = files.named(folder, state.named_in, most=FILES)
    return next((file for file in named if files.holds(file, state.pattern)), "")


def _may_say_it(folder: str, state: State, files: RepositoryFiles) -> bool:
    """Whether the folder has files which may say where the state is kept, and which are not read to
    their end: links, and long files."""
    named = files.named(folder, state.named_in, most=FILES)
    if any(len(files.text(file)) >= CHARACTERS for file in named):
        return True
    fits = matcher(state.named_in)
    return any(
        (posixpath.dirname(link) or ".") == folder and fits(posixpath.basename(link))
        for link in {*files.every()} - {*named}
    )


def _sharing(
    environments: list[Environment], component: Component, state: State
) -> list[list[str]]:
    """The names of environments that share a state, in groups."""
    if {*state.apart} & {*component.secrets}:
        return []  # each GitHub Environment may have a secret of its own
    groups: dict[tuple[str, ...], list[str]] = {}
    for environment in environments:
        given: Mapping[str, str] = {**environment.env, **component.env}
        values = [given.get(variable, "") for variable in state.apart]
        if any(EXPRESSION in value for value in values):
            continue  # a variable of GitHub's, which may differ
        groups.setdefault(tuple(values), []).append(environment.name)
    return [names for names in groups.values() if len(names) > 1]
