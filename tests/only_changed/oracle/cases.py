"""Difficult histories, for a world of the oracle or one that is compared with it. Each `expect` has
the components that the job `changes` has to choose.

Unless a case says otherwise, there are api (api/), web (web/, takes api) and infra (infra/, only
after web), and docs belongs to no component. dev and test are source environments; prd comes after
test. Retention: dev 7, test 30, prd 90 days.
"""

from collections.abc import Callable
from dataclasses import replace

from . import oracle as o
from .world import World

ENVS = (o.Environment("dev"), o.Environment("test"), o.Environment("prd", "test"))
API = o.Component("api", "api", build_pipeline="b", deploy_pipeline="d")
WEB = o.Component("web", "web", takes=("api",), build_pipeline="b", deploy_pipeline="d")
INFRA = o.Component("infra", "infra", after=("web",), build_pipeline="b", deploy_pipeline="d")
Case = Callable[[type[World]], None]
CASES: list[Case] = []


def case(f):
    CASES.append(f)
    return f


def start(world, *components, envs=ENVS, **files):
    w = world()
    w.commit(
        {"api/x": 1, "web/x": 1, "infra/x": 1, "README.md": 1, **files},
        o.Config(components or (API, WEB, INFRA), envs, "t"),
    )
    return w


def expect(plan, deploy, build=None, carry=None, refused=None):
    got = set(plan.deploy)
    assert got == set(deploy.split()), (
        f"deploy {sorted(got)}, expected {deploy}: {plan.reasons} {plan.refused}"
    )
    if build is not None:
        assert set(plan.build) == set(build.split()), f"build {plan.build}, expected {build}"
    if carry is not None:
        assert set(plan.carry) == set(carry.split()), f"carry {plan.carry}"
    assert bool(plan.refused) == bool(refused), plan.refused
    return plan


def both(w):
    assert w.push("test").green and w.promote("prd").green


@case
def c01_failed_then_reverted(world):
    """api@2 fails half-way in test. The commit is reverted, so nothing differs from the last
    success."""
    w = start(world)
    w.push("test")
    w.commit({"api/x": 2})
    assert not w.push("test", {"api-test": "failure"}).green
    w.commit({"api/x": 1})
    expect(w.plan("test"), "api", build="")  # web never started: it runs what it should


@case
def c02_promoted_from_a_run_that_did_not_build_it(world):
    """In test, run 1 deployed everything and run 2 only infra. prd never had run 1 and promotes run
    2."""
    w = start(world)
    w.push("test")
    w.commit({"infra/x": 2})
    two = w.push("test")
    p = expect(w.promote_plan("prd", two), "api web infra", build="")
    assert p.reuse["api"].run == 1 and p.reuse["infra"].run == 2 and p.takes["web"]["api"].run == 1
    assert w.run(p, candidate=two).green


@case
def c03_package_about_to_expire_when_test_runs(world):
    """As c02, but run 2 comes 25 days later. prd lacks api and web, and their packages will expire
    too soon."""
    w = start(world)
    w.push("test")
    w.state.now = 25
    w.commit({"infra/x": 2})
    expect(w.plan("test"), "api web infra", build="api web infra")
    w.push("test")
    expect(w.promote_plan("prd", w.candidate("prd")), "api web infra", build="")


@case
def c04_package_gone_while_the_approval_waited(world):
    """As c02, but approved 40 days later: nothing is deployed. The error names run 1 and the
    orchestrator of test, and a run of that repairs it."""
    w = start(world)
    w.push("test")
    w.commit({"infra/x": 2})
    two = w.push("test")
    w.state.now = 40
    p = expect(w.promote_plan("prd", two), "", build="", refused=True)
    assert any("run 1" in r for r in p.refused)
    expect(w.plan("test"), "api web infra", build="api web infra")
    w.push("test")
    assert w.promote("prd").green


@case
def c05_production_rolled_back_in_between(world):
    """prd had api@2 and is rolled back to commit 1. Then infra@3 goes through test: prd gets api@2
    again, with the bytes of the run that built it."""
    w = start(world)
    both(w)
    one = w.head
    w.commit({"api/x": 2})
    both(w)
    p = expect(w.promote_plan("prd", w.candidate("prd", one)), "api web", build="")
    assert w.run(p, candidate=w.candidate("prd", one)).green
    w.commit({"infra/x": 3})
    expect(w.plan("test"), "infra", build="infra")
    w.push("test")
    p = expect(w.promote_plan("prd", w.candidate("prd")), "api web infra", build="")
    assert p.reuse["api"].run == 3  # the test run that built api@2


