"""The commands of .NET's code type, with a recorded `dotnet`: no registry of the tests has it."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import toolbox
from commands import Outcome, Runner, Step, write
from pipeline.code_types import load_code_types

ANSWERS = {
    "components": {
        "shop": {"code_type": "dotnet", "path": "shop"},
        "lib": {"code_type": "dotnet", "path": "shop", "produces": ["packages"]},
    },
    "dependency_map": {"shop": [], "lib": []},
}
DOTNET = load_code_types(toolbox.ROOT / "code_types")["dotnet"]

# Records its call with the properties of MSBuild, and makes the requested files.
STUB = """\
#!/bin/bash
echo "dotnet $*${{RestoreLockedMode:+ (locked)}}${{ContinuousIntegrationBuild:+ (CI)}}" >> {log}
if [ -n "${{STUB_FAILS:-}}" ] && [[ "$*" == *$STUB_FAILS* ]]; then echo broken; exit 1; fi
case "$1" in
  publish) mkdir -p "${{*: -1}}" && echo "$2" > "${{*: -1}}/app.dll" ;;
  nuget) if [ "$2" = list ]; then printf '%s\\n' "$SOURCES"; fi ;;
  pack) mkdir -p packages && touch "packages/${{PACKED-Shop.1.2.3.nupkg}}" ;;
