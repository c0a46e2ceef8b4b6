"""Finds what in a repository does not match the answers."""

from __future__ import annotations

from collections.abc import Iterable

from .answers import Answers
from .clouds import NONE
from .code_type_model import CodeType
from .components import Component
from .detection import SHARED, FoundComponent
from .environments import is_pattern
from .errors import beginning
from .found_clouds import find_clouds, find_own_login
from .found_edges import edges_and_circles
from .found_environments import environment_files
from .found_inputs import missing_inputs
from .found_readers import readers_of_generated_files
from .found_states import wrong_states
from .git_branches import Branches
from .image_names import unknown_images_of
from .printing import in_markdown
from .pull_request import is_hosted
from .repository_files import RepositoryFiles, is_in, join

SHOWN = 3
"""The most files that a line names."""


def unmatched(
    answers: Answers,
    files: RepositoryFiles,
    branches: Branches,
    code_types: Iterable[CodeType] = (),
) -> list[str]:
    """A line for each finding, for the end of a copy and docs/ci-cd.md.

    `code_types` are all of the catalogue: files of tools that none of them runs are named.
    """
    lines = _missing_branches(answers, branches)
    for component in answers.components:
        lines += _unmatched_environments(component, answers, files)
        lines += _missing_login(component, answers, files)
        lines += wrong_states(component, answers, files)
        lines += missing_inputs(component, answers, files)
        lines += readers_of_generated_files(component, files)
    lines += [
        *_edges_in_circles(answers, files),
        *_files_of_other_tools(answers, files, code_types),
    ]
    lines += [
        f"{image.consumer} runs the image {in_markdown(image.image)} ({in_markdown(image.file)}), "
        f"and no component has that name: if one of yours builds it, name it in "
        f"components.{image.consumer}.env (for a component api: "
        f"`API_IMAGE: {in_markdown(image.known_as or image.image)}`)."
        for image in unknown_images_of(answers, files)
    ]
    return list(dict.fromkeys(lines))


def _missing_branches(answers: Answers, branches: Branches) -> list[str]:
    """Environments that start on a branch that does not exist; none in an empty repository."""
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


def _edges_in_circles(answers: Answers, files: RepositoryFiles) -> list[str]:
    """Edges that files show and the answers leave out, because they form a circle."""
    names = [e.name for e in answers.environments]
    found = tuple(
        FoundComponent(
            c.code_type,
            c.path,
            join(c.path, "Dockerfile"),
            environments=tuple(filter(c.belongs_to, names)) if c.by_environment else (),
            name=c.name,
        )
        for c in answers.components
    )
    kept, circles = edges_and_circles(files, found)
    left_out = [e for e in circles if files.exists(e.evidence)]
    # A person has written each edge that no file shows: that decides the order in its circle.
    known = {(e.consumer, e.producer) for e in kept}
    said = {(e.consumer, e.producer) for e in answers.dependencies.edges} - known
    pairs = {(e.consumer, e.producer) for e in left_out}
    settled = {name for pair in pairs if said & {pair, pair[::-1]} for name in pair}
    while beside := {name for pair in pairs if settled & {*pair} for name in pair} - settled:
        settled |= beside
    open_ = [
        f"{e.consumer} needs {e.producer} ({in_markdown(f'{e.evidence} {e.says}')})"
        for e in left_out
        if e.consumer not in settled
    ]
    if not open_:
        return []
    return [
        f"{beginning(open_, SHOWN)}: these run in a circle, so they are left out; say in "
        "dependency_map which comes first."
    ]


