"""The double runs the jobs that GitHub's parser and expressions predict.

Random results are forced on jobs, so only the steps of some summaries run. `ORACLE_SEED=7` draws
another sample.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import github_oracle
import graph_shapes
import pytest
from copies import copy
from github_oracle import RESULTS, Given
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from plan_prediction import (
    APPROVAL,
    CHANGES,
    SUMMARY,
    TOO_OLD,
    Pipeline,
    github_context,
    plan_of,
)

SEED = int(os.environ.get("ORACLE_SEED", "2026"))
CHAIN = {"e": [], "d": ["e"], "c": ["d"]}

PIPELINES: dict[str, dict[str, Any]] = {
    "a diamond, and one after it": graph_shapes.answers_for(
        {"e": [], "d": ["e"], "c": ["e"], "b": ["c", "d"], "a": ["b"]}
    ),
    "two that share a consumer": graph_shapes.answers_for(
        {"e": [], "d": [], "c": ["e"], "b": ["d", "e"], "a": ["d"]}, [0, 1, 3, 2]
    ),
    "mostly alone": graph_shapes.answers_for({"e": [], "d": [], "c": [], "b": ["e"]}, [0, 0, 3, 4]),
    "dispatched": {
        **graph_shapes.answers_for({"e": [], "d": [], "c": ["e"], "b": ["d"], "a": []}),
        "orchestration": "dispatch",
    },
}
PUSHES = 8
"""The pushes of each pipeline. Each starts two runs: of an environment and of the one after it."""

CONDITIONS = [
    *("", "", "success()", "failure()", "always()", "!cancelled()", "cancelled()"),
    *("success() || failure()", "${{ !failure() && !cancelled() }}", "always() && !failure()"),
    *("needs.{need}.result == 'success'", "needs.{need}.result == 'failure'"),
    *("always() && needs.{need}.result == 'skipped'", "failure() && needs.{need}.result"),
    *(
        "contains(needs.*.result, 'failure')",
        "!cancelled() && !contains(needs.*.result, 'failure')",
    ),
    *(
        "${{ always() }} ",
        "'no status function: success()'",
        "false",
        "github.event_name == 'push'",
    ),
]


def started(folder: Path) -> OfflineGitHub:
    """An offline GitHub with the repository in the folder, on main and develop."""
    work_tree = folder / "repository"
    git("init", "--quiet", "--initial-branch=main", cwd=work_tree)
    git("config", "user.name", "Test", cwd=work_tree)
    git("config", "user.email", "test@example.invalid", cwd=work_tree)
    git("add", "--all", cwd=work_tree)
    git("commit", "--quiet", "--message", "The first", cwd=work_tree)
    git("branch", "develop", cwd=work_tree)
    github = OfflineGitHub(folder / "github", work_tree)
    github.remote.push("refs/heads/main")  # starts no run; `workflow_run` needs a default branch
    return github


def leaves(files: Mapping[str, str], path: str, prefix: str = "") -> list[str]:
    """The keys of all jobs of a run that call no workflow."""
    found: list[str] = []
    for job in github_oracle.jobs(files, path):
        key = prefix + job["id"]
        found += leaves(files, job["calls"], f"{key} / ") if job["calls"] else [key]
    return found


def sampled(source: random.Random, keys: list[str]) -> dict[str, str]:
    """Random results of all jobs. Those of the first jobs are mostly successes."""
    good = {CHANGES: 9, APPROVAL: 9}
    return {key: source.choice([*["success"] * good.get(key, 4), *RESULTS[1:]]) for key in keys}


def check(run: Run, predicted: github_oracle.Predicted) -> None:
    """The same jobs ran, with the same results."""
    expected = {key: result or "skipped" for key, result in predicted.results.items()}
    assert run.results == expected
    assert run.conclusion == concluded(predicted.results)


def concluded(results: github_oracle.Results) -> str:
    """The conclusion of a run whose jobs have these results."""
    top = {result for key, result in results.items() if " / " not in key}
    return next((worst for worst in ("failure", "cancelled", "success") if worst in top), "skipped")


@pytest.mark.parametrize("name", PIPELINES)
def test_generated_pipelines(template: Path, tmp_path: Path, name: str) -> None:
    print(f"ORACLE_SEED={SEED}")
    plan = plan_of(PIPELINES[name])
    repository = copy(template, tmp_path / "repository", PIPELINES[name])
    files = github_oracle.workflows(repository)
    github = started(tmp_path)
    source = random.Random(f"{SEED} {name}")
    environments = {e.name: e for e in plan.environments}
    compared, unlike = 0, set()
    for number in range(PUSHES):
        names = (("dev", "test"), ("stage", "prd"))[number % 2]
        forced, predicted, outputs = {}, {}, {}
        conclusion = None
        for place, environment in enumerate(names):
            path = github_oracle.orchestrator(environment)
            keys = [key for key in leaves(files, path) if key != SUMMARY]
            forced[environment] = sampled(source, keys)
            if place == 0 and number % 4 < 2:  # the second only starts after a success
                forced[environment] = dict.fromkeys(keys, "success")
            context = github_context(environments[environment], plan, conclusion=conclusion)
            too_old = place == 1 and number == 4
            forced[environment] |= {CHANGES: "success"} if too_old else {}
            pipeline = Pipeline(plan, environments[environment])
            # The plan names most.
            chosen = {job: source.choice(["skipped", *["success"] * 3]) for job in pipeline.jobs}
            chosen[CHANGES] = TOO_OLD if too_old else forced[environment][CHANGES]
            outputs[environment] = {CHANGES: pipeline.outputs(chosen)}
            given = [Given(forced[environment], context, outputs=outputs[environment])]
            [predicted[environment]] = github_oracle.predict(files, path, given, repository)
            conclusion = concluded(predicted[environment].results)
        # The summaries of two pushes really run: one after a success, one after a sample.
        runs_summary = number in (1, 2)
        for environment in [] if runs_summary else names:
            if result := predicted[environment].results[SUMMARY]:
                forced[environment][SUMMARY] = result
        github.forced_results = {k: r for results in forced.values() for k, r in results.items()}

        def force(
            run: Run,
            _: str,
            forced: dict[str, dict[str, str]] = forced,
            outputs: dict[str, dict[str, dict[str, str]]] = outputs,
        ) -> None:
            """Jobs of both runs have the same names."""
            environment = run.workflow_file.removeprefix("orchestrator-").removesuffix(".yml")
            github.forced_outputs = outputs[environment]
            github.forced_results = {**github.forced_results, **forced[environment]}

        github.before_job = force
        before = len(github.runs)
        github.push(environments[names[0]].source)
        runs = {run.workflow_file: run for run in github.runs[before:]}
        assert len(runs) == len(github.runs) - before == 2
        for environment in names:
            run = runs[f"orchestrator-{environment}.yml"]
            check(run, predicted[environment])
            if SUMMARY in run.order and runs_summary:
                assert run.job(SUMMARY).summary.startswith(f"{predicted[environment].headline}\n")
            compared += 1
            unlike.add(str(predicted[environment].results))
    assert compared == 2 * PUSHES
    assert len(unlike) > PUSHES  # the sample contains different runs


def test_a_run_is_cancelled_during_each_job(template: Path, tmp_path: Path) -> None:
    answers = graph_shapes.answers_for(CHAIN)
    plan = plan_of(answers)
    repository = copy(template, tmp_path / "repository", answers)
    files = github_oracle.workflows(repository)
    github = started(tmp_path)
    github.parallel = 1  # in the order of the file, like the oracle
    pipeline = Pipeline(plan, plan.environments[0])
    named = {CHANGES: pipeline.outputs(dict.fromkeys(pipeline.jobs, "success"))}
    github.forced_outputs = named
    path = github_oracle.orchestrator("dev")
    keys = [key for key in leaves(files, path) if key != SUMMARY]
    assert len(keys) == 1 + 2 * len(CHAIN)
    for cancelled in keys:
        given = Given(
            dict.fromkeys(keys, "success"),
            github_context(plan.environments[0], plan),
            outputs=named,
            cancel=cancelled,
        )
        [predicted] = github_oracle.predict(files, path, [given], repository)
        github.forced_results = {**given.given, cancelled: "cancelled"}

        def cancel(run: Run, key: str, cancelled: str = cancelled) -> None:
            if key == cancelled:
                github.cancel(run)

        github.before_job = cancel
        [run] = github.push("develop")
        assert run.conclusion == "cancelled"
        ran = {key: result for key, result in predicted.results.items() if result}
        assert {key: result for key, result in run.results.items() if key in ran} == ran
        # GitHub does not document the result of a job that did not start in a cancelled run.
        others = {result for key, result in run.results.items() if key not in ran}
        assert others <= {"skipped", "cancelled"}
        assert run.job(SUMMARY).summary.startswith(f"{predicted.headline}\n")


def random_workflow(source: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    """A workflow with conditions of all kinds. Some jobs call workflows."""
    jobs = {}
    for index, letter in enumerate("abcde"):
        earlier = [f"{other}{number}" for other in "abcde"[:index]]
        needs = source.sample(earlier, k=min(index, source.randint(0, 2)))
        condition = source.choice(CONDITIONS)
        lines = [f"  {letter}{number}:"]
        if needs:
            lines.append(f"    needs: [{', '.join(needs)}]")
        if condition and (needs or "needs" not in condition):
            text = condition.replace("{need}", needs[0] if needs else "")
            lines.append(f'    if: "{text}"')
        if source.random() < 0.3:
            here = source.choice(["$/", "./"])
            lines.append(f"    uses: {here}.github/workflows/callee.yml")
        else:
            lines += ["    runs-on: ubuntu-latest", "    steps: [{run: 'true'}]"]
        jobs[letter] = "\n".join(lines)
    return "on: push\njobs:\n" + "\n".join(jobs.values()) + "\n", jobs


CALLEE = """\
on: workflow_call
jobs:
  first:
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
  second:
    needs: first
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
  anyway:
    needs: second
    if: always()
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
  unless:
    needs: first
    if: failure()
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
"""


def test_workflows_with_conditions_of_all_kinds(tmp_path: Path) -> None:
    """The double must also be right about workflows that the template does not generate."""
    print(f"ORACLE_SEED={SEED}")
    source = random.Random(SEED)
    folder = tmp_path / "repository" / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "callee.yml").write_text(CALLEE, encoding="utf-8")
    for number in range(60):
        text, _ = random_workflow(source, number)
        (folder / f"w{number}.yml").write_text(text, encoding="utf-8")
    files = github_oracle.workflows(tmp_path / "repository")
    github = started(tmp_path)
    forced = {}
    for number in range(60):
        for key in leaves(files, f".github/workflows/w{number}.yml"):
            forced[key] = source.choice(["success", "success", *RESULTS])
    github.forced_results = forced
    runs = github.push("main")
    assert len(runs) == 60
    for run in runs:
        given = Given(forced, {"event_name": "push"})
        [predicted] = github_oracle.predict(files, run.workflow_path, [given], tmp_path)
        assert run.results == {k: r or "skipped" for k, r in predicted.results.items()}, files[
            run.workflow_path
        ]
