"""What is proposed for an existing repository: answers, and the file in which each was found."""

from __future__ import annotations

import dataclasses
import fnmatch
import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .checkout import Finder, checkout_settings
from .clouds import Cloud
from .code_type_model import CodeType
from .components import packages_variable, read_components
from .dependencies import read_dependencies
from .detection import FoundComponent, find_components
from .environments import BRANCHING, DEVELOP
from .errors import AnswerError
from .found_clouds import find_clouds, find_own_login, keys_among, secrets_in_workflows
from .found_edges import IMAGE, FoundEdge, find_edges, usual_producers
from .found_environments import as_answer, find_environments
from .found_needs import find_needs
from .git_branches import NO_BRANCHES, Branches
from .image_names import UnknownImage, unknown_images
from .limits import DISPATCHED_COMPONENTS
from .names import ENVIRONMENT_FOLDER
from .printing import in_markdown
from .repository_files import RepositoryFiles, is_in
from .task_runners import own_commands

ANSWERS = ("code_types", "components", "dependency_map")
"""The answers of a proposal. They belong together."""

NO_CLOUDS: Mapping[str, Cloud] = {}

USUAL = tuple(entry["name"] for entry in BRANCHING["trunk"])
"""The names of the usual environments."""

ENVIRONMENT = "environment "
"""The beginning of the keys of environments in `Proposal.found`."""

NEEDS = " needs "
"""The middle of the keys of edges in `Proposal.found`: `consumer needs producer`."""


@dataclass(frozen=True)
class Proposal:
    """Answers for what was found."""

    code_types: list[str] = field(default_factory=list)
    components: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    dependency_map: Any = field(default_factory=list)
    environments: list[dict[str, Any]] = field(default_factory=list)
    """The environments that files are named after; empty if that is not clear."""
    branching: str = ""
    """The choice of `branching` that fits the branches, if there are no such environments."""
    cloud: str = ""
    """The cloud that all deployments log in to, if files show one."""
    found: Mapping[str, str] = field(default_factory=dict)
    """The file by component, by `consumer needs producer` and by `environment NAME`."""
    table: str = ""
    """The components for a person to read, in lines."""

    unknown_images: tuple[UnknownImage, ...] = ()
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
    clouds: Mapping[str, Cloud] = NO_CLOUDS,
) -> Proposal:
    """The proposal for the files of a repository; an empty one if nothing is found.

    `given` are the names of the environments, if the answers say them. Of `clouds` none is proposed
    if the answers say it.
    """
    found = find_components(files, code_types)
    if len(found) > DISPATCHED_COMPONENTS:  # more than any orchestration takes
        return Proposal()
    edges, checkout = find_edges(files, found), checkout_settings(files)
    unknown = unknown_images(files, found)
    asked = {stranger.consumer for stranger in unknown}
    found = tuple(
        dataclasses.replace(component, runs_unknown_image=component.name in asked)
        for component in found
    )
    environments = {} if given is not None else find_environments(files, found)
    if set(environments) == set(USUAL):
        environments = {}  # the default answers have the same ones
    names = given if given is not None else tuple(environments or USUAL)
    needs = find_needs(files, found, edges)
    found = tuple(
        dataclasses.replace(component, watches=needs.get(component.name, ())) for component in found
    )
    found, cloud = _with_logins(found, files, clouds)
    # If the edges contradict one another, the components are proposed without them.
    for kept in (edges, ()):
        made = tuple(
            _in_environments(_with_products(component, kept), names) for component in found
        )
        proposal = _make_proposal(
            tuple(_with_commands(component, made, files) for component in made), kept, checkout
        )
        if _is_answer(proposal, code_types):
            proposal = dataclasses.replace(proposal, unknown_images=unknown, cloud=cloud)
            return _with_environments(proposal, environments, branches)
    return Proposal()


def _in_environments(component: FoundComponent, names: tuple[str, ...]) -> FoundComponent:
    """The component in the environments that have a folder; in all if all have one, or none has."""
    here = tuple(name for name in names if name in component.environments)
    return dataclasses.replace(component, belongs=here if here and len(here) < len(names) else ())


def _with_logins(
    found: tuple[FoundComponent, ...], files: RepositoryFiles, clouds: Mapping[str, Cloud]
) -> tuple[tuple[FoundComponent, ...], str]:
    """The cloud that all deployments log in to, or else each component with its own; and components
    with the keys, or the token, that the repository's own workflows read."""
    paths = {path for component in found for path in component.paths}
    secrets = secrets_in_workflows(files)
    keys = keys_among(secrets, clouds.values())
    own_keys, logins = {}, {}
    for component in found:
        if find_own_login(files, component.code_type, component.paths, paths):
            tokens = [name for name in component.code_type.secret_variables if name in secrets]
            own_keys[component.name] = tuple(tokens)
        there = find_clouds(files, component.code_type, component.paths, paths)
        if len(there) != 1 or there[0].name not in clouds:
            continue
        cloud = there[0].name
        if cloud in keys:
            own_keys[component.name] = keys[cloud]
        else:
            logins[component.name] = cloud
    deployed = [c.name for c in found if c.code_type.jobs["deploy"].command]
    every = {logins.get(name, "") for name in deployed}
    of_all = every.pop() if len(every) == 1 else ""
    return tuple(
        dataclasses.replace(
            component,
            keys=own_keys.get(component.name, ()),
            cloud="" if of_all else logins.get(component.name, ""),
        )
        for component in found
    ), of_all