@case
def c06_test_moved_on_while_production_waited(world):
    """The candidate of commit 1 waits; test gets api@2. prd gets the bytes of commit 1, not the
    newest."""
    w = start(world)
    one = w.push("test")
    w.commit({"api/x": 2})
    w.push("test")
    p = expect(w.promote_plan("prd", one), "api web infra", build="")
    assert {q.run for q in p.reuse.values()} == {1}


@case
def c07_cancelled_half_way_then_a_readme(world):
    """The run of api@2 and infra@2 is cancelled while api deploys. The next push changes a file of
    no component."""
    w = start(world)
    w.push("test")
    w.commit({"api/x": 2, "infra/x": 2})
    w.push("test", {"api-test": "cancelled"})
    w.commit({"README.md": 2})
    expect(w.plan("test"), "api web infra", build="")  # the packages of the cancelled run are kept
    w.push("test")
    w.commit({"README.md": 3})
    expect(w.plan("test"), "", build="")


@case
def c08_an_old_run_again_after_a_newer_one(world):
    """Run 2 failed at infra, and run 3 repaired it at commit 3. "Re-run failed jobs" of run 2 has
    an old plan."""
    w = start(world)
    w.push("test")
    w.commit({"infra/x": 2})
    two = w.push("test", {"infra-test": "failure"})
    w.commit({"infra/x": 3})
    assert w.push("test").green
    again = w.run(two.plan, id=two.id)
    assert again.result["infra-test"] == "refused" and not again.green
    w.commit({"README.md": 2})
    expect(w.plan("test"), "", build="")


@case
def c09_deployed_but_the_status_never_arrived(world):
    """One command succeeded, but its runner was lost. Another job failed before its command."""
    w = start(world)
    w.push("test")
    w.commit({"api/x": 2})
    r = w.push("test", {"api-test": "lost"})
    assert r.result["web-test"] == "skipped"
    expect(w.plan("test"), "api web", build="")  # both were built
    w.push("test")
    w.commit({"infra/x": 2})
    w.push("test", {"infra-test": "no-start"})
    expect(w.plan("test"), "infra", build="")


@case
def c10_quiet_for_a_year(world):
    """The packages have expired and the records are still there: nothing is deployed."""
    w = start(world)
    both(w)
    w.state.now = 400
    w.commit({"README.md": 2})
    expect(w.plan("test"), "", build="")
    w.push("test")
    expect(w.promote_plan("prd", w.candidate("prd")), "")


@case
def c10_its_run_is_deleted(world):
    """The record of a deleted run proves nothing, so everything is deployed again."""
    w = start(world)
    w.push("test")
    w.commit({"README.md": 2})
    w.push("test")
    w.delete_run(1)
    expect(w.plan("test"), "api web infra", build="api web infra")


@case
def c10_a_roll_back_is_deleted(world):
    """The record before the deleted roll-back must not count."""
    w = start(world)
    w.push("dev")
    one = w.head
    w.commit({"api/x": 2})
    w.push("dev")
    w.run(w.plan("dev", one, w.head))
    w.delete_run(3)
    expect(w.plan("dev"), "api web")


@case
def c11_a_feature_branch_writes_records(world):
    """A workflow of another branch writes a record of api@2 in dev. Then a person deploys an older
    commit of one component."""
    w = start(world)
    w.push("dev")
    one = w.head
    w.commit({"api/x": 2})
    w.forge("dev", "api", w.plan("dev"))
    expect(w.plan("dev"), "api web", build="api web")
    w.push("dev")
    assert (
        w.run(w.plan("dev", one, w.head, only="api"), only="api").green is False
    )  # web does not fit it: not green
    w.commit({"README.md": 2})
    expect(w.plan("dev"), "api", build="")


@case
def c12_force_push_base_is_gone(world):
    """History is rewritten, and the deployed commit no longer exists. The contents of api are
    equal, those of infra are not."""
    w = start(world)
    w.push("test")
    old = w.head
    cfg = w.config()
    w.head = None
    w.commit({"api/x": 1, "web/x": 1, "infra/x": 9, "README.md": 5}, cfg)
    del w.history.commits[old]
    expect(w.plan("test"), "infra", build="infra")


@case
def c13_removed_and_added_again(world):
    """api leaves the answers (a person undeploys it by hand) and returns unchanged. The pipeline
    never undeploys anything."""
    w = start(world)
    w.push("test")
    cfg = w.config()
    w.commit({}, replace(cfg, components=(replace(WEB, takes=()), INFRA)))
    p = expect(w.plan("test"), "web", build="web")
    assert p.removed == ("api",)
    w.push("test")
    w.commit({}, cfg)
    expect(w.plan("test"), "api web", build="")


