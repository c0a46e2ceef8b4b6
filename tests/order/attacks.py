"""Attacks: ways to deploy to production, or over something newer, what must not be deployed.

The attackers are: somebody with a fork; `mallory`, who may push branches and tags that no rule
protects, and start workflows, but not approve; a dependency that runs in a test or a build, and can
upload artifacts; a colleague who re-runs, cancels and starts things; bad luck. An attack is played
to its end, and raises ThroughError if it succeeds. Attacks with the same number were found
together. `test_guards.py` names for each guard an attack that it prevents.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from offline_github import Run
from offline_github.model import Job
from offline_github.people import BOT
from offline_github.rulesets import PushError
from offline_github.work import Going, Step, Work
from worlds import EVIL, World, digest

TEST, PRD = "orchestrator-test.yml", "orchestrator-prd.yml"
Attack = Callable[[World], None]
ATTACKS: dict[str, tuple[str, Attack]] = {}
"""Name -> the kind of pipelines, and the attack."""


class ThroughError(Exception):
    """The attack has succeeded. The text says how."""


def on(kind: str) -> Callable[[Attack], Attack]:
    def add(attack: Attack) -> Attack:
        ATTACKS[attack.__name__] = (kind, attack)
        return attack

    return add


def through(what: str, happened: bool) -> None:
    if happened:
        raise ThroughError(what)


def approve_all(world: World) -> None:
    """A reviewer who approves every run that asks."""
    for _ in range(10):
        if not (waiting := world.waiting()):
            return
        world.approve(waiting[0])


def evil_in(world: World, environment: str = "prd") -> bool:
    deployed = world.of_environment(environment)
    return any(content == EVIL for d in deployed for _, content in d.packages.values())


def deployed_by(world: World, run: Run) -> list[str]:
    """The commits that a run has deployed."""
    return [d.commit for d in world.deployments if d.run.id == run.id]


def forged_test(commit: str, trigger: str, environment: str = "") -> dict[str, str]:
    """An orchestrator of test that tests nothing, and claims that it has deployed this commit."""
    where = f"    environment: {environment}\n" if environment else ""
    return {
        f".github/workflows/{TEST}": f"""\
name: Orchestrator Test
run-name: Deploy {commit} to test
on: {{{trigger}}}
jobs:
  python-build:
    name: python-build / Check and build
    runs-on: x
{where}    steps: [{{name: "Plant python-package-test of {commit}", run: plant}}]
  deployment-summary:
    name: Deployment summary
    needs: [python-build]
    runs-on: x
    steps: [{{name: "Plant manifest-test of {commit}", run: plant}}]
"""
    }


# Reaching production


@on("call")
def a_branch_called_like_a_commit(world: World) -> None:
    """1. The check finds main's commit in the branch's name, and the build takes the branch."""
    main = world.merged()
    evil = world.commit(f"attack-{main}", {"evil.txt": "x"})
    world.github.push(f"attack-{main}", by="mallory")
    for commit in (f"attack-{main}", evil, f"{main}\n{evil}", f"refs/heads/attack-{main}"):
        for file in (TEST, PRD, "python-test.yml", "terraform-test.yml", "terraform-prd.yml"):
            world.started(file, commit=commit, by="mallory")
            approve_all(world)
    through("nobody has reviewed what was built", any(ref != main for _, ref in world.checked_out))
    through("a text was deployed", any(d.commit != main for d in world.deployments))


@on("call")
def a_tag_called_main_on_what_was_merged_with_a_pull_request(world: World) -> None:
    """2. One commit of a pull request forges an orchestrator, and the next one removes it."""
    first = world.merged()
    original = world.repository.workflows(first)[f".github/workflows/{TEST}"]
    trigger = "workflow_dispatch: {inputs: {commit: {type: string}}}"
    forged = world.commit("side", forged_test("${{ inputs.commit }}", trigger), start=first)
    back = world.commit("side", {f".github/workflows/{TEST}": original})
    main = world.commit("main", merge=back)
    world.push("main")
    world.github.settle()
    # Nobody has set up the rule that no tag is called like a branch.
    world.repository.tag("main", forged)
    world.github.tag("main", by="mallory")
    world.started(TEST, ref="refs/tags/main", commit=main, by="mallory")
    approve_all(world)
    through("a forged test was believed", evil_in(world))


@on("call")
def a_tag_called_main_on_what_nobody_merged(world: World) -> None:
    """The same with a commit that is on no branch. This was always refused."""
    main = world.merged()
    world.approve(world.candidate())
    forged = world.commit("side", forged_test(main, "push: {tags: [main]}"), start=main)
    world.repository.tag("main", forged)
    world.github.tag("main", by="mallory")
    world.github.settle()
    approve_all(world)
    world.started(PRD, ref="refs/heads/main", commit=main)
    approve_all(world)
    through("a forged test was believed", evil_in(world))


@on("call")
def a_feature_branch_that_pretends_to_be_the_test(world: World) -> None:
    """11. It pretends by its file, its title and the id of its run. This was always refused."""
    main = world.merged()
    world.commit("side", forged_test(main, "push: "), start=main)
    [run] = [r for r in world.github.push("side", by="mallory") if r.workflow_file == TEST]
    world.github.settle()
    for packages in (str(run.id), "same-commit", "latest"):
        world.started("terraform-prd.yml", packages=packages)
        approve_all(world)
    world.started(PRD)
    approve_all(world)
    through("a forged test was believed", evil_in(world))


@on("call")
def a_package_swapped_after_it_was_deployed(world: World) -> None:
    """3. A later job of test's run, in which a dependency runs, uploads the package once more."""

    def swap(step: Step) -> Any:
        if step.name == "Deploy" and step.env["ENVIRONMENT"] == "test":
            run, commit = step.work.run, step.env["COMMIT"]

            def deploying() -> Going:
                yield 60
                world.upload(run, "python-package-test", (commit, EVIL))

            return deploying()
        return None

    world.instead = swap
    world.merged()
    approve_all(world)
    world.instead = lambda step: None
    world.started(PRD)
    world.started("terraform-test.yml", packages=str(world.github.runs_of(TEST)[-1].id))
    world.started("terraform-prd.yml", packages=str(world.github.runs_of(TEST)[-1].id))
    approve_all(world)
    through("the package was taken", evil_in(world) or evil_in(world, "test"))


@on("call")
def a_package_swapped_before_it_is_deployed(world: World) -> None:
    """A check of terraform uploads the package of python, in the same run. Always refused."""

    def swap(step: Step) -> Any:
        if step.name == "Validate":
            name = f"python-package-{step.env['ENVIRONMENT']}"
            world.upload(step.work.run, name, (step.env["COMMIT"], EVIL))
        return None

    world.instead = swap
    world.merged()
    approve_all(world)
    through("the package was taken", evil_in(world, "test") or evil_in(world))


@on("call")
def a_package_swapped_before_production_takes_it(world: World) -> None:
    """The same in production's own run, between its jobs. This was always refused."""

    def swap(step: Step) -> Any:
        if step.name == "Set up Terraform" and step.env["ENVIRONMENT"] == "prd":
            world.upload(step.work.run, "python-package-prd", (step.env["COMMIT"], EVIL))
        return None

    world.instead = swap
    world.merged()
    approve_all(world)
    through("the package was taken", evil_in(world))


@on("several")
def a_build_that_says_which_package_another_one_has(world: World) -> None:
    """A dependency in second's build uploads a package of first, and adds its digest to its own.

    The orchestrator writes the digests of both into one JSON text, and of two equal names the
    later one counts.
    """

    def build(step: Step) -> Any:
        run, commit = step.work.run, step.env.get("COMMIT", "")
        if not step.work.key.startswith("second-build / "):
            return None
        environment = run.workflow_file.removesuffix(".yml").rpartition("-")[2]
        name, own = f"first-package-{environment}", (commit, "second")
        if step.name == "Collect the files":
            more = f'"}}, "first": {{"run": {run.id}, "digest": "{digest((commit, EVIL))}'
            return {"digest": digest(own) + more}
        if step.uses != "actions/upload-artifact":
            return None

        def uploading() -> Going:
            world.upload(run, f"second-package-{environment}", own)
            while all(artifact.name != name for artifact in run.artifact_store.values()):
                yield 1
            world.upload(run, name, (commit, EVIL))

        return uploading()

    world.instead = build
    world.merged()
    approve_all(world)
    through("the package was taken", evil_in(world, "test") or evil_in(world))


@on("several")
def a_package_uploaded_while_its_build_fails(world: World) -> None:
    """A dependency in second's build uploads the package that first has not made.

    Somebody then starts what takes it, alone, where no digest is known.
    """

    def build(step: Step) -> Any:
        run, commit = step.work.run, step.env.get("COMMIT", "")
        if run.workflow_file != TEST or not step.work.key.startswith("first-build / "):
            return None
        if step.name != "Build":
            return None
        world.upload(run, "first-package-test", (commit, EVIL))
        return "failure"

    world.instead = build
    world.merged()
    world.started("third-test.yml")
    through("the package was taken", evil_in(world, "test"))


