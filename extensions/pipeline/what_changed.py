"""The data about components from which the plan of a run is made: their files, and what they take.

A file belongs to a component if one of its patterns fits, and none of those with `!`. `*` and `?`
stay within a folder, `**` crosses folders; a name without them is a file or folder; `.` is all but
what is generated.
"""

from __future__ import annotations

import json
import posixpath
from typing import Any

from .answers import Answers
from .components import Component
from .environments import Environment
from .repository_files import is_in
from .scope import built_per_environment, chain, deploys_to, scope_of, with_producers

VALUE = "<value>"
"""The part of a file's name that stands for a setting's value."""


def owned_files(component: Component) -> tuple[str, ...]:
    """The patterns of a component's files: its own folder first, the others sorted."""
    others = {*component.watches, *_above(component), *_named(component)}
    if component.submodules:
        others.add(".gitmodules")
    excludes = {other for other in others if other.startswith("!")}
    outside = {
        other
        for other in others - excludes
        # In the root all are kept: the pattern `.` leaves out what is generated.
        if component.path == "." or not is_in(other, component.path)
    }
    return (component.path, *sorted(outside - {component.path}), *sorted(excludes))


def _above(component: Component) -> set[str]:
    """What its code type reads in the folders above its own, up to the root."""
    names = list(component.code_type.reads_above)
    if component.lfs:
        names.append(".gitattributes")
    found, folder = set(), component.path
    while folder not in ("", "."):
        folder = posixpath.dirname(folder)
        found |= {posixpath.join(folder, name) for name in names}
    return found


def _named(component: Component) -> set[str]:
    """The files that its settings name, wherever they lie."""
    named: set[str] = set()
    for name, setting in component.code_type.settings.items():
        value = component.settings.get(name)
        if isinstance(value, str) and value:
            named |= {file.replace(VALUE, value) for file in setting.files}
    detect = component.code_type.detect
    if detect and detect.variable in component.env:
        named.add(component.env[detect.variable])
    paths = {posixpath.normpath(posixpath.join(component.path, name)) for name in named}
    return {path for path in paths if not path.startswith("../")}


def components_data(answers: Answers) -> str:
    """The data as JSON, one component in a line."""
    edges = answers.dependencies.edges
    per_environment = built_per_environment(answers.components, answers.dependencies)
    checked = {e.name: _checked_in(e, answers) for e in answers.environments}
    components: dict[str, Any] = {
        component.name: {
            "files": owned_files(component),
            "takes": sorted(
                {e.producer for e in edges if e.consumer == component.name and e.placements}
            ),
            "after": sorted(
                {e.producer for e in edges if e.consumer == component.name and not e.placements}
            ),
            "deployed": [e.name for e in answers.environments if deploys_to(component, e)],
            "checked": [
                name for name, checked_here in checked.items() if component.name in checked_here
            ],
            "builds": component.builds,
            "package": bool(component.produces),
            "perEnvironment": component.name in per_environment,
        }
        for component in sorted(answers.components, key=lambda component: component.name)
    }
    environments = {
        environment.name: {
            "after": environment.source if environment.trigger == "after" else "",
            "days": environment.retention_days,
        }
        for environment in answers.environments
    }
    lines = ",\n".join(f"    {_json(name)}: {_json(data)}" for name, data in components.items())
    return f'{{\n  "components": {{\n{lines}\n  }},\n  "environments": {_json(environments)}\n}}\n'


def _checked_in(environment: Environment, answers: Answers) -> frozenset[str]:
    """The components that an environment builds for the checks alone: no deployment uses them."""
    if environment.trigger == "after":
        return frozenset()
    later = chain(environment, answers.environments)
    used = {
        component.name
        for component in answers.components
        if any(deploys_to(component, e) for e in later)
    }
    here = scope_of(environment, answers.environments, answers.components, answers.dependencies)
    # A component whose package a build takes is built with that build.
    taken = {
        e.producer for e in answers.dependencies.edges if e.placements and e.consumer in here.built
    }
    return here.built - taken - with_producers(used, answers.dependencies)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