@case
def c14_which_components_have_a_file(world):
    """A root component, nested paths, a name that is a prefix of another, watches with globs and
    non-ASCII names, and files of no component."""
    w = start(
        world,
        o.Component("root", "."),
        o.Component("svc", "svc"),
        o.Component("x", "svc/x"),
        o.Component("x2", "svc/x-2"),
        o.Component("py", "py", ("libs/**/*.py", "dätä")),
        **{
            "svc/x/f": 1,
            "svc/x-2/f": 1,
            "py/f": 1,
            "libs/a/b.py": 1,
            "libs/a/b.txt": 1,
            "dätä/ß ü": 1,
            ".github/workflows/x-build.yml": 1,
        },
    )
    w.push("dev")
    for path, hit in [
        ("svc/x/f", "root svc x"),
        ("svc/x-2/f", "root svc x2"),
        ("libs/a/b.py", "root py"),
        ("libs/a/b.txt", "root"),
        ("dätä/ß ü", "root py"),
        ("README.md", "root"),
        (".github/workflows/x-build.yml", ""),
    ]:
        w.commit({path: 2})
        expect(w.plan("dev"), hit)
        w.push("dev")
    w.commit(
        {"svc/x/f": None, "svc/x-2/f": 2, "svc/x-2/g": 2}
    )  # the file moves to another component
    expect(w.plan("dev"), "root svc x x2")


@case
def c15_one_environment_only_and_per_environment(world):
    """conf is built for each environment and only prd has it. app takes conf and lib. lib is
    deployed only in dev."""
    lib = o.Component("lib", "lib", environments=("dev",))
    conf = o.Component(
        "conf", "conf", takes=("lib",), environments=("prd",), build_per_environment=True
    )
    app = o.Component("app", "app", takes=("conf",))
    w = start(world, lib, conf, app, **{"lib/x": 1, "conf/x": 1, "app/x": 1})
    expect(w.plan("test"), "app", build="lib conf app", carry="lib conf")
    w.push("test")
    expect(
        w.promote_plan("prd", w.candidate("prd")), "conf app", build="conf app"
    )  # app takes conf, so it too is built for each
    w.promote("prd")
    w.commit({"app/x": 2})
    expect(w.plan("test"), "app", build="app", carry="")
    w.push("test")
    p = expect(w.promote_plan("prd", w.candidate("prd")), "app", build="app")
    assert p.takes["app"]["conf"].run == 2  # prd's own conf, of prd's run
    w.commit({"lib/x": 2})
    expect(w.plan("dev"), "lib app", build="lib conf app")


@case
def c16_merge_queue_and_pull_request(world):
    """The group has an earlier entry too, but is compared with the branch, not with that entry."""
    w = start(world)
    main = w.head
    first = w.commit({"api/x": 2}, parents=[main], head=False)
    second = w.commit({"infra/x": 2}, parents=[first], head=False)
    assert w.pull_request(main, first) == (("api", "web"), ("api", "web"))
    assert w.pull_request(main, second)[0] == ("api", "web", "infra")
    only_web = w.commit({"web/x": 2}, parents=[main], head=False)
    assert w.pull_request(main, only_web) == (("web",), ("api", "web"))
    assert set(w.pull_request("gone", second)[0]) == {"api", "web", "infra"}
    readme = w.commit({"README.md": 2}, parents=[main], head=False)
    assert w.pull_request(main, readme) == ((), ())


@case
def c17_a_new_environment_and_a_new_template(world):
    """uat is added between test and prd when all packages have expired. Then the shared actions
    change: everything is deployed, once."""
    w = start(world)
    both(w)
    w.state.now = 100
    cfg = w.config()
    w.commit(
        {},
        replace(
            cfg,
            environments=(
                ENVS[0],
                ENVS[1],
                o.Environment("uat", "test"),
                o.Environment("prd", "uat"),
            ),
        ),
    )
    expect(w.plan("test"), "api web infra", build="api web infra")
    w.push("test")
    expect(w.promote_plan("uat", w.candidate("uat")), "api web infra", build="")
    w.promote("uat")
    expect(w.promote_plan("prd", w.candidate("prd")), "", build="")  # equal contents: nothing to do
    w.commit({}, replace(w.config(), common="t2"))
    expect(w.plan("test"), "api web infra", build="api web infra")
    w.push("test")
    expect(w.plan("test"), "")


@case
def c18_excluded_files(world):
    """api excludes its docs, so they belong to no component. The root component excludes the files
    of another one."""
    api = replace(API, watches=("!api/docs", "!**/*.md"))
    w = start(world, api, o.Component("root", watches=("!api",)), **{"api/docs/a": 1})
    w.push("dev")
    for path, hit in [
        ("api/docs/a", ""),
        ("api/a.md", ""),
        ("api/y", "api"),
        ("README.md", "root"),
    ]:
        w.commit({path: 2})
        expect(w.plan("dev"), hit)
        w.push("dev")


