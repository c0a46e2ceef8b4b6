"""Finds what a component reads outside its own folder: the folders that its manifests name by path,
or by the name of a member of its workspace.

A code type says in `detect.needs` how its files name such folders. Packages that a component takes
are edges, which `found_edges.py` finds.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from .code_type_model import Detect, Needed
from .detection import FoundComponent, is_safe
from .found_edges import FoundEdge
from .repository_files import RepositoryFiles, is_in_any, join, matcher, upwards


def find_needs(
    files: RepositoryFiles, found: tuple[FoundComponent, ...], edges: Iterable[FoundEdge]
) -> dict[str, tuple[str, ...]]:
    """By component: the files and folders outside its own that it is proposed to watch."""
    paths = {component.name: component.paths for component in found}
    taken: dict[str, set[str]] = {}
    for edge in edges:
        if edge.product:
            taken.setdefault(edge.consumer, set()).update(paths[edge.producer])
    members: dict[Needed, dict[str, str]] = {}
    known: dict[tuple[str, str], list[str]] = {}
    needs = {}
    for component in found:
        detect = component.code_type.detect
        if detect and detect.needs and component.path != ".":
            alike = {
                p for other in found if other.code_type is component.code_type for p in other.paths
            }
            own = _needs(
                files, component, detect, alike, taken.get(component.name, set()), members, known
            )
            if own:
                needs[component.name] = own
    return needs


def _needs(
    files: RepositoryFiles,
    component: FoundComponent,
    detect: Detect,
    alike: set[str],
    taken: set[str],
    members: dict[Needed, dict[str, str]],
    known: dict[tuple[str, str], list[str]],
) -> tuple[str, ...]:
    """The paths that it names, and the paths that these name in turn.

    `known` remembers the names in each path by code type, for other components.
    """
    is_manifest = matcher(detect.files)
    reads_above = matcher(tuple(name.rstrip("/") for name in component.code_type.reads_above))
    above = {
        outer for path in component.paths for outer in (*upwards(posixpath.dirname(path)), ".")
    }
    needed: set[str] = set()
    to_read = [(path, True) for path in component.paths]
    for path, own in to_read:  # grows in the loop
        key = (component.code_type.name, path)
        if own:
            names = _safe_names(_named_paths(files, path, detect, alike, members))
        else:
            if key not in known:
                known[key] = _safe_names(_named_paths(files, path, detect, set(), members))
            names = known[key]
        for name in names:
            if name in needed:
                continue
            folder, base = posixpath.split(name)
            folder = folder or "."
            is_file = base in files.folders.get(folder, ())
            if is_file and is_manifest(base) and folder not in above:
                name, is_file = folder, False
            if is_in_any(name, component.paths) or is_in_any(name, taken):
                continue
            if is_file and folder in above and reads_above(base):
                continue
            if not (is_file or files.exists(name) or files.leaves_out(name)):
                continue
            needed.add(name)
            to_read.append((name, False))
    # No name has a wildcard. The root stands for all files.
    watches = {"**" if name == "." else name for name in needed}
    return tuple(
        sorted(name for name in watches if not is_in_any(posixpath.dirname(name), watches))
    )


def _safe_names(names: Iterable[str]) -> list[str]:
    """Each name once, without those that answers may not hold."""
    return [name for name in dict.fromkeys(names) if is_safe(name)]


def _named_paths(
    files: RepositoryFiles,
    path: str,
    detect: Detect,
    alike: set[str],
    members: dict[Needed, dict[str, str]],
) -> Iterator[str]:
    """What the files of a folder name, or a file by itself, relative to the root."""
    for needed in detect.needs:
        folder, base = posixpath.split(path)
        texts = files.named(path, needed.named_in, everywhere=True) if path != "." else []
        if base in files.folders.get(folder or ".", ()) and matcher(needed.named_in)(base):
            texts = [path]
        for file in texts:
            if is_in_any(posixpath.dirname(file), alike, above=path):
                continue
            for name, *_ in files.groups(file, needed.pattern):
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
            for name, *_ in files.groups(file, needed.called)[:1]:
                yield _plain(name), folder


def _plain(name: str) -> str:
    """A name as indexes compare it: `My_Lib` and `my-lib` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()
