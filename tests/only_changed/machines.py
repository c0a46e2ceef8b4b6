"""Histories with executed jobs: packages and environments are files that commands write.

A package contains the texts of its component's files at the time of the build, and the packages
that it was built with. An environment has the package of a component that was shipped last. So git
alone shows the correct contents.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from random import Random

from generated_repositories import commit, reopened, with_commands
from offline_github import Run
from offline_github.environments import ReviewError
from oracle import oracle as o
from worlds import LEAD

LENGTH = 6
FILES = ("a.txt", "b.txt")
# : Writes what the package is made of. A file `fail` in the folder of the test makes it fail
# half-way.
BUILD = """\
#!/usr/bin/env bash
set -e
! grep -qsx "build $1" "$TRUTH/fail"
taken=""
for package in "$GITHUB_WORKSPACE"/.packages/*/package.txt; do
  [ -e "$package" ] && taken="$taken($(cat "$package"))"
done
printf '%s[%s]%s' "$1" "$(cat a.txt b.txt | tr '\\n' ' ')" "$taken" > package.txt
"""
SHIP = """\
#!/usr/bin/env bash
set -e
mkdir -p "$TRUTH/$ENVIRONMENT"
printf broken > "$TRUTH/$ENVIRONMENT/$1"
printf '%s %s %s\\n' "$GITHUB_RUN_ID" "$ENVIRONMENT" "$1" >> "$TRUTH/shipped"
! grep -qsx "ship $1" "$TRUTH/fail"
taken=""
for package in "$GITHUB_WORKSPACE"/.packages/*/package.txt; do
  case "$package" in */"$1"/package.txt) continue ;; esac
  [ -e "$package" ] && taken="$taken($(cat "$package"))"