@on("at-last")
def a_package_swapped_that_test_only_builds(world: World) -> None:
    """A dependency in second's build uploads first's package, before first's job has ended.

    Nothing in test deploys that, so nothing there compares it with what the build has reported.
    """

    def build(step: Step) -> Any:
        run, commit = step.work.run, step.env.get("COMMIT", "")
        if run.workflow_file != TEST or not step.work.key.startswith("first-build / "):
            return None
        if step.name == "Collect the files":
            return {"digest": digest((commit, "first"))}
        if step.uses != "actions/upload-artifact":
            return None

        def ending() -> Going:
            for content in ("first", EVIL):
                world.upload(run, "first-package-test", (commit, content))
                yield 1

        return ending()

    world.instead = build
    world.merged()
    approve_all(world)
    through("the package was taken", evil_in(world))


@on("tag")
def a_tag_on_what_nobody_merged(world: World) -> None:
    """4. Somebody who may release tags a commit of a feature branch, and it is approved."""
    world.merged()
    evil = world.commit("side", {"evil.txt": "x"})
    world.repository.tag("v1", evil)
    world.github.tag("v1")
    world.github.settle()
    approve_all(world)
    through("it was deployed", any(d.commit == evil for d in world.deployments))
    through("it was built", evil in [ref for _, ref in world.checked_out])


def _names_production(trigger: str) -> dict[str, str]:
    return {
        ".github/workflows/own.yml": f"""\
name: Own
on: {{{trigger}}}
jobs: {{own: {{runs-on: x, environment: prd, steps: [{{name: Take the secrets, run: x}}]}}}}
"""
    }


def _taken(world: World, runs: list[Run]) -> None:
    world.github.settle()
    own = [run for run in runs if run.workflow_file == "own.yml"]
    through("it had production's secrets", any("success" in r.results.values() for r in own))


@on("call")
def a_workflow_of_a_feature_branch_that_names_production(world: World) -> None:
    """4. Anybody who may push a branch can add a workflow of their own."""
    world.set_up()
    world.commit()
    world.push("main", merged=True, by="lead")
    world.github.settle()
    world.commit("side", _names_production("push: "))
    _taken(world, world.github.push("side", by="mallory"))
    runs = [world.github.dispatch("orchestrator-dev.yml", "side", by="mallory")]
    world.github.settle()
    through("it was deployed", bool(world.of_environment("dev")))
    _taken(world, runs)


@on("call")
def a_push_to_the_branch_itself(world: World) -> None:
    """4. All guards rely on this: nobody can push to such a branch without a review."""
    world.set_up()
    world.commit()
    world.push("main", merged=True, by="lead")
    world.github.settle()
    evil = world.commit("main", {"evil.txt": "x"})
    try:
        world.push("main", by="mallory")
    except PushError:
        return
    world.github.settle()
    through("it was deployed", evil in [d.commit for d in world.deployments])


def _released(world: World) -> str:
    """A release branch that an administrator creates, and that somebody then pushes to."""
    world.set_up()
    main = world.commit()
    world.push("main", merged=True, by="lead")
    world.commit("release/1", start=main)
    world.push("release/1", by="lead")
    world.github.settle()
    commit = world.commit("release/1")
    world.push("release/1", merged=True)
    world.github.settle()
    return commit


@on("pattern")
def a_branch_that_fits_the_pattern_of_production(world: World) -> None:
    """4. A rule that requires pull requests lets anybody create a release branch.

    Its workflows count as reviewed then, and pretend to have tested what really was reviewed.
    """
    commit = _released(world)
    world.commit("release/2", forged_test(commit, "push: ", "test"), start=commit)
    try:
        runs = world.github.push("release/2", by="mallory")
    except PushError:
        return
    world.github.settle()
    world.started(PRD, commit=commit, by="mallory")
    approve_all(world)
    through("a forged test was believed", evil_in(world))
    through("it had the secrets of test", any("success" in r.results.values() for r in runs))


@on("pattern")
def a_push_to_the_default_branch_beside_branches_of_releases(world: World) -> None:
    """No environment deploys main, but its workflows count as reviewed everywhere."""
    commit = _released(world)
    world.commit("main", forged_test(commit, "push: "))
    try:
        world.push("main", by="mallory")
    except PushError:
        return
    world.github.settle()
    world.started(PRD, commit=commit, by="mallory")
    approve_all(world)
    through("a forged test was believed", evil_in(world))


@on("by-hand")
def a_feature_branch_that_pretends_to_be_a_production_by_hand(world: World) -> None:
    """11. A person may deploy any branch, so its workflows would count as reviewed."""
    world.set_up()
    main = world.commit()
    world.push("main", merged=True, by="lead")
    forged = forged_test(main, "push: ")[f".github/workflows/{TEST}"]
    for old in (" to test", "Test", "package-test", "manifest-test"):
        forged = forged.replace(old, old.replace("test", "prd").replace("Test", "Prd"))
    world.commit("side", {f".github/workflows/{PRD}": forged}, start=main)
    world.github.push("side", by="mallory")
    world.github.settle()
    for packages in ("same-commit", "latest", str(world.github.runs_of(PRD)[-1].id)):
        world.started("terraform-prd.yml", commit=main, packages=packages)
        approve_all(world)
    through("a forged package was believed", evil_in(world))


@on("after-hand")
def a_feature_branch_that_pretends_to_be_a_test_by_hand(world: World) -> None:
    """11. The same in the environment before: a reviewed commit seems to be tested."""
    world.set_up()
    main = world.commit()
    world.push("main", merged=True, by="lead")
    world.commit("side", forged_test(main, "workflow_dispatch: "), start=main)
    world.github.push("side", by="mallory")
    world.started(TEST, ref="side", by="mallory")
    approve_all(world)
    through("a forged test was believed", evil_in(world))
    world.started(PRD, commit=main)
    approve_all(world)
    through("a forged test was believed by hand", evil_in(world))
    world.started(TEST, commit=main)
    approve_all(world)
    through("the real one is not deployed", world.at("prd") != {"terraform": main})


@on("pattern")
def a_branch_of_releases_beside_the_default_branch(world: World) -> None:
    """A fault, not an attack: its candidate was refused, because main is no release branch."""
    commit = _released(world)
    approve_all(world)
    through("it never asks", world.at("prd") != {"terraform": commit})


@on("tag")
def a_workflow_of_a_tag_that_names_production(world: World) -> None:
    """4. Anybody who may push such a tag can add a workflow of their own."""
    world.set_up()
    world.commit()
    world.push("main", merged=True, by="lead")
    world.github.settle()
    world.commit("side", _names_production("push: {tags: ['v*']}"))
    world.github.push("side", by="mallory")
    world.repository.tag("v9", world.repository.head)
    try:
        runs = world.github.tag("v9", by="mallory")
    except PushError:
        return
    _taken(world, runs)


def _untested(world: World) -> None:
    tested = {
        (producer, content)
        for d in world.of_environment("test")
        if d.result == "success"
        for producer, content in d.packages.items()
    }
    taken = {one for d in world.of_environment("prd") for one in d.packages.items()}
    through("production took what test never had", bool(taken - tested))


@on("call")
def a_component_that_was_built_alone(world: World) -> None:
    """5. Test had failed, and nothing has deployed the package that somebody then builds."""
    world.failing = lambda step: step.name == "Deploy"
    main = world.merged()
    world.failing = lambda step: False
    world.started("python-test.yml", by="mallory")
    world.started(PRD, commit=main)
    world.started("terraform-prd.yml", commit=main, packages="same-commit")
    world.started("terraform-prd.yml", packages="latest")
    approve_all(world)
    _untested(world)


@on("dispatch")
def a_component_that_was_built_alone_for_an_orchestrator(world: World) -> None:
    """5. Somebody types the id of the orchestrator's run, as if that had started the component."""
    main = world.merged()
    run = world.github.runs_of(TEST)[-1]
    world.started("python-test.yml", by="mallory", orchestrator=str(run.id), attempt="1")
    world.started(PRD, commit=main)
    approve_all(world)
    _untested(world)


@on("dispatch")
def a_component_that_was_built_again(world: World) -> None:
    """5. Somebody re-runs the build that the orchestrator had started; found by a history."""
    world.merged()
    world.github.rerun(world.github.runs_of("python-test.yml")[-1], actor="mallory")
    world.github.settle()
    approve_all(world)
    world.started(PRD)
    approve_all(world)
    _untested(world)


@on("dispatch")
def a_component_that_was_built_again_before_production_plans(world: World) -> None:
    """5. The same before production's run begins: the package that test deployed is gone."""
    held = [True]
    world.hold = lambda work: work.run.workflow_file == PRD and bool(held)
    world.commit()
    world.push()
    while not world.github.runs_of(PRD):
        assert world.github.step()
    again = world.github.rerun(world.github.runs_of("python-test.yml")[-1], actor="mallory")
    while again.status != "completed":
        assert world.github.step()
    held.clear()
    world.github.settle()
    approve_all(world)
    _untested(world)


