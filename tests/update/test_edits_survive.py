"""Edits of generated files, and files beside them, are there after an update.

If an edit conflicts with the update, the file has both, and the update fails and names it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import copier
import pytest
from copier._cli import CopierApp
from copier.errors import TaskError
from copies import example, tree
from offline_github.repository import git
from updates import (
    CURRENT,
    clone_once,
    commit,
    generate,
    replace,
    template_versions,
    update,
)

FLOWS = ".github/workflows"
ACTIONS = ".github/actions"
LAST_LINE = "# Own jobs go below this line"
OWN_JOB = "  own:\n    runs-on: ubuntu-latest\n    steps: [{run: make own}]\n"
PIN = re.compile(r"actions/(checkout|github-script)@[0-9a-f]{40} # v[0-9.]+")
BUMPED = rf"actions/\1@{'b' * 40} # v99.0.0"

MORE: dict[str, Any] = {
    "components": {
        **example("lambda")["components"],
        "site": {"code_type": "generic", "lint": "make lint", "deploy": "make deploy"},
    },
    "dependency_map": [
        *example("lambda")["dependency_map"],
        {"code_type": "site", "depends_on": "terraform"},
    ],
    "cloud": "aws",
}
"""Answers for an update: one more component with its dependency, and a cloud."""


def new_texts(folder: Path) -> None:
    """A version that changes texts in many files."""
    environments = "extensions/pipeline/environments.py"
    replace(environments, "PRODUCTION_RETENTION = 30", "PRODUCTION_RETENTION = 31")(folder)
    for place, old in (("shared/api.cjs", "repeated"), ("keep-package/action.yml", "package")):
        replace(f"template/{ACTIONS}/{place}", old, old.upper())(folder)
    for file in [*(folder / "template").rglob("*.jinja"), *(folder / "macros").glob("*.jinja")]:
        text = file.read_text(encoding="utf-8")
        file.write_text(
            text.replace("\npermissions: {}\n", "\n# Rights are given to jobs.\npermissions: {}\n"),
            "utf-8",
        )


def new_pins(folder: Path) -> None:
    """A version with newer pins, some of which a bot may have changed before."""
    for file in [
        p for p in folder.rglob("*") if p.suffix in (".yml", ".jinja", ".py") and p.is_file()
    ]:
        file.write_text(newer(file.read_text(encoding="utf-8")), encoding="utf-8")


def newer(text: str) -> str:
    """Newer versions of two actions: one is pinned in workflows, one in actions."""
    return text.replace("# v7.0.1", "# v88.0.0").replace("# v8.0.0", "# v88.0.0")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("template") / "versions"
    template_versions(folder, new_texts, new_pins)
    with clone_once(tmp_path_factory.mktemp("clones") / "clones"):
        yield folder


@pytest.fixture(scope="module")
def generated(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(versions, tmp_path_factory.mktemp("generated") / "x", example("lambda"))


@pytest.fixture
def repository(generated: Path, tmp_path: Path) -> Path:
    shutil.copytree(generated, tmp_path / "repository")
    return tmp_path / "repository"


def fresh(versions: Path, folder: Path, data: dict[str, Any], version: str) -> Path:
    url, options = f"git+{versions.as_uri()}", {"defaults": True, "unsafe": True, "quiet": True}
    copier.run_copy(url, folder, data=data, vcs_ref=version, skip_tasks=True, **options)
    return folder


def with_pins(folder: Path) -> list[Path]:
    """The generated files with pins of actions."""
    files = [*(folder / FLOWS).glob("*.yml"), *(folder / ACTIONS).glob("*/action.yml")]
    return [file for file in sorted(files) if PIN.search(file.read_text("utf-8"))]


# -- edits; the test also applies them to a fresh copy with the other answers -------------------


def own_jobs(folder: Path) -> None:
    """Add a job below the last line of some workflows."""
    for name in (
        "orchestrator-dev",
        "orchestrator-prd",
        "python-dev",
        "terraform-test",
        "pull-request",
    ):
        file = folder / FLOWS / f"{name}.yml"
        assert LAST_LINE in file.read_text(encoding="utf-8").splitlines()[-1]
        file.write_text(file.read_text(encoding="utf-8") + OWN_JOB, encoding="utf-8")


def own_steps(folder: Path) -> None:
    step = "      - name: Ours\n        run: make ours\n"
    for name in ("python-build", "terraform-build"):
        before = "      - name: Lint\n"
        replace(f"{FLOWS}/{name}.yml", before, step + before)(folder)
    step = "    - name: Ours\n      shell: bash\n      run: make ours\n"
    replace(f"{ACTIONS}/check-commit/action.yml", "  steps:\n", f"  steps:\n{step}")(folder)


def own_comments(folder: Path) -> None:
    for name in ("orchestrator-dev", "python-dev", "terraform-prd", "python-build"):
        prepend(folder / FLOWS / f"{name}.yml", "# Ask the team first.\n")
    prepend(folder / ACTIONS / "shared" / "api.cjs", "// Ask the team first.\n")
    replace(f"{FLOWS}/python-dev.yml", "jobs:\n", "jobs: # ours\n")(folder)
    replace(f"{FLOWS}/orchestrator-test.yml", "\njobs:\n", "\n# Ours.\njobs:\n")(folder)


def prepend(file: Path, text: str) -> None:
    file.write_text(text + file.read_text(encoding="utf-8"), encoding="utf-8")


def bumped_pins(folder: Path) -> None:
    """Change all pins as Dependabot and Renovate do, except in the workflows of `site`."""
    for file in with_pins(folder):
        if not file.name.startswith("site-"):
            file.write_text(PIN.sub(BUMPED, file.read_text(encoding="utf-8")), encoding="utf-8")


def own_files(folder: Path) -> None:
    names = ["python-dev-extra", "orchestrator", "python", "pythondev", "orchestrator-dev2", "dev"]
    for name in names:
        (folder / FLOWS / f"{name}.yml").write_text("# Ours\non: push\n", encoding="utf-8")
    (folder / FLOWS / "python-dev.yaml").write_text("on: push\n", encoding="utf-8")
    for name in ("ours/action.yml", "lib/ours.cjs", "check-commit/ours.sh", "action.yml"):
        (folder / ACTIONS / name).parent.mkdir(exist_ok=True)
        (folder / ACTIONS / name).write_text("# Ours\n", encoding="utf-8")
    (folder / "docs" / "ci-cd-ours.md").write_text("Ours\n", encoding="utf-8")


def own_docs(folder: Path) -> None:
    file = folder / "docs" / "ci-cd.md"
    file.write_text(file.read_text(encoding="utf-8") + "\n## Ours\n\nAsk us.\n", encoding="utf-8")


EDITS = [own_jobs, own_steps, own_comments, bumped_pins, own_files, own_docs]


@pytest.mark.parametrize(
    "version", ["v1.0.0", "v2.0.0"], ids=["other answers", "a new version too"]
)
def test_edits_survive(version: str, versions: Path, repository: Path, tmp_path: Path) -> None:
    """All edits at once. Everything else equals a fresh copy."""
    for edit in EDITS:
        edit(repository)
    commit(repository, "Ours")
    update(repository, vcs_ref=version, data=MORE)
    wanted = fresh(versions, tmp_path / "fresh", {**example("lambda"), **MORE}, version)
    for edit in EDITS:
        edit(wanted)
    assert tree(repository) == tree(wanted)
    assert b"UU" not in git("status", "--porcelain", cwd=repository)


def test_a_pin_that_a_bot_changed_before_the_template(repository: Path) -> None:
    for file in with_pins(repository):
        file.write_text(newer(file.read_text(encoding="utf-8")), encoding="utf-8")
    commit(repository, "Bumped")
    update(repository, vcs_ref="v3.0.0")
    assert not [f for f in with_pins(repository) if "# v88.0.0" not in f.read_text("utf-8")]


# -- conflicts --------------------------------------------------------------------------------


PULL_REQUEST = f"{FLOWS}/pull-request.yml"
SUMMARY = f"{ACTIONS}/deployment-summary/action.yml"


def bump(repository: Path) -> None:
    for path in (PULL_REQUEST, SUMMARY):
        file = repository / path
        file.write_text(PIN.sub(BUMPED, file.read_text(encoding="utf-8")), encoding="utf-8")
    commit(repository, "Bumped")


def copier_update(repository: Path, *arguments: str) -> int:
    """Run `copier update`; returns the exit code."""
    words = ["copier", "update", "--trust", "--defaults", "--quiet", *arguments, str(repository)]
    return int(CopierApp.run(words, exit=False)[1])


def test_an_update_with_a_conflict_fails(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One conflict is in a workflow, and one in an action."""
    bump(repository)
    assert copier_update(repository, "--vcs-ref=v3.0.0") == 1
    said = capfd.readouterr().err
    assert "Traceback" not in said
    status = git("status", "--porcelain", cwd=repository).decode()
    for path in (PULL_REQUEST, SUMMARY):
        assert f"{path}: holds a merge conflict; resolve it" in said
        text = (repository / path).read_text(encoding="utf-8")
        assert {"<<<<<<< before updating", ">>>>>>> after updating"} <= {*text.splitlines()}
        assert "# v99.0.0" in text and "# v88.0.0" in text
        assert f"UU {path}" in status


