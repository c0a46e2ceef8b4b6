"""The commands of Rust's code type: with the real cargo if it is installed, otherwise with stubs.

The crates here have no dependencies, so cargo needs no registry. cargo-deny, cargo-audit,
cargo-lambda and Trivy need registries, so they are stubs.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from commands import Outcome, Runner, write

ANSWERS = {
    "components": {
        "app": {"code_type": "rust", "path": "app"},
        "crate": {"code_type": "rust", "path": "app", "publish": True},
        "function": {"code_type": "rust", "path": "app", "produces": ["lambda-package.zip"]},
        "several": {"code_type": "rust", "path": "app", "produces": ["functions"]},
    },
    "environments": [{"name": "dev", "tag": "v*"}],
    "dependency_map": {"app": [], "crate": [], "function": [], "several": []},
}
with_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo here")


def manifest(name: str, more: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2021"\n{more}'


MAIN = 'fn main() {\n    println!("hello");\n}\n'
UNFORMATTED = 'fn main() { println!("hello"); }\n'
WARNED = "fn main() {\n    let unused = 1;\n}\n"
LIBRARY = (
    "pub fn two() -> i32 {\n    2\n}\n\n#[test]\nfn is_two() {\n    assert_eq!(two(), 2);\n}\n"
)
APP = {"Cargo.toml": manifest("app"), "src/main.rs": MAIN}
WORKSPACE = {
    "Cargo.toml": '[workspace]\nresolver = "2"\nmembers = ["api", "core"]\n',
    "api/Cargo.toml": manifest("api", '[dependencies]\ncore-of-it = {path = "../core"}\n'),
    "api/src/main.rs": 'fn main() {\n    println!("{}", core_of_it::two());\n}\n',
    "api/src/bin/worker.rs": MAIN,
    "core/Cargo.toml": manifest("core-of-it", "publish = false\n"),
    "core/src/lib.rs": LIBRARY,
}
DEFAULT = {"Cargo.toml": WORKSPACE["Cargo.toml"] + 'default-members = ["api"]\n'}

# A stub of cargo that records its call, and writes the files of a build.
CARGO = """\
#!/bin/bash
echo "cargo $*" >> {log}
case "$*" in
  locate-project*) echo "${{STUB_ROOT:-$PWD}}/Cargo.toml" ;;
  metadata*)
    printf '{{"packages": [' && separator=
    for name in $STUB_CRATES; do
      printf '%s{{"name": "%s", "publish": null, ' "$separator" "$name"
      printf '"manifest_path": "%s/Cargo.toml"}}' "$PWD"
      separator=,
    done
    printf '], "target_directory": "%s/target"}}' "$PWD"
    ;;
  install*)
    for name; do :; done
    mkdir -p "$4/bin"
    echo 'echo "$(basename "$0") $* in $(basename "$PWD")" >> {log}' > "$4/bin/$name"
    chmod +x "$4/bin/$name"
    ;;
  generate-lockfile*) touch Cargo.lock ;;
  info*) [[ " $STUB_PUBLISHED " == *" $4 "* ]] ;;
  "lambda build"*)
    while [ "$1" != --lambda-dir ]; do shift; done
    for name in $STUB_FUNCTIONS; do mkdir -p "$2/$name" && echo "$name" > "$2/$name/bootstrap"; done
    ;;
  package*)
    mkdir -p target/package
    for name in $STUB_CRATES; do
      echo "${{STUB_BYTES:-same}}" > "target/package/$name-1.2.3.crate"
    done
    ;;
  publish*) echo "with ${{CARGO_REGISTRY_TOKEN:-none}}" >> {log} ;;
esac
"""


class Machine:
    def __init__(self, runner: Runner) -> None:
        self.runner, self.log = runner, runner.folder / "cargo.log"
        self.stub("cargo", CARGO.format(log=self.log))
        self.stub("cargo-lambda", "#!/bin/sh\n")

    def stub(self, name: str, text: str) -> None:
        file = self.runner.tools / name
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)

    @property
    def lines(self) -> list[str]:
        """The calls without questions."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [one for one in lines if not one.startswith(("cargo locate", "cargo metadata"))]


@pytest.fixture
def machine(runner: Runner) -> Machine:
    return Machine(runner)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def titles(outcome: Outcome) -> list[str]:
    return [one for one in outcome.output.splitlines() if one.startswith("::error title=")]