def _started_by_a_workflow(world: World, file: str, **inputs: str) -> Run:
    """A run that a workflow of a feature branch starts, with the token of its own job."""
    return world.github.dispatch(file, "main", inputs, by=BOT)


@on("dispatch")
def a_component_that_a_workflow_builds_again(world: World) -> None:
    """5. A workflow of a feature branch starts the build in the name of an orchestrator."""
    main = world.merged()
    test = world.github.runs_of(TEST)[-1]
    inputs = {"commit": main, "orchestrator": str(test.id), "attempt": "1"}
    _started_by_a_workflow(world, "python-test.yml", **inputs)
    world.github.settle()
    approve_all(world)
    world.started(PRD)
    approve_all(world)
    _untested(world)
    through("what was tested is not deployed", world.at("prd") != {"terraform": main})


def _built_meanwhile(world: World, by: str) -> str:
    main = world.commit()
    [test] = world.push()
    while not world.github.runs_of("python-test.yml"):
        assert world.github.step()
    inputs = {"commit": main, "orchestrator": str(test.id), "attempt": "1"}
    world.github.dispatch("python-test.yml", "main", inputs, by=by)
    world.github.settle()
    assert world.github.runs_of(TEST)[-1].conclusion == "success"
    approve_all(world)
    _untested(world)
    return main


@on("dispatch")
def a_component_that_a_person_builds_meanwhile(world: World) -> None:
    """5. Somebody types the orchestrator's run id while it builds: its own package counts."""
    main = _built_meanwhile(world, "mallory")
    through("what was tested is not deployed", world.at("prd") != {"terraform": main})


@on("dispatch")
def a_component_that_a_workflow_builds_meanwhile(world: World) -> None:
    """5. A workflow does the same: the package of the run that GitHub has named counts."""
    main = _built_meanwhile(world, BOT)
    through("what was tested is not deployed", world.at("prd") != {"terraform": main})


def _deployed_in_its_name(world: World, start: Callable[..., Run]) -> None:
    world.instead = lambda step: "failure" if step.name == "Deploy" else None
    main = world.commit()
    [test] = world.push()
    world.github.settle()
    assert world.github.runs_of(TEST)[-1].conclusion == "failure"
    world.instead = lambda step: None
    other = world.started("python-test.yml", by="mallory", commit=main)
    own = {"commit": main, "orchestrator": str(test.id), "packages": str(other.id)}
    start("terraform-test.yml", attempt="1", **own)
    world.github.settle()
    world.github.rerun(test, failed_only=True)
    world.github.settle()
    approve_all(world)
    _untested(world)


@on("dispatch")
def a_test_that_is_run_again_while_a_component_still_deploys(world: World) -> None:
    """5. The run that it had started deploys the package of the first build; found by a history."""
    world.merged()
    [test] = world.github.runs_of(TEST)
    child = world.github.runs_of("terraform-test.yml")[-1]
    world.github.rerun(test)
    again = world.github.rerun(child)
    world.hold = lambda work: work.run is again and len(world.github.runs_of("python-test.yml")) < 2
    world.github.settle()
    approve_all(world)
    _untested(world)


@on("dispatch")
def what_a_person_deploys_in_an_orchestrators_name(world: World) -> None:
    """5. It has failed. A person deploys other packages in its name, and its re-run takes those."""
    _deployed_in_its_name(world, lambda file, **own: world.started(file, by="mallory", **own))


@on("dispatch")
def what_a_workflow_deploys_in_an_orchestrators_name(world: World) -> None:
    """5. The same with the token of a workflow of a feature branch."""
    _deployed_in_its_name(world, lambda file, **own: _started_by_a_workflow(world, file, **own))


@on("dispatch")
def what_a_workflow_deploys_in_an_orchestrators_name_meanwhile(world: World) -> None:
    """5. The same while the orchestrator's own run deploys. That run then fails."""
    main = world.commit()
    [test] = world.push()
    while not world.github.runs_of("terraform-test.yml"):
        assert world.github.step()
    world.instead = lambda step: (
        "failure" if step.work.run.id == real.id and step.name == "Deploy" else None
    )
    real = world.github.runs_of("terraform-test.yml")[-1]
    other = world.github.dispatch("python-test.yml", "main", {"commit": main}, by="mallory")
    world.hold = lambda work: (
        work.run.workflow_file == "terraform-test.yml" and other.status != "completed"
    )
    own = {"commit": main, "orchestrator": str(test.id), "packages": str(other.id)}
    _started_by_a_workflow(world, "terraform-test.yml", attempt="1", **own)
    world.github.settle()
    assert world.github.runs_of(TEST)[-1].conclusion == "failure"
    world.instead = lambda step: None
    world.github.rerun(test, failed_only=True)
    world.github.settle()
    approve_all(world)
    _untested(world)


def _tested_again(world: World, *, once_planned: bool) -> None:
    """The second attempt of test has built before production's run plans, or after that."""
    world.merged()
    world.approve(world.candidate())
    world.commit()
    [test] = world.push()
    before = world.candidate()
    built: list[int] = []

    def instead(step: Step) -> Any:
        run = step.work.run
        if run.id == test.id and run.attempt == 2 and step.name == "Deploy":
            return "failure"
        if run.id == test.id and run.attempt == 2 and step.uses == "actions/upload-artifact":
            built.append(run.id)
        if once_planned and run.triggered_by is test and step.name == "Find the package":
            return waiting(step)
        return None

    def waiting(step: Step) -> Going:
        while not built:
            yield 5
        return (yield from step.script())

    world.hold = lambda work: not once_planned and work.run.triggered_by is test and not built
    world.instead = instead
    while world.candidate() is before:
        assert world.github.step()
    world.github.rerun(test, actor="mallory")
    world.github.settle()
    assert built
    approve_all(world)
    _untested(world)


@on("call")
def a_test_that_runs_again_before_production_plans(world: World) -> None:
    """5. Production's run was started by the first attempt; found by a history."""
    _tested_again(world, once_planned=False)


@on("call")
def a_test_that_runs_again_while_production_takes_its_package(world: World) -> None:
    """5. The plan has found the package of the first attempt."""
    _tested_again(world, once_planned=True)


@on("dispatch")
def what_a_person_types_is_no_approval(world: World) -> None:
    """7. Somebody starts a component with the id of an approved or waiting orchestrator."""
    first = world.merged()
    world.approve(world.candidate())
    approved = world.candidate()
    second = world.merged()
    waits = world.candidate()
    assert world.github.waiting(waits)
    before = len(world.of_environment("prd"))
    for run in (approved, waits, world.github.runs_of(TEST)[-1]):
        for commit in (first, second):
            for by in ("mallory", "lead"):
                world.started(
                    "terraform-prd.yml", by=by, commit=commit, orchestrator=str(run.id), attempt="1"
                )
    through("it was deployed unasked", len(world.of_environment("prd")) > before)


@on("dispatch")
def what_a_workflow_of_a_feature_branch_starts_is_not_approved(world: World) -> None:
    """7. With the token of its own job it is a workflow that starts the child, as an orchestrator.

    While an orchestrator runs that was approved it can deploy the same commit once more, with
    packages that were tested; that is all.
    """
    main = world.merged()
    waits = world.candidate()
    forged = {
        f".github/workflows/{PRD}": f"""\
name: Orchestrator Prd
run-name: Deploy {main} to test, then prd
on: {{push: }}
jobs:
  changes: {{name: Changes, runs-on: x, steps: [{{name: Lie, run: x}}]}}
  approval: {{needs: [changes], runs-on: x, steps: [{{run: x}}]}}
  terraform-prd:
    needs: [approval]
    runs-on: x
    permissions: {{actions: write}}
    steps: [{{name: Start the child, run: x}}]
"""
    }

    def start(step: Step) -> Any:
        if step.name == "Lie":
            plan = {"commit": main, "sha": main, "build": [], "deploy": ["terraform"]}
            plan |= {"deployKeys": {"terraform": "f" * 12}, "taken": {}, "packages": {}}
            world.keep(step.work.run, "plan-prd", {"plan.json": json.dumps(plan).encode()})
        if step.name != "Start the child":
            return None

        def starting() -> Going:
            for run in (step.work.run.id, waits.id):
                inputs = {"commit": main, "orchestrator": str(run), "attempt": "1"}
                step.work.rest(
                    "POST",
                    "/actions/workflows/terraform-prd.yml/dispatches",
                    {"ref": "main", "inputs": inputs},
                )
            yield from (60.0 for _ in range(300))  # it has to go on while it is looked at

        return starting()

    world.instead = start
    world.commit("side", forged, start=main)
    world.github.push("side", by="mallory")
    world.github.settle()
    assert len(world.github.runs_of("terraform-prd.yml")) == 2
    through("it was deployed unasked", bool(world.of_environment("prd")))


