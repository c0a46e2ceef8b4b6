"""The plan and GitHub's own parser and expressions agree which builds and deployments start.

They are compared for the generated workflows, with every combination of named components and ends
of jobs. A named component starts unless an earlier one failed, was cancelled, or was left out for
that reason. An unchanged component never stops others.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import github_oracle
import graph_shapes
import pytest
from copies import copy
from generated_repositories import planned
from github_oracle import RESULTS, Given, Results
from plan_prediction import (
    APPROVAL,
    CHANGES,
    SUMMARY,
    TOO_OLD,
    Pipeline,
    github_context,
    plan_of,
)

ANSWERS = {
    **graph_shapes.small(),
    **graph_shapes.large(),
    **graph_shapes.mixed(),
    **graph_shapes.dispatched(),
    **graph_shapes.examples(),
}
RUNS = {
    "e d(e)": [60, 14, 48, 16],
    "e d(e) c(d) b(c) a(b)": [234, 98, 129, 100],
    "e d c b a(e) [2, 2, 0, 0, 3]": [631, 370, 253, 618],
    "e d(e) c(e) [5, 3, 3] dispatched": [36, 38, 36, 40],
    "e d c b a(e) [1, 0, 2, 1, 0] dispatched": [642, 68, 306, 34],
}
"""The number of runs of some pipelines, by environment. It shows that no loop leaves runs out.
`test_the_same_jobs_start` requires at least one run of every pipeline."""

FEW, SUMMARISED = 3, 8
"""With up to three components, each run writes its summary; with more, every eighth run does. The
summary of a component depends only on its own jobs, so three components are enough."""


UNREAD = (
    "docs",
    *(".github/workflows/*", "!.github/workflows/orchestrator-*.yml"),
    *(
        ".github/actions/*",
        "!.github/actions/deployment-summary",
        "!.github/actions/shared",
        "!.github/actions/what-changed",
    ),
)
"""Generated files that the oracle does not read, because jobs that call workflows get a result."""


def pipelines(answers: Mapping[str, Any]) -> list[Pipeline]:
    plan = plan_of(answers)
    return [Pipeline(plan, environment) for environment in plan.environments]


def given(pipeline: Pipeline, results: Results, contexts: Mapping[str, Any]) -> Given:
    """The input of the oracle: results of the jobs that should start. Any other job would succeed,
    so it would be noticed."""
    # `changes` is skipped if the environment before failed.
    context = contexts["failure" if results[CHANGES] == "skipped" else "success"]
    ends = {
        job: (
            "success"
            if result in (None, TOO_OLD) or (pipeline.plans and result == "skipped")
            else result
        )
        for job, result in results.items()
    }
    return Given(ends, context, outputs={CHANGES: pipeline.outputs(results)})


def all_good(pipeline: Pipeline, context: Mapping[str, Any], cancel: str | None = None) -> Given:
    """A run that does everything with success."""
    results = dict.fromkeys(pipeline.jobs, "success")
    outputs = {CHANGES: pipeline.outputs(results)}
    return Given(results, context, outputs=outputs, cancel=cancel)


def compare(files: Mapping[str, str], pipeline: Pipeline, repository: Path) -> int:
    """Compare all runs of an orchestrator with the plan; returns their number."""
    path = github_oracle.orchestrator(pipeline.environment.name)
    runs = list(pipeline.runs())
    contexts = {
        end: github_context(pipeline.environment, pipeline.plan, conclusion=end)
        for end in ("success", "failure")
    }
    asked = [given(pipeline, results, contexts) for results in runs]
    if len(pipeline.components) > FEW:
        for number, (one, results) in enumerate(zip(asked, runs, strict=True)):
            if number % SUMMARISED and (summary := pipeline.summary(results)):
                one.given[SUMMARY] = summary
    answers = github_oracle.predict(files, path, asked, repository)
    for one, results, answer in zip(asked, runs, answers, strict=True):
        # If the guard refuses the run, `changes` does not start.
        first = None if pipeline.chained and results[CHANGES] == "skipped" else results[CHANGES]
        first = "success" if first == TOO_OLD else first
        ran = {
            job: None if pipeline.plans and result == "skipped" else result
            for job, result in results.items()
        }
        expected = {**ran, CHANGES: first, SUMMARY: pipeline.summary(results)}
        assert answer.results == expected
        assert list(answer.results) == list(expected)  # the order of deployment
        if SUMMARY not in one.given:
            assert answer.headline == pipeline.headline(results)
    return len(runs)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_same_jobs_start(template: Path, tmp_path: Path, name: str) -> None:
    repository = copy(template, tmp_path / "copy", ANSWERS[name], UNREAD)
    files = github_oracle.workflows(repository)
    for pipeline in pipelines(ANSWERS[name]):
        assert compare(files, pipeline, repository)
        check_cancelled_runs(files, pipeline, repository)


def check_cancelled_runs(files: Mapping[str, str], pipeline: Pipeline, repository: Path) -> None:
    """No job starts after a person has cancelled the run, during any job."""
    environment = pipeline.environment
    # The running job is stopped, so its own result does not matter.
    context = github_context(environment, pipeline.plan)
    runs = [all_good(pipeline, context, cancel=job) for job in pipeline.jobs]
    path = github_oracle.orchestrator(environment.name)
    answers = github_oracle.predict(files, path, runs, repository)
    for job, answer in zip(pipeline.jobs, answers, strict=True):
        # The summary still runs.
        assert answer.results == {**pipeline.until(job), SUMMARY: "failure"}
        assert answer.headline == f"## Deployment to {environment.name} was not completed"


def test_every_run_is_compared() -> None:
    assert {n: len(graph_shapes.every_shape(n)) for n in (1, 2, 3, 4)} == graph_shapes.SHAPES_OF
    assert len(graph_shapes.large()) == graph_shapes.SAMPLED
    every = [pipeline for answers in ANSWERS.values() for pipeline in pipelines(answers)]
    counted = {name: [len(p.runs()) for p in pipelines(ANSWERS[name])] for name in RUNS}
    assert counted == RUNS
    kinds = {(p.plan.answers.orchestration, p.chained, p.environment.stops, p.asks) for p in every}
    ways = {(False, False, False), (False, True, False), (True, False, False), (True, True, True)}
    assert kinds >= {(how, *way) for how in ("call", "dispatch") for way in ways}
    chained = [p for p in every if p.chained and p.plan.answers.orchestration == "call"]
    # All kinds of components are included.
    assert any(p.built for p in chained)
    assert any(p.components.keys() - {*p.built, *p.deployed} for p in chained)
    assert any(p.components.keys() != {*p.plan.order} for p in chained)


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
def test_which_runs_start_the_next_environment(template: Path, tmp_path: Path, chain: str) -> None:
    """Successful runs of the same repository, with event `push` or `workflow_dispatch` and the
    right branch. A run that `workflow_run` started counts as one of the default branch."""
    answers = {**graph_shapes.answers_for({"a": []}), "environments": CHAINS[chain]}
    plan = plan_of(answers)
    repository = copy(template, tmp_path / "copy", answers, UNREAD)
    files = github_oracle.workflows(repository)
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
            all_good(
                Pipeline(plan, environment),
                github_context(
                    environment,
                    plan,
                    conclusion=conclusion,
                    event=event,
                    head_branch=branch,
                    head_repository={"id": number},
                ),
            )
            for conclusion, event, branch, number in asked
        ]
        path = github_oracle.orchestrator(environment.name)
        predicted = github_oracle.predict(files, path, runs, repository)
        for case, answer in zip(asked, predicted, strict=True):
            conclusion, event, branch, number = case
            branch_fits = branch == "develop" or chain != "branch"
            by_hand = event == "workflow_dispatch" and branch_fits
            by_push = event == "push" and branch_fits and before.trigger in ("branch", "tag")
            chained = event == "workflow_run" and branch == "main" and before.trigger == "after"
            good = conclusion == "success" and number == 1
            expected = "success" if good and (by_hand or by_push or chained) else None
            assert answer.results == dict.fromkeys(answer.results, expected), case
            started += expected is not None
    assert started == {"branch": 4, "tag": 10, "manual": 3}[chain]


@pytest.fixture(scope="module")
def pair(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two components, the second after the first."""
    return copy(template, tmp_path_factory.mktemp("pair") / "copy", ANSWERS["e d(e)"], UNREAD)


