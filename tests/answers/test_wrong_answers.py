"""Every wrong answer ends with one clear line, and nothing is written.

`wrong_answers.yml` has most rows. Each row is tested where answers are read. The first four of each
class also go through Copier's command, by `--data-file` and by `--data`. The command runs in this
process, because a new one costs a second. The rows of ONE_OF_EACH run in processes of their own.
"""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier._cli import CopierApp
from copies import copier_command, copier_process
from pipeline.answers import read_answers
from pipeline.catalogue import load_catalogue
from pipeline.errors import AnswerError
from pipeline.questions import DEFAULTS, PLAIN, QUESTIONS
from toolbox import ROOT

CATALOGUE = load_catalogue(ROOT)
TEXT_ANSWERS = [question.name for question in QUESTIONS if question.is_text]
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LONGEST_LINE = 400
"""A longer line would fill a terminal and hide its cause."""

COPIERS_LINES = ("", "Copying from template version None")
"""Lines on standard error that Copier itself prints."""


@dataclass(frozen=True)
class Row:
    """Wrong answers, and the line that a copy with them ends with."""

    name: str
    answers: dict[Any, Any]
    says: str
    pure: bool = False
    """Whether Copier itself fails on the answers, so that only reading them can be tested."""

    def check(self, line: str) -> None:
        parts = [re.escape(part) for part in re.split(r" ?\.\.\. ?", self.says)]
        assert re.fullmatch(".*?".join(parts), line), f"expected: {self.says}\ngot:      {line}"
        assert line.isprintable()
        assert len(line) <= LONGEST_LINE

    @property
    def by_data(self) -> list[str]:
        """The answers as `--data` arguments; empty if `--data` cannot express them."""
        arguments = []
        for key, value in self.answers.items():
            if not isinstance(value, str):
                if key in TEXT_ANSWERS:
                    return []
                # In one line, as JSON would be. YAML also has dates and keys that are not text.
                value = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
            if "\0" in value:
                return []
            arguments += ["--data", f"{key}={value}"]
        return arguments


def unfolding(levels: int) -> Any:
    """A list of 10 to the power of `levels` words, which YAML anchors write in a few lines."""
    value: Any = "ha"
    for _ in range(levels):
        value = [value] * 10
    return value


def endless() -> Any:
    """A list that contains itself: `&a [*a]`."""
    value: list[Any] = []
    value.append(value)
    return value


