"""What a person has to set up on GitHub before the pipelines can run, for exactly these answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .environments import Environment, is_pattern
from .plan import Plan


@dataclass(frozen=True)
class GitHubEnvironment:
    """A GitHub Environment that deploy jobs name."""

    name: str
    reviewed: bool
    """Whether a person should have to approve what is deployed there."""
    ref: str
    """The only branch or tag that may deploy there, globs allowed; empty where none can be told."""
    ref_type: str
    """`branch` or `tag`, as a deployment-branch policy names it."""
    secrets: tuple[str, ...]
    """Secrets that commands read there."""


@dataclass(frozen=True)
class SetUp:
    """Everything there is to set up."""

    default_branch: str
    """What the default branch has to be; empty when any will do."""
    environments: tuple[GitHubEnvironment, ...]
    build_secrets: tuple[str, ...]
    """Secrets that jobs without an environment read: those of the repository."""
    variables: tuple[str, ...]
    """Configuration variables that the answers name."""
    prerequisites: tuple[str, ...]
    """What the code types ask for, as Markdown."""

    @property
    def needs_secrets(self) -> bool:
        return bool(self.build_secrets) or any(e.secrets for e in self.environments)


def set_up(plan: Plan) -> SetUp:
    """What has to be set up for the plan."""
    environments: list[GitHubEnvironment] = []
    for environment in plan.environments:
        deploys = [w for w in plan.workflows if w.environment == environment and w.deploys]
        if not deploys:
            continue
        secrets = tuple(sorted({name for w in deploys for name in w.secrets_of("deploy")}))
        ref = _only_ref(plan, environment)
        reviewed = environment.production
        environments.append(GitHubEnvironment(environment.name, reviewed, *ref, secrets))
        if any(job.retry_environment for w in deploys for job in w.jobs):
            environments.append(GitHubEnvironment(environment.retry, True, *ref, secrets))
    return SetUp(
        default_branch=_default_branch(plan),
        environments=tuple(environments),
        build_secrets=tuple(
            sorted({name for w in plan.workflows for name in w.secrets_of("build")})
        ),
        variables=_variables(plan),
        prerequisites=tuple(
            dict.fromkeys(
                text
                for component in plan.answers.components
                for text in component.code_type.prerequisites
            )
        ),
    )


def _root(plan: Plan, environment: Environment) -> Environment:
    return next(e for e in plan.environments if e.name == environment.root)


def _only_branch(plan: Plan, environment: Environment) -> str:
    root = _root(plan, environment)
    literal = root.trigger == "branch" and not is_pattern(root.source)
    return root.source if literal else ""


def _only_ref(plan: Plan, environment: Environment) -> tuple[str, str]:
    """Which refs may deploy to an environment, and their type, for its deployment-branch policy.

    What comes after another environment runs on the default branch. Policies know `*`, and not
    the other patterns of triggers. GitHub: "Deployment branches and tags".
    """
    if environment.trigger == "after":
        return _only_branch(plan, environment), "branch"
    simple = not is_pattern(re.sub(r"(?<!\*)\*(?!\*)", "", environment.source))
    known = environment.trigger in ("branch", "tag") and simple
    return (environment.source, environment.trigger) if known else ("", "branch")


def _default_branch(plan: Plan) -> str:
    """`workflow_run` runs what lies on the default branch, and counts as a run of that branch.

    So the chain works, and branch rules of its environments hold, only when the default branch is
    the one that the chain starts from. GitHub: "Events that trigger workflows", workflow_run.
    """
    chained = [e for e in plan.environments if e.trigger == "after"]
    # Where several chains want several branches, production's is what matters.
    chained.sort(key=lambda e: not e.production)
    return next((branch for e in chained if (branch := _only_branch(plan, e))), "")


def _variables(plan: Plan) -> tuple[str, ...]:
    values = [value for e in plan.environments for value in e.env.values()]
    values += [value for c in plan.answers.components for value in c.env.values()]
    found = {name for value in values for name in re.findall(r"\$\{\{ *vars\.(\w+)", value)}
    return tuple(sorted(found))
