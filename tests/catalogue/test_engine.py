"""The engine on the double of GitHub: git over HTTP, tokens of an App, pull requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from central import BRANCH, KEY, Central, repository
from offline_github import Run
from offline_github.repository import git
from updates import Edit, commit, template_versions

HANDLER = {
    "src/handler/requirements.txt": "requests\n",
    "infra/main.tf": 'resource "null_resource" "x" {}\n',
}
SMALL = {
    "project_name": "Our shop",
    "code_types": ["python"],
    "components": {"python": {"path": "src/handler", "produces": ["dist"]}},
    "environments": [{"name": "dev", "branch": "main"}],
}
BUILD = ".github/workflows/python-build.yml"

TINY = {
    "copier.yml": "_subdirectory: template\nproject_name: {type: str, default: Found}\n",
    "template/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}",
    f"template/{BUILD}.jinja": "# To change that with, or not\nname: {{ project_name }}\n",
}
"""A small template that renders fast, for tests that work with any template."""


def newer(file: str) -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert "change that with" in text
        text = text.replace("change that with", "change it with")
        (folder / file).write_text(text, encoding="utf-8")

    return edit


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Central:
    """The tests share it, and each has repositories of its own."""
    folder = tmp_path_factory.mktemp("template") / "template"
    template = template_versions(folder, newer("macros/header.jinja"))
    return Central(tmp_path_factory.mktemp("central"), template)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Central:
    """A central repository with the small template."""
    template = repository(tmp_path_factory.mktemp("tiny") / "template", TINY)
    git("tag", "v1.0.0", cwd=template)
    newer(f"template/{BUILD}.jinja")(template)
    commit(template)
    git("tag", "v2.0.0", cwd=template)
    return Central(tmp_path_factory.mktemp("tiny-central"), template)


def log(run: Run) -> str:
    return "\n".join(f"{job.log}\n{job.summary}" for job in run.jobs.values())


def succeeded(run: Run) -> str:
    """The log of a successful run."""
    assert run.conclusion == "success", log(run)
    return log(run)


def error(run: Run, job: str) -> str:
    """The last error of a failed run. The summary has it, too, and there is no traceback."""
    assert run.conclusion == "failure" and run.results[job] == "failure", log(run)
    assert "Traceback" not in log(run)
    assert run.job(job).summary.startswith("❌ ")
    errors = [e for e in run.job(job).errors if not e.startswith("Process completed")]
    return errors[-1]


def test_a_first_copy_takes_the_found_components(central: Central) -> None:
    # Python must not import this file instead of the package.
    central.add("shop", {**HANDLER, "yaml.py": "raise SystemExit(9)\n"})
    central.cold()
    run = central.start("shop", version="v1.0.0")
    central.cold(False)
    said = succeeded(run)
    [pull] = central.pulls("shop")
    assert pull["title"] == "Add pipelines (v1.0.0)"
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (BRANCH, "main")
    assert "environments dev, test, prd-approval, prd" in pull["body"]
    assert f"- `{BUILD}`: new" in pull["body"] and "Resolve" not in pull["body"]
    answers = central.show("shop", ".copier-answers.yml")
    assert "path: src/handler" in answers and f"_src_path: {central.template}" in answers

    # Each job has only the tokens that it needs. The job with the template's code has none.
    tokens = [token for token in central.organisation.tokens.values()][-3:]
    writes = {"contents": "write", "pull_requests": "write", "workflows": "write"}
    assert [(token.job, token.repositories, token.permissions) for token in tokens] == [
        ("fetch", ("acme/shop",), {"contents": "read"}),
        ("fetch", ("acme/copier-orchestrator",), {"contents": "read"}),
        ("propose", ("acme/shop",), writes),
    ]
    for job in run.jobs.values():
        assert job.permissions == {"contents": "read"}
    secrets = [*central.organisation.tokens, *KEY.splitlines(), central.transfer_key]
    for file in central.folder.rglob("environment-of-uv"):
        assert not [secret for secret in secrets if secret in file.read_text(encoding="utf-8")]
    assert not [secret for secret in secrets if secret in said]
    for config in central.folder.rglob("jobs/*/**/.git/config"):
        assert "extraheader" not in config.read_text(encoding="utf-8").lower()
    assert {*run.artifacts} == {"fetched", "rendered"}
    for files in run.artifacts.values():
        assert all(content.startswith(b"Salted__") for content in files.values())


def test_a_second_update_has_nothing_to_do(tiny: Central) -> None:
    tiny.generated("updated", {"project_name": "Ours"})
    succeeded(tiny.start("updated", "update"))
    [pull] = tiny.pulls("updated")
    assert pull["title"] == "Update the pipelines from v1.0.0 to v2.0.0"
    assert tiny.show("updated", BUILD) == "# To change it with, or not\nname: Ours\n"

    # The same update again changes nothing on GitHub.
    again = tiny.start("updated", "update")
    assert "Nothing to do: this pull request is already open" in succeeded(again)
    last = [*tiny.organisation.tokens.values()][-1]
    assert not any("receive-pack" in use or "PATCH" in use for use in last.used)
    assert len(tiny.pulls("updated")) == 1

    # After the merge there is nothing to do, either.
    tiny.merge("updated")
    run = tiny.start("acme/updated", "update")
    assert "Nothing to do: updated already matches its answers, at v2.0.0" in succeeded(run)
    assert run.results["propose"] == "skipped" and len(tiny.pulls("updated")) == 1


def test_a_wrong_answer_is_one_line(central: Central) -> None:
    """The line is the template's own. Nothing is written."""
    central.generated("answers", SMALL)
    run = central.start("answers", "update-answers", answers="approval: sometimes")
    assert error(run, "render") == (
        "approval: 'sometimes' is not a choice; known are: each, none, once"
    )
    assert central.pulls("answers") == []