def _with_environments(
    proposal: Proposal, environments: Mapping[str, str], branches: Branches
) -> Proposal:
    """The proposal with environments, or else with the choice that fits the branches."""
    if not proposal.names:
        return proposal
    if not environments:
        trunk = bool(branches.known) and DEVELOP not in branches.known
        return dataclasses.replace(proposal, branching="trunk" if trunk else "")
    evidence = {f"{ENVIRONMENT}{name}": in_markdown(file) for name, file in environments.items()}
    return dataclasses.replace(
        proposal,
        branching="custom",
        environments=as_answer(list(environments), branches),
        found={**proposal.found, **evidence},
    )


def _is_answer(proposal: Proposal, code_types: Mapping[str, CodeType]) -> bool:
    """Whether a person can accept it without an error.

    Files may contradict one another, as two charts that depend on each other.
    """
    try:
        components = read_components(proposal.code_types, proposal.components, code_types)
        read_dependencies(proposal.dependency_map, components, code_types)
    except AnswerError:
        return False
    return True


def without(proposal: Proposal, gone: set[str]) -> Proposal:
    """The proposal without some components."""
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


def still_in_answers(
    found: Mapping[str, str],
    paths: Mapping[str, str],
    edges: set[tuple[str, str]],
    environments: Collection[str],
) -> list[tuple[str, str]]:
    """What was found and is still in the answers: components with such a path, edges, and
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
    """Whether a file lies in a path, in which {environment} stands for any folder."""
    if ENVIRONMENT_FOLDER not in path:
        return is_in(file, path)
    pattern = re.escape(path).replace(re.escape(ENVIRONMENT_FOLDER), "[^/]+")
    return re.match(f"{pattern}/", file) is not None


def _with_products(component: FoundComponent, edges: tuple[FoundEdge, ...]) -> FoundComponent:
    """The component, which also produces what others take from it."""
    taken = {edge.product for edge in edges if edge.producer == component.name and edge.product}
    more = sorted(taken - set(component.made))
    return dataclasses.replace(component, produces=(*component.made, *more)) if more else component


def _with_commands(
    component: FoundComponent, found: tuple[FoundComponent, ...], files: RepositoryFiles
) -> FoundComponent:
    """The component with the project's own tasks as commands.

    No task is taken if another component lies in its folder: the task may belong to that. A
    build that has to leave a product is not replaced.
    """
    tasks = component.code_type.detect.commands if component.code_type.detect else None
    if not tasks:
        return component
    others = (o for o in found if o.name != component.name and not o.code_type.depends_on)
    alone = not any(is_in(other.path, component.path) for other in others)
    commands = own_commands(files, component.path, tasks, alone, builds=not component.made)
    return dataclasses.replace(component, commands=commands)


def _make_proposal(
    found: tuple[FoundComponent, ...], edges: tuple[FoundEdge, ...], checkout: Finder
) -> Proposal:
    selected = [component.name for component in found if component.name == component.code_type.name]
    components = {
        component.name: settings
        for component in found
        if (settings := {**_settings(component, edges), **checkout(component.paths)})
    }
    evidence = {component.name: in_markdown(component.evidence) for component in found}
    for edge in edges:
        evidence[f"{edge.consumer}{NEEDS}{edge.producer}"] = in_markdown(
            f"{edge.evidence} {edge.says}"
        )
    return Proposal(
        code_types=selected,
        components=components,
        dependency_map=_dependency_map(found, edges),
        found=evidence,
        table=_table(found, edges),
    )


def _settings(component: FoundComponent, edges: tuple[FoundEdge, ...]) -> dict[str, Any]:
    """The settings of a component in the answers, without what its code type and name say."""
    settings: dict[str, Any] = {}
    if component.name != component.code_type.name:
        settings["code_type"] = component.code_type.name
    if component.path != ".":
        settings["path"] = component.path
    if component.belongs:
        settings["environments"] = list(component.belongs)
    if component.produces is not None and component.produces != component.code_type.produces:
        settings["produces"] = list(component.produces)
    if component.watches:
        settings["watches"] = list(component.watches)
    if component.cloud:
        settings["cloud"] = component.cloud
    if component.keys:
        settings["secrets"] = list(component.keys)
    env = {}
    detect = component.code_type.detect
    if component.file and detect and detect.setting:
        settings[detect.setting] = component.file
    elif component.file and detect:
        env[detect.variable] = component.file
    images = [edge for edge in edges if edge.consumer == component.name and edge.known_as]
    for edge in images:
        usual = {edge.producer, f"{edge.producer}.image", *(["image"] if len(images) == 1 else [])}
        if edge.known_as not in usual:
            env[image_variable(edge.producer)] = edge.known_as
    if env:
        settings["env"] = env
    return {**settings, **component.commands}


def image_variable(producer: str) -> str:
    """The variable that tells a consumer how its files call a producer's image."""
    return packages_variable(producer).removesuffix("_PACKAGE") + "_IMAGE"


