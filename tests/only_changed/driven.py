"""Generated pipelines on a GitHub without machines, compared with the oracle.

When a job `changes` begins to plan, the oracle plans, too: once from what such a job can know (the
newest manifest, and the jobs since), and once from all events. The contents of the environments are
recorded separately; neither the pipelines nor the oracle see them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from offline_github import Run
from offline_github.clock import timestamp
from offline_github.model import Artifact, Job
from offline_github.work import Going, Step, Work
from oracle import oracle as o
from oracle import world as contents
from worlds import Notes, Pipelines, World, age, digest, told_plan

DAYS = {"dev": 7, "test": 37, "prd": 30}
DAY = 86_400
MANIFESTS = 90
CHAIN = (o.Environment("dev"), o.Environment("test"), o.Environment("prd", "test"))
DATA = ".github/actions/what-changed/components.json"
MAY_DEPLOY = "Check that it may be deployed"
SETS = ("build", "deploy", "carry", "check")


class DifferentError(AssertionError):
    """The pipelines and the oracle disagree, or a needed deployment was left out."""


@dataclass
class Made:
    """A package with its content."""

    key: str
    content: Any


@dataclass
class Attempt:
    """A deployment. It has begun when its own check has succeeded."""

    order: int
    run: int
    """The run that decides: the orchestrator's, if it has started this one."""
    holder: int
    """The run with the job."""
    alone: bool
    record: o.Record
    job: Job

    @property
    def has_begun(self) -> bool:
        return bool(self.job.steps.get(MAY_DEPLOY) == "success")

    @property
    def may_have_begun(self) -> bool:
        """Also true for a job without steps, because nobody can tell."""
        return self.has_begun or not self.job.steps


@dataclass
class Snapshot:
    """The contents of a manifest."""

    run: int
    planned: int
    at: int
    log: list[o.Record]
    entries: dict[str, o.Entry]


@dataclass
class Planned:
    """The oracle's plan when a job `changes` begins."""

    order: int
    known: o.Plan
    really: o.Plan
    origin: tuple[str, str, str]
    """(pipeline, target, environment) of the run that built the packages."""
    asked: bool
    compared: bool = False


class Commits(dict[str, o.Commit]):
    """The commits of a repository, as the oracle sees them. The test gives the components."""

    def __init__(self, world: Driven, components: tuple[o.Component, ...]) -> None:
        super().__init__()
        self.world, self.components = world, components

    def __missing__(self, sha: str) -> o.Commit:
        repository = self.world.repository
        github = repository.github_files(sha)
        texts = {path: hashlib.sha256(data).hexdigest() for path, data in github.items()}

        def pipeline(name: str, kind: str) -> str:
            return texts.get(f".github/workflows/{name}-{kind}.yml", "")

        components = tuple(
            replace(
                c,
                build_pipeline=pipeline(c.name, "build"),
                deploy_pipeline=pipeline(c.name, "deploy"),
            )
            for c in self.components
        )
        actions = [
            (p, t) for p, t in texts.items() if p.startswith(".github/actions/") and p != DATA
        ]
        files = tuple(sorted((p, f"{mode} {oid}") for p, mode, _, oid in repository.tree(sha)))
        parents = tuple(repository.parents(sha))
        commit = o.Commit(sha, parents, files, o.Config(components, CHAIN, repr(sorted(actions))))
        self[sha] = commit
        return commit


