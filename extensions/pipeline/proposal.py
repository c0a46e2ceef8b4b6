"""What is proposed for an existing repository: answers, and the files that speak for them."""

from __future__ import annotations

import dataclasses
import fnmatch
import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .checkout import Finder, checkout_settings
from .code_types import CodeType
from .components import packages_variable, read_components
from .dependencies import read_dependencies
from .detection import Found, find_components
from .environments import BRANCHING, DEVELOP
from .errors import AnswerError
from .found_edges import IMAGE, FoundEdge, conventional, find_edges
from .found_environments import as_answer, find_environments
from .found_needs import find_needs
from .git_branches import NO_BRANCHES, Branches
from .image_names import Stranger, strangers
from .limits import DISPATCHED_COMPONENTS
from .names import ENVIRONMENT_FOLDER
from .repository_files import RepositoryFiles, is_in
from .task_runners import own_commands

ANSWERS = ("code_types", "components", "dependency_map")
"""The answers that a proposal is made of: only together do they mean anything."""

USUAL = tuple(entry["name"] for entry in BRANCHING["trunk"])
"""The names of the environments that are usual."""

ENVIRONMENT = "environment "
"""What stands before the name of an environment in the keys of `Proposal.found`."""

NEEDS = " needs "
"""What stands between consumer and producer in the keys of `Proposal.found`."""


@dataclass(frozen=True)
class Proposal:
    """Answers for what was found."""

    code_types: list[str] = field(default_factory=list)
    components: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    dependency_map: Any = field(default_factory=list)
    environments: list[dict[str, Any]] = field(default_factory=list)
    """Those that files are named after; none where that is not clear."""
    branching: str = ""
    """The choice that fits the branches, where there are no such environments."""
    found: Mapping[str, str] = field(default_factory=dict)
    """By component, by `consumer needs producer` and by `environment NAME`: what speaks for it."""
    table: str = ""
    """All of it for a person to read, in lines."""

    strangers: tuple[Stranger, ...] = ()
    """Images of which it is not known whether a component builds them."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the components."""
        return frozenset((*self.code_types, *self.components))


def propose(
    files: RepositoryFiles,
    code_types: Mapping[str, CodeType],
    branches: Branches = NO_BRANCHES,
    given: tuple[str, ...] | None = None,
) -> Proposal:
    """What the files of a repository speak for; nothing where they say nothing.

    `given` are the names of the environments, where somebody has said which there are.
    """
    found = find_components(files, code_types)
    if len(found) > DISPATCHED_COMPONENTS:  # more than any orchestration takes
        return Proposal()
    edges, checkout = find_edges(files, found), checkout_settings(files)
    unknown = strangers(files, found)
    asked = {stranger.consumer for stranger in unknown}
    found = tuple(dataclasses.replace(it, runs_strangers=it.name in asked) for it in found)
    environments = {} if given is not None else find_environments(files, found)
    if set(environments) == set(USUAL):
        environments = {}  # as they are anyway
    names = given if given is not None else tuple(environments or USUAL)
    needs = find_needs(files, found, edges)
    found = tuple(dataclasses.replace(it, watches=needs.get(it.name, ())) for it in found)
    for some in (edges, ()):
        made = tuple(_in_environments(_with_products(it, some), names) for it in found)
        proposal = _of(tuple(_with_commands(it, made, files) for it in made), some, checkout)
        if _is_answer(proposal, code_types):
            proposal = dataclasses.replace(proposal, strangers=unknown)
            return _with_environments(proposal, environments, branches)
    return Proposal()


def _in_environments(it: Found, names: tuple[str, ...]) -> Found:
    """It belongs to those environments whose folders there are; to all, where that is not so."""
    here = tuple(name for name in names if name in it.environments)
    return dataclasses.replace(it, belongs=here if here and len(here) < len(names) else ())


def _with_environments(
    proposal: Proposal, environments: Mapping[str, str], branches: Branches
) -> Proposal:
    """The proposal with environments, or else with the choice that fits the branches."""
    if not proposal.names:
        return proposal
    if not environments:
        trunk = bool(branches.known) and DEVELOP not in branches.known
        return dataclasses.replace(proposal, branching="trunk" if trunk else "")
    speak = {f"{ENVIRONMENT}{name}": _shown(file) for name, file in environments.items()}
    return dataclasses.replace(
        proposal,
        branching="custom",
        environments=as_answer(list(environments), branches),
        found={**proposal.found, **speak},
    )


def _is_answer(proposal: Proposal, code_types: Mapping[str, CodeType]) -> bool:
    """Whether it can be taken as it is: nobody is to be told of an error that is ours.

    Files may contradict one another, as two charts that hold each other.
    """
    try:
        components = read_components(proposal.code_types, proposal.components, code_types)
        read_dependencies(proposal.dependency_map, components, code_types)
    except AnswerError:
        return False
    return True


