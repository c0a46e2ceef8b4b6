"""The English lines at the top of workflows: what they do, what starts them, and the order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from .components import Component
from .environments import Environment
from .triggers import Triggers


def wave_lines(
    waves: Iterable[Iterable[str]],
    after: Mapping[str, Collection[str]],
    package_only: Collection[str] = (),
) -> tuple[str, ...]:
    """A line for each wave: `docker (after python; package only), terraform (after python)`.

    `after` names the components that each one waits for.
    """

    def with_notes(name: str) -> str:
        notes = [f"after {', '.join(sorted(after[name]))}"] if after[name] else []
        if name in package_only:
            notes.append("package only")
        return f"{name} ({'; '.join(notes)})" if notes else name

    return tuple(", ".join(map(with_notes, wave)) for wave in waves)


def what_it_does(
    component: Component, environment: Environment, deploys: bool, promotes: bool, builds: bool
) -> str:
    """What the workflow of a component does for an environment."""
    name, target = component.name, environment.name
    if deploys:
        return f"{'Publishes' if component.publishes else 'Deploys'} {name} to {target}"
    if promotes:
        return f"Promotes {name} for {target}"
    if builds:
        return f"Checks and builds {name} for {target}"
    return f"Checks the commit alone: {name} has nothing to do in {target}"


def what_starts_it(triggers: Triggers, environment: Environment, by_orchestrator: bool) -> str:
    """What starts the workflow of a component."""
    if triggers.branch:
        cause = f"on a push to {triggers.branch}"
    elif triggers.tag:
        cause = f"on a tag {triggers.tag}"
    elif len(triggers.after) > 1:
        cause = f"when {len(triggers.after)} workflows have succeeded"
    elif triggers.after:
        cause = f"when {triggers.after[0]} has succeeded"
    elif by_orchestrator:
        cause = f"from orchestrator-{environment.name}.yml"
    else:
        return "A person starts it."
    return f"It starts {cause}, or by hand."
