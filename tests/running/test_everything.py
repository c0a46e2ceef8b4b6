"""Every code type at once: from a push, through test and an approval, to production, with a stub
for each tool, of which each builds other bytes each time.

The tools themselves run in `real_commands/`. Here it is what the code types have to do with one
another: that no job of any of them is missing or fails, their order, and their packages.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import toolbox
from check_code_type import SAMPLES, commands_of
from check_stubs import BareMachine
from generated_repositories import start
from images import DOCKER, SKOPEO
from offline_github import OfflineGitHub, Run
from pipeline.catalogue import load_catalogue
from pipeline.like import in_full

COMPONENTS: dict[str, Any] = {
    "python": {},
    "node": {"deploy": "ship"},
    "go": {"deploy": "ship"},
    "java": {"deploy": "ship"},
    "dotnet": {"deploy": "ship"},
    "rust": {"deploy": "ship"},
    "static": {"deploy": "ship"},
    "docker": {},
    "terraform": {"secrets": ["TF_API_TOKEN"]},
    "opentofu": {},
    "cdk": {},
    "sam": {},
    "pulumi": {},
    "kubernetes": {},
    "helm": {},
    "generic": {"test": "check", "build": "pack", "produces": ["pack.txt"], "deploy": "ship"},
}
"""The code types with what is special to them. Any other one is there as it is, and makes nothing
that is looked at."""

CATALOGUE = load_catalogue(toolbox.ROOT)
OTHERS = {name: what for name, what in CATALOGUE.code_types.items() if name not in COMPONENTS}
COMPONENTS |= {name: {"build": ""} for name in OTHERS}
EDGES = {
    "terraform": ["python"],
    "opentofu": ["python"],
    "cdk": ["node", "python"],
    "sam": ["go", "rust"],
    "pulumi": ["docker", "sam"],
    "docker": ["dotnet", "go", "java", "rust"],
    "kubernetes": ["docker", "terraform"],
    "helm": ["docker", "opentofu"],
    "generic": ["cdk", "helm", "kubernetes", "sam"],
}
PLACED = {"name": "lambda-package.zip", "to": "terraform/function.zip"}
SIZES = {"test": "small", "prd": "large"}
ANSWERS = {
    "components": {
        name: {"code_type": name, "path": name, **settings} for name, settings in COMPONENTS.items()
    },
    "dependency_map": [
        {
            "code_type": name,
            "depends_on": needed,
            **({"artifacts": [PLACED]} if name == "terraform" else {}),
        }
        for name, needed in EDGES.items()
    ],
    "environments": [
        {"name": "test", "branch": "main", "env": {"SIZE": SIZES["test"]}},
        {"name": "prd", "after": "test", "production": True, "env": {"SIZE": SIZES["prd"]}},
    ],
    "pull_requests": False,
}
CHECKS = {"Lint", "Test", "Security scan"}
STEPS = {
    **{name: {*CHECKS, "Build", "Deploy"} for name in COMPONENTS},
    # A Lambda is deployed by Terraform, an image by Kubernetes; plans are made where they are
    # applied; manifests and charts are tested by rendering them, an assembly is scanned with its
    # synthesis.
    "python": {*CHECKS, "Build"},
    "docker": {*CHECKS, "Build"},
    "terraform": {"Lint", "Validate", "Security scan", "Deploy"},
    "opentofu": {"Lint", "Validate", "Security scan", "Deploy"},
    "kubernetes": {"Lint", "Security scan", "Render and validate", "Deploy"},
    "helm": {"Lint", "Security scan", "Render and validate", "Deploy"},
    "pulumi": {*CHECKS, "Deploy"},
    "static": {"Lint", "Build and check", "Security scan", "Build", "Deploy"},
    "cdk": {"Lint", "Test", "Synthesize", "Deploy"},
    "generic": {"Test", "Build", "Deploy"},
    **{
        name: {job.name for id, job in what.jobs.items() if job.command and id != "build"}
        for name, what in OTHERS.items()
    },
}
COMMANDS = set().union(*STEPS.values())
DEPLOYED = [name for name, steps in STEPS.items() if "Deploy" in steps]
MADE = {
    "python": "lambda-package.zip",
    "node": "dist/index.html",
    "go": "bin/shop",
    "java": "dist/shop-1.0.0.jar",
    "dotnet": "publish/shop.dll",
    "rust": "bin/shop",
    "static": "site/index.html",
    "docker": "docker-image",
    "cdk": "cdk.out/{}/manifest.json",
    "sam": ".aws-sam/build/template.yaml",
    "kubernetes": "rendered/{}.yaml",
    "helm": "chart/{}/rendered.yaml",
    "generic": "pack.txt",
}
"""A file of each package; with an environment's name if there is one for each environment."""

