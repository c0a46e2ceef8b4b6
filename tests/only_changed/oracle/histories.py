"""Random histories of a world, by a seed.

Invariants. They are checked before and after every run, against contents (nested tuples
that other code makes) and never against the oracle's hashes:
 I1 complete   a green run leaves every member exactly as a full deployment of its target would
 I2 left out   a component that a plan leaves out already equals a full deployment
 I3 minimal    what a plan deploys differs, or its proof is missing, or it was asked for, or a later
               environment lacks it and its packages are gone; what it builds has no kept equal
 I4 bytes      a promoted environment deploys only packages (own and taken) that its predecessor
               handled
 I5 repair     after anything, one faultless run of each environment along the chain is green
 I6 pull request: every component whose contents differ from the merge base is built, no
               other but producers
 I7 order      whatever is built or deployed finds all its packages (asserted inside World.run)
"""

import random
from dataclasses import replace

from . import oracle as o
from .world import RETENTION, World, built, contagious

FOLDERS = ["a", "a/b", "ab", "svc/x", "svc/x-2", "svc", ".", "ünï cö", "env/{environment}"]
FILES = [
    "a/1",
    "a/b/1",
    "a/b/2.py",
    "ab/1",
    "svc/x/1",
    "svc/x-2/1",
    "svc/1",
    "README.md",
    "libs/c/u.py",
    "libs/c/v.txt",
    "libs/d/u.py",
    ".github/workflows/own.yml",
    "ünï cö/ß 1",
    "tools/x",
    "env/test/1",
    "env/uat/1",
    "env/prd/1",
    "env/prd.txt",
]
WATCHES = [
    "libs/c",
    "libs/**/*.py",
    "*.md",
    "tools/?",
    ".github/workflows/own.yml",
    "env/{environment}.txt",
    "!a/b",
    "!**/*.py",
    "!svc/x*",
    "!env/test",
]


def chain(r):
    e = [o.Environment("dev"), o.Environment("test", r.choice([None, None, "dev"]))]
    if r.random() < 0.4:
        e += [o.Environment("uat", "test"), o.Environment("prd", "uat")]
    else:
        e += [o.Environment("prd", "test")]
    return tuple(e)


def component(r, i, before, envs):
    names, makers = [c.name for c in before], {c.name for c in before if c.package}
    up = [n for n in names if r.random() < 0.45]
    package = r.random() < 0.8
    return o.Component(
        f"k{i}",
        r.choice(FOLDERS),
        tuple(w for w in WATCHES if r.random() < 0.12),
        tuple(n for n in up if n in makers and r.random() < 0.7),
        tuple(n for n in up if r.random() < 0.3),
        None if r.random() < 0.75 else tuple(e.name for e in envs if r.random() < 0.5),
        r.random() < 0.12,
        package or r.random() < 0.5,
        package,
        "b0",
        "d0",
    )


def new_config(r):
    envs, cs = chain(r), []
    for i in range(r.randint(2, 6)):
        cs.append(component(r, i, cs, envs))
    return o.Config(tuple(cs), envs, "t0")


def changed_config(r, cfg, n):
    cs = list(cfg.components)
    i = r.randrange(len(cs))
    kind = r.choice(
        [
            "build",
            "deploy",
            "common",
            "edge",
            "order",
            "environments",
            "add",
            "remove",
            "path",
            "watch",
        ]
    )
    if kind == "build":
        cs[i] = replace(cs[i], build_pipeline=f"b{n}")
    elif kind == "deploy":
        cs[i] = replace(cs[i], deploy_pipeline=f"d{n}")
    elif kind == "common":
        return replace(cfg, common=f"t{n}")
    elif kind in ("edge", "order") and i and (kind == "order" or any(c.package for c in cs[:i])):
        p = r.choice([c for c in cs[:i] if kind == "order" or c.package]).name
        f = "takes" if kind == "edge" else "after"
        have = getattr(cs[i], f)
        cs[i] = replace(cs[i], **{f: tuple(x for x in have if x != p) if p in have else (*have, p)})
    elif kind == "environments":
        cs[i] = replace(
            cs[i], environments=tuple(e.name for e in cfg.environments if r.random() < 0.6)
        )
    elif kind == "add" and len(cs) < 7:
        gone = [f"k{j}" for j in range(8) if not cfg.get(f"k{j}")]
        c = component(r, 0, cs, cfg.environments)
        cs.append(replace(c, name=r.choice(gone)))
    elif kind == "remove" and len(cs) > 2:
        x = cs.pop(i).name
        cs = [
            replace(
                c,
                takes=tuple(t for t in c.takes if t != x),
                after=tuple(t for t in c.after if t != x),
            )
            for c in cs
        ]
    elif kind == "path":
        cs[i] = replace(cs[i], path=r.choice(FOLDERS), build_pipeline=f"b{n}")
    elif kind == "watch":
        cs[i] = replace(cs[i], watches=(r.choice(WATCHES),), build_pipeline=f"b{n}")
    return replace(cfg, components=tuple(cs))


