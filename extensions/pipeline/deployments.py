"""`{component}-deploy.yml`: deploys one component to the environment in its inputs, in one job."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .answers import Answers
from .components import Component
from .environments import title
from .scope import deploys_to
from .steps import (
    ENVIRONMENTS,
    READ_PACKAGES,
    Command,
    EnvironmentWorkflow,
    Input,
    Tool,
    cloud_login,
    default_variables,
    folders_left_out,
    named_secrets,
    own_package,
    own_variables,
    package_variables,
    secret_variables,
    set_up_steps,
    setting_variables,
    step_variables,
    taken_packages,
)

TIMEOUT_MINUTES = 60
"""How long a deployment may take where its component says nothing."""


@dataclass(frozen=True, kw_only=True)
class DeployWorkflow(EnvironmentWorkflow):
    """`{component}-deploy.yml`."""

    plan: Command | None
    """The step before the command that plans again, for the comparison; None without a plan."""
    identity: bool
    """Whether a package index trusts it by OIDC."""
    planned: bool
    """Whether an orchestrator's plan says what is deployed."""
    started: bool
    """Whether an orchestrator starts the run; the component's package may be in its run."""

    @property
    def file(self) -> str:
        return f"{self.component.name}-deploy.yml"

    @property
    def name(self) -> str:
        return f"{title(self.component.name)} Deploy"

    @property
    def job_name(self) -> str:
        """The name of its job. The key in it stands for the content that was deployed."""
        if not self.planned:
            return self.command.name
        key = f"fromJSON(inputs.plan).deployKeys['{self.component.name}']"
        return f"{self.command.name} ${{{{ inputs.plan && {key} || 'by hand' }}}}"

    @property
    def asks(self) -> bool:
        """Whether it may have to be approved."""
        return "approved" in self.reads

    @property
    def this_run(self) -> str:
        """JSON: the run that holds its own package, and the digest that its build reported."""
        run = "${{ inputs.run || github.run_id }}" if self.started else "${{ github.run_id }}"
        digest = "${{ inputs.digest }}"
        return f'{{"{self.component.name}": {{"run": {run}, "digest": "{digest}"}}}}'

    @property
    def verb(self) -> str:
        return "publishes" if self.component.publishes else "deploys"

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why it gets each of its permissions, for a comment beside it."""
        by_oidc = []
        if self.cloud:
            by_oidc.append("logs in")
        if self.identity:
            by_oidc.append("publishes")
        return {
            "actions": "finds and downloads packages",
            "id-token": f"{' and '.join(by_oidc) or 'deploys'} by OIDC",
            "packages": "publishes there",
            "pages": "deploys to GitHub Pages",
        }


def deploy_workflow(component: Component, answers: Answers) -> DeployWorkflow | None:
    """The workflow that deploys a component; None if it deploys nothing."""
    environments = [e for e in answers.environments if deploys_to(component, e)]
    if not environments:
        return None
    defaults = component.job("deploy")
    edges = [e for e in answers.dependencies.edges if e.consumer == component.name]
    here = "${{ inputs.environment }}"
    packages = taken_packages(edges, [here])
    own = own_package(component) if component.produces else None
    login = cloud_login(defaults, component, answers)
    handed = component.secrets if defaults.secrets else ()
    secrets = tuple(dict.fromkeys((*handed, *named_secrets(list(login.steps)))))
    permissions = {**READ_PACKAGES, **login.permissions}
    if defaults.identity:
        permissions["id-token"] = "write"
    plan = plan_command(component, answers) if component.plan else None
    planned = (component.code_type.plan,) if component.plan and component.code_type.plan else ()
    job_tools = set_up_steps(component, (defaults, *planned), component.path_in(here))
    command = component.commands["deploy"]
    if plan and component.code_type.apply:
        command = component.code_type.apply
    text = f"{plan.text}\n{command}" if plan else command
    variables = {"ENVIRONMENT": "${{ inputs.environment }}", "COMMIT": "${{ inputs.commit }}"}
    if answers.plans:
        variables["PLAN"] = "${{ inputs.plan }}"
    job_tools = tuple(in_a_deployment(tool) for tool in job_tools)
    if component.by_environment or ENVIRONMENTS.search(text):
        variables["ENVIRONMENTS"] = "${{ inputs.environment }}"
    return DeployWorkflow(
        component=component,
        inputs=_inputs(bool(own), bool(packages), bool(plan), answers),
        tools=job_tools,
        own=own,
        packages=packages,
        plan=plan,
        command=Command(
            id="deploy",
            name=defaults.name,
            text=command,
            variables={
                **step_variables(
                    default_variables(defaults, component, answers), component, answers
                ),
                **step_variables(login.variables, component, answers),
                **secret_variables(component, handed),
            },
        ),
        login=login.steps,
        cloud=login.cloud,
        identity=defaults.identity,
        permissions=dict(sorted(permissions.items())),
        variables={
            **variables,
            **package_variables(packages),
            **_settings(component, answers, text),
            **own_variables(component, answers),
        },
        secrets=secrets,
        runner=component.runner or answers.runner,
        timeout_minutes=component.timeout_minutes or TIMEOUT_MINUTES,
        planned=answers.plans,
        started=answers.orchestration == "dispatch",
        leaves_out=folders_left_out(component, answers),
    )


def _settings(component: Component, answers: Answers, text: str) -> dict[str, str]:
    """The variables of settings that a deployment reads."""
    variables = setting_variables(component, answers)
    return {k: v for k, v in variables.items() if re.search(rf"\b{k}\b", text)}


def in_a_deployment(tool: Tool) -> Tool:
    """The tool for one environment alone, without a cache."""
    inputs = {name: value for name, value in tool.inputs.items() if name != "cache"}
    if "environments" in inputs:
        inputs["environments"] = "${{ inputs.environment }}"
    if "job" in inputs:
        inputs["job"] = "deploy"
    return dataclasses.replace(tool, inputs=inputs)


def asks_for_approval(answers: Answers) -> bool:
    """Whether a production has a job that asks for its approval."""
    return answers.approval == "once" and any(e.production for e in answers.environments)


def plan_command(component: Component, answers: Answers) -> Command:
    """The step that shows what the deployment of a component would change."""
    defaults = component.code_type.plan
    assert defaults
    login = cloud_login(defaults, component, answers)
    handed = component.secrets if defaults.secrets else ()
    return Command(
        id="plan",
        name="Plan",
        text=defaults.command,
        variables={
            **step_variables(default_variables(defaults, component, answers), component, answers),
            **step_variables(login.variables, component, answers),
            **secret_variables(component, handed),
            "CHANGES": "${{ runner.temp }}/changes",
            "CHANGES_TEXT": "${{ runner.temp }}/changes.txt",
        },
    )


def _inputs(own: bool, packages: bool, plan: bool, answers: Answers) -> tuple[Input, ...]:
    inputs = [
        Input("commit", "string", "Commit to deploy, as a full SHA"),
        Input("environment", "string", "Environment to deploy to"),
        Input("refs", "string", "Branches or tags to deploy from, as a regular expression"),
    ]
    if answers.plans:
        inputs.append(Input("plan", "string", "What the action what-changed has decided", ""))
    if own:
        inputs.append(Input("digest", "string", "The digest of its own package in this run"))
        if answers.orchestration == "dispatch":
            inputs.append(Input("run", "string", "The run that holds it; empty: this one", ""))
    if packages:
        inputs += [
            Input("packages", "string", "Which packages to take: see the action take-package"),
            Input(
                "environments", "string", "Environments to take packages of; empty: environment", ""
            ),
        ]
    if plan:
        inputs.append(Input("changes", "string", "The digest of the changes that were shown", ""))
    if asks_for_approval(answers):
        inputs.append(
            Input("approved", "string", "What was approved: see the action may-deploy", "")
        )
    return tuple(inputs)