# The toolchain ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({}, "stable"),
        ({"app/rust-toolchain.toml": '[toolchain]\nchannel = "1.80"\n'}, None),
        ({"rust-toolchain": "1.80\n"}, None),
        ({"app/.tool-versions": "nodejs 24\nrust 1.81.0\n"}, "1.81.0"),
        ({"mise.toml": '[tools]\nrust = "1.82"\n'}, "1.82"),
        ({"mise.toml": "[tools]\nrust = '1.82'\n"}, "1.82"),
        ({"mise.toml": '[tools]\nrust = {version = "nightly-2026-01-01"}\n'}, "nightly-2026-01-01"),
        ({"app/.tool-versions": "rust latest\n"}, "stable"),
        ({"app/Cargo.toml": manifest("app", 'rust-version = "1.60"\n')}, "stable"),
    ],
)
def test_the_version(
    files: dict[str, str], version: str | None, runner: Runner, tmp_path: Path
) -> None:
    """`rust-version` is the oldest supported version, and not the one for builds."""
    write(tmp_path / "work", {"app/README.md": "", **files})
    outcome = runner.run("app/setup", tmp_path / "work/app")
    assert outcome.said.get("version") == version
    assert len(outcome.notices) == (files.get("app/.tool-versions") == "rust latest\n")


@pytest.mark.parametrize("place", ["work", "work/app"])
def test_the_lock_file_is_found_upwards(place: str, runner: Runner, tmp_path: Path) -> None:
    write(tmp_path, {"work/app/README.md": "", f"{place}/Cargo.lock": "version = 4\n"})
    said = runner.run("app/setup", tmp_path / "work/app").said
    assert said["root"] == str(tmp_path / place) and len(said["lock"]) == 20


# Lint and tests ---------------------------------------------------------------------------------


@with_cargo
@pytest.mark.parametrize(
    ("files", "fails"),
    [
        ({}, ""),
        ({"src/main.rs": UNFORMATTED}, "rustfmt"),
        ({"src/main.rs": WARNED}, "unused variable"),
        (
            {
                "src/main.rs": WARNED,
                "Cargo.toml": manifest("app", '[lints.rust]\nunused = "warn"\n'),
            },
            "",
        ),
        (
            {
                "src/main.rs": WARNED,
                "Cargo.toml": manifest("app", '[lints.rust]\nunused = "deny"\n'),
            },
            "unused variable",
        ),
        ({"tests/it.rs": WARNED.replace("main", "it")}, "unused variable"),
    ],
    ids=["good", "unformatted", "a warning", "own levels", "own level deny", "in tests"],
)
def test_lint(files: dict[str, str], fails: str, runner: Runner, tmp_path: Path) -> None:
    outcome = runner.run("app/lint", write(tmp_path / "app", {**APP, **files}))
    assert outcome.code == (101 if fails and fails != "rustfmt" else bool(fails)), outcome.output
    assert fails in outcome.output


@with_cargo
@pytest.mark.parametrize("changed", ["api/src/bin/worker.rs", "core/src/lib.rs"])
@pytest.mark.parametrize("place", [".", "api"])
def test_lint_of_a_workspace(changed: str, place: str, runner: Runner, tmp_path: Path) -> None:
    """In the workspace's folder, all members are checked; in a member's folder, only that one."""
    write(tmp_path / "app", {**WORKSPACE, changed: "fn  unused() {}\n"})
    outcome = runner.run("app/lint", tmp_path / "app" / place, GITHUB_WORKSPACE=str(tmp_path))
    assert (f"Diff in {tmp_path}/app/{changed}" in outcome.output) == (
        place == "." or changed.startswith(place)
    )


@with_cargo
def test_tests(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "app", {"Cargo.toml": manifest("app"), "src/lib.rs": LIBRARY})
    outcome = runner.run("app/test", project, CARGO_BUILD_TARGET="wasm32-unknown-unknown")
    assert outcome.code == 0 and not outcome.notices, outcome.output
    write(project, {"src/lib.rs": LIBRARY.replace("(), 2", "(), 3")})
    assert runner.run("app/test", project).code == 101
    write(project, {"src/lib.rs": "pub fn two() {}\n"})
    outcome = runner.run("app/test", project)
    assert outcome.code == 0
    assert outcome.notices == [f"::notice::There are no tests in {project}"]


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"Cargo.toml": "[package]\n"}, ""),
        ({"Cargo.toml": "[package]\n", "Cargo.lock": ""}, " --locked"),
        ({"Cargo.toml": "[workspace]\n", "Cargo.lock": ""}, " --workspace --locked"),
        (DEFAULT, ""),
    ],
)
def test_the_options_of_all_commands(
    files: dict[str, str], options: str, machine: Machine, tmp_path: Path
) -> None:
    project = write(tmp_path / "app", files)
    for job in ("lint", "test", "build"):
        machine.runner.run(f"app/{job}", project, CARGO_OPTIONS="--features a,b")
    more = f"{options} --features a,b"
    every = " --all" if "--workspace" in options else ""
    assert machine.lines == [
        f"cargo fmt{every} --check",
        f"cargo clippy --all-targets{more} -- -D warnings",
        f"cargo test{more}",
        f"cargo build --release --bins{more} --message-format json-render-diagnostics",
    ]


