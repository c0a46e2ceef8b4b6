"""How orchestrators, component workflows and pull requests call builds and deployments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .answers import Answers
from .builds import (
    BuildWorkflow,
    built_for,
    built_in_pull_requests_for,
)
from .environments import PULL_REQUEST, Environment, filter_to_regex
from .scope import Scope, built_per_environment, root
from .steps import Call, EnvironmentWorkflow

CHANGES = "changes"
"""The id of the first job of every pipeline."""

DEPLOY = "needs.changes.outputs.deploy == 'true'"
"""The condition under which nothing newer has made a run too old to deploy."""

APPROVAL = "approval"
"""The id, and the name, of the job that waits for a person."""

COMMIT = "${{ needs.changes.outputs.commit }}"
"""The commit, checked by the first job."""

ROLL_BACK = "${{ needs.changes.outputs.roll-back }}"

PLAN = "${{ needs.changes.outputs.plan }}"
"""What the first job has decided, as JSON: see the action what-changed."""

RUN = "${{ github.run_id }}"

NOTHING_WRONG = (
    "!contains(needs.*.result, 'failure')",
    "!contains(needs.*.result, 'cancelled')",
)

Value = str | int | bool


@dataclass(frozen=True)
class Promotion:
    """A package that the first job promotes from the environment before."""

    producer: str
    environments: str
    """The environments whose package can be used, separated by spaces; the first one is this."""
    packages: str
    """Where it is looked for: see the action take-package."""
    retention_days: int

    @property
    def id(self) -> str:
        """The id of the step, and the name of the output that holds the digest."""
        return f"{self.producer}-digest"


@dataclass(frozen=True)
class Changes:
    """The job `changes`: it checks the commit, and promotes packages."""

    refs: str
    guard: tuple[str, ...] = ()
    """The condition under which an event starts it, in lines; empty for any event."""
    promotions: tuple[Promotion, ...] = ()
    dependencies: str = ""
    """JSON: what must have been deployed before, under `observe`; empty for nothing."""
    producers: tuple[str, ...] = ()
    """The components whose packages are looked for together with the dependencies."""
    environment: str = ""
    tells_deploy: bool = False
    """Whether it says that a newer run makes this one too old to deploy."""
    tells_roll_back: bool = False
    """Whether it tells builds that an older commit is deployed again."""
    blocks_later_runs: bool = False
    """Whether this run waits for a person, and later runs wait for it."""
    plans: bool = False
    """Whether it decides what is built and deployed."""
    everything: bool = False
    """Whether it decides for everything, whatever has changed."""
    tells_build: bool = False
    """Whether something may be built."""
    keeps_plan: bool = False
    """Whether it stores what it has decided, for the runs that it starts, and tells no plan."""
    reads_plan: str = ""
    """The component whose part of the orchestrator's plan it reads; empty if it reads none."""

    @property
    def tells_only_the_commit(self) -> bool:
        tells = self.tells_deploy or self.tells_roll_back or self.decides
        return not (tells or self.promotions or self.dependencies)

    @property
    def decides(self) -> tuple[str, ...]:
        """The outputs that say what is built and deployed."""
        if not self._knows_plan:
            return ()
        build = ("build",) if self.tells_build else ()
        # The plan of many components is longer than Linux allows in a variable.
        plan = () if self.keeps_plan else ("plan",)
        return (*build, "deploy", *plan)

    @property
    def _knows_plan(self) -> bool:
        return self.plans or bool(self.reads_plan)

    def promotes_if(self, promotion: Promotion) -> str:
        """The condition under which a package is promoted; empty for always."""
        if self.dependencies:
            return "steps.dependencies.outputs.ready == 'true'"
        if self.plans:
            return f"contains(steps.plan.outputs.promote, '\"{promotion.producer}\"')"
        if self.reads_plan:  # an orchestrator has promoted it
            return "inputs.orchestrator == ''"
        return "steps.commit.outputs.deploy == 'true'" if self.tells_deploy else ""

    @property
    def all(self) -> str | bool:
        """Whether everything is built and deployed: always, or an input of the run says so."""
        return self.everything or "${{ inputs.all || false }}"

    @property
    def permissions(self) -> Mapping[str, str]:
        return {"actions": "read", "contents": "read"}

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why it gets each of its permissions, for a comment beside it."""
        return {"actions": "reads runs and packages" if self.promotions else "reads runs"}


@dataclass(frozen=True)
class Approval:
    """The job `approval`: it waits for a person."""

    environment: str
    """The GitHub Environment that has the reviewers."""
    group: str
    """The concurrency group in which a newer run cancels one that waits; empty for none."""
    needs: tuple[str, ...] = (CHANGES,)
    condition: str = ""
    refs: str = ""
    """The environment's branches or tags, as an expression; empty if a person starts it."""


def refs(environment: Environment, answers: Answers) -> str:
    """Which refs may hold what is deployed, as a regular expression over their full names.

    An environment after others deploys the commits of the first environment of its chain.
    """
    first = root(environment, answers.environments)
    if first.trigger == "manual":
        # A person may deploy any branch to an environment that only persons deploy to.
        return "^refs/heads/.*$"
    kind = "tags" if first.trigger == "tag" else "heads"
    return f"^refs/{kind}/{filter_to_regex(first.source)[1:]}"


def job_condition(kind: str, component: str, *more: str) -> str:
    """The condition of a component's job: the plan names it, and no job before has failed.

    A job that is left out makes `success()` false for all jobs after it, so the condition names
    the results that it wants of the jobs in `needs`. A job that timed out, or that its group
    cancelled, is `cancelled`. `kind` is `build` or `deploy`.
    """
    return condition(is_planned(kind, component), *more)


