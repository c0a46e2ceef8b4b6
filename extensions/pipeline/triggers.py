"""What starts a workflow, and what else must hold before it deploys."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass

from .components import Component
from .dependencies import Dependencies
from .environments import Environment, is_pattern, title
from .errors import AnswerError
from .graph import Graph, needs, reaches
from .limits import WORKFLOW_RUN_LINKS
from .scope import Scope, chain, scope_of, users_of


@dataclass(frozen=True)
class Triggers:
    """What starts a component's workflow under `observe`."""

    branch: str = ""
    """The branch on whose pushes it starts; empty for none. Globs allowed."""
    tag: str = ""
    """The tag on whose pushes it starts; empty for none. Globs allowed."""
    after: tuple[str, ...] = ()
    """The names of the workflows whose end starts it."""
    guard: tuple[str, ...] = ()
    """The condition under which the end of such a workflow starts it, in lines."""
    dependencies: str = ""
    """JSON: each component that has to be deployed before, with the names of its jobs, of the jobs
    that prove its deployment, and of the components that its chain starts from. Empty for none."""

    @property
    def waits(self) -> bool:
        """Whether a run may find that a dependency is not deployed yet."""
        return bool(self.dependencies)


NOTHING = Triggers()


def guard(events: tuple[str, ...], chained: bool, root: Environment) -> tuple[str, ...]:
    """The condition under which the end of an earlier run starts the next one, in lines.

    `events` are those that start the earlier workflow besides `workflow_run`, which starts it if
    `chained`; `root` is the environment that the chain starts from.

    `workflow_run` fires for every conclusion, for every branch, and for forks. A run that was
    itself started by `workflow_run` counts as one of the default branch (GitHub: "Events that
    trigger workflows"), so its branch says nothing, and its workflow is that of the default branch.
    """
    run = "github.event.workflow_run"
    started = " || ".join(f"{run}.event == '{event}'" for event in events)
    way = f"({started})" if len(events) > 1 else started
    if root.trigger == "branch" and not is_pattern(root.source):
        branch = root.source.replace("'", "''")
        way += f" &&\n{run}.head_branch == '{branch}'"
    if chained:
        default = f"{run}.head_branch == github.event.repository.default_branch"
        way = f"(({way}) ||\n({run}.event == 'workflow_run' &&\n{default}))"
    condition = (
        f"github.event_name == 'workflow_dispatch' ||\n({run}.conclusion == 'success' &&\n"
        f"{run}.head_repository.id == github.event.repository.id &&\n{way})"
    )
    return tuple(condition.split("\n"))


def orchestrator_guard(predecessor: Environment, root: Environment) -> tuple[str, ...]:
    """When the end of an environment's orchestrator starts the next environment."""
    by_push = predecessor.trigger in ("branch", "tag")
    events = ("push", "workflow_dispatch") if by_push else ("workflow_dispatch",)
    return guard(events, predecessor.trigger == "after", root)


def decisive_jobs(component: Component, scope: Scope) -> tuple[str, ...]:
    """The names of the jobs whose success says that a component's own run has done its work.

    None if the run only promotes a package, or does nothing.
    """
    if component.name in scope.deployed:
        return (f"deploy / {component.job('deploy').name}",)
    if component.name in scope.built:
        return (f"build / {check_name(component)}",)
    return ()


def check_name(component: Component) -> str:
    """The name of the job that checks and builds a component."""
    return "Check and build" if "build" in component.commands else "Check"


def workflow_name(component: str, environment: Environment) -> str:
    """The name of a component's workflow, as the Actions tab and `workflow_run` have it."""
    return f"{title(component)} {environment.title}"


def waited_for(components: tuple[Component, ...], graph: Graph, scope: Scope) -> Graph:
    """Each component with those whose deployment it waits for under `observe`."""
    decisive = {component.name: decisive_jobs(component, scope) for component in components}
    return _without_idle(needs(graph, scope.environment.stops), decisive)


def triggers_under_observe(
    components: tuple[Component, ...],
    dependencies: Dependencies,
    environment: Environment,
    environments: tuple[Environment, ...],
) -> dict[str, Triggers]:
    """What starts each component's workflow for an environment under `observe`, by component."""
    graph = dependencies.graph(components)
    scope = scope_of(environment, environments, components, dependencies)
    by_name = {e.name: e for e in environments}
    predecessor = by_name[environment.source] if environment.trigger == "after" else None
    root = by_name[environment.root]
    decisive = {component.name: decisive_jobs(component, scope) for component in components}
    waits = waited_for(components, graph, scope)
    direct = _without_idle(graph, decisive)
    jobs = {c.name: _names_of_jobs(c, scope) for c in components}
    found: dict[str, Triggers] = {}
    for component, needed in waits.items():
        # A component that waits for a and b is started by b alone, if b waits for a.
        last = sorted(n for n in needed if not any(n != o and reaches(waits, o, n) for o in needed))
        if last:
            first = {bool(waits[name]) or bool(predecessor) for name in last}
            events: tuple[str, ...] = ("workflow_dispatch",)
            if False in first and root.trigger in ("branch", "tag"):
                events = ("push", "workflow_dispatch")
            triggers = Triggers(
                after=tuple(workflow_name(name, environment) for name in last),
                guard=guard(events, True in first, root),
                # These have waited for all others. Producers of taken packages are listed, too.
                dependencies=json.dumps(
                    {
                        name: {
                            "jobs": jobs[name],
                            "decisive": decisive[name],
                            "roots": _roots(waits, name),
                        }
                        for name in sorted({*last, *direct[component]})
                    }
                ),
            )
        elif predecessor:
            triggers = Triggers(
                after=(predecessor.orchestrator,), guard=orchestrator_guard(predecessor, root)
            )
        elif environment.trigger == "branch":
            triggers = Triggers(branch=environment.source)
        elif environment.trigger == "tag":
            triggers = Triggers(tag=environment.source)
        else:
            triggers = NOTHING
        found[component] = triggers
    return found