@on("call")
def a_rerun_of_what_failed_is_not_approved(world: World) -> None:
    """Attempt 2 of the failed jobs uses the approval of attempt 1. This was always refused."""
    world.failing = lambda step: step.name == "Deploy" and step.env["ENVIRONMENT"] == "prd"
    world.merged()
    run = world.candidate()
    world.approve(run)
    world.failing = lambda step: False
    world.github.rerun(run, failed_only=True)
    world.github.settle()
    again = world.github.rerun(run, job="terraform-prd")
    world.github.settle()
    through("it was deployed unasked", world.at("prd") != {})
    assert again.attempt == 3


@on("dispatch")
def a_rerun_of_what_failed_by_an_orchestrator_is_not_approved(world: World) -> None:
    """The same with a run for each component. This was always refused."""
    world.failing = lambda step: step.name == "Deploy" and step.env["ENVIRONMENT"] == "prd"
    world.merged()
    run = world.candidate()
    world.approve(run)
    world.failing = lambda step: False
    world.github.rerun(run, failed_only=True)
    world.github.settle()
    through("it was deployed unasked", world.at("prd") != {})


@on("call")
def an_approval_without_reviewers(world: World) -> None:
    """GitHub creates a missing environment without protection. This was always refused."""
    del world.github.environments["prd-approval"]
    world.merged()
    world.started("terraform-prd.yml")
    through("it was deployed unasked", bool(world.of_environment("prd")))


@on("call")
def a_fork_that_brings_its_own_orchestrators(world: World) -> None:
    """11. A pull request runs them, with a green approval. This was always refused."""
    main = world.merged()
    waits = world.candidate()
    files = forged_test(main, "pull_request: ")
    files[f".github/workflows/{PRD}"] = _green_approval(main, "pull_request: ")
    world.commit("theirs", files, start=main)
    world.github.pull_request("theirs", fork=True)
    world.github.settle()
    world.approve(waits)
    through("it holds up what was approved", world.at("prd") == {})
    through("a forged test was believed", evil_in(world))


# Old over new, and lost releases


@on("call")
def a_roll_back_in_test_makes_no_newer_candidate(world: World) -> None:
    """9. Its candidate must not replace the newest one, and must not be deployed over it."""
    old, newest = world.merged(), world.merged()
    waits = world.candidate()
    world.started(TEST, commit=old)
    through("the newest candidate is gone", not world.github.waiting(waits))
    through("the old one asks", len(world.waiting()) > 1)
    world.approve(waits)
    through("the newest is not deployed", world.at("prd") != {"terraform": newest})
    world.started(TEST, commit=old)
    approve_all(world)
    through("the old one is deployed", world.at("prd") != {"terraform": newest})


@on("each")
def a_roll_back_in_test_takes_no_candidates_place_in_the_queue(world: World) -> None:
    """9. If each component asks, candidates wait for their turn; found by a history."""
    old, _, newest = world.merged(), world.merged(), world.merged()
    world.started(TEST, commit=old)
    # Two wait: the first for its approval, the newest for the end of that.
    for _ in range(3):
        approve_all(world)
    through("the newest is not deployed", set(world.at("prd").values()) != {newest})


@on("none")
def a_commit_of_a_clock_that_is_wrong(world: World) -> None:
    """9. Where nobody is asked, a roll-back in test must not reach production by itself.

    The newer commit was made next year, so all runs seemed to be older than it.
    """
    old, newest = world.merged(), world.commit()
    world.github.commit_dates[newest] = "2027-01-01T00:00:00Z"
    world.push()
    world.github.settle()
    world.started(TEST, commit=old)
    through("the old one is deployed", {*world.at("prd").values()} != {newest})


@on("call")
def an_old_candidate_that_is_run_again(world: World) -> None:
    """9. All jobs, the failed ones, or only the approval run again.

    The newest candidate still waits.
    """
    world.merged()
    old = world.candidate()
    newest = world.merged()
    waits = world.candidate()
    ways: list[dict[str, Any]] = [{"failed_only": True}, {"job": "approval"}, {}]
    for how in ways:
        world.github.rerun(old, **how)
        world.github.settle()
        through("the newest candidate is gone", not world.github.waiting(waits))
        for run in world.waiting():
            if run.id == old.id:
                world.approve(run)
    through("the old one is deployed", bool(world.of_environment("prd")))
    world.approve(waits)
    through("the newest is not deployed", world.at("prd") != {"terraform": newest})


@on("call")
def an_old_push_that_is_run_again(world: World) -> None:
    """13. It must not replace the newest push that waits; found by a history."""
    world.merged()
    old = world.github.runs_of(TEST)[-1]
    world.commit()
    [holder] = world.push()
    newest = world.commit()
    world.push()
    world.github.step(5)
    world.github.rerun(old)
    world.github.settle()
    assert holder.conclusion == "success"
    through("the newest push is gone", world.at("test") != {"terraform": newest})


@on("call")
def an_old_commit_by_hand_in_test(world: World) -> None:
    """13. A run that a person starts must not replace it either."""
    old = world.merged()
    world.commit()
    world.push()
    newest = world.commit()
    world.push()
    world.github.step(5)
    world.github.dispatch(TEST, "main", {"commit": old})
    world.github.settle()
    runs = [r for r in world.github.runs_of(TEST) if world.commit_of(r) == newest]
    through("the newest push is gone", any(r.conclusion == "cancelled" for r in runs))


def _approved_after(world: World, hide: Callable[[Run], None], alone: bool = False) -> None:
    """An old commit waits; a newer one is approved and deployed; then the old one is approved."""
    old = world.merged()
    waits = world.started(PRD, commit=old)
    newest = world.merged()
    newer = world.started("terraform-prd.yml") if alone else world.candidate()
    world.approve(newer)
    assert world.at("prd") == {"terraform": newest}
    hide(newer)
    world.approve(waits)
    through("the old one is deployed", world.at("prd") != {"terraform": newest})


@on("call")
def an_old_run_that_is_approved_last(world: World) -> None:
    """10. The simple case."""
    _approved_after(world, lambda run: None)


@on("call")
def an_approved_run_behind_many_skipped_ones(world: World) -> None:
    """10. A list has a hundred runs on a page."""

    def hide(run: Run) -> None:
        for _ in range(130):
            world.github.add_run(
                PRD, head_sha=run.head_sha, event="workflow_run", conclusion="skipped"
            )

    _approved_after(world, hide)


@on("call")
def an_approved_run_that_is_run_again(world: World) -> None:
    """10. Its new attempt waits, so the newest attempt has no approval."""

    def hide(run: Run) -> None:
        world.github.rerun(run)
        world.github.settle()

    _approved_after(world, hide)


@on("call")
def an_approved_component_alone(world: World) -> None:
    """10. Its workflow is not the orchestrator."""
    _approved_after(world, lambda run: None, alone=True)


@on("none")
def an_old_run_where_nobody_is_asked(world: World) -> None:
    """10. In any environment, failed jobs of an old commit's run are run again."""
    world.merged()
    runs = [world.github.runs_of(file)[-1] for file in (TEST, PRD)]
    newest = world.merged()
    for run in runs:
        environment = run.workflow_file.removesuffix(".yml").split("-")[1]
        ways: list[dict[str, Any]] = [{"job": f"first-{environment}"}, {"job": "changes"}, {}]
        for how in ways:
            world.github.rerun(run, **how)
            world.github.settle()
            now = world.at(environment)
            through(f"the old one is deployed in {environment}", set(now.values()) != {newest})


@on("trunk-dispatch")
def an_old_push_over_a_component_that_went_ahead(world: World) -> None:
    """10. While an older push is still in dev, a person deploys a newer commit to test.

    The orchestrator of test that brings the older one is the newest run; found by a history.
    """
    world.merged()
    older = world.commit()
    [dev] = world.push()
    held = [True]
    world.hold = lambda work: work.run is dev and bool(held)
    newest = world.commit()
    world.push()
    world.github.dispatch("terraform-test.yml", "main", {"commit": newest, "packages": "latest"})
    world.github.step(800)
    held.clear()
    world.github.settle()
    deployed = [d.commit for d in world.of_environment("test")]
    assert newest in deployed
    through("the old one is deployed over it", older in deployed[deployed.index(newest) :])


@on("trunk-dispatch")
def a_test_that_succeeds_at_last(world: World) -> None:
    """Its first attempt left a component out, so it was taken for one that deployed nothing."""
    world.instead = lambda step: (
        "failure" if step.work.run.workflow_file == "terraform-test.yml" else None
    )
    main = world.merged()
    world.instead = lambda step: None
    world.github.rerun(world.github.runs_of(TEST)[-1], failed_only=True)
    world.github.settle()
    approve_all(world)
    through("the release is lost", world.at("prd") != {"terraform": main})


