"""Generated pipelines decide and do what the oracle decides, in every history.

    CHANGES=300 python3 dev.py test tests/only_changed/test_pipelines.py

plays this number of histories with new seeds. The suite plays a few, always the same.
`CHANGES_EXECUTED=40` also executes the jobs of this number of histories.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import machines
import played
import pytest
import test_lambda
from copies import Copied
from generated_repositories import commit, start, with_the_machines_packages
from kinds_of_pipelines import KINDS, Get
from lives import Life
from oracle import cases

FIXED = range(2)
FRESH = int(os.environ.get("CHANGES", "0"))
EXECUTED = int(os.environ.get("CHANGES_EXECUTED", "0"))


def live(kind: str, of_kind: Get, seed: int, folder: Path) -> tuple[Counter[str], Counter[str]]:
    _, components, files = KINDS[kind]
    try:
        world = Life(of_kind(kind), components, files, seed, folder / str(seed)).live()
    except Exception as error:
        error.add_note(f"{kind}, seed {seed}")
        raise
    return world.counts, world.differences


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_needed_jobs_run(kind: str, of_kind: Get, tmp_path: Path) -> None:
    for seed in FIXED:
        live(kind, of_kind, seed, tmp_path)


#: The suite plays these, `CHANGES` all.
PLAYED = [
    cases.c01_failed_then_reverted,
    cases.c05_production_rolled_back_in_between,
    cases.c24_production_goes_back_to_before_a_component_was_there,
]
#: This case differs: a later manifest includes what the deleted run has proved (decision 33).
OTHERWISE = [cases.c10_its_run_is_deleted]
ALL = [c for c in cases.CASES if c not in OTHERWISE and (FRESH or c in PLAYED)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.__name__)
def test_a_case_is_played(case: cases.Case, copied: Copied, tmp_path: Path) -> None:
    case(played.played(copied, tmp_path / "github"))


@pytest.mark.skipif(not FRESH, reason="CHANGES=300 plays this number of histories")
@pytest.mark.parametrize("kind", KINDS)
def test_fresh_histories(
    kind: str, of_kind: Get, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, count = int(time.time()) * 1000, -(-FRESH // len(KINDS))
    counts: Counter[str] = Counter()
    differences: Counter[str] = Counter()
    for seed in range(first, first + count):
        one, other = live(kind, of_kind, seed, tmp_path)
        counts.update(one)
        differences.update(other)
    ratio = counts["jobs"] / counts["jobs that had to run"]
    with capsys.disabled():
        print(f"\n{kind}: {count} histories from seed {first}: {dict(counts)}")
        print(f"jobs run / jobs that had to run: {ratio:.3f}; {dict(differences)}")


#: The checks do nothing.
QUICK = {**dict.fromkeys(["lint", "test", "security"], "")}


@pytest.mark.skipif(
    not EXECUTED, reason="CHANGES_EXECUTED=40 executes the jobs of this number of histories"
)
@pytest.mark.parametrize("kind", ["line", "diamond"])
def test_executed_histories(
    kind: str, template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, parts, _ = KINDS[kind]
    components = {n: {**c, **QUICK} for n, c in answers["components"].items()}
    files = {f"parts/{c.name}/{file}": "0\n" for c in parts for file in machines.FILES}
    answers = {**answers, "components": components, "only_changed": True}
    work_tree = start(template, tmp_path / "first", answers, files).remote.work_tree
    first, count = int(time.time()) * 1000, -(-EXECUTED // 2)
    counts: Counter[str] = Counter()
    for seed in range(first, first + count):
        try:
            counts.update(machines.Executed(work_tree, parts, seed, tmp_path / str(seed)).live())
        except Exception as error:
            error.add_note(f"{kind}, seed {seed}")
            raise
    with capsys.disabled():
        print(f"\n{kind}: {count} executed from seed {first}: {dict(counts)}")


@pytest.mark.skipif(not EXECUTED, reason="CHANGES_EXECUTED=40 executes this with real tools")
def test_lambda_executed(template: Path, tmp_path: Path) -> None:
    """Python is never deployed itself: Terraform takes its zip, a new or a kept one."""
    answers = {**KINDS["lambda"][0], "only_changed": True}
    github = with_the_machines_packages(start(template, tmp_path, answers, test_lambda.FILES))
    github.secrets = {"TF_API_TOKEN": "of the repository"}
    github.environments = {"test": {}, "prd": {}, "prd-approval": {"reviewers": True}}
    github.tools.watch(["lambda_function.zip"], [])
    tree, source = github.remote.work_tree, test_lambda.SOURCE

    def worked(files: dict[str, str]) -> tuple[set[str], set[str]]:
        """The jobs in test and in production that built or deployed."""
        commit(tree, files)
        github.push("main")
        runs = [github.runs_of(f"orchestrator-{e}.yml")[-1] for e in ("test", "prd")]
        done = [{key.partition(" / ")[0] for key in run.order if " / " in key} for run in runs]
        return done[0], done[1]

    def zip_taken() -> str:
        return str(github.commands("terraform")[-1].files["lambda_function.zip"])

    builds, test, prd = {"python-build", "terraform-build"}, {"terraform-test"}, {"terraform-prd"}
    assert worked({}) == (builds | test, prd)
    first = zip_taken()
    assert worked({"README.md": "nobody's\n"}) == (set(), set())
    main = "iac/terraform/main.tf"
    text = (tree / main).read_text(encoding="utf-8")
    assert worked({main: f"{text}# changed\n"}) == ({"terraform-build"} | test, prd)
    assert zip_taken() == first
    handler = test_lambda.HANDLER.replace("hello", "hello ")
    checks = test_lambda.TEST.replace("hello", "hello ")
    changed = {f"{source}/lambda_handler.py": handler, f"{source}/tests/test_handler.py": checks}
    done = worked(changed)
    shown = [
        (r.results, [j.errors for j in r.jobs.values() if j.errors], r.job("changes").outputs)
        for r in github.runs[-3:]
    ]
    assert done == (builds | test, prd), shown
    second = zip_taken()
    assert second != first
    github.fail_tool("terraform", "apply", job="terraform-test")
    assert worked({main: f"{text}# again\n"})[0] == {"terraform-build"} | test
    github.tools.heal()
    assert worked({"README.md": "nobody's again\n"}) == ({"terraform-build"} | test, prd)
    assert zip_taken() == second
