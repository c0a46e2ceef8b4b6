"""What a component reads outside its folder is proposed as `watches`, and nothing else is."""

from __future__ import annotations

import pytest
from repositories import LAMBDA, SERVICE, proposed

GO = "module example.com/api\n"
PROJECT = '[project]\nname = "{}"\n'
CSPROJ = '<Project Sdk="Microsoft.NET.Sdk.Web">{}</Project>'
SERVER = '{{"name": "{}", "main": "x", "dependencies": {{{}}}}}'
CHART = "apiVersion: v2\nname: x\n"

# Files -> the `watches` that is proposed for each component.
CASES: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {
    "nothing": ({**LAMBDA, **SERVICE}, {}),
    "uv, by path and by member": (
        {
            "uv.lock": "",
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["*"]\n',
            "api/pyproject.toml": PROJECT.format("api")
            + "[tool.uv.sources]\nMy_Lib = { workspace = true }\n"
            'other = { path = "../vendored" }\n',
            "lib/pyproject.toml": PROJECT.format("my-lib")
            + '[tool.uv.sources]\nbase = { path = "../base", editable = true }\n',
            "vendored/pyproject.toml": PROJECT.format("other"),
            "base/pyproject.toml": PROJECT.format("base"),
        },
        # `base` is here because `lib`, which `api` needs, needs it.
        {"api": ["base", "lib", "vendored"], "lib": ["base"]},
    ),
    "a file of requirements": (
        {
            "api/requirements.txt": "-r ../requirements/base.txt\n-e ../lib\nrequests\n",
            "requirements/base.txt": "-c constraints.txt\n",
            "requirements/other.txt": "",
            "lib/helper.py": "",
        },
        {"python": ["lib", "requirements/base.txt"]},
    ),
    "npm and pnpm": (
        {
            "api/package.json": SERVER.format(
                "api", '"ui": "workspace:*", "old": "file:../old", "in": "file:./in"'
            ),
            "packages/ui/package.json": '{"name": "ui", "version": "1"}',
            "old/package.json": '{"name": "old"}',
            "api/tsconfig.json": '{"extends": "../tsconfig.base.json"}',
            "tsconfig.base.json": "{}",
        },
        {"node": ["old", "packages/ui"]},
    ),
    "go": (
        {
            "api/go.mod": f"{GO}replace example.com/lib => ../lib\n",
            "lib/go.mod": "module example.com/lib\n",
            "tool/go.mod": "module example.com/tool\nreplace (\n\texample.com/lib => ../lib\n)\n",
        },
        {"api": ["lib"], "tool": ["lib"]},
    ),
    "rust": (
        {
            "api/Cargo.toml": '[package]\n[dependencies]\nlib = { path = "../lib" }\n',
            "lib/Cargo.toml": '[package]\n[dependencies.base]\npath = "../base"\n',
            "base/Cargo.toml": "[package]\n",
        },
        {"api": ["base", "lib"], "lib": ["base"]},
    ),
    "dotnet": (
        {
            "src/Api/Api.csproj": CSPROJ.format(
                '<ProjectReference Include="..\\Lib\\Lib.csproj" />'
            ),
            "src/Lib/Lib.csproj": '<Project Sdk="Microsoft.NET.Sdk">'
            '<Import Project="../shared.props" /></Project>',
            "src/shared.props": "",
        },
        {"api": ["src/Lib", "src/shared.props"], "lib": ["src/shared.props"]},
    ),
    "terraform": (
        {
            "infra/app/main.tf": 'module "vpc" {\n  source = "../modules/vpc"\n}\n',
            "infra/modules/vpc/main.tf": 'module "net" {\n  source = "../net"\n}\n',
            "infra/modules/net/main.tf": "",
            "infra/modules/idle/main.tf": "",
        },
        {"app": ["infra/modules/net", "infra/modules/vpc"]},
    ),
    "terraform in folders of environments": (
        {
            f"live/{name}/app/main.tf": 'module "a" {\n  source = "../../../modules/app"\n}\n'
            for name in ("dev", "prod")
        }
        | {"modules/app/main.tf": ""},
        {"terraform": ["modules/app"]},
    ),
    "kustomize": (
        {
            "k8s/app/kustomization.yaml": "resources:\n- ../base\n- deployment.yaml\n",
            "k8s/app/deployment.yaml": "kind: Deployment\n",
            "k8s/base/service.yaml": "kind: List\n",
        },
        {"kubernetes": ["k8s/base"]},
    ),
    "java": (
        {
            "shop/pom.xml": "<parent><relativePath>../parent/pom.xml</relativePath></parent>",
            "parent/pom.xml": "<project></project>",
        },
        {"shop": ["parent"]},
    ),
    "a path outside the repository, or with a variable": (
        {
            "infra/main.tf": 'module "a" {\n  source = "../../other"\n}\n'
            'x = "${path.module}/../${y}"\n'
        },
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_components_watch_the_folders_that_their_files_refer_to(case: str) -> None:
    files, wanted = CASES[case]
    proposal = proposed(files)
    found = {n: s["watches"] for n, s in proposal.components.items() if "watches" in s}
    assert found == wanted


def test_a_package_is_taken_and_not_watched() -> None:
    """Terraform takes the zip of the function by an edge, so it does not watch its sources."""
    files = {**LAMBDA, "infra/more.tf": 'x = "${path.module}/../functions/sync/handler.py"\n'}
    proposal = proposed(files)
    assert proposal.dependency_map and not any("watches" in s for s in proposal.components.values())
