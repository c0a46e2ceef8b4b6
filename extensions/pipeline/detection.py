"""Finds the components of an existing repository.

Each code type says in `detect` of its file how its components are found. This module has what holds
for all code types. `found_edges.py` finds which component needs which.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from .code_type_model import CodeType, Consumed, Detect
from .components import RESERVED
from .environment_names import kind
from .errors import AnswerError
from .names import ENVIRONMENT_FOLDER, NAME, NAME_LENGTH, check_path
from .repository_files import (
    RepositoryFiles,
    is_in,
    is_in_any,
    join,
    matcher,
    upwards,
    words,
)

ENVIRONMENTS = words(
    "dev develop development test testing qa int integration stage staging uat acc acceptance",
    "preprod pre-prod nonprod demo prd prod production live sandbox sbx base",
)
"""Names of folders that hold one environment's part of something."""

OF_ENVIRONMENTS = words("overlays environments environment envs env stages bases")
"""Names of folders that hold such folders."""

ANY_NAME = OF_ENVIRONMENTS | {"live"}
"""Of these folders, those in which an environment may have any name."""

SHARED = words("base bases modules module shared common global all templates template")
"""Names of folders that lie beside folders of environments, and are no environments."""

PLAIN = words(
    "src source code app main chart charts helm helm-chart helm-charts docker service lib python",
    "terraform tofu opentofu infra infrastructure iac manifests kubernetes k8s deploy",
)
"""Names of folders that say nothing about their content, if there are several components."""

NO_IMAGES = words("dev devel development local debug test tests ci base")
"""Endings of `Dockerfile.*` for development, which are not deployed."""


@dataclass(frozen=True)
class FoundComponent:
    """A component that was found."""

    code_type: CodeType
    path: str
    evidence: str
    """The file by which it was found, relative to the repository's root."""
    produces: tuple[str, ...] | None = None
    """What it is proposed to produce; None for its code type's own."""
    file: str = ""
    """Its file, for its commands, if it is not the usual one."""
    environments: tuple[str, ...] = ()
    """The environments that have a folder, if the path holds {environment}."""
    belongs: tuple[str, ...] = ()
    """The environments that the proposal deploys it to; empty for all."""
    name: str = ""
    commands: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The project's own commands, by the names of the jobs."""
    watches: tuple[str, ...] = ()
    """What it reads outside its folder, apart from packages that it takes."""
    cloud: str = ""
    """The cloud that its deployment logs in to, if others log in to none or to another one."""
    keys: tuple[str, ...] = ()
    """The secrets with keys of a cloud that the repository's own workflows name."""
    runs_unknown_image: bool = False
    """Whether it runs an image, and it is not known whether a component builds it."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The folders of its path."""
        names = self.environments
        return tuple(self.path.replace(ENVIRONMENT_FOLDER, name) for name in names) or (self.path,)

    @property
    def folder(self) -> str:
        """The folder of its file, which is not always the folder where its commands run."""
        return posixpath.dirname(self.evidence) or "."

    @property
    def made(self) -> tuple[str, ...]:
        """What its build leaves behind."""
        return self.code_type.produces if self.produces is None else self.produces


def find_components(
    files: RepositoryFiles, code_types: Mapping[str, CodeType]
) -> tuple[FoundComponent, ...]:
    """The components, sorted by code type and path; no two have the same name."""
    detects = {name: t.detect for name, t in sorted(code_types.items()) if t.detect}
    found = {name: _of_type(files, code_types[name], detect) for name, detect in detects.items()}
    for name, detect in detects.items():
        for replaced in found.keys() & detect.replaces.keys():
            by_file = matcher(detect.replaces[replaced] or ("*",))
            paths = {
                component.path
                for component in found[name]
                if by_file(posixpath.basename(component.evidence))
            }
            within = paths
            if not detect.replaces_inside:
                parts = _parts(files, detect, _markers(files, detect)) if paths else ()
                within = {part for part in parts if part not in paths and _is_in_one(part, paths)}
            found[replaced] = [
                other
                for other in found[replaced]
                if other.path not in paths and not _is_in_one(other.path, within)
            ]
    return _with_names(
        [
            component
            for name in sorted(found)
            for component in found[name]
            if is_safe(component.path)
        ]
    )


def _is_in_one(path: str, outer: Iterable[str]) -> bool:
    """Whether a path is one of some folders, or lies in one of them; `.` holds every path."""
    return any(is_in(path, each) for each in outer)


def is_safe(path: str) -> bool:
    """Whether the answers may hold a path."""
    try:
        return check_path(path, "") == path
    except AnswerError:
        return False


