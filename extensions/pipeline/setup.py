"""What a person has to set up on GitHub before the pipelines can run, for exactly these answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .environments import Environment, is_pattern
from .plan import Plan, orchestrator_file


@dataclass(frozen=True)
class GitHubEnvironment:
    """A GitHub Environment that jobs name."""

    name: str
    reviewed: bool
    """Whether a person should have to approve what is deployed there."""
    refs: tuple[tuple[str, str], ...]
    """(ref, type): the only branches and tags that may deploy there, globs allowed, as
    deployment-branch policies name them; empty where not all can be told."""
    secrets: tuple[str, ...]
    """Secrets that jobs read there."""
    variables: tuple[str, ...]
    """Configuration variables that only jobs with an environment read."""
    clouds: tuple[str, ...]
    """The clouds that jobs log in to there."""
    retries: str = ""
    """The environment whose re-runs use it; empty for one of its own."""
    publishes: bool = False
    """Whether package indexes trust it."""

    @property
    def policies(self) -> tuple[tuple[str, str], ...]:
        """The refs, where only they should get in: what is approved or trusted."""
        return self.refs if self.reviewed or self.clouds or self.publishes else ()

    @property
    def protection(self) -> tuple[str, ...]:
        """The settings that protect it, as members of a JSON object; the shell fills in who."""
        reviewers = '"reviewers": [{"type": "User", "id": $(gh api user --jq .id)}]'
        branches = '{"protected_branches": false, "custom_branch_policies": true}'
        settings = [reviewers] * self.reviewed
        settings += [f'"deployment_branch_policy": {branches}'] * bool(self.policies)
        return tuple(settings)


@dataclass(frozen=True)
class Publisher:
    """What a package index has to be told, so that it trusts a component's job."""

    component: str
    file: str
    """The workflow that holds the job: `job_workflow_ref` in GitHub's token."""
    run_file: str
    """The workflow that the run is of, `workflow_ref`: another one where an orchestrator calls."""
    environments: tuple[str, ...]
    """The environment, and that of re-runs."""
    tag: str


@dataclass(frozen=True)
class SetUp:
    """Everything there is to set up."""

    default_branch: str
    """What the default branch has to be; empty when any will do."""
    environments: tuple[GitHubEnvironment, ...]
    build_secrets: tuple[str, ...]
    """Secrets that jobs read which deploy nothing: those of the repository."""
    variables: tuple[str, ...]
    """Configuration variables of the repository."""
    clouds: tuple[str, ...]
    """The clouds that jobs log in to."""
    checked_branches: str
    """JSON: the branches whose pull requests are checked, as a ruleset names them."""
    prerequisites: tuple[str, ...]
    """What the code types ask for, as Markdown."""
    publishers: tuple[Publisher, ...] = ()
    """What indexes have to be told; without those that publish by a secret."""

    @property
    def needs_secrets(self) -> bool:
        return bool(self.build_secrets) or any(e.secrets for e in self.environments)

    def identities(self, cloud: str) -> list[tuple[str, tuple[str, ...]]]:
        """(name, environments) for each identity of a cloud: re-runs share that of their own."""
        identities: dict[str, list[str]] = {}
        for environment in self.environments:
            if cloud in environment.clouds:
                name = environment.retries or environment.name
                identities.setdefault(name, []).append(environment.name)
        return [(name, tuple(environments)) for name, environments in identities.items()]

    @property
    def needs_variables(self) -> bool:
        return bool(self.variables) or any(e.variables for e in self.environments)