# Scan -------------------------------------------------------------------------------------------


DENY = "cargo-deny --locked check --config"


@pytest.mark.parametrize(
    ("files", "scans"),
    [
        ({}, "docker"),
        ({"app/deny.toml": ""}, f"{DENY} ./deny.toml in app"),
        ({"deny.toml": ""}, f"{DENY} {{root}}/deny.toml in app"),
        ({"app/.cargo/audit.toml": ""}, "cargo-audit audit --file {root}/Cargo.lock in app"),
        ({".cargo/audit.toml": ""}, "cargo-audit audit --file {root}/Cargo.lock in work"),
        ({"app/.cargo/audit.toml": "", "app/.deny.toml": ""}, f"{DENY} ./.deny.toml in app"),
    ],
)
def test_scan(files: dict[str, str], scans: str, machine: Machine, tmp_path: Path) -> None:
    work = write(tmp_path / "work", {"Cargo.lock": "", "app/Cargo.toml": "", **files})
    machine.stub("docker", f'#!/bin/sh\necho docker >> {machine.log}\nfind "${{4%%:*}}" -type f\n')
    outcome = machine.runner.run("app/security", work / "app", STUB_ROOT=str(work))
    assert outcome.code == 0, outcome.output
    assert machine.lines[-1] == scans.format(root=work)
    if scans == "docker":
        scanned = {line.rpartition("/scan/")[2] for line in outcome.output.splitlines()}
        assert scanned == {"Cargo.lock", "app/Cargo.toml"}


# Builds -----------------------------------------------------------------------------------------


@with_cargo
@pytest.mark.parametrize("members", [{}, DEFAULT], ids=["all", "default"])
def test_all_binaries_of_a_workspace(
    members: dict[str, str], runner: Runner, tmp_path: Path
) -> None:
    project = write(tmp_path / "app", {**WORKSPACE, **members, "bin/left-over": ""})
    outcome = runner.run("app/build", project)
    assert outcome.code == 0, outcome.output
    assert names(project / "bin") == ["api", "worker"]
    assert subprocess.check_output([project / "bin/api"], text=True) == "2\n"
    [notice] = outcome.notices
    assert "There is no Cargo.lock" in notice and "commit it" in notice
    assert runner.run("app/build", project).notices == []


@with_cargo
def test_a_lock_file_that_does_not_match_is_an_error(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "app", {**WORKSPACE, "Cargo.lock": "version = 4\n"})
    outcome = runner.run("app/build", project)
    assert outcome.code == 101 and "--locked" in outcome.output


@with_cargo
def test_a_library_has_no_binary(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "app", {"Cargo.toml": manifest("app"), "src/lib.rs": LIBRARY})
    outcome = runner.run("app/build", project)
    assert outcome.code == 1
    [line] = titles(outcome)
    assert line.endswith(f"no binary in {project}: if it is a library, set produces: []")


@pytest.mark.parametrize(
    ("job", "functions", "made"),
    [
        ("function", "api", ["lambda-package.zip"]),
        ("function", "api worker", []),
        ("several", "api worker", ["functions/api.zip", "functions/worker.zip"]),
        ("several", "", []),
    ],
)
def test_functions(
    job: str, functions: str, made: list[str], machine: Machine, tmp_path: Path
) -> None:
    project, zips = write(tmp_path / "app", {"Cargo.toml": "", "Cargo.lock": ""}), []
    for _ in range(2):
        outcome = machine.runner.run(
            f"{job}/build", project, STUB_FUNCTIONS=functions, LAMBDA_ARCHITECTURE="arm64"
        )
        assert outcome.code == (not made), outcome.output
        assert len(titles(outcome)) == (not made)
        zips.append([(project / name).read_bytes() for name in made])
    assert zips[0] == zips[1]
    built = str(machine.runner.folder / f"temp-{job}-build/functions")
    assert machine.lines[0] == f"cargo lambda build --release --lambda-dir {built} --locked --arm64"