class Driven(World):
    """A repository. `components` is the oracle's view of them."""

    def __init__(
        self, folder: Path, pipelines: Pipelines, components: tuple[o.Component, ...], seed: int
    ) -> None:
        super().__init__(folder, pipelines, seed)
        self.parts = components
        self.history = o.History(Commits(self, components))
        self.log: list[o.Record] = []
        """All deployments that have really happened."""
        self.ends: dict[tuple[str, int], float] = {}
        """(digest, run) -> the day on which the package expires, by the manifests."""
        self.deleted: set[tuple[str, int]] = set()
        self._attempts: list[Attempt] = []
        self.snapshots: dict[int, Snapshot] = {}
        self.plans: dict[tuple[int, int], Planned] = {}
        self.actual: dict[str, dict[str, Any]] = {e.name: {} for e in CHAIN}
        self.made: dict[str, Made] = {}
        self.wrong: dict[tuple[int, int], list[str]] = {}
        """The wrong contents of the environment at the end of each attempt."""
        self.counts: Counter[str] = Counter()
        self.differences: Counter[str] = Counter()
        self.archives: dict[str, str] = {}
        """GitHub's digest of an archive -> the digest of the package in it."""
        self.without: set[str] = set()
        """Environments with a deleted manifest."""
        self.seen: set[tuple[int, int]] = set()
        self._begun: dict[tuple[int, int, str], Attempt] = {}
        self._ref: dict[tuple[int, int, str], str] = {}
        self._from: dict[tuple[int, int, str], int] = {}
        self._taken: dict[tuple[int, int, str], dict[str, o.Package]] = {}

    # Facts

    @property
    def day(self) -> float:
        return self.github.clock.now() / DAY

    def config(self, sha: str) -> o.Config:
        config: o.Config = self.history.commits[sha].config
        return config

    @staticmethod
    def place(run: Run) -> str:
        return run.workflow_file.removesuffix(".yml").rpartition("-")[2]

    @staticmethod
    def is_orchestrator(run: Run) -> bool:
        return run.workflow_file.startswith("orchestrator-")

    @property
    def dispatches(self) -> bool:
        """Whether each component has runs of its own."""
        return self.pipelines.orchestration == "dispatch"

    def children(self, run: Run) -> dict[str, Run]:
        """The newest run of each component that an orchestrator's run has started."""
        return {
            child.workflow_file.removesuffix(f"-{self.place(run)}.yml"): child
            for child in self.github.runs
            if child.id != run.id and age(child) == run.id
        }

    def component(self, name: str) -> o.Component:
        return next(c for c in self.parts if c.name == name)

    def manifests(self, environment: str) -> list[Artifact]:
        """The manifests that still exist, the oldest first."""
        found = [artifact for _, artifact in self.memories(environment) if not artifact.expired]
        return [a for a in found if a.id in self.snapshots and self.is_reviewed(a.run_id)]

    def is_reviewed(self, run_id: int) -> bool:
        run = self.github.find_run(run_id)
        assert run
        if run.event == "workflow_run":
            return True
        newest = [self.github.remote.resolve(f"refs/heads/{b}") for b in ("main", run.head_branch)]
        return any(run.head_sha in self.first_parents(sha) for sha in newest if sha)

    def known(self, environment: str, but: int = 0) -> list[o.Record]:
        """The log as a job can know it, without the attempts of the run `but`."""
        manifests = self.manifests(environment)
        if not manifests:
            return []
        snapshot = self.snapshots[manifests[-1].id]
        log = list(snapshot.log)
        newest: dict[str, Attempt] = {}
        for one in self.attempts:
            since = snapshot.at if one.run == snapshot.run else snapshot.planned
            if one.record.environment == environment and one.run != but and one.order > since:
                newest[one.record.component] = one
        for one in newest.values():
            log.append(self.as_job(log, one))
        return log

    def as_job(self, log: list[o.Record], one: Attempt) -> o.Record:
        """What the job of a deployment proves: the same deployment again, or nothing."""
        was = o.current(log, one.record.environment, one.record.component)
        same = was and (was.state, was.trust) == ("success", "ok") and self.is_reviewed(one.holder)
        if (
            same
            and not one.alone
            and one.record.state == "success"
            and was.deploy_key == one.record.deploy_key
        ):
            return replace(was)
        return replace(one.record, trust="unverifiable")

    @property
    def attempts(self) -> list[Attempt]:
        return [one for one in self._attempts if one.may_have_begun]

    # Plans

    def _planning(self, step: Step) -> None:
        run, environment = step.work.run, step.inputs["environment"]
        self._cancelled_at_once()
        if not environment:
            return
        commit, everything = step.inputs["commit"], step.inputs["all"] == "true"
        later = [environment, *o.followers(self.config(run.sha), environment)]
        known = [record for where in later for record in self.known(where)]
        ends = {**self.ends, **dict.fromkeys(self.deleted, -1.0)}
        refused = [id(one.record) for one in self._attempts if not one.has_begun]
        really = [record for record in self.log if id(record) not in refused]
        states = [
            o.State(self.history, known, ends, self.day, DAYS),
            o.State(self.history, really, ends, self.day, DAYS),
        ]
        if environment == "prd":
            found = self._candidate(run, commit)
            entries = self.snapshots[found[0]].entries if found else None
            origin = found[1] if found else ("", "", "")
            plans = [
                o.plan_promoted(state, environment, entries, run.sha, everything=everything)
                for state in states
            ]
        else:
            origin = (run.sha, commit, environment)
            plans = [
                o.plan_source(state, environment, commit, run.sha, everything=everything)
                for state in states
            ]
        self.plans[run.id, run.attempt] = Planned(self.moment, *plans, origin, everything)

    def _candidate(self, run: Run, commit: str) -> tuple[int, tuple[str, str, str]] | None:
        """The promoted manifest, and the origin of its packages."""
        runs = [r for r in reversed(self.github.latest_attempts()) if r.conclusion == "success"]
        if run.event == "workflow_run":
            assert run.triggered_by
            runs = [r for r in self.github.latest_attempts() if r.id == run.triggered_by.id]
        runs.sort(key=lambda r: (self.place(r) != "prd", -r.id))
        for one in runs:
            by_hand = run.event != "workflow_run"
            if not self.is_orchestrator(one) or self.place(one) == "dev" or one.id == run.id:
                continue
            if by_hand and (self.commit_of(one) != commit or not self.is_reviewed(one.id)):
                continue
            kept = [a for a in one.artifact_store.values() if a.id in self.snapshots]
            if kept and not kept[-1].expired:
                attempts = [key for key in self.plans if key[0] == one.id]
                return kept[-1].id, self.plans[max(attempts)].origin
        return None

    # Jobs

    def decide(self, step: Step) -> Any:
        run, key = step.work.run, (step.work.run.id, step.work.run.attempt, step.work.key)
        notes = self._notes[key]
        if step.uses == "$/.github/actions/what-changed":
            self.moment += 1
            self._planning(step)
        if step.uses == "actions/checkout":
            self._ref[key] = step.inputs.get("ref", "")
        if step.uses == "actions/download-artifact":
            self._from[key] = int(step.inputs["artifact-ids"])
        if step.name == "Keep the manifest":
            self._cancelled_at_once()
            # This replaces the manifest of an earlier attempt.
            base, manifests = (
                self.known(self.place(run), but=run.id),
                self.manifests(self.place(run)),
            )
            since = self.snapshots[manifests[-1].id].planned if manifests else self.moment
            ended = super().decide(step)
            if ended is None:
                self._fold(run, base, since)
            return ended
        ended = super().decide(step)
        if (
            step.name == "Collect the files"
            and "$/.github/actions/promote-package" not in step.within
        ):
            self._built(step, notes, key)
        if step.name == "Verify and place the package" and notes.downloaded:
            producer = step.env["FOLDER"].removeprefix(".packages/")
            self._note_taken(producer, notes, key)
        return ended

    def _note_taken(self, producer: str, notes: Notes, key: tuple[int, int, str]) -> None:
        artifact = self.github.artifact(self._from[key])
        if artifact is None or producer not in notes.taken:
            return
        package = notes.taken[producer]
        made = self.made[package[1]]
        taken = o.Package(producer, made.key, digest(package), artifact.run_id)
        self._taken.setdefault(key, {})[producer] = taken

    def execute(self, work: Work) -> Going:
        if work.key.rpartition(" / ")[2] == "deploy":
            self._begin(work.run, work.job)
        return super().execute(work)

    def _begin(self, run: Run, job: Job) -> None:
        environment, is_child = self.place(run), not self.is_orchestrator(run)
        alone = is_child and age(run) == run.id
        name = run.workflow_file if is_child else job.key.partition(" / ")[0]
        name = name.removesuffix(".yml").removesuffix(f"-{environment}")
        commit = self.commit_of(run)
        record = o.Record(len(self.log), environment, name, commit, "", "", None, {}, run.id)
        self.moment += 1
        one = Attempt(self.moment, age(run), run.id, alone, record, job)
        self._begun[run.id, run.attempt, job.key] = one
        self._attempts.append(one)
        self.log.append(record)

    def _cancelled_at_once(self) -> None:
        """Jobs that got a runner and were cancelled before their first step."""
        for run in self.github.runs[-40:]:
            for key, job in run.jobs.items():
                is_new = (run.id, run.attempt, key) not in self._begun
                if (
                    key.endswith(" / deploy")
                    and job.result == "cancelled"
                    and job.started_at
                    and is_new
                ):
                    self._begin(run, job)

    def _built(self, step: Step, notes: Notes, key: tuple[int, int, str]) -> None:
        """Record a build: the files are the checked-out ones, and packages are the ones taken."""
        run, name = step.work.run, step.env["NAME"].rpartition("-package-")[0]
        environment, config = self.place(run), self.config(run.sha)
        taken = self._taken.get(key, {})
        given = {producer: package.key for producer, package in taken.items()}
        commit = self._ref[key]
        build_key = o.build_key(self.history, config, name, commit, environment, given)
        inside = tuple(self.made[notes.taken[p][1]].content for p in sorted(taken))
        whole = contents.built(self, config, name, commit, environment)
        self.made[notes.collected[1]] = Made(build_key, (*whole[:-1], inside))

    def upload(self, run: Run, name: str, content: tuple[str, str]) -> int:
        """Replace an older package of that name in the run."""
        component, _, environment = name.rpartition("-package-")
        for artifact in run.artifact_store.values():
            if artifact.name == name:
                self.deleted.add((digest(self.contents[artifact.id]), run.id))
        number = super().upload(run, name, content)
        package = o.Package(component, self.made[content[1]].key, digest(content), run.id)
        self.archives[run.artifact_store[number].digest] = digest(content)
        self.deleted.discard((package.digest, run.id))
        self.ends.setdefault((package.digest, run.id), self.day + DAYS[environment])
        self.log.append(self._record(run, environment, package, "held"))
        return number

    def _record(self, run: Run, environment: str, package: o.Package, kind: str) -> o.Record:
        commit = self.commit_of(run)
        number, name = len(self.log), package.component
        return o.Record(
            number, environment, name, commit, package.key, "", package, {}, run.id, "success", kind
        )

    def _deploy(self, step: Step, notes: Notes) -> Going:
        run, key = step.work.run, (step.work.run.id, step.work.run.attempt, step.work.key)
        name, environment = notes.component, step.env["ENVIRONMENT"]
        config, commit = self.config(run.sha), self._ref[key]
        part = config.get(name)
        taken = dict(self._taken.get(key, {}))
        own = taken.pop(name, None)
        record = self._begun[key].record
        keys = {producer: package.key for producer, package in taken.items()}
        source = "test" if environment == "prd" else environment
        record.build_key = (
            own.key if own else o.build_key(self.history, config, name, commit, source, keys)
        )
        content_key = o.content(self.history, config, name, record.build_key, commit, environment)
        record.deploy_key = o.deploy_key(config, name, content_key, keys)
        record.package, record.takes = own, taken
        self.actual[environment][name] = contents.BROKEN
        inside = (
            self.made[notes.taken[name][1]].content
            if own
            else self._files(part, commit, environment)
        )
        given = {producer: self.made[notes.taken[producer][1]].content for producer in taken}
        result = yield from super()._deploy(step, notes)
        record.state = "success" if result == "success" else "failure"
        if result == "success":
            self.actual[environment][name] = contents.deployed(
                config, name, inside, given, environment
            )
        return result

    def _files(self, part: o.Component, commit: str, environment: str) -> Any:
        """The contents of a component without a package."""
        files = self.history.commits[commit].files
        return (
            "files",
            part.name,
            tuple(f for f in files if contents.owned(part, f[0], (environment,))),
        )

    def expected(self, run: Run, name: str) -> Any:
        """The contents after a deployment of everything."""
        environment, config = self.place(run), self.config(run.sha)
        pipeline, target, source = self.plans[run.id, self._planned(run)].origin
        before, part = self.config(pipeline), config.get(name)

        def content(one: str) -> Any:
            return contents.built(self, before, one, target, source)

        own = content(name) if part.package else self._files(part, target, environment)
        taken = {producer: content(producer) for producer in part.takes}
        return contents.deployed(config, name, own, taken, environment)

    def _planned(self, run: Run) -> int:
        """The attempt of the run that made the plan of this attempt."""
        return max(
            attempt for id_, attempt in self.plans if id_ == run.id and attempt <= run.attempt
        )

    # The end of a run

    def _fold(self, run: Run, log: list[o.Record], since: int) -> None:
        """Compute the manifest that was just uploaded, by the oracle's rules."""
        environment, config = self.place(run), self.config(run.sha)
        planned = self.plans[run.id, self._planned(run)]
        plan = planned.known
        artifact = next(
            a for a in run.artifact_store.values() if a.name == f"manifest-{environment}"
        )
        held = self._held(run, environment)
        add = [self._record(run, environment, package, "held") for package in held.values()]

        def result(job: str) -> str:
            if self.dispatches:  # one run builds and deploys
                job = re.sub("-build$", f"-{environment}", job)
            return (run.jobs[job].result or "skipped") if job in run.jobs else "skipped"

        for name in plan.check:
            if (ended := result(f"{name}-build")) != "skipped":
                package = held.get(name) or o.Package(name, plan.keys[name], "", run.id)
                record = self._record(run, environment, package, "checked")
                record.build_key = plan.keys[name]
                record.state = "success" if ended == "success" else "failure"
                add.append(record)
        for name in plan.carry:
            package = held.get(name) or plan.reuse.get(name)
            taken = {p: held.get(p) or q for p, q in plan.takes[name].items()}
            done = name not in plan.build or result(f"{name}-build") == "success"
            if not done or not all(taken.values()) or (config.get(name).package and not package):
                continue
            shown = package or o.Package(name, plan.keys[name], "", run.id)
            if name in o.members(config, environment):
                was = o.current(log, environment, name)
                if was and (was.state, was.trust, was.deploy_key) == (
                    "success",
                    "ok",
                    plan.deploy_keys[name],
                ):
                    add.append(
                        replace(was, build_key=plan.keys[name], package=package, takes=taken)
                    )
                continue
            record = self._record(run, environment, shown, "carried")
            record.build_key, record.deploy_key = plan.keys[name], plan.deploy_keys[name]
            record.package, record.takes = package, taken
            add.append(record)
        log += add
        self.log += [record for record in add if record.kind != "held"]
        own: dict[str, Attempt] = {}
        for one in self.attempts:
            is_own = one.run == run.id and one.order > min(since, planned.order)
            if is_own and one.record.component in plan.deploy:
                own[one.record.component] = one
        for name, one in own.items():
            ended = result(f"{name}-{environment}")
            later = any(
                other.order > one.order
                and other.run != run.id
                and (other.record.environment, other.record.component) == (environment, name)
                for other in self.attempts
            )
            if ended == "skipped" or later:
                continue
            record = replace(
                one.record, trust="ok", state="success" if ended == "success" else "failure"
            )
            record.target = plan.target or record.target
            log.append(record)
        entries = o.manifest(o.State(self.history, log), plan)
        self.snapshots[artifact.id] = Snapshot(run.id, planned.order, self.moment, log, entries)
        members = [n for n in o.members(config, environment) if n in plan.deploy_keys]
        self.wrong[run.id, run.attempt] = [
            name
            for name in members
            if self.actual[environment].get(name) != self.expected(run, name)
        ]

    def _held(self, run: Run, environment: str) -> dict[str, o.Package]:
        found = {}
        for holder in self._holders(run, environment):
            for artifact in holder.artifact_store.values():
                name, _, place = artifact.name.rpartition("-package-")
                job = f"{name}-build" if holder is run else "build"
                job = "changes" if environment == "prd" else job
                if not name or place != environment or holder.jobs[job].result != "success":
                    continue
                waiting = run.jobs.get(f"{name}-{environment}")
                if holder is not run and not (
                    waiting and waiting.started_at <= artifact.created_at <= waiting.completed_at
                ):
                    continue  # only this run was re-run
                content = self.contents[artifact.id]
                package = o.Package(name, self.made[content[1]].key, digest(content), holder.id)
                found[name] = package
        return found

    def _holders(self, run: Run, environment: str) -> list[Run]:
        """The runs with packages that a run has built or promoted."""
        if not self.dispatches or environment == "prd":
            return [run]
        plan = self.plans[run.id, self._planned(run)].known
        jobs = [run.jobs.get(f"{name}-{environment}") for name in plan.build]
        ids = {int(job.outputs["run-id"]) for job in jobs if job and job.outputs.get("run-id")}
        return [child for child in self.github.latest_attempts() if child.id in ids]

    # Comparisons

    def check(self) -> None:
        """Compare all runs that have ended since the last call."""
        for run in self.github.runs:
            key = (run.id, run.attempt)
            if key in self.plans and not self.plans[key].compared:
                self._compare(run, self.plans[key])
            if run.status != "completed" or key in self.seen:
                continue
            self.seen.add(key)
            self.counts["runs"] += 1
            if self.is_orchestrator(run) and any(p[0] == run.id for p in self.plans):
                self._check_jobs(run)
            if run.conclusion == "success" and (wrong := self.wrong.get(key)):
                raise DifferentError(f"{run.workflow_file} {key} is green, but wrong: {wrong}")

    def _compare(self, run: Run, planned: Planned) -> None:
        job = run.jobs["changes"]
        if job.status != "completed":
            return
        planned.compared = True
        known, really = planned.known, planned.really
        title = f"{run.workflow_file} #{run.id}.{run.attempt} at {known.target[:7]}"
        if job.result == "cancelled":
            return
        self.counts["decisions"] += 1
        if job.result != "success":
            if known.refused:
                self.counts["refused"] += 1
            else:
                raise DifferentError(f"{title}: red, {job.errors}, not {known.reasons}")
            return
        plan = told_plan(run, self.place(run))
        expected: dict[str, Any] = {what: sorted(getattr(known, what)) for what in SETS}
        got: dict[str, Any] = {what: sorted(plan[what]) for what in SETS}
        expected["refused"], got["refused"] = bool(known.refused), bool(plan["refused"])
        expected["packages"] = {n: (p.digest, p.run) for n, p in known.reuse.items()}
        got["packages"] = {
            n: (self.archives.get(p["digest"], p["digest"]), p["run"])
            for n, p in plan["packages"].items()
        }
        different = {k: (v, got[k]) for k, v in expected.items() if v != got[k]}
        if different:
            raise DifferentError(
                f"{title}: (oracle, pipeline) {different}\n{known.reasons}\n{plan['reasons']}"
            )
        missed = {*really.deploy} - {*plan["deploy"]}
        if missed and not planned.asked:
            raise DifferentError(f"{title}: MISSED {missed}: {really.reasons}")

    def _check_jobs(self, run: Run) -> None:
        """Compare the jobs that ran with the plan, and count those that had to run."""
        environment = self.place(run)
        planned = self.plans.get((run.id, run.attempt)) or self.plans[run.id, self._planned(run)]
        known, really = planned.known, planned.really
        ran = self._working(run, lambda one: one.order)
        mine = {*(f"{n}-build" for n in known.build), *(f"{n}-{environment}" for n in known.deploy)}
        had = {
            *(f"{n}-build" for n in really.build),
            *(f"{n}-{environment}" for n in really.deploy),
        }
        if ran - mine:
            raise DifferentError(f"{run.workflow_file}: {ran - mine} ran, and was not planned")
        ended = self._working(
            run,
            lambda one: [k for k, job in one.jobs.items() if job.result not in (None, "skipped")],
            all_attempts=True,
        )
        if run.conclusion == "success" and (left := mine - ended):
            raise DifferentError(f"{run.workflow_file} is green: {left} did not run")
        if planned.asked:
            self.counts["jobs that were asked for"] += len(ran)
            return
        self.counts["jobs"] += len(ran)
        self.counts["jobs that had to run"] += len(ran & had)
        for job in ran - had:
            self.differences[self._why(job, environment)] += 1

    def _working(
        self, run: Run, keys: Callable[[Run], Iterable[str]], all_attempts: bool = False
    ) -> set[str]:
        """The jobs that build and deploy: of an orchestrator's run, or of the runs it started."""
        if not self.dispatches:
            return {key.partition(" / ")[0] for key in keys(run) if " / " in key}
        found = set()
        for name, child in self.children(run).items():
            if all_attempts or (child.inputs["attempt"] == str(run.attempt) and child.attempt == 1):
                jobs = {key.partition(" / ")[0] for key in keys(child) if " / " in key}
                found |= {f"{name}-{self.place(run) if job == 'deploy' else job}" for job in jobs}
        return found

    def _why(self, job: str, environment: str) -> str:
        """The reason why a job ran without need: how the last deployment was made."""
        name = job.removesuffix("-build").removesuffix(f"-{environment}")
        last = [a for a in self.attempts if a.record.component == name]
        if any(a.alone and a.record.environment == environment for a in last):
            return "a component was started alone"
        runs = [
            r
            for r in self.github.latest_attempts()
            if r.workflow_file == f"orchestrator-{environment}.yml"
        ]
        if any(not self.is_reviewed(r.id) for r in runs):
            return "a force push took the commit of a run"
        if environment in self.without:
            return "a manifest was deleted, or had ended"
        return "else"

    # Artifacts

    def delete(self, artifact: Artifact) -> None:
        run = self.github.find_run(artifact.run_id)
        assert run
        run.artifact_store.pop(artifact.id)
        if artifact.id in self.snapshots:
            self.without.add(self.place(run))
        if artifact.id in self.contents:
            self.deleted.add((digest(self.contents[artifact.id]), run.id))

    def pass_days(self, days: float) -> None:
        self.github.clock.advance(days * DAY)
        for artifact in self.all_artifacts():
            kept = artifact.retention_days or MANIFESTS
            if timestamp(artifact.created_at) + kept * DAY < self.github.clock.now():
                artifact.expired = True

    def all_artifacts(self) -> Iterator[Artifact]:
        for run in self.github.latest_attempts():
            yield from run.artifact_store.values()
