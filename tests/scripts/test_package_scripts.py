"""collect.sh makes a package of files; verify.sh refuses a package that was changed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import toolbox

ACTIONS = toolbox.ROOT / "template" / ".github" / "actions"
COMMIT = "a" * 40
UNICODE, SPACES = "größe/☂ 雨.txt", "with spaces/it's a file.txt"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the scripts run on runners with bash")


@dataclass
class Done:
    """The results of a script: its error and the digest of the package."""

    error: str
    """The text of its one error line; empty when it succeeded."""
    digest: str


@dataclass
class Package:
    """The files that a build left, their package, and the repository that takes the package."""

    build: Path
    folder: Path
    workspace: Path

    def write(self, name: str, text: str = "x", mode: int = 0o644) -> None:
        file = self.build / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def collect(self, *files: str, commit: str = COMMIT) -> Done:
        variables = {"NAME": "x-package-dev", "FILES": "\n".join(files), "COMMIT": commit}
        return self._run("keep-package/collect.sh", self.build, variables)

    def download(self) -> None:
        """Removes the executable bits, as an upload and a download of an artifact do."""
        for file in self.folder.rglob("*"):
            if file.is_file():
                file.chmod(0o644)

    def verify(self, *files: str, commit: str = COMMIT, digest: str = "") -> Done:
        variables = {"PACKAGE": "x-package-dev of run 7", "FILES": "\n".join(files)}
        variables |= {"COMMIT": commit, "DIGEST": digest}
        return self._run("take-package/verify.sh", self.workspace, variables)

    def _run(self, script: str, where: Path, variables: dict[str, str]) -> Done:
        output = self.workspace.parent / "output"
        output.write_text("")
        done = subprocess.run(
            ["bash", str(ACTIONS / script)],
            cwd=where,
            env={
                "PATH": os.environ["PATH"],
                "FOLDER": str(self.folder),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_WORKSPACE": str(self.workspace),
                **variables,
            },
            capture_output=True,
            encoding="utf-8",
        )
        errors = re.findall(r"^::error title=Package::(.*)$", done.stdout, re.MULTILINE)
        assert len(errors) == bool(done.returncode), done.stdout + done.stderr
        assert done.stdout.count("\n") == len(errors), done.stdout
        written = output.read_text()
        assert written == "" if errors else re.fullmatch(r"digest=[0-9a-f]{64}\n", written)
        return Done("".join(errors), written.removeprefix("digest=").strip())

    def files(self) -> dict[str, str]:
        """The files of the package without the manifest: the text of each by its name."""
        return {
            str(file.relative_to(self.folder)): file.read_text(encoding="utf-8")
            for file in self.folder.rglob("*")
            if file.is_file() and ".package" not in file.parts
        }


@pytest.fixture
def package(tmp_path: Path) -> Package:
    build, workspace = tmp_path / "build folder", tmp_path / "work space"
    build.mkdir()
    workspace.mkdir()
    return Package(build, tmp_path / "runner temp" / "package", workspace)


@pytest.fixture
def downloaded(package: Package) -> Package:
    """A package of a file, an executable and a folder, after its download."""
    package.write("app.zip", "zip")
    package.write("bin/run me.sh", "#!/bin/sh", 0o755)
    package.write(f"site/{UNICODE}", "rain")
    package.write(f"site/{SPACES}", "space")
    assert not package.collect("app.zip", "bin", "site").error
    package.download()
    return package


def test_the_manifest_lists_the_files_with_their_hashes(package: Package) -> None:
    package.write("app.zip", "zip")
    package.write("bin/run", "#!/bin/sh", 0o755)
    done = package.collect("app.zip", "bin")
    manifest = (package.folder / ".package" / "manifest").read_text()
    sums = [hashlib.sha256(text).hexdigest() for text in (b"#!/bin/sh", b"zip")]
    assert manifest == (
        f"commit {COMMIT}\nexecutable {sums[0]}  ./bin/run\nfile {sums[1]}  ./app.zip\n"
    )
    assert done == Done("", hashlib.sha256(manifest.encode()).hexdigest())


def test_only_named_files_are_collected(package: Package) -> None:
    for name in ("app.zip", "secret.txt", "dist/.hidden", f"dist/{UNICODE}", f"dist/{SPACES}"):
        package.write(name, name)
    (package.build / "dist" / "empty").mkdir()
    (package.build / "dist" / "link.txt").symlink_to("../app.zip")
    (package.build / "linked").symlink_to("dist")
    assert package.collect("app.zip", "", "dist", "linked/.hidden") == package.collect(
        "linked/.hidden", "dist", "app.zip"
    )
    names = ("app.zip", "dist/.hidden", f"dist/{UNICODE}", f"dist/{SPACES}")
    linked = {"dist/link.txt": "app.zip", "linked/.hidden": "dist/.hidden"}
    assert package.files() == {**{name: name for name in names}, **linked}
    assert not any(file.is_symlink() for file in package.folder.rglob("*"))


def test_everything_is_collected_but_an_older_manifest(package: Package) -> None:
    package.write("a", "a")
    package.write(".hidden", "h")
    package.write(".package/manifest", "old")
    package.folder.mkdir(parents=True)
    (package.folder / "of-another-package").write_text("x")
    assert not package.collect().error
    assert package.files() == {"a": "a", ".hidden": "h"}
    assert "old" not in (package.folder / ".package" / "manifest").read_text()


def test_a_promoted_package_has_the_same_digest(downloaded: Package) -> None:
    first = downloaded.verify()
    again = Package(downloaded.folder, downloaded.folder.parent / "again", downloaded.workspace)
    assert again.collect() == first
    again.download()
    assert again.verify(digest=first.digest) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda build: (build / "a").write_text("y"),
        lambda build: (build / "a").rename(build / "b"),
        lambda build: (build / "a").chmod(0o755),
        lambda build: (build / "b").write_text(""),
    ],
    ids=["text", "name", "executable", "one more"],
)
def test_another_package_has_another_digest(
    package: Package, change: Callable[[Path], object]
) -> None:
    package.write("a")
    digests = {package.collect().digest, package.collect(commit="b" * 40).digest}
    change(package.build)
    digests.add(package.collect().digest)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("files", "error"),
    [
        (["gone"], "x-package-dev: the build did not write gone in PLACE: let the build"),
        (["a", "empty"], "x-package-dev: the build did not write empty in PLACE"),
        (["dangling"], "the build did not write dangling in"),
        (["broken"], "x-package-dev: broken in PLACE cannot be copied (see the error above)"),
        (["../a"], "x-package-dev: ../a is not a path inside PLACE: give a path inside"),
        (["a/../../b"], "is not a path inside"),
        (["/etc/hostname"], "x-package-dev: /etc/hostname is not a path inside"),
        (["odd\\name"], "./odd\\name has a backslash or a line break in its name"),
        (["lines"], "./lines/a%0Ab has a backslash or a line break in its name"),
        (["100%"], "the build did not write 100%25 in"),
        (["a\r"], "the build did not write a%0D in"),
    ],
)
def test_files_that_cannot_be_collected_are_errors(
    package: Package, files: list[str], error: str
) -> None:
    for name in ("a", "odd\\name", "lines/a\nb", "broken/x"):
        package.write(name)
    (package.build / "empty" / "folder").mkdir(parents=True)
    (package.build / "dangling").symlink_to("nowhere")
    (package.build / "broken" / "link").symlink_to("nowhere")
    assert error.replace("PLACE", str(package.build)) in package.collect(*files).error


def test_files_are_placed(downloaded: Package) -> None:
    there = downloaded.workspace / "assets"
    there.mkdir()
    (there / "kept.txt").write_text("kept")
    done = downloaded.verify(
        "app.zip",
        "app.zip -> infra/lambda.zip",
        "bin -> tools",
        "",
        "bin/run me.sh -> größe/renamed it.sh",
        "site -> assets",
    )
    assert not done.error
    placed = {
        str(file.relative_to(downloaded.workspace)): (file.read_text(), os.access(file, os.X_OK))
        for file in downloaded.workspace.rglob("*")
        if file.is_file()
    }
    assert placed == {
        "infra/lambda.zip": ("zip", False),
        "tools/run me.sh": ("#!/bin/sh", True),
        "größe/renamed it.sh": ("#!/bin/sh", True),
        f"assets/{UNICODE}": ("rain", False),
        f"assets/{SPACES}": ("space", False),
        "assets/kept.txt": ("kept", False),
    }


def test_without_files_nothing_is_placed(downloaded: Package) -> None:
    assert not downloaded.verify().error
    assert list(downloaded.workspace.iterdir()) == []


def forged(line: str) -> Callable[[Path], object]:
    """Returns a change that adds a line to the manifest."""

    def change(folder: Path) -> None:
        with (folder / ".package" / "manifest").open("a") as manifest:
            manifest.write(line)

    return change


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda at: (at / "app.zip").write_text("evil"), "uploaded, in ./app.zip:"),
        (lambda at: (at / "app.zip").unlink(), "uploaded, in ./app.zip:"),
        (lambda at: (at / "more").write_text("x"), "uploaded, in ./more:"),
        (lambda at: (at / "a\nb").write_text("x"), "uploaded, in ./a\\nb:"),
        (lambda at: (at / "app.zip").rename(at / "zip"), "uploaded, in ./app.zip ./zip:"),
        (lambda at: (at / "app.zip").chmod(0o755), "uploaded, in ./app.zip:"),
        (
            lambda at: (at / "link").symlink_to("app.zip"),
            "contains something else than files and folders:",
        ),
        (lambda at: (at / ".package" / "x").write_text("x"), "has no manifest:"),
        (lambda at: (at / ".package" / "manifest").unlink(), "has no manifest:"),
        (lambda at: (at / ".package" / "manifest").write_text(""), "has no manifest:"),
        (lambda at: shutil.rmtree(at / ".package"), "has no manifest:"),
        (lambda at: shutil.rmtree(at), "was not downloaded:"),
        (forged(f"file {'0' * 64}  ./more\n"), "uploaded, in ./more:"),
        (forged(f"executable {'0' * 64}  ./../../outside\n"), "uploaded, in ./../../outside:"),
        (forged(f"executable {'0' * 64}  /etc/hostname\n"), "uploaded, in /etc/hostname:"),
        (forged("nonsense\n"), "uploaded, in its manifest:"),
        (forged("::warning::100%\n"), "uploaded, in its manifest:"),
    ],
)
def test_a_changed_package_is_refused(
    downloaded: Package, change: Callable[[Path], object], error: str
) -> None:
    outside = downloaded.folder.parent.parent / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    change(downloaded.folder)
    said = downloaded.verify("app.zip -> placed.zip").error
    assert said.startswith("x-package-dev of run 7 ")
    assert error in said
    assert not os.access(outside, os.X_OK)
    assert list(downloaded.workspace.iterdir()) == []


def test_an_error_names_at_most_three_files(downloaded: Package) -> None:
    for number in range(9):
        (downloaded.folder / f"more{number}").write_text("x")
    assert "uploaded, in ./more0 ./more1 ./more2:" in downloaded.verify().error


def test_a_package_of_another_build_or_commit_is_refused(downloaded: Package) -> None:
    digest = downloaded.verify().digest
    assert downloaded.verify(digest=digest) == Done("", digest)
    assert "is not the one that the build has uploaded" in downloaded.verify(digest="0" * 64).error
    other = "b" * 40
    assert f"was built from {COMMIT}, not from {other}:" in downloaded.verify(commit=other).error


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("gone", "x-package-dev of run 7 does not contain gone: let its build write it"),
        ("gone -> a", "does not contain gone"),
        ("../outside -> a", "'../outside -> a' leads out of the package or the repository"),
        ("app.zip -> ../outside", "leads out of"),
        ("app.zip -> /tmp/outside", "leads out of"),
        ("app.zip -> a/../../outside", "leads out of"),
        ("/etc/hostname -> a", "leads out of"),
        ("..", "leads out of"),
    ],
)
def test_missing_files_and_paths_outside_are_not_placed(
    downloaded: Package, line: str, error: str
) -> None:
    assert error in downloaded.verify(line).error
    assert list(downloaded.workspace.iterdir()) == []