done
printf '%s with %s' "$(cat package.txt)" "$taken" > "$TRUTH/$ENVIRONMENT/$1"
"""


class Executed:
    """One history."""

    def __init__(
        self, work_tree: Path, parts: tuple[o.Component, ...], seed: int, folder: Path
    ) -> None:
        self.parts = {part.name: part for part in parts}
        self.github = reopened(work_tree, folder, ())
        with_commands(self.github)
        self.github.tool("build", BUILD)
        self.github.tool("ship", SHIP)
        self.truth = folder / "truth"
        self.truth.mkdir()
        self.github.runner_environment = {"TRUTH": str(self.truth)}
        self.github.environments = {
            "test": {"branches": ["main"]},
            "prd": {"branches": ["main"]},
            "prd-approval": {"branches": ["main"], "reviewers": [LEAD]},
        }
        self.tree = self.github.remote.work_tree
        self.random = Random(seed)
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []
        self.count = 0
        self.clean = {"test": True, "prd": True}
        """Whether all runs since the last successful one could deploy everything they planned."""
        self.before: dict[str, dict[str, str]] = {"test": {}, "prd": {}}
        self.checked: set[tuple[int, int]] = set()

    # Correct contents

    def package(self, name: str, sha: str) -> str:
        texts = [
            subprocess.run(
                ["git", "show", f"{sha}:parts/{name}/{file}"],
                cwd=self.tree,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for file in FILES
        ]
        taken = "".join(f"({self.package(p, sha)})" for p in sorted(self.parts[name].takes))
        return f"{name}[{''.join(texts).replace(chr(10), ' ')}]{taken}"

    def expected(self, name: str, sha: str) -> str:
        taken = "".join(f"({self.package(p, sha)})" for p in sorted(self.parts[name].takes))
        return f"{self.package(name, sha)} with {taken}"

    def actual(self, environment: str) -> dict[str, str]:
        folder = self.truth / environment
        return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}

    # Events

    def live(self) -> Counter[str]:
        try:
            self._changed([*self.parts], calm=True)
            for _ in range(LENGTH):
                kinds = [
                    "push",
                    "push",
                    "push",
                    "nobody",
                    "fail",
                    "fail",
                    "again",
                    "back",
                    "revert",
                ]
                kind = self.random.choice(kinds)
                self.lines.append(kind)
                getattr(self, f"_{kind}")()
            self._changed([], calm=True)
            for environment in ("test", "prd"):
                run = self.github.runs_of(f"orchestrator-{environment}.yml")[-1]
                errors = [job.errors for job in run.jobs.values() if job.errors]
                assert run.conclusion == "success", f"not repaired: {environment}, {errors}"
        except Exception as error:
            error.add_note("\n".join(self.lines))
            raise
        return self.counts

    def _changed(self, names: list[str], calm: bool = False) -> None:
        self.count += 1
        files = {f"parts/{n}/{self.random.choice(FILES)}": f"{self.count}\n" for n in names}
        self._pushed(files or {"README.md": f"{self.count}\n"}, calm)

    def _pushed(self, files: dict[str, str], calm: bool = False) -> None:
        self.lines.append(f"  {sorted(files)}")
        commit(self.tree, files)
        self.github.push("main")
        self._settled(calm)

    def _settled(self, calm: bool = False) -> None:
        """Run until only approvals wait, and answer those. With `calm`, nobody rejects."""
        self._check()
        for run in [r for r in self.github.latest_attempts() if self.github.waiting(r)]:
            try:
                if not calm and self.random.random() < 0.15:
                    self.github.reject(run, by=LEAD)
                    self.lines.append("  rejected")
                else:
                    self.github.approve(run, by=LEAD)
            except ReviewError as error:
                self.lines.append(f"  {error}")
            self._check()
        (self.truth / "fail").unlink(missing_ok=True)

    def _push(self) -> None:
        self._changed(self.random.sample([*self.parts], self.random.choice([1, 1, 2])))

    def _nobody(self) -> None:
        self._changed([])

    def _fail(self) -> None:
        name = self.random.choice([*self.parts])
        what = self.random.choice(["build", "ship"])
        self.lines.append(f"  {what} {name} fails")
        (self.truth / "fail").write_text(f"{what} {name}\n")
        self._push()

    def _again(self) -> None:
        ended = [r for r in self.github.latest_attempts() if r.status == "completed" and r.jobs]
        run = self.random.choice(ended[-3:])
        try:
            self.github.rerun(run, failed_only=self.random.random() < 0.6)
        except ValueError:
            return
        self.lines.append(f"  {run.workflow_file} #{run.id}")
        self._settled()

    def _back(self) -> None:
        environment = self.random.choice(["test", "prd"])
        sha = self.random.choice(self._line()[:3])
        self.github.dispatch(f"orchestrator-{environment}.yml", "main", {"commit": sha})
        self._settled()

    def _line(self) -> list[str]:
        command = ["git", "rev-list", f"--max-count={self.count}", "main"]
        shown = subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=True)
        return shown.stdout.split()

    def _revert(self) -> None:
        old = self.random.choice(self._line()[:3])
        files = {}
        for name in self.parts:
            for file in FILES:
                path = f"parts/{name}/{file}"
                command = ["git", "show", f"{old}:{path}"]
                shown = subprocess.run(
                    command, cwd=self.tree, capture_output=True, text=True, check=True
                )
                files[path] = shown.stdout
        self._pushed(files)

    # Checks

    def _check(self) -> None:
        for run in self.github.runs:
            if run.status == "completed" and (run.id, run.attempt) not in self.checked:
                self.checked.add((run.id, run.attempt))
                self._check_run(run)

    def _check_run(self, run: Run) -> None:
        environment = run.workflow_file.removesuffix(".yml").rpartition("-")[2]
        if environment not in self.before or not run.jobs:
            return
        before, now = self.before[environment], self.actual(environment)
        self.before[environment] = now
        self.counts["runs"] += 1
        sha = run.display_title.split()[1]
        ended = run.jobs.get("changes")
        planned = bool(ended and ended.outputs.get("plan"))
        deployed = {key.partition(" / ")[0] for key in run.order if key.endswith(" / deploy")}
        names = {job.removesuffix(f"-{environment}") for job in deployed}
        wanted = {name: self.expected(name, sha) for name in self.parts}
        had = {name for name in names if before.get(name) != wanted[name]}
        self.counts["deployments"] += len(names)
        self.counts["deployments that had to be"] += len(had)
        if run.conclusion != "success" or not planned:
            return
        wrong = {name for name, content in wanted.items() if now.get(name) != content}
        assert not wrong, (
            f"{run.workflow_file} #{run.id}.{run.attempt} is green, and wrong: {wrong}: {now}"
        )
        self.counts["green"] += 1
