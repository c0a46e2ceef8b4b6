"""Finds the environments that the files of a repository are named after.

A code type says in `environment_files` which files its commands read for one environment.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .code_type_model import CodeType
from .detection import ANY_NAME, OF_ENVIRONMENTS, SHARED, FoundComponent
from .environment_names import PRODUCTION, family, kind, rank, without_variants
from .environments import DEVELOP
from .git_branches import Branches
from .limits import WORKFLOW_RUN_LINKS
from .names import ENVIRONMENT_FOLDER, NAME
from .repository_files import RepositoryFiles, join


@dataclass(frozen=True)
class EnvironmentFiles:
    """Files or folders that exist for each environment, with its name in the path."""

    path: str
    """The path, with {environment} in place of the name."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The file or folder of each name, with the name behind it if it is a section of that file."""
    is_folder: bool = False


def environment_files(
    files: RepositoryFiles, code_type: CodeType, path: str
) -> list[EnvironmentFiles]:
    """The files and folders that a component has for each environment."""
    if ENVIRONMENT_FOLDER in path:
        names = folders_of_environments(files, path)
        if path.endswith(ENVIRONMENT_FOLDER):  # beside other folders, as infra/bootstrap
            markers = code_type.detect.files if code_type.detect else ("*",)
            any_name = posixpath.basename(posixpath.dirname(path)).lower() in ANY_NAME
            names = {
                name: folder
                for name, folder in names.items()
                if (kind(name) or (any_name and name.lower() not in SHARED))
                and files.named(folder, markers)
            }
        return [EnvironmentFiles(path, names, is_folder=True)]
    patterns = (
        join(path, pattern) + ("/" if pattern.endswith("/") else "")
        for pattern in code_type.environment_files
    )
    wanted = code_type.detect.files if code_type.detect else ("*",)
    groups = [_matching(files, pattern, wanted) for pattern in patterns]
    return [group for group in (*groups, *_named_inside(files, code_type, path)) if group.names]


def _named_inside(
    files: RepositoryFiles, code_type: CodeType, path: str
) -> Iterator[EnvironmentFiles]:
    """What files of a component say for each environment, in sections with its name."""
    for section in code_type.environments_in:
        for file in files.named(path, section.named_in):
            named = dict.fromkeys(name for name, *_ in files.groups(file, section.pattern))
            known = [name for name in named if kind(name) and NAME.fullmatch(name)]
            yield EnvironmentFiles(file, {name: f"{file} ({name})" for name in known})


def folders_of_environments(files: RepositoryFiles, path: str) -> dict[str, str]:
    """The folders that fit a path with {environment}, by the name in its place."""
    before, _, after = path.partition(ENVIRONMENT_FOLDER)
    folder, _, start = before.rpartition("/")
    end, _, rest = after.partition("/")
    found = {}
    for child in files.children(folder or "."):
        name = child.removeprefix(start).removesuffix(end)
        inside = join(folder, join(child, rest.replace(ENVIRONMENT_FOLDER, name)))
        if child == f"{start}{name}{end}" and NAME.fullmatch(name) and files.exists(inside):
            found[name] = inside
    return found


def _matching(files: RepositoryFiles, pattern: str, wanted: tuple[str, ...]) -> EnvironmentFiles:
    """What fits a pattern, by the name of an environment in it; folders with some of the files
    that are wanted."""
    if pattern.endswith("/"):
        folders = folders_of_environments(files, pattern.rstrip("/"))
        names = {name: folder for name, folder in folders.items() if files.named(folder, wanted)}
    else:
        folder, _, base = pattern.rpartition("/")
        start, _, end = base.partition(ENVIRONMENT_FOLDER)
        names = {
            name[len(start) : len(name) - len(end)]: join(folder, name)
            for name in files.folders.get(folder or ".", ())
            if len(name) > len(start + end) and name.startswith(start) and name.endswith(end)
        }
    known = {name: file for name, file in names.items() if kind(name) and NAME.fullmatch(name)}
    # A single folder with an environment's name may have it for another reason.
    alone = pattern.endswith(f"{ENVIRONMENT_FOLDER}/") and len(known) == 1
    known = {} if alone and not _says_so(pattern) else known
    return EnvironmentFiles(pattern, known, is_folder=pattern.endswith("/"))


def _says_so(pattern: str) -> bool:
    """Whether the folder around it has a name like `environments`."""
    return posixpath.basename(posixpath.dirname(pattern.rstrip("/"))) in OF_ENVIRONMENTS


def find_environments(files: RepositoryFiles, found: Iterable[FoundComponent]) -> dict[str, str]:
    """The environments by name, in the order in which a change reaches them, with a file or
    folder of each; empty if it is not clear that these are all.

    If several names mean the same, as prod and production, the one with the most files counts.
    """
    evidence: dict[str, list[str]] = {}
    by_folder = False
    for component in found:
        by_folder = by_folder or ENVIRONMENT_FOLDER in component.path
        for group in environment_files(files, component.code_type, component.path):
            for name, file in group.names.items():
                evidence.setdefault(name, []).append(file)
    best: dict[tuple[str, str], str] = {}
    for name in sorted(
        without_variants(evidence), key=lambda name: (-len(evidence[name]), len(name), name)
    ):
        best.setdefault(family(name), name)
    names = sorted(best.values(), key=rank)
    if len(names) < 2 or not (by_folder or any(kind(name) == PRODUCTION for name in names)):
        return {}
    return {name: evidence[name][0] for name in names}


def as_answer(names: Iterable[str], branches: Branches) -> list[dict[str, Any]]:
    """The environments as the answer says them: one after the other, production after all others.

    If there is a branch `develop`, the first starts on it, and the second on the default branch.
    Otherwise the first starts on the default branch. If none is called production, the last one
    counts as production.
    """
    names = list(names)
    productions = [name for name in names if kind(name) == PRODUCTION] or names[-1:]
    others = [name for name in names if name not in productions]
    starts = [branches.default]
    if DEVELOP in branches.known and branches.default != DEVELOP:
        starts.insert(0, DEVELOP)
    links = WORKFLOW_RUN_LINKS - 1  # the last one starts production
    answer: list[dict[str, Any]] = []
    last: dict[str, Any] = {"branch": branches.default}
    for index, name in enumerate(others):
        if index < len(starts):
            last = {"branch": starts[index]}
        elif index - len(starts) < links:
            last = {"after": others[index - 1]}
        else:
            last = {"manual": True}
        answer.append({"name": name, **last})
    chained = [entry["name"] for entry in answer if "manual" not in entry]
    last = {"after": chained[-1]} if len(others) >= len(starts) else {"branch": branches.default}
    return answer + [{"name": name, **last, "production": True} for name in productions]
