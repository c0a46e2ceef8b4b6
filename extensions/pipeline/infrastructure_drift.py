"""`infrastructure-drift.yml`: plans again, on a schedule, what was deployed last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answers import Answers
from .calls import Value, as_object, environment_call, refs
from .component_plans import ComponentPlan
from .environments import Environment
from .names import CRON
from .scope import deploys_to
from .steps import Call

FILE = "infrastructure-drift.yml"


@dataclass(frozen=True)
class Deployed:
    """The job that finds out what is deployed to an environment."""

    environment: str
    refs: str
    components: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"deployed-{self.environment}"


@dataclass(frozen=True)
class InfrastructureDrift:
    """`infrastructure-drift.yml`."""

    cron: str
    timezone: str
    """Empty for UTC."""
    deployed: tuple[Deployed, ...]
    plans: tuple[Call, ...]
    runner: Any

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of all jobs before the one that reports."""
        return (*(each.id for each in self.deployed), *(call.id for call in self.plans))

    @property
    def components(self) -> str:
        """JSON: the environments of each component."""
        found: dict[str, list[str]] = {}
        for each in self.deployed:
            for name in each.components:
                found.setdefault(name, []).append(each.environment)
        return json.dumps(found)


def infrastructure_drift(
    plans: Mapping[str, ComponentPlan], answers: Answers
) -> InfrastructureDrift | None:
    """The workflow; None if the answers do not ask for it."""
    schedule = answers.infrastructure_drift.split()
    if not schedule:
        return None
    deployed, calls = [], []
    for environment in answers.environments:
        here = [n for n, plan in plans.items() if deploys_to(plan.component, environment)]
        if not here:
            continue
        job = Deployed(environment.name, refs(environment, answers), tuple(here))
        deployed.append(job)
        calls += [_call(plans[name], job.id, environment, answers) for name in here]
    return InfrastructureDrift(
        cron=" ".join(schedule[: len(CRON)]),
        timezone="".join(schedule[len(CRON) :]),
        deployed=tuple(deployed),
        plans=tuple(calls),
        runner=answers.runner,
    )


def _call(plan: ComponentPlan, job: str, environment: Environment, answers: Answers) -> Call:
    """The plan of what is deployed, with the packages of that deployment."""
    name = plan.component.name
    deployed = f"fromJSON(needs.{job}.outputs.deployed)['{name}']"
    members = [f'"{p.producer}": {{"run": 0, "digest": ""}}' for p in plan.packages]
    inputs: dict[str, Value | tuple[str, ...]] = {
        "plan": f"${{{{ toJSON({deployed}.plan) }}}}",
        "packages": as_object(members),
        "digest": "",  # the plan names its package, too
    }
    return environment_call(
        plan,
        environment,
        answers,
        inputs,
        (job,),
        f"{name}-{environment.name}-plan",
        f"!cancelled() && needs.{job}.result == 'success' && {deployed}.commit",
        commit=f"${{{{ {deployed}.commit }}}}",
    )
