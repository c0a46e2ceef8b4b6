"""Under `dispatch`, an orchestrator starts a run for each component and waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .answers import Answers
from .calls import (
    APPROVAL,
    all_before,
    as_object,
    condition,
    digest_in,
    in_this_run,
    is_planned,
)
from .component_workflows import ComponentWorkflow
from .errors import AnswerError
from .graph import Graph
from .limits import EXPRESSION_CHARACTERS, WAITING_JOBS
from .scope import Scope, deployed_before


@dataclass(frozen=True)
class Start:
    """A job that starts a component's workflow as a run of its own, and waits for it."""

    workflow: ComponentWorkflow
    needs: tuple[str, ...]
    packages: tuple[str, ...]
    """JSON in lines: the runs that hold the packages that it takes; empty for none."""
    condition: str
    group: str = ""
    """The concurrency group in which it waits until another such job has ended; empty for none."""

    @property
    def id(self) -> str:
        return self.workflow.id


def plan_starts(
    scope: Scope,
    workflows: Mapping[str, ComponentWorkflow],
    graph: Graph,
    waves: tuple[tuple[str, ...], ...],
    gates: tuple[str, ...],
    answers: Answers,
) -> tuple[Start, ...]:
    """Under `dispatch`, build and deployment of a component are one run.

    A component that is only promoted has no run: the first job promotes it.
    """
    environment = scope.environment
    started = scope.built | scope.deployed
    names = scope.of_jobs(started)
    everything = Scope(environment, scope.components, scope.built, scope.promoted, started)
    before = deployed_before(everything, graph, waves)
    producers = {
        name: [
            e.producer for e in answers.dependencies.edges if e.consumer == name and e.placements
        ]
        for name in names
    }
    needs = all_before(
        {
            f"{name}-{environment.name}": (
                *gates,
                *(
                    f"{n}-{environment.name}"
                    for n in scope.of_jobs(started.intersection((*before[name], *producers[name])))
                ),
            )
            for name in names
        }
    )
    at_once = max(WAITING_JOBS // len(answers.environments), 1)
    starts = []
    for index, name in enumerate(names):
        job = f"{name}-{environment.name}"
        kinds = {"build": scope.built, "deploy": scope.deployed}
        planned = [is_planned(kind, name) for kind, those in kinds.items() if name in those]
        wanted = [f"({' || '.join(planned)})" if len(planned) > 1 else planned[0]]
        if APPROVAL in gates:
            approved = "needs.approval.result == 'success'"
            # If nothing is deployed nobody is asked, and builds start without an approval.
            unasked = "needs.changes.outputs.deploy == '[]'"
            wanted.append(f"({approved} || {unasked})" if name in scope.built else approved)
        start = Start(
            workflow=workflows[name],
            needs=needs[job],
            packages=_packages_of_runs(name, producers[name], scope),
            condition=condition(*wanted),
            group=f"start-{environment.name}-{index % at_once}" if len(names) > at_once else "",
        )
        starts.append(start)
    return tuple(starts)


def _packages_of_runs(consumer: str, producers: list[str], scope: Scope) -> tuple[str, ...]:
    """JSON that says in which run each package lies; Actions fills in the ids.

    0 stands for a run that was not started: the plan then names another run. Raises AnswerError
    where the text is too long for GitHub.
    """
    environment = scope.environment.name
    digest = digest_in(scope)
    members = [
        in_this_run(p, digest(p))
        if p in scope.promoted
        else f'"{p}": {{"run": ${{{{ needs.{p}-{environment}.outputs.run-id || 0 }}}}}}'
        for p in producers
    ]
    length = sum(len(member) + 2 for member in members)
    if length > EXPRESSION_CHARACTERS:
        raise AnswerError(
            f"dependency_map.{consumer}",
            f"the runs of {len(members)} packages need {length} characters, and GitHub "
            f"reads at most {EXPRESSION_CHARACTERS}; take fewer (`artifacts: []`), or choose call",
        )
    return as_object(members) if members else ()
