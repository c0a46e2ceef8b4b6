"""`{component}-{env}.yml`: one component for one environment, started by hand or by itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .answers import Answers
from .builds import BuildWorkflow
from .calls import (
    APPROVAL,
    CHANGES,
    COMMIT,
    DEPLOY,
    PLAN,
    Approval,
    Changes,
    Promotion,
    Value,
    approval_group,
    asks_once,
    build_call,
    environment_call,
    job_condition,
    needs_a_person,
    package_environments,
    refs,
)
from .component_plans import PLAN_JOB, ComponentPlan
from .components import Component
from .deployments import DeployWorkflow
from .environments import Environment
from .headers import what_it_does, what_starts_it
from .scope import Scope, built_per_environment, root
from .steps import Call
from .triggers import Triggers, workflow_name

BUILD_JOB = "build"
"""The id of the job that calls its build."""

ASKED_BEFORE = "(inputs.orchestrator != '' || needs.approval.result == 'success')"
"""If the orchestrator was approved, nobody is asked again: the deployment checks that run."""


@dataclass(frozen=True)
class ComponentWorkflow:
    """`{component}-{env}.yml`."""

    component: Component
    environment: Environment
    orchestration: str
    changes: Changes | None
    """None if the deployment alone checks the commit."""
    approval: Approval | None
    calls: tuple[Call, ...]
    """The build and the deployment, as far as there are any."""
    takes_packages: bool
    """Whether it takes packages of other components."""
    run_name: tuple[str, ...]
    """The title of its runs, line by line: `Deploy COMMIT to ENVIRONMENT` and more."""
    triggers: Triggers
    """What starts it besides a person and an orchestrator."""

    @property
    def id(self) -> str:
        return f"{self.component.name}-{self.environment.name}"

    @property
    def file(self) -> str:
        return f"{self.id}.yml"

    @property
    def name(self) -> str:
        return workflow_name(self.component.name, self.environment)

    @property
    def jobs(self) -> tuple[str, ...]:
        """The ids of its jobs."""
        first = (CHANGES,) if self.changes else ()
        approval = (APPROVAL,) if self.approval else ()
        return (*first, *approval, *(call.id for call in self.calls))

    @property
    def is_started(self) -> bool:
        """Whether an orchestrator starts it. A component that is only promoted needs no run."""
        return self.orchestration == "dispatch" and bool(self.calls)

    @property
    def deploys(self) -> bool:
        return any(call.id == "deploy" for call in self.calls)

    @property
    def plans(self) -> tuple[Call, ...]:
        """What its deployment would change, shown before it is approved."""
        return tuple(call for call in self.calls if call.id == PLAN_JOB)

    @property
    def what(self) -> str:
        """What it does, as its header says."""
        promotes = bool(self.changes and self.changes.promotions)
        return what_it_does(
            self.component, self.environment, self.deploys, promotes, builds=bool(self.calls)
        )

    @property
    def started(self) -> str:
        """What starts it, as its header says."""
        return what_starts_it(self.triggers, self.environment, self.is_started)


@dataclass(frozen=True)
class _Run:
    """What a component does in one environment. The jobs of its workflow follow from it."""

    component: Component
    scope: Scope
    triggers: Triggers
    answers: Answers
    build: BuildWorkflow | None
    """None if it is not built here."""
    deploy: DeployWorkflow | None
    """None if it is not deployed here."""
    plan: ComponentPlan | None
    """What is shown before the deployment is approved; None for nothing."""

    @property
    def environment(self) -> Environment:
        return self.scope.environment

    @property
    def refs(self) -> str:
        return refs(self.environment, self.answers)

    @property
    def promotes(self) -> bool:
        return self.component.name in self.scope.promoted

    @property
    def producers(self) -> tuple[str, ...]:
        """The components whose packages it takes."""
        name = self.component.name
        edges = self.answers.dependencies.edges
        return tuple(e.producer for e in edges if e.consumer == name and e.placements)

    @property
    def is_dispatched(self) -> bool:
        """Whether an orchestrator may start it, with a plan of what it builds and deploys."""
        return self.answers.orchestration == "dispatch"

    @property
    def follows_plan(self) -> bool:
        """Whether that plan says if its jobs run."""
        return self.is_dispatched and bool(self.build or self.deploy)

    @property
    def finds_dependencies(self) -> bool:
        """Whether its first job finds out if what it depends on is deployed."""
        return self.answers.orchestration == "observe" and self.triggers.waits

    @property
    def ready(self) -> str:
        """The condition that the first job sets for the jobs after it; empty for none."""
        if self.finds_dependencies:
            return "needs.changes.outputs.ready == 'true'"
        return DEPLOY if self.triggers.guard else ""

    @property
    def knows_roll_back(self) -> bool:
        """Whether its build may be told that an older commit is deployed again.

        With `call`, a person starts the orchestrator for that, and not this workflow.
        """
        scans = self.build is not None and "roll-back" in self.build.reads
        return scans and self.answers.orchestration != "call"

    @property
    def first(self) -> tuple[str, ...]:
        """The first job, which checks the commit; empty if the deployment does it by itself."""
        only_deploys = self.deploy and not (self.build or self.plan or self.promotes)
        if only_deploys and not (self.is_dispatched or self.ready):
            return ()
        return (CHANGES,)

    @property
    def built(self) -> tuple[str, ...]:
        """The jobs up to its build."""
        return (*self.first, BUILD_JOB) if self.build else self.first

    @property
    def shown(self) -> tuple[str, ...]:
        """The jobs up to its plan."""
        return (*self.built, PLAN_JOB) if self.plan else self.built


def component_workflow(
    build: BuildWorkflow | None,
    deploy: DeployWorkflow | None,
    plan: ComponentPlan | None,
    component: Component,
    scope: Scope,
    triggers: Triggers,
    answers: Answers,
) -> ComponentWorkflow:
    """The workflow of a component for one environment."""
    deployed = component.name in scope.deployed
    run = _Run(
        component=component,
        scope=scope,
        triggers=triggers,
        answers=answers,
        build=build if component.name in scope.built else None,
        deploy=deploy if deployed else None,
        plan=plan if deployed and needs_a_person(scope.environment, answers) else None,
    )
    approval = _approval(run) if run.deploy else None
    calls: list[Call] = []
    if run.build:
        calls.append(_build_call(run, run.build))
    if run.plan:
        calls.append(_plan_call(run, run.plan))
    if run.deploy:
        calls.append(_deploy_call(run, run.deploy, approval))
    return ComponentWorkflow(
        component=component,
        environment=scope.environment,
        orchestration=answers.orchestration,
        changes=_changes(run) if run.first else None,
        approval=approval,
        calls=tuple(calls),
        takes_packages=bool(run.producers),
        run_name=_run_name(
            component.name,
            scope.environment,
            triggers,
            answers.orchestration,
            is_started=run.is_dispatched and bool(calls),
        ),
        triggers=triggers,
    )


def _changes(run: _Run) -> Changes:
    """Its first job."""
    name, environment = run.component.name, run.environment
    promotion = Promotion(
        name, package_environments(environment), "same-commit", environment.retention_days
    )
    return Changes(
        refs=run.refs,
        guard=run.triggers.guard,
        promotions=(promotion,) if run.promotes else (),
        dependencies=run.triggers.dependencies if run.finds_dependencies else "",
        producers=run.producers if run.finds_dependencies else (),
        environment=environment.name,
        tells_deploy=run.ready == DEPLOY,
        tells_roll_back=run.knows_roll_back,
        tells_build=run.build is not None,
        reads_plan=name if run.follows_plan else "",
    )


def _packages(run: _Run) -> dict[str, Value | tuple[str, ...]]:
    """The inputs that say which packages its jobs take."""
    packages = "${{ inputs.packages }}"
    if run.finds_dependencies:
        packages = "${{ needs.changes.outputs.packages }}"
    elif run.answers.orchestration == "observe":
        packages = "${{ inputs.packages || 'same-commit' }}"
    inputs: dict[str, Value | tuple[str, ...]] = {"packages": packages, "refs": run.refs}
    if run.follows_plan:
        inputs["plan"] = PLAN
    return inputs


def _build_call(run: _Run, build: BuildWorkflow) -> Call:
    """The job that calls its build."""
    call = build_call(build, run.environment, run.answers, _packages(run), (CHANGES,), BUILD_JOB)
    inputs = dict(call.inputs)
    if not run.knows_roll_back:
        inputs.pop("roll-back", None)
    when = job_condition("build", run.component.name) if run.follows_plan else run.ready
    return dataclasses.replace(call, inputs=inputs, condition=when)


def _inputs_to_deploy(run: _Run) -> dict[str, Value | tuple[str, ...]]:
    """The inputs of its plan and of its deployment."""
    name = run.component.name
    inputs = _packages(run)
    inputs["digest"] = "${{ needs.build.outputs.digest }}"
    if run.promotes:
        inputs["digest"] = f"${{{{ needs.changes.outputs.{name}-digest }}}}"
        if run.is_dispatched:
            inputs["run"] = "${{ inputs.orchestrator }}"
    again = built_per_environment(run.answers.components, run.answers.dependencies)
    environments = package_environments(run.environment)
    # A package that was built for one environment is of no use in another.
    if environments != run.environment.name and not again.intersection(run.producers):
        inputs["environments"] = environments
    return inputs


def _plan_call(run: _Run, plan: ComponentPlan) -> Call:
    """The job that shows what its deployment would change."""
    when = ""
    if run.follows_plan:
        when = job_condition("deploy", run.component.name)
    elif not run.build:  # else the build, which comes before it, has the condition
        when = run.ready
    inputs = _inputs_to_deploy(run)
    return environment_call(plan, run.environment, run.answers, inputs, run.built, PLAN_JOB, when)


def _deploy_call(run: _Run, deploy: DeployWorkflow, approval: Approval | None) -> Call:
    """The job that calls its deployment."""
    inputs, needs = _inputs_to_deploy(run), run.shown
    if run.plan:
        inputs["changes"] = f"${{{{ needs.{PLAN_JOB}.outputs.changes || 'none' }}}}"
    if approval:
        inputs["approved"] = _approved(run.answers)
        needs = (*needs, APPROVAL)
    when = ""
    if run.follows_plan:
        asked = (ASKED_BEFORE,) if approval else ()
        when = job_condition("deploy", run.component.name, *asked)
    elif not run.build:
        when = run.ready
    commit = COMMIT if run.first else "${{ inputs.commit || github.sha }}"
    return environment_call(
        deploy, run.environment, run.answers, inputs, needs, "deploy", when, commit
    )


def _approval(run: _Run) -> Approval | None:
    """The job that waits for a person; None if nobody is asked, or each deployment asks."""
    environment, environments = run.environment, run.answers.environments
    if not asks_once(environment, run.answers):
        return None
    by_events = run.answers.orchestration == "observe" and environment.trigger != "manual"
    replaces = by_events and root(environment, environments).trigger == "branch"
    # If its orchestrator was approved, nobody is asked again.
    asked_before = "inputs.orchestrator == ''" if run.is_dispatched else ""
    return Approval(
        environment=f"{environment.name}-approval",
        # Runs that a person or a tag has started do not cancel each other.
        group=approval_group(f"{run.component.name}-{environment.name}") if replaces else "",
        needs=run.shown if run.plan else run.first,
        condition=asked_before or run.ready,
        refs=run.refs if by_events else "",
    )


def _approved(answers: Answers) -> str:
    """The expression that says who approved the deployment. It reads nothing that is typed."""
    own = "needs.approval.outputs.attempt"
    if answers.orchestration != "dispatch":
        return f"${{{{ {own} || 'never' }}}}"
    # The deployment looks at that run itself, and does not trust this input.
    of_orchestrator = "inputs.orchestrator && format('run {0}', inputs.orchestrator)"
    return f"${{{{ {own} || {of_orchestrator} || 'never' }}}}"


def _run_name(
    component: str,
    environment: Environment,
    triggers: Triggers,
    orchestration: str,
    is_started: bool,
) -> tuple[str, ...]:
    """The title of a workflow's runs, in lines.

    It starts with the commit and the environment, because nothing else in the API's answer about
    a run says what it deploys: docs/decisions/0002.
    """
    commit, where = "inputs.commit || github.sha", environment.name
    deploys = f"Deploy ${{{{ {commit} }}}} to {where}"
    if is_started:
        # The orchestrator finds the run by this title if GitHub's answer did not name the run.
        return (
            f"{deploys}, {component} ${{{{ inputs.orchestrator == '' && 'alone'",
            "|| format('of run {0}, attempt {1}', inputs.orchestrator, inputs.attempt) }}",
        )
    if orchestration != "observe":
        return (f"{deploys}, {component} alone",)
    if not triggers.after:
        return (f"{deploys} - {component}",)
    then = f"then {component}" if triggers.waits else f"then {where} - {component}"
    return (
        "${{ github.event_name == 'workflow_run'",
        f"&& format('{{0}}, {then}', github.event.workflow_run.display_title)",
        f"|| format('Deploy {{0}} to {where} - {component}', {commit}) }}}}",
    )
