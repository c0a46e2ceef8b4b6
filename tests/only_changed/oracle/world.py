"""A world that the oracle cannot see: environments with real contents, runs, faults."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from . import oracle as o

BROKEN = "BROKEN"
RETENTION = {"dev": 7, "test": 30, "uat": 30, "prd": 90}


# ---- contents, as nested tuples, without the oracle's hashes
def match(pattern, parts):
    if not pattern:
        return not parts
    head, *rest = pattern
    if head == "**":
        return (
            any(match(rest, parts[i:]) for i in range(len(parts) + (1 if rest else 0)))
            if rest
            else bool(parts)
        )
    if not parts:
        return False

    def one(p, s):
        if not p:
            return not s
        if p[0] == "*":
            return any(one(p[1:], s[i:]) for i in range(len(s) + 1))
        return bool(s) and (p[0] in ("?", s[0])) and one(p[1:], s[1:])

    return one(head, parts[0]) and match(rest, parts[1:])


@functools.cache
def owned(c, path, environments):
    p = PurePosixPath(path)
    chain = [str(x) for x in (p, *p.parents)]

    def named(text):
        if text in (".", ""):
            return not (
                path.startswith(".github/")
                or path == "docs/ci-cd.md"
                or path.startswith(".copier-answers")
            )
        if set(text) & set("*?"):
            return match(text.split("/"), path.split("/"))
        return text.rstrip("/") in chain

    for e in environments if c.local else ("",):
        texts = [text.replace("{environment}", e) for text in (c.path, *c.watches)]
        if any(named(t) for t in texts if not t.startswith("!")) and not any(
            named(t[1:]) for t in texts if t.startswith("!")
        ):
            return True
    return False


def contagious(cfg, n):
    c = cfg.get(n)
    return c.build_per_environment or any(contagious(cfg, p) for p in c.takes if cfg.get(p))


def purpose(cfg, n, env):
    """The environments that a package is made for."""
    if env is None:
        return [e.name for e in cfg.environments]
    chain = [env]
    for before in chain:
        chain += [e.name for e in cfg.environments if e.after == before]
    wanted = cfg.get(n).environments
    return [env] if contagious(cfg, n) else [e for e in chain if wanted is None or e in wanted]


def built(w, cfg, n, target, env):
    c, made_for = cfg.get(n), tuple(purpose(cfg, n, env))
    files = tuple(f for f in w.history.commits[target].files if owned(c, f[0], made_for))
    return (
        "built",
        n,
        files,
        c.build_pipeline,
        cfg.common,
        env if contagious(cfg, n) else None,
        tuple(built(w, cfg, p, target, env) for p in sorted(c.takes) if cfg.get(p)),
    )


def deployed(cfg, n, content, taken, env):
    c = cfg.get(n)
    if content and c.local and not contagious(cfg, n):  # only the files of this environment count
        content = (
            "part",
            n,
            tuple(f for f in content[2] if owned(c, f[0], (env,))),
            *content[3:5],
        )
    return ("deployed", content, c.deploy_pipeline, cfg.common, tuple(sorted(taken.items())))


@dataclass
class Run:
    id: int
    environment: str
    target: str
    pipeline: str
    plan: o.Plan
    result: dict = field(
        default_factory=dict
    )  # job -> success | failure | cancelled | skipped | refused
    green: bool = False
    manifest: dict = field(default_factory=dict)
    origin: Run | None = None  # the source run whose bytes these are
    made: dict = field(default_factory=dict)  # component -> the package that this run holds
    only: str | None = None
    deleted: bool = False


class World:
    def __init__(self, retention=None):
        self.history = o.History()
        self.retention = retention or RETENTION
        self.state = o.State(self.history, retention=self.retention)
        self.actual = {}  # environment -> component -> content
        self.bytes = {}  # digest -> content
        self.runs = []
        self.newest = {}  # environment -> newest run that was let deploy
        self.handled = {}  # environment -> {(component, digest)} deployed or carried with success
        self.given = {}  # environment -> {(component, producer, digest)}
        self.head = None
        self.n = 0
        self.builds = 0

    # ---- git
    def commit(self, files=None, config=None, parents=None, head=True):
        """files: {path: text or None to delete}, applied to the parent."""
        self.n += 1
        old = self.history.commits[(parents or [self.head])[0]] if (parents or self.head) else None
        tree = dict(old.files) if old else {}
        for p, t in (files or {}).items():
            if t is None:
                tree.pop(p, None)
            else:
                tree[p] = str(t)
        c = o.Commit(
            f"c{self.n}",
            tuple(parents or ([self.head] if self.head else [])),
            tuple(sorted(tree.items())),
            config or old.config,
        )
        self.history.add(c)
        if head:
            self.head = c.sha
        return c.sha

    def config(self, sha=None):
        return self.history.commits[sha or self.head].config

    def env(self, e):
        return self.actual.setdefault(e, {})

    # ---- plans
    def plan(self, env, target=None, pipeline=None, **asked):
        return o.plan_source(
            self.state, env, target or self.head, pipeline or target or self.head, **asked
        )

    def candidate(self, env, target=None):
        """The newest green run of the predecessor (or, for a roll-back, first of its own) with that
        target."""
        pred = self.config().environment(env).after
        for e in [env, pred] if target else [pred]:
            for r in reversed(self.runs):
                if r.environment == e and r.green and (target is None or r.target == target):
                    return r
        return None

    def promote_plan(self, env, run, pipeline=None, **asked):
        return o.plan_promoted(
            self.state, env, run.manifest if run else None, pipeline or self.head, **asked
        )

    def pull_request(self, branch, head):
        return o.plan_pull_request(self.history, branch, head)

    # ---- what there should be
    def expected(self, env, n, plan, origin=None):
        cfg = self.config(plan.pipeline)

        def content(m):
            if origin is None:
                return built(self, cfg, m, plan.target, env)
            if contagious(cfg, m):
                c = cfg.get(m)
                files = self.history.commits[plan.target].files
                return (
                    "built",
                    m,
                    tuple(f for f in files if owned(c, f[0], (env,))),
                    c.build_pipeline,
                    cfg.common,
                    env,
                    tuple(content(p) for p in sorted(c.takes) if cfg.get(p)),
                )
            ocfg = self.config(origin.pipeline)
            if not ocfg.get(m):
                return None
            return built(self, ocfg, m, origin.target, origin.environment)

        return deployed(
            cfg, n, content(n), {p: content(p) for p in cfg.get(n).takes if cfg.get(p)}, env
        )

    # ---- execution
    def run(self, plan, faults=None, stop=None, candidate=None, id=None, only=None):
        faults = faults or {}
        rid = id or len(self.runs) + 1
        origin = (candidate.origin or candidate) if candidate else None
        run = Run(rid, plan.environment, plan.target, plan.pipeline, plan, origin=origin, only=only)
        before = next((r for r in reversed(self.runs) if r.id == rid), None)
        run.made = dict(before.made) if before else {}  # "re-run failed jobs" builds nothing again
        self.runs.append(run)
        st, cfg, env = self.state, self.config(plan.pipeline), plan.environment
        if plan.refused:
            return run
        if cfg.environment(env).after:  # the first job brings all packages over
            for n, pkg in plan.reuse.items():
                if n not in run.made:
                    self.hold(run, self.again(pkg, rid))
        for n in () if only else plan.removed:
            st.log.append(
                o.Record(len(st.log), env, n, plan.target, "", "", None, {}, rid, "removed")
            )
        made, cancelled = run.made, False
        checks = {n: f"{n}-build" for n in plan.build if not cfg.get(n).package}
        for n in plan.build:
            if n in made:
                run.result[n + "-build"] = "success"
                continue
            if any(p in plan.build and p not in made for p in plan.takes[n]):
                run.result[n + "-build"] = "skipped"
                continue
            if faults.get(n + "-build"):
                run.result[n + "-build"] = faults[n + "-build"]
                cancelled |= faults[n + "-build"] == "cancelled"
                continue
            taken = {p: made.get(p) or q for p, q in plan.takes[n].items()}
            assert all(st.kept(q, st.now) for q in taken.values()), f"{n} built without a package"
            run.result[n + "-build"] = "success"
            if n in checks:
                continue
            self.builds += 1
            pkg = o.Package(n, plan.keys[n], f"bytes-{rid}-{self.builds}-{n}", rid)
            c = cfg.get(n)
            self.bytes[pkg.digest] = (
                "built",
                n,
                tuple(
                    f
                    for f in self.history.commits[plan.target].files
                    if owned(c, f[0], tuple(purpose(cfg, n, env)))
                ),
                c.build_pipeline,
                cfg.common,
                env if contagious(cfg, n) else None,
                tuple(self.bytes[taken[p].digest] for p in sorted(taken)),
            )
            self.hold(run, pkg)
        bad = [n for n in plan.build if run.result[n + "-build"] != "success"]
        graph = {c.name: [d for d in (*c.takes, *c.after) if cfg.get(d)] for c in cfg.components}

        def blocked(n, seen=()):
            return any(
                d in bad or run.result.get(f"{d}-{env}") not in (None, "success") or blocked(d)
                for d in graph[n]
            )

        for n in plan.check:
            if run.result[n + "-build"] != "skipped":
                state = "success" if run.result[n + "-build"] == "success" else "failure"
                st.log.append(
                    o.Record(
                        len(st.log),
                        env,
                        n,
                        plan.target,
                        plan.keys[n],
                        "",
                        made.get(n),
                        {},
                        rid,
                        state,
                        "checked",
                    )
                )
        for n in plan.carry:
            pkg = made.get(n) or plan.reuse.get(n)
            taken = {p: made.get(p) or q for p, q in plan.takes[n].items()}
            if n in bad or not all(taken.values()) or (cfg.get(n).package and not pkg):
                continue
            if n in o.members(cfg, env):  # another package for what is deployed
                r = o.current(st.log, env, n)
                if not r or (r.state, r.trust, r.deploy_key) != (
                    "success",
                    "ok",
                    plan.deploy_keys[n],
                ):
                    continue  # an old plan, run again
                st.log.append(
                    replace(r, id=len(st.log), build_key=plan.keys[n], package=pkg, takes=taken)
                )
            else:
                st.log.append(
                    o.Record(
                        len(st.log),
                        env,
                        n,
                        plan.target,
                        plan.keys[n],
                        plan.deploy_keys[n],
                        pkg,
                        taken,
                        rid,
                        "success",
                        "carried",
                    )
                )
            if pkg:
                self.handled.setdefault(env, set()).add((n, pkg.digest))
            self.given.setdefault(env, set()).update((n, p, q.digest) for p, q in taken.items())
        stopped = bool(stop and bad) or faults.get("approval") == "rejected"
        for n in plan.deploy:
            job = f"{n}-{env}"
            if cancelled or stopped or n in bad or blocked(n):
                run.result[job] = "skipped"
                continue
            if not o.may_deploy(st, plan, n, self.newest.get(env, 0), rid):
                run.result[job] = "refused"
                stopped |= bool(stop)
                continue
            self.newest[env] = max(self.newest.get(env, 0), rid)
            pkg = made.get(n) or plan.reuse.get(n)
            taken = {p: made.get(p) or q for p, q in plan.takes[n].items()}
            for q in ([pkg] if cfg.get(n).package else []) + list(taken.values()):
                assert st.kept(q, st.now), f"{n}: {q} is gone"
            rec = o.Record(
                len(st.log), env, n, plan.target, plan.keys[n], plan.deploy_keys[n], pkg, taken, rid
            )
            fault = faults.get(job)
            was = o.current(st.log, env, n)
            st.log.append(rec)
            if only:  # no memory has its packages: only the key is known
                rec.trust = "unverifiable"
            if fault == "no-start":  # failed before its command; the record only says: failed
                rec.state = run.result[job] = "failure"
                stopped |= bool(stop)
                continue
            self.env(env)[n] = BROKEN
            if fault in ("failure", "cancelled"):
                rec.state = "failure" if fault == "failure" else "started"
                run.result[job] = fault
                cancelled |= fault == "cancelled"
                stopped |= bool(stop)
                continue
            content = self.bytes[pkg.digest] if pkg else self.expected(env, n, plan, origin)[1]
            taken_bytes = {p: self.bytes[q.digest] for p, q in taken.items()}
            self.env(env)[n] = (
                deployed(cfg, n, content, taken_bytes, env)
                if pkg
                else ("deployed", content, *deployed(cfg, n, None, taken_bytes, env)[2:])
            )
            if fault == "lost":  # deployed, but the status never arrived
                run.result[job] = "failure"
                stopped |= bool(stop)
                continue
            rec.state = "success"
            if (
                only
                and was
                and was.state == "success"
                and was.trust == "ok"
                and was.deploy_key == rec.deploy_key
            ):
                st.log.append(replace(was, id=len(st.log)))  # the key confirms what was known
            if pkg:
                self.handled.setdefault(env, set()).add((n, pkg.digest))
            self.given.setdefault(env, set()).update((n, p, q.digest) for p, q in taken.items())
            run.result[job] = "success"
        fine = all(v == "success" for v in run.result.values()) and not cancelled
        run.green = fine and not only and not o.closing_check(st, plan)
        if run.green:
            run.manifest = o.manifest(st, plan)
        return run

    def hold(self, run, pkg):
        """Adds an artifact of a run, which expires at its own time."""
        st, env = self.state, run.environment
        st.expires[pkg.digest, run.id] = st.now + self.retention[env]
        run.made[pkg.component] = pkg
        if not run.only:
            st.log.append(
                o.Record(
                    len(st.log),
                    env,
                    pkg.component,
                    run.target,
                    pkg.key,
                    "",
                    pkg,
                    {},
                    run.id,
                    "success",
                    "held",
                )
            )

    @staticmethod
    def again(pkg, rid):
        return o.Package(pkg.component, pkg.key, pkg.digest, rid)

    # ---- short forms
    def push(self, env, faults=None, **k):
        return self.run(self.plan(env), faults, **k)

    def promote(self, env, faults=None, target=None, **k):
        c = self.candidate(env, target)
        return self.run(self.promote_plan(env, c), faults, candidate=c, **k)

    def delete_run(self, rid):
        for r in self.state.log:
            if r.run == rid:
                r.trust = "unverifiable" if r.trust == "ok" else r.trust
        for d in list(self.state.expires):
            if d[1] == rid:
                self.state.expires[d] = -1
        for r in self.runs:
            if r.id == rid:
                r.green, r.deleted = False, True

    def forge(self, env, n, plan):
        """A workflow on a feature branch writes a false record."""
        if n in plan.deploy_keys:
            self.state.log.append(
                o.Record(
                    len(self.state.log),
                    env,
                    n,
                    plan.target,
                    plan.keys[n],
                    plan.deploy_keys[n],
                    o.Package(n, plan.keys[n], "evil", 0),
                    {},
                    0,
                    "success",
                    trust="foreign",
                )
            )