# Publishing -------------------------------------------------------------------------------------


def committed(folder: Path, files: Mapping[str, str]) -> Path:
    write(folder, files)
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -q -m x"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    return folder


@with_cargo
def test_the_crates_of_a_workspace(runner: Runner, tmp_path: Path) -> None:
    """Only publishable crates, with committed files. One commit always gives equal bytes."""
    files = {**WORKSPACE, "core/src/lib.rs": LIBRARY.replace("publish", ""), "api/.gitignore": ""}
    alone = {"api/Cargo.toml": manifest("api"), "api/src/main.rs": MAIN}
    project = committed(tmp_path / "app", {**files, **alone})
    write(project, {"api/left-over.txt": ""})
    crates = []
    for _ in range(2):
        outcome = runner.run("crate/build", project)
        assert outcome.code == 0, outcome.output
        assert names(project / "packages") == ["Cargo.lock", "api-1.2.3.crate"]
        crates.append((project / "packages/api-1.2.3.crate").read_bytes())
    assert crates[0] == crates[1]
    with tarfile.open(project / "packages/api-1.2.3.crate") as crate:
        inside = {name.partition("/")[2] for name in crate.getnames()}
    assert {"src/main.rs", "Cargo.lock", ".cargo_vcs_info.json"} <= inside
    assert "left-over.txt" not in inside


CURL = """\
#!/bin/bash
case "$*" in
  *audience=crates.io*) echo '{"count": 1, "value": "a.jwt"}' ;;
  *trusted_publishing/tokens*) grep -q '"jwt": *"a.jwt"' && echo '{"token": "from-crates.io"}' ;;
esac
"""
ASKS = {
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example?a=b",
    "GITHUB_REPOSITORY": "acme/shop",
}


def publish(machine: Machine, folder: Path, tag: str, **variables: str) -> Outcome:
    crates = variables.setdefault("STUB_CRATES", "sha-1 shop")
    files = {f"packages/{name}-1.2.3.crate": "same\n" for name in crates.split()}
    machine.stub("curl", CURL)
    project = committed(folder / "app", {"Cargo.toml": "[workspace]\n", "Cargo.lock": ""})
    write(project, {**files, "packages/Cargo.lock": ""})
    return machine.runner.run("crate/deploy", project, GITHUB_REF_NAME=tag, **ASKS, **variables)


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2.3", "shop-v1.2.3", "shop/1.2.3", "shop@1.2.3"])
def test_a_matching_tag_is_published(tag: str, machine: Machine, tmp_path: Path) -> None:
    outcome = publish(machine, tmp_path, tag)
    assert outcome.code == 0, outcome.output
    assert machine.lines[-2:] == [
        "cargo publish --locked --no-verify --package sha-1 --package shop",
        "with from-crates.io",
    ]
    assert "::add-mask::from-crates.io" in outcome.output.splitlines()


@pytest.mark.parametrize(
    ("tag", "variables", "says"),
    [
        ("v1.2.4", {}, "sha-1 has the version 1.2.3, and 'v1.2.4' is no tag of it"),
        ("v11.2.3", {}, "is no tag of it"),
        ("main", {}, "is no tag of it"),
        ("v1.2.3", {"STUB_BYTES": "other"}, "differ from those that were tested"),
    ],
)
def test_refused_publications(
    tag: str, variables: dict[str, str], says: str, machine: Machine, tmp_path: Path
) -> None:
    outcome = publish(machine, tmp_path, tag, **variables)
    [line] = titles(outcome)
    assert outcome.code == 1 and says in line
    assert not any(line.startswith("cargo publish") for line in machine.lines)


def test_published_crates_are_skipped(machine: Machine, tmp_path: Path) -> None:
    outcome = publish(machine, tmp_path, "v1.2.3", STUB_PUBLISHED="shop@1.2.3")
    assert outcome.code == 0 and outcome.notices == ["::notice::shop 1.2.3 is published already"]
    assert "cargo publish --locked --no-verify --package sha-1" in machine.lines


@pytest.mark.parametrize("token", ["secret", ""], ids=["set", "not set up"])
def test_a_named_token_is_used(token: str, machine: Machine, tmp_path: Path) -> None:
    outcome = publish(machine, tmp_path, "v1.2.3", CARGO_REGISTRY_TOKEN=token)
    assert outcome.code == 0, outcome.output
    assert machine.lines[-1] == f"with {token or 'none'}"