def test_a_conflict_in_a_rej_file_fails(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bump(repository)
    with pytest.raises(TaskError):
        update(repository, vcs_ref="v3.0.0", conflict="rej")
    said = capfd.readouterr().err
    for path in (PULL_REQUEST, SUMMARY):
        cause = "was not merged completely; apply by hand what"
        assert f"{path}: {cause} {path}.rej holds" in said
        assert "# v99.0.0" in (repository / f"{path}.rej").read_text(encoding="utf-8")


def test_a_conflict_in_the_documentation_fails(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """GitHub would report a conflict in a workflow, but not here."""
    page = repository / "docs" / "ci-cd.md"
    _, rest = page.read_text(encoding="utf-8").split("\n", 1)
    page.write_text(f"# Our pipelines\n{rest}", encoding="utf-8")
    commit(repository, "Ours")
    with pytest.raises(TaskError):
        update(repository, vcs_ref=CURRENT, data={"project_name": "other"})
    assert "docs/ci-cd.md: holds a merge conflict; resolve it" in capfd.readouterr().err
    assert "# Our pipelines\n" in page.read_text(encoding="utf-8")


def test_an_own_file_with_the_name_of_a_new_one_is_a_conflict(repository: Path) -> None:
    """The file has both contents, so neither is lost."""
    own = repository / FLOWS / "site-dev.yml"
    own.write_text("# Ours\non: push\njobs: {}\n", encoding="utf-8")
    commit(repository, "Ours")
    with pytest.raises(TaskError):
        update(repository, vcs_ref=CURRENT, data=MORE)
    text = own.read_text(encoding="utf-8")
    assert "<<<<<<< before updating\n# Ours\non: push\njobs: {}\n" in text
    assert "name: Site Dev" in text
    assert (repository / FLOWS / "site-test.yml").exists()


def test_a_wrong_answer_ends_the_command_in_one_line(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tree(repository)
    assert copier_update(repository, "--vcs-ref=:current:", "--data", "cloud=alibaba") == 1
    said = capfd.readouterr()
    line = "cloud: 'alibaba' is not a choice; known are: aws, azure, gcp, none"
    assert (said.out, re.sub(r"\x1b\[[0-9;]*m", "", said.err).strip()) == ("", line)
    assert tree(repository) == before