esac
"""

WEB = '<Project Sdk="Microsoft.NET.Sdk.Web"><TargetFramework>net10.0</TargetFramework></Project>\n'
EXE = '<Project Sdk="Microsoft.NET.Sdk"><OutputType>Exe</OutputType></Project>\n'
LIBRARY = '<Project Sdk="Microsoft.NET.Sdk"></Project>\n'
TESTS = '<Project Sdk="Microsoft.NET.Sdk"><PackageReference Include="Microsoft.NET.Test.Sdk" />\n'
XUNIT = EXE.replace("</Project>", '<PackageReference Include="xunit.v3" Version="3" /></Project>')


def solution(*projects: str) -> str:
    """The text of a solution, as Visual Studio writes it."""
    kind = "FAE04EC0-301F-11D3-BF4B-00C04F79EFBC"
    lines = [
        f'Project("{{{kind}}}") = "{Path(project).stem}", "{project}", "{{0}}"\r\nEndProject\r\n'
        for project in projects
    ]
    return "Microsoft Visual Studio Solution File\r\n" + "".join(lines).replace("/", "\\")


SAMPLE = {
    "Shop.sln": solution("src/Shop/Shop.csproj", "src/Lib/Lib.csproj", "tests/Shop.Tests.csproj"),
    "src/Shop/Shop.csproj": WEB,
    "src/Lib/Lib.csproj": LIBRARY,
    "tests/Shop.Tests.csproj": TESTS,
}


class Machine:
    """A runner with a recorded SDK and a repository."""

    def __init__(self, runner: Runner, tmp_path: Path) -> None:
        self.runner, self.log = runner, tmp_path / "calls"
        self.repository = tmp_path / "repository"
        self.project = self.repository / "shop"
        text = STUB.format(log=self.log)
        stub = write(runner.tools, {"dotnet": text}) / "dotnet"
        stub.chmod(0o755)
        assert DOTNET.publish
        runner.steps = {**runner.steps, "shop/publish": Step(DOTNET.publish.command)}

    def run(self, job: str, files: Mapping[str, str] | None = None, **variables: str) -> Outcome:
        write(self.project, files or {})
        self.log.unlink(missing_ok=True)
        job = job if "/" in job else f"shop/{job}"
        return self.runner.run(job, self.project, **variables)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def machine(runner: Runner, tmp_path: Path) -> Machine:
    return Machine(runner, tmp_path)


# Which SDK


def versions(runner: Runner, files: Mapping[str, str]) -> tuple[list[str], str]:
    """The output of the set-up script: versions, and global.json."""
    repository = write(runner.folder / "repository", files)
    (repository / "shop").mkdir(parents=True, exist_ok=True)
    outcome = runner.run("shop/setup", repository / "shop")
    assert (outcome.code, outcome.output) == (0, "")
    return outcome.said["versions"].split(), outcome.said["global"].removeprefix(f"{repository}/")


SDK = '{\n  "sdk": { // ours\n    "version": "9.0.100", "rollForward": "latestFeature"\n  }\n}\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (["10.0.x"], "")),
        ({"shop/Shop.csproj": WEB}, (["10.0.x", "10.0.x"], "")),
        ({"shop/a/A.csproj": "<TargetFrameworks>net8.0;netstandard2.0;net10.0-windows;net48<",
          "shop/b/B.fsproj": "<TargetFramework>\r\nnet9.0\r\n</TargetFramework>"},
         (["10.0.x", "10.0.x", "8.0.x", "9.0.x"], "")),
        ({"shop/Directory.Build.props": "<TargetFramework>netcoreapp3.1</TargetFramework>"},
         (["10.0.x", "3.1.x"], "")),
        ({"shop/global.json": SDK}, ([], "shop/global.json")),
        ({"global.json": SDK, "shop/Shop.csproj": "<TargetFramework>net8.0<"},
         (["8.0.x"], "global.json")),
        ({".tool-versions": "dotnet 9.0.100\n"}, (["9.0.100"], "")),
        ({"mise.toml": 'dotnet = "9"\n', "shop/global.json": SDK}, ([], "shop/global.json")),
        ({"mise.toml": "dotnet = {version = '9'}\n"}, (["9"], "")),
        ({"shop/global.json": '{"test": {"runner": "Microsoft.Testing.Platform"}}'},
         (["10.0.x"], "")),
        ({"shop/global.json": '{"msbuild-sdks": {}, "sdk": {"rollForward": "major"}}'},
         (["10.0.x"], "")),
    ],
)  # fmt: skip
def test_the_versions(
    files: dict[str, str], expected: tuple[list[str], str], runner: Runner
) -> None:
    """A version that is named twice is installed once."""
    assert versions(runner, files) == expected


def test_a_cache_needs_a_lock_file(runner: Runner, tmp_path: Path) -> None:
    """The action fails if it has no file for the key of the cache."""
    project = write(tmp_path / "shop", {"a/A.csproj": WEB})
    assert "locked" not in runner.run("shop/setup", project).said
    write(project, {"a/packages.lock.json": "{}"})
    assert runner.run("shop/setup", project).said["locked"] == "true"


# Which project


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        (["Shop.sln", "Shop.csproj"], "Shop.sln"),
        (["Shop.slnx", "Shop.csproj"], "Shop.slnx"),
        (["Shop.csproj", "a/Shop.sln"], "Shop.csproj"),
        (["My Shop.fsproj"], "My Shop.fsproj"),
        (["Shop.vbproj", "README.md"], "Shop.vbproj"),
    ],
)
def test_a_solution_is_preferred_to_a_project(
    files: list[str], taken: str, machine: Machine
) -> None:
    assert machine.run("lib/build", dict.fromkeys(files, LIBRARY)).code == 0
    pack = "--configuration Release --output packages (CI)"
    assert machine.calls == [f"dotnet pack {taken} {pack}"]


@pytest.mark.parametrize(
    ("job", "files"),
    [
        ("lint", []),
        ("test", ["A.sln", "B.sln"]),
        ("security", ["A.csproj", "B.csproj"]),
        ("build", ["A.sln", "A.slnx"]),
        ("lib/build", ["a/A.sln"]),
    ],
)
def test_several_projects_are_refused(job: str, files: list[str], machine: Machine) -> None:
    outcome = machine.run(job, {".editorconfig": "[*.cs]\n", **dict.fromkeys(files, TESTS)})
    assert outcome.code == 1 and not machine.calls
    assert outcome.output == (
        f"::error title=Project::There is no project, or more than one, in {machine.project}; "
        "name a solution or project in DOTNET_PROJECT\n"
    )


def test_a_variable_chooses_the_project(machine: Machine) -> None:
    files = {"A.sln": "", "B.sln": "", "b/B.csproj": WEB}
    assert machine.run("build", files, DOTNET_PROJECT="b/B.csproj").code == 0
    assert machine.calls[0].startswith("dotnet publish b/B.csproj ")


# Which commands


@pytest.mark.parametrize(
    ("files", "checked"),
    [
        ({"shop/.editorconfig": "root = true\n[*.cs]\nindent_size = 4\n"}, True),
        ({".editorconfig": "[*.{cs,vb}]\nindent_size = 4\n"}, True),
        ({".editorconfig": "[*]\ndotnet_sort_system_directives_first = true\n"}, True),
        ({"shop/.editorconfig": "[*.md]\n", ".editorconfig": "[*.fs]\n"}, True),
        ({".editorconfig": "[*]\nindent_size = 2\n[*.csproj]\nindent_size = 4\n"}, False),
        ({"shop/src/.editorconfig": "[*.cs]\n"}, False),
        ({}, False),
    ],
)
def test_lint(files: dict[str, str], checked: bool, machine: Machine) -> None:
    write(machine.repository, files)
    outcome = machine.run("lint", SAMPLE)
    assert outcome.code == 0, outcome.output
    assert machine.calls == ["dotnet format Shop.sln --verify-no-changes"] * checked
    assert len(outcome.notices) == (not checked)
    if checked:
        assert machine.run("lint", STUB_FAILS="format").code == 1


@pytest.mark.parametrize(
    ("files", "platform", "call"),
    [
        (SAMPLE, "", "Shop.sln --logger trx"),
        ({**SAMPLE, "packages.lock.json": "{}"}, "", "Shop.sln --logger trx"),
        ({"Shop.Tests.csproj": TESTS}, "", "Shop.Tests.csproj --logger trx"),
        (
            {"Shop.sln": "", "a/A.csproj": EXE, "a/Directory.Build.props": XUNIT},
            "",
            "Shop.sln --logger trx",
        ),
        (SAMPLE, "Microsoft.Testing.Platform", "--solution Shop.sln"),
        ({"T.csproj": XUNIT}, "Microsoft.Testing.Platform", "--project T.csproj"),
        ({"Shop.sln": "", "Shop.csproj": WEB}, "", ""),
    ],
)
def test_tests(files: dict[str, str], platform: str, call: str, machine: Machine) -> None:
    if platform:
        write(machine.repository, {"global.json": json.dumps({"test": {"runner": platform}})})
    outcome = machine.run("test", files)
    assert outcome.code == 0, outcome.output
    locked = " (locked)" if "packages.lock.json" in files else ""
    assert machine.calls == [f"dotnet test {call} --configuration Release{locked}"] * bool(call)
    assert len(outcome.notices) == (not call)
    if call:
        assert machine.run("test", STUB_FAILS="test").code == 1


def test_vulnerable_packages(machine: Machine) -> None:
    """NuGet audits all packages. A failed audit fails the job, too."""
    assert machine.run("security", SAMPLE).code == 0
    codes = ",".join(f"NU190{number}" for number in range(5))
    audit = f"-p:NuGetAudit=true -p:NuGetAuditMode=all -warnaserror:{codes}"
    assert machine.calls == [f"dotnet restore Shop.sln {audit}"]
    assert machine.run("security", SAMPLE, STUB_FAILS="restore").code == 1


# Builds


def published(machine: Machine) -> dict[str, str]:
    folder = machine.project / "publish"
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8").strip()
        for file in folder.rglob("*.dll")
    }


SLNX = """\
<Solution>
  <Folder Name="/src/"><Project Path="src/Shop/Shop.csproj" /></Folder>
  <Project Path="src/Job/Job.csproj" />