@on("dispatch")
def a_component_that_is_run_again_before_its_orchestrator(world: World) -> None:
    """It has failed by chance. A person re-runs it, and then the failed jobs of the orchestrator.

    That took the result of the re-run, which production did not believe once it was approved.
    """
    world.instead = lambda step: (
        "failure" if step.work.run.workflow_file == "python-test.yml" else None
    )
    main = world.merged()
    world.instead = lambda step: None
    world.github.rerun(world.github.runs_of("python-test.yml")[-1], failed_only=True)
    world.github.settle()
    world.github.rerun(world.github.runs_of(TEST)[-1], failed_only=True)
    world.github.settle()
    approve_all(world)
    _untested(world)
    through("the release is lost", world.at("prd") != {"terraform": main})


@on("trunk-dispatch")
def a_job_of_ones_own_that_is_left_out(world: World) -> None:
    """A job of the repository's own reports failures. It is skipped after each success."""
    file = f".github/workflows/{TEST}"
    text = world.repository.workflows(world.merged())[file]
    job = "  tell: {needs: [terraform-test], if: failure(), runs-on: x, steps: [{run: x}]}\n"
    main = world.merged(files={file: f"{text}\n{job}"})
    approve_all(world)
    through("the release is lost", world.at("prd") != {"terraform": main})


def _green_approval(commit: str, trigger: str) -> str:
    return f"""\
name: Orchestrator Prd
run-name: Deploy {commit} to test, then prd
on: {{{trigger}}}
jobs: {{approval: {{name: approval, runs-on: x, steps: [{{run: x}}]}}}}
"""


@on("call")
def a_feature_branch_with_a_green_approval(world: World) -> None:
    """11. It must not make the real run look older; the same with a tag called main."""
    main = world.merged()
    waits = world.candidate()
    text = _green_approval(main, "push: {branches: ['**'], tags: ['**']}")
    forged = world.commit("side", {f".github/workflows/{PRD}": text}, start=main)
    world.github.push("side", by="mallory")
    world.repository.tag("main", forged)
    world.github.tag("main", by="mallory")
    world.github.settle()
    world.approve(waits)
    through("what was approved is not deployed", world.at("prd") != {"terraform": main})


def _kills(trigger: str) -> dict[str, str]:
    return {
        ".github/workflows/kill.yml": f"""\
name: Kill
on: {{{trigger}}}
jobs:
  kill:
    runs-on: x
    concurrency: {{group: terraform-prd, cancel-in-progress: true}}
    steps: [{{run: x}}]
"""
    }


@on("call")
def a_pull_request_of_a_stranger_that_cancels_a_deployment(world: World) -> None:
    """12. A concurrency group is repository-wide: a stranger's job claims that of production.

    A writer can do the same on a branch of their own, and nothing closes that: whoever may push may
    cancel runs, too.
    """
    world.github.private = False
    world.set_up()
    world.github.private = False
    world.commit()
    world.push("main", merged=True, by="octocat")
    world.github.settle()
    world.github.approve(world.candidate())
    while not world.of_environment("prd"):
        assert world.github.step()
    world.commit("theirs", _kills("pull_request: "))
    world.github.pull_request("theirs", fork=True)
    world.github.settle()
    through(
        "the deployment is cancelled",
        [d.result for d in world.of_environment("prd")] != ["success"],
    )


@on("call")
def a_component_alone_pushes_nothing_out(world: World) -> None:
    """13. While one deployment runs, an approved one waits: a third one comes."""
    main = world.merged()
    first, held = world.candidate(), [True]
    world.hold = lambda work: (
        work.run is first and work.key == "terraform-prd / deploy" and bool(held)
    )
    world.github.approve(first)
    world.github.step(300)
    # Two more by hand, approved while the first still deploys.
    files = (PRD, "terraform-prd.yml")
    later = [world.github.dispatch(file, "main", {"commit": main}) for file in files]
    world.github.step(800)
    for run in later:
        world.github.approve(run)
        world.github.step(300)
    held.clear()
    world.github.settle()
    states = [run.jobs[key].result for run in later for key in run.jobs if key.endswith("/ deploy")]
    through("an approved deployment was pushed out", "cancelled" in states)


@on("call")
def a_commit_started_twice(world: World) -> None:
    """13. A run that a colleague waits for is not cancelled when somebody else starts the same."""
    world.merged()
    first = world.started(PRD)
    second = world.started(PRD)
    alone = world.started("terraform-prd.yml")
    waiting = [run.id for run in world.waiting()]
    through("an approval was cancelled", not {first.id, second.id, alone.id} <= {*waiting})


@on("call")
def a_default_branch_that_production_refuses(world: World) -> None:
    """14. The run after test is on the default branch. It says so early, and how to fix it."""
    world.merged("develop")
    world.github.default_branch = "develop"
    world.merged("main")
    errors = world.candidate().job("changes").errors
    mend = "gh repo edit --default-branch"
    through("it says nothing", not (errors and mend in errors[0]))
    through("it asks all the same", bool(world.waiting()))


@on("tag")
def tags_that_come_at_once(world: World) -> None:
    """13. Tags are deployed one after the other. One out of order fails, with a message."""
    commits = [world.merged() for _ in range(3)]
    for name, commit in (("v1", commits[0]), ("v3", commits[2]), ("v2", commits[1])):
        world.repository.tag(name, commit)
        world.github.tag(name)
    world.github.settle()
    approve_all(world)
    runs = world.github.runs_of(PRD)
    through("a tag is lost", any(run.conclusion == "cancelled" for run in runs))
    through("an older one came over it", world.at("prd") != {"terraform": commits[2]})
    deployed = {d.commit for d in world.of_environment("prd")}
    refused = [run for run in runs if world.commit_of(run) not in deployed]
    through("it does not end red", any(run.conclusion != "failure" for run in refused))


# Small


@on("call")
def a_scan_that_only_warns(world: World) -> None:
    """In a roll-back a security scan only warns, but only for a commit that was deployed there."""
    old = world.merged()
    never = world.commit()
    world.push()
    world.github.cancel(world.github.runs_of(TEST)[-1])
    world.github.settle()
    world.merged()

    def scan(step: Step) -> Any:
        return "failure" if step.name == "Security scan" else None

    world.instead = scan
    refused, warned = world.started(TEST, commit=never), world.started(TEST, commit=old)
    through("a commit was let in that was never scanned", refused.conclusion == "success")
    assert warned.conclusion == "success"


@on("call")
def packages_and_runs_that_somebody_plants(world: World) -> None:
    """250 artifacts and runs of a feature branch cost few calls, and hide nothing."""
    main = world.merged()
    world.approve(world.candidate())

    def release() -> int:
        before = len(world.github.api_calls)
        run = world.started(PRD, commit=main)
        world.approve(run)
        assert run.conclusion == "success", world.github.find_run(run.id)
        return len(world.github.api_calls) - before

    usual = release()
    for _ in range(250):
        run = world.github.add_run(
            TEST,
            head_sha=world.commit("side", start=main),
            head_branch="side",
            display_title=f"Deploy {main} to test",
        )
        world.upload(run, "python-package-test", (main, EVIL))
        world.github.add_run(
            PRD, head_sha=run.head_sha, head_branch="side", display_title=f"Deploy {main} to prd"
        )
    through("planted runs cost calls", release() > usual + 20)
    through("a planted package was taken", evil_in(world))


@on("trunk")
def a_run_of_test_that_deployed_nothing(world: World) -> None:
    """6. It was overtaken, so it is green. Production must not take its packages."""
    world.merged()
    old = world.commit()
    world.push()
    world.commit()
    world.push()
    count = len(world.github.runs_of(TEST)) + 2
    done: list[bool] = []

    def hold(work: Work) -> bool:
        """That of test begins when the next one has come, which takes its time."""
        if work.run.workflow_file != TEST:
            return False
        if world.commit_of(work.run) == old:
            return len(world.github.runs_of(TEST)) < count
        return work.key == "terraform-test / deploy" and not done

    def going() -> bool:
        tests = world.github.runs_of(TEST)
        return len(tests) < count or tests[-2].status != "completed"

    world.hold = hold
    while going():
        assert world.github.step()
    world.github.step(1500)
    for run in world.waiting():
        world.github.approve(run)
    world.github.step(1500)
    world.github.dispatch(PRD, "main", {"commit": old})
    world.github.step(1500)
    for run in world.waiting():
        world.github.approve(run)
    done.append(True)
    world.github.settle()
    through("it was deployed", old in [d.commit for d in world.of_environment("prd")])


def _approved_and_deploying(world: World, job: str) -> tuple[str, str, Run]:
    """Two commits of main, and the run that deploys the first; this job of it is under way."""
    first = world.merged()
    second = world.commit()
    world.repository.push("refs/heads/main")
    run = world.candidate()

    def starting(step: Step) -> Any:
        mine = step.uses == "$/.github/actions/run-component" and step.work.key == job
        return (60.0 for _ in itertools.count()) if mine and step.work.run is run else None

    world.instead = starting
    world.github.approve(run)
    world.github.step(800)
    assert world.of_environment("prd") == [] and run.status == "in_progress"
    return first, second, run


