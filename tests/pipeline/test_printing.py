"""Printed YAML is read back as the same value, by a YAML 1.1 and by a YAML 1.2 parser.

GitHub reads YAML 1.2, and PyYAML 1.1. They disagree about `on`, `0o7` and much more.
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
from pipeline.builds import BuildWorkflow
from pipeline.calls import Changes
from pipeline.component_workflows import ComponentWorkflow
from pipeline.deployments import DeployWorkflow
from pipeline.orchestrators import OrchestratorWorkflow
from pipeline.plan import Plan
from pipeline.printing import command, flow, scalar
from pipeline.steps import Call, Command, Input, TakenPackage

YAML_1_2 = (
    "texts => texts.map(text => { const document = YAML.parseDocument(text);"
    " return document.errors.length ? { error: document.errors[0].message } : document.toJS() })"
)

# A place where the templates print: after a key.
AFTER_A_KEY = "a:\n  key: {}\n  next: 1\n"

# Words that a parser may read as another type, and characters with a meaning in YAML.
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
            continue  # The test above reports it.
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
    lambda text: not text.startswith(("${{", "..."))  # Other tests use these.
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
def test_values_that_are_not_text(value: Any) -> None:
    check_round_trips([value], [f"a: {scalar(value)}\n"], ("a",))


@pytest.mark.parametrize(
    "text", ["main", "src/lambda", "v1.0", "a b", "Orchestrator Dev", "x86_64"]
)
def test_plain_texts_stay_plain(text: str) -> None:
    assert scalar(text) == text
    assert flow([text]) == f"[{text}]"


# Commands --------------------------------------------------------------------------------------

# The place of a command in macros/steps.jinja, with the lines around it.
STEP = "steps:\n      - name: x\n        run: {}\n        shell: bash\n"


def step(script: str) -> str:
    return STEP.format(command(script, 10))


def check_scripts(scripts: list[str]) -> None:
    """Each script is read back unchanged. YAML may add one newline at the end."""
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
def test_a_script_is_printed_unchanged(case: str) -> None:
    """Lines of white space, too: they count in a here document."""
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


def test_steps_jinja_prints_commands_as_tested_here() -> None:
    macros = (toolbox.ROOT / "macros/steps.jinja").read_text(encoding="utf-8")
    assert "        run: [[ command.text | command(10) ]]" in macros


# Whole files -----------------------------------------------------------------------------------

AWKWARD_ANSWERS: dict[str, dict[str, Any]] = {
    "values of variables": {
        "components": {
            "x": generic(
                deploy="make",
                env={
                    f"V{index}": text
                    for index, text in enumerate(TEXTS)
                    if text not in ("...", "... a")  # Another test uses these.
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
    "names of secrets": {
        "components": {"x": generic(build="b", deploy="make", secrets=["null", "on", "y", "True"])}
    },
    "names of producers": {
        "components": {
            **{n: generic(build="b", produces=["on"]) for n in ("on", "null", "y", "e1", "True")},
            "x": generic(build="make", deploy="make"),
        },
        "dependency_map": {"x": ["on", "null", "y", "e1", "True"]},
        "environments": [
            {"name": "on", "branch": "main"},
            {"name": "null", "after": "on", "production": True},
        ],
    },
    "names of products": {
        "components": {
            "a": generic(build="b", produces=[" a", "no #b", "#c", "it's", "d -", "é {f}, [g]"]),
            "b": generic(build="b", produces=["null"], path="a b/ #c"),
            "x": generic(path=" p", build="b", produces=["&x", "!y"], deploy="d"),
        },
        "dependency_map": [
            {
                "code_type": "x",
                "depends_on": ["a", "b"],
                "artifacts": [{"name": "it's", "to": "x y/#z"}, " a", {"name": "null", "to": "on"}],
            }
        ],
    },
    "values that differ": {
        "components": {"x": {"code_type": "docker", "deploy": "d"}},
        "environments": [
            {"name": f"e{index}", "branch": f"b{index}", "env": {"A": text, "IMAGE": text}}
            for index, text in enumerate(["it's: {0} #a", '"', "a\nb", "", "${{ vars.A }}", "}}"])
        ],
    },
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
def test_files_contain_what_was_planned(
    case: str, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    answers = {"environments": [{"name": "dev", "branch": "main"}], **AWKWARD_ANSWERS[case]}
    check_written(answers, copies.copy(template, tmp_path_factory.mktemp("written"), answers))


@pytest.mark.parametrize("orchestration", ["dispatch", "observe"])
def test_files_of_other_orchestrations_contain_what_was_planned(
    orchestration: str, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    answers = {**AWKWARD_ANSWERS["names of producers"], "orchestration": orchestration}
    check_written(answers, copies.copy(template, tmp_path_factory.mktemp("written"), answers))


def check_written(answers: dict[str, Any], folder: Path) -> None:
    made = plan(**answers)
    files = [file for file in made.files if "/workflows/" in file]
    texts = {file.rsplit("/", 1)[1]: (folder / file).read_text("utf-8") for file in files}
    for documents in javascript(YAML_1_2, list(texts.values())), [*map(load, texts.values())]:
        written = dict(zip(texts, documents, strict=True))
        for orchestrator in made.orchestrators:
            check_orchestrator(written.pop(orchestrator.file), orchestrator)
        for build in made.builds:
            check_build(written.pop(build.file), build)
        for deploy in made.deploys:
            check_deploy(written.pop(deploy.file), deploy, made)
        for workflow in made.workflows:
            check_component(written.pop(workflow.file), workflow)
        for pull_request in made.pull_requests:
            data = written.pop(pull_request.file)
            assert (data["name"], data["permissions"]) == (pull_request.name, {})
            jobs = {call.id: call for call in pull_request.calls}
            check_calls({k: v for k, v in data["jobs"].items() if k in jobs}, pull_request.calls)
            assert set(data["jobs"]) == {*jobs, *["changes"] * bool(jobs), "pull-request-checks"}
        assert not written


def load(text: str) -> Any:
    """Read by YAML 1.1, where the key `on:` is true."""
    data = yaml.safe_load(text)
    return {("on" if key is True else key): value for key, value in data.items()}


def check_orchestrator(data: Any, orchestrator: OrchestratorWorkflow) -> None:
    environment, jobs = orchestrator.environment, dict(data["jobs"])
    assert (data["name"], data["permissions"]) == (orchestrator.name, {})
    assert data["run-name"] == " ".join(orchestrator.run_name)
    triggers = {
        "branch": {"push": {"branches": [environment.source]}},
        "after": {"workflow_run": {"workflows": [f"Orchestrator {environment.source.title()}"]}},
    }
    (event,) = triggers[environment.trigger].items()
    assert data["on"][event[0]].items() >= event[1].items()
    check_changes(jobs.pop("changes"), orchestrator.changes)
    summary = jobs.pop("deployment-summary")
    assert summary["needs"] == list(orchestrator.summary_needs)
    step, *compared = summary["steps"]
    assert [each["with"]["producer"] for each in compared] == list(orchestrator.only_promoted)
    told = {"environment": environment.name, "graph": orchestrator.graph}
    assert step["with"].items() >= told.items()
    if orchestrator.approval:
        approval = jobs.pop("approval")
        assert approval["environment"] == {
            "name": orchestrator.approval.environment,
            "deployment": False,
        }
        group = approval.get("concurrency", {"group": ""})["group"]
        assert group == orchestrator.approval.group
        assert approval.get("if", "") == expression(orchestrator.approval.condition)
    if orchestrator.watched:
        (step,) = jobs.pop("watch")["steps"]
        assert step["with"]["components"] == orchestrator.watched
        assert step["with"]["refs"] == orchestrator.changes.refs
    for start in orchestrator.starts:
        job = jobs.pop(start.id)
        assert job["needs"] == list(start.needs)
        assert job["if"] == expression(start.condition)
        assert job.get("concurrency", {"group": ""})["group"] == start.group
        (step,) = job["steps"]
        packages = {"packages": " ".join(start.packages)} if start.packages else {}
        commit = {"commit": "${{ needs.changes.outputs.commit }}"}
        assert step["with"] == {"workflow": start.workflow.file, **commit, **packages}
    check_calls(jobs, (*orchestrator.builds, *orchestrator.deployments))


def check_changes(job: Any, changes: Changes) -> None:
    assert job.get("if", "") == " ".join(changes.guard)
    assert job["permissions"] == dict(changes.permissions)
    assert list(job["outputs"]) == [
        "commit",
        *["build"] * ((changes.plans or bool(changes.reads_plan)) and changes.tells_build),
        *["deploy"] * (changes.plans or bool(changes.reads_plan) or changes.tells_deploy),
        *["plan"] * ((changes.plans or bool(changes.reads_plan)) and not changes.keeps_plan),
        *["roll-back"] * changes.tells_roll_back,
        *(promotion.id for promotion in changes.promotions),
        *["ready", "packages"] * bool(changes.dependencies),
    ]
    first, *others = job["steps"]
    assert first["with"]["refs"] == changes.refs
    if changes.plans:
        plan = others.pop(0)
        assert plan.get("if", "") == "steps.commit.outputs.deploy == 'true'" * changes.tells_deploy
        assert (plan["with"]["environment"], plan["with"]["refs"]) == (
            changes.environment,
            changes.refs,
        )
        assert plan["with"]["all"] == (True if changes.everything else "${{ inputs.all || false }}")
        assert plan["with"].get("keep", False) == changes.keeps_plan
    if changes.reads_plan:
        plan = others.pop(0)
        told = {"environment": changes.environment, "component": changes.reads_plan}
        assert plan["with"].items() >= {**told, "refs": changes.refs}.items()
        assert plan["with"]["orchestrator"] == "${{ inputs.orchestrator }}"
    if changes.dependencies:
        found = others.pop(0)["with"]
        told = (changes.environment, changes.refs, changes.dependencies)
        assert (found["environment"], found["refs"], found["dependencies"]) == told
        assert found.get("producers", "") == " ".join(changes.producers)
    for step, promotion in zip(others, changes.promotions, strict=True):
        assert step["id"] == promotion.id
        assert (
            step["with"].items()
            >= {
                "producer": promotion.producer,
                "environments": promotion.environments,
                "refs": changes.refs,
                "packages": promotion.packages,
                "retention-days": promotion.retention_days,
            }.items()
        )


def expression(condition: str) -> str:
    return f"${{{{ {condition} }}}}" if condition else ""


def check_calls(jobs: Any, calls: tuple[Call, ...]) -> None:
    assert list(jobs) == [call.id for call in calls]
    for call in calls:
        job = jobs[call.id]
        assert job.get("needs", []) == list(call.needs)
        assert job.get("if", "") == expression(call.condition)
        assert job["permissions"] == dict(call.permissions)
        assert job["uses"] == f"$/.github/workflows/{call.file}"
        # A long value is folded into lines.
        assert job["with"] == {
            name: " ".join(value) if isinstance(value, tuple) else value
            for name, value in call.inputs.items()
        }
        assert job.get("secrets", {}) == {n: f"${{{{ secrets.{n} }}}}" for n in call.secrets}


def check_component(data: Any, workflow: ComponentWorkflow) -> None:
    assert (data["name"], data["permissions"]) == (workflow.name, {})
    assert data["run-name"] == " ".join(workflow.run_name)
    jobs = dict(data["jobs"])
    assert list(jobs) == list(workflow.jobs)
    if workflow.changes:
        check_changes(jobs.pop("changes"), workflow.changes)
    if workflow.approval:
        approval = jobs.pop("approval")
        assert approval.get("if", "") == expression(workflow.approval.condition)
        assert approval.get("concurrency", {"group": ""})["group"] == workflow.approval.group
    check_calls(jobs, workflow.calls)


def check_build(data: Any, build: BuildWorkflow) -> None:
    assert data["name"] == build.name
    check_interface(data["on"]["workflow_call"], build.inputs, build.secrets)
    assert data.get("permissions") == (None if build.pushing else dict(build.permissions))
    (job,) = data["jobs"].values()
    assert (job["name"], job["timeout-minutes"]) == (build.job_name, build.timeout_minutes)
    check_job(job, build)
    steps = job["steps"]
    steps = check_set_up(steps, build)
    steps = check_taken(steps, build.packages)
    for each in build.commands:
        if each.id == "build":
            steps = check_given(steps, build.login)
        steps = check_command(steps, each)
        step = job["steps"][len(job["steps"]) - len(steps) - 1]
        condition = build.condition(each)
        assert step.get("if", "") == (f"${{{{ {condition} }}}}" if condition else "")
        if each.id == "test" and build.reports:
            shown, *steps = steps
            assert shown["with"] == {"path": build.component.path, "reports": build.reports}
    if build.produces:
        (keep,) = steps
        told = keep["with"]
        assert told["path"] == build.component.path
        assert told["files"].removesuffix("\n").split("\n") == list(build.produces)
        assert told["name"] == f"{build.component.name}-package-${{{{ inputs.environment }}}}"
    else:
        assert steps == []


def check_deploy(data: Any, deploy: DeployWorkflow, made: Plan) -> None:
    assert (data["name"], data["permissions"]) == (deploy.name, {})
    check_interface(data["on"]["workflow_call"], deploy.inputs, deploy.secrets)
    (job,) = data["jobs"].values()
    assert (job["name"], job["timeout-minutes"]) == (deploy.job_name, deploy.timeout_minutes)
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["permissions"] == dict(deploy.permissions)
    assert job["concurrency"] == {
        "group": f"{deploy.component.name}-${{{{ inputs.environment }}}}",
        "cancel-in-progress": False,
        "queue": "max",
    }
    check_job(job, deploy)
    first, *steps = job["steps"]
    assert first["uses"] == "$/.github/actions/may-deploy"
    assert ("approved" in first["with"]) == deploy.asks
    steps = check_set_up(steps, deploy)
    if deploy.own:
        assert steps[0]["with"]["packages"] == deploy.this_run
        steps = check_taken(steps, (deploy.own,))
    steps = check_taken(steps, deploy.packages)
    steps = check_given(steps, deploy.login)
    assert check_command(steps, deploy.command) == []


def check_interface(data: Any, inputs: tuple[Input, ...], secrets: tuple[str, ...]) -> None:
    """The inputs and secrets that a called workflow declares."""
    found = {
        each.name: {
            "type": each.type,
            "description": each.description,
            **({"required": True} if each.default is None else {"default": each.default}),
        }
        for each in inputs
    }
    assert data["inputs"] == found
    assert data.get("secrets", {}) == {name: {"required": False} for name in secrets}


def check_job(job: Any, workflow: BuildWorkflow | DeployWorkflow) -> None:
    path = workflow.component.path
    place = {} if path == "." else {"working-directory": path}
    assert job["runs-on"] == workflow.runner
    assert job["env"] == dict(workflow.variables)
    assert job["defaults"] == {"run": {"shell": "bash", **place}}


def check_set_up(steps: list[Any], workflow: BuildWorkflow | DeployWorkflow) -> list[Any]:
    """Checkout, folders that are left out, tools. Returns the steps after these."""
    checkout, *steps = steps
    given = {"commit": "${{ inputs.commit }}", "path": workflow.component.path}
    assert checkout["uses"] == "$/.github/actions/check-out" and checkout["with"] == given
    if workflow.leaves_out.folders:
        check_leaves_out(steps[0]["run"], workflow.leaves_out.folders)
        steps = steps[1:]
    for tool in workflow.tools:
        if tool.action:
            assert steps[0]["uses"] == f"$/.github/actions/{tool.action}"
            assert steps[0]["with"] == dict(tool.inputs)
            steps = steps[1:]
        else:
            steps = check_given(steps, (tool.text,))
    return steps


def check_given(steps: list[Any], texts: tuple[str, ...]) -> list[Any]:
    given_steps = [step for text in texts for step in yaml.safe_load(f"{text}\n")]
    assert steps[: len(given_steps)] == given_steps
    return steps[len(given_steps) :]


def check_taken(steps: list[Any], packages: tuple[TakenPackage, ...]) -> list[Any]:
    for step, package in zip(steps, packages, strict=False):
        assert step["uses"] == "$/.github/actions/take-package"
        assert step["with"]["producer"] == package.producer
        assert step["with"]["files"].removesuffix("\n").split("\n") == list(package.files)
    return steps[len(packages) :]


def check_command(steps: list[Any], planned: Command) -> list[Any]:
    first, *others = steps
    assert first["name"] == planned.name
    assert first["run"] in (planned.text, f"{planned.text}\n")
    assert first.get("env", {}) == dict(planned.variables)
    return others


def check_leaves_out(run: str, leaves_out: tuple[str, ...]) -> None:
    """The shell reads each folder as one word, and `rm` does not read it as an option."""
    first, *loop = run.splitlines()
    if loop:  # the code type keeps some of these folders
        assert loop[0] == "for folder; do" and '  rm -rf -- "$folder"' in loop
    command, *folders = first.partition(" -- ")[0], *shlex.split(first.partition(" -- ")[2])
    assert command == ("set" if loop else "rm -rf")
    assert folders == [word for folder in leaves_out for word in shlex.split(folder)]
    assert len(folders) == len(leaves_out)