def _of_type(files: RepositoryFiles, code_type: CodeType, detect: Detect) -> list[FoundComponent]:
    """The components of one code type, without names."""
    markers = _markers(files, detect)
    parts = _parts(files, detect, markers)
    folders = {
        folder: left
        for folder, marker in markers.items()
        if folder not in parts and (left := [file for file in marker if file not in parts])
    }
    # A package built in one environment's folder would be deployed to the others, too.
    by_environment = detect.environments and not code_type.produces
    if detect.environments:
        separate: set[str] = set()
        if by_environment and detect.nested != "part":
            separate = _of_each_environment(folders)
        rest = {folder: marker for folder, marker in folders.items() if folder not in separate}
        merged = _without_environments(rest, nested=detect.nested == "part")
        folders = {**{folder: folders[folder] for folder in separate}, **merged}
    if detect.nested == "part":
        folders = {
            folder: marker
            for folder, marker in folders.items()
            if folder == "."
            or ("." not in folders and not is_in_any(posixpath.dirname(folder), folders))
        }
    found = [
        component
        for folder in folders
        for component in _components(files, code_type, detect, folder, folders)
    ]
    return _by_environment(found) if by_environment else found


def _of_each_environment(folders: Collection[str]) -> set[str]:
    """The folders that are only an environment's: infra/dev beside infra/prod, where infra itself
    has no such files."""
    beside = _beside(folders)
    by_path: dict[str, set[str]] = {}
    for folder in folders:
        path, name = _with_environment(folder, beside, set(folders))
        if name and path.endswith(ENVIRONMENT_FOLDER) and posixpath.dirname(folder) not in folders:
            by_path.setdefault(path, set()).add(folder)
    return {folder for several in by_path.values() if len(several) > 1 for folder in several}


def _beside(paths: Iterable[str]) -> dict[str, set[str]]:
    """The names of the folders in each folder."""
    beside: dict[str, set[str]] = {}
    for path in paths:
        for outer in upwards(path):
            parent, name = posixpath.split(outer)
            beside.setdefault(parent, set()).add(name)
    return beside


def _by_environment(found: list[FoundComponent]) -> list[FoundComponent]:
    """Components with the same path in folders of several environments are one component:
    live/dev/app and live/prod/app become live/{environment}/app."""
    paths = {component.path for component in found}
    beside = _beside(paths)
    result: dict[str, FoundComponent] = {}
    for component in found:
        path, name = _with_environment(component.path, beside, paths)
        known = result.setdefault(path, dataclasses.replace(component, path=path))
        if name:
            names = tuple(sorted({*known.environments, name}))
            result[path] = dataclasses.replace(known, environments=names)
    return list(result.values())


def _with_environment(
    folder: str, beside: Mapping[str, set[str]], paths: Collection[str]
) -> tuple[str, str]:
    """The path with {environment} in place of the outermost folder of an environment, and its name.

    `beside` has the names of the folders in each folder.
    """
    for outer in reversed(upwards(folder)):
        parent, name = posixpath.split(outer)
        rest = folder[len(outer) + 1 :]
        kinds = {kind(other) for other in beside[parent]} - {""}
        if posixpath.basename(parent).lower() in ANY_NAME:
            # Any name may be an environment's here, if a folder beside it has such a name, or the
            # same content.
            alike = {other for other in beside[parent] if join(f"{parent}/{other}", rest) in paths}
            belongs = name.lower() not in SHARED and bool(kinds or alike - {name} - SHARED)
        else:
            belongs = bool(kind(name)) and len(kinds) > 1
        if belongs and NAME.fullmatch(name):
            return join(join(parent, ENVIRONMENT_FOLDER), rest), name
    return folder, ""


def _markers(files: RepositoryFiles, detect: Detect) -> dict[str, list[str]]:
    """By folder: the files that make it a component, of the first pattern that has any."""
    markers: dict[str, list[str]] = {}
    patterns = list(detect.files)
    if detect.by_file:  # if no file fits the first pattern, all others together
        patterns = [detect.files[0], ""]
    for pattern in patterns:
        beside = detect.beside.get(pattern, ())
        some = (pattern,) if pattern else detect.files[1:]
        for folder in sorted(files.holding(some)):
            if folder in markers or (beside and folder not in files.holding(beside)):
                continue
            names = files.named(folder, some)
            if fitting := [name for name in names if _holds(files, detect, name, some)]:
                markers[folder] = fitting
    return markers


