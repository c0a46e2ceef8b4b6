"""A world of the oracle where the modules of the action plan, too. Both have to agree.

The modules plan twice: from the oracle's log, and from the data that their own `remember` wrote at
the end of each run. With older data and the attempts since then, they must not leave out a
component whose contents are wrong.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from oracle import histories
from oracle import oracle as o
from oracle.world import Run, World
from planner import Planner

Json = dict[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)


class DifferentError(AssertionError):
    """The modules and the oracle disagree."""


def time(day: float, seconds: int = 0) -> str:
    return (START + timedelta(days=day, seconds=seconds)).isoformat().replace("+00:00", "Z")


def config_of(config: o.Config, retention: dict[str, float]) -> Json:
    names = [e.name for e in config.environments]
    components = {
        c.name: {
            "files": [c.path, *c.watches],
            "takes": list(c.takes),
            "after": list(c.after),
            "deployed": names if c.environments is None else list(c.environments),
            "checked": [e.name for e in config.environments if not e.after]
            if c.builds
            and c.environments == ()
            and not any(c.name in other.takes for other in config.components)
            else [],
            "builds": c.builds,
            "package": c.package,
            "perEnvironment": o.per_environment(config, c.name),
        }
        for c in config.components
    }
    environments = {
        e.name: {"after": e.after or "", "days": retention[e.name]} for e in config.environments
    }
    return {"components": components, "environments": environments}


def pipeline_of(config: o.Config) -> list[list[str]]:
    workflows = [
        [f".github/workflows/{c.name}-{kind}.yml", text]
        for c in config.components
        for kind, text in (("build", c.build_pipeline), ("deploy", c.deploy_pipeline))
    ]
    common = [[".github/actions/check-out/action.yml", config.common]]
    data = [[".github/actions/what-changed/components.json", repr(config)]]
    return workflows + common + data


class Compared(World):
    """A world where `planner` plans, too."""

    planner: Planner

    def __init__(self, retention: dict[str, float] | None = None) -> None:
        super().__init__(retention)
        self.known: dict[str, Json] = {}
        self.before: dict[str, tuple[Json, list[Json]]] = {}
        self.names: dict[str, str] = {}  # a key of the oracle -> the key of the modules
        self.written: dict[int, Json] = {}
        self.counts = {"plans": 0, "parts": 0}

    # ---- input of the modules

    def situation(self, env: str, target: str, pipeline: str, all_: bool) -> Json:
        config = self.config(pipeline)
        return {
            "config": config_of(config, self.retention),
            "environment": env,
            "commit": target,
            "tree": [list(f) for f in self.history.commits[target].files] if target else [],
            "pipeline": pipeline_of(config),
            "now": time(self.state.now),
            "all": all_,
        }

    def package(self, package: o.Package | None) -> Json | None:
        if package is None:
            return None
        return {
            "key": self.names.get(package.key, package.key),
            "digest": package.digest,
            "run": package.run,
            "commit": "",
            "environment": "",
            "expires": time(self.state.expires.get((package.digest, package.run), -1)),
        }

    def entry(self, record: o.Record) -> Json:
        state = record.state if record.state == "success" else "failure"
        return {
            "state": state if record.trust == "ok" else "unknown",
            "kind": record.kind,
            "commit": record.target,
            "key": self.names.get(record.build_key, record.build_key),
            "deployKey": self.names.get(record.deploy_key, record.deploy_key),
            "package": self.package(record.package),
            "takes": {p: self.package(q) for p, q in record.takes.items()},
            "run": record.run,
            "perEnvironment": False,
        }

    def folded(self) -> dict[str, Json]:
        """The memory of each environment, computed from the oracle's log."""
        memory: dict[str, Json] = {}
        for record in self.state.log:
            if record.trust == "foreign":
                continue
            environment = memory.setdefault(record.environment, self.nothing())
            if record.kind != "held":
                environment["components"][record.component] = self.entry(record)
                if record.state == "removed":
                    del environment["components"][record.component]
            elif record.trust == "ok":
                packages = environment["packages"].setdefault(record.component, [])
                packages.insert(0, self.package(record.package))
        return memory

    @staticmethod
    def nothing() -> Json:
        keys: Json = {}
        return {
            "version": 1,
            "commit": "",
            "run": 0,
            "planned": time(0),
            "keys": keys,
            "components": {},
            "packages": {},
        }

    def manifest_of(self, manifest: dict[str, o.Entry]) -> Json:
        memory = self.nothing()
        for name, entry in manifest.items():
            memory["commit"] = entry.target
            memory["keys"][name] = self.names.get(entry.key, entry.key)
            memory["components"][name] = {
                "state": "success",
                "kind": "deployed",
                "key": memory["keys"][name],
                "package": self.package(entry.package),
                "takes": {p: self.package(q) for p, q in entry.takes.items()},
                "perEnvironment": entry.per_environment,
            }
        return memory

    def alive(self, memory: Json) -> Json:
        """The memory without the packages of deleted runs."""
        for entry in memory["components"].values():
            for package in filter(None, (entry["package"], *entry["takes"].values())):
                self.check_end(package)
        for packages in memory["packages"].values():
            for package in packages:
                self.check_end(package)
        return memory

    def check_end(self, package: Json) -> None:
        end = self.state.expires[package["digest"], package["run"]]
        if end < 0:
            package["expires"] = time(end)
        elif datetime.fromisoformat(package["expires"]) != datetime.fromisoformat(time(end)):
            raise DifferentError(f"the end of {package}: {time(end)}")

    # ---- plans

    def plan(self, env: str, target: str | None = None, pipeline: str | None = None, **asked: Any):
        plan = super().plan(env, target, pipeline, **asked)
        if not asked.get("only"):
            everything = bool(asked.get("everything"))
            given = self.situation(env, plan.target, plan.pipeline, everything)
            self.compare(plan, "source", given, {}, {}, None)
        return plan

    def promote_plan(self, env: str, run: Run | None, pipeline: str | None = None, **asked: Any):
        plan = super().promote_plan(env, run, pipeline, **asked)
        target = run.target if run else ""
        given = self.situation(env, target, plan.pipeline, bool(asked.get("everything")))
        told = {"manifest": self.manifest_of(run.manifest)} if run else {}
        wrote = {"manifest": self.alive(self.written[id(run)])} if run else {}
        origin = run.origin or run if run else None
        self.compare(plan, "promoted", given, told, wrote, origin)
        return plan

    def compare(
        self, plan: o.Plan, name: str, given: Json, told: Json, wrote: Json, origin: Run | None
    ) -> None:
        for known in self.known.values():
            self.alive(known)
        first = self.planner(name, memory=self.folded(), **given, **told)
        second = self.planner(name, memory=self.known, **given, **wrote)
        names = len(self.names)
        for key, own in (*plan.keys.items(), *plan.deploy_keys.items()):
            js = (first["keys"] if plan.keys.get(key) == own else first["deployKeys"]).get(key)
            if js is None or self.names.setdefault(own, js) != js:
                raise DifferentError(f"{key}: no key, or equal contents and different keys")
        if len(set(self.names.values())) != len(self.names):
            raise DifferentError("different contents, equal keys")
        if len(self.names) > names and (name == "source" or wrote):
            # The memory has keys that were not known before.
            first = self.planner(name, memory=self.folded(), **given, **told)
        for how, planned in (("as the log tells", first), ("as it remembers", second)):
            self.agree(plan, planned, how)
        if plan.environment in self.before and not plan.refused:
            memory, attempts = self.before[plan.environment]
            late = self.planner("overtaken", memory=self.alive(memory), attempts=attempts)
            late_known = {**self.known, plan.environment: late}
            third = self.planner(name, memory=late_known, **given, **wrote)
            for left in {*plan.deploy} - {*third["deploy"]} if not third["refused"] else ():
                is_there = self.env(plan.environment).get(left)
                if "package is gone" not in plan.reasons[left] and is_there != self.expected(
                    plan.environment, left, plan, origin
                ):
                    raise DifferentError(f"with an older memory, {left} is left out")
        plan.planned = second
        self.counts["plans"] += 1
        self.counts["parts"] += (
            0 < len(plan.deploy) < len(o.members(self.config(plan.pipeline), plan.environment))
        )

    def agree(self, plan: o.Plan, planned: Json, how: str) -> None:
        expected: Json = {
            what: sorted(getattr(plan, what)) for what in ("deploy", "build", "carry", "check")
        }
        expected["refused"] = bool(plan.refused)
        got: Json = {what: sorted(planned[what]) for what in ("deploy", "build", "carry", "check")}
        got["refused"] = bool(planned["refused"])
        if not plan.refused:
            expected["packages"] = {n: (p.digest, p.run) for n, p in plan.reuse.items()}
            got["packages"] = {n: (p["digest"], p["run"]) for n, p in planned["packages"].items()}
            expected["built here"] = {
                n: {p: q is None for p, q in t.items()} for n, t in plan.takes.items()
            }
            got["built here"] = {
                n: {p: q is None for p, q in t.items()} for n, t in planned["taken"].items()
            }
        different = {k: (v, got[k]) for k, v in expected.items() if v != got[k]}
        if different:
            raise DifferentError(
                f"{plan.environment} at {plan.target}, {how}: (oracle, module) {different}\n"
                f"oracle: {plan.reasons} {plan.refused}\n"
                f"module: {planned['reasons']} {planned['refused']}"
            )

    def pull_request(self, branch: str, head: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        affected, built = super().pull_request(branch, head)
        known = branch in self.history.commits
        base = self.history.merge_base(branch, head) if known else None
        sides = {commit: self.side(commit) for commit in (base, head) if commit}
        planned = self.planner("pullRequest", **sides[head], base=sides.get(base))
        if {*planned["reasons"]} != {*affected} or {*planned["build"]} != {*built}:
            raise DifferentError(f"pull request: {planned}, not {affected}, {built}")
        return affected, built

    def side(self, commit: str) -> Json:
        given = self.situation("", commit, commit, False)
        return {what: given[what] for what in ("config", "tree", "pipeline")}

    # ---- runs

    def run(self, plan: o.Plan, *args: Any, **kwargs: Any) -> Run:
        run = super().run(plan, *args, **kwargs)
        env, now = plan.environment, time(self.state.now)
        attempts = [
            {
                "component": n,
                "run": run.id,
                "key": self.names.get(plan.deploy_keys.get(n, ""), "another"),
                "state": run.result[f"{n}-{env}"],
                "at": time(self.state.now, len(self.runs)),
            }
            for n in plan.deploy
            if run.result.get(f"{n}-{env}", "refused") not in ("refused", "skipped")
        ]
        if env in self.before:
            self.before[env][1].extend(attempts)
        if run.only:
            if env in self.known:
                self.known[env] = self.planner(
                    "overtaken", memory=self.known[env], attempts=attempts
                )
            return run
        results = {k: "skipped" if v == "refused" else v for k, v in run.result.items()}
        old = self.known.get(env)
        self.known[env] = self.planner(
            "remember",
            config=config_of(self.config(plan.pipeline), self.retention),
            plan=plan.planned,
            memory=old,
            results=results,
            digests={n: p.digest for n, p in run.made.items()},
            run=run.id,
            commit=plan.target,
            environment=env,
            at=now,
            planned=now,
        )
        if old and len(self.runs) % 3 == 0:
            self.before[env] = (deepcopy(old), list(attempts))
        self.written[id(run)] = deepcopy(self.known[env])
        return run

    def delete_run(self, rid: int) -> None:
        super().delete_run(rid)
        for memory in (*self.known.values(), *(memory for memory, _ in self.before.values())):
            for entry in memory["components"].values():
                if entry["run"] == rid:
                    entry["state"] = "unknown"


def compared(planner: Planner) -> type[Compared]:
    return type("ComparedHere", (Compared,), {"planner": planner})


def history(planner: Planner, seed: int) -> Compared:
    """Play a history. An error names the seed."""
    try:
        return histories.history(seed, world=compared(planner))
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