def without(proposal: Proposal, gone: set[str]) -> Proposal:
    """The proposal without some components, as if they had not been found."""
    return dataclasses.replace(
        proposal,
        code_types=[name for name in proposal.code_types if name not in gone],
        components={k: v for k, v in proposal.components.items() if k not in gone},
        dependency_map=_map_without(proposal.dependency_map, gone),
        found=found_of(
            proposal.found,
            proposal.names - gone,
            [entry["name"] for entry in proposal.environments],
        ),
    )


def found_of(
    found: Mapping[str, str], names: Collection[str], environments: Collection[str]
) -> dict[str, str]:
    """What was found of these components and environments."""
    known = {f"{ENVIRONMENT}{name}" for name in environments} | set(names)
    return {key: file for key, file in found.items() if set(key.split(NEEDS)) <= known}


def still_so(
    found: Mapping[str, str],
    paths: Mapping[str, str],
    edges: set[tuple[str, str]],
    environments: Collection[str],
) -> list[tuple[str, str]]:
    """What was found, as far as the answers have it still: components by their paths, edges, and
    environments."""
    rows = []
    for key, file in sorted(found.items()):
        consumer, _, producer = key.partition(NEEDS)
        of_component = key in paths and _lies_in(file, paths[key])
        of_environment = key.startswith(ENVIRONMENT) and key[len(ENVIRONMENT) :] in environments
        if (consumer, producer) in edges or of_component or of_environment:
            rows.append((key, file))
    return rows


def _lies_in(file: str, path: str) -> bool:
    """Whether a file lies in a path, in that of any environment."""
    if ENVIRONMENT_FOLDER not in path:
        return is_in(file, path)
    pattern = re.escape(path).replace(re.escape(ENVIRONMENT_FOLDER), "[^/]+")
    return re.match(f"{pattern}/", file) is not None


def _with_products(it: Found, edges: tuple[FoundEdge, ...]) -> Found:
    """It makes what others take of it, too."""
    taken = {edge.product for edge in edges if edge.producer == it.name and edge.product}
    more = sorted(taken - set(it.made))
    return dataclasses.replace(it, produces=(*it.made, *more)) if more else it


def _with_commands(it: Found, found: tuple[Found, ...], files: RepositoryFiles) -> Found:
    """It runs the tasks that the project has for it.

    Where other code lies in the same folder or further inside, it is not known whose they are.
    A build that has to leave something is not replaced.
    """
    tasks = it.code_type.detect.commands if it.code_type.detect else None
    if not tasks:
        return it
    others = (o for o in found if o.name != it.name and not o.code_type.depends_on)
    alone = not any(is_in(other.path, it.path) for other in others)
    commands = own_commands(files, it.path, tasks, alone, builds=not it.made)
    return dataclasses.replace(it, commands=commands)


def _of(found: tuple[Found, ...], edges: tuple[FoundEdge, ...], checkout: Finder) -> Proposal:
    selected = [it.name for it in found if it.name == it.code_type.name]
    components = {
        it.name: settings
        for it in found
        if (settings := {**_settings(it, edges), **checkout(it.places)})
    }
    evidence = {it.name: _shown(it.evidence) for it in found}
    for edge in edges:
        evidence[f"{edge.consumer}{NEEDS}{edge.producer}"] = _shown(f"{edge.evidence} {edge.says}")
    return Proposal(
        code_types=selected,
        components=components,
        dependency_map=_map(found, edges),
        found=evidence,
        table=_table(found, edges),
    )


def _shown(text: str) -> str:
    """What a file is called or says, so that it can stand in a table of Markdown."""
    return "".join(c if c.isprintable() and c not in "`|" else "_" for c in text)[:200]


def _settings(it: Found, edges: tuple[FoundEdge, ...]) -> dict[str, Any]:
    """What its code type and name do not say."""
    settings: dict[str, Any] = {}
    if it.name != it.code_type.name:
        settings["code_type"] = it.code_type.name
    if it.path != ".":
        settings["path"] = it.path
    if it.belongs:
        settings["environments"] = list(it.belongs)
    if it.produces is not None and it.produces != it.code_type.produces:
        settings["produces"] = list(it.produces)
    if it.watches:
        settings["watches"] = list(it.watches)
    env = {}
    detect = it.code_type.detect
    if it.file and detect and detect.setting:
        settings[detect.setting] = it.file
    elif it.file and detect:
        env[detect.variable] = it.file
    images = [edge for edge in edges if edge.consumer == it.name and edge.known_as]
    for edge in images:
        usual = {edge.producer, f"{edge.producer}.image", *(["image"] if len(images) == 1 else [])}
        if edge.known_as not in usual:
            env[image_variable(edge.producer)] = edge.known_as
    if env:
        settings["env"] = env
    return {**settings, **it.commands}