def _holds(files: RepositoryFiles, detect: Detect, name: str, patterns: Iterable[str]) -> bool:
    """Whether a file's text matches `holds` of one of the patterns that its name matches."""
    base = posixpath.basename(name)
    expressions = [detect.holds.get(p, "") for p in patterns if fnmatch.fnmatchcase(base, p)]
    return any(not text or files.holds(name, text) for text in expressions)


def _parts(
    files: RepositoryFiles, detect: Detect, markers: Mapping[str, list[str]]
) -> frozenset[str]:
    """The folders and files that files of other components name as their parts."""
    if not detect.parts:
        return frozenset()
    patterns = {
        join(folder, named)
        for folder in files.holding((*detect.files, *detect.parts_in))
        for file in files.named(folder, (*detect.files, *detect.parts_in))
        for several, *_ in files.groups(file, detect.parts)
        for named in re.split(r"[\s,\"']+", several)
        if re.search(r"\w", named) and not named.startswith("!")
    }
    plain = frozenset(pattern for pattern in patterns if "*" not in pattern)
    globs = matcher(tuple(sorted(patterns - plain)))
    return plain | frozenset(folder for folder in markers if globs(folder))


def _without_environments(folders: Mapping[str, list[str]], nested: bool) -> dict[str, list[str]]:
    """Folders of environments beside one another are one component, in the folder that holds them.

    `nested`: whether folders further inside belong to it, too.
    """
    beside: dict[str, set[str]] = {}
    for folder in folders:
        for outer in upwards(folder):
            parent, name = posixpath.split(outer)
            if name.lower() in ENVIRONMENTS and (nested or outer == folder):
                beside.setdefault(parent, set()).add(name)
    result: dict[str, list[str]] = {}
    for folder, marker in folders.items():
        home = folder
        for outer in upwards(folder) if nested else [folder]:
            parent, name = posixpath.split(outer)
            within = posixpath.basename(parent).lower() in OF_ENVIRONMENTS
            if name.lower() in ENVIRONMENTS and (within or len(beside[parent]) > 1):
                home = parent or "."
        while posixpath.basename(home).lower() in OF_ENVIRONMENTS:
            home = posixpath.dirname(home) or "."
        result.setdefault(home, marker)
    return result


def _components(
    files: RepositoryFiles,
    code_type: CodeType,
    detect: Detect,
    folder: str,
    folders: Mapping[str, list[str]],
) -> list[FoundComponent]:
    markers = folders[folder]
    if not detect.by_file:
        produces = _produces(files, detect, folder, folders)
        return [FoundComponent(code_type, folder, markers[0], produces)]
    found = []
    for marker in markers:
        base = posixpath.basename(marker)
        if base != detect.files[0] and NO_IMAGES & set(re.split(r"[.\-_]", base.lower())):
            continue
        path = _context(files, code_type, folder, marker)
        named = posixpath.relpath(marker, path)
        other = "" if named == detect.files[0] else named
        produces = _produces(files, detect, folder, folders)
        found.append(FoundComponent(code_type, path, marker, produces, other))
    return found


def names_in(
    files: RepositoryFiles, file: str, consumed: Consumed, given: Mapping[str, str] | None = None
) -> list[str]:
    """The packages that a file names, with its own variables replaced by their values.

    `given` are values that a build gives to variables.
    """
    values = {}
    if consumed.variables:
        values = {name: value for name, value, *_ in files.groups(file, consumed.variables)}
        values |= given or {}
    return [
        re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values.get(m[1] or m[2], m[0]), name)
        for name, *_ in files.groups(file, consumed.pattern)
    ]


def _context(files: RepositoryFiles, code_type: CodeType, folder: str, marker: str) -> str:
    """The nearest folder, from the file's own upwards, that has most of the files that it names.

    Not all of them need to be there: a build may make some.
    """
    every = [
        name
        for consumed in code_type.consumes
        if consumed.pattern
        for name in names_in(files, marker, consumed)
    ]
    named = [name for name in every if re.search(r"\w", name) and "$" not in name]
    markers = code_type.detect.files if code_type.detect else ()
    if {".", "./"} & set(every) and not named and files.only(folder, markers):
        return "."  # a folder of Dockerfiles, each of which copies all there is
    outer = [*upwards(folder), "."]
    there = [
        sum(files.exists(join(each, name.split("*")[0].rstrip("/") or ".")) for name in named)
        for each in outer
    ]
    return outer[there.index(max(there))]


