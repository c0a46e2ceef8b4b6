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
    environment, name = scope.environment, component.name
    builds = build if name in scope.built else None
    deploys = deploy if name in scope.deployed else None
    environments = package_environments(environment)
    promotions = (
        (Promotion(name, environments, "same-commit", environment.retention_days),)
        if name in scope.promoted
        else ()
    )
    edges = [e for e in answers.dependencies.edges if e.consumer == name and e.placements]
    producers = tuple(edge.producer for edge in edges)
    finds = answers.orchestration == "observe" and triggers.waits
    ready = DEPLOY if triggers.guard else ""
    if finds:
        ready = "needs.changes.outputs.ready == 'true'"
    # A deployment checks the commit itself. Any job before it needs a job that checks it.
    first: tuple[str, ...] = ()
    started = answers.orchestration == "dispatch"
    shows = plan if deploys and needs_a_person(environment, answers) else None
    if builds or promotions or triggers.guard or finds or not deploys or started or shows:
        first = (CHANGES,)
    # With `call`, a person starts the orchestrator to roll back, and not this workflow.
    scans = builds is not None and "roll-back" in builds.reads
    changes = Changes(
        refs=refs(environment, answers),
        guard=triggers.guard,
        promotions=promotions,
        dependencies=triggers.dependencies if finds else "",
        producers=producers if finds else (),
        environment=environment.name,
        tells_deploy=ready == DEPLOY,
        tells_roll_back=scans and answers.orchestration != "call",
        tells_build=builds is not None,
        reads_plan=name if started and (builds or deploys) else "",
    )
    packages: dict[str, Value | tuple[str, ...]] = {
        "packages": (
            "${{ needs.changes.outputs.packages }}"
            if finds
            else "${{ inputs.packages || 'same-commit' }}"
            if answers.orchestration == "observe"
            else "${{ inputs.packages }}"
        ),
        "refs": refs(environment, answers),
    }
    if changes.reads_plan:
        packages["plan"] = PLAN
    calls = []
    if builds:
        call = build_call(builds, environment, answers, packages, (CHANGES,), "build")
        if not changes.tells_roll_back:
            inputs = {k: v for k, v in call.inputs.items() if k != "roll-back"}
            call = dataclasses.replace(call, inputs=inputs)
        when = job_condition("build", name) if changes.reads_plan else ready
        calls.append(dataclasses.replace(call, condition=when))
    built = (*first, *["build"] * bool(builds))
    before = (*built, *[PLAN_JOB] * bool(shows))
    asked_after = before if shows else first
    approval = _approval(component, environment, answers, asked_after, ready) if deploys else None
    if deploys:
        needs = (*before, *[APPROVAL] * bool(approval))
        digest = (
            f"${{{{ needs.changes.outputs.{name}-digest }}}}"
            if promotions
            else "${{ needs.build.outputs.digest }}"
        )
        inputs = {**packages, "digest": digest}
        if started and promotions:
            inputs["run"] = "${{ inputs.orchestrator }}"
        again = built_per_environment(answers.components, answers.dependencies)
        # A package that was built for one environment is of no use in another.
        if environments != environment.name and not again.intersection(producers):
            inputs["environments"] = environments
        if shows:
            # A job after one that is left out has to name the results that it wants.
            when = job_condition("deploy", name) if changes.reads_plan else ready * (not builds)
            calls.append(
                environment_call(shows, environment, answers, inputs, built, PLAN_JOB, when)
            )
            inputs["changes"] = f"${{{{ needs.{PLAN_JOB}.outputs.changes || 'none' }}}}"
        if approval:
            inputs["approved"] = _approved(answers)
        when = ready if not builds else ""
        if changes.reads_plan:
            when = job_condition("deploy", name, *[ASKED_BEFORE] * bool(approval))
        commit = COMMIT if first else "${{ inputs.commit || github.sha }}"
        calls.append(
            environment_call(deploys, environment, answers, inputs, needs, "deploy", when, commit)
        )
    return ComponentWorkflow(
        component=component,
        environment=environment,
        orchestration=answers.orchestration,
        changes=changes if first else None,
        approval=approval,
        calls=tuple(calls),
        takes_packages=bool(producers),
        run_name=_run_name(
            name, environment, triggers, answers.orchestration, started and bool(calls)
        ),
        triggers=triggers,
    )


def _approval(
    component: Component,
    environment: Environment,
    answers: Answers,
    needs: tuple[str, ...],
    ready: str,
) -> Approval | None:
    """The job that waits for a person; None if nobody is asked, or each deployment asks."""
    if not asks_once(environment, answers):
        return None
    by_events = answers.orchestration == "observe" and environment.trigger != "manual"
    replaces = by_events and root(environment, answers.environments).trigger == "branch"
    # If its orchestrator was approved, nobody is asked again.
    asked_before = "inputs.orchestrator == ''" if answers.orchestration == "dispatch" else ""
    return Approval(
        environment=f"{environment.name}-approval",
        # Runs that a person or a tag has started do not cancel each other.
        group=approval_group(f"{component.name}-{environment.name}") if replaces else "",
        needs=needs,
        condition=asked_before or ready,
        refs=refs(environment, answers) if by_events else "",
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
