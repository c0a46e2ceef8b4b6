"""Random histories of events in a repository with generated pipelines."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

from driven import Driven
from offline_github.work import Step
from oracle import oracle as o
from worlds import LEAD, Pipelines

LENGTH = 12
EVENTS = {
    **{"push": 14, "develop": 3, "nobody": 3, "revert": 3, "pipeline": 2, "force": 2},
    **{"fail": 6, "cancel": 4, "rerun": 4, "rerun failed": 4, "alone": 3},
    **{"all": 2, "roll back": 4, "delete package": 1, "delete manifest": 2, "days": 4},
}


class Life:
    """One history."""

    def __init__(
        self,
        pipelines: Pipelines,
        components: tuple[o.Component, ...],
        files: tuple[str, ...],
        seed: int,
        folder: Path,
    ) -> None:
        self.world = Driven(folder, pipelines, components, seed)
        self.github = self.world.github
        self.random = Random(seed)
        self.files, self.names = files, [c.name for c in components]
        self.lines: list[str] = []
        self.rate = 0.0
        self.count = 0
        self.world.failing = self._fails

    def _fails(self, step: Step) -> bool:
        return self.random.random() < self.rate

    def live(self) -> Driven:
        try:
            self._start()
            for _ in range(LENGTH):
                events = self.random.choices([*EVENTS], [*EVENTS.values()])
                self.lines.append(events[0])
                getattr(self, "_" + events[0].replace(" ", "_"))()
                self._settle()
            self._repair()
        except Exception as error:
            error.add_note("\n".join(self.told()))
            raise
        return self.world

    def told(self) -> list[str]:
        lines = list(self.lines)
        for run in self.github.runs:
            shown = {k: j.result for k, j in run.jobs.items() if j.result not in ("skipped", None)}
            title = f"{run.workflow_file} #{run.id}.{run.attempt} {run.event}"
            lines.append(f"{title} {run.conclusion} {run.display_title[:14]} {shown}")
        return lines

    def _start(self) -> None:
        self.world.commit("main", {path: "0\n" for path in self.files})
        self.world.push("main")
        self._settle(calm=True)
        self.world.commit("develop", start=self.github.remote.resolve("refs/heads/main"))
        self.world.push("develop")
        self._settle(calm=True)

    def _settle(self, calm: bool = False) -> None:
        """Run until only approvals wait, and answer those."""
        self.github.settle()
        for run in self.world.waiting():
            said = (
                "approve"
                if calm
                else self.random.choices(["approve", "reject", "wait"], [14, 2, 3])[0]
            )
            if said == "approve":
                self.github.approve(run, by=LEAD)
            elif said == "reject":
                self.github.reject(run, by=LEAD)
            self.lines.append(f"  {said} {run.workflow_file} #{run.id}")
            self.github.settle()
        self.rate = 0.0
        self.world.check()

    def _changed(self, branch: str = "main", files: dict[str, str | None] | None = None) -> None:
        if files is None:
            self.count += 1
            chosen = self.random.sample(self.files, self.random.choice([1, 1, 1, 2, 3]))
            files = {path: f"{self.count}\n" for path in chosen}
        self.world.commit(branch, files)
        self.lines.append(f"  {branch}: {sorted(files)}")
        self.world.push(branch)

    def _push(self) -> None:
        self._changed()

    def _develop(self) -> None:
        self._changed("develop")

    def _nobody(self) -> None:
        self._changed(files={"README.md": f"{self.random.random()}\n"})

    def _revert(self) -> None:
        line = self.world.line("test")
        old = line[min(self.random.randrange(1, 4), len(line) - 1)]
        texts = {path: self.world.repository.text(old, path) for path in self.files}
        self._changed(files={p: t.decode() if t else None for p, t in texts.items()})

    def _pipeline(self) -> None:
        paths = [f".github/workflows/{n}-{k}.yml" for n in self.names for k in ("build", "deploy")]
        paths.append(".github/actions/check-out/action.yml")
        newest = self.github.remote.resolve("refs/heads/main")
        path = self.random.choice(paths)
        text = self.world.repository.text(newest, path)
        if text:
            self._changed(files={path: f"{text.decode()}# {self.random.random()}\n"})

    def _force(self) -> None:
        line = self.world.line("test")
        self.world.repository.move("main", line[min(self.random.randrange(1, 3), len(line) - 1)])
        self._changed()

    def _fail(self) -> None:
        self.rate = self.random.choice([0.1, 0.3])
        self._changed(self.random.choice(["main", "main", "develop"]))

    def _cancel(self) -> None:
        self._changed()
        self.github.step(self.random.randrange(5, 150))
        if going := [r for r in self.github.latest_attempts() if r.status != "completed"]:
            self.github.cancel(self.random.choice(going))

    def _rerun(self, failed: bool = False) -> None:
        runs = [
            r
            for r in self.github.latest_attempts()
            if r.status == "completed" and r.conclusion != "skipped" and r.jobs
        ]
        run = self.random.choice([*runs, *runs[-3:]])
        try:
            again = self.github.rerun(run, failed_only=failed)
        except ValueError:
            return
        again.display_title = run.display_title
        self.lines.append(f"  {run.workflow_file} #{run.id}")

    def _rerun_failed(self) -> None:
        self._rerun(failed=True)

    def _alone(self) -> None:
        environment = self.random.choice(["dev", "test", "prd"])
        name = self.random.choice(self.names)
        path = self.world.pipelines.work_tree / ".github/workflows" / f"{name}-{environment}.yml"
        if not path.exists():
            return
        line = self.world.line(environment)
        inputs = {"commit": self.random.choice(line[:3])} if self.random.random() < 0.4 else {}
        self.lines.append(f"  {path.name} {inputs}")
        self._dispatch(path.name, environment, inputs)

    def _dispatch(self, file: str, environment: str, inputs: dict[str, Any]) -> None:
        branch = self.world.pipelines.branch(environment)
        self.github.dispatch(file, branch, inputs)

    def _all(self) -> None:
        environment = self.random.choice(["dev", "test", "prd"])
        inputs: dict[str, Any] = {"all": "true"}
        if environment == "prd":
            inputs["commit"] = self.random.choice(self.world.line("test")[:3])
        self._dispatch(f"orchestrator-{environment}.yml", environment, inputs)

    def _roll_back(self) -> None:
        environment = self.random.choice(["dev", "test", "prd", "prd"])
        inputs = {"commit": self.random.choice(self.world.line(environment)[:5])}
        self.lines.append(f"  {environment} {inputs}")
        self._dispatch(f"orchestrator-{environment}.yml", environment, inputs)

    def _delete(self, pattern: str) -> None:
        found = [a for a in self.world.all_artifacts() if re.search(pattern, a.name)]
        if found:
            artifact = self.random.choice([*found, *found[-3:]])
            self.lines.append(f"  {artifact.name} of {artifact.run_id}")
            self.world.delete(artifact)

    def _delete_package(self) -> None:
        self._delete("-package-")

    def _delete_manifest(self) -> None:
        self._delete("^manifest-")

    def _days(self) -> None:
        self.world.pass_days(self.random.choice([1, 3, 8, 25, 35]) + 0.137)
        self._changed()

    def _repair(self) -> None:
        """Run each environment once without a fault. Then all contents are correct."""
        for _ in range(20):
            if not (waiting := self.world.waiting()):
                break
            self.github.reject(waiting[0], by=LEAD)
            self.github.settle()
        self.world.check()
        self.lines.append("-- a last commit")
        for branch in ("develop", "main"):
            self._changed(branch, {"README.md": f"the last {self.random.random()}\n"})
            self._settle(calm=True)
        for environment in ("dev", "test", "prd"):
            run = self.github.runs_of(f"orchestrator-{environment}.yml")[-1]
            if run.conclusion != "success":
                errors = [job.errors for job in run.jobs.values() if job.errors]
                raise AssertionError(f"not repaired: {environment}, {run.conclusion}: {errors}")
            if self.world.wrong.get((run.id, run.attempt)) != []:
                raise AssertionError(f"{environment} is wrong at the end")