def _produces(
    files: RepositoryFiles, detect: Detect, folder: str, folders: Mapping[str, list[str]]
) -> tuple[str, ...] | None:
    """What the first entry proposes that fits: it has a file outside the folders of other
    components, and git ignores what it produces, if it asks for that."""
    for suggestion in detect.settings:
        if suggestion.ignored and not _are_ignored(files, folder, suggestion.produces or ()):
            continue
        if not suggestion.files:
            return suggestion.produces
        for file in files.named(folder, suggestion.files, everywhere=True):
            if is_in_any(posixpath.dirname(file), folders, above=folder):
                continue
            if not suggestion.holds or files.holds(file, suggestion.holds):
                return suggestion.produces
    return None


def _are_ignored(files: RepositoryFiles, folder: str, names: Iterable[str]) -> bool:
    """Whether the folder's `.gitignore`, or one above it, ignores each of these folders in it."""
    above = [each for each in (*upwards(folder), ".") if files.text(join(each, ".gitignore"))]
    return all(any(_ignores(files, each, join(folder, name)) for each in above) for name in names)


def _ignores(files: RepositoryFiles, folder: str, path: str) -> bool:
    """Whether the `.gitignore` of a folder ignores what is in a folder further inside."""
    lines = files.text(join(folder, ".gitignore")).splitlines()
    try:
        patterns = GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error):
        return False  # git skips only such a line; here, the whole file does not count
    return patterns.match_file(posixpath.relpath(f"{path}/file", folder))


# Names ---------------------------------------------------------------------------------------


def _with_names(found: list[FoundComponent]) -> tuple[FoundComponent, ...]:
    """The components with names: the only one of a code type has the code type's name, others have
    their folder's name.

    So a name changes only if a second component of its code type appears, or another folder of
    its name. Recorded names stay.
    """
    number = Counter(component.code_type.name for component in found)
    only = [
        component
        for component in found
        if number[component.code_type.name] == 1 or _is_whole(component)
    ]
    others = [component for component in found if component not in only]
    names = _shortest({_name_words(component) for component in others})
    taken = {*RESERVED, *number}
    named = [dataclasses.replace(component, name=component.code_type.name) for component in only]
    # Images get names first, because an image is called like its component.
    for component in sorted(
        others,
        key=lambda component: (
            not component.code_type.outputs,
            component.code_type.name,
            component.path,
        ),
    ):
        name = names[_name_words(component)]
        wishes = itertools.chain((name, f"{name}-{component.code_type.name}"), _numbered(name))
        slug = next(slug for slug in map(_slug, wishes) if slug not in taken)
        taken.add(slug)
        named.append(dataclasses.replace(component, name=slug))
    return tuple(sorted(named, key=lambda component: component.name))


def _is_whole(component: FoundComponent) -> bool:
    """Whether it is the repository itself."""
    return component.path == "." and component.folder == "." and not component.file


def _name_words(component: FoundComponent) -> tuple[str, ...]:
    """The words from which its name is made: its folder, and for a file the rest of its name."""
    variant = ""
    by_file = bool(component.code_type.detect and component.code_type.detect.by_file)
    if component.file and component.code_type.detect:
        usual, ending = posixpath.splitext(component.code_type.detect.files[0])
        plain = re.escape(usual)
        base = posixpath.basename(component.evidence)
        base = posixpath.splitext(base)[0] if ending else base
        variant = re.sub(rf"{plain}[.\-_]?|[.\-_]?{plain}", "", base, flags=re.IGNORECASE)
    names = meaningful_parts(component.folder if by_file else component.path)
    return (*names, *filter(None, [variant])) or (component.code_type.name,)


def _shortest(several: set[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """By the words of a component: as many of the last ones as no other component has."""
    ends = Counter(parts[-length:] for parts in several for length in range(1, len(parts) + 1))
    names = {}
    for parts in several:
        for length in range(1, len(parts) + 1):
            if ends[parts[-length:]] == 1:
                break
        names[parts] = "-".join(parts[-length:])
    return names


def _slug(text: str) -> str:
    """A safe name of a text: see `names.NAME`."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[-NAME_LENGTH:]
    return re.sub(r"^[^a-z]+", "", slug) or "component"


def _numbered(name: str) -> Iterator[str]:
    """Names with a number, for when all better names are taken."""
    for number in itertools.count(2):
        yield f"{_slug(name)[: NAME_LENGTH - 6]}-{number}"


def meaningful_parts(folder: str) -> list[str]:
    """The parts of a path that say what is in it; all parts if none does."""
    parts = [part.lower() for part in folder.split("/") if part not in (".", ENVIRONMENT_FOLDER)]
    if ENVIRONMENT_FOLDER in folder:
        return parts  # the name of a stack comes after the environment
    return [part for part in parts if part not in PLAIN] or parts