def set_up(plan: Plan) -> SetUp:
    """What has to be set up for the plan."""
    jobs = [(job, workflow.environment) for workflow in plan.workflows for job in workflow.jobs]
    checks = plan.pull_request.jobs if plan.pull_request else ()
    without = [job for job, _ in jobs if not job.environments]
    variables = {name for job in [*without, *checks] for name in job.variables_of_github}
    used = dict.fromkeys(name for job, _ in jobs for name in job.environments)
    environments = []
    for name in sorted(used, key=lambda n: _place(plan, n)):
        there = [(job, environment) for job, environment in jobs if name in job.environments]
        environments.append(
            GitHubEnvironment(
                name=name,
                reviewed=_is_reviewed(plan, name),
                refs=_only_refs(plan, [environment for _, environment in there]),
                secrets=_sorted(s for job, _ in there if job.id == "deploy" for s in job.secrets),
                variables=_sorted(
                    v for job, _ in there for v in job.variables_of_github if v not in variables
                ),
                clouds=_sorted(job.cloud for job, _ in there if job.cloud),
                retries=_retries(plan, name),
                publishes=any(job.identity for job, _ in there),
            )
        )
    return SetUp(
        default_branch=_default_branch(plan),
        environments=tuple(environments),
        build_secrets=_sorted(s for job, _ in jobs if job.id != "deploy" for s in job.secrets),
        variables=tuple(sorted(variables)),
        clouds=_sorted(job.cloud for job, _ in jobs if job.cloud),
        checked_branches=json.dumps(_checked_branches(plan)),
        prerequisites=_prerequisites(plan),
        publishers=tuple(
            Publisher(
                component=workflow.component.name,
                file=workflow.file,
                run_file=(orchestrator_file(workflow.environment) if plan.calls else workflow.file),
                environments=job.environments,
                tag=workflow.environment.source,
            )
            for workflow in plan.workflows
            for job in workflow.jobs
            if job.identity and not job.secrets
        ),
    )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in alphabetical order."""
    return tuple(sorted(set(names)))


def _place(plan: Plan, name: str) -> tuple[int, str]:
    """Environments in their order, each before that of its re-runs; then the registry's."""
    names = [environment.name for environment in plan.environments]
    own = _retries(plan, name) or name
    return (names.index(own) if own in names else len(names), name)


def _retries(plan: Plan, name: str) -> str:
    """The environment whose re-runs use this one."""
    if name not in plan.retried:
        return ""
    return next(e.name for e in plan.environments if e.retry == name)


def _is_reviewed(plan: Plan, name: str) -> bool:
    production = {e.name for e in plan.environments if e.production}
    return name in production or name in plan.retried


def _checked_branches(plan: Plan) -> list[str]:
    """What environments deploy on a push; rulesets know `*` and `**`, and no other pattern."""
    branches = [e.source for e in plan.environments if e.trigger == "branch"]
    known = [branch for branch in branches if not is_pattern(branch.replace("*", ""))]
    return [f"refs/heads/{branch}" for branch in dict.fromkeys(known)] or ["~DEFAULT_BRANCH"]


def _prerequisites(plan: Plan) -> tuple[str, ...]:
    texts: list[str] = []
    for component in plan.answers.components:
        texts += component.code_type.prerequisites
        logs_in = "deploy" in component.commands and not component.publishes
        if logs_in and component.cloud in component.code_type.clouds:
            texts += component.code_type.clouds[component.cloud].prerequisites
    return tuple(dict.fromkeys(texts))


def _root(plan: Plan, environment: Environment) -> Environment:
    return next(e for e in plan.environments if e.name == environment.root)


def _only_branch(plan: Plan, environment: Environment) -> str:
    root = _root(plan, environment)
    literal = root.trigger == "branch" and not is_pattern(root.source)
    return root.source if literal else ""


def _only_refs(plan: Plan, environments: list[Environment]) -> tuple[tuple[str, str], ...]:
    """Which refs may deploy to a GitHub Environment, and their types, for its branch policies.

    What comes after another environment runs on the default branch, and so does, under `observe`,
    what comes after another component. Policies know `*`, and not the other patterns of triggers.
    GitHub: "Deployment branches and tags".
    """
    refs: dict[tuple[str, str], None] = {}
    for environment in environments:
        ref, kind = environment.source, environment.trigger
        if environment.trigger == "after":
            ref, kind = _only_branch(plan, environment), "branch"
        simple = not is_pattern(re.sub(r"(?<!\*)\*(?!\*)", "", ref))
        if kind not in ("branch", "tag") or not ref or not simple:
            return ()
        refs[ref, kind] = None
    if plan.observes and len(plan.waves) > 1:
        default = _default_branch(plan)
        if not default:
            return ()
        refs[default, "branch"] = None
    return tuple(refs)


def _default_branch(plan: Plan) -> str:
    """`workflow_run` runs what lies on the default branch, and counts as a run of that branch.

    So the chain works, and branch rules of its environments hold, only when the default branch is
    the one that the chain starts from. GitHub: "Events that trigger workflows", workflow_run.
    """
    chained = [e for e in plan.environments if e.trigger == "after"]
    if plan.observes and len(plan.waves) > 1:
        chained = chained or [e for e in plan.environments if e.trigger == "branch"]
    # Where several chains want several branches, production's is what matters.
    chained.sort(key=lambda e: not e.production)
    return next((branch for e in chained if (branch := _only_branch(plan, e))), "")
