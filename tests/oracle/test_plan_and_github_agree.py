"""The plan says which components start; GitHub's own parser and expressions must say the same of
the generated orchestrators, for every combination of results."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import github_oracle
import graph_shapes
import pytest
from copies import copy
from github_oracle import RESULTS, Given, Predicted
from pipeline.environments import Environment
from pipeline.plan import SUMMARY, Orchestrator, Plan
from plan_prediction import (
    TESTED,
    components_after,
    components_until,
    github_context,
    plan_of,
    summary_after,
)

ANSWERS = {**graph_shapes.small(), **graph_shapes.large(), **graph_shapes.examples()}
COMBINATIONS = 150_616
"""Of all tests of `test_the_same_jobs_start` together: a loop that has gone empty is noticed."""


def combinations(plan: Plan, environment: Environment) -> Iterator[tuple[str, dict[str, str]]]:
    """(result of the tested commit, results of the components), all there are."""
    firsts = RESULTS if environment.trigger == "after" else ("success",)
    for first, *results in itertools.product(firsts, *[RESULTS] * len(plan.order)):
        yield first, dict(zip(plan.order, results, strict=True))


def predictions(
    files: Mapping[str, str], plan: Plan, orchestrator: Orchestrator
) -> Iterator[tuple[Predicted, dict[str, str | None], str]]:
    """What GitHub does, what the plan says, and the headline of the plan's summary."""
    environment = orchestrator.environment
    path = github_oracle.orchestrator(environment.name)
    asked = list(combinations(plan, environment))
    contexts = {
        # A tested commit is skipped when the environment before failed.
        first: github_context(
            environment, plan, conclusion="failure" if first == "skipped" else "success"
        )
        for first in RESULTS
    }
    runs = [
        Given(
            {TESTED: first, **{f"{name}-{environment.name}": r for name, r in results.items()}},
            contexts[first],
        )
        for first, results in asked
    ]
    for answer, (first, results) in zip(
        github_oracle.predict(files, path, runs), asked, strict=True
    ):
        after = components_after(plan, environment, results, first)
        expected = {f"{name}-{environment.name}": result for name, result in after.items()}
        headline = ""
        if environment.trigger == "after":
            expected = {TESTED: None if first == "skipped" else first, **expected}
        expected[SUMMARY] = summary_after(after, first)
        if expected[SUMMARY]:
            failed = [job for job, r in expected.items() if r == "failure" and job != SUMMARY]
            what = f"failed in {', '.join(failed)}" if failed else "was not completed"
            what = "succeeded" if expected[SUMMARY] == "success" else what
            headline = f"## Deployment to {environment.name} {what}"
        yield answer, expected, headline


@pytest.mark.parametrize("name", ANSWERS)
def test_the_same_jobs_start(template: Path, tmp_path: Path, name: str) -> None:
    plan = plan_of(ANSWERS[name])
    files = github_oracle.workflows(copy(template, tmp_path / "copy", ANSWERS[name]))
    for orchestrator in plan.orchestrators:
        compared = 0
        for answer, expected, headline in predictions(files, plan, orchestrator):
            assert answer.results == expected
            assert list(answer.results) == list(expected)  # the order of deployment
            assert answer.headline == headline
            compared += 1
        chained = orchestrator.environment.trigger == "after"
        assert compared == 4 ** (len(plan.order) + chained)
        check_cancelled_runs(files, plan, orchestrator.environment)


def check_cancelled_runs(files: Mapping[str, str], plan: Plan, environment: Environment) -> None:
    """Nothing starts once a person has cancelled the run, during whichever component."""
    jobs = {component: f"{component}-{environment.name}" for component in plan.order}
    # Whatever the running job would have ended with: it is stopped.
    given = {TESTED: "success", **dict.fromkeys(jobs.values(), "success")}
    context = github_context(environment, plan)
    runs = [Given(given, context, cancel=jobs[component]) for component in plan.order]
    answers = github_oracle.predict(files, github_oracle.orchestrator(environment.name), runs)
    for component, answer in zip(plan.order, answers, strict=True):
        until = components_until(plan, component)
        expected = {jobs[other]: result for other, result in until.items()}
        if environment.trigger == "after":
            expected[TESTED] = "success"
        # The summary still says what became of the deployment.
        assert answer.results == {**expected, SUMMARY: "failure"}
        assert answer.headline == f"## Deployment to {environment.name} was not completed"


def test_every_combination_is_compared() -> None:
    assert {n: len(graph_shapes.every_shape(n)) for n in (1, 2, 3, 4)} == graph_shapes.SHAPES_OF
    assert len(graph_shapes.large()) == graph_shapes.SAMPLED
    assert len(ANSWERS) == sum(graph_shapes.SHAPES_OF.values()) + graph_shapes.SAMPLED + 8
    plans = [plan_of(answers) for answers in ANSWERS.values()]
    assert sum(
        4 ** (len(plan.order) + (o.environment.trigger == "after"))
        for plan in plans
        for o in plan.orchestrators
    ) == COMBINATIONS  # fmt: skip
    kinds = {(e.trigger, e.stops) for plan in plans for e in plan.environments}
    assert kinds >= {("branch", False), ("branch", True), ("after", False), ("after", True)}