</Solution>
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (SAMPLE, {"app.dll": "src/Shop/Shop.csproj"}),
        ({"Shop.csproj": LIBRARY}, {"app.dll": "Shop.csproj"}),
        ({"Shop.slnx": SLNX, "src/Shop/Shop.csproj": WEB, "src/Job/Job.csproj": EXE},
         {"Shop/app.dll": "src/Shop/Shop.csproj", "Job/app.dll": "src/Job/Job.csproj"}),
        ({"Shop.slnx": SLNX, "src/Shop/Shop.csproj": WEB, "src/Job/Job.csproj": XUNIT},
         {"app.dll": "src/Shop/Shop.csproj"}),
        ({"Shop.slnx": SLNX, "src/Shop/Shop.csproj": WEB,
          "src/Job/Job.csproj": EXE.replace("<O", "<IsPublishable>false</IsPublishable><O")},
         {"app.dll": "src/Shop/Shop.csproj"}),
        ({"A.sln": solution("F.csproj", "My Lib.csproj"), "My Lib.csproj": LIBRARY,
          "F.csproj": "<AzureFunctionsVersion>v4</AzureFunctionsVersion>"},
         {"app.dll": "F.csproj"}),
        ({"Shop.slnx": SLNX, "src/Shop/Shop.csproj": WEB,
          "src/Job/Job.csproj": EXE.replace("Microsoft.NET.Sdk", "Aspire.AppHost.Sdk/13.1.0")},
         {"app.dll": "src/Shop/Shop.csproj"}),
    ],
    ids=[
        *("one app", "a project", "two apps", "tests that run", "not published", "a function"),
        "Aspire",
    ],
)  # fmt: skip
def test_apps_are_published(
    files: dict[str, str], expected: dict[str, str], machine: Machine
) -> None:
    outcome = machine.run("build", {**files, "publish/old.dll": ""})
    assert outcome.code == 0, outcome.output
    assert published(machine) == expected
    assert all(call.endswith(" (CI)") for call in machine.calls)
    assert " --configuration Release --output publish" in machine.calls[0]