@on("dispatch")
def what_a_person_types_while_an_orchestrator_deploys(world: World) -> None:
    """7. The typed run was approved for this commit and still runs. A person is asked anyway."""
    first, _, run = _approved_and_deploying(world, "terraform-prd")
    inputs = {"commit": first, "orchestrator": str(run.id), "attempt": "1"}
    world.github.dispatch("terraform-prd.yml", "main", inputs, by="mallory")
    world.github.step(800)
    through("it was deployed unasked", bool(world.of_environment("prd")))


@on("changed-dispatch")
def a_component_out_of_turn_under_an_orchestrator_that_was_approved(world: World) -> None:
    """7. A workflow of a feature branch starts a component before those that it depends on."""
    first, _, run = _approved_and_deploying(world, "first-prd")
    inputs = {"commit": first, "orchestrator": str(run.id), "attempt": "1"}
    _started_by_a_workflow(world, "second-prd.yml", **inputs)
    world.github.step(800)
    through("it was deployed out of turn", bool(world.of_environment("prd")))


@on("dispatch")
def another_commit_under_an_orchestrator_that_was_approved(world: World) -> None:
    """7. A workflow of a feature branch starts a child for another commit than was approved."""
    first, second, run = _approved_and_deploying(world, "terraform-prd")
    assert first != second
    inputs = {"commit": second, "orchestrator": str(run.id), "attempt": "1", "packages": "{}"}
    own = {"packages": f'{{"python": {{"run": {world.github.runs_of("python-test.yml")[-1].id}}}}}'}
    world.github.dispatch("terraform-prd.yml", "main", {**inputs, **own}, by=BOT)
    child = world.github.runs_of("terraform-prd.yml")[-1]
    world.github.step(800)
    job = child.jobs.get("deploy / deploy")
    is_in = job and job.steps.get("Check that it may be deployed") == "success"
    through("it was let in unasked", bool(is_in))


@on("call")
def a_fork_that_brings_its_own_orchestrators_and_main(world: World) -> None:
    """11. Its branch is called main, and its title names what a person starts by hand."""
    main = world.merged()
    world.approve(world.candidate())
    forged = world.github.add_run(
        TEST,
        head_sha=world.commit("theirs", start=main),
        event="pull_request",
        display_title=f"Deploy {main} to test",
    )
    forged.jobs["python-build"] = Job("python-build", 1, 1, "", "python-build", "completed")
    job = Job("python-build / build", 2, 1, "", "Check and build", "completed")
    job.result, job.created_at = "success", forged.created_at
    forged.jobs[job.key] = job
    world.upload(forged, "python-package-test", (main, EVIL))
    [artifact] = forged.artifact_store.values()
    job.started_at = job.completed_at = artifact.created_at
    run = world.started("terraform-prd.yml", packages=str(forged.id))
    world.approve(run)
    through("a forged test was believed", evil_in(world))


# Deciding what changed


def changed(world: World, *names: str, text: str = "") -> str:
    """Components get other contents, in test."""
    text = text or f"{world.moment}\n"
    return world.merged("main", {f"parts/{name}/file.txt": text for name in names})


def stale(world: World, environment: str = "test") -> list[str]:
    """The components that are not as on main: their last attempt was for other contents, or
    did not succeed."""
    main = world.repository.resolve("refs/heads/main")
    assert main
    last = {d.component: d for d in world.of_environment(environment)}

    def is_there(name: str) -> bool:
        path = f"parts/{name}/file.txt"
        texts = [world.repository.text(c, path) for c in (main, last[name].commit)]
        return last[name].result == "success" and texts[0] == texts[1]

    return [n for n in world.pipelines.components if not is_there(n)]


def lie(world: World, run: Run) -> None:
    """The manifest of test, with a package of first that was not built from a reviewed commit."""
    memory = world.remembered("test")
    [package, *_] = memory["packages"]["first"]
    package |= {"run": run.id, "digest": digest((package["commit"], EVIL))}
    package["expires"] = "2099-01-01T00:00:00.000Z"
    memory["packages"]["first"] = [package]
    memory["components"]["first"]["package"] = package
    world.upload(run, "first-package-test", (package["commit"], EVIL))
    world.remember(run, memory | {"run": run.id, "at": run.created_at, "planned": run.created_at})


def lying(world: World) -> Callable[[Step], Any]:
    return lambda step: lie(world, step.work.run) if step.name == "Lie" else None


def _liar(trigger: str, job: str = "Deployment summary") -> str:
    return f"""\
name: Orchestrator Test
on: {{{trigger}}}
jobs: {{summary: {{name: {job}, runs-on: x, steps: [{{name: Lie, run: x}}]}}}}
"""


def _believed(world: World) -> None:
    """Second changes, and takes the package of first, which has not changed."""
    changed(world, "second")
    through("a package that nobody has deployed was taken", evil_in(world, "test"))
    through("test is not as main is", bool(stale(world)))


@on("changed")
def a_half_that_failed_and_was_reverted(world: World) -> None:
    """15. B is deployed in part, and C reverts it: no content differs from the last success."""
    changed(world, "first", "second", text="A\n")
    world.failing = lambda step: step.name == "Deploy" and step.work.key.startswith("second-")
    changed(world, "first", "second", text="B\n")
    world.failing = lambda step: False
    changed(world, "first", "second", text="A\n")
    through("half of B is still there", bool(stale(world)))


@on("changed")
def a_deployment_that_failed_and_was_not_touched_again(world: World) -> None:
    """15. A failed component does not differ from the last attempt."""
    changed(world, "first", "second")
    world.failing = lambda step: step.name == "Deploy" and step.work.key.startswith("second-")
    changed(world, "second")
    world.failing = lambda step: False
    world.merged()
    through("what failed is left as it is", bool(stale(world)))


@on("changed")
def a_deployment_that_was_cancelled(world: World) -> None:
    """15. The same with a deployment that somebody has cancelled, and then reverted."""
    changed(world, "first", "second", text="A\n")
    world.commit("main", {"parts/first/file.txt": "B\n"})
    [run] = world.push()
    while not any(d.run is run for d in world.deployments):
        assert world.github.step()
    world.github.cancel(run)
    world.github.settle()
    changed(world, "first", text="A\n")
    through("half of B is still there", bool(stale(world)))


@on("changed")
def a_file_that_is_renamed(world: World) -> None:
    """16. The same contents under another name, which git would quote."""
    changed(world, "first", "second")
    moved = {"parts/second/file.txt": None, "parts/second/fil\u00e9.txt": f"{world.moment}\n"}
    kept = {"parts/second/a.txt": "a\n", "parts/second/b.txt": "b\n"}
    world.merged("main", kept)
    before = len(world.of_environment("test"))
    world.merged("main", {"parts/second/b.txt": None, "parts/second/b\u00e9.txt": "b\n"})
    through("nothing has changed", len(world.of_environment("test")) == before)
    world.merged("main", moved)
    through("nothing has changed", len(world.of_environment("test")) == before + 1)


@on("changed")
def a_manifest_that_a_build_uploads(world: World) -> None:
    """17. A dependency in second's build says which package of first there is: its own.

    The upload of what really was deployed fails in this run, as bad luck has it.
    """
    changed(world, "first", "second")

    def instead(step: Step) -> Any:
        if step.work.key == "second-build / build" and step.name == "Build":
            lie(world, step.work.run)
        return "failure" if step.name == "Keep the manifest" else None

    world.instead = instead
    changed(world, "second")
    world.instead = lambda step: None
    _believed(world)


@on("changed")
def a_manifest_of_a_feature_branch(world: World) -> None:
    """17. An orchestrator of a feature branch uploads a false manifest."""
    main = changed(world, "first", "second")
    world.instead = lying(world)
    world.commit("side", {f".github/workflows/{TEST}": _liar("push: ")}, start=main)
    world.github.push("side", by="mallory")
    world.github.settle()
    assert len(world.memories("test")) == 2
    _believed(world)


@on("changed-dispatch")
def a_plan_of_a_feature_branch(world: World) -> None:
    """17. Its orchestrator names a false package of first, and its workflow starts second."""
    main = changed(world, "first", "second")

    def instead(step: Step) -> Any:
        if step.name != "Lie":
            return None
        run = step.work.run
        for name in ("first", "second"):
            world.upload(run, f"{name}-package-test", (main, EVIL))
        package = {"run": run.id, "digest": digest((main, EVIL)), "commit": main}
        package["environment"] = "test"
        plan = {
            **{"commit": main, "sha": main, "build": [], "deploy": ["second"]},
            **{"deployKeys": {"second": "f" * 12}, "taken": {"second": {"first": None}}},
            "packages": dict.fromkeys(("first", "second"), package),
        }
        world.keep(run, "plan-test", {"plan.json": json.dumps(plan).encode()})
        return None

    world.instead = instead
    liar = _liar("push: ", "Changes").replace("\non:", f"\nrun-name: Deploy {main} to test\non:")
    world.commit("side", {f".github/workflows/{TEST}": liar}, start=main)
    [run] = world.github.push("side", by="mallory")
    world.github.settle()
    assert run.display_title == f"Deploy {main} to test", run.display_title
    inputs = {"commit": main, "orchestrator": str(run.id), "packages": '{"first": {"run": 0}}'}
    _started_by_a_workflow(world, "second-test.yml", **inputs)
    world.github.settle()
    through("a package that nobody has built was taken", evil_in(world, "test"))


