"""Every code type at once: one push, from the first wave to the summary, with a stub for each tool.

The tools themselves run in `real_commands/`. Here it is what the code types have to do with one
another: that no job of any of them is missing or fails, their order, and their packages.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import toolbox
import yaml
from check_code_type import SAMPLES, commands_of
from check_stubs import BareMachine, Leaves
from offline_github import OfflineGitHub
from pipeline.catalogue import load_catalogue
from pipelines import start

COMPONENTS: dict[str, Any] = {
    "python": {},
    "node": {"deploy": "ship"},
    "go": {"deploy": "ship"},
    "java": {"deploy": "ship"},
    "dotnet": {"deploy": "ship"},
    "docker": {},
    "terraform": {"secrets": ["TF_API_TOKEN"]},
    "opentofu": {},
    "cdk": {},
    "kubernetes": {},
    "helm": {},
    "generic": {"test": "check", "deploy": "ship"},
}
EDGES = {
    "terraform": ["python"],
    "opentofu": ["python"],
    "cdk": ["node", "python"],
    "docker": ["dotnet", "go", "java"],
    "kubernetes": ["docker", "terraform"],
    "helm": ["docker", "opentofu"],
    "generic": ["cdk", "helm", "kubernetes"],
}
PLACED = {"name": "lambda-package.zip", "to": "terraform/function.zip"}
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
    "environments": [{"name": "dev", "branch": "main"}],
    "pull_requests": False,
}
ALL = {"lint", "test", "security", "build", "deploy"}
JOBS = {
    **dict.fromkeys(COMPONENTS, ALL),
    # A Lambda is deployed by Terraform, an image by Kubernetes; plans are made where they are
    # applied; manifests and charts are tested by rendering them, an assembly is scanned with its
    # synthesis.
    "python": ALL - {"deploy"},
    "docker": ALL - {"deploy"},
    "terraform": ALL - {"build"},
    "opentofu": ALL - {"build"},
    "kubernetes": ALL - {"test"},
    "helm": ALL - {"test"},
    "cdk": ALL - {"security"},
    "generic": {"test", "deploy"},
}
MADE = {
    "python": "lambda-package.zip",
    "node": "dist/index.html",
    "go": "bin/shop",
    "java": "dist/shop-1.0.0.jar",
    "dotnet": "publish/shop.dll",
    "docker": "docker-image",
    "cdk": "cdk.out/cli-version.txt",
    "kubernetes": "rendered.yaml",
    "helm": "chart/chart.tgz",
}
"""Of each package, a file."""

FILES = {
    **{f"{name}/README.md": "" for name in COMPONENTS},
    "node/package.json": '{"name": "site", "scripts": {"lint": "x", "test": "x", "build": "x"}}',
    "cdk/cdk.json": '{"app": "python3 app.py"}',
    "terraform/main.tf": 'locals {\n  package = "function.zip"\n}\n',
    "opentofu/main.tf": "",
    "helm/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\n",
    "helm/values.yaml": "docker:\n  image: {repository: docker, tag: none}\n",
    **{
        f"{sample.name}/{file.name}": file.read_text(encoding="utf-8")
        for sample in SAMPLES.iterdir()
        for file in sample.iterdir()
        if file.is_file()
    },
}
STUBS = {
    "npm": 'case "$*" in *"run build"*) mkdir -p dist && echo made > dist/index.html ;; esac',
    "npx": 'case "$*" in *" synth "*) mkdir -p cdk.out ;; *--version) echo 2.1.0 ;; esac',
    "uv": """\