def test_apps_of_a_solution_filter(machine: Machine) -> None:
    """A filter is JSON with backslashes."""
    projects = ["src\\Shop\\Shop.csproj", "src\\Lib\\Lib.csproj"]
    part = json.dumps({"solution": {"path": "Shop.sln", "projects": projects}})
    files = {**SAMPLE, "Web.slnf": part}
    assert machine.run("build", files, DOTNET_PROJECT="Web.slnf").code == 0
    assert published(machine) == {"app.dll": "src/Shop/Shop.csproj"}


def test_a_solution_without_an_app(machine: Machine) -> None:
    files = {"A.sln": solution("a/A.csproj"), "a/A.csproj": LIBRARY}
    outcome = machine.run("build", files)
    assert outcome.code == 1 and not machine.calls
    assert outcome.output.startswith("::error title=Build::There is no app in A.sln of ")


def test_an_app_that_does_not_build(machine: Machine) -> None:
    files = {"Shop.slnx": SLNX, "src/Shop/Shop.csproj": WEB, "src/Job/Job.csproj": EXE}
    assert machine.run("build", files, STUB_FAILS="Shop.csproj").code == 1
    assert len(machine.calls) == 1


def test_libraries_are_packed(machine: Machine) -> None:
    files = {"Shop.csproj": LIBRARY, "packages.lock.json": "{}", "packages/Old.1.0.0.nupkg": ""}
    outcome = machine.run("lib/build", files)
    assert outcome.code == 0, outcome.output
    pack = "dotnet pack Shop.csproj --configuration Release --output packages (locked) (CI)"
    assert machine.calls == [pack]
    assert [file.name for file in (machine.project / "packages").iterdir()] == ["Shop.1.2.3.nupkg"]
    outcome = machine.run("lib/build", PACKED="Shop.1.2.3.symbols")
    assert outcome.code == 1 and "::error title=Build::No project in" in outcome.output
    assert machine.run("lib/build", STUB_FAILS="pack").code == 1


