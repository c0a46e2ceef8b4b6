"""Finds what a component reads beside its own folder: what its manifests depend on by path, or by
the name of a member of its workspace.

A code type says in `detect.needs` how its files name that. What a component takes as a package is
no business of this module: that is an edge.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from .code_types import Detect, Needed
from .detection import Found, is_safe
from .found_edges import FoundEdge
from .repository_files import RepositoryFiles, compiled, is_in_any, join, upwards


def find_needs(
    files: RepositoryFiles, found: tuple[Found, ...], edges: Iterable[FoundEdge]
) -> dict[str, tuple[str, ...]]:
    """By component: the files and folders outside its own that it is proposed to watch."""
    paths = {it.name: it.places for it in found}
    taken: dict[str, set[str]] = {}
    for edge in edges:
        if edge.product:
            taken.setdefault(edge.consumer, set()).update(paths[edge.producer])
    members: dict[Needed, dict[str, str]] = {}
    known: dict[tuple[str, str], list[str]] = {}
    needs = {}
    for it in found:
        detect = it.code_type.detect
        if detect and detect.needs and it.path != ".":
            alike = {p for o in found if o.code_type is it.code_type for p in o.places}
            own = _needs(files, it, detect, alike, taken.get(it.name, set()), members, known)
            if own:
                needs[it.name] = own
    return needs


def _needs(
    files: RepositoryFiles,
    it: Found,
    detect: Detect,
    alike: set[str],
    taken: set[str],
    members: dict[Needed, dict[str, str]],
    known: dict[tuple[str, str], list[str]],
) -> tuple[str, ...]:
    """What it names, and what that names in its turn.

    `known`: what is named in a place, by code type; several components may need the same.
    """
    is_manifest = compiled(detect.files)
    reads_above = compiled(tuple(name.rstrip("/") for name in it.code_type.reads_above))
    above = {outer for place in it.places for outer in (*upwards(posixpath.dirname(place)), ".")}
    needed: set[str] = set()
    places = [(place, True) for place in it.places]
    for place, own in places:  # grows while it is looked through
        key = (it.code_type.name, place)
        if own:
            names = _safe(_named(files, place, detect, alike, members))
        else:
            if key not in known:
                known[key] = _safe(_named(files, place, detect, set(), members))
            names = known[key]
        for name in names:
            if name in needed:
                continue
            folder, base = posixpath.split(name)
            folder = folder or "."
            is_file = base in files.folders.get(folder, ())
            if is_file and is_manifest(base) and folder not in above:
                name, is_file = folder, False
            if is_in_any(name, it.places) or is_in_any(name, taken):
                continue
            if is_file and folder in above and reads_above(base):
                continue
            if not (is_file or files.exists(name) or files.leaves_out(name)):
                continue
            needed.add(name)
            places.append((name, False))
    # Names come without wildcards; the root itself is all there is.
    watches = {"**" if name == "." else name for name in needed}
    return tuple(
        sorted(name for name in watches if not is_in_any(posixpath.dirname(name), watches))
    )


def _safe(names: Iterable[str]) -> list[str]:
    """Each once, as far as answers may hold it and it does not lead out."""
    return [name for name in dict.fromkeys(names) if is_safe(name)]


def _named(
    files: RepositoryFiles,
    place: str,
    detect: Detect,
    alike: set[str],
    members: dict[Needed, dict[str, str]],
) -> Iterator[str]:
    """What the files of a folder name, or a file by itself, relative to the root."""
    for needed in detect.needs:
        folder, base = posixpath.split(place)
        texts = files.named(place, needed.named_in, everywhere=True) if place != "." else []
        if base in files.folders.get(folder or ".", ()) and compiled(needed.named_in)(base):
            texts = [place]
        for file in texts:
            if is_in_any(posixpath.dirname(file), alike, above=place):
                continue
            for name in re.findall(needed.pattern, files.text(file), re.MULTILINE):
                if needed.called:
                    if needed not in members:
                        members[needed] = dict(_members(files, needed))
                    if folder := members[needed].get(_plain(name), ""):
                        yield folder
                elif "*" not in name and "$" not in name:
                    yield join(posixpath.dirname(file), name.replace("\\", "/"))


def _members(files: RepositoryFiles, needed: Needed) -> Iterator[tuple[str, str]]:
    """(name, folder) of all that may be a member of a workspace."""
    for folder in sorted(files.holding(needed.named_in)):
        for file in files.named(folder, needed.named_in):
            if match := re.search(needed.called, files.text(file), re.MULTILINE):
                yield _plain(match[1]), folder


def _plain(name: str) -> str:
    """A name as indexes compare it: `My_Lib` and `my-lib` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()