FILES = {
    **{f"{name}/README.md": "" for name in COMPONENTS},
    "node/package.json": '{"name": "site", "scripts": {"lint": "x", "test": "x", "build": "x"}}',
    "cdk/cdk.json": '{"app": "python3 app.py"}',
    "terraform/main.tf": 'locals {\n  package = "function.zip"\n}\n',
    "opentofu/main.tf": "",
    "helm/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\n",
    "helm/values.yaml": "docker:\n  image: {repository: docker, tag: none}\n",
    "helm/values-prd.yaml": "replicas: 9\n",
    **{
        f"{sample.name}/{file.name}": file.read_text(encoding="utf-8")
        for sample in SAMPLES.iterdir()
        for file in sample.iterdir()
        if file.is_file()
    },
}
# The text that a tool writes: another one each time, with its environment and a size.
ANYTHING = 'anything() { echo "$ENVIRONMENT ${SIZE:-} $(date +%s%N)"; }\n'
STUBS = {
    "npm": 'case "$*" in *"run build"*) mkdir -p dist && anything > dist/index.html ;; esac',
    "uv": """\
case "$*" in
  *install.py) mkdir "$RUNNER_TEMP/python" && touch "$RUNNER_TEMP/python/folders.txt" ;;
esac
while [ $# -gt 1 ] && [ "$1" != -c ]; do shift; done
[ $# -lt 2 ] || anything > "$2" # the zip
""",
    "kubectl": """\
[ "$1" = kustomize ] || exit 0
for folder; do :; done
sed -nE "s/.*newName: '(.*)', digest: '(.*)'.*/image: \\1@\\2/p" "$folder/kustomization.yaml"
anything
""",
    # The rendered manifests run the image that they were given.
    "helm": """\
[ "$1" != package ] || { mkdir -p chart && anything > chart/shop-1.2.3.tgz; }
[ "$1" = template ] || exit 0
for option; do
  sed -nE 's/^--set-string=.*repository=([^,]+).*digest=([^,]+)$/image: \\1@\\2/p' <<< "$option"
done
anything
""",
    "cdk": """\
for folder; do :; done # the last argument
[ "$1" != synth ] || { mkdir -p "$folder" && anything > "$folder/manifest.json"; }
[ "$1" != --version ] || echo "2.1000.1 (build abcdef)"
""",
    "docker": DOCKER,
    "skopeo": SKOPEO,
    "pack": "anything > pack.txt\n",
}
# The answers of the samples, and then their products.
MORE = {
    "go": '[ "$1" != build ] || { mkdir -p bin && anything > bin/shop; }\n',
    "dotnet": '[ "$1" != publish ] || { mkdir -p publish && anything > publish/shop.dll; }\n',
    "sam": '[ "$1" != build ] || anything > .aws-sam/build/template.yaml\n',
    "cargo": '[ "$1" != build ] || anything > target/release/shop\n',
    "mvn": "[ ! -d target ] || anything > target/shop-1.0.0.jar\n",
}
for other in OTHERS:
    for stub in (SAMPLES / other / ".stubs").glob("*"):
        STUBS.setdefault(stub.name, stub.read_text(encoding="utf-8"))
for name, text in MORE.items():
    [answers] = SAMPLES.glob(f"*/.stubs/{name}")
    STUBS[name] = answers.read_text(encoding="utf-8") + text


