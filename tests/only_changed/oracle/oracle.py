"""What a push must build and deploy: an executable oracle.

The oracle is pure: it sees git (commits with their files and the answers they
carry), the deployment log (one record for each attempt, written BEFORE the
command runs), the packages that are still kept, and the time.  It never sees
the environments themselves.  Everything it decides follows from two ideas:

1. Compare contents, not commits.  `build_key` is a hash of everything that
   goes into a package, `deploy_key` of everything that goes into a deployment.
   Where the commit deployed before still exists, "the key differs" is the same
   as "`git diff before target` touches an input"; where it does not (force
   push, shallow clone, garbage collection) the key still answers.

2. A component is left out only with proof: its NEWEST record in the environment
   succeeded with exactly the key that it would get now.  All other cases mean
   "deploy": no record, an attempt without a known end, a failure, a tombstone, an
   unknown version of the key, a run that can no longer be read.

In git a `source` is `git ls-tree -r -z COMMIT` filtered: no history, no blobs.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter

VERSION = 1  # of the keys: raising it deploys everything once
MARGIN = 7  # days a package must still be kept when a later environment will want it

# Files of the template count by their meaning, as the pipelines of components. They do not count
# as files in a component's folder: otherwise a root component would be deployed each time any
# component's workflow changes.
GENERATED = (".github/", "docs/ci-cd.md", ".copier-answers")


# --------------------------------------------------------------------------- model
@dataclass(frozen=True)
class Component:
    name: str
    path: str = "."
    watches: tuple = ()
    takes: tuple = ()  # package edges
    after: tuple = ()  # order-only edges
    environments: tuple | None = None  # None: all
    build_per_environment: bool = False
    builds: bool = True  # has a build; without a package, the build is only checks
    package: bool = True  # its build makes a package; otherwise no component takes one of it
    build_pipeline: str = ""  # its build workflow and its answers for building
    deploy_pipeline: str = ""  # its deploy workflow and its answers for deploying

    @property
    def local(self):
        """Some of its files belong to one environment each."""
        return any("{environment}" in text for text in (self.path, *self.watches))


@dataclass(frozen=True)
class Environment:
    name: str
    after: str | None = None


@dataclass(frozen=True)
class Config:
    components: tuple
    environments: tuple
    common: str = ""  # tree of .github/actions and the template's version

    @functools.cached_property
    def by_name(self):
        return {c.name: c for c in self.components}

    def get(self, name):
        return self.by_name.get(name)

    def environment(self, name):
        return next(e for e in self.environments if e.name == name)


@dataclass(frozen=True)
class Commit:
    sha: str
    parents: tuple
    files: tuple  # sorted (path, "mode oid"); renames are a delete and an add
    config: Config  # the answers and pipelines of this commit


@dataclass
class History:
    commits: dict = field(default_factory=dict)

    def add(self, commit):
        self.commits[commit.sha] = commit
        return commit

    def ancestors(self, sha):
        seen, todo = set(), [sha]
        while todo:
            s = todo.pop()
            if s not in seen and s in self.commits:
                seen.add(s)
                todo += self.commits[s].parents
        return seen

    def merge_base(self, a, b):
        """The best common ancestor, or None (unrelated, or not fetched)."""
        common = self.ancestors(a) & self.ancestors(b)
        best = [c for c in common if not any(c in self.ancestors(d) - {d} for d in common)]
        return min(best) if best else None


@dataclass(frozen=True)
class Package:
    component: str
    key: str  # build key: what went in
    digest: str  # the bytes; a new build has new bytes
    run: int  # the run whose artifact it is


@dataclass
class Record:
    """One attempt.  POST before the command, status after it."""

    id: int
    environment: str
    component: str
    target: str  # the commit that was deployed, not github.sha
    build_key: str
    deploy_key: str
    package: Package | None
    takes: dict  # producer -> Package, exactly what it was given
    run: int
    state: str = "started"  # started | success | failure | removed
    kind: str = "deployed"  # deployed | carried (for later environments, nothing deployed)
    # | checked (built for its checks) | held (the run has a package)
    trust: str = (
        "ok"  # ok | foreign (run of another branch, workflow, fork) | unverifiable (run gone)
    )
    version: int = VERSION


@dataclass(frozen=True)
class Entry:
    """What one environment had of one component when a run of it ended green."""

    target: str
    key: str
    package: Package
    takes: dict
    per_environment: bool = False


@dataclass
class State:
    history: History
    log: list = field(default_factory=list)  # Records, oldest first
    expires: dict = field(default_factory=dict)  # (digest, run) -> day
    now: int = 0
    retention: dict = field(default_factory=dict)  # environment -> days

    def kept(self, package, until):
        return package is not None and self.expires.get((package.digest, package.run), -1) >= until


@dataclass
class Plan:
    environment: str
    target: str
    pipeline: str
    build: tuple = ()  # in order
    deploy: tuple = ()  # in order
    carry: tuple = ()  # brought over for a later environment, not deployed here
    check: tuple = ()  # deployed nowhere and taken by no component: built for its checks
    reuse: dict = field(default_factory=dict)  # component -> Package of an earlier run
    takes: dict = field(
        default_factory=dict
    )  # consumer -> {producer: Package | None = built in this run}
    reasons: dict = field(default_factory=dict)
    unchanged: dict = field(default_factory=dict)  # component -> Record that deployed it last
    refused: tuple = ()  # not empty: the run is red before anything is deployed
    # in the log, but no longer in the answers: named, and recorded as removed, never undeployed
    removed: tuple = ()
    keys: dict = field(default_factory=dict)
    deploy_keys: dict = field(default_factory=dict)
    seen: dict = field(default_factory=dict)  # component -> id of the newest record when planned


def digest_of(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


# --------------------------------------------------------------------------- files of components
def glob(pattern):
    """`*` and `?` stay inside one folder, `**` crosses folders; all else is literal; case
    counts."""
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return re.compile(out + r"\Z", re.S)


def inside(folder, path):
    """Compares whole parts: `api` does not contain `api-v2/x`.  "." contains everything not
    GENERATED."""
    folder = folder.strip("/")
    if folder in ("", "."):
        return not path.startswith(GENERATED)
    return path == folder or path.startswith(folder + "/")


@functools.cache
def owns(component, path, environments=()):
    """A file belongs to EVERY component whose path contains it or whose watches match it.

    With nested paths and a root component, the outer component has the files of the inner one too
    (its build sees them).  A watch without a wildcard is a file or folder. A file of no component
    affects none; the summary names it.  `!x` always excludes files.  `{environment}` stands for the
    name of one of the environments.
    """
    if component.local:
        return any(
            owns(
                replace(
                    component,
                    path=component.path.replace("{environment}", e),
                    watches=tuple(w.replace("{environment}", e) for w in component.watches),
                ),
                path,
            )
            for e in environments
        )
    return (
        inside(component.path, path) or any(hits(w, path) for w in component.watches if w[0] != "!")
    ) and not any(hits(w[1:], path) for w in component.watches if w[0] == "!")


def hits(watch, path):
    if re.search(r"[*?]", watch):
        return bool(glob(watch.strip("/")).match(path))
    return inside(watch, path)


def source(history, component, commit, environments):
    return tuple(
        (p, oid) for p, oid in history.commits[commit].files if owns(component, p, environments)
    )


def built_for(config, name, environment):
    """A package is built for its environment and all environments after it; in a pull request, for
    all environments."""
    if environment is None:
        return tuple(e.name for e in config.environments)
    if per_environment(config, name):
        return (environment,)
    return tuple(
        e for e in (environment, *followers(config, environment)) if name in members(config, e)
    )


# --------------------------------------------------------------------------- the graph
def order(config, names, edges=("takes", "after")):
    graph = {
        c.name: {d for e in edges for d in getattr(c, e) if config.get(d)}
        for c in config.components
    }
    ts, ready = TopologicalSorter(graph), []
    ts.prepare()
    while ts.is_active():
        wave = sorted(ts.get_ready())
        ready += wave
        ts.done(*wave)
    return tuple(n for n in ready if n in names)


def takes(config, name):
    return tuple(p for p in config.get(name).takes if config.get(p))


def producers(config, names):
    """`names` and everything whose package they take, directly or not."""
    seen, todo = set(), list(names)
    while todo:
        n = todo.pop()
        if n not in seen:
            seen.add(n)
            todo += takes(config, n)
    return seen


def per_environment(config, name):
    """build_per_environment is contagious along package edges: a component
    built with a package for one environment makes a package for that environment, too."""
    return any(config.get(n).build_per_environment for n in producers(config, [name]))


def members(config, environment):
    return tuple(
        c.name for c in config.components if c.environments is None or environment in c.environments
    )


def followers(config, environment):
    """Every environment later in the chain, not only the next."""
    out, todo = [], [environment]
    while todo:
        e = todo.pop(0)
        nxt = [x.name for x in config.environments if x.after == e]
        out += nxt
        todo += nxt
    return tuple(out)


# --------------------------------------------------------------------------- keys
def build_key(history, config, name, target, environment, given=None):
    """Everything that goes into a package: own files at `target`; own build
    workflow and answers, shared actions and template at the PIPELINE's commit
    (`config`; with `$/` that is the running workflow's, so an old commit is built
    by today's); the keys of the packages taken; the environment, if it matters."""
    c = config.get(name)
    parts = [
        (p, (given or {}).get(p) or build_key(history, config, p, target, environment, given))
        for p in sorted(takes(config, name))
    ]
    return digest_of(c.build_pipeline, config.common)[:8] + digest_of(
        "build",
        VERSION,
        name,
        source(history, c, target, built_for(config, name, environment)),
        c.build_pipeline,
        config.common,
        parts,
        environment if per_environment(config, name) else None,
    )


def content(history, config, name, key, target, environment):
    """The key of the part of a package that counts for an environment: the whole package, or,
    with files for each environment, only its own files.  It begins with the key of the build."""
    c = config.get(name)
    if not c.local or per_environment(config, name):
        return key
    return digest_of("part", source(history, c, target, (environment,)), key[:8])


def deploy_key(config, name, key, taken):
    """Everything that is deployed: the package (`key`: its content), the deploy workflow and
    answers, the shared actions, the packages taken.  Order-only edges are no input."""
    c = config.get(name)
    return digest_of(
        "deploy", VERSION, name, key, c.deploy_pipeline, config.common, sorted(taken.items())
    )


# --------------------------------------------------------------------------- the log
def current(log, environment, name, kind=None):
    """The newest record in any state.  A record of a foreign run (other
    branch, other workflow, a fork, not made by github-actions[bot]) does not exist;
    one whose run is gone does exist, and proves nothing."""
    for r in reversed(log):
        if (
            r.environment == environment
            and r.component == name
            and r.trust != "foreign"
            and r.kind != "held"
        ):
            return r if kind in (None, r.kind) else None
    return None


def clean(log, environment, name, key, kind="deployed"):
    r = current(log, environment, name, kind)
    return (
        r is not None
        and r.state == "success"
        and r.trust == "ok"
        and r.version == VERSION
        and (r.deploy_key if kind == "deployed" else r.build_key) == key
    )


def why(log, environment, name, key, kind="deployed"):
    r = current(log, environment, name, kind)
    if r is None:
        return "never deployed here"
    if r.trust != "ok":
        return "its last run is gone"
    if r.state == "removed":
        return "it had been removed"
    if r.state != "success":
        return f"run {r.run} started to deploy it and did not succeed"
    return "its inputs differ from what runs here"


def stock(state, environment, name, key, until):
    """The newest package with exactly these inputs that a run of this environment holds."""
    return next(
        (
            r.package
            for r in reversed(state.log)
            if r.environment == environment
            and r.component == name
            and r.kind == "held"
            and r.trust == "ok"
            and r.package.key == key
            and state.kept(r.package, until)
        ),
        None,
    )


def margin(state, environment):
    """Smaller if packages are kept for a short time, so that a new one does not count as nearly
    gone."""
    return min(MARGIN, state.retention[environment] / 2)


def nobodys(config):
    """Libraries: components that are deployed nowhere and taken by none, built for their checks."""
    return tuple(
        c.name
        for c in config.components
        if c.builds
        and c.environments == ()
        and not any(c.name in takes(config, d.name) for d in config.components)
    )


# --------------------------------------------------------------------------- a source environment
def plan_source(state, environment, target, pipeline, everything=False, only=None):
    """Push, tag, or by hand (with any commit: a roll-back is nothing special).

    deploy  = members that are not clean at this target
              + members that are clean, that a later environment lacks, and whose
                recorded packages are gone or soon will be (they are deployed again
                here, so that what goes on has been deployed here)
    carry   = not deployed here, but used by a later environment, and without a clean record
              (or, where it is lacked there, without a package that will live long enough)
    build   = of everything these need, what is not kept with exactly these inputs
    everything: all members, everything built anew.  only: this one, always."""
    history, log = state.history, state.log
    config = history.commits[pipeline].config
    later = followers(config, environment)
    until = state.now + (margin(state, environment) if later else 0)
    names = [c.name for c in config.components]
    keys = {n: build_key(history, config, n, target, environment) for n in names}
    dkeys = {
        n: deploy_key(
            config,
            n,
            content(history, config, n, keys[n], target, environment),
            {p: keys[p] for p in takes(config, n)},
        )
        for n in names
    }
    here = members(config, environment)
    plan = Plan(environment, target, pipeline, keys=keys, deploy_keys=dkeys)

    deploy, carry = {}, {}
    if only:
        deploy[only] = "asked for"
    else:
        for n in here:
            if everything:
                deploy[n] = "everything was requested"
            elif not clean(log, environment, n, dkeys[n]):
                deploy[n] = why(log, environment, n, dkeys[n])
        for_later(
            state, config, environment, target, keys, dkeys, names, until, deploy, carry, everything
        )
    check = {
        n: "checks"
        for n in nobodys(config)
        if not only and (everything or not clean(log, environment, n, keys[n], "checked"))
    }

    # One package for each component whose package another one needs.
    build, reuse = set(check), {}
    for n in order(config, producers(config, [*deploy, *carry]), ("takes",)):
        if not needed(config, n, deploy, carry, build):
            continue
        p = None if everything or (only == n) else stock(state, environment, n, keys[n], until)
        if not config.get(n).package:
            build |= {n} if config.get(n).builds else set()
        elif p:
            reuse[n] = p
        elif only and n != only:
            plan.refused += (
                f"{n}: no package of these inputs is kept; start orchestrator-{environment}",
            )
        else:
            build.add(n)
    # A component that is built needs its producers' packages: again until nothing is added.
    while True:
        more = {p for n in build for p in takes(config, n)} - build - set(reuse)
        if not more:
            break
        for n in more:
            p = None if everything else stock(state, environment, n, keys[n], until)
            if p:
                reuse[n] = p
            elif only:
                plan.refused += (
                    f"{n}: no package of these inputs is kept; start orchestrator-{environment}",
                )
                reuse[n] = None
            else:
                build.add(n)
    plan.check = tuple(check)
    return finish(plan, state, config, deploy, carry, build, reuse)


def needed(config, name, deploy, carry, build):
    return (
        name in deploy
        or name in carry
        or any(name in takes(config, n) for n in {*deploy, *carry, *build})
    )


def uses(config, environment):
    """The members, and all components whose packages they need for their own builds."""
    out = set()
    for n in members(config, environment):
        out |= producers(config, [n]) if per_environment(config, n) else {n}
    return out


def for_later(
    state,
    config,
    environment,
    target,
    keys,
    dkeys,
    names,
    until,
    deploy,
    carry,
    everything,
    given=None,
):
    """What is done here for the environments after this one: every component that one
    of them uses has a clean record here (deployed, or carried if it is no member), and
    where one of them lacks it, its packages are kept for MARGIN days more.  The package of a
    member may hold files for later environments that changed: then a new one is carried."""
    here, later = members(config, environment), followers(config, environment)
    for n in names:
        if n in deploy or not any(n in uses(config, f) for f in later):
            continue
        kind = "deployed" if n in here else "carried"
        key = dkeys[n] if n in here else keys[n]
        lacking = [f for f in later if wants(state, config, f, n, target, keys, given)]
        if everything:
            carry[n] = "everything was requested"
        elif not clean(state.log, environment, n, key, kind):
            carry[n] = why(
                state.log, environment, n, key, kind
            )  # a member would be in `deploy` already
        elif current(state.log, environment, n, kind).build_key != keys[n]:
            carry[n] = "changed for later environments"
        elif lacking:
            r = current(state.log, environment, n, kind)
            own = (r.package,) if config.get(n).package else ()
            if not all(state.kept(p, until) for p in (*own, *r.takes.values())):
                (deploy if n in here else carry)[n] = (
                    f"{lacking[0]} lacks it and its package is gone"
                )


def wants(state, config, follower, name, target, keys, given):
    """Does a later environment lack `name`, or something that it will build for itself from it?"""
    return any(
        (n == name or (per_environment(config, n) and name in producers(config, [n])))
        and not clean(
            state.log, follower, n, follower_key(state, config, follower, n, target, keys, given)
        )
        for n in members(config, follower)
        if n in keys
    )


def follower_key(state, config, follower, name, target, keys, taken):
    """The key a later environment would want, as far as it can be known now.  `taken` tells, in a
    promoted environment, the key of a package that another component was given."""
    given = {n: k for n, k in keys.items() if not per_environment(config, n)}

    def key(n):
        return given.get(n) or build_key(state.history, config, n, target, follower, given)

    def key_taken(p):
        return key(p) if per_environment(config, p) or not taken else taken(name, p)

    return deploy_key(
        config,
        name,
        content(state.history, config, name, key(name), target, follower),
        {p: key_taken(p) for p in takes(config, name)},
    )


def finish(plan, state, config, deploy, carry, build, reuse):
    plan.build = order(config, build, ("takes",))
    plan.deploy = order(config, deploy)
    plan.carry = tuple(sorted(carry))
    plan.reuse = reuse
    plan.reasons = {**carry, **deploy}
    if not plan.takes:
        plan.takes = {
            n: {p: None if p in build else reuse.get(p) for p in takes(config, n)}
            for n in {*deploy, *carry, *build}
        }
    here = members(config, plan.environment)
    plan.unchanged = {
        n: current(state.log, plan.environment, n, "deployed") for n in here if n not in deploy
    }
    logged = {
        r.component for r in state.log if r.environment == plan.environment and r.trust != "foreign"
    }
    plan.removed = tuple(
        sorted(
            n
            for n in logged
            if n not in here
            and (r := current(state.log, plan.environment, n, "deployed"))
            and r.kind == "deployed"
            and r.state != "removed"
        )
    )
    for n in here:
        r = current(state.log, plan.environment, n)
        plan.seen[n] = r.id if r else None
    if plan.refused:
        plan.build = plan.deploy = plan.carry = plan.check = ()
    return plan


# --------------------------------------------------------------------------- a promoted environment
def plan_promoted(state, environment, manifest, pipeline, everything=False, only=None):
    """`manifest`: what the predecessor had when the triggering run ended green
    (component -> Entry), of ALL its components, also those that run did not touch.
    Not "the packages of that run": it may not have built them; not "the newest
    packages": the predecessor may have moved on since.

    deploy = members whose manifest entry differs from what runs HERE (so since this
             environment's last deployment, not since the predecessor's)
    build  = only what is built per environment
    refused: a package of the manifest is gone; nothing is rebuilt here."""
    history, log = state.history, state.log
    config = history.commits[pipeline].config
    until = state.now
    plan = Plan(environment, "", pipeline)
    if manifest is None:  # no green run of the predecessor; {} is one that had nothing
        plan.refused = (
            f"nothing to promote: start orchestrator of {config.environment(environment).after}",
        )
        return plan
    names = [c.name for c in config.components]
    target = plan.target = manifest_target(manifest)
    given = {
        n: e.key for n, e in manifest.items() if config.get(n) and not per_environment(config, n)
    }
    keys = {}
    for n in order(config, names, ("takes",)):
        if n in given:
            keys[n] = given[n]
        elif (
            n in manifest
            and per_environment(config, n)
            and all(p in keys for p in takes(config, n))
        ):
            keys[n] = build_key(history, config, n, target, environment, dict(keys))
    dkeys = {}
    for n in keys:
        taken = {p: taken_key(manifest, keys, config, n, p) for p in takes(config, n)}
        if all(taken.values()):
            part = content(history, config, n, keys[n], target, environment)
            dkeys[n] = deploy_key(config, n, part, taken)
    plan.keys, plan.deploy_keys = keys, dkeys

    here = members(config, environment)
    deploy, carry = {}, {}
    for n in here:
        if n not in manifest:
            continue  # newer than the candidate: the next candidate brings it
        if n not in dkeys:
            plan.refused += (
                f"{n}: takes a package that {config.environment(environment).after} does not have",
            )
        elif only:
            if n == only:
                deploy[n] = "asked for"
        elif everything:
            deploy[n] = "everything was requested"
        elif not clean(log, environment, n, dkeys[n]):
            deploy[n] = why(log, environment, n, dkeys[n])
    if not only:
        for_later(
            state,
            config,
            environment,
            target,
            keys,
            dkeys,
            [n for n in names if n in manifest and n in dkeys],
            state.now + margin(state, environment),
            deploy,
            carry,
            everything,
            lambda n, p: taken_key(manifest, keys, config, n, p),
        )

    for n in [*deploy, *carry]:
        if manifest[n].per_environment and not per_environment(config, n):
            plan.refused += (
                f"{n}: the candidate was built for another environment; the next one will do",
            )

    # A run has one package of each component: what is deployed, and what others are given.
    build, reuse = set(), {}
    todo = [*deploy, *carry, *(p for n in [*deploy, *carry] for p in takes(config, n))]
    while todo:
        n = todo.pop()
        own = stock(state, environment, n, keys[n], until) if n in keys else None
        if n in build or n in reuse:
            continue
        if per_environment(config, n) and config.get(n).package and own and not everything:
            reuse[n] = own
        elif per_environment(config, n):
            build |= {n} if config.get(n).builds else set()
            todo += takes(config, n) if config.get(n).builds else ()
        elif config.get(n).package:
            handed = [e.package for m, e in manifest.items() if m == n and e.package] + [
                e.takes[n] for e in manifest.values() if n in e.takes
            ]
            copies = [
                r.package
                for r in reversed(log)
                if r.environment == environment
                and r.kind == "held"
                and r.component == n
                and r.trust == "ok"
                and r.package.digest in {q.digest for q in handed}
            ]
            reuse[n] = next((q for q in handed + copies if state.kept(q, until)), None)
            if reuse[n] is None:
                plan.refused += (
                    f"{n}: package of run {handed[0].run if handed else '?'} is gone; start "
                    f"orchestrator of {config.environment(environment).after} with {target}",
                )
    return finish(plan, state, config, deploy, carry, build, reuse)


def manifest_target(manifest):
    return next((e.target for e in manifest.values()), "")


def taken_key(manifest, keys, config, name, producer):
    if per_environment(config, producer):
        return keys.get(producer)
    q = manifest[name].takes.get(producer) or (
        manifest[producer].package if producer in manifest else None
    )
    return q.key if q else None


# --------------------------------------------------------------------------- the end of a run
def closing_check(state, plan):
    """The last job of every deploying run asks again: is anything of this target not
    clean now?  A green run is one for which the answer is "nothing"."""
    config = state.history.commits[plan.pipeline].config
    return tuple(
        n
        for n in members(config, plan.environment)
        if n in plan.deploy_keys and not clean(state.log, plan.environment, n, plan.deploy_keys[n])
    )


def manifest(state, plan):
    """What a green run hands to the next environment (and to a roll-back of its own)."""
    config = state.history.commits[plan.pipeline].config
    out = {}
    for n in sorted(c.name for c in config.components):
        kind = "deployed" if n in members(config, plan.environment) else "carried"
        r = current(state.log, plan.environment, n, kind)
        if (
            r
            and r.state == "success"
            and r.trust == "ok"
            and n in plan.keys
            and r.build_key == plan.keys[n]
        ):
            out[n] = Entry(
                plan.target, r.build_key, r.package, dict(r.takes), per_environment(config, n)
            )
    return out


def may_deploy(state, plan, name, newest_run, run):
    """Asked by the deploying job itself, just before it writes its record.

    A stale plan deploys nothing: somebody deployed this component since it was made
    (another run, a component alone, a roll-back).  And of an environment that has let a
    newer run deploy, an older one (a re-run, too) deploys nothing more."""
    r = current(state.log, plan.environment, name)
    return (r.id if r else None) == plan.seen.get(name) and run >= newest_run


# --------------------------------------------------------------------------- pull requests


def plan_pull_request(history, base_branch, head):
    """Compared with the merge base of the target BRANCH's tip and the head: in a merge
    queue too, never with the entry before (a group may merge although that one failed).
    Each side by its own answers.  No merge base: everything.  Deploys nothing; builds
    what is affected and, always anew, the producers it needs."""
    config = history.commits[head].config
    base = history.merge_base(base_branch, head) if base_branch in history.commits else None
    names = [c.name for c in config.components]
    if base is None:
        hit = set(names)
    else:
        old = history.commits[base].config
        hit = {
            n
            for n in names
            if old.get(n) is None
            or old.common != config.common
            or old.get(n).deploy_pipeline != config.get(n).deploy_pipeline
            or build_key(history, old, n, base, None) != build_key(history, config, n, head, None)
        }
    needed_for = {n for n in producers(config, hit) if config.get(n).builds}
    return order(config, hit), order(config, needed_for, ("takes",))


# --------------------------------------------------------------------------- the three questions
def affected(state, component, environment, target, pipeline=None, manifest=None):
    """Would `component` be deployed to `environment` if `target` went there now?"""
    return component in to_deploy(state, environment, target, pipeline, manifest)


def to_deploy(state, environment, target, pipeline=None, manifest=None, **asked):
    return set(_plan(state, environment, target, pipeline, manifest, asked).deploy)


def to_build(state, environment, target, pipeline=None, manifest=None, **asked):
    return set(_plan(state, environment, target, pipeline, manifest, asked).build)


def _plan(state, environment, target, pipeline, manifest, asked):
    if manifest is not None:
        return plan_promoted(state, environment, manifest, pipeline or target, **asked)
    return plan_source(state, environment, target, pipeline or target, **asked)