def test_a_person_may_start_any_environment(pair: Path) -> None:
    files = github_oracle.workflows(pair)
    for pipeline in pipelines(ANSWERS["e d(e)"]):
        by_hand = {"event_name": "workflow_dispatch", "event": {}}
        succeeded = all_good(pipeline, by_hand)
        path = github_oracle.orchestrator(pipeline.environment.name)
        [answer] = github_oracle.predict(files, path, [succeeded], pair)
        assert set(answer.results.values()) == {"success"}


# -- one component alone --------------------------------------------------------------------------


@pytest.mark.parametrize("orchestration", ["call", "dispatch"])
def test_workflows_of_a_component(orchestration: str, template: Path, tmp_path: Path) -> None:
    """It is deployed if all earlier jobs succeeded and, in production, a person has approved it; or
    if an approved run of an orchestrator has started it, which the deployment checks."""
    answers = {**ANSWERS["e d(e)"], "orchestration": orchestration}
    repository = copy(template, tmp_path / "copy", answers)
    files = github_oracle.workflows(repository)
    plan = plan_of(answers)
    starts = orchestration == "dispatch"
    #: Who has started it, and the named work. If a person starts it, it is built and deployed.
    ways = [("", "build deploy"), *[("1", w) for w in ("build deploy", "build", "deploy")] * starts]
    compared = 0
    for workflow in plan.workflows:
        chained = workflow.environment.trigger == "after"
        asks = workflow.environment.production
        # In a chained environment, the job `changes` promotes its package.
        before = [CHANGES] if chained else [CHANGES, "build"]
        jobs = [*before, *[APPROVAL] * asks, "deploy"]
        runs = list(itertools.product(ways, itertools.product(RESULTS, repeat=len(jobs))))
        name = [workflow.component.name]
        asked = [
            Given(
                dict(zip(jobs, results, strict=True)),
                inputs={"orchestrator": starter},
                outputs={CHANGES: planned(name * ("build" in told), name * ("deploy" in told))},
            )
            for (starter, told), results in runs
        ]
        path = f".github/workflows/{workflow.file}"
        predicted = github_oracle.predict(files, path, asked, repository)
        for ((starter, told), _), one, answer in zip(runs, asked, predicted, strict=True):
            expected: dict[str, str | None] = {CHANGES: one.given[CHANGES]}
            passed = one.given[CHANGES] == "success"
            if asks:
                expected[APPROVAL] = one.given[APPROVAL] if passed and not starter else None
            if not chained:
                builds = passed and "build" in told
                expected["build"] = one.given["build"] if builds else None
                passed &= not builds or expected["build"] in PASSES[starts]
            passed &= not asks or bool(starter) or expected[APPROVAL] == "success"
            deploys = passed and "deploy" in told
            expected["deploy"] = one.given["deploy"] if deploys else None
            assert answer.results == expected, (starter, told)
            compared += 1
    # There are two components, in dev, test, stage and prd.
    assert compared == 2 * (4**3 + 4**2 + 4**3 + 4**3) * len(ways)


