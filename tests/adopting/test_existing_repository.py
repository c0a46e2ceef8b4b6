"""A copy into a repository with files of its own asks, or refuses before it writes anything.

Without a terminal, Copier alone stops at the first file that differs and leaves the tree half
written. It overwrites an answers file in any case.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import copier
import pytest
import yaml
from copier._cli import CopierApp
from copies import copier_process, copy, example, tree
from offline_github.repository import git
from toolbox import EXAMPLES
from updates import clone_once, commit, template_versions
from validators import validate

ANSI = re.compile(r"\x1b\[[0-9;]*m")
ANSWERS = f"--data-file={EXAMPLES / 'lambda.yml'}"
DEV = ".github/workflows/orchestrator-dev.yml"
DOCS = "docs/ci-cd.md"
ACTIONS = ".github/actions"
SCRIPT = f"{ACTIONS}/shared/api.cjs"
OTHER = "_commit: 1.0.0\n_src_path: https://github.com/acme/service.git\nmodule: shop\n"
EDIT = "  own:\n    runs-on: ubuntu-latest\n    steps: [{run: make}]\n"
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """Copier's command in this process, without a terminal: exit code and output."""

    def run(*arguments: str, verb: str = "copy") -> tuple[int, str]:
        capfd.readouterr()
        places = [*([str(template)] if verb == "copy" else []), str(tmp_path / "own")]
        command = ["copier", verb, "--trust", "--defaults", *arguments, *places]
        _, code = CopierApp.run(command, exit=False)
        captured = capfd.readouterr()
        return code, ANSI.sub("", captured.out + captured.err).strip()

    return run


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


def write(repository: Path, **files: str) -> None:
    for path, text in files.items():
        file = repository / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def refused(repository: Path, run: Callable[[], tuple[int, str]]) -> str:
    """The one line that a command ends with. The command writes nothing."""
    before = tree(repository)
    code, said = run()
    assert code == 1
    assert tree(repository) == before
    assert len(said.splitlines()) == 1, said
    return said


def test_all_files_in_the_way_are_named(command: Command, own: Path) -> None:
    """Other files, even in folders of generated actions, are not in the way."""
    write(own, **{DEV: "on: push\njobs: {}\n", DOCS: "# Ours\n", "README.md": "# Ours\n"})
    write(
        own,
        **{SCRIPT: "// Ours\n", f"{ACTIONS}/shared/ours.cjs": "", f"{ACTIONS}/x/action.yml": ""},
    )
    # The order is that of the template's folders.
    assert refused(own, lambda: command(ANSWERS)) == (
        f"{SCRIPT}, {DEV}, {DOCS}: are here already with other content, and there is no terminal "
        "to ask at; move them, or use `--overwrite` to replace them"
    )


@pytest.mark.parametrize(
    ("theirs", "name"),
    [
        (["python-build.yml"], "python-app"),
        (["python-test.yml", "python-app-build.yml", "python-2-prd.yml"], "python-3"),
        (["python-build.yml", "python-app-lint.yml"], "python-app"),
    ],
)
def test_another_name_is_proposed_for_a_component_with_a_taken_workflow(
    command: Command, own: Path, theirs: list[str], name: str
) -> None:
    paths = [f".github/workflows/{file}" for file in theirs]
    write(own, **dict.fromkeys(paths, "on: push\njobs: {}\n"))
    assert refused(own, lambda: command(ANSWERS)) == (
        f"{paths[0]}: is here already with other content, and there is no terminal to ask at; "
        f"move it, give the component python another name, like {name}, or use `--overwrite` to "
        "replace it"
    )


def test_a_copy_in_a_process_of_its_own_refuses_a_file_in_the_way(
    template: Path, own: Path
) -> None:
    """Copier alone would leave the tree half written."""
    write(own, **{DOCS: "# Ours\n"})

    def run() -> tuple[int, str]:
        done = copier_process(template, own, ANSWERS)
        return done.returncode, ANSI.sub("", done.stdout + done.stderr).strip()

    assert refused(own, run) == (
        f"{DOCS}: is here already with other content, and there is no terminal to ask at; "
        "move it, or use `--overwrite` to replace it"
    )