def test_answers_are_changed_at_the_present_version(tiny: Central) -> None:
    tiny.generated("answers", {"project_name": "Ours"})
    succeeded(tiny.start("answers", "update-answers", answers="project_name: Theirs"))
    [pull] = tiny.pulls("answers")
    assert pull["title"] == "Change the pipelines (v1.0.0)"
    assert tiny.show("answers", BUILD) == "# To change that with, or not\nname: Theirs\n"


def test_conflicts_are_named(tiny: Central) -> None:
    tiny.generated("edited", {"project_name": "Ours"})
    text = tiny.show("edited", BUILD, "main")
    tiny.commit("edited", {BUILD: text.replace("change that with", "never change")})
    succeeded(tiny.start("edited", "update"))
    [pull] = tiny.pulls("edited")
    assert pull["title"] == "Update the pipelines from v1.0.0 to v2.0.0: 1 conflict to resolve"
    assert pull["body"].startswith("## Resolve these conflicts first")
    assert f"\n- `{BUILD}`\n" in pull["body"]
    assert "<<<<<<< before updating" in tiny.show("edited", BUILD)


def test_two_runs_for_one_repository(tiny: Central) -> None:
    """The second run waits, and replaces the proposal of the first one."""
    tiny.add("twice", HANDLER)
    started: list[Run] = []

    def start_another(run: Run, job: str) -> None:
        if not started and job == "render":
            inputs = {"repository": "twice", "mode": "copy", "answers": "project_name: Ours"}
            another = tiny.github.dispatch_at_once("copy-pipelines.yml", "main", inputs, "me")
            started.extend([run, another])
        elif started and run is started[1]:
            assert started[0].status == "completed"

    tiny.github.before_job = start_another
    succeeded(tiny.start("twice"))
    tiny.github.before_job = None
    succeeded(started[1])
    [pull] = tiny.pulls("twice")
    assert pull["title"] == "Add pipelines (v2.0.0)"
    assert "name: Ours" in tiny.show("twice", BUILD)

    # A commit of a person on the branch is not replaced.
    tiny.commit("twice", {BUILD: "Better"}, BRANCH)
    run = tiny.start("twice", answers="project_name: Ours")
    assert error(run, "propose").startswith(f"{BRANCH}: somebody else has pushed to this branch")
    assert tiny.show("twice", BUILD) == "Better"


def test_a_push_at_the_same_moment_is_not_lost(
    tiny: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person pushes after the engine has read the branch, so `--force-with-lease` fails."""
    tiny.add("raced", HANDLER)
    answer, pushed = tiny.organisation.git, []

    def slow(token: Any, repository: str, method: str, url: Any, *rest: Any) -> Any:
        if "receive-pack" in url.query and not pushed:
            pushed.append(url)
            tiny.commit("raced", {"theirs": "x"}, BRANCH, start=True)
        return answer(token, repository, method, url, *rest)

    monkeypatch.setattr(tiny.organisation, "git", slow)
    run = tiny.start("raced", answers="project_name: Ours")
    assert error(run, "propose") == (
        "git push: somebody else has pushed at the same moment; start the run again"
    )
    assert tiny.show("raced", "theirs") == "x" and tiny.pulls("raced") == []


@pytest.mark.parametrize(
    "name, inputs, job, line",
    [
        ("nowhere", {}, "fetch", "acme/nowhere: there is no token for it; if it was not found"),
        ("closed", {}, "fetch", "acme/closed: there is no token for it"),
        ("other/shop", {}, "fetch", "repository: other/shop does not belong to acme"),
        ("empty", {}, "fetch", "empty: is empty; push a first commit"),
        ("new", {"mode": "update"}, "render", "mode: the repository has no answers file of "),
        ("new", {"version": "v9"}, "render", "version: the template has no v9; the newest are v2."),
    ],
)
def test_a_run_that_cannot_succeed_ends_with_one_line(
    name: str, inputs: dict[str, str], job: str, line: str, tiny: Central
) -> None:
    if not tiny.knows("new"):
        tiny.add("new", HANDLER)
        tiny.add("closed", HANDLER, installed=False)
        tiny.organisation.add("empty", None)
    known = len(tiny.organisation.tokens)
    run = tiny.start(name, **{"mode": "copy", **inputs})
    assert error(run, job).startswith(line)
    assert "success" not in {result for key, result in run.results.items() if key >= job}
    # The inputs are checked before the first request to GitHub.
    assert name != "other/shop" or len(tiny.organisation.tokens) == known


def test_an_app_needs_the_permission_for_workflows(tiny: Central) -> None:
    """GITHUB_TOKEN cannot have this permission."""
    tiny.add("refused", HANDLER)
    before = tiny.organisation.permissions
    tiny.organisation.permissions = {**before, "workflows": "none"}
    run = tiny.start("refused", answers="project_name: Ours")
    tiny.organisation.permissions = before
    assert run.results == {"fetch": "success", "render": "success", "propose": "failure"}
    assert "permissions requested are not granted" in run.job("propose").errors[0]


def test_another_branch_gets_no_key(tiny: Central) -> None:
    """A person who may push a branch can change the engine's code there."""
    work_tree = tiny.github.remote.work_tree
    git("branch", "--force", "mine", cwd=work_tree)
    tiny.github.remote.push("refs/heads/mine")
    known = len(tiny.organisation.tokens)
    inputs = {"repository": "shop", "mode": "copy"}
    run = tiny.github.dispatch("copy-pipelines.yml", "mine", inputs)
    assert run.conclusion == "failure" and run.results["fetch"] == "failure"
    assert "not allowed to deploy" in run.job("fetch").log
    assert len(tiny.organisation.tokens) == known
