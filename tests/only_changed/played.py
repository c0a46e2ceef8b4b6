"""The oracle's cases on generated pipelines: a world of the oracle that also has a repository.

For each plan of a case, a run of the orchestrator is started, and cancelled after it has planned.
For each run of a case, a run is executed. A person starts all of them, because the cases define the
order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import worlds
from copies import Copied
from generated_repositories import generic
from offline_github import Run
from offline_github.clock import timestamp
from offline_github.work import Step, Work
from oracle import oracle as o
from oracle import world as w
from worlds import LEAD, Pipelines, told_plan

DAY = 86_400
SETS = ("build", "deploy", "carry", "check")


def answers_of(config: o.Config, retention: dict[str, float]) -> dict[str, Any]:
    components: dict[str, Any] = {}
    edges = []
    for c in config.components:
        more: dict[str, Any] = {"path": c.path}
        if c.watches:
            more["watches"] = list(c.watches)
        if c.environments == ():
            more["deploy"] = ""
        elif c.environments is not None:
            more["environments"] = list(c.environments)
        if c.build_per_environment:
            more["build_per_environment"] = True
        if not c.package:
            more |= {"build": "", "produces": []}
        if not c.builds:
            more |= dict.fromkeys(["lint", "test", "security"], "")
        components |= generic([c.name], **more)
        edges += [{"code_type": c.name, "depends_on": p} for p in c.takes]
        edges += [{"code_type": c.name, "depends_on": p, "artifacts": []} for p in c.after]
    environments = [
        {
            "name": e.name,
            "retention_days": int(retention[e.name]),
            **({"after": e.after} if e.after else {"branch": "main"}),
            **({"production": True} if e.name == "prd" else {}),
        }
        for e in config.environments
    ]
    return {
        "components": components,
        "dependency_map": edges,
        "branching": "custom",
        "environments": environments,
    }


class Played(w.World):
    """`generate` copies the template with answers; `folder` is the place of the repository."""

    generate: Copied
    folder: Path

    def __init__(self, retention: dict[str, float] | None = None) -> None:
        super().__init__(retention)
        self.real: dict[str, str] = {}
        self.runs_of: dict[int, Run] = {}
        self.asked: dict[int, bool] = {}
        self.world: worlds.World | None = None
        self.day = 0.0
        self.lost: set[str] = set()

    # ---- commits

    def files_of(self, sha: str) -> dict[str, str]:
        commit = self.history.commits[sha]
        own = {p: t for p, t in commit.files if not p.startswith(".github/")}
        folder = self.generate(answers_of(commit.config, self.retention))
        for path in sorted((folder / ".github").rglob("*")):
            if path.is_file():
                own[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")
        own[".github/actions/check-out/action.yml"] += f"# {commit.config.common}\n"
        for c in commit.config.components:
            for kind, text in (("build", c.build_pipeline), ("deploy", c.deploy_pipeline)):
                name = f".github/workflows/{c.name}-{kind}.yml"
                if name in own:
                    own[name] += f"# {text}\n"
        return own

    def commit(self, *args: Any, head: bool = True, **kwargs: Any) -> str:
        before = self.head
        sha: str = super().commit(*args, head=head, **kwargs)
        if not head:
            return sha
        files = self.files_of(sha)
        if self.world is None:
            config = self.history.commits[sha].config
            folder = self.generate(answers_of(config, self.retention))
            self.world = worlds.World(self.folder, Pipelines(folder, ("api",), trunk=True))
            self.world.github.environments = {
                e: {"branches": ["main"]} for e in ("dev", "test", "uat", "prd")
            }
            self.world.github.environments["prd-approval"] = {
                "reviewers": [LEAD],
                "branches": ["main"],
            }
            self.world.hold = lambda work: False
        repository = self.world.repository
        old = {p: t for p, t in repository._first.files.items()}
        if before:
            old = repository._commits[self.real[before]].tree.files
        changed: dict[str, str | None] = {p: None for p in old if p not in files}
        self.real[sha] = repository.commit("main", {**changed, **files})
        self._only("")
        self.world.github.push("main")
        self.world.github.settle()
        return sha

    def _only(self, env: str) -> None:
        """Cancel the runs of other orchestrators at once, because the case defines the order."""
        assert self.world
        self.world.github.forced_conclusions = {
            f"orchestrator-{e}.yml": "cancelled" for e in ("dev", "test", "uat", "prd") if e != env
        }

    # ---- plans

    def plan(
        self, env: str, target: str | None = None, pipeline: str | None = None, **asked: Any
    ) -> Any:
        plan = super().plan(env, target, pipeline, **asked)
        return self._probed(plan, env, plan.target, asked)

    def promote_plan(self, env: str, run: Any, pipeline: str | None = None, **asked: Any) -> Any:
        plan = super().promote_plan(env, run, pipeline, **asked)
        return self._probed(plan, env, run.target, asked) if run else plan

    def _probed(self, plan: o.Plan, env: str, target: str, asked: dict[str, Any]) -> o.Plan:
        if asked.get("only"):
            return plan
        assert self.world
        self.asked[id(plan)] = bool(asked.get("everything"))
        self.world.hold = lambda work: work.key not in ("changes", "deployment-summary")
        # This plan must not leave a manifest.
        self.world.instead = lambda step: "failure" if step.name == "Keep the manifest" else None
        run = self._dispatched(env, target, plan)
        self.world.github.step(400)
        self.world.github.cancel(run)
        self.world.github.settle()
        self.world.hold = lambda work: False
        self.world.instead = lambda step: None
        job = run.jobs["changes"]
        if plan.refused:
            assert job.result == "failure", f"not refused: {plan.refused}"
            return plan
        assert job.result == "success", job.errors
        told = told_plan(run, env)
        here = plan
        if env in self.lost:
            self.lost.remove(env)
            here = super().plan(env, target, self.head, everything=True)
        expected = {s: sorted(getattr(here, s)) for s in SETS}
        got = {s: sorted(told[s]) for s in SETS}
        assert got == expected, f"{env}: {got}, not {expected}: {told['reasons']}, {plan.reasons}"
        return plan

    def _dispatched(self, env: str, target: str, plan: o.Plan) -> Run:
        assert self.world
        github = self.world.github
        if (passed := float(self.state.now) - self.day) > 0:
            self.day += passed
            github.clock.advance(passed * DAY)
            for run in github.runs:
                for artifact in run.artifact_store.values():
                    days = artifact.retention_days or 90
                    ended = timestamp(artifact.created_at) + days * DAY < github.clock.now()
                    # A manifest exists for 90 days after a run of its environment.
                    artifact.expired |= ended and "-package-" in artifact.name
        self._only(env)
        inputs: dict[str, Any] = {"commit": self.real[target]}
        if self.asked.get(id(plan)):
            inputs["all"] = "true"
        return github.dispatch(f"orchestrator-{env}.yml", "main", inputs)

    # ---- runs

    def run(
        self,
        plan: o.Plan,
        faults: Any = None,
        stop: Any = None,
        candidate: Any = None,
        id: Any = None,
        only: Any = None,
    ) -> Any:
        result = super().run(plan, faults, stop, candidate, id, only)
        assert self.world
        github, env = self.world.github, plan.environment
        faults = faults or {}

        def instead(step: Step) -> Any:
            job = step.work.key.partition(" / ")[0]
            fault = faults.get(job)
            name = job.removesuffix(f"-{env}")
            if fault == "no-start" and step.name == f"Take the package of {name}":
                return "failure"
            if step.name in ("Deploy", "Lint") and fault in ("failure", "lost"):
                return "failure"
            if step.name in ("Deploy", "Lint") and fault == "cancelled":
                github.cancel(step.work.run)
            return None

        def waits(work: Work) -> bool:
            """All builds of a case end before one of its deployments is cancelled."""
            deployment = work.key.partition(" / ")[0]
            builds = [work.run.jobs.get(f"{name}-build / build") for name in plan.build]
            return faults.get(deployment) == "cancelled" and not all(b and b.result for b in builds)

        self.world.instead, self.world.hold = instead, waits
        self._only(env)
        if id:
            run = github.rerun(self.runs_of[id], failed_only=True)
        elif only:
            run = github.dispatch(f"{only}-{env}.yml", "main", {"commit": self.real[plan.target]})
        else:
            run = self._dispatched(env, plan.target or self.head, plan)
        github.settle()
        while github.waiting(run):
            github.approve(run, by=LEAD)
            github.settle()
        self.world.instead, self.world.hold = (lambda step: None), (lambda work: False)
        self.runs_of[result.id] = run
        if only:
            return result
        real = {k: j.result for k, j in run.jobs.items() if k in result.result}
        said = {k: v for k, v in result.result.items() if v == "success"}
        assert {k: v for k, v in real.items() if v == "success"} == said, (
            f"{real}, not {result.result}"
        )
        assert (run.conclusion == "success") == result.green, f"{run.conclusion}: {run.results}"
        return result

    def delete_run(self, rid: int) -> None:
        super().delete_run(rid)
        assert self.world
        github, gone = self.world.github, self.runs_of[rid]
        github.runs[:] = [r for r in github.runs if r.id != gone.id]
        # Its number is missing, and it is unknown what the run deployed.
        self.lost.add(gone.workflow_file.removeprefix("orchestrator-").removesuffix(".yml"))

    def forge(self, env: str, n: str, plan: o.Plan) -> None:
        """Only a job of a reviewed run can write a manifest: see tests/order/attacks.py."""
        super().forge(env, n, plan)


def played(generate: Copied, folder: Path) -> type[Played]:
    return type("PlayedHere", (Played,), {"generate": staticmethod(generate), "folder": folder})