def is_planned(kind: str, component: str) -> str:
    """Whether the plan names a component among those that it builds, or deploys."""
    return f"contains(needs.changes.outputs.{kind}, '\"{component}\"')"


def condition(*wanted: str) -> str:
    """A condition: all that is wanted, and no job before has failed."""
    return " && ".join(("!cancelled()", *wanted, *NOTHING_WRONG))


SOMETHING_DEPLOYED = condition("contains(needs.changes.outputs.deploy, '\"')")
"""The condition of the job that asks a person: something is to be deployed."""


def all_before(needs: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Each job with all jobs before it, directly or not: conditions see only the jobs in `needs`.

    `needs` are the direct ones, in an order in which each job comes after those that it names.
    """
    found: dict[str, tuple[str, ...]] = {}
    for job, direct in needs.items():
        before = set(direct).union(*(found.get(need, ()) for need in direct))
        found[job] = tuple(
            [need for need in direct if need not in needs] + [n for n in needs if n in before]
        )
    return found


def packages_of_this_run(producers: list[str], digest: Callable[[str], str]) -> tuple[str, ...]:
    """Where the packages of this run are, for the input `packages`: JSON, in lines."""
    return as_object([in_this_run(producer, digest(producer)) for producer in producers])


def in_this_run(producer: str, digest: str) -> str:
    """The package of a component in this run, as a member of the input `packages`."""
    return f'"{producer}": {{"run": {RUN}, "digest": "{digest}"}}'


def as_object(members: list[str]) -> tuple[str, ...]:
    """Members as a JSON object, in lines."""
    if len(members) < 2:
        return ("{" + "".join(members) + "}",)
    return ("{", *(f"{member}," for member in members[:-1]), members[-1], "}")


def digest_in(scope: Scope) -> Callable[[str], str]:
    """The expression that says the digest of a component's package in an orchestrator's run."""

    def digest(producer: str) -> str:
        if producer in scope.promoted:
            return f"${{{{ needs.changes.outputs.{producer}-digest }}}}"
        return f"${{{{ needs.{producer}-build.outputs.digest }}}}"

    return digest


def build_call(
    build: BuildWorkflow,
    environment: Environment | None,
    answers: Answers,
    inputs: Mapping[str, Value | tuple[str, ...]],
    needs: tuple[str, ...],
    job_id: str,
    commit: str = COMMIT,
) -> Call:
    """A job that calls a build; `environment` is None for a pull request.

    `inputs` are those that only the caller knows: which packages to take.
    """
    component = build.component
    given: dict[str, Value | tuple[str, ...]] = {"commit": commit}
    given["environment"] = environment.name if environment else PULL_REQUEST
    if "environments" in build.reads:
        again = component.name in built_per_environment(answers.components, answers.dependencies)
        names = (
            built_for(component, environment, answers, again)
            if environment
            else built_in_pull_requests_for(component, answers)
        )
        if names != given["environment"]:
            given["environments"] = names
    given.update({name: value for name, value in inputs.items() if name in build.reads})
    permissions = dict(build.permissions)
    reasons = {"actions": "finds and downloads packages"}
    if environment:
        if "retention-days" in build.reads:
            given["retention-days"] = environment.retention_days
        if "push" in build.reads:
            given["push"] = True
            permissions.update(build.pushing)
            reasons |= {"packages": "pushes the image", "id-token": "logs in by OIDC"}
        if "roll-back" in build.reads:
            given["roll-back"] = ROLL_BACK
    return Call(
        id=job_id,
        file=build.file,
        needs=needs,
        permissions=dict(sorted(permissions.items())),
        reasons=reasons,
        inputs=given,
        secrets=build.secrets if environment else component.install_secrets,
    )


def environment_call(
    workflow: EnvironmentWorkflow,
    environment: Environment,
    answers: Answers,
    inputs: Mapping[str, Value | tuple[str, ...]],
    needs: tuple[str, ...],
    job_id: str,
    when: str = "",
    commit: str = COMMIT,
) -> Call:
    """A job that calls a deployment, or a plan of one.

    `inputs` are those that only the caller knows: digest, packages, approval.
    """
    given: dict[str, Value | tuple[str, ...]] = {
        "commit": commit,
        "environment": environment.name,
        "refs": refs(environment, answers),
    }
    given.update({name: value for name, value in inputs.items() if name in workflow.reads})
    return Call(
        id=job_id,
        file=workflow.file,
        needs=needs,
        permissions=workflow.permissions,
        reasons=workflow.reasons,
        inputs=given,
        secrets=workflow.secrets,
        condition=when,
    )


def approval_group(name: str) -> str:
    """The concurrency group in which runs that events have started replace each other."""
    # A re-run may be older than the run that waits, and must not cancel it.
    own = "(github.event_name == 'workflow_dispatch' || github.run_attempt > 1) && github.run_id"
    return f"{name}-approval-${{{{ {own} || 'candidate' }}}}"


def asks_once(environment: Environment, answers: Answers) -> bool:
    """Whether the environment's pipeline has a job that waits for a person."""
    return environment.production and answers.approval == "once"


def needs_a_person(environment: Environment, answers: Answers) -> bool:
    """Whether a person has to approve what is deployed to an environment."""
    return environment.production and answers.approval != "none"


def asks_somebody(environment: Environment, answers: Answers) -> bool:
    """Whether a person has to approve what an orchestrator's run deploys."""
    return needs_a_person(environment, answers) and answers.orchestration != "observe"


def package_environments(environment: Environment) -> str:
    """The environment, the one before it and the first of its chain: see `take-package`."""
    if environment.trigger != "after":
        return environment.name
    return " ".join(dict.fromkeys((environment.name, environment.source, environment.root)))
