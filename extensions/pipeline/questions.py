"""Every question: the answer's name, default, prompt, check and documentation, in one place.

Copier reads questions from copier.yml alone, so each is there, too. `tests/test_documented.py`
compares both, and writes what is missing there, in README.md and in Backstage's form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .clouds import DEFAULT_REGISTRY
from .environments import DEFAULT_BRANCH
from .names import check_schedule
from .schema import check


@dataclass(frozen=True)
class Question:
    """A question of copier.yml, and what the answer to it means."""

    name: str
    default: Any
    what: str
    """What the answer is: its row in README.md, as Markdown."""
    usual: str | None = None
    """The default as that row says it; None for the default itself."""
    prompt: str = ""
    """What a person is asked; empty if nobody is, or where copier.yml makes the text."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """The answers to choose from, each with its line at the prompt."""
    is_text: bool = False
    """Whether the answer is text as it stands. Other answers are YAML when they come as text."""
    check: Callable[[Any, str], None] | None = None
    """Raises AnswerError for a wrong answer; gets the answer and its name."""


def answer(default: Any, what: str, **more: Any) -> Any:
    """A field of `PlainAnswers` with its question. `more` are fields of `Question`."""
    return field(default=default, metadata={"what": what, **more})


@dataclass(frozen=True, kw_only=True)
class PlainAnswers:
    """The answers that are right or wrong by themselves, whatever the others are.

    A new one is a line here. Names and choices are never renamed: people's answers hold them.
    """

    approval: str = answer(
        "once",
        "who approves a deployment to production: one person `once`, a person for `each` "
        "component, or `none`",
        prompt="How is a deployment to production approved? "
        "(reviewers of a private repository need GitHub Enterprise)",
        choices={
            "once": "once: one person approves the whole deployment",
            "each": "each: each component needs an approval",
            "none": "none: no approval",
        },
    )
    pull_requests: bool = answer(
        True,
        "whether pull requests are checked",
        prompt="Check pull requests before they are merged?",
    )
    drift_check: bool = answer(
        False,
        "whether a check of pull requests fails if generated files were edited",
        prompt="Check in pull requests that generated files were not edited?",
    )
    infrastructure_drift: str = answer(
        "",
        "when to look for drift of components with `plan: true`: a cron expression, with a time "
        "zone behind it if it is not UTC, as `17 6 * * 1-5 Europe/Berlin` "
        "([Plans](docs/plans.md#drift); not asked for: use `--data`)",
        usual="never",
        check=check_schedule,
    )
    only_changed: bool = answer(
        True,
        "whether only what a change affects is checked, built and deployed "
        "(not asked for: use `--data`)",
    )


def read_plain_answers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `PlainAnswers`, checked. Raises AnswerError."""
    for question in PLAIN:
        value = given[question.name]
        if question.choices:
            check(value, {"type": "string", "enum": list(question.choices)}, question.name)
        elif isinstance(question.default, bool):
            check(value, {"type": "boolean"}, question.name)
        elif question.is_text:
            check(value, {"type": "string"}, question.name)
        if question.check:
            question.check(value, question.name)
    return {question.name: given[question.name] for question in PLAIN}


PLAIN = tuple(
    Question(
        name=declared.name,
        default=declared.default,
        is_text=isinstance(declared.default, str),
        **declared.metadata,
    )
    for declared in fields(PlainAnswers)
)