@pytest.mark.parametrize(
    ("file", "patterns"),
    [
        (DOCS, ["/ci-cd.md"]),
        (DEV, [".github/*.yml"]),
        (DOCS, ["*.md", "!ci-cd.md"]),
        (DOCS, ["docs/ci-cd.md", "!docs/"]),
    ],
)
def test_a_file_in_the_way_that_no_pattern_skips(
    file: str, patterns: list[str], command: Command, own: Path
) -> None:
    """Copier would stop at the file, after it has written others."""
    write(own, **{file: "# Ours\n"})
    options = [word for pattern in patterns for word in ("--skip", pattern)]
    assert refused(own, lambda: command(ANSWERS, *options)).startswith(f"{file}: is here already")


def test_the_proposed_options_complete_the_copy(
    command: Command, own: Path, template: Path
) -> None:
    """`--skip` keeps a file, and `--overwrite` replaces it."""
    fresh = tree(copy(template, own.parent / "fresh", example("lambda")))
    write(own, **{DOCS: "# Ours\n"})
    code, _ = command(ANSWERS, "--skip", DOCS)
    assert (code, (own / DOCS).read_text(encoding="utf-8")) == (0, "# Ours\n")
    code, _ = command(ANSWERS, "--overwrite")
    assert (code, tree(own)) == (0, fresh)


def test_a_second_copy_that_changes_nothing_is_accepted(
    command: Command, own: Path, template: Path
) -> None:
    copy(template, own, example("lambda"))
    before = tree(own)
    assert command(ANSWERS)[0] == 0
    assert tree(own) == before


@pytest.mark.parametrize("verb", ["copy", "recopy"])
def test_a_copy_over_edited_generated_files_proposes_an_update(
    verb: str, command: Command, own: Path, template: Path
) -> None:
    """Files of actions have no header, so the answers file shows that they are generated."""
    copy(template, own, example("lambda"))
    for path, text in ((DEV, EDIT), (SCRIPT, "// Ours\n")):
        with (own / path).open("a", encoding="utf-8") as file:
            file.write(text)
    assert refused(own, lambda: command(verb=verb)) == (
        f"{SCRIPT}, {DEV}: differ from what these answers make, and there is no terminal to ask "
        "at; run `copier update`, which keeps edits, or use `--overwrite` to replace them"
    )


def test_changed_modes_and_links_are_in_the_way(
    command: Command, own: Path, template: Path
) -> None:
    copy(template, own, example("lambda"))
    (own / DOCS).rename(own / "elsewhere.md")
    (own / DOCS).symlink_to("../elsewhere.md")
    names = [DOCS]
    if os.name != "nt":
        (own / DEV).chmod(0o755)
        names.insert(0, DEV)
    said = refused(own, lambda: command(ANSWERS))
    assert said.startswith(f"{', '.join(names)}: differ")


def test_a_subfolder_of_a_repository_is_refused(command: Command, own: Path) -> None:
    """GitHub reads workflows only in the root. A repository inside another is accepted."""
    git("init", "--quiet", own.parent, cwd=own.parent)
    try:
        assert refused(own.parent, lambda: command(ANSWERS)) == (
            f"own: is a folder of the git repository {own.parent.resolve()}, and GitHub reads "
            f"workflows only in its root; copy into {own.parent.resolve()} and set `path` for "
            "each component (or make the folder a repository of its own first, by `git init`)"
        )
        write(own, **{".git": "gitdir: ../.git/modules/own\n"})  # as of a submodule
        assert command(ANSWERS)[0] == 0
        (own / ".git").unlink()
        code, said = command("--overwrite", verb="recopy")
        assert (code, "own: is a folder of the git repository" in said) == (0, True)
    finally:
        shutil.rmtree(own.parent / ".git")


def test_a_folder_in_the_way(command: Command, own: Path) -> None:
    """Copier alone shows a traceback, even with `--overwrite`."""
    write(own, **{f"{DOCS}/index.md": "# Ours\n"})
    assert refused(own, lambda: command(ANSWERS, "--overwrite")) == (
        f"{DOCS}: is a folder, and a file of that name is to be written; move it"
    )


def test_a_file_in_the_way_of_a_folder(command: Command, own: Path) -> None:
    for folder, path in (("docs", DOCS), (f"{ACTIONS}/shared", SCRIPT)):
        write(own, **{folder: "# Ours\n"})
        assert refused(own, lambda: command(ANSWERS, "--overwrite")) == (
            f"{folder}: is no folder, and {path} is to be written into it; move it"
        )
        (own / folder).unlink()