def generated() -> list[Row]:
    """Rows that are too long for a file."""
    long = "x" * 10_000
    generic = {"code_type": "generic"}
    both = {**generic, "lint": "make", "deploy": "make"}
    many = "there are {} components, and call takes at most 50, because ...; "
    ring = {f"n{i}": f"n{(i + 1) % 40}" for i in range(40)}
    rows: list[tuple[str, dict[Any, Any], str]] = [
        *(
            (
                f"too-many/{number}",
                {"code_types": [], "components": {f"c{i}": generic for i in range(number)}},
                f"orchestration: {many.format(number)} ...",
            )
            for number in (51, 300, 10_000)
        ),
        (
            "too-many/251-dispatched",
            {
                "components": {f"c{i}": generic for i in range(249)},
                "orchestration": "dispatch",
            },
            "orchestration: there are 251 components, and dispatch takes at most 250, ...; merge "
            "some, or ...",
        ),
        (
            "too-many/51-with-checkboxes",
            {"components": {f"c{i}": generic for i in range(49)}},
            f"orchestration: {many.format(51)} ...",
        ),
        (
            "too-many/26-that-build-and-deploy",
            {"code_types": [], "components": {f"c{i}": both for i in range(26)}},
            "orchestration: ... would call 52 workflows for 26 components, and GitHub runs at most "
            "50 in one run; choose dispatch, or split the repository's pipelines",
        ),
        (
            "too-many/10000-as-text",
            {
                "components": "{"
                + ", ".join(f"c{i}: {{code_type: python}}" for i in range(10_000))
                + "}"
            },
            f"orchestration: {many.format(10_002)} ...",
        ),
        (
            "cycle/of-forty",
            {"components": dict.fromkeys(ring, generic), "dependency_map": ring},
            "dependency_map: ... circle: n0 -> n1 -> n2 -> ... -> n39 -> n0; drop ... that n0 "
            "depends on n1",
        ),
        (
            "very-long/project-name",
            {"project_name": long},
            "project_name: it has 10000 ... 100 are allowed",
        ),
        (
            "very-long/component",
            {"components": {long: generic}},
            "components: the name 'xxx... has 10000 characters; at most 40 are allowed",
        ),
        (
            "very-long/environment",
            {"environments": [{"name": long, "branch": "main"}]},
            "environments[0]: the name 'xxx... has 10000 characters; at most 40 are allowed",
        ),
        ("very-long/code-type", {"code_types": [long]}, "code_types: 'xxx... is no code type; ..."),
        ("very-long/answer", {long: 1}, "xxx...: there is no such answer; known are: ..."),
        (
            "very-long/key",
            {"components": {"python": {long: 1}}},
            "components.python: unknown key 'xxx...; known are: ...",
        ),
        (
            "very-long/variable",
            {"components": {"python": {"env": {long: []}}}},
            "components.python.env.xxx...: expected text ...",
        ),
        (
            "very-long/map",
            {"dependency_map": {long: []}},
            "dependency_map.xxx... is no component or code type; ...",
        ),
        (
            "very-long/choice",
            {"orchestration": long},
            "orchestration: 'xxx... is not a choice; ...",
        ),
        (
            # Docker refuses a name of more than 255 characters, the first time that it builds.
            "very-long/registry",
            {"registry": f"{long}.azurecr.io", "cloud": "azure"},
            "registry: 'xxx... has 10011 characters; at most 200 are allowed",
        ),
        (
            "very-long/registry-path",
            {"registry": f"ghcr.io/{'a/' * 5000}a"},
            "registry: 'ghcr.io/a/a/... has 10009 characters; at most 200 are allowed",
        ),
        (
            # A slow pattern would try many ways to match these letters.
            "hostile/registry-that-takes-long-to-refuse",
            {"registry": f"acmeshop.azurecr.io/{'a' * 80}-{'a-' * 40}!", "cloud": "azure"},
            "registry: ... is no registry that images can be pushed to; ...",
        ),
        (
            "very-long/ref",
            {"environments": [{"name": "dev", "branch": "x y" * 10_000}]},
            "environments.dev.branch: 'x yx yx... cannot be the name of a branch or tag; ...",
        ),
        (
            "very-long/path",
            {"components": {"python": {"path": long}}},
            "components.python.path: ...",
        ),
        (
            "hostile/brackets-of-a-thousand",
            {"components": "[" * 1000},
            "components: '[[[... is not YAML: ...",
        ),
        (
            "hostile/nested-a-hundred-times",
            {"components": yaml.safe_load("[" * 100 + "]" * 100)},
            "components: expected a mapping, not [[[...",
        ),
        (
            "hostile/anchors",
            {"components": {"python": {"path": unfolding(4)}}},
            "components.python.path: expected text, not [[[...",
        ),
        (
            "hostile/list-that-holds-itself",
            {"components": {"python": {"path": endless()}}},
            "components.python.path: expected text, not [...",
        ),
        (
            "hostile/hexadecimal-number-too-long-to-print",
            {"components": f"{{python: {{timeout_minutes: 0x{'f' * 5000}}}}}"},
            "components.python.timeout_minutes: expected a number from 1 to 360 ...",
        ),
        (
            "hostile/number-too-long-to-read",
            {"components": f"{{python: {{timeout_minutes: {'9' * 5000}}}}}"},
            "components: ... is not YAML: Exceeds the limit ...",
        ),
    ]
    return [Row(name, {"code_types": ["python", "terraform"], **a}, says) for name, a, says in rows]


def read_table() -> list[Row]:
    text = (Path(__file__).parent / "wrong_answers.yml").read_text(encoding="utf-8")
    return [
        Row(
            name=f"{kind}/{name}",
            answers={"code_types": ["python", "terraform"], **row["answers"]},
            says=row["says"],
            pure="pure" in row,
        )
        for kind, rows in yaml.safe_load(text).items()
        for name, row in rows.items()
    ]