@pytest.fixture
def github(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfflineGitHub:
    """A GitHub whose jobs have each tool that a code type names, as a stub, and no other."""
    github = start(template, tmp_path, ANSWERS, FILES)
    secrets = {"TF_API_TOKEN": "a token", "KUBE_CONFIG": "access"}
    github.environments = {name: {"secrets": secrets} for name in ("test", "prd")}
    github.environments["prd-approval"] = {"reviewers": True}
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, text in STUBS.items():
        (stubs / name).write_text(ANYTHING + text, encoding="utf-8")
    written = CATALOGUE.written
    commands = [
        command
        for content in written.values()
        for command in commands_of(in_full(content, written))
    ]
    commands += ["ship check"]
    machine = BareMachine(github, tmp_path / "machine", commands, {}, [], stubs)
    monkeypatch.setenv("PATH", machine.path)
    for environment in ("test", "prd"):
        files = {name: file.format(environment) for name, file in MADE.items()}
        placed = [*files.values(), *(f"../.packages/{name}/{file}" for name, file in files.items())]
        github.tools.watch([*placed, "function.zip"], [])
    return github


def jobs_of(run: Run) -> set[str]:
    """The jobs that ran steps, each with its caller."""
    return {key for job in run.order for key in (job, job.partition(" / ")[0])}


def test_every_code_type_reaches_production_as_it_was_tested(github: OfflineGitHub) -> None:
    [test] = github.push("main")
    [prd] = github.runs_of("orchestrator-prd.yml")
    for name, run in (("test", test), ("prd", prd)):
        bad = {k: j.log[-2000:] for k, j in run.jobs.items() if j.result != "success"}
        assert (run.message, bad) == ("", {})
        deployments = {f"{component}-{name} / deploy" for component in DEPLOYED}
        builds = {f"{component}-build / build" for component in COMPONENTS}
        gates = {"changes", "approval"} if name == "prd" else {"changes"} | builds
        assert set(run.order) == gates | deployments | {"deployment-summary"}
        assert set(run.jobs) == jobs_of(run)
        assert (run.order[0], run.order[-1]) == ("changes", "deployment-summary")
        says = run.job("deployment-summary").summary
        assert says.startswith(f"## Deployment to {name} succeeded\n")
        for component in DEPLOYED:
            steps = run.job(f"{component}-{name} / deploy").steps.keys() & COMMANDS
            assert steps == {"Deploy"}
    for component, steps in STEPS.items():
        ran = test.job(f"{component}-build / build").steps.keys() & COMMANDS
        assert ran == steps - {"Deploy"}, component

    # Everything is built before, and nothing is deployed before all that it depends on.
    for run, name in ((test, "test"), (prd, "prd")):
        place = {key: number for number, key in enumerate(run.order)}
        for component, needed in EDGES.items():
            for other in needed:
                if run is test and other in MADE:
                    first, then = (f"{n}-build / build" for n in (other, component))
                    assert place[first] < place[then]
                if other in DEPLOYED and component in DEPLOYED:
                    first, then = (f"{n}-{name} / deploy" for n in (other, component))
                    assert place[first] < place[then]

    # Production takes what was tested, byte for byte, although each build makes other bytes.
    assert set(test.packages) == {f"{component}-package-test" for component in MADE}
    tested = {name: test.packages[f"{name}-package-test"] for name in MADE}
    assert prd.packages == {f"{name}-package-prd": files for name, files in tested.items()}
    assert prd.approvals == [("approval", "prd-approval")]
    assert len(github.commands("skopeo")) == 1
    for name in ("test", "prd"):
        check_deployments(github, name, tested)
    image = tested["docker"]["docker-image"].decode().strip()
    for name, size in SIZES.items():
        for component in ("kubernetes", "helm", "cdk"):
            rendered = tested[component][MADE[component].format(name)].decode()
            assert f"{name} {size} " in rendered
            assert (f"image: {image}\n" in rendered) == (component != "cdk")


def check_deployments(
    github: OfflineGitHub, environment: str, packages: dict[str, dict[str, bytes]]
) -> None:
    """Check that each deployment has what was built for it, and the packages that it takes."""
    files = {name: file.format(environment) for name, file in MADE.items()}
    digests = {n: hashlib.sha256(packages[n][file]).hexdigest() for n, file in files.items()}
    assert len(set(digests.values())) == len(MADE)
    for name in DEPLOYED:
        *_, command = github.commands(None, f"^{name}-{environment} / deploy$")
        expected = {
            f"../.packages/{o}/{files[o]}": digests[o] for o in EDGES.get(name, []) if o in MADE
        }
        if name in MADE:
            expected |= {
                files[name]: digests[name],
                f"../.packages/{name}/{files[name]}": digests[name],
            }
        if name == "terraform":
            expected["function.zip"] = digests["python"]
        assert {file: command.files.get(file) for file in expected} == expected, name
        named = {file.split("/")[2] for file in command.files if file.startswith("../.packages/")}
        assert named == {other for other in (*EDGES.get(name, []), name) if other in MADE}
    deploy = {
        tool: github.commands(tool, f"^{name}-{environment} / deploy$")
        for tool, name in (("kubectl", "kubernetes"), ("helm", "helm"), ("npx", "cdk"))
    }
    assert deploy["kubectl"][0].arguments == ["apply", "--filename", files["kubernetes"]]
    values = [a for a in deploy["helm"][0].arguments if a.startswith("--values=")]
    assert values == (["--values=chart/prd/values-prd.yaml"] if environment == "prd" else [])
    app = deploy["npx"][0].arguments
    assert app[app.index("--app") + 1] == f"cdk.out/{environment}"
