"""What a repository holds that the answers do not fit: named, because nothing would fail of it."""

from __future__ import annotations

from .answers import Answers
from .components import Component
from .detection import SHARED
from .environments import is_pattern
from .found_environments import places
from .git_branches import Branches
from .image_names import strangers_of
from .repository_files import RepositoryFiles

SHOWN = 3
"""How many files are named in one line."""


def unmatched(answers: Answers, files: RepositoryFiles, branches: Branches) -> list[str]:
    """One line for each, for the end of a copy and docs/ci-cd.md."""
    lines = _branches(answers, branches)
    for component in answers.components:
        lines += _environments(component, answers, files)
    lines += [
        f"{it.consumer} runs the image {shown(it.image)} ({shown(it.file)}), and no component is "
        f"called so: if one of yours builds it, say so in components.{it.consumer}.env (for a "
        f"component api: `API_IMAGE: {shown(it.known_as or it.image)}`)."
        for it in strangers_of(answers, files)
    ]
    return list(dict.fromkeys(lines))


def _branches(answers: Answers, branches: Branches) -> list[str]:
    """Environments that start on a branch that is not there; nothing in an empty repository."""
    lines = []
    for environment in answers.environments:
        branch = environment.source
        literal = environment.trigger == "branch" and not is_pattern(branch)
        if literal and branches.known and branch not in branches.known:
            lines.append(
                f"{environment.name} starts on a push to {branch}, and this clone knows no such "
                "branch: create it, or change `default_branch`, `branching` or `environments`."
            )
    return lines


def _environments(component: Component, answers: Answers, files: RepositoryFiles) -> list[str]:
    """Files and folders of a component that are called after no environment, and environments
    that lack what the others have."""
    own = component.own_commands & {"build", "deploy"}
    if component.publishes or (own and not component.by_environment):
        return []  # its commands read whatever they like
    every = [e.name for e in answers.environments]
    here = [name for name in every if component.belongs_to(name)]
    lines = []
    folders: dict[str, str] = {}
    plain: dict[str, str] = {}
    for place in places(files, component.code_type, component.path):
        group = folders if place.is_folder else plain
        group.update({name: path for name, path in place.names.items() if name not in group})
    for group in (folders, plain):
        others = [
            shown(path)
            for name, path in group.items()
            if name not in every and name.lower() not in SHARED
        ]
        if others:
            more = f" and {len(others) - SHOWN} more" * (len(others) > SHOWN)
            verb, it = ("belongs", "it") if len(others) == 1 else ("belong", "them")
            lines.append(
                f"{', '.join(others[:SHOWN])}{more} {verb} to no environment "
                f"({', '.join(every)}): rename {it}, or an environment."
            )
        there = [name for name in here if name in group]
        missing = [name for name in here if name not in group]
        if missing and (there or (component.by_environment and group is folders)):
            example = shown(group[there[0]]) if there else component.path
            lines.append(
                f"{component.name} has nothing like {example} for {', '.join(missing)}: add it, "
                f"or list where it is deployed in components.{component.name}.environments."
            )
    return lines


def shown(path: str) -> str:
    """A path as it can stand in a line of Markdown."""
    return "".join(c if c.isprintable() and c not in "`|" else "_" for c in path)[:200]