def test_a_link_out_of_the_repository_is_refused(command: Command, own: Path) -> None:
    own.mkdir()
    (own.parent / "shared").mkdir()
    (own / "docs").symlink_to("../shared", target_is_directory=True)
    assert refused(own, lambda: command(ANSWERS, "--overwrite")) == (
        f"docs: leads out of the repository, where {DOCS} cannot be written; make it a folder"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OTHER, "holds the answers of another template, https://github.com/acme/service.git"),
        ("site_name: shop\n", "exists already, and is not an answers file"),
    ],
    ids=["other-template", "no-answers"],
)
def test_an_answers_file_of_another_template_is_refused(
    text: str, says: str, command: Command, own: Path
) -> None:
    """Copier would overwrite the file without asking. `--overwrite` is refused, too."""
    write(own, **{".copier-answers.yml": text})
    for more in ([], ["--overwrite"]):
        said = refused(own, lambda more=more: command(ANSWERS, *more))  # type: ignore[misc]
        assert said == f".copier-answers.yml: {says}; use `--answers-file .copier-answers.ci.yml`"


def test_answers_from_another_address_of_the_template_are_accepted(
    command: Command, own: Path, template: Path
) -> None:
    copy(template, own, example("lambda"))
    file = own / ".copier-answers.yml"
    text = re.sub("(?m)^_src_path: .*$", "_src_path: gh:acme/moved", file.read_text("utf-8"))
    file.write_text(text, encoding="utf-8")
    assert command(ANSWERS)[0] == 0
    assert yaml.safe_load(file.read_text("utf-8"))["_src_path"] == str(template)


@pytest.fixture
def versions(tmp_path: Path) -> Iterator[Path]:
    """The template as a git repository with one version."""
    with clone_once(tmp_path / "clones"):
        yield template_versions(tmp_path / "versions")


def test_two_templates_in_one_repository(versions: Path, own: Path) -> None:
    """The second has its own answers file: checks headers, the hook, validators, and an update with
    edited files."""
    name = ".copier-answers.ci.yml"
    write(own, **{".copier-answers.yml": OTHER})
    git("init", "--quiet", cwd=own)
    url = f"git+{versions.as_uri()}"
    options = {"answers_file": name, "defaults": True, "unsafe": True, "quiet": True}
    copier.run_copy(url, own, data=example("lambda"), **options)  # type: ignore[arg-type]
    commit(own)
    copied = tree(own)
    assert copied[".copier-answers.yml"] == OTHER.encode()
    # The other validators do not read comments.
    assert [str(found) for found in validate(own, only=["github_parser", "yamllint"])] == []
    for path, content in copied.items():
        # Actions that are the same in every repository do not name the answers file.
        shared = path.startswith(f"{ACTIONS}/") and path != f"{ACTIONS}/setup-python/action.yml"
        if path not in (".copier-answers.yml", name) and not shared:
            assert f"from {name}:" in (text := content.decode()) or f"from `{name}`" in text, path
            assert f"`copier update --answers-file {name}`" in text, path

    edited = {
        DEV: (own / DEV).read_text("utf-8") + EDIT,
        DOCS: (own / DOCS).read_text("utf-8") + "!",
    }
    write(own, **edited)
    commit(own)
    copier.run_update(own, data={"pull_requests": False}, overwrite=True, **options)  # type: ignore[arg-type]
    updated = tree(own)
    graph = {f"{ACTIONS}/show-graph/{file}" for file in ("action.yml", "graph.cjs")}
    assert copied.keys() - updated.keys() == {".github/workflows/pull-request.yml", *graph}
    assert updated[".copier-answers.yml"] == OTHER.encode()
    assert b"pull_requests: false" in updated[name]
    assert updated[DEV] == edited[DEV].encode()
    assert updated[DOCS].endswith(b"!")


@pytest.mark.skipif(sys.platform == "win32", reason="pexpect needs the terminals of Unix")
@pytest.mark.parametrize("key", ["y", "n"])
def test_a_copy_at_a_terminal_asks_about_each_file(key: str, template: Path, own: Path) -> None:
    import pexpect
    from terminal import Terminal

    write(own, **{DOCS: "# Ours\n", SCRIPT: "# Ours\n"})
    session = Terminal("copier", "copy", "--trust", "--defaults", ANSWERS, template, own)
    questions = {f"Overwrite {path}?" for path in (SCRIPT, DOCS)}
    while questions:  # in the order of the file system
        session.expect_exact(list(questions))
        session.send(key)
        questions.remove(session.after)
    session.expect(pexpect.EOF)
    session.close()
    assert session.exitstatus == 0, session.before
    for path in (SCRIPT, DOCS):
        assert ((own / path).read_text("utf-8") == "# Ours\n") == (key == "n")
    assert (own / DEV).exists()