# The dependency map --------------------------------------------------------------------------


def _dependency_map(found: tuple[FoundComponent, ...], edges: tuple[FoundEdge, ...]) -> Any:
    """The dependency map, as far as it differs from what is usual for the code types."""
    makers = {component.name: component for component in found}
    entries: list[dict[str, Any]] = []
    for component in found:
        own = [edge for edge in edges if edge.consumer == component.name]
        usual = usual_producers(component, found)
        kept = [other for other in usual if _keeps_usual(component, other, own)]
        by_producer: dict[str, list[FoundEdge]] = {other.name: [] for other in kept}
        for edge in own:
            by_producer.setdefault(edge.producer, []).append(edge)
        own_entries = [
            _entry(component, makers[producer], takes)
            for producer, takes in sorted(by_producer.items())
        ]
        as_usual = sorted(by_producer) == sorted(other.name for other in usual)
        if not as_usual or any("artifacts" in entry for entry in own_entries):
            entries += own_entries or [{"code_type": component.name, "depends_on": []}]
    merged = _merged(entries)
    if any("artifacts" in entry for entry in merged):
        return merged
    short: dict[str, list[str]] = {}
    for entry in merged:
        short.setdefault(entry["code_type"], []).extend(entry["depends_on"])
    return short or []


def _keeps_usual(consumer: FoundComponent, producer: FoundComponent, own: list[FoundEdge]) -> bool:
    """Whether a usual dependency is kept, though the consumer's files do not show it.

    Infrastructure makes no package that a file could name. Names of images and zips are often
    computed, so if none was found the consumer may still take one.
    """
    if not producer.code_type.products:
        return True
    return not any(edge.product for edge in own) and any(
        consumed.product != "*" and fnmatch.fnmatch(made, consumed.product)
        for consumed in consumer.code_type.consumes
        for made in producer.made
    )


def _entry(
    consumer: FoundComponent, producer: FoundComponent, takes: list[FoundEdge]
) -> dict[str, Any]:
    """One edge, as the dependency map writes it."""
    entry: dict[str, Any] = {"code_type": consumer.name, "depends_on": [producer.name]}
    products = [edge.product for edge in takes if edge.product]
    if set(products) == set(producer.made) and not any(edge.to for edge in takes):
        return entry  # without `artifacts` it takes everything
    if not takes and (IMAGE not in producer.made or consumer.runs_unknown_image):
        # As usual. If no file runs an image of this repository, taking one would stop the build. If
        # a file may run one, the build has to stop until a person says which.
        return entry
    artifacts = [
        {"name": edge.product, "to": edge.to} if edge.to else edge.product
        for edge in takes
        if edge.product
    ]
    return {**entry, "artifacts": artifacts}


def _merged(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for all entries of a consumer that take the same."""
    merged: list[dict[str, Any]] = []
    alike: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        if entry.get("artifacts"):  # these artifacts are of this producer alone
            merged.append(entry)
            continue
        # Entries without `artifacts` take everything, entries with `[]` nothing: not the same.
        first = alike.setdefault((entry["code_type"], "artifacts" in entry), entry)
        if first is entry:
            merged.append(entry)
        else:
            first["depends_on"] = [*first["depends_on"], *entry["depends_on"]]
    return merged


def _map_without(given: Any, gone: set[str]) -> Any:
    """The map without some components. In one that a person wrote, a name may stand for a list."""
    if isinstance(given, dict):
        return {
            consumer: [name for name in _listed(producers) if name not in gone]
            for consumer, producers in given.items()
            if consumer not in gone
        }
    entries = []
    for entry in given:
        needs = _listed(entry.get("depends_on", []))
        left = [name for name in needs if name not in gone]
        if entry["code_type"] in gone:
            continue
        if not left and needs:
            # Without an entry, it would have its usual dependencies.
            entry = {"code_type": entry["code_type"]}
        entries.append({**entry, "depends_on": left})
    return entries


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


# For people ----------------------------------------------------------------------------------


def _table(found: tuple[FoundComponent, ...], edges: tuple[FoundEdge, ...]) -> str:
    """A line for each component: name, code type, path, the file in which it was found."""
    rows = []
    for component in found:
        needs = list(dict.fromkeys(e.producer for e in edges if e.consumer == component.name))
        after = f"after {', '.join(needs)}" if needs else ""
        home = next(
            (path for path in component.paths if is_in(component.evidence, path)), component.path
        )
        by = posixpath.relpath(component.evidence, home)
        rows.append((component.name, component.code_type.label, component.path, by, after))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
