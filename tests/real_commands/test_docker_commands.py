"""The commands of Docker's code type: with the real hadolint, and a recorded Docker and skopeo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import COMMIT, Outcome, Runner, write

GOOD = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n'
UNPINNED = "FROM python\nRUN apt-get install --yes curl\n"  # two warnings
WRONG = "FROM python:3.13-slim\nRUN\n"
TWO_COMMANDS = GOOD + 'CMD ["python", "other.py"]\n'
BROKEN_SHELL = "FROM python:3.13-slim\nRUN if [ -f x ]; then echo y\n"


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"Dockerfile": GOOD}, 0, ""),
        ({"Dockerfile": UNPINNED}, 0, "DL3006"),
        ({"Dockerfile": UNPINNED, ".hadolint.yaml": "{}"}, 1, "DL3006"),
        ({"Dockerfile": UNPINNED, ".hadolint.yml": "{}"}, 1, "DL3006"),
        (
            {"Dockerfile": UNPINNED, ".hadolint.yaml": "failure-threshold: error"},
            0,
            "DL3006",
        ),
        ({"Dockerfile": WRONG}, 1, "Dockerfile:2"),
        ({"Dockerfile": BROKEN_SHELL}, 1, "SC1"),
        ({"Dockerfile": "COPY a b\nFROM scratch\n"}, 1, "DL3061"),
        ({}, 1, "Dockerfile"),
    ],
    ids=[
        "good",
        "warnings are shown",
        "the project's own rules",
        "the project's own rules, by the other name",
        "the project's own threshold",
        "not a Dockerfile",
        "a broken script",
        "in the wrong order",
        "none",
    ],
)
def test_lint(files: dict[str, str], code: int, said: str, runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "repository" / "image", {"README.md": "image\n", **files})
    outcome = runner.run("image/lint", project)
    assert outcome.code == code, outcome.output
    assert said in outcome.output


def test_another_file(runner: Runner, tmp_path: Path) -> None:
    files = {"Dockerfile": WRONG, "other.Dockerfile": GOOD}
    project = write(tmp_path / "repository" / "image", files)
    outcome = runner.run("image/lint", project, DOCKERFILE="other.Dockerfile")
    assert (outcome.code, outcome.output) == (0, "")


# Images

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
REFERENCE = f"ghcr.io/acme/image@{DIGEST}"
GITHUB = {
    "IMAGE": "ghcr.io/Acme/image",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/demo",
    "GITHUB_RUN_ID": "17",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SHA": COMMIT,
}
# Records its call, and writes an image layout with the text of the Dockerfile.
DOCKER = """\
#!/bin/bash
echo "${{0##*/}} $*" >> {log}
if [ -n "${{STUB_FAILS:-}}" ] && [[ "$*" == *$STUB_FAILS* ]]; then exit 1; fi
for argument in "$@"; do
  case "$argument" in
    *dest=*)
      folder=${{argument##*dest=}} folder=${{folder%,tar=false}}
      mkdir "$folder" && cp Dockerfile "$folder/blob" || exit 1
      ;;
    *.json) echo '{metadata}' > "$argument" ;;
  esac
done
"""


class Engine:
    """A machine with Docker and skopeo, which record their calls."""

    def __init__(self, runner: Runner, folder: Path) -> None:
        self.runner, self.log = runner, folder / "calls"
        self.project = write(folder / "repository/image", {"Dockerfile": GOOD})
        self.answer({"containerimage.config.digest": "x", "containerimage.digest": DIGEST})

    def answer(self, metadata: dict[str, str]) -> None:
        """Let BuildKit return this metadata of the image."""
        text = DOCKER.format(log=self.log, metadata=json.dumps(metadata, indent=1))
        for name in ("docker", "skopeo"):
            (write(self.runner.tools, {name: text}) / name).chmod(0o755)

    def run(self, job: str, **variables: str) -> Outcome:
        return self.runner.run(f"image/{job}", self.project, **{**GITHUB, **variables})

    def build(self, **variables: str) -> dict[str, Outcome]:
        return self.runner.build("image", self.project, **{**GITHUB, **variables})

    @property
    def calls(self) -> list[str]:
        """The calls without the runner's paths."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        for job in ("image-build", "image-security", "image-test", "image"):
            text = text.replace(f"{self.runner.folder}/temp-{job}/", "$TEMP/")
        return text.replace(str(self.project), "$PWD").splitlines()


@pytest.fixture
def engine(runner: Runner, tmp_path: Path) -> Engine:
    return Engine(runner, tmp_path)


BUILD = (
    "docker buildx build --file Dockerfile --output type=oci,dest=$TEMP/image,tar=false "
    "--provenance mode=max --sbom true --metadata-file $TEMP/image.json "
    f"--label org.opencontainers.image.revision={COMMIT} "
    "--label org.opencontainers.image.source=https://github.com/acme/demo ."
)
SCAN = " image --input /image --exit-code 1 --quiet --scanners vuln,secret"
COPY = (
    "skopeo copy --all --preserve-digests oci:$TEMP/image "
    f"docker://ghcr.io/acme/image:dev-{COMMIT}-17-2"
)


@pytest.mark.parametrize("push", [True, False], ids=["pushed", "not pushed"])
def test_the_scanned_image_is_pushed(engine: Engine, push: bool) -> None:
    """The image is built once."""
    outcomes = engine.build(PUSH="true" if push else "false")
    assert [outcome.code for outcome in outcomes.values()] == [0] * 4, outcomes
    build, scan, *copies = engine.calls
    assert build == BUILD
    assert scan.startswith("docker run --rm --volume $TEMP/image:/image:ro --volume $PWD:/project:")
    assert scan.endswith(f"{SCAN} --severity CRITICAL --ignore-unfixed")
    assert copies == [COPY] * push
    assert (engine.project / "docker-image").read_text(encoding="utf-8") == f"{REFERENCE}\n"
    assert outcomes["build"].said == {"image": REFERENCE}
    assert len(outcomes["test"].notices) == 1


def test_each_command_works_alone(engine: Engine) -> None:
    """The answers may turn the other commands off."""
    assert engine.run("build", PUSH="true").code == 0
    assert engine.calls == [BUILD, COPY]
    assert engine.run("security").code == 0
    assert engine.calls[2] == BUILD


@pytest.mark.parametrize("failing", ["buildx", "aquasec/trivy"])
def test_a_failing_scan_fails(engine: Engine, failing: str) -> None:
    """A `trivy.yaml` of the project replaces the options."""
    assert engine.run("security", STUB_FAILS=failing).code == 1
    write(engine.project, {"trivy.yaml": ""})
    assert engine.run("security").code == 0
    assert engine.calls[-1].endswith(f"{SCAN} --config trivy.yaml")


def test_a_half_built_image_is_replaced(engine: Engine) -> None:
    """A failed build may have left it."""
    half = write(engine.runner.folder / "temp-image/image", {"half": ""})
    assert engine.runner._run("image/build", engine.project, half.parent, GITHUB).code == 0
    assert [file.name for file in half.iterdir()] == ["blob"]


def test_the_stage_called_test(engine: Engine) -> None:
    write(engine.project, {"Dockerfile": f"{GOOD}FROM scratch as Test\n"})
    outcome = engine.run("test")
    assert outcome.code == 0 and outcome.notices == []
    stage = "docker buildx build --file Dockerfile --target test --output type=cacheonly ."
    assert engine.calls == [stage]
    assert engine.run("test", STUB_FAILS="buildx").code == 1


@pytest.mark.parametrize(
    ("line", "built"),
    [("from\tx as test\r\n", True), ("  FROM x AS test \n", True), ("# FROM x AS test\n", False)],
)
def test_a_stage_called_test_is_built(engine: Engine, line: str, built: bool) -> None:
    (engine.project / "Dockerfile").write_bytes(f"{GOOD}{line}".encode())
    outcome = engine.run("test")
    assert (outcome.code, len(engine.calls), len(outcome.notices)) == (0, built, not built)


def test_arguments_and_secrets(engine: Engine) -> None:
    variables = {"BUILD_ARG_NAME": "a b", "BUILD_SECRETS": "ONE TWO", "DOCKERFILE": "Dockerfile"}
    assert engine.run("build", **variables).code == 0
    assert " --build-arg NAME=a b --secret id=ONE --secret id=TWO ." in engine.calls[0]


def test_caches_are_kept_apart(engine: Engine) -> None:
    """Each component, environment and stage has its own. Without `cache` there is none."""
    write(engine.project, {"Dockerfile": f"{GOOD}FROM scratch AS test\n"})
    engine.build()
    assert not [call for call in engine.calls if "cache-" in call]
    engine.log.unlink()
    engine.build(CACHE="true", ENVIRONMENT="pull-request")
    scopes = []
    for call in engine.calls:
        if "buildx" in call:
            scope = call.partition("--cache-from type=gha,scope=")[2].split()[0]
            options = f"--cache-to type=gha,scope={scope},mode=max,ignore-error=true"
            assert options in call
            scopes.append(scope)
    assert scopes == ["image-pull-request-test", "image-pull-request-image"]


def test_a_missing_digest_fails(engine: Engine) -> None:
    engine.answer({"containerimage.config.digest": DIGEST})
    outcome = engine.run("build", PUSH="true")
    assert outcome.code == 1
    assert (
        outcome.output == "::error title=Build::BuildKit did not say which digest the image has\n"
    )
    assert engine.calls == [BUILD] and not (engine.project / "docker-image").exists()


def test_a_failing_push_leaves_no_package(engine: Engine) -> None:
    assert engine.run("build", PUSH="true", STUB_FAILS="copy").code == 1
    assert not (engine.project / "docker-image").exists()


def test_a_runner_without_skopeo(engine: Engine, tmp_path: Path) -> None:
    """An own runner may lack it. The command reports this before it pushes."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "cat", "sed", "rm", "mkdir", "cp", "tee"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "docker").symlink_to(engine.runner.tools / "docker")
    assert engine.run("build", PATH=str(tools)).code == 0
    outcome = engine.run("build", PATH=str(tools), PUSH="true")
    assert outcome.code == 1
    [error] = outcome.output.splitlines()
    assert error.startswith(
        "::error title=Push::skopeo, which pushes the scanned image, is not on "
    )


# Settings


def test_settings_of_an_image_become_options(engine: Engine) -> None:
    """A stage, platforms, and arguments, one of which is another component's image."""
    write(engine.project.parent, {".packages/base/docker-image": f"{REFERENCE}\n"})
    outcome = engine.run(
        "build",
        BUILD_TARGET="api",
        BUILD_PLATFORMS="linux/amd64 linux/arm64",
        BUILD_ARGS="BASE<=.packages/base/docker-image\nEMPTY=\nLEVEL=a <b>= c=",
    )
    assert outcome.code == 0, outcome.output
    [build] = engine.calls
    assert " --target api --platform linux/amd64,linux/arm64 --output type=oci," in build
    arguments = f"--build-arg BASE={REFERENCE} --build-arg EMPTY= --build-arg LEVEL=a <b>= c= ."
    assert build.endswith(arguments)


def test_the_tests_build_only_the_stage_test(engine: Engine) -> None:
    write(engine.project, {"Dockerfile": f"{GOOD}FROM scratch AS test\n"})
    outcome = engine.run("test", BUILD_TARGET="api", BUILD_PLATFORMS="linux/arm64")
    assert outcome.code == 0, outcome.output
    stage = "docker buildx build --file Dockerfile --target test --output type=cacheonly ."
    assert engine.calls == [stage]


def test_each_platform_is_scanned(engine: Engine) -> None:
    """Trivy alone reads only the first image of an index."""
    index = "a" * 64
    platforms = [("amd64", None), ("arm64", None), ("arm", "v7"), ("unknown", None)]
    manifests = [
        {"digest": f"sha256:{n}", "platform": {"os": "linux", "architecture": a, "variant": v}}
        for n, (a, v) in enumerate(platforms)
    ]
    temporary = engine.runner.folder / "temp-image"
    write(
        temporary,
        {
            "image.json": "{}",  # the image is built
            "image/index.json": json.dumps({"manifests": [{"digest": f"sha256:{index}"}]}),
            f"image/blobs/sha256/{index}": json.dumps({"schemaVersion": 2, "manifests": manifests}),
        },
    )
    docker = engine.runner.tools / "docker"
    seen = 'for a; do case "$a" in *:/image/index.json:ro) cat "${a%%:/image*}" >> ' + str(
        engine.log
    )
    docker.write_text(f"#!/bin/bash\n{seen} ;; esac; done\n", encoding="utf-8")
    wanted = {"BUILD_PLATFORMS": "linux/arm/v7 linux/arm64/v8"}
    outcome = engine.runner._run("image/security", engine.project, temporary, {**GITHUB, **wanted})
    assert outcome.code == 0, outcome.output
    text = engine.log.read_text(encoding="utf-8").replace("}\n{", "}\0{")
    scanned = [json.loads(part)["manifests"] for part in text.split("\0")]
    assert scanned == [[manifests[2]], [manifests[1]]]


@pytest.mark.parametrize(
    ("ref", "kind", "version"),
    [
        ("v1.2.3", "tag", "1.2.3"),
        ("api-v1.2.3-rc.1+5", "tag", "1.2.3-rc.1_5"),
        ("api/2024.11", "tag", "2024.11"),
        ("node-18-v1.0", "tag", "1.0"),
        ("latest", "tag", ""),
        ("v1.2.3", "branch", ""),
    ],
)
def test_a_release_is_a_version_of_the_image(
    engine: Engine, ref: str, kind: str, version: str
) -> None:
    said = {"GITHUB_REF_NAME": ref, "GITHUB_REF_TYPE": kind, "PUSH": "true"}
    outcome = engine.run("build", VERSION_TAGS="true", **said)
    assert outcome.code == 0, outcome.output
    tags = [call.rpartition(":")[2] for call in engine.calls[1:]]
    assert tags == [f"dev-{COMMIT}-17-2", *[version] * bool(version)]
    assert len(outcome.notices) == (kind == "tag" and not version)
    for more in ({}, {"VERSION_TAGS": "true", "GITHUB_SHA": "f" * 40}):
        engine.log.unlink()
        outcome = engine.run("build", **said, **more)
        assert (outcome.code, outcome.notices) == (0, [])
        assert len(engine.calls) == 2, "a run on this tag for another commit has no version"