PASSES = {False: ("success",), True: ("success", "skipped")}
"""The ends of a build that allow a deployment. A pipeline with a plan may leave the build out."""


# -- the comparison can fail ----------------------------------------------------------------------

FAILED, CANCELLED = (f" && !contains(needs.*.result, '{r}')" for r in ("failure", "cancelled"))
NAMED = "contains(needs.changes.outputs.deploy, '\"d\"')"
D_DEV = f"!cancelled() && {NAMED}{FAILED}{CANCELLED}"
D_BUILD = "    if: ${{ !cancelled() && contains(needs.changes.outputs.build, '\"d\"')"
BREAKAGES = {
    "a deployment forgets its build": ("dev", "e-build, d-build, e-dev]", "e-build, e-dev]"),
    "a dependency is forgotten": ("dev", "d-build, e-dev]\n", "d-build]\n"),
    "the build of a dependency is forgotten": (
        "dev",
        "e-build, d-build, e-dev]",
        "d-build, e-dev]",
    ),
    "a build does not wait for the package that it takes": (
        "dev",
        f"[changes, e-build]\n{D_BUILD}",
        f"[changes]\n{D_BUILD}",
    ),
    "a deployment runs always": ("dev", D_DEV, f"always() && {NAMED}"),
    "a deployment runs after failures": ("dev", D_DEV, D_DEV.replace(FAILED, "")),
    "a deployment runs after cancelled jobs": ("dev", D_DEV, D_DEV.replace(CANCELLED, "")),
    "a component that the plan leaves out is deployed": ("dev", f"{NAMED} && ", ""),
    "the plan of builds counts for deployments": ("dev", NAMED, NAMED.replace("deploy,", "build,")),
    "a component that is left out stops those after it": ("dev", D_DEV, f"success() && {NAMED}"),
    "the approval is forgotten": ("prd", "[changes, approval", "[changes"),
    "an approval is needed although nothing is deployed": (
        "prd",
        "contains(needs.changes.outputs.deploy, '\"') && ",
        "",
    ),
    "the approval need not succeed": (
        "prd",
        f"needs.approval.result == 'success'{FAILED}{CANCELLED}",
        "needs.approval.result != 'failure'",
    ),
    "one wave does not wait for the other": ("stage", ", e-stage]\n", "]\n"),
    "one build does not hold up all": ("stage", "e-build, d-build]\n", "e-build]\n"),
    "the summary runs only after a success": ("dev", "    if: always()\n", ""),
    "the summary forgets a deployment": ("dev", ", d-dev]", "]"),
    "the summary does not fail": (None, "if (!complete) core.setFailed", "core.info"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_orchestrator_is_noticed(pair: Path, tmp_path: Path, breakage: str) -> None:
    """`test_the_same_jobs_start` compares every run of the unbroken one."""
    environment, old, new = BREAKAGES[breakage]
    repository = shutil.copytree(pair, tmp_path / "broken")
    path = github_oracle.orchestrator(environment or "dev")
    broken = path if environment else ".github/actions/deployment-summary/summary.cjs"
    text = (repository / broken).read_text(encoding="utf-8")
    assert old in text
    (repository / broken).write_text(text.replace(old, new, 1), encoding="utf-8")
    [pipeline] = [
        p for p in pipelines(ANSWERS["e d(e)"]) if p.environment.name == (environment or "dev")
    ]
    try:
        compare(github_oracle.workflows(repository), pipeline, repository)
    except (AssertionError, ValueError):  # GitHub's parser refuses the file
        return
    pytest.fail("the fault was not noticed")