while [ $# -gt 1 ] && [ "$1" != -c ]; do shift; done
[ $# -lt 2 ] || echo uv > "$2" # the zip
""",
    "kubectl": """\
[ "$1" = kustomize ] || exit 0
for folder; do :; done
sed -nE "s/.*newName: '(.*)', digest: '(.*)'.*/image: \\1@\\2/p" "$folder/kustomization.yaml"
""",
    **{
        file.name: file.read_text(encoding="utf-8")
        for sample in SAMPLES.iterdir()
        for file in (sample / ".stubs").glob("*")
    },
}
# What is rendered runs the image that it was told.
STUBS["helm"] = """\
[ "$1" != package ] || { mkdir -p chart && echo helm > chart/shop-1.2.3.tgz; }
[ "$1" = template ] || exit 0
for option; do
  sed -nE 's/^--set-string=.*repository=([^,]+).*digest=([^,]+)$/image: \\1@\\2/p' <<< "$option"
done
"""
# Each package holds something else.
STUBS["go"] += '[ "$1" != build ] || { mkdir -p bin && echo go > bin/shop; }\n'
STUBS["dotnet"] += (
    '[ "$1" != publish ] || { mkdir -p publish && echo dotnet > publish/shop.dll; }\n'
)
STUBS["mvn"] += "[ ! -d target ] || echo mvn > target/shop-1.0.0.jar\n"


@pytest.fixture
def github(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfflineGitHub:
    """Its jobs have every tool that any code type names, as a stub, and no other."""
    github = start(template, tmp_path, ANSWERS, FILES)
    github.environments = {"dev": {"secrets": {"TF_API_TOKEN": "of dev", "KUBE_CONFIG": "access"}}}
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, text in STUBS.items():
        (stubs / name).write_text(text, encoding="utf-8")
    code_types = load_catalogue(toolbox.ROOT).code_types
    assert set(COMPONENTS) == set(code_types)
    leaves = {f"{name}-dev / build": Leaves(name, code_types[name].produces) for name in COMPONENTS}
    commands = [
        command
        for file in (toolbox.ROOT / "code_types").glob("*.yml")
        for command in commands_of(yaml.safe_load(file.read_text(encoding="utf-8")))
    ]
    machine = BareMachine(
        github, tmp_path / "machine", [*commands, "ship check"], leaves, ["docker-image"], stubs
    )
    monkeypatch.setenv("PATH", machine.path)
    github.tools.watch(
        ["function.zip", *(f"../.packages/{name}/{file}" for name, file in MADE.items())], []
    )
    return github


def test_a_push_checks_builds_and_deploys_every_code_type(github: OfflineGitHub) -> None:
    [run] = github.push("main")
    assert {k: j.log[-2000:] for k, j in run.jobs.items() if j.result != "success"} == {}
    callers = {f"{name}-dev" for name in COMPONENTS}
    assert set(run.jobs) == {
        "deployment-summary",
        *callers,
        *(f"{caller} / preflight" for caller in callers),
        *(f"{caller} / preflight / preflight" for caller in callers),
        *(f"{name}-dev / {job}" for name, jobs in JOBS.items() for job in jobs),
    }
    assert run.job("deployment-summary").summary.startswith("## Deployment to dev succeeded\n")
    assert run.order[-1] == "deployment-summary"

    # Nothing of a component starts before all it depends on has ended.
    def places(name: str) -> list[int]:
        return [place for place, key in enumerate(run.order) if key.startswith(f"{name}-dev / ")]

    for name, needed in EDGES.items():
        assert min(places(name)) > max(place for other in needed for place in places(other)), name

    # Each package arrives as it was built, and where it was wanted.
    packages = {name: run.artifacts[f"{name}-package-dev"] for name in MADE}
    assert set(run.artifacts) == {f"{name}-package-dev" for name in MADE}
    digests = {
        name: hashlib.sha256(packages[name][file]).hexdigest() for name, file in MADE.items()
    }
    assert len(set(digests.values())) == len(MADE)
    for name, needed in EDGES.items():
        # A deployment has what was built for it as well.
        last, wanted = ("deploy", [*needed, name]) if "deploy" in JOBS[name] else ("build", needed)
        *_, command = github.commands(None, f"^{name}-dev / {last}$")
        expected = {f"../.packages/{o}/{MADE[o]}": digests[o] for o in wanted if o in MADE}
        if name == "terraform":
            expected["function.zip"] = digests["python"]
        assert command.files == expected, name
    image = packages["docker"]["docker-image"].decode().strip()
    for rendered in (
        packages["kubernetes"]["rendered.yaml"],
        packages["helm"]["chart/rendered.yaml"],
    ):
        assert f"image: {image}\n" in rendered.decode()