def image_variable(producer: str) -> str:
    """The variable that tells a consumer how its files call a producer's image."""
    return packages_variable(producer).removesuffix("_PACKAGE") + "_IMAGE"


# The dependency map --------------------------------------------------------------------------


def _map(found: tuple[Found, ...], edges: tuple[FoundEdge, ...]) -> Any:
    """What the files say, where that differs from what is usual for the code types."""
    makers = {it.name: it for it in found}
    entries: list[dict[str, Any]] = []
    for it in found:
        own = [edge for edge in edges if edge.consumer == it.name]
        usual = conventional(it, found)
        kept = [other for other in usual if _kept(it, other, own)]
        by_producer: dict[str, list[FoundEdge]] = {other.name: [] for other in kept}
        for edge in own:
            by_producer.setdefault(edge.producer, []).append(edge)
        own_entries = [
            _entry(it, makers[producer], takes) for producer, takes in sorted(by_producer.items())
        ]
        as_usual = sorted(by_producer) == sorted(other.name for other in usual)
        if not as_usual or any("artifacts" in entry for entry in own_entries):
            entries += own_entries or [{"code_type": it.name, "depends_on": []}]
    merged = _merged(entries)
    if any("artifacts" in entry for entry in merged):
        return merged
    short: dict[str, list[str]] = {}
    for entry in merged:
        short.setdefault(entry["code_type"], []).extend(entry["depends_on"])
    return short or []


def _kept(consumer: Found, producer: Found, own: list[FoundEdge]) -> bool:
    """Whether a usual dependency is left, though the consumer's files do not say so.

    Infrastructure makes no package that a file could name. Names of images and zips are often put
    together, so where none was found it is not known which are meant.
    """
    if not producer.code_type.products:
        return True
    return not any(edge.product for edge in own) and any(
        consumed.product != "*" and fnmatch.fnmatch(made, consumed.product)
        for consumed in consumer.code_type.consumes
        for made in producer.made
    )


def _entry(consumer: Found, producer: Found, takes: list[FoundEdge]) -> dict[str, Any]:
    """One edge, as the dependency map writes it."""
    entry: dict[str, Any] = {"code_type": consumer.name, "depends_on": [producer.name]}
    products = [edge.product for edge in takes if edge.product]
    if set(products) == set(producer.made) and not any(edge.to for edge in takes):
        return entry  # everything that it makes
    if not takes and (IMAGE not in producer.made or consumer.runs_strangers):
        # As usual. Where nothing runs an image of one's own, taking one would stop the build; where
        # something may, it has to, until a person has said which.
        return entry
    artifacts = [
        {"name": edge.product, "to": edge.to} if edge.to else edge.product
        for edge in takes
        if edge.product
    ]
    return {**entry, "artifacts": artifacts}


def _merged(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of one consumer that take the same are one."""
    merged: list[dict[str, Any]] = []
    alike: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        if entry.get("artifacts"):  # of this producer alone
            merged.append(entry)
            continue
        # Everything and nothing are two things; both may be taken of several producers.
        first = alike.setdefault((entry["code_type"], "artifacts" in entry), entry)
        if first is entry:
            merged.append(entry)
        else:
            first["depends_on"] = [*first["depends_on"], *entry["depends_on"]]
    return merged


def _map_without(given: Any, gone: set[str]) -> Any:
    """`given` is ours, or one that a person wrote: a single name may stand for a list."""
    if isinstance(given, dict):
        return {
            who: [name for name in _listed(whom) if name not in gone]
            for who, whom in given.items()
            if who not in gone
        }
    entries = []
    for entry in given:
        needs = _listed(entry.get("depends_on", []))
        left = [name for name in needs if name not in gone]
        if entry["code_type"] in gone:
            continue
        if not left and needs:
            # It must not fall back to what is usual.
            entry = {"code_type": entry["code_type"]}
        entries.append({**entry, "depends_on": left})
    return entries


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


# For people ----------------------------------------------------------------------------------


def _table(found: tuple[Found, ...], edges: tuple[FoundEdge, ...]) -> str:
    """A line for each component: name, code type, path, the file there that speaks for it."""
    rows = []
    for it in found:
        needs = list(dict.fromkeys(e.producer for e in edges if e.consumer == it.name))
        after = f"after {', '.join(needs)}" if needs else ""
        home = next((place for place in it.places if is_in(it.evidence, place)), it.path)
        by = posixpath.relpath(it.evidence, home)
        rows.append((it.name, it.code_type.label, it.path, by, after))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