def _files_of_other_tools(
    answers: Answers, files: RepositoryFiles, code_types: Iterable[CodeType]
) -> list[str]:
    """Files of tools that no code type runs, unless a component's own commands may read them."""
    tools = {
        pattern: tool
        for code_type in code_types
        if code_type.detect
        for pattern, tool in code_type.detect.not_read.items()
    }
    own = [c.path for c in answers.components if c.own_commands & {"build", "deploy"}]
    lines = []
    for tool in sorted(set(tools.values())):
        patterns = [pattern for pattern, name in tools.items() if name == tool]
        there = [
            file
            for file in files.named(".", patterns, everywhere=True)
            if not any(is_in(file, path) for path in own)
        ]
        if there:
            shown = beginning([*map(in_markdown, there)], 1)
            lines.append(
                f"{shown}: {tool} is a tool that no code type runs, so what "
                "it would deploy is in no pipeline; give a component a `build` and a `deploy` of "
                "your own for it."
            )
    return lines


def _missing_login(component: Component, answers: Answers, files: RepositoryFiles) -> list[str]:
    """The cloud that a component deploys to, if it logs in to none or to another one; or the token
    that its tool needs.

    Nothing if it has secrets, which may be keys, or a machine of its own, which may have a role.
    """
    no_login = component.code_type.clouds.get(NONE)
    if (
        "deploy" not in component.commands
        or "deploy" in component.own_commands
        or component.publishes
        or component.secrets
        or not is_hosted(component.runner or answers.runner)
        or (no_login and no_login.prerequisites)  # docs/ci-cd.md says it already
    ):
        return []
    paths = [component.path]
    if component.by_environment:
        here = [e.name for e in answers.environments if component.belongs_to(e.name)]
        paths = [component.path_in(name) for name in here]
    others = {other.path for other in answers.components} - {component.path}
    secrets = f"components.{component.name}.secrets"
    tokens = " or ".join(component.code_type.secret_variables)
    if tokens and (file := find_own_login(files, component.code_type, paths, others)):
        return [
            f"{component.name} needs a token to log in ({in_markdown(file)}), and has no secret: "
            f"name {tokens} in {secrets}."
        ]
    found = find_clouds(files, component.code_type, paths, others)
    if not found or component.cloud in [cloud.name for cloud in found]:
        return []
    first, known = found[0], answers.clouds
    if first.name not in known:
        return []
    other = "no cloud" if component.cloud == NONE else known[component.cloud].title
    return [
        f"{component.name} deploys to {known[first.name].title} ({in_markdown(first.file)}) and "
        f"logs in to {other}: answer `cloud: {first.name}`, or name its keys "
        f"({', '.join(known[first.name].keys)}) in {secrets}."
    ]


def _unmatched_environments(
    component: Component, answers: Answers, files: RepositoryFiles
) -> list[str]:
    """Files and folders of a component whose names are no environment's, and environments without
    a file or folder that others have."""
    own = component.own_commands & {"build", "deploy"}
    if component.publishes or (own and not component.by_environment):
        return []  # nobody knows which files its commands read
    every = [e.name for e in answers.environments]
    here = [name for name in every if component.belongs_to(name)]
    lines = []
    folders: dict[str, str] = {}
    plain: dict[str, str] = {}
    for files_of_one in environment_files(files, component.code_type, component.path):
        paths = folders if files_of_one.is_folder else plain
        paths.update({name: path for name, path in files_of_one.names.items() if name not in paths})
    for paths in (folders, plain):
        others = [
            in_markdown(path)
            for name, path in paths.items()
            if name not in every and name.lower() not in SHARED
        ]
        if others:
            verb, them = ("belongs", "it") if len(others) == 1 else ("belong", "them")
            lines.append(
                f"{beginning(others, SHOWN)} {verb} to no environment "
                f"({', '.join(every)}): rename {them}, or an environment."
            )
        there = [name for name in here if name in paths]
        missing = [name for name in here if name not in paths]
        if missing and (there or (component.by_environment and paths is folders)):
            example = in_markdown(paths[there[0]]) if there else component.path
            lines.append(
                f"{component.name} has nothing like {example} for {', '.join(missing)}: add it, "
                f"or list where it is deployed in components.{component.name}.environments."
            )
    return lines
