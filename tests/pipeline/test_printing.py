"""What is printed is read back as the same value, by a YAML 1.1 and by a YAML 1.2 reader.

GitHub reads 1.2, most of Python 1.1, and they disagree about `on`, `0o7` and much more.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import copies
import pytest
import toolbox
import yaml
from hypothesis import given
from hypothesis import strategies as st
from javascript import javascript
from made_answers import characters, generic, plan, printable, slow
from pipeline.jobs import Job
from pipeline.plan import Plan
from pipeline.printing import command, flow, scalar

YAML_1_2 = (
    "texts => texts.map(text => { const document = YAML.parseDocument(text);"
    " return document.errors.length ? { error: document.errors[0].message } : document.toJS() })"
)

# Where the templates print: after a key, in a list, in a mapping on one line.
AFTER_A_KEY = "a:\n  key: {}\n  next: 1\n"

# Words that some reader takes for something else, and characters that mean something to YAML.
TEXTS = [
    *("on", "On", "off", "yes", "no", "NO", "y", "n", "Y", "true", "False", "null", "Null", "~"),
    *("1", "-1", "+1", "1.0", "1e3", "1E-3", ".5", "5.", "0o7", "007", "0x1F", "0b1", "1_000"),
    *(".inf", "-.INF", ".nan", "inf", "nan", "infinity", "2024-01-01", "2024-01-01T00:00:00Z"),
    *("12:30:00", "1:30", "_", "_1", ".", "..", "...", "... a"),
    *("---", "--- a", "._", ".e3", "=", "<<"),
    *("- a", "-", "-a", "? a", "?", "a: b", "a:", ":a", ":", "a #b", "a#b", "#", "# a"),
    *("{a}", "{", "[a]", "]", "a, b", ",", "*a", "&a", "&a b", "!a"),
    *("%a", "@a", "`a`", "|", ">", "|2", ">-"),
    *("'", "''", '"', '"a"', "it's", "\\", "\\n", " a", "a ", " ", "", "  ", "a  b", "a\tb", "\ta"),
    *("a\nb", "a\n\nb", "\na", "a\n", "\n", " a\n b ", "é", "日本語", "😀", "a😀: b", "ß#"),
    *("$HOME", "%PATH%", "${X}", "a@b", "a+b", "a/b", "./a", ".github", "C:\\x", "a - b"),
]  # fmt: skip
EXPRESSIONS = [
    *("${{ vars.A }}", "${{ a && 'b' || 'c' }}", "${{ a }}:", "${{ a }} #b", "${{ a }} "),
    "${{ a }}: b",
    *("${{ a }}\nb", "${{ a }}\t# b", "${{a}}", "a ${{ b }}", "${{ ['it''s'] }}"),
]  # fmt: skip


def read_both(documents: list[str]) -> tuple[list[Any], list[Any]]:
    return [yaml.safe_load(text) for text in documents], javascript(YAML_1_2, documents)


def check_round_trips(values: list[Any], documents: list[str], path: tuple[Any, ...]) -> None:
    for found in read_both(documents):
        for value, document, whole in zip(values, documents, found, strict=True):
            inner = whole
            for key in path:
                assert isinstance(inner, dict | list), f"{document!r} was read as {whole!r}"
                inner = inner[key]
            assert inner == value, f"{document!r} was read as {whole!r}"
            assert type(inner) is type(value)


@pytest.mark.parametrize("text", [*TEXTS, *EXPRESSIONS], ids=repr)
def test_awkward_texts_by_yaml_1_1(text: str) -> None:
    assert yaml.safe_load(AFTER_A_KEY.format(scalar(text)))["a"] == {"key": text, "next": 1}
    if "${{" not in text:
        assert yaml.safe_load(f"- {flow([text, text])}") == [[text, text]]
        assert yaml.safe_load(f"- {flow({'a': text, 'b': [text]})}") == [{"a": text, "b": [text]}]


@pytest.mark.parametrize("text", EXPRESSIONS, ids=repr)
def test_expressions_in_lists(text: str) -> None:
    assert yaml.safe_load(f"- {flow([text, text])}") == [[text, text]]
    assert yaml.safe_load(f"- {flow({'a': text})}") == [{"a": text}]


def test_awkward_texts_by_yaml_1_2() -> None:
    printed = {}
    for text in [*TEXTS, *EXPRESSIONS]:
        try:
            printed[text] = scalar(text)
        except yaml.YAMLError:
            continue  # The test above fails for it.
    documents = [AFTER_A_KEY.format(text) for text in printed.values()]
    found = javascript(YAML_1_2, documents)
    wrong = {
        text: whole
        for text, whole in zip(printed, found, strict=True)
        if whole != {"a": {"key": text, "next": 1}}
    }
    assert not wrong


yaml_ish = st.text(alphabet="aonyes 0179.:-_+#'\"\\{}[],&*!|>%@`~=?<\n\t", max_size=8)
texts = st.one_of(printable, yaml_ish, st.sampled_from(TEXTS)).filter(
    lambda text: not text.startswith(("${{", "..."))  # They have tests of their own.
)
many = st.lists(texts, min_size=50, max_size=120)


@slow
@given(many)
def test_any_scalar(values: list[str]) -> None:
    check_round_trips(values, [AFTER_A_KEY.format(scalar(v)) for v in values], ("a", "key"))


@slow
@given(many)
def test_any_list_on_one_line(values: list[str]) -> None:
    lists = [values[index : index + 3] for index in range(0, len(values), 3)]
    check_round_trips(
        lists, [f"push:\n  branches: {flow(v)}\n" for v in lists], ("push", "branches")
    )


@slow
@given(many)
def test_any_mapping_on_one_line(values: list[str]) -> None:
    mappings = [{"group": v, "labels": [v, "x"]} for v in values]
    check_round_trips(mappings, [f"runs-on: {flow(v)}\n" for v in mappings], ("runs-on",))


@pytest.mark.parametrize("value", [True, False, None, 0, 7, -1, 1.5], ids=repr)
def test_values_that_are_no_text(value: Any) -> None:
    check_round_trips([value], [f"a: {scalar(value)}\n"], ("a",))


@pytest.mark.parametrize(
    "text", ["main", "src/lambda", "v1.0", "a b", "Orchestrator Dev", "x86_64"]
)
def test_plain_texts_stay_plain(text: str) -> None:
    assert scalar(text) == text
    assert flow([text]) == f"[{text}]"


# Commands --------------------------------------------------------------------------------------

# The place in macros/steps.jinja, with what stands before and after it.
STEP = "steps:\n      - name: x\n        run: {}\n        shell: bash\n"


def step(script: str) -> str:
    return STEP.format(command(script, 10))


def check_scripts(scripts: list[str]) -> None:
    """Each is read back byte for byte; a block ends with one newline, which a script may have."""
    for found in read_both([step(script) for script in scripts]):
        for script, whole in zip(scripts, found, strict=True):
            (only,) = whole["steps"]
            assert only["shell"] == "bash"
            assert only["run"] in (script, f"{script}\n"), step(script)


SCRIPTS = {
    "a word": "make",
    "words": "uv publish",
    "YAML's word": "on",
    "a number": "1e3",
    "a comment": "make # all",
    "a comment first": "# all\nmake",
    "a colon": "echo a: b",
    "quotes": 'echo "it\'s"',
    "lines": "a\nb\n\nc",
    "indented": "if a; then\n  b\n\tc\nfi",
    "first line indented": "  a\nb",
    "first line by tab": "\ta\nb",
    "trailing spaces": "a  \nb\t \nc",
    "trailing space": "a ",
    "here document": "cat <<'EOF'\n  {a}: [b]\n\n    - c\nEOF",
    "document marks": "---\n...\n%YAML",
    "backslashes": "a \\\n  b",
    "emoji": "echo 😀 # é",
    "long": "x" * 5000 + "\n" + "y" * 5000,
}
BLANK_LINES = {
    "spaces": "cat <<EOF\n   \nEOF",
    "a tab": "cat <<EOF\n\t\nEOF",
    "more than the indentation": "a\n" + " " * 14 + "\nb",
    "the first line": "   \na",
    "the last line": "a\n   ",
}


@pytest.mark.parametrize("case", [*SCRIPTS, *BLANK_LINES])
def test_a_script_stays_as_it_is(case: str) -> None:
    """Also lines of nothing but white space: in a here document they count."""
    script = {**SCRIPTS, **BLANK_LINES}[case]
    (only,) = yaml.safe_load(step(script))["steps"]
    assert only["run"] in (script, f"{script}\n")


lines = st.one_of(
    st.text(characters | st.just("\t"), max_size=10),
    st.text(alphabet=" \ta#:-'\"\\{}|>", max_size=6),
).map(lambda line: line if line.strip() else "")
scripts = (
    st.lists(lines, min_size=1, max_size=5)
    .map(lambda all_lines: "\n".join(all_lines).strip("\n"))
    .filter(lambda script: bool(script.strip()) and "${{" not in script)
)


@slow
@given(st.lists(scripts, min_size=20, max_size=50))
def test_any_script(many_scripts: list[str]) -> None:
    check_scripts(many_scripts)


def test_the_place_of_the_command_is_the_one_tested_here() -> None:
    macros = (toolbox.ROOT / "macros/steps.jinja").read_text(encoding="utf-8")
    assert "        run: [[ job.command | command(10) ]]" in macros


# Whole files -----------------------------------------------------------------------------------

AWKWARD_ANSWERS: dict[str, dict[str, Any]] = {
    "values of variables": {
        "components": {
            "x": generic(
                deploy="make",
                env={
                    f"V{index}": text
                    for index, text in enumerate(TEXTS)
                    if text not in ("...", "... a")  # They have a test of their own.
                },
            )
        }
    },
    "names of variables": {
        "components": {
            "x": generic(
                deploy="make", env={n: "1" for n in ("on", "No", "y", "null", "true", "_1", "e1")}
            )
        }
    },
    "names of secrets": {"components": {"x": generic(deploy="make", secrets=["null", "on", "y"])}},
    "names of components": {
        "components": {n: generic(lint="make", deploy="make") for n in ("on", "null", "y", "e1")},
        "dependency_map": {"on": ["null", "y"]},
    },
    "name of an environment": {
        "components": {"x": generic(deploy="make")},
        "environments": [{"name": "on", "branch": "on"}],
    },
    "branches": {
        "components": {"x": generic(deploy="make")},
        "environments": [
            {"name": f"e{index}", "branch": branch}
            for index, branch in enumerate(["it's", "*", "1.0", "#1", "a,b", "{a}", "no", "&a"])
        ],
    },
    "paths": {
        "components": {
            f"c{index}": generic(path=path, lint="make")
            for index, path in enumerate(["no", "1.0", "it's", "a b", "#1", "a, b", "é", "{a}"])
        }
    },
    "a path like the end of a document": {"components": {"x": generic(path="... a", lint="make")}},
    "a value like the end of a document": {
        "components": {"x": generic(lint="make", env={"A": "..."})}
    },
    "runner": {"components": {"x": generic(lint="make")}, "runner": ["on", "1.0", "a, b", "a: b"]},
    "scripts": {
        "components": {
            f"c{index}": generic(lint=script) for index, script in enumerate(SCRIPTS.values())
        }
    },
    "project": {"components": {"x": generic(lint="make")}, "project_name": "it's: [a] #b 😀"},
    "folders in one another": {
        "components": {
            "python": {},
            **{
                f"c{index}": generic(path=path, lint="make")
                for index, path in enumerate(["a b/c", "it's", "$HOME", "é/😀", "[a]"])
            },
            "inner": {"code_type": "python", "path": "it's"},
            "innermost": generic(path="it's/a, {b}", lint="make"),
        }
    },
    "a folder like an option in another": {
        "components": {"python": {"path": "src"}, "x": generic(path="src/-x", lint="make")}
    },
    "a folder like a comment in another": {
        "components": {"python": {}, "x": generic(path="a #b", lint="make")}
    },
    "logins": {
        "components": {
            "docker": {"secrets": ["on", "NPM"], "env": {"IMAGE": "${{ vars.IMAGE }}"}},
            "kubernetes": {"cloud": "none"},
            "x": generic(deploy="make", cloud="gcp"),
        },
        "code_types": ["docker", "kubernetes", "terraform"],
        "cloud": "azure",
        "registry": "acmeshop.azurecr.io/team/shop",
    },
}  # fmt: skip


@pytest.mark.parametrize("case", AWKWARD_ANSWERS)
def test_what_is_written_is_what_was_planned(
    case: str, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    answers = {"environments": [{"name": "dev", "branch": "main"}], **AWKWARD_ANSWERS[case]}
    made = plan(**answers)
    folder = copies.copy(template, tmp_path_factory.mktemp("written"), answers)
    texts = {p: (folder / p).read_text(encoding="utf-8") for p in made.files if p.endswith(".yml")}
    for documents in javascript(YAML_1_2, list(texts.values())), [*map(load, texts.values())]:
        written = dict(zip(texts, documents, strict=True))
        for orchestrator in made.orchestrators:
            data = written[f".github/workflows/{orchestrator.file}"]
            assert data["name"] == orchestrator.name
            assert data["on"]["push"] == {"branches": [orchestrator.environment.source]}
        for workflow in made.workflows:
            data = written[f".github/workflows/{workflow.file}"]
            assert data["name"] == workflow.name
            for job in workflow.jobs:
                check_job(data["jobs"][job.id], job)
        check_pull_request(written[".github/workflows/pull-request.yml"], made)


def load(text: str) -> Any:
    """By YAML 1.1, where `on:` is a key that is true."""
    data = yaml.safe_load(text)
    return {("on" if key is True else key): value for key, value in data.items()}


def check_pull_request(written: Any, made: Plan) -> None:
    assert made.pull_request
    assert written["name"] == "Pull Request"
    assert set(written["on"]) == {"pull_request", "merge_group"}
    assert written["permissions"] == {}
    jobs = dict(written["jobs"])
    last = jobs.pop("pull-request-checks")
    assert list(jobs) == [job.id for job in made.pull_request.jobs]
    assert last.get("needs", []) == list(jobs)
    for job in made.pull_request.jobs:
        check_job(jobs[job.id], job)


def check_job(written: Any, job: Job) -> None:
    path = job.component.path
    assert written["name"] == job.name
    assert written["runs-on"] == job.runner
    assert written["timeout-minutes"] == job.timeout_minutes
    assert written["permissions"] == dict(job.permissions)
    assert written.get("needs", []) == list(job.needs)
    assert written.get("environment", "") == job.environment
    assert written.get("concurrency", {}) == (
        {"group": job.group, "cancel-in-progress": False} if job.group else {}
    )
    assert written.get("defaults", {}) == (
        {} if path == "." else {"run": {"working-directory": path}}
    )
    check_steps(written["steps"], job)


def check_steps(steps: list[Any], job: Job) -> None:
    """In their order: checkout, what is left out, tools, packages, logins, command, upload."""
    names = [step["name"] for step in steps]
    assert len(set(names)) == len(names)
    checkout, command_step = names.index("Check out the commit"), names.index(job.step)
    assert steps[checkout]["with"].get("ref", "") == job.commit
    assert ("Leave out the folders of other components" in names) == bool(job.leaves_out)
    tools = checkout + 1
    if job.leaves_out:
        check_leaves_out(steps[tools]["run"], job)
        tools += 1
    given_steps = [step for text in job.setup for step in yaml.safe_load(f"{text}\n")]
    assert steps[tools : tools + len(given_steps)] == given_steps
    downloads = [step for step in steps if step["name"].startswith("Download the package of ")]
    assert [step["with"]["name"] for step in downloads] == [p.artifact for p in job.packages]
    logins = [step for text in job.login for step in yaml.safe_load(f"{text}\n")]
    assert steps[command_step - len(logins) : command_step] == logins
    assert steps[command_step]["run"] in (job.command, f"{job.command}\n")
    assert steps[command_step]["env"] == dict(job.variables)
    uploads = [step for step in steps if step["name"] == "Upload the package"]
    assert [(step["with"]["name"], step["with"]["retention-days"]) for step in uploads] == (
        [(job.upload.artifact, job.upload.retention_days)] if job.upload else []
    )
    assert not uploads or steps[-1] is uploads[0]


def check_leaves_out(run: str, job: Job) -> None:
    """The shell reads each folder as one word, and `rm` none as an option."""
    remove, force, *folders = shlex.split(run)
    assert (remove, force) == ("rm", "-rf")
    if folders[0] == "--":
        del folders[0]
    else:
        assert not [folder for folder in folders if folder.startswith("-")]
    assert folders == [word for folder in job.leaves_out for word in shlex.split(folder)]
    assert len(folders) == len(job.leaves_out)