def _names_of_jobs(component: Component, scope: Scope) -> list[str]:
    """The names of the jobs that build, approve or deploy a component in its run."""
    names = []
    if component.name in scope.built:
        names.append(f"build / {check_name(component)}")
    if component.name in scope.deployed:
        if scope.environment.production:
            # A run that waits for its approval has begun, and its deployment is not listed yet.
            names.append("approval")
        names.append(f"deploy / {component.job('deploy').name}")
    return names


def _without_idle(waits: Graph, decisive: Mapping[str, tuple[str, ...]]) -> Graph:
    """The graph in which nothing waits for components without jobs.

    A run without jobs proves nothing: it also succeeds if a dependency is not deployed yet. So a
    component waits for the dependencies of such a component instead.
    """

    def expanded(needed: frozenset[str]) -> frozenset[str]:
        idle = {name for name in needed if not decisive[name]}
        if not idle:
            return needed
        return expanded(frozenset(needed - idle).union(*(waits[name] for name in idle)))

    return {component: expanded(needed) for component, needed in waits.items()}


def _roots(waits: Graph, component: str) -> list[str]:
    """The components that a component waits for, directly or not, and that wait for nothing."""
    return sorted(
        name
        for name, needed in waits.items()
        if not needed and name != component and reaches(waits, component, name)
    )


def check_publishing(
    components: tuple[Component, ...],
    dependencies: Dependencies,
    environments: tuple[Environment, ...],
    orchestration: str,
) -> None:
    """Refuse libraries that could never be published. Raises AnswerError.

    Publishing compares the tag with the package's version. A run that another run started belongs
    to the default branch and does not know the tag.
    """
    publishing = {c.name: c for c in components if c.publishes}
    tagged = [environment for environment in environments if environment.trigger == "tag"]
    for name, component in publishing.items():
        place = f"components.{name}.publish"
        if not tagged:
            raise AnswerError(
                place,
                "no environment starts from a tag, so nothing would ever be published; choose "
                "`branching: release`, or give an environment a `tag`",
            )
        its_own = [e for e in tagged if component.belongs_to(e.name)]
        if not its_own:
            raise AnswerError(
                f"components.{name}.environments",
                "none of them starts from a tag, so it would never be published; add "
                f"{' or '.join(e.name for e in tagged)}, or drop `publish`",
            )
        for environment in its_own if orchestration == "observe" else []:
            if before := triggers_under_observe(
                components, dependencies, environment, environments
            )[name].after:
                raise AnswerError(
                    place,
                    f"under observe it runs when {before[0]} has ended, in a run that no longer "
                    "knows the tag; choose call or dispatch",
                )


def check_tags(
    components: tuple[Component, ...],
    dependencies: Dependencies,
    environments: tuple[Environment, ...],
    orchestration: str,
) -> None:
    """Refuse settings for tags if no build of the component knows a tag.

    Raises AnswerError.
    """
    for component in components:
        users = users_of(component, environments, components, dependencies)
        tagged = [
            environment
            for environment in environments
            if environment.trigger == "tag"
            and any(user in users for user in chain(environment, environments))
        ]
        for name in component.settings:
            if not component.code_type.settings[name].on_tags:
                continue
            place = f"components.{component.name}.{name}"
            if not tagged:
                cause = "none of its environments starts from a tag"
                raise AnswerError(place, f"{cause}; give one a `tag`, or drop this setting")
            for environment in tagged if orchestration == "observe" else []:
                found = triggers_under_observe(components, dependencies, environment, environments)
                if before := found[component.name].after:
                    raise AnswerError(
                        place,
                        f"under observe it runs when {before[0]} has ended, in a run that no "
                        "longer knows the tag; choose call or dispatch",
                    )


def check_chains(
    components: tuple[Component, ...],
    dependencies: Dependencies,
    environments: tuple[Environment, ...],
) -> None:
    """Refuse chains that GitHub would stop without a message. Raises AnswerError."""
    chains = [_longest_chain(components, dependencies, e, environments) for e in environments]
    longest = max(chains, key=len)
    if len(longest) - 1 > WORKFLOW_RUN_LINKS:
        raise AnswerError(
            "orchestration",
            f"under observe {' -> '.join(longest)} are {len(longest) - 1} links, and GitHub starts "
            f"at most {WORKFLOW_RUN_LINKS} workflows after one another; choose call or dispatch",
        )


def _longest_chain(
    components: tuple[Component, ...],
    dependencies: Dependencies,
    environment: Environment,
    environments: tuple[Environment, ...],
) -> list[str]:
    """The names of the workflows that follow one another until the last component is deployed."""
    found = triggers_under_observe(components, dependencies, environment, environments)
    by_workflow = {workflow_name(component, environment): component for component in found}
    by_name = {e.name: e for e in environments}
    before: list[str] = []
    earlier = environment
    while earlier.trigger == "after":
        earlier = by_name[earlier.source]
        before.insert(0, earlier.orchestrator)

    @functools.cache
    def chain(component: str) -> list[str]:
        after = [chain(by_workflow[w]) for w in found[component].after if w in by_workflow]
        return [*max(after, key=len, default=before), workflow_name(component, environment)]

    return max((chain(component) for component in found), key=len)