def proof_missing(w, env, n):
    rs = [
        x
        for x in w.state.log
        if x.environment == env and x.component == n and x.trust != "foreign" and x.kind != "held"
    ]
    return not rs or rs[-1].state != "success" or rs[-1].trust != "ok" or rs[-1].kind != "deployed"


STATS = dict(runs=0, deployed=0, members=0, had=0, built=0, refused=0, green=0, forced=0)


def moved(w, c):
    """Whether the component once had other paths, so that its key has changed."""
    known = [commit.config.get(c.name) for commit in w.history.commits.values()]
    return c.local and any((k.path, k.watches) != (c.path, c.watches) for k in known if k)


def check_plan(w, plan, candidate=None, asked=False):
    """I2, I3 and (for packages) I4, when the plan is made."""
    env, origin = plan.environment, (candidate.origin or candidate) if candidate else None
    STATS["runs"] += 1
    if plan.refused:
        STATS["refused"] += 1
        return
    cfg = w.config(plan.pipeline)
    for n in o.members(cfg, env):
        if n not in plan.deploy_keys:
            continue
        same = w.env(env).get(n) == w.expected(env, n, plan, origin)
        STATS["members"] += 1
        if n not in plan.deploy:
            assert asked or same, f"LEFT OUT {n} in {env} at {plan.target}"
            continue
        STATS["deployed"] += 1
        STATS["had"] += not same
        if asked or not same or proof_missing(w, env, n) or moved(w, cfg.get(n)):
            continue
        STATS["forced"] += 1
        rec = [
            x
            for x in w.state.log
            if x.environment == env
            and x.component == n
            and x.trust != "foreign"
            and x.kind != "held"
        ][-1]
        gone = [
            q
            for q in (*((rec.package,) if cfg.get(n).package else ()), *rec.takes.values())
            if not w.state.kept(q, w.state.now + o.margin(w.state, env))
        ]
        later = o.followers(cfg, env)
        assert later and gone, f"NOT AFFECTED {n} in {env}: {plan.reasons[n]}"
    for n in plan.build:
        STATS["built"] += 1
        assert n in (*plan.deploy, *plan.carry, *plan.check) or any(
            n in plan.takes[m] for m in plan.takes
        ), f"built without need: {n}"
        if asked or candidate or not cfg.get(n).package or n in plan.check:
            continue
        until, want = (
            w.state.now + (o.margin(w.state, env) if o.followers(cfg, env) else 0),
            built(w, cfg, n, plan.target, env),
        )
        assert not any(
            x.component == n
            and w.bytes.get(x.package.digest) == want
            and w.state.kept(x.package, until)
            for x in w.state.log
            if x.environment == env and x.trust == "ok" and x.kind == "held"
        ), f"BUILT AGAIN {n}"


def check_run(w, run, candidate=None):
    if not run.green:
        return
    STATS["green"] += 1
    cfg, env = w.config(run.pipeline), run.environment
    origin = (candidate.origin or candidate) if candidate else None
    for n in o.members(cfg, env):
        if n in run.plan.deploy_keys:
            assert w.env(env).get(n) == w.expected(env, n, run.plan, origin), (
                f"GREEN BUT WRONG {n} in {env}"
            )
    if not candidate:
        assert set(o.members(cfg, env)) <= set(run.plan.deploy_keys)


def check_bytes(w, run):
    pred = w.config(run.pipeline).environment(run.environment).after
    if not pred:
        return
    cfg = w.config(run.pipeline)
    for r in w.state.log:
        if (
            r.run == run.id
            and r.environment == run.environment
            and r.package
            and r.kind != "held"
            and r.trust != "foreign"
        ):
            own = (r.component, r.package.digest)
            ok = w.handled.get(pred, set()) | w.handled.get(run.environment, set())
            assert contagious(cfg, r.component) or own in ok, f"BYTES {own} never in {pred}"
            for p, q in r.takes.items():
                given = {
                    (m, d)
                    for _, m, d in w.given.get(pred, set()) | w.given.get(run.environment, set())
                }
                assert contagious(cfg, p) or (p, q.digest) in given | ok, (
                    f"BYTES {p} for {r.component}"
                )


def faults(r, plan, rate):
    jobs = [n + "-build" for n in plan.build] + [f"{n}-{plan.environment}" for n in plan.deploy]
    f = {
        j: r.choice(
            ["failure", "cancelled"] + ([] if j.endswith("-build") else ["lost", "no-start"])
        )
        for j in jobs
        if r.random() < rate
    }
    if r.random() < 0.08:
        f["approval"] = "rejected"
    return f


def go(w, plan, f, candidate=None, stop=False, asked=False, id=None, check=True, only=None):
    if check:
        check_plan(w, plan, candidate, asked)
    run = w.run(plan, f, stop, candidate, id, only)
    check_run(w, run, candidate)
    check_bytes(w, run)
    return run


