"""Finds which component reads data of another one by name, for example a remote state.

A code type says in `detect.known_as` how a component's own files name what it makes, and in
`detect.reads` how the files of others name it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from .detection import FoundComponent
from .environment_names import kind
from .names import ENVIRONMENT_FOLDER
from .repository_files import RepositoryFiles, is_in_any, join

NOTHING_SAID = re.compile(r"terraform|default|state|tfstate|tf")
"""Parts of such a name that mean nothing."""


def find_reads(
    files: RepositoryFiles, found: tuple[FoundComponent, ...]
) -> Iterator[tuple[FoundComponent, FoundComponent, str, str]]:
    """(reader, maker, file, the name in it); none if two makers are possible."""
    known = {component.name: _names(files, component, found, "known_as") for component in found}
    for consumer in found:
        for file, name in _names(files, consumer, found, "reads"):
            makers = _makers(file, name, known, found)
            if len(makers) == 1 and makers[0] is not consumer:
                yield consumer, makers[0], file, name


def _makers(
    file: str,
    name: str,
    known: dict[str, list[tuple[str, str]]],
    found: tuple[FoundComponent, ...],
) -> list[FoundComponent]:
    """The components that a name can mean: by their own files, or else by their folders."""
    able = [
        component
        for component in found
        if component.code_type.detect and component.code_type.detect.known_as
    ]
    plain = _meaningful(name)
    tests: tuple[Callable[[FoundComponent], bool], ...] = (
        lambda component: name in (own for _, own in known[component.name]),
        lambda component: (
            bool(plain) and plain in (_meaningful(own) for _, own in known[component.name])
        ),
        lambda component: posixpath.dirname(join(posixpath.dirname(file), name)) in component.paths,
        lambda component: bool(plain) and _ends_with(component.path, plain),
    )
    for test in tests:
        if fitting := [component for component in able if test(component)]:
            return fitting
    return []


def _meaningful(name: str) -> tuple[str, ...]:
    """The words of a name that tell it from others, without those of environments."""
    plain = re.sub(r"\$\{[^}]*\}", "", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", plain) if word]
    return tuple(word for word in words if not kind(word) and not NOTHING_SAID.fullmatch(word))


def _ends_with(path: str, words: tuple[str, ...]) -> bool:
    """Whether whole folders at the end of a path are these words."""
    folders = [part for part in path.split("/") if part not in (".", ENVIRONMENT_FOLDER)]
    ends = (_meaningful("/".join(folders[start:])) for start in range(len(folders)))
    return words in ends


def _names(
    files: RepositoryFiles, component: FoundComponent, found: tuple[FoundComponent, ...], key: str
) -> list[tuple[str, str]]:
    """(file, name) for each name that a component's own files hold."""
    detect = component.code_type.detect
    pattern = getattr(detect, key) if detect else ""
    if not detect or not pattern:
        return []
    others = {path for other in found if other is not component for path in other.paths}
    names = []
    for home in component.paths:
        own = [
            file
            for file in files.named(home, (*detect.files, *detect.parts_in), everywhere=True)
            if not is_in_any(posixpath.dirname(file), others, above=home)
        ]
        if detect.by_file:  # the other files are other components
            own = [component.evidence]
        constants: dict[str, str] = {}
        if detect.constants:
            for file in own:
                constants |= {
                    name: value for name, value, *_ in files.groups(file, detect.constants)
                }
        names += [
            (file, constants.get(name.rpartition(".")[2], name))
            for file in own
            for names_of_match in files.groups(file, pattern)
            for name in names_of_match
            if name
        ]
    return names
