"""Which components an environment's pipeline builds, promotes and deploys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .components import Component
from .dependencies import Dependencies
from .environments import Environment
from .errors import AnswerError
from .graph import Graph, waves
from .limits import REUSABLE_WORKFLOWS


@dataclass(frozen=True)
class Scope:
    """What happens to which component in one environment."""

    environment: Environment
    components: tuple[str, ...]
    """All components of its pipeline, in the order of deployment."""
    built: frozenset[str]
    """The components that are checked and built in it."""
    promoted: frozenset[str]
    """Those whose packages are promoted from the environment before."""
    deployed: frozenset[str]

    def of_jobs(self, names: Iterable[str]) -> list[str]:
        """These components, in the order of deployment."""
        wanted = set(names)
        return [name for name in self.components if name in wanted]


def deploys_to(component: Component, environment: Environment) -> bool:
    """Whether the environment's pipeline deploys a component. Only tags publish libraries."""
    here = "deploy" in component.commands and component.belongs_to(environment.name)
    return here and (not component.publishes or environment.trigger == "tag")


def built_per_environment(
    components: tuple[Component, ...], dependencies: Dependencies
) -> frozenset[str]:
    """The components whose package differs between environments, and all that take one of these."""
    different = {c.name for c in components if c.build_per_environment}
    return with_consumers(different, dependencies)


def with_consumers(names: Iterable[str], dependencies: Dependencies) -> frozenset[str]:
    """The components, and all that take their packages, directly or not."""
    found = set(names)
    edges = [e for e in dependencies.edges if e.placements]
    while more := {e.consumer for e in edges if e.producer in found} - found:
        found |= more
    return frozenset(found)


def with_producers(names: Iterable[str], dependencies: Dependencies) -> frozenset[str]:
    """The components, and all whose packages they take, directly or not."""
    found = set(names)
    edges = [e for e in dependencies.edges if e.placements]
    while more := {e.producer for e in edges if e.consumer in found} - found:
        found |= more
    return frozenset(found)


def chain(environment: Environment, environments: Iterable[Environment]) -> list[Environment]:
    """The environment and all that come after it, directly or not, in the order of the answers."""
    found = {environment.name}
    result = [environment]
    for other in environments:
        if other.trigger == "after" and other.source in found:
            found.add(other.name)
            result.append(other)
    return result


def scope_of(
    environment: Environment,
    environments: tuple[Environment, ...],
    components: tuple[Component, ...],
    dependencies: Dependencies,
) -> Scope:
    """What an environment's pipeline has to do."""
    by_name = {component.name: component for component in components}
    here_and_after = chain(environment, environments)
    belonging = {c.name for c in components if any(c.belongs_to(e.name) for e in here_and_after)}
    needed = with_producers(belonging, dependencies)
    order = waves(dependencies.graph(components))
    ordered = tuple(name for wave in order for name in wave if name in needed)
    built = {name for name in ordered if by_name[name].builds}
    promoted: set[str] = set()
    if environment.trigger == "after":
        again = built_per_environment(components, dependencies)
        promoted = {name for name in built - again if by_name[name].produces}
        built &= again
    return Scope(
        environment=environment,
        components=ordered,
        built=frozenset(built),
        promoted=frozenset(promoted),
        deployed=frozenset(n for n in ordered if deploys_to(by_name[n], environment)),
    )


def check_calls(
    components: tuple[Component, ...],
    dependencies: Dependencies,
    environments: tuple[Environment, ...],
) -> None:
    """Refuse more called workflows than GitHub runs in one run. Raises AnswerError."""
    scopes = [scope_of(e, environments, components, dependencies) for e in environments]
    planned = {component.name for component in components if component.plan}
    number, most = max(
        (len(s.built) + len(s.deployed) + len(s.deployed & planned), len(s.components))
        for s in scopes
    )
    if number > REUSABLE_WORKFLOWS:
        raise AnswerError(
            "orchestration",
            f"an orchestrator would call {number} workflows for {most} components, and GitHub runs "
            f"at most {REUSABLE_WORKFLOWS} in one run; choose dispatch, or split the repository's "
            "pipelines",
        )


def waits_for(deployed: frozenset[str], graph: Graph) -> dict[str, frozenset[str]]:
    """Each component with the deployed ones that it waits for.

    If it waits for a component that is not deployed here, it waits for the dependencies of that.
    """
    found: dict[str, frozenset[str]] = {}

    def before(name: str) -> frozenset[str]:
        if name not in found:
            found[name] = frozenset().union(
                *({other} if other in deployed else before(other) for other in graph[name])
            )
        return found[name]

    return {name: before(name) for name in graph}


def users_of(
    component: Component,
    environments: Iterable[Environment],
    components: tuple[Component, ...],
    dependencies: Dependencies,
) -> list[Environment]:
    """The environments that use what a component builds, in their order.

    The component itself is deployed there, or one that takes its package, directly or not.
    """
    names = with_consumers([component.name], dependencies)
    users = [other for other in components if other.name in names]
    return [e for e in environments if any(user.belongs_to(e.name) for user in users)]


def builders_of(
    component: Component,
    environments: Iterable[Environment],
    components: tuple[Component, ...],
    dependencies: Dependencies,
) -> list[Environment]:
    """The environments in whose pipelines it may be built, in their order."""
    environments = list(environments)
    users = {e.name for e in users_of(component, environments, components, dependencies)}
    return [e for e in environments if users & {other.name for other in chain(e, environments)}]


def root(environment: Environment, environments: Iterable[Environment]) -> Environment:
    """The environment that the chain of `after` starts from."""
    by_name: Mapping[str, Environment] = {e.name: e for e in environments}
    return by_name[environment.root]


def deployed_before(
    scope: Scope, graph: Graph, waves: tuple[tuple[str, ...], ...]
) -> Mapping[str, frozenset[str]]:
    """The deployments that each one waits for."""
    if not scope.environment.stops:
        return waits_for(scope.deployed, graph)
    before: frozenset[str] = frozenset()
    result = {}
    for wave in waves:
        deployed = scope.deployed.intersection(wave)
        result.update(dict.fromkeys(wave, before))
        # Each component of a wave has waited for the whole wave before.
        before = deployed or before
    return result