WRONG_FOR_ALL = (("sometimes", "'sometimes'"), (1, "1"), (None, "nothing"), ([True], "[True]"))
"""Values that are neither true, false nor a choice, each with its text in the message."""


def plain_answers() -> list[Row]:
    """The same wrong values for each question that takes true or false, or a choice."""
    rows = []
    for question in PLAIN:
        for value, shown in WRONG_FOR_ALL:
            if isinstance(question.default, bool):
                says = f"{question.name}: expected true or false, not {shown}"
            elif question.choices and isinstance(value, str):
                says = f"{question.name}: {shown} is not a choice ..."
            elif question.choices:
                says = f"{question.name}: expected text, not {shown} ..."
            else:
                continue
            answers = {"code_types": ["python", "terraform"], question.name: value}
            rows.append(Row(f"true-or-false/{question.name}-{shown}", answers, says))
    return rows


ROWS = [*read_table(), *generated(), *plain_answers()]


def four_of_each_class(rows: list[Row]) -> list[Row]:
    """The first four rows of each class, for tests that run a whole `copier copy`."""
    by_class: dict[str, list[Row]] = {}
    for row in rows:
        by_class.setdefault(row.name.split("/")[0], []).append(row)
    return [row for some in by_class.values() for row in some[:4]]


def each(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


BY_FILE = four_of_each_class([row for row in ROWS if not row.pure])
BY_DATA = four_of_each_class([row for row in ROWS if not row.pure and row.by_data])
ONE_OF_EACH = [
    "cycle/three-in-the-long-form",
    "collision/a-b-to-c-and-a-to-b-c",
    "unknown-code-type/checkbox",
    "unknown-key/answer",
    "absolute-path/home",
    "placements-in-one-spot/by-case",
    "environment-after/four-links",
    "broken-yaml/tab",
]

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """Copier's command in this process: exit code, standard output, standard error."""

    def run(*arguments: str, asks: bool = False) -> tuple[int, str, str]:
        capfd.readouterr()
        places = str(template), str(tmp_path / "new")
        options = ["--trust"] if asks else ["--trust", "--defaults"]
        command = ["copier", "copy", *options, *arguments, *places]
        _, code = CopierApp.run(command, exit=False)
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def check_refused(row: Row, destination: Path, code: int, out: str, err: str) -> None:
    """The command ended with exit code 1 and one line, and wrote nothing."""
    lines = [line for line in ANSI.sub("", err).splitlines() if line not in COPIERS_LINES]
    assert "Traceback" not in out + err
    assert len(lines) == 1, err[-2000:]
    row.check(lines[0])
    assert code == 1
    assert not destination.exists()


def data_file(folder: Path, answers: dict[Any, Any]) -> str:
    file = folder / "answers.yml"
    file.write_text(yaml.safe_dump(answers, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return str(file)


def test_every_class_has_at_least_four_rows() -> None:
    kinds = [row.name.split("/")[0] for row in ROWS]
    assert {kind: kinds.count(kind) for kind in kinds if kinds.count(kind) < 4} == {}


@each(ROWS)
def test_reading_refuses(row: Row) -> None:
    with pytest.raises(AnswerError) as caught:
        read_answers(row.answers, CATALOGUE)
    row.check(str(caught.value))


@each(BY_FILE)
def test_a_copy_refuses_by_data_file(row: Row, command: Command, tmp_path: Path) -> None:
    result = command("--data-file", data_file(tmp_path, row.answers))
    check_refused(row, tmp_path / "new", *result)


@each(BY_DATA)
def test_a_copy_refuses_by_data(row: Row, command: Command, tmp_path: Path) -> None:
    check_refused(row, tmp_path / "new", *command(*row.by_data))


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("way", ["data", "data-file"])
def test_a_copy_in_a_process_of_its_own_refuses(
    name: str, way: str, template: Path, tmp_path: Path
) -> None:
    row = next(row for row in ROWS if row.name == name)
    file = data_file(tmp_path, row.answers)
    arguments = row.by_data if way == "data" else ["--data-file", file]
    command = copier_process if name == ONE_OF_EACH[0] else copier_command
    done = command(template, tmp_path / "new", *arguments)
    check_refused(row, tmp_path / "new", done.returncode, done.stdout, done.stderr)


def test_data_that_contradicts_a_data_file_is_refused(command: Command, tmp_path: Path) -> None:
    """Each is valid alone."""
    row = Row("", {}, "dependency_map.terraform: 'api' is no component or code type; ...")
    file = data_file(
        tmp_path, {"code_types": ["terraform"], "dependency_map": {"terraform": "api"}}
    )
    result = command("--data-file", file, "--data", "components={}")
    check_refused(row, tmp_path / "new", *result)


@pytest.mark.parametrize("folder", ["${{ x }}", "a\tb", "x" * 101])
def test_a_folder_whose_name_is_no_project_name(
    folder: str, template: Path, tmp_path: Path
) -> None:
    """The default of `project_name` is the folder's name: refused in one line, or corrected."""
    done = copier_command(template, tmp_path / folder, "--data", "code_types=[python]")
    assert "Traceback" not in done.stderr
    if done.returncode:
        Row("", {}, "project_name: ...").check(done.stderr.strip())
        assert not (tmp_path / folder).exists()


@pytest.mark.parametrize("asks", [False, True], ids=["defaults", "prompts"])
@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (
            "code_types: [python]\ndependency_map: {python: gone}\n",
            "dependency_map.python: 'gone' is no component or code type; ...",
        ),
        ("code_types: 5\n", "code_types: expected a list, not 5; it is recorded in ..."),
        ("components: [api]\n", "components: expected a mapping, not ['api']; it is ..."),
        (
            "code_types: [python]\nenvironments: [prod]\nbranching: custom\n",
            "environments[0]: expected a mapping, not 'prod'; it is recorded in ...",
        ),
    ],
)
def test_recorded_answers_that_are_wrong_are_refused(
    stored: str, says: str, asks: bool, command: Command, tmp_path: Path
) -> None:
    """Copier alone would drop them silently, and render the defaults."""
    new = tmp_path / "new"
    new.mkdir()
    (new / ".copier-answers.yml").write_text(stored, encoding="utf-8")
    code, out, err = command("--overwrite", asks=asks)
    Row("", {}, says).check(ANSI.sub("", err).strip())
    assert (code, out) == (1, "")
    assert [file.name for file in new.iterdir()] == [".copier-answers.yml"]
    assert (new / ".copier-answers.yml").read_text(encoding="utf-8") == stored


def test_data_replaces_a_recorded_answer_of_a_wrong_type(command: Command, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    stored = "code_types: [python]\ncomponents: [python]\n"
    (new / ".copier-answers.yml").write_text(stored, encoding="utf-8")
    code, _, err = command("--overwrite", "--data", "components={}")
    assert (code, "Traceback" in err) == (0, False)


def test_a_message_does_not_expand_yaml_anchors() -> None:
    """Nine lines of anchors stand for a billion words. The message repeats 60 characters."""
    answers = {"code_types": ["python"], "components": {"python": {"path": unfolding(9)}}}
    tracemalloc.start()
    with pytest.raises(AnswerError, match="expected text"):
        read_answers(answers, CATALOGUE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


def test_every_answer_has_a_wrong_row() -> None:
    wrong = {row.says.split(":")[0].split(".")[0].split("[")[0] for row in ROWS}
    for name in DEFAULTS:
        if name not in wrong:
            pytest.fail(f"tests/answers/wrong_answers.yml has no wrong {name}", pytrace=False)


def test_a_plan_that_github_cannot_run_writes_nothing(template: Path, tmp_path: Path) -> None:
    """The plan notices it, and still before the first file is written."""
    made = {"code_type": "generic", "build": "make", "produces": ["x"]}
    answers = {
        "components": {"all": {**made, "path": "all"}} | {f"c{i}": made for i in range(50)},
        "dependency_map": {"all": [f"c{i}" for i in range(50)]},
        "orchestration": "dispatch",
    }
    file = data_file(tmp_path, answers)
    done = copier_command(template, tmp_path / "new", "--data-file", file)
    row = Row(
        "",
        {},
        "pull_requests: all takes packages of 50 components, and GitHub runs at most 50 builds "
        "together; take fewer (`artifacts: []`), or set this to false",
    )
    check_refused(row, tmp_path / "new", done.returncode, done.stdout, done.stderr)
