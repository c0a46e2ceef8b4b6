"""What really ran on the offline GitHub is what GitHub's parser and expressions predict.

Results are forced on single jobs at random, so no step runs but those of the summary. Another
sample: `ORACLE_SEED=7`.
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
from pipeline.plan import SUMMARY
from plan_prediction import TESTED, github_context, plan_of

SEED = int(os.environ.get("ORACLE_SEED", "2026"))
GRAPHS = [
    {"e": [], "d": ["e"], "c": ["d"], "b": ["c"], "a": ["b"]},
    {"e": [], "d": ["e"], "c": ["e"], "b": ["c", "d"], "a": ["b"]},
    {"e": [], "d": [], "c": ["e"], "b": ["d", "e"], "a": ["d"]},
    {"e": [], "d": [], "c": [], "b": ["e"]},
]
PUSHES = 6
"""For each graph; each push is two runs, of an environment and of the one after it: 48 in all."""

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
    """An offline GitHub for what lies in `folder / "repository"`, on main and develop."""
    work_tree = folder / "repository"
    git("init", "--quiet", "--initial-branch=main", cwd=work_tree)
    git("config", "user.name", "Test", cwd=work_tree)
    git("config", "user.email", "test@example.invalid", cwd=work_tree)
    git("add", "--all", cwd=work_tree)
    git("commit", "--quiet", "--message", "The first", cwd=work_tree)
    git("branch", "develop", cwd=work_tree)
    github = OfflineGitHub(folder / "github", work_tree)
    github.remote.push("refs/heads/main")  # without a run: `workflow_run` needs a default branch
    return github


def leaves(files: Mapping[str, str], path: str, prefix: str = "") -> list[str]:
    """The keys of all jobs of a run that call no workflow."""
    found: list[str] = []
    for job in github_oracle.jobs(files, path):
        key = prefix + job["id"]
        found += leaves(files, job["calls"], f"{key} / ") if job["calls"] else [key]
    return found


def sampled(source: random.Random, keys: list[str]) -> dict[str, str]:
    """Results of all jobs, so that each component has one of the four results."""
    results = dict.fromkeys(keys, "success")
    if TESTED in results:
        results[TESTED] = source.choice([*["success"] * 7, *RESULTS[1:]])
    for component in sorted({key.split(" / ")[0] for key in keys if " / " in key}):
        result = source.choice([*["success"] * 4, *RESULTS[1:]])
        own = [key for key in keys if key.startswith(f"{component} / ")]
        # Only a component whose first job was skipped is skipped itself.
        results[own[0] if result == "skipped" else source.choice(own)] = result
    return results


def check(run: Run, predicted: github_oracle.Predicted) -> None:
    """Exactly the same jobs, with the same results."""
    expected = {key: result or "skipped" for key, result in predicted.results.items()}
    assert run.results == expected
    top = {result for key, result in expected.items() if " / " not in key}
    worst = [result for result in ("failure", "cancelled", "success") if result in top]
    assert run.conclusion == (worst[0] if worst else "skipped")


@pytest.mark.parametrize(
    "graph", GRAPHS, ids=lambda graph: f"seed {SEED}: {graph_shapes.shown(graph)}"
)
def test_generated_pipelines(template: Path, tmp_path: Path, graph: dict[str, list[str]]) -> None:
    print(f"ORACLE_SEED={SEED}")
    answers = graph_shapes.answers_for(graph)
    plan = plan_of(answers)
    files = github_oracle.workflows(copy(template, tmp_path / "repository", answers))
    github = started(tmp_path)
    commit = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    github.forced_outputs = {TESTED: {"commit": commit}}
    source = random.Random(f"{SEED} {graph}")
    environments = {e.name: e for e in plan.environments}
    compared, unlike = 0, set()
    for number in range(PUSHES):
        names = (("dev", "test"), ("stage", "prd"))[number % 2]
        keys = {
            name: [k for k in leaves(files, github_oracle.orchestrator(name)) if k != SUMMARY]
            for name in names
        }
        forced = {name: sampled(source, keys[name]) for name in names}
        if number % 4 < 2:  # the second one has something to do only after a success
            forced[names[0]] = dict.fromkeys(keys[names[0]], "success")
        github.forced_results = {k: r for results in forced.values() for k, r in results.items()}
        before = len(github.runs)
        github.push(environments[names[0]].source)
        runs = {run.workflow_file: run for run in github.runs[before:]}
        assert len(runs) == len(github.runs) - before == 2
        conclusion = None
        for name in names:
            context = github_context(environments[name], plan, conclusion=conclusion)
            path = github_oracle.orchestrator(name)
            [predicted] = github_oracle.predict(files, path, [Given(forced[name], context)])
            run = runs[f"orchestrator-{name}.yml"]
            check(run, predicted)
            if SUMMARY in run.order:
                assert run.job(SUMMARY).summary.startswith(f"{predicted.headline}\n")
            conclusion = run.conclusion
            compared += 1
            unlike.add(str(predicted.results))
    assert compared == 2 * PUSHES
    assert len(unlike) > PUSHES  # the sample is not the same run again and again


def test_a_cancelled_run(template: Path, tmp_path: Path) -> None:
    """During each component of a chain in turn."""
    answers = graph_shapes.answers_for(GRAPHS[0])
    plan = plan_of(answers)
    files = github_oracle.workflows(copy(template, tmp_path / "repository", answers))
    github = started(tmp_path)
    path = github_oracle.orchestrator("dev")
    keys = [key for key in leaves(files, path) if key != SUMMARY]
    github_now = github_context(plan.environments[0], plan)
    for component in plan.order:
        cancelled = f"{component}-dev / preflight / preflight"
        given = Given(dict.fromkeys(keys, "success"), github_now, cancel=cancelled)
        [predicted] = github_oracle.predict(files, path, [given])
        github.forced_results = {**given.given, cancelled: "cancelled"}

        def cancel(run: Run, key: str, cancelled: str = cancelled) -> None:
            if key == cancelled:
                github.cancel(run)

        github.before_job = cancel
        [run] = github.push("develop")
        assert run.conclusion == "cancelled"
        ran = {key: result for key, result in predicted.results.items() if result}
        assert {key: result for key, result in run.results.items() if key in ran} == ran
        # How GitHub calls what did not start in a cancelled run is not documented.
        others = {result for key, result in run.results.items() if key not in ran}
        assert others <= {"skipped", "cancelled"}
        assert run.job(SUMMARY).summary.startswith(f"{predicted.headline}\n")


def random_workflow(source: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    """A workflow with conditions of all kinds, some jobs of which call others."""
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
            lines.append("    uses: ./.github/workflows/callee.yml")
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
    """Not what the template generates: the double must be right about more than that."""
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
        [predicted] = github_oracle.predict(files, run.workflow_path, [given])
        assert run.results == {k: r or "skipped" for k, r in predicted.results.items()}, files[
            run.workflow_path
        ]