@on("changed-dispatch")
def what_a_workflow_deploys_with_the_latest_packages(world: World) -> None:
    """17. It starts second as if planned. Later runs would believe that main is deployed."""
    main = changed(world, "first", "second")
    test = world.github.runs_of(TEST)[-1]
    newer = world.commit("main", {FIRST: "newer\n"})
    world.repository.push("refs/heads/main")
    world.started("first-test.yml", by="mallory", commit=newer)
    inputs = {"commit": main, "orchestrator": str(test.id), "packages": "latest"}
    _started_by_a_workflow(world, "second-test.yml", **inputs)
    world.github.settle()
    before = world.of_environment("test")[-1]
    # What main has is as it was: first is deployed once more, and second is left out.
    text = world.repository.text(main, FIRST)
    assert text
    world.merged("main", {FIRST: text.decode()})
    last = [d for d in world.of_environment("test") if d.component == "second"][-1]
    taken = last.packages["first"][0]
    through("second has a package of another commit", last is before and taken == newer)


FIRST = "parts/first/file.txt"


@on("changed-dispatch")
def pipelines_that_change_while_a_component_is_started(world: World) -> None:
    """17. GitHub starts the head of a branch. A change is reverted before its own run begins."""
    workflow = ".github/workflows/second-deploy.yml"
    main = changed(world, "first", "second")
    text = world.repository.text(main, workflow)
    assert text
    world.commit("main", {"parts/second/file.txt": "changed\n"})
    world.push()
    while not world.github.runs_of(TEST)[-1].results.get("changes"):
        assert world.github.step()
    world.commit("main", {workflow: f"{text.decode()}# changed\n"})
    world.push()
    while len(world.github.runs_of("second-test.yml")) < 2:
        assert world.github.step()
    world.commit("main", {workflow: text.decode()})
    world.push()
    world.github.settle()
    last = [d for d in world.of_environment("test") if d.component == "second"][-1]
    newest = world.repository.resolve("refs/heads/main")
    assert newest
    texts = [world.repository.text(commit, workflow) for commit in (last.run.head_sha, newest)]
    through("what is there was deployed by other workflows", texts[0] != texts[1])


@on("changed")
def a_manifest_of_a_tag_called_main(world: World) -> None:
    """17. The same from a tag, so that it seems to come from the branch."""
    main = changed(world, "first", "second")
    world.instead = lying(world)
    forged = world.commit("side", {f".github/workflows/{TEST}": _liar("push: ")}, start=main)
    # Nobody has set up the rule that no tag is called like a branch.
    world.repository.tag("main", forged)
    world.github.tag("main", by="mallory")
    world.github.settle()
    assert len(world.memories("test")) == 2
    _believed(world)


@on("changed")
def a_manifest_of_a_pull_request(world: World) -> None:
    """17. The same from a fork, and from a branch of this repository.

    The workflows are those of both branches, so also main brings those of the branch that it is to
    be merged into.
    """
    main = changed(world, "first", "second")
    world.instead = lying(world)
    world.commit("theirs", {f".github/workflows/{TEST}": _liar("pull_request: ")}, start=main)
    world.github.push("theirs", by="mallory")
    for head, base in (("theirs", "main"), ("main", "theirs")):
        for fork in (True, False):
            world.github.pull_request(head, base, fork=fork)
            world.github.settle()
    assert len(world.memories("test")) == 5
    _believed(world)


@on("changed")
def a_manifest_of_a_run_started_alone(world: World) -> None:
    """17. A component's own run is reviewed, but not what its build uploads."""
    changed(world, "first", "second")

    def instead(step: Step) -> Any:
        if step.work.key == "build / build" and step.name == "Build":
            lie(world, step.work.run)

    world.instead = instead
    world.started("second-test.yml")
    world.instead = lambda step: None
    assert len(world.memories("test")) == 2
    _believed(world)


@on("changed")
def a_manifest_of_another_workflow(world: World) -> None:
    """17. Another workflow has a job of the same name, which runs a dependency."""
    world.instead = lying(world)
    changed(world, "first", "second")
    world.merged("main", {".github/workflows/own.yml": _liar("workflow_dispatch: ")})
    world.started("own.yml")
    _believed(world)


@on("changed")
def manifests_that_are_deleted(world: World) -> None:
    """17. Anybody who may write can delete artifacts: all of them, then the newest."""
    changed(world, "first", "second", text="A\n")
    for run, artifact in world.memories("test"):
        del run.artifact_store[artifact.id]
    before = len(world.of_environment("test"))
    world.merged()
    everything = len(world.of_environment("test")) == before + 2
    through("something is left out of which nothing is known", not everything)
    changed(world, "first", text="B\n")
    run, artifact = world.memories("test")[-1]
    del run.artifact_store[artifact.id]
    changed(world, "first", text="A\n")
    through("B is still there", bool(stale(world)))


@on("changed")
def a_run_that_is_deleted(world: World) -> None:
    """17. Anybody who may write can delete runs, with their artifacts and jobs."""
    changed(world, "first", "second", text="A\n")
    changed(world, "first", text="B\n")
    run, _ = world.memories("test")[-1]
    world.github.runs.remove(run)
    changed(world, "first", text="A\n")
    through("B is still there", bool(stale(world)))


@on("changed")
def a_component_alone_that_nobody_remembers(world: World) -> None:
    """17. The newest manifest does not contain what somebody has deployed since."""
    old = changed(world, "second", text="A\n")
    changed(world, "first", "second", text="B\n")
    world.started("second-test.yml", commit=old)
    world.merged()
    through("the old one is still there", bool(stale(world)))


def _named_like_a_deployment(world: World, ref: str) -> None:
    """A job that claims that the components of the manifest were deployed again, with success."""
    old = changed(world, "second", text="A\n")
    main = changed(world, "first", "second", text="B\n")
    world.started("second-test.yml", commit=old)
    key = world.remembered("test")["components"]["second"]["deployKey"]
    text = f"""\
name: Second Test
run-name: Deploy {main} to test, second alone
on: {{push: , workflow_dispatch: }}
jobs:
  second-test:
    name: second-test / Deploy {key}
    runs-on: x
    steps: [{{name: Check that it may be deployed, run: x}}]
"""
    files = {f".github/workflows/{f}": text for f in ("second-test.yml", TEST)}
    forged = world.commit("x-test", files, start=main)
    if ref == "refs/tags/main":
        # Nobody has set up the rule that no tag is called like a branch.
        world.repository.tag("main", forged)
        world.github.tag("main", by="mallory")
    else:
        world.github.push("x-test", by="mallory")
    run = world.started("second-test.yml", ref=ref, by="mallory")
    assert run.conclusion == "success"
    world.merged()
    through("the old one is still there", bool(stale(world)))


@on("changed")
def a_job_of_a_feature_branch_that_has_the_name_of_a_deployment(world: World) -> None:
    """17. It names the environment, but its workflow belongs to no environment."""
    _named_like_a_deployment(world, "refs/heads/x-test")


@on("changed")
def a_job_of_a_tag_called_main_that_has_the_name_of_a_deployment(world: World) -> None:
    """17. Its workflow seems to belong to the environment."""
    _named_like_a_deployment(world, "refs/tags/main")


@on("changed")
def a_component_alone_with_packages_of_another_commit(world: World) -> None:
    """20. It was deployed with the newest packages, which are not those of its commit."""
    old = changed(world, "first", "second")
    newest = world.commit("main", {"parts/first/file.txt": "newer\n"})
    world.repository.push("refs/heads/main")
    world.started("first-test.yml", commit=newest)
    world.started("second-test.yml", commit=old, packages="latest")
    [taken] = {c for n, (c, _) in world.deployments[-1].packages.items() if n == "first"}
    assert taken == newest
    world.started(TEST, commit=old)
    last = {d.component: d for d in world.of_environment("test")}
    taken = last["second"].packages["first"][0]
    through("it has the package of another commit", taken != old)


def _approved_weeks_later(world: World, is_newer: bool) -> None:
    """C changes only second. Before that is approved, somebody rolls first back to A."""
    old = changed(world, "first", "second", text="A\n")
    approve_all(world)
    changed(world, "first", text="B\n")
    approve_all(world)
    alone = None if is_newer else world.started("first-prd.yml", commit=old)
    changed(world, "second", text="C\n")
    waits = world.candidate()
    alone = alone or world.started("first-prd.yml", commit=old)
    world.github.clock.advance(14 * 24 * 3600)
    world.approve(alone)
    assert world.of_environment("prd")[-1].commit == old
    world.approve(waits)
    assert stale(world, "prd") == ["first"]
    through("it says that all is well", waits.conclusion == "success")
    world.started(PRD)
    approve_all(world)
    through("the next one leaves it so, too", bool(stale(world, "prd")))


