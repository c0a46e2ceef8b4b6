"""What docs/ci-cd.md shows of a plan: tables, the picture, and examples of commands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .environments import is_pattern
from .headers import wave_lines
from .plan import Plan
from .proposal import still_in_answers
from .scope import root


@dataclass(frozen=True)
class CiCdPage:
    """The parts of docs/ci-cd.md that have to be computed."""

    waves: tuple[str, ...]
    """A line for each wave of the deployment: `terraform (after python)`."""
    arrows: tuple[tuple[int, int], ...]
    """The edges of the picture, each as the positions of producer and consumer in the order."""
    handed_files: tuple[tuple[str, str, str, str], ...]
    """(producer, product, consumer, path) for every file that one component hands to another."""
    found: tuple[tuple[str, str], ...]
    """(component, edge or environment; the file in which it was found), without what the answers
    have changed since then."""
    chained: tuple[str, ...]
    """The environments that start after another one."""
    manual_branch: str
    """The branch or tag in the example of how to start the last orchestrator by hand."""


def ci_cd_page(plan: Plan) -> CiCdPage:
    """The page for a plan."""
    edges = plan.answers.dependencies.edges
    after = {
        name: [edge.producer for edge in edges if edge.consumer == name] for name in plan.order
    }
    position = {name: index for index, name in enumerate(plan.order)}
    return CiCdPage(
        waves=wave_lines(plan.waves, after),
        arrows=tuple(sorted((position[edge.producer], position[edge.consumer]) for edge in edges)),
        handed_files=tuple(
            (
                edge.producer,
                placement.product,
                edge.consumer,
                edge.path_of(placement),
            )
            for edge in edges
            for placement in edge.placements
        ),
        found=tuple(
            still_in_answers(
                plan.answers.found,
                {c.name: c.path for c in plan.answers.components},
                {(edge.consumer, edge.producer) for edge in edges},
                [environment.name for environment in plan.environments],
            )
        ),
        chained=tuple(e.name for e in plan.environments if e.trigger == "after"),
        manual_branch=_manual_branch(plan),
    )


def _manual_branch(plan: Plan) -> str:
    last = plan.environments[-1]
    if last.trigger == "tag":
        return "TAG"
    first = root(last, plan.environments)
    literal = first.trigger == "branch" and not is_pattern(first.source)
    return shlex.quote(first.source) if literal else "BRANCH"