@case
def c19_files_of_one_environment(world):
    """A change for prd deploys nothing in test. It still builds the package for prd, or runs the
    checks."""
    app = o.Component("app", "app", ("env/{environment}",))
    iac = o.Component("iac", "iac", ("env/{environment}",), package=False)
    w = start(
        world, app, iac, **{"app/x": 1, "iac/x": 1, "env/dev/x": 1, "env/test/x": 1, "env/prd/x": 1}
    )
    w.push("dev")
    both(w)
    w.commit({"env/prd/x": 2})
    expect(w.plan("dev"), "", build="", carry="")
    expect(w.plan("test"), "", build="app iac", carry="app iac")
    assert not w.push("test", {"iac-build": "failure"}).green
    expect(w.plan("test"), "", build="iac", carry="iac")
    w.push("test")
    expect(w.plan("test"), "", build="", carry="")
    p = expect(w.promote_plan("prd", w.candidate("prd")), "app iac", build="")
    assert p.reuse["app"].run == 4
    w.promote("prd")
    w.commit({"env/test/x": 2})
    expect(w.plan("test"), "app iac", build="app iac")
    w.push("test")
    expect(w.promote_plan("prd", w.candidate("prd")), "")


@case
def c20_components_without_a_package(world):
    """Without a package nothing expires. The checks run with each deployment, if there are any."""
    iac = o.Component("iac", "iac", package=False)
    raw = o.Component("raw", "raw", builds=False, package=False, environments=("prd",))
    w = start(world, iac, raw, **{"iac/x": 1, "raw/x": 1})
    expect(w.plan("test"), "iac", build="iac", carry="raw")
    w.push("test")
    w.state.now = 400
    w.commit({"README.md": 2})
    expect(w.plan("test"), "", build="", carry="")
    w.push("test")
    expect(w.promote_plan("prd", w.candidate("prd")), "iac raw", build="")


@case
def c21_a_library_that_nobody_takes(world):
    """It is built for its checks until they succeed, even if nothing is deployed."""
    base = o.Component("base", "base", environments=())
    lib = o.Component("lib", "lib", takes=("base",), environments=())
    w = start(world, base, lib, API, **{"base/x": 1, "lib/x": 1})
    expect(w.plan("test"), "api", build="api base lib")
    w.push("test", {"lib-build": "failure"})
    expect(w.plan("test"), "", build="lib")
    w.push("test")
    w.commit({"README.md": 2})
    expect(w.plan("test"), "", build="")
    w.commit({"base/x": 2})
    expect(w.plan("test"), "", build="base lib")
    expect(w.promote_plan("prd", w.candidate("prd")), "api", build="")


@case
def c22_everything(world):
    """By hand, or with only_changed off: everything is built and deployed, with or without
    records."""
    lib = o.Component("lib", "lib", environments=())
    conf = o.Component("conf", "conf", environments=("prd",))
    w = start(world, API, WEB, lib, conf, **{"lib/x": 1, "conf/x": 1})
    w.push("test")
    expect(w.plan("test"), "", build="", carry="")
    p = expect(w.plan("test", everything=True), "api web", build="api web lib conf", carry="conf")
    w.run(p)
    w.promote("prd")
    expect(w.promote_plan("prd", w.candidate("prd")), "")
    expect(w.promote_plan("prd", w.candidate("prd"), everything=True), "api web conf", build="")
    assert w.promote_plan("prd", None).refused


@case
def c23_a_component_that_prd_did_not_want_when_the_candidate_ran(world):
    """conf went on to prd, then was no longer wanted there, and changed. Now prd wants it again,
    and the next candidate brings it."""
    conf = o.Component("conf", "conf", environments=("prd",))
    for elsewhere, build in (((), ""), (("dev",), "conf")):
        w = start(world, API, conf, **{"conf/x": 1})
        w.push("test")
        cfg = w.config()
        other = replace(conf, environments=elsewhere)
        w.commit({"conf/x": 2}, replace(cfg, components=(API, other)))
        two = w.push("test")
        w.commit({}, cfg)
        expect(w.promote_plan("prd", two), "api")
        expect(w.plan("test"), "", build=build, carry="conf")


@case
def c24_production_goes_back_to_before_a_component_was_there(world):
    """infra is younger than the target. It stays as it is, and the run is green."""
    w = start(world, API, WEB)
    both(w)
    one = w.head
    w.commit({"web/x": 2}, replace(w.config(), components=(API, WEB, INFRA)))
    both(w)
    p = expect(w.promote_plan("prd", w.candidate("prd", one)), "web", build="")
    assert w.run(p, candidate=w.candidate("prd", one)).green
