"""`{component}-plan.yml`: shows what a deployment of one component would change, and only reads.

A component has it with `plan: true`. The module `plan.py` is something else: all that is generated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from .answers import Answers
from .components import Component
from .deployments import DeployWorkflow, in_a_deployment, plan_command
from .environments import Environment, is_pattern, title
from .graph import Graph, reaches
from .scope import chain, deploys_to
from .steps import (
    READ_CONTENTS,
    READ_PACKAGES,
    Call,
    EnvironmentWorkflow,
    Input,
    cloud_login,
    named_secrets,
    set_up_steps,
)

PLAN_JOB = "plan"
"""The id of the job in a component's workflow that shows its plan."""

SPECIAL = r".\?|[*+\[]"
"""The beginning of the special part of a branch pattern: `?` applies to the character before."""

TIMEOUT_MINUTES = 30
"""How long a plan may take if its component says nothing."""


def plan_environment(environment: str) -> str:
    """The GitHub Environment with the identity that may only read."""
    return f"{environment}-plan"


@dataclass(frozen=True, kw_only=True)
class ComponentPlan(EnvironmentWorkflow):
    """`{component}-plan.yml`."""

    upstream: tuple[str, ...]
    """The components before it: what they change is not in its plan until they are deployed."""

    @property
    def file(self) -> str:
        return f"{self.component.name}-plan.yml"

    @property
    def name(self) -> str:
        return f"{title(self.component.name)} Plan"

    @property
    def this_run(self) -> str:
        """JSON: the run that holds its own package, and the digest that its build reported."""
        # Without a digest, the plan of the action what-changed names it.
        run, digest = "${{ inputs.digest && github.run_id || 0 }}", "${{ inputs.digest }}"
        return f'{{"{self.component.name}": {{"run": {run}, "digest": "{digest}"}}}}'

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why it gets each of its permissions, for a comment beside it."""
        return {
            "actions": "finds and downloads packages",
            "id-token": "logs in by OIDC, as an identity that may only read",
        }


def component_plan(deploy: DeployWorkflow, graph: Graph, answers: Answers) -> ComponentPlan:
    """The plan of a component that is deployed."""
    component = deploy.component
    defaults = component.code_type.plan
    assert defaults
    login = cloud_login(defaults, component, answers)
    handed = component.secrets if defaults.secrets else ()
    command = plan_command(component, answers)
    reads = READ_PACKAGES if deploy.own or deploy.packages else READ_CONTENTS
    tools = set_up_steps(component, (defaults,), component.path_in("${{ inputs.environment }}"))
    return ComponentPlan(
        component=component,
        inputs=_inputs(deploy, answers),
        tools=tuple(in_a_deployment(tool) for tool in tools),
        own=deploy.own,
        packages=deploy.packages,
        command=replace(command, variables={**command.variables, "READ_ONLY": "true"}),
        login=login.steps,
        cloud=login.cloud,
        permissions=dict(sorted({**reads, **login.permissions}.items())),
        variables=deploy.variables,
        secrets=tuple(dict.fromkeys((*handed, *named_secrets(list(login.steps))))),
        runner=component.runner or answers.runner,
        timeout_minutes=component.timeout_minutes or TIMEOUT_MINUTES,
        leaves_out=deploy.leaves_out,
        upstream=tuple(
            n for n in sorted(graph) if n != component.name and reaches(graph, component.name, n)
        ),
    )


def _inputs(deploy: DeployWorkflow, answers: Answers) -> tuple[Input, ...]:
    inputs = [
        Input("commit", "string", "Commit to plan, as a full SHA"),
        Input("environment", "string", "Environment that it would be deployed to"),
        Input("refs", "string", "Branches or tags to deploy from, as a regular expression", ""),
    ]
    if answers.plans:
        inputs.append(Input("plan", "string", "What the action what-changed has decided", ""))
    inputs.append(Input("deployed", "string", "JSON: the components that the same run deploys", ""))
    if deploy.own:
        inputs.append(Input("digest", "string", "The digest of its own package in this run"))
    if deploy.packages:
        inputs.append(
            Input("packages", "string", "Which packages to take: see the action take-package")
        )
    if deploy.own or deploy.packages:
        what = "Environments to take packages of; empty: environment"
        inputs.append(Input("environments", "string", what, ""))
    return tuple(inputs)


def pull_request_plans(component: Component, answers: Answers) -> list[tuple[Environment, str]]:
    """The environments for which a pull request shows a plan, each with the condition.

    It is the last environment of each chain to which the component is deployed; there are several
    if several environments come after the same one. A chain that starts on a tag or by hand counts
    as a chain of the default branch. A pattern of branches is compared up to its first special
    character. A fork gets no credentials; neither does Dependabot.
    """
    found = []
    for first in answers.environments:
        if first.trigger == "after":
            continue
        deployed = [e for e in chain(first, answers.environments) if deploys_to(component, e)]
        for environment in deployed:
            later = chain(environment, deployed)
            if later == [environment]:
                found.append((environment, " && ".join((*TRUSTED, _merges_into(first)))))
    return found


TRUSTED = (
    "github.event.pull_request.head.repo.id == github.event.repository.id",
    "github.event.pull_request.user.login != 'dependabot[bot]'",
)
"""The conditions under which a pull request gets an identity. A merge group has no pull request."""


def _merges_into(first: Environment) -> str:
    """The condition under which a pull request leads to the chain of an environment."""
    if first.trigger != "branch":
        return "github.base_ref == github.event.repository.default_branch"
    branch = first.source.replace("'", "''")
    if not is_pattern(first.source):
        return f"github.base_ref == '{branch}'"
    return f"startsWith(github.base_ref, '{re.split(SPECIAL, branch)[0]}')"


class Shows(Protocol):
    """A workflow that may call plans."""

    @property
    def plans(self) -> tuple[Call, ...]: ...


def planned_for(workflows: Iterable[Shows]) -> frozenset[str]:
    """The environments for which workflows show a plan."""
    return frozenset(str(call.inputs["environment"]) for w in workflows for call in w.plans)
