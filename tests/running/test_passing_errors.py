"""One 502 and one dropped connection at each kind of read fail no deployment."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Any

from generated_repositories import Made, commit, folders, generic, reopened
from offline_github import OfflineGitHub, Run

UNCHECKED = dict.fromkeys(["lint", "test", "security"], "")
ANSWERS: dict[str, Any] = {
    "components": {
        **generic(["maker"], **UNCHECKED, build="date > package.txt", deploy=""),
        **generic(["taker"], **UNCHECKED, build="", produces=[]),
    },
    "environments": [
        {"name": "dev", "branch": "main"},
        {"name": "prd", "after": "dev", "production": True},
        {"name": "release", "tag": "v*"},
    ],
    "dependency_map": {"taker": "maker"},
}
BAD_GATEWAY, DROPPED = 502, 0
READ = re.compile(r"\b(?:read|pages)\(\s*'GET /repos/\{owner\}/\{repo\}([^']+)'")
ELSEWHERE = {
    "/actions/runs/{run_id}/attempts/{attempt_number}/jobs",  # under dispatch
    "/actions/runs/{run_id}",  # of a run that a person names, or another orchestrator's
    "/compare/{basehead}",  # of commits that a page of history does not show
    "/contents/{path}",  # of what a pull request is compared with
    "/git/ref/{ref}",  # its base
}
"""Paths that these runs do not read, but the tests of the scripts do."""


def kind(path: str) -> str:
    """A path as a regular expression, with any number and any commit."""
    pattern = re.escape(path.partition("?")[0])
    return re.sub(r"\d{5,}", r"\\d+", re.sub(r"\b[0-9a-f]{40}\b", "[0-9a-f]{40}", pattern)) + "$"


def never_read(work_tree: Path, paths: set[str]) -> set[str]:
    """The reads in generated scripts that match none of the paths."""
    scripts = (work_tree / ".github" / "actions").rglob("*.cjs")
    routes = {route for file in scripts for route in READ.findall(file.read_text(encoding="utf-8"))}
    patterns = {route: re.sub(r"\{\w+\}", "[^/]+", route) + "$" for route in routes}
    return {r for r, pattern in patterns.items() if not any(re.search(pattern, p) for p in paths)}


def deploy_everywhere(github: OfflineGitHub) -> list[Run]:
    """An older commit to dev, from there to production, one component alone, and a tag.

    A newer commit was to be deployed before, and was not: each check looks what became of it.
    """
    work_tree = github.remote.work_tree
    old = commit(work_tree, {})
    new = commit(work_tree, {}, "Newer")
    github.remote.push("refs/heads/main")
    github.add_run("orchestrator-dev.yml", head_sha=old, display_title=f"Deploy {old} to dev")
    for sha, environment in ((new, "dev, then prd"), (old, "dev, then prd")):
        title = f"Deploy {sha} to {environment}"
        github.add_run("orchestrator-prd.yml", head_sha=new, display_title=title)
    github.dispatch("orchestrator-dev.yml", "main", {"commit": old})
    github.dispatch("taker-prd.yml", "main", {"commit": old})
    others = set(github.job_keys("orchestrator-release.yml")) - {"changes"}
    github.forced_results = dict.fromkeys(others, "success")
    github.tag("v1")
    return [run for run in github.runs[3:] if run.conclusion != "skipped"]


def test_a_read_that_fails_once_fails_nothing(made: Made, tmp_path: Path) -> None:
    """First a run without faults finds all reads, so that no new one is forgotten."""
    work_tree = made("read", ANSWERS, folders(["maker", "taker"]))

    def opened(name: str) -> OfflineGitHub:
        github = reopened(work_tree, tmp_path / name, ())
        github.tool("ship")
        github.tool("sleep", "exit 0")  # before a download is tried again
        github.environments["prd-approval"] = {"reviewers": True}
        github.parallel = 1  # a fault that is planned for a job happens to that job
        return github

    clean = opened("clean")
    begun: list[tuple[str, str, int]] = []
    clean.before_job = lambda run, key: begun.append((run.workflow_file, key, len(clean.api_calls)))
    assert [run.conclusion for run in deploy_everywhere(clean)] == ["success"] * 4
    assert {call.method for call in clean.api_calls} == {"GET"}
    paths = {call.path.partition("?")[0] for call in clean.api_calls}
    assert never_read(work_tree, paths) == ELSEWHERE
    reads: dict[tuple[str, str], list[str]] = {}
    ends = [*(start for _, _, start in begun[1:]), len(clean.api_calls)]
    for (file, key, start), end in zip(begun, ends, strict=True):
        reads[file, key] = [kind(call.path) for call in clean.api_calls[start:end]]
    times = Counter(itertools.chain.from_iterable(reads.values()))

    faulty = opened("faulty")
    planned = Counter()

    def plan(run: Run, key: str) -> None:
        """Each read of the job fails once, in turns by a 502 and by a dropped connection."""
        met = Counter()
        for each in reads[run.workflow_file, key]:
            faults = [(BAD_GATEWAY, DROPPED)[planned[each] % 2]]
            if times[each] == 1:
                faults = [BAD_GATEWAY, DROPPED]
            for fault in faults:
                faulty.answer("GET", each, fault, {"message": "Bad Gateway"}, skip=met[each])
                met[each] += 1
            met[each] += 1  # and then it succeeds
            planned[each] += 1

    faulty.before_job = plan
    runs = deploy_everywhere(faulty)
    errors = {key: job.errors for run in runs for key, job in run.jobs.items() if job.errors}
    assert [run.conclusion for run in runs] == ["success"] * 4, errors
    failed = {(kind(call.path), call.status) for call in faulty.api_calls if call.status != 200}
    assert failed >= {(each, fault) for each in times for fault in (BAD_GATEWAY, DROPPED)}
