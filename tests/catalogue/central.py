"""The central repository on the double of GitHub, with its organisation."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import forked
from offline_github import OfflineGitHub, Run
from offline_github.organisation import Organisation
from offline_github.repository import git
from toolbox import ROOT
from updates import commit, generate

TREE = ROOT / "catalogue" / "pipelines-catalogue"
PAGE = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
KEY = "-----BEGIN KEY-----\nof the app\n-----END KEY-----"
HANDED = "PIPELINES_TRANSFER_KEY"
BRANCH = "update-pipelines"

UV = f"""\
#!/usr/bin/env bash
# Runs the same command as uv, with a Python that already has the packages.
env > "$RUNNER_TEMP/environment-of-uv"
[ -z "$OFFLINE_GRAPHQL" ] || export GITHUB_GRAPHQL_URL="$OFFLINE_GRAPHQL"
while [ "$1" != python ] && [ "$1" != fleet.py ]; do shift; done
[ "$1" = python ] && shift
exec {sys.executable} WARM "$@"
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def repository(folder: Path, files: dict[str, str]) -> Path:
    """Make a work tree with one commit on `main`."""
    folder.mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    write(folder, files)
    commit(folder)
    return folder


class Central:
    """`acme/pipelines-catalogue`, set up with the commands of docs/catalogue.md."""

    def __init__(self, folder: Path, template: Path, more: dict[str, str] | None = None) -> None:
        self.folder, self._versions = folder, template
        self._copier = forked.Server()
        work_tree = shutil.copytree(
            TREE, folder / "central", ignore=shutil.ignore_patterns("__pycache__")
        )
        self.github = github = OfflineGitHub(folder / "github", work_tree)
        github.name = "acme/pipelines-catalogue"
        # git resolves this host, and the artifact library does not read it as GitHub Enterprise.
        github.server_url = github.api_url.replace("127.0.0.1", "github.localhost")
        self.organisation = Organisation(folder / "organisation", "acme", "client", KEY)
        github.organisation = self.organisation
        self.template = f"{github.server_url}/acme/copier-orchestrator.git"
        write(work_tree, {"catalogue.toml": f'template = "{self.template}"\n', **(more or {})})
        git("init", "--quiet", "--initial-branch=main", cwd=work_tree)
        commit(work_tree)
        github.remote.push("refs/heads/main")
        self._set_up()
        self.cold(False)
        self.organisation.add("copier-orchestrator", template)

    def _set_up(self) -> None:
        """Run the commands of the page, which also create the key for transfers."""
        blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        [commands] = [block for block in blocks if "environment pipelines-render" in block]
        key = self.github.workdir / "shell" / "KEY.pem"
        key.parent.mkdir()
        key.write_text(KEY, encoding="utf-8")
        done = self.github.shell(commands.replace('CLIENT_ID"', 'client"'))
        assert done.returncode == 0, done.stderr
        secrets = [each["secrets"] for each in self.github.environments.values()]
        assert [{*each} for each in secrets] == [{"PIPELINES_APP_KEY", HANDED}, {HANDED}]
        self.transfer_key = secrets[1][HANDED]
        assert secrets[0][HANDED] == self.transfer_key

    def cold(self, cold: bool = True) -> None:
        """Let the engine start Copier itself (cold), or the process that has it imported."""
        warm = f"{Path(__file__).with_name('warm_uv.py')} {self._copier.port} "
        self.github.tool("uv", UV.replace("WARM ", "" if cold else warm))

    def generated(self, name: str, data: dict[str, Any], version: str = "v1.0.0") -> None:
        """Add a repository with pipelines of the template."""
        work_tree = generate(self._versions, self.folder / name, data, version)
        file = work_tree / ".copier-answers.yml"
        recorded = f"git+{self._versions.as_uri()}"
        text = file.read_text(encoding="utf-8")
        assert recorded in text
        file.write_text(text.replace(recorded, self.template), encoding="utf-8")
        commit(work_tree)
        self.organisation.add(name, work_tree)

    def add(self, name: str, files: dict[str, str], **options: Any) -> Path:
        """Add a repository to the organisation; returns the bare one."""
        return self.organisation.add(name, repository(self.folder / name, files), **options)

    def start(self, name: str, mode: str = "copy", **inputs: str) -> Run:
        """Run the engine to its end."""
        return self.github.dispatch(
            "copy-pipelines.yml", "main", {"repository": name, "mode": mode, **inputs}
        )

    def knows(self, name: str) -> bool:
        return f"acme/{name}" in self.organisation.pulls

    def pulls(self, name: str) -> list[dict[str, Any]]:
        return self.organisation.pulls[f"acme/{name}"]

    def show(self, name: str, file: str, ref: str = BRANCH) -> str:
        """The text of a file in a repository."""
        bare = self.folder / "organisation" / "acme" / f"{name}.git"
        return git("show", f"{ref}:{file}", cwd=bare).decode()

    def merge(self, name: str, branch: str = BRANCH) -> None:
        """Merge the pull request, as a person does."""
        bare = self.folder / "organisation" / "acme" / f"{name}.git"
        git("update-ref", "refs/heads/main", f"refs/heads/{branch}", cwd=bare)
        git("update-ref", "-d", f"refs/heads/{branch}", cwd=bare)
        self.pulls(name)[-1]["state"] = "closed"

    def commit(
        self, name: str, files: dict[str, str], branch: str = "main", start: bool = False
    ) -> None:
        """Push a change of a person to a repository."""
        bare = self.folder / "organisation" / "acme" / f"{name}.git"
        clone = self.folder / f"clone-{len(list(self.folder.iterdir()))}"
        git("clone", "--quiet", bare, clone, cwd=self.folder)
        git("checkout", "--quiet", *(("-b",) if start else ()), branch, cwd=clone)
        write(clone, files)
        commit(clone, "By a person")
        git("push", "--quiet", "origin", f"HEAD:{branch}", cwd=clone)