QUESTIONS = (
    Question(
        "project_name",
        default="project",
        what="shown in headings and comments",
        usual="the folder's name",
        prompt="What is this repository called? (shown in headings and comments)",
        is_text=True,
    ),
    Question(
        "code_types_folder",
        default="",
        what="the repository's folder with [its own code types](docs/code-types.md), or nothing",
        usual="`.github/code-types` if there is one",
        prompt="Which folder contains your own code types? (empty for none)",
        is_text=True,
    ),
    Question(
        "own_code_types",
        default={},
        what="what the files in that folder hold; recorded, never given",
        usual="",
    ),
    Question(
        "found",
        default={},
        what="what was found in the repository, and in which file; recorded, never given "
        "([detection](docs/detection.md))",
        usual="",
    ),
    Question(
        "code_types",
        default=[],
        what="the kinds of code: CODE_TYPES, or your own; each becomes a component of the same "
        "name",
        usual="what was found, else `[]`",
    ),
    Question(
        "components",
        default={},
        what="settings of components, and more components: `code_type`, `path`, the commands "
        '`lint`, `test`, `security`, `build`, `deploy` (`""` switches one off), `produces`, '
        "`secrets`, `install_secrets`, `services`, `submodules`, `lfs`, `env`, `runner`, `cloud`, "
        "`timeout_minutes`, `environments`, `build_per_environment`, `watches`, `plan: true` "
        "to [show what a deployment changes](docs/plans.md), `publish: true` "
        "for a [library](docs/libraries.md) that a tag publishes, and the settings of its code "
        "type, as `dockerfile` ([all of them](docs/answers.md#components))",
        usual="what was found, else `{}`",
    ),
    Question(
        "dependency_map",
        default=[],
        what="which component waits for which, and where the files of a package are put",
        usual="what was found, else what is usual for the code types",
    ),
    Question(
        "orchestration",
        default="call",
        what="how components get deployed: `call`, `dispatch` or `observe` "
        "([compared](docs/orchestrations.md))",
        prompt="How do orchestrators run the components' workflows?",
        choices={
            "call": "call: one run holds everything, no runner waits",
            "dispatch": "dispatch: each component has its own run, a runner waits for it",
            "observe": "observe: components start one another; the orchestrator only watches",
        },
        is_text=True,
    ),
    Question(
        "default_branch",
        default=DEFAULT_BRANCH,
        what="the branch that replaces `main` in `branching`; not asked for, and recorded if it "
        "is not `main`",
        usual="the repository's",
        is_text=True,
    ),
    Question(
        "branching",
        default="develop-main",
        what="`develop-main`, `trunk`, `release` or `custom`",
        usual="what fits the branches and files, else `develop-main`",
        prompt="What starts a deployment?",
        choices={
            "develop-main": "develop-main: develop goes to dev, [[ default_branch ]] to test, "
            "then to prd",
            "trunk": "trunk: [[ default_branch ]] goes to dev, then to test, then to prd",
            "release": "release: [[ default_branch ]] is checked and built, a tag v1.2.3 "
            "publishes or deploys",
            "custom": "custom: your own environments",
        },
        is_text=True,
    ),
    Question(
        "environments",
        default=[],
        what="with `custom`: a list; each environment has one of `branch`, `tag`, `after`, "
        "`manual`",
        usual="what was found",
        prompt="Which environments? (YAML, a list)",
    ),
    Question(
        "cloud",
        default="none",
        what="the cloud that deployments log in to by OIDC: `none`, `aws`, `azure`, `gcp`",
        usual="what was found, or `none`",
        prompt="Which cloud do deployments log in to?",
        choices={
            "none": "none: with your own secrets, or no login",
            "aws": "aws: AWS, by OIDC",
            "azure": "azure: Azure, by OIDC",
            "gcp": "gcp: Google Cloud, by OIDC",
        },
        is_text=True,
    ),
    Question(
        "registry",
        default=DEFAULT_REGISTRY,
        what="the registry to push images to: `ghcr.io`, or the full address of one of the cloud",
        prompt="Which registry are images pushed to? (ghcr.io, or the full address of one of the "
        "cloud)",
        is_text=True,
    ),
    Question(
        "runner",
        default="ubuntu-latest",
        what="a label, a list of labels, or `{group, labels}`",
        prompt="Which runner? (a label, a list of labels, or {group, labels})",
    ),
    *PLAIN,
    Question(
        "unmatched",
        default=[],
        what="what in the repository does not match the answers; recorded, never given "
        "([detection](docs/detection.md#environments))",
        usual="",
    ),
)

DEFAULTS: Mapping[str, Any] = {question.name: question.default for question in QUESTIONS}
"""The answers to every question, in the order of the questions, when nobody says otherwise."""

BY_NAME: Mapping[str, Question] = {question.name: question for question in QUESTIONS}