@on("changed")
def an_approval_that_comes_after_a_newer_component_alone(world: World) -> None:
    """18. In the meantime a run newer than the plan has deployed a component that was left out."""
    _approved_weeks_later(world, is_newer=True)


@on("changed")
def an_approval_that_comes_after_an_older_component_alone(world: World) -> None:
    """18. The same by a run that had begun, and waited, when this run planned."""
    _approved_weeks_later(world, is_newer=False)


@on("changed")
def an_older_plan_that_is_approved_last(world: World) -> None:
    """18. A roll-back of first and second was planned before first was deployed anew."""
    old = changed(world, "first", "second", text="A\n")
    approve_all(world)
    changed(world, "first", "second", text="B\n")
    approve_all(world)
    older = world.started(PRD, commit=old)
    main = changed(world, "first", text="C\n")
    newer = world.candidate()
    world.github.clock.advance(14 * 24 * 3600)
    world.approve(newer)
    assert world.at("prd")["first"] == main
    before = len(world.deployments)
    world.approve(older)
    through("the old one is deployed", len(world.deployments) > before)
    through("it says that all is well", older.conclusion == "success")


@on("changed")
def a_package_that_is_older_than_what_takes_it(world: World) -> None:
    """A fault, not an attack: production refused a package of an earlier run of test."""
    changed(world, "first", "second")
    approve_all(world)
    changed(world, "second")
    approve_all(world)
    through("the release is lost", bool(stale(world, "prd")))


@on("changed-each")
def a_deployment_that_only_waits(world: World) -> None:
    """A fault, not an attack: a component that waits for its approval has changed nothing yet."""
    changed(world, "first", "second")
    approve_all(world)
    world.started("first-prd.yml")
    changed(world, "second")
    run = world.candidate()
    if world.github.waiting(run):
        world.approve(run)
    through("more is deployed, or what succeeded is red", run.conclusion != "success")


@on("changed")
def a_component_alone_while_test_still_deploys(world: World) -> None:
    """Found by a history: production got only the part of a commit that nobody had replaced."""
    old = changed(world, "first", "second", text="A\n")
    approve_all(world)
    files = {f"parts/{name}/file.txt": "B\n" for name in ("first", "second")}
    world.commit("main", files)
    [run] = world.push()
    while not any(d.run is run and d.component == "second" for d in world.deployments):
        assert world.github.step()
    alone = world.github.dispatch("first-test.yml", "main", {"commit": old})
    world.hold = lambda work: (
        work.run is run and work.key == "deployment-summary" and alone.status != "completed"
    )
    world.github.settle()
    assert alone.conclusion == run.conclusion == "success"
    approve_all(world)
    through("production has a part of B", bool(stale(world, "prd")))


# Where each component has a run of its own


def _until_started(world: World, file: str, count: int) -> Run:
    """The newest run of a workflow, as soon as it has this many runs."""
    while len(world.github.runs_of(file)) < count:
        assert world.github.step()
    return world.github.runs_of(file)[-1]


def _first_is_done(world: World) -> tuple[Run, Run, list[bool]]:
    """Test deploys B: first is there, and second has yet to begin until the list is empty."""
    changed(world, "first", "second", text="A\n")
    held = [True]
    world.hold = lambda work: work.run.workflow_file == "second-test.yml" and bool(held)
    world.commit("main", {f"parts/{name}/file.txt": "B\n" for name in ("first", "second")})
    [test] = world.push()
    child = _until_started(world, "first-test.yml", 2)
    while child.status != "completed":
        assert world.github.step()
    _until_started(world, "second-test.yml", 2)
    return test, child, held


@on("changed-dispatch")
def a_component_that_fails_when_it_is_run_again(world: World) -> None:
    """15. Somebody re-runs it alone while its orchestrator still waits for others."""
    test, child, held = _first_is_done(world)
    world.failing = lambda step: step.name == "Deploy" and step.work.run.id == child.id
    again = world.github.rerun(child)
    while again.status != "completed":
        assert world.github.step()
    world.failing = lambda step: False
    held.clear()
    world.github.settle()
    assert stale(world) == ["first"]
    through("it says that all is well", test.conclusion == "success")
    world.merged()
    through("what failed is left as it is", bool(stale(world)))


@on("changed-dispatch")
def a_component_whose_run_is_deleted_when_it_has_failed(world: World) -> None:
    """15. In this way anybody who may write could hide that it was deployed in part."""
    changed(world, "first", "second", text="A\n")
    held = [True]
    world.hold = lambda work: work.run.workflow_file == "second-test.yml" and bool(held)
    world.failing = lambda step: (
        step.name == "Deploy" and step.work.run.workflow_file == "first-test.yml"
    )
    world.commit("main", {"parts/first/file.txt": "B\n"})
    world.push()
    child = _until_started(world, "first-test.yml", 2)
    while child.status != "completed":
        assert world.github.step()
    test = world.github.runs_of(TEST)[-1]
    while not test.results.get("first-test"):
        assert world.github.step()
    world.github.runs.remove(child)
    world.github.settle()
    world.failing = lambda step: False
    changed(world, "first", text="A\n")
    through("half of B is still there", bool(stale(world)))


@on("changed")
def an_attempt_that_deploys_and_dies(world: World) -> None:
    """15. It leaves no manifest. The next attempt fails earlier, and did not know of it."""
    changed(world, "first", "second", text="A\n")
    world.instead = lambda step: (
        "failure"
        if step.work.key == "deployment-summary" and step.name == "Write the summary"
        else None
    )
    world.commit("main", {f"parts/{name}/file.txt": "B\n" for name in ("first", "second")})
    [test] = world.push()
    world.github.settle()
    world.instead = lambda step: None
    world.failing = lambda step: step.name == "Build"
    world.github.rerun(test)
    world.github.settle()
    world.failing = lambda step: False
    changed(world, "first", "second", text="A\n")
    through("B is still there", bool(stale(world)))


@on("changed-dispatch")
def a_run_whose_title_names_another_orchestrator(world: World) -> None:
    """17. It reads the plan of a run with nothing to do; its title names another run."""
    old = changed(world, "second", text="A\n")
    main = changed(world, "first", "second", text="B\n")
    idle = world.started(TEST)
    world.started("second-test.yml", by="octocat", commit=old)
    world.failing = lambda step: (
        step.name == "Deploy" and step.work.run.workflow_file == "second-test.yml"
    )
    test = world.started(TEST)
    world.failing = lambda step: False
    again = world.github.rerun(test, failed_only=True)
    while "second-test" not in again.jobs or again.jobs["second-test"].status == "queued":
        assert world.github.step()
    typed = f"1 of run {test.id}, attempt 2"
    inputs = {"commit": main, "orchestrator": str(idle.id), "attempt": typed, "packages": "{}"}
    _started_by_a_workflow(world, "second-test.yml", **inputs)
    world.github.settle()
    world.merged()
    through("second is left as it is", bool(stale(world)))


@on("changed-dispatch")
def a_run_that_comes_while_a_job_is_run_again(world: World) -> None:
    """5. A workflow starts second with another package of first, before the job looks for its own.

    The job took that run for the one that it had started.
    """
    world.failing = lambda step: (
        step.name == "Deploy" and step.work.run.workflow_file == "second-test.yml"
    )
    main = changed(world, "first", "second")
    world.failing = lambda step: False
    other = world.started("first-test.yml", by="mallory", commit=main)
    test = world.github.runs_of(TEST)[-1]
    again = world.github.rerun(test, failed_only=True)
    while "second-test" not in again.jobs or again.jobs["second-test"].status == "queued":
        assert world.github.step()
    packages = json.dumps({"first": {"run": other.id}})
    own = {"commit": main, "orchestrator": str(test.id), "attempt": "2", "packages": packages}
    _started_by_a_workflow(world, "second-test.yml", **own)
    world.github.settle()
    approve_all(world)
    _untested(world)
    last = [d for d in world.of_environment("test") if d.component == "second"][-1]
    for production in world.of_environment("prd"):
        through("test has another package", production.packages["first"] != last.packages["first"])


@on("changed-dispatch")
def a_package_that_a_run_alone_replaces_and_ends_sooner(world: World) -> None:
    """The re-run makes another package, and the repository keeps it for a shorter time."""
    changed(world, "first", "second")
    approve_all(world)
    again = world.github.rerun(world.github.runs_of("first-test.yml")[-1], actor="mallory")
    world.github.settle()
    for artifact in again.artifact_store.values():
        artifact.retention_days = 1
    changed(world, "second")
    approve_all(world)
    through("test is blocked", bool(stale(world)))
    through("production is blocked", bool(stale(world, "prd")))