CHAINS = {
    "branch": [
        {"name": "dev", "branch": "develop"},
        {"name": "test", "after": "dev"},
        {"name": "prd", "after": "test"},
    ],
    "tag": [
        {"name": "dev", "tag": "v*"},
        {"name": "test", "after": "dev"},
        {"name": "prd", "after": "test"},
    ],
    "manual": [{"name": "dev", "manual": True}, {"name": "test", "after": "dev"}],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_only_the_right_runs_start_the_next_environment(
    template: Path, tmp_path: Path, chain: str
) -> None:
    """Success, same repository, event `push` or `workflow_dispatch`, the right branch;
    and a run that `workflow_run` started counts as one of the default branch."""
    answers = {**graph_shapes.answers_for({"a": []}), "environments": CHAINS[chain]}
    plan = plan_of(answers)
    files = github_oracle.workflows(copy(template, tmp_path / "copy", answers))
    conclusions = [
        *("success", "failure", "cancelled", "skipped", "timed_out", "action_required"),
        *("neutral", "stale", "startup_failure"),
    ]
    events = ["push", "workflow_dispatch", "workflow_run", "pull_request", "schedule"]
    branches = ["develop", "main", "v1"]
    asked = list(itertools.product(conclusions, events, branches, [1, 2]))
    assert len(asked) == 270
    by_name = {e.name: e for e in plan.environments}
    started = 0
    for environment in plan.environments[1:]:
        before = by_name[environment.source]
        runs = [
            Given(
                {TESTED: "success", f"a-{environment.name}": "success"},
                github_context(
                    environment,
                    plan,
                    conclusion=conclusion,
                    event=event,
                    head_branch=branch,
                    head_repository={"id": repository},
                ),
            )
            for conclusion, event, branch, repository in asked
        ]
        path = github_oracle.orchestrator(environment.name)
        for given, answer in zip(asked, github_oracle.predict(files, path, runs), strict=True):
            conclusion, event, branch, repository = given
            branch_fits = branch == "develop" or chain != "branch"
            by_hand = event == "workflow_dispatch" and branch_fits
            by_push = event == "push" and branch_fits and before.trigger in ("branch", "tag")
            chained = event == "workflow_run" and branch == "main" and before.trigger == "after"
            good = conclusion == "success" and repository == 1
            expected = "success" if good and (by_hand or by_push or chained) else None
            assert answer.results == dict.fromkeys(answer.results, expected), given
            started += expected is not None
    assert started == {"branch": 4, "tag": 10, "manual": 3}[chain]


@pytest.fixture(scope="module")
def pair(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The workflows of two components, the second after the first."""
    folder = tmp_path_factory.mktemp("pair") / "copy"
    return github_oracle.workflows(copy(template, folder, ANSWERS["e d(e)"]))


def test_a_person_may_start_any_environment(pair: Mapping[str, str]) -> None:
    plan = plan_of(ANSWERS["e d(e)"])
    for environment in plan.environments:
        jobs = {TESTED: "success", f"e-{environment.name}": "success"}
        given = Given({**jobs, f"d-{environment.name}": "success"}, {
            "event_name": "workflow_dispatch", "event": {}
        })  # fmt: skip
        path = github_oracle.orchestrator(environment.name)
        [answer] = github_oracle.predict(pair, path, [given])
        assert set(answer.results.values()) == {"success"}


BREAKAGES = {
    "a dependency is forgotten": ("    needs: [e-dev]\n", ""),
    "a component runs always": ("    needs: [e-dev]\n", "    needs: [e-dev]\n    if: always()\n"),
    "a component runs after failures": (
        "    needs: [e-dev]\n",
        "    needs: [e-dev]\n    if: '!cancelled()'\n",
    ),
    "the summary runs only after a success": ("    if: always()\n", ""),
    "the summary forgets a component": ("needs: [e-dev, d-dev]", "needs: [e-dev]"),
    "the summary does not fail": ("if (bad.length) core.setFailed", "if (false) core.setFailed"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_orchestrator_is_noticed(pair: Mapping[str, str], breakage: str) -> None:
    """The comparison can fail."""
    plan, files = plan_of(ANSWERS["e d(e)"]), dict(pair)
    old, new = BREAKAGES[breakage]
    path = github_oracle.orchestrator("dev")
    assert old in files[path]
    [orchestrator] = [o for o in plan.orchestrators if o.environment.name == "dev"]
    assert all(a.results == e for a, e, _ in predictions(files, plan, orchestrator))
    files[path] = files[path].replace(old, new, 1)
    try:
        same = [a.results == e for a, e, _ in predictions(files, plan, orchestrator)]
    except ValueError as error:  # GitHub's parser refuses it
        assert "d-dev" in str(error)
    else:
        assert not all(same)