def history(seed, steps=28, world=World):
    r = random.Random(seed)
    w = world({**RETENTION, "dev": r.choice([4, 20]), "test": r.choice([10, 30])})
    w.commit({f: 0 for f in FILES if r.random() < 0.8}, new_config(r))
    stale, rate = [], r.choice([0, 0.05, 0.2])
    for step in range(steps):
        cfg, x = w.config(), r.random()
        sources = [e.name for e in cfg.environments if not e.after]
        promoted = [e.name for e in cfg.environments if e.after]
        if x < 0.22:
            w.commit(
                {
                    f: (None if r.random() < 0.12 else step)
                    for f in r.sample(FILES, r.randint(0, 3))
                },
                changed_config(r, cfg, step) if r.random() < 0.3 else None,
            )
        elif x < 0.27:  # a revert: old contents, new commit
            old = w.history.commits[r.choice(list(w.history.commits))]
            now = {f: None for f, _ in w.history.commits[w.head].files}
            w.commit(
                {**now, **dict(old.files)},
                old.config if old.config.environments == cfg.environments else None,
            )
        elif x < 0.29:  # a force push: another line of history
            w.commit(
                {r.choice(FILES): f"force{step}"},
                parents=[r.choice(list(w.history.commits))],
                config=cfg,
            )
        elif x < 0.50:
            p = w.plan(r.choice(sources))
            go(w, p, faults(r, p, rate), stop=r.random() < 0.3)
        elif x < 0.68:
            e = r.choice(promoted)
            green = [g for g in w.runs if g.green and g.environment == cfg.environment(e).after]
            if green:
                c = green[-1] if r.random() < 0.8 else r.choice(green)
                p = w.promote_plan(e, c)
                if r.random() < 0.15:
                    stale.append((p, c, len(w.runs)))  # waits for its approval
                else:
                    go(w, p, faults(r, p, rate), c, stop=r.random() < 0.5)
        elif x < 0.73:  # alone
            e = r.choice(sources)
            ms = o.members(cfg, e)
            if ms:
                one = r.choice(ms)
                p = w.plan(e, r.choice(list(w.history.commits)), w.head, only=one)
                go(w, p, faults(r, p, rate), asked=True, only=one)
        elif x < 0.78:  # roll-back, or any commit by hand
            e = r.choice(sources)
            target, all_ = r.choice(list(w.history.commits)), r.random() < 0.2
            p = w.plan(e, target, w.head, everything=all_)
            go(w, p, faults(r, p, rate), asked=all_)
        elif x < 0.83:
            e = r.choice(promoted)
            c = w.candidate(e, r.choice(list(w.history.commits)))
            if c:
                p = w.promote_plan(e, c)
                go(w, p, faults(r, p, rate), c)
        elif x < 0.86 and stale:
            p, c, _ = stale.pop(r.randrange(len(stale)))
            go(w, p, {}, c, check=False) if not gone_since(w, p) else None
        elif x < 0.89 and w.runs:  # an old run again, with its old plan
            q = r.choice(w.runs)
            if not q.deleted and not q.plan.refused and not gone_since(w, q.plan, *q.made.values()):
                cand = q.origin
                go(w, q.plan, {}, cand, id=q.id, check=False, only=q.only)
        elif x < 0.93:
            w.state.now += r.choice([1, 3, 8, 25, 35])
        elif x < 0.955 and w.runs:
            w.delete_run(r.choice(w.runs).id)
        else:
            e = r.choice(sources)
            p = w.plan(e)
            ms = o.members(cfg, e)
            if ms:
                w.forge(e, r.choice(ms), p)
        if r.random() < 0.1:
            check_pull_request(r, w, step)
    for e in w.config().environments:  # I5
        if not e.after:
            run = go(w, w.plan(e.name), {})
        else:
            c = w.candidate(e.name)
            run = go(w, w.promote_plan(e.name, c), {}, c)
        assert run.green, f"NOT REPAIRED {e.name}: {run.plan.refused} {run.result}"
        again = w.plan(e.name) if not e.after else w.promote_plan(e.name, w.candidate(e.name))
        assert not again.deploy or all(
            "package is gone" in again.reasons[n] for n in again.deploy
        ), again.reasons
    return w


def gone_since(w, p, *made):
    pk = [*made, *p.reuse.values(), *(q for t in p.takes.values() for q in t.values() if q)]
    return any(not w.state.kept(q, w.state.now) for q in pk if q)


def check_pull_request(r, w, step):  # I6
    main, base = w.head, r.choice(list(w.history.commits))
    cfg = w.history.commits[base].config
    head = w.commit(
        {r.choice(FILES): f"pr{step}"},
        changed_config(r, cfg, f"p{step}") if r.random() < 0.4 else None,
        parents=[base],
        head=False,
    )
    mb = w.history.merge_base(main, head)
    hit, build = w.pull_request(main, head)
    new, old = w.config(head), w.config(mb) if mb else None
    truth = {
        c.name
        for c in new.components
        if old is None
        or not old.get(c.name)
        or old.common != new.common
        or old.get(c.name).deploy_pipeline != c.deploy_pipeline
        or built(w, old, c.name, mb, None) != built(w, new, c.name, head, None)
    }
    assert set(hit) == truth, "PULL REQUEST"
    assert set(build) == {n for n in o.producers(new, truth) if new.get(n).builds}