# Publications


def nupkg(folder: Path, name: str, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.{version}.nupkg", "w") as archive:
        text = f"<package>\n  <metadata>\n    <id>{name}</id>\n    <version>{version}</version>\n"
        archive.writestr(f"{name}.nuspec", text + '<dependency id="A" version="9.9.9" />')
        archive.writestr(f"lib/{name}.dll", "")


PUSH = "dotnet nuget push packages/*.nupkg --source {} --api-key hidden --skip-duplicate"


@pytest.mark.parametrize("tag", ["v1.2.3", "1.2.3", "shop-v1.2.3", "shop/1.2.3"])
def test_packages_are_pushed(tag: str, machine: Machine) -> None:
    for name in ("Shop", "Shop.Client"):
        nupkg(machine.project / "packages", name, "1.2.3")
    outcome = machine.run("publish", GITHUB_REF_NAME=tag, NUGET_API_KEY="hidden")
    assert outcome.code == 0, outcome.output
    assert machine.calls == [PUSH.format("nuget.org")]
    assert "hidden" not in outcome.output


def test_another_source(machine: Machine) -> None:
    nupkg(machine.project / "packages", "Shop", "2.0.0-rc.1")
    variables = {"NUGET_API_KEY": "hidden", "NUGET_SOURCE": "ours"}
    assert machine.run("publish", GITHUB_REF_NAME="v2.0.0-rc.1", **variables).code == 0
    assert machine.calls == [PUSH.format("ours")]
    failed = machine.run("publish", GITHUB_REF_NAME="v2.0.0-rc.1", STUB_FAILS="push", **variables)
    assert failed.code == 1


# Returns the answer for an address from a file, and records the sent data.
CURL = """\
#!/bin/bash
for argument in "$@"; do
  case "$argument" in https:*) address=$argument ;; esac
done
sent=
case "$*" in *@-*) sent=$(cat) ;; esac
echo "$address $sent" >> {log}
echo "$*" >> {log}.arguments
case "$address" in
  */index.json) cat {folder}/index.json ;;
  *audience=*) echo '{{"value": "a word"}}' ;;
  */token)
    if [ -n "${{REFUSES:-}}" ]; then exit 22; fi
    echo "${{KEY}}"
    ;;
esac
"""
INDEX = {
    "resources": [
        {"@id": "https://index.example/search", "@type": "SearchQueryService"},
        {"@id": "https://www.index.example/api/v2/package", "@type": "PackagePublish/2.0.0"},
    ]
}
TRUSTED = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example/token?a=b",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the job's",
    "NUGET_USER": "acme",
    "KEY": '{"apiKey": "for an hour"}',
    "GITHUB_REF_NAME": "v1.2.3",
}
SOURCES = """\
Registered Sources:
  1.  other nuget.org [Enabled]
      https://other.example/index.json
  2.  nuget.org [Enabled]
      https://index.example/v3/index.json"""


def trusting(machine: Machine) -> Path:
    """An index that trusts GitHub; returns the file with the requests."""
    nupkg(machine.project / "packages", "Shop", "1.2.3")
    log = machine.repository / "asked"
    text = CURL.format(log=log, folder=machine.repository)
    write(machine.repository, {"index.json": json.dumps(INDEX)})
    write(machine.runner.tools, {"curl": text})
    (machine.runner.tools / "curl").chmod(0o755)
    return log


