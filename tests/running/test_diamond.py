"""A diamond of components: all is built, then it is deployed in order."""

from __future__ import annotations

import hashlib
from pathlib import Path

from generated_repositories import (
    DIAMOND,
    deployments,
    diamond,
    folders,
    rows,
    start,
    with_commands,
)


def test_all_is_built_and_then_deployed_in_order(template: Path, tmp_path: Path) -> None:
    github = with_commands(start(template, tmp_path, diamond(), folders(DIAMOND)))
    github.tools.watch(["base.txt", "package.txt"], [])
    [run] = github.push("develop")
    expected = {"changes", "deployment-summary"}
    for build, deploy in ((f"{name}-build", f"{name}-dev") for name in DIAMOND):
        expected |= {build, f"{build} / build", deploy, f"{deploy} / deploy"}
    assert run.results == dict.fromkeys(expected, "success")
    assert run.concurrency == "orchestrator-dev"

    # A build waits for components whose packages it takes, a deployment for all that it depends on.
    place = {key: number for number, key in enumerate(run.order)}
    for producer, consumer in (("base", "right"), ("left", "top"), ("right", "top")):
        assert place[f"{producer}-build / build"] < place[f"{consumer}-build / build"]
    order = deployments(github, "ship")
    assert sorted(order) == DIAMOND
    assert order.index("base") < min(order.index("left"), order.index("right"))
    assert order.index("top") > max(order.index("left"), order.index("right"))

    # Packages arrive in the right places; checks and deployment get the same ones.
    text = {name: f"{name} of {run.head_sha}\n".encode() for name in DIAMOND}
    packages = {name: files["package.txt"] for name, files in run.packages.items()}
    assert packages == {f"{name}-package-dev": text[name] for name in DIAMOND}
    digests = {name: hashlib.sha256(text[name]).hexdigest() for name in DIAMOND}
    ships = {c.arguments[0]: c for c in github.commands("ship")}
    own = {name: {"package.txt": digests[name]} for name in DIAMOND}
    placed = {**own, "right": {**own["right"], "base.txt": digests["base"]}}
    assert {name: c.files for name, c in ships.items()} == placed
    checks = github.commands("check", "^right-build")
    assert [c.arguments for c in checks] == [[n, "right"] for n in ("lint", "test", "security")]
    assert all(c.files == {"base.txt": digests["base"]} for c in checks)
    for name, producers in (("left", []), ("right", ["base"]), ("top", ["left", "right"])):
        folder = f"{ships[name].workspace}/.packages"
        given = {k: v for k, v in ships[name].environment.items() if k.endswith("_PACKAGE")}
        assert given == {f"{p.upper()}_PACKAGE": f"{folder}/{p}" for p in producers}

    for name in DIAMOND:
        package = {"artifact-name": f"{name}-package-dev", "artifact-path": "package.txt"}
        build, deploy = run.job(f"{name}-build").outputs, run.job(f"{name}-dev").outputs
        assert deploy == {**package, "deployment-status": "success"}
        assert build.items() >= package.items() and build.keys() == {*package, "digest"}
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev succeeded\n")
    assert rows(run) == [(name, "success") for name in ["changes", *DIAMOND]]