@pytest.mark.parametrize("source", ["", "https://index.example/v3/index.json"])
def test_trusted_publishing(source: str, machine: Machine) -> None:
    log = trusting(machine)
    variables = {**TRUSTED, **({"NUGET_SOURCE": source} if source else {})}
    outcome = machine.run("publish", SOURCES=SOURCES, **variables)
    assert outcome.code == 0, outcome.output
    assert outcome.output == "::add-mask::a word\n::add-mask::for an hour\n"
    assert log.read_text(encoding="utf-8").splitlines() == [
        "https://index.example/v3/index.json ",
        "https://github.example/token?a=b&audience=https://www.index.example "
        "Authorization: Bearer the job's",
        "https://www.index.example/api/v2/token Authorization: Bearer a word",
    ]
    arguments = (machine.repository / "asked.arguments").read_text(encoding="utf-8")
    assert '{"username": "acme", "tokenType": "ApiKey"}' in arguments
    assert "Bearer" not in arguments and "a word" not in arguments
    push = PUSH.format(source or "nuget.org").replace("hidden", "for an hour")
    assert machine.calls == [*["dotnet nuget list source"] * (not source), push]


@pytest.mark.parametrize("answer", [{"REFUSES": "yes"}, {"KEY": "{}"}])
def test_an_index_that_does_not_trust(answer: dict[str, str], machine: Machine) -> None:
    trusting(machine)
    outcome = machine.run("publish", SOURCES=SOURCES, **{**TRUSTED, **answer})
    assert outcome.code == 1 and machine.calls == ["dotnet nuget list source"]
    assert "::error title=Publish::nuget.org gives no key to 'acme': NUGET_USER " in outcome.output


@pytest.mark.parametrize("tag", ["v1.2.4", "v11.2.3", "v1.2.3-rc.1", "1.2", "main"])
def test_a_tag_of_another_version(tag: str, machine: Machine) -> None:
    nupkg(machine.project / "packages", "Shop", "1.2.3")
    outcome = machine.run("publish", GITHUB_REF_NAME=tag, NUGET_API_KEY="hidden")
    assert outcome.code == 1 and not machine.calls
    assert outcome.output == (
        f"::error title=Publish::The tag {tag} does not end with the version 1.2.3 of "
        "packages/Shop.1.2.3.nupkg\n"
    )


def test_one_package_of_another_version(machine: Machine) -> None:
    nupkg(machine.project / "packages", "A", "1.2.3")
    nupkg(machine.project / "packages", "B", "1.2.4")
    outcome = machine.run("publish", GITHUB_REF_NAME="v1.2.3", NUGET_API_KEY="hidden")
    assert outcome.code == 1 and "version 1.2.4 of packages/B" in outcome.output
    assert not machine.calls


def test_publish_fails_without_a_package(machine: Machine) -> None:
    machine.project.mkdir(parents=True)
    outcome = machine.run("publish", GITHUB_REF_NAME="v1.2.3", NUGET_API_KEY="hidden")
    assert outcome.code != 0 and not machine.calls


# How it is found


def holds(name: str) -> re.Pattern[str]:
    assert DOTNET.detect
    return re.compile(DOTNET.detect.holds[name], re.MULTILINE)


def test_patterns_of_detection() -> None:
    assert all(holds("*.csproj").search(text) for text in (WEB, EXE, LIBRARY))
    assert not any(holds("*.csproj").search(text) for text in (TESTS, XUNIT))
    old = '<Project ToolsVersion="15.0"><TargetFrameworkVersion>v4.8</TargetFrameworkVersion>'
    assert not holds("*.csproj").search(old)
    assert holds("*.sln").search(SAMPLE["Shop.sln"]) and holds("*.slnx").search(SLNX)
    assert not holds("*.sln").search('Project("{0}") = "native", "native.vcxproj", "{0}"')


@pytest.mark.parametrize(
    ("text", "produces"),
    [
        (WEB, ("publish",)),
        (EXE, ("publish",)),
        (EXE.replace("<O", "<PackAsTool>true</PackAsTool><O"), ("packages",)),
        (LIBRARY.replace("></", "><PackageId>Shop</PackageId></"), ("packages",)),
        (LIBRARY, ()),
    ],
)
def test_proposed_products(text: str, produces: tuple[str, ...]) -> None:
    assert DOTNET.detect
    first = next(s for s in DOTNET.detect.settings if not s.files or re.search(s.holds, text))
    assert first.produces == produces
