"""A copy at a terminal: Enter takes each default, and a wrong answer is asked again.

Sessions end with the same files that the same answers make without a terminal.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import copy, tree
from pipeline.questions import PLAIN
from pipeline.recorded import edited
from toolbox import ROOT
from updates import generate, template_versions

if sys.platform == "win32":
    pytest.skip("pexpect needs the terminals of Unix", allow_module_level=True)

import pexpect
from terminal import Terminal

ENTER = "\r"
DOWN = "\x1b[B"
CLEAR = "\x7f" * 60
"""Enough backspaces to clear the default of a prompt with one line."""

NO_MORE = CLEAR * 10
"""Enough backspaces to clear a default with several lines."""

QUESTIONS = {
    "project_name": "What is this repository called",
    "parts": "(space selects, Enter goes on)",
    "images": "Which of these images does a component build?",
    "adjust": "Are their names, settings and dependencies right?",
    "new_names": "Which names? (old=new",
    "components": "Components with their settings, as YAML",
    "dependency_map": "Which component waits for which",
    "orchestration": "How do orchestrators run",
    "branching": "What starts a deployment",
    "as_listed": "Is that right?",
    "environments": "Which environments",
    "cloud": "Which cloud",
    "registry": "Which registry are images pushed to",
    "runner": "Which runner",
    **{question.name: question.prompt[:40] for question in PLAIN if question.prompt},
}

LAST = [question.name for question in PLAIN if question.prompt]
"""The questions of `PLAIN`, which come last."""

LATER = list(QUESTIONS)[list(QUESTIONS).index("orchestration") :]
"""The questions after those about components."""

CODE_TYPES = sorted(file.stem for file in (ROOT / "code_types").glob("*.yml"))
AFTER_PYTHON = CODE_TYPES.index("terraform") - CODE_TYPES.index("python")
CHECK = {
    "docker": DOWN * CODE_TYPES.index("docker") + " ",
    "python": DOWN * CODE_TYPES.index("python") + " ",
    "terraform": DOWN * AFTER_PYTHON + " ",
}
"""Keys that check or uncheck a box. The keys of terraform start at python's box."""


class Session:
    """`copier copy` in a terminal."""

    def __init__(self, template: Path, destination: Path, *arguments: str) -> None:
        command = ("copy", "--trust", *arguments, template, destination)
        self.process = Terminal("copier", *command)

    @classmethod
    def update(cls, repository: Path) -> Session:
        """`copier update` in a terminal."""
        session = cls.__new__(cls)
        session.process = Terminal("copier", "update", "--trust", repository)
        return session

    def asks(self, question: str) -> None:
        """Wait for a question; the next keys answer it."""
        self.process.expect_exact(QUESTIONS[question])

    def types(self, keys: str) -> None:
        self.process.send(keys + ENTER)

    def answers(self, question: str, keys: str = "") -> None:
        self.asks(question)
        self.types(keys)

    def decides(self, question: str, key: str) -> None:
        """Answer with one key. An additional Enter would answer the next question."""
        self.asks(question)
        self.process.send(key)

    def writes(self, question: str, text: str) -> None:
        """Paste a text of several lines in place of the default."""
        self.asks(question)
        self.pastes(text)

    def pastes(self, text: str) -> None:
        self.process.send(f"{NO_MORE}\x1b[200~{text}\x1b[201~\x1b\r")

    def complains(self, *texts: str) -> None:
        """Expect these texts about the last input. Ctrl-L redraws the terminal first: otherwise it
        sends only the characters that differ from an earlier message."""
        self.process.send("\x0c")
        for text in texts:
            self.says(text)

    def says(self, text: str) -> None:
        self.process.expect_exact(text)

    def ends_after(self, *questions: str) -> tuple[int | None, str]:
        """Press Enter at each of these questions that is still asked, until the command ends."""
        patterns = [*map(QUESTIONS.get, questions), pexpect.EOF]
        said = ""
        while (found := self.process.expect_exact(patterns)) < len(questions):
            said += self.process.before
            self.types("")
            # An answered prompt is drawn again, so each question is expected only once.
            patterns[found] = "\0never"
        self.process.close()
        return self.process.exitstatus, said + self.process.before

    def ends(self) -> tuple[int | None, str]:
        """The exit code, and the last output."""
        self.process.expect(pexpect.EOF)
        self.process.close()
        return self.process.exitstatus, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.process.before)


def check_same(session: Session, destination: Path, template: Path, answers: Any) -> None:
    code, last = session.ends()
    assert code == 0, last
    without_terminal = copy(template, destination.parent / "other" / destination.name, answers)
    assert tree(destination) == tree(without_terminal)


def test_checkboxes_and_enter_are_enough(template: Path, tmp_path: Path) -> None:
    session = Session(template, tmp_path / "demo")
    session.answers("project_name")
    session.answers("parts", CHECK["python"] + CHECK["terraform"])
    for question in ("adjust", "orchestration", "branching", "cloud"):
        session.answers(question)
    # No image is pushed, so the registry is not asked for: the next question is the runner.
    session.answers("runner")
    for question in LAST:
        session.answers(question)

    session.says("terraform (after python)")
    answers = {"project_name": "demo", "code_types": ["python", "terraform"]}
    check_same(session, tmp_path / "demo", template, answers)


def test_a_folder_of_own_code_types_is_proposed(template: Path, tmp_path: Path) -> None:
    """A wrong folder is asked for again, with the reason. Its code types are among the choices."""
    swift = "label: Aqua\ndescription: Tests\njobs: {test: {command: swift test}}\n"
    folders = [tmp_path / "demo", tmp_path / "other" / "demo"]
    for folder in folders:
        (folder / ".github/code-types").mkdir(parents=True)
        (folder / ".github/code-types/aqua.yml").write_text(swift, encoding="utf-8")
    session = Session(template, folders[0])
    session.answers("project_name")
    session.says("Which folder contains your own code types?")  # only asked if the folder exists
    session.says(".github/code-types")
    session.types("-other")
    session.says("is no folder of this repository")
    session.types("\x7f" * len("-other"))
    session.answers("parts", " ")  # the first choice
    code, said = session.ends_after("adjust", *LATER)
    assert code == 0, said
    copy(template, folders[1], {"project_name": "demo", "code_types": ["aqua"]})
    assert tree(folders[0]) == tree(folders[1])


FOUND = {
    "api/requirements.txt": "",
    "infra/main.tf": "",
    "web/requirements.txt": "",
    "web/Dockerfile": "FROM python:3.13\n",
}


def repository(folder: Path, files: dict[str, str] = FOUND) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_found_components_are_shown_and_enter_takes_them(template: Path, tmp_path: Path) -> None:
    session = Session(template, repository(tmp_path / "demo"))
    session.answers("project_name")
    session.says("Found in this repository: which components do you want?")
    for line in (
        "● api        Python     api    requirements.txt",
        "● docker     Docker     web    Dockerfile        after web",
        "● terraform  Terraform  infra  main.tf",
        "● web        Python     web    requirements.txt",
        "○ Go (one more, in the root)",
    ):
        session.says(line)
    session.types("")
    session.answers("adjust")
    for question in LATER:
        if question not in ("as_listed", "environments"):
            session.answers(question)
    session.says("1. api, terraform, web")
    session.says("2. docker (after web)")
    code, last = session.ends()
    assert code == 0, last
    without_terminal = copy(template, repository(tmp_path / "other" / "demo"), {})
    assert tree(tmp_path / "demo") == tree(without_terminal)


PYTHON = {"code_type": "python", "produces": []}


def check_made(session: Session, template: Path, made: Path, answers: dict[str, Any]) -> None:
    """The session ends with the files that these answers make without prompts."""
    code, last = session.ends_after(*LATER)
    assert code == 0, last
    answers = {"project_name": "demo", **answers}
    other = copy(template, repository(made.parent / "other" / "demo"), answers)
    assert tree(other) == tree(made)


def test_the_component_of_an_unknown_image_is_asked_for(template: Path, tmp_path: Path) -> None:
    """Without an answer, a line names the image, and the guard stays."""
    manifest = "kind: Deployment\nspec: {}\n---\n    image: acme/storefront:1\n    image: redis:8\n"
    files = {"web/Dockerfile": "", "api/Dockerfile": "", "k8s/a.yaml": manifest}
    for answer, env in (("web=acme/storefront", {"WEB_IMAGE": "acme/storefront"}), ("", None)):
        folder = tmp_path / (answer and "said") / "demo"
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        session = Session(template, folder)
        session.answers("project_name")
        session.answers("parts")
        session.says("acme/storefront (k8s/a.yaml)")
        if answer:
            session.types("shop=acme/storefront")
            session.complains("'shop' is no component that builds an image")
            session.types(CLEAR + "web=redis")
            session.complains("'redis' is not one of these images")
            session.types(CLEAR + answer)
        else:
            session.types("")
        session.answers("adjust")
        for question in LATER:
            if question not in ("as_listed", "environments"):
                session.answers(question)
        code, last = session.ends()
        assert code == 0, last
        recorded = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
        assert recorded["components"]["kubernetes"].get("env") == env
        assert "artifacts" not in str(recorded["dependency_map"])
        assert bool(recorded.get("unmatched")) == (not answer)


def test_found_components_are_removed_and_renamed(template: Path, tmp_path: Path) -> None:
    """This needs no YAML. A wrong new name, or an unknown old one, is asked for again."""
    session = Session(template, repository(tmp_path / "demo"))
    session.answers("project_name")
    session.says("Found in this repository")
    session.types(" " + DOWN * 5 + " ")  # removes api, adds the second of the other code types
    session.answers("adjust", DOWN)
    session.answers("new_names", "wbe=shop, docker=image")
    session.complains("'wbe' is no component; did you mean 'web'?")
    session.types(CLEAR + "web=docker")
    session.complains("two components would be called 'docker'; choose another name")
    session.types(CLEAR + "web=a b")
    session.complains("'b' is no component")
    session.types(CLEAR + "web=4, docker=image")
    session.complains("'4'")
    session.types(CLEAR + "web=shop, docker = image")
    more = sorted({*CODE_TYPES} - {"docker", "terraform"})[1]
    answers = {
        "code_types": [more, "terraform"],
        "components": {
            "image": {"code_type": "docker", "path": "web"},
            "shop": {**PYTHON, "path": "web"},
            "terraform": {"path": "infra"},
        },
        "dependency_map": {"image": ["shop"], "terraform": []},
        "found": {
            "image": "web/Dockerfile",
            "image needs shop": "web/Dockerfile lies beside requirements.txt",
            "shop": "web/requirements.txt",
            "terraform": "infra/main.tf",
        },
    }
    check_made(session, template, tmp_path / "demo", answers)


def test_an_update_removes_and_renames_components(template: Path, tmp_path: Path) -> None:
    """The same choices are offered for recorded components; the other answers stay the same."""
    versions = template_versions(tmp_path / "versions")
    answers = {
        "project_name": "demo",
        "code_types": ["docker", "python", "terraform"],
        "components": {
            "api": {"code_type": "python", "path": "api", "lint": "make $DOCKER_PACKAGE"},
            "terraform": {"path": "infra"},
        },
        "dependency_map": [
            {"code_type": "api", "depends_on": "docker"},
            {"code_type": "terraform", "depends_on": ["python", "docker"]},
        ],
        "environments": [{"name": "dev", "branch": "main"}, {"name": "prd", "after": "dev"}],
    }
    made = generate(versions, tmp_path / "demo", answers)
    session = Session.update(made)
    session.answers("project_name")
    session.says("Which components do you keep?")
    session.says("● api        Python     api")
    session.says("● python     Python     .")
    session.types(DOWN * 2 + " ")
    session.answers("adjust", DOWN)
    session.answers("new_names", "docker=image")
    session.answers("orchestration")
    session.answers("branching")
    session.says("Environments: dev (branch main), prd (after dev). Is that right?")
    session.types("")
    code, last = session.ends_after(*LATER)
    assert code == 0, last
    recorded = yaml.safe_load((made / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert {name: recorded[name] for name in list(answers)[1:]} == {
        "code_types": ["terraform"],
        "components": {
            "api": {"code_type": "python", "path": "api", "lint": "make $IMAGE_PACKAGE"},
            "image": {"code_type": "docker"},
            "terraform": {"path": "infra"},
        },
        "dependency_map": [
            {"code_type": "api", "depends_on": ["image"]},
            {"code_type": "terraform", "depends_on": ["image"]},
        ],
        "environments": answers["environments"],
    }
    assert (made / ".github/workflows/image-build.yml").is_file()
    assert not list(made.glob(".github/workflows/python-*"))
    assert not edited((made / ".copier-answers.yml").read_text(encoding="utf-8"), recorded)


def test_components_are_edited_as_yaml(template: Path, tmp_path: Path) -> None:
    """The text lists every component, so deleting one there removes it."""
    session = Session(template, repository(tmp_path / "demo"))
    session.answers("project_name")
    session.says("Found in this repository")
    session.types("")
    session.answers("adjust", DOWN * 2)
    session.asks("components")
    for line in ("api:", "  code_type: python", "docker:", "  path: web"):
        session.says(line)
    session.pastes("api: {code_type: python\n  path: api}")
    says = "components: '  path: api}' is not YAML: expected ',' or '}', but got ':' in line 2"
    session.complains(says)
    session.pastes("api: {code_type: pythn}")
    session.complains("components.api.code_type: 'pythn' is no code type; did you mean 'python'?")
    components = {"api": {"code_type": "python", "path": "api"}, "terraform": {"path": "infra"}}
    session.pastes(yaml.safe_dump(components))
    session.writes("dependency_map", "terraform:\n  - api")
    answers = {
        "code_types": [],
        "components": components,
        "dependency_map": {"terraform": ["api"]},
        "found": {"api": "api/requirements.txt", "terraform": "infra/main.tf"},
    }
    check_made(session, template, tmp_path / "demo", answers)


@pytest.mark.parametrize("branching", ["found", "trunk"])
def test_found_environments_are_proposed(branching: str, template: Path, tmp_path: Path) -> None:
    """Enter takes them; another choice of branching drops them."""
    files = dict.fromkeys(("infra/main.tf", "infra/dev.tfvars", "infra/live.tfvars"), "x = 1\n")
    made = repository(tmp_path / "demo", files)
    session = Session(template, made)
    for question in ("project_name", "parts", "adjust", "orchestration"):
        session.answers(question)
    session.answers("branching", "" if branching == "found" else "\x1b[A" * 2)
    if branching == "found":
        session.says("dev (branch main), live (after dev)")
        session.answers("as_listed")
    code, last = session.ends_after(*LATER)
    assert code == 0, last
    recorded = yaml.safe_load((made / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert recorded["branching"] == ("custom" if branching == "found" else branching)
    other = repository(tmp_path / "other" / "demo", files)
    copy(template, other, {} if branching == "found" else {"branching": branching})
    trees = [
        {path: text for path, text in tree(folder).items() if path.startswith(".github/")}
        for folder in (made, other)
    ]
    assert trees[0] == trees[1]


def test_wrong_answers_are_asked_again_with_the_reason(template: Path, tmp_path: Path) -> None:
    session = Session(template, tmp_path / "demo")

    session.answers("project_name", f"{CLEAR}${{{{ x }}}}")
    session.says("project_name: '${{ x }}' is no name; use one line")
    session.types(f"{CLEAR}shop")

    session.answers("parts", CHECK["python"] + CHECK["terraform"])
    session.answers("adjust", DOWN * 2)

    session.writes("components", "python: {}\nterraform: {}\nworker: {code_type: pythn}")
    session.says("components.worker.code_type: 'pythn' is no code type; did you mean 'python'?")
    session.pastes("python: {}\nterraform: {}\nworker: {code_type: python}")

    session.writes("dependency_map", "{python: worker, worker: python}")
    session.says("circle: python -> worker -> python; drop one of them")
    session.pastes("{worker: python}")

    session.answers("orchestration")
    session.answers("branching", DOWN * 3)

    session.writes("environments", "[{name: dev, after: prd}, {name: prd, after: dev}]")
    session.says("the environments run in a circle: dev -> prd -> dev")
    session.pastes("- {name: dev, branch: main}\n- {name: prd, after: dev, production: true}")

    session.answers("cloud")

    session.answers("runner", CLEAR + "{label: big}")
    session.says("runner: unknown key 'label'; did you mean 'labels'?")
    session.types(CLEAR + "{labels: big}")

    session.answers("approval", DOWN * 2)
    session.decides("pull_requests", "n")
    session.decides("drift_check", "y")
    for question in LAST[LAST.index("drift_check") + 1 :]:
        session.answers(question)
    answers = {
        "project_name": "shop",
        "code_types": [],
        "components": {"python": {}, "terraform": {}, "worker": {"code_type": "python"}},
        "dependency_map": {"worker": "python"},
        "branching": "custom",
        "environments": [
            {"name": "dev", "branch": "main"},
            {"name": "prd", "after": "dev", "production": True},
        ],
        "runner": {"labels": "big"},
        "approval": "none",
        "pull_requests": False,
        "drift_check": True,
    }
    check_same(session, tmp_path / "demo", template, answers)


def test_a_copy_without_components_is_asked_again(template: Path, tmp_path: Path) -> None:
    """The question that can add a component says why."""
    session = Session(template, tmp_path / "demo", "--data", "project_name=demo")
    session.answers("parts")
    session.writes("components", "")
    session.process.expect("nothing is selected|expected a mapping|choose at least one")
    session.pastes("{api: {code_type: generic}}")
    session.asks("dependency_map")
    session.process.send("\x1b\r")
    for question in ("orchestration", "branching", "cloud"):
        session.answers(question)
    session.answers("runner", CLEAR + "big-runner")
    for question in LAST:
        session.answers(question)
    answers = {
        "project_name": "demo",
        "components": {"api": {"code_type": "generic"}},
        "runner": "big-runner",
    }
    check_same(session, tmp_path / "demo", template, answers)


def test_a_registry_is_asked_for_if_images_are_pushed(template: Path, tmp_path: Path) -> None:
    """A component from the YAML pushes one. A registry of another cloud is asked for again."""
    session = Session(template, tmp_path / "demo", "--data", "project_name=demo")
    session.answers("parts", CHECK["docker"])
    session.answers("adjust", DOWN * 2)
    session.writes("components", "api: {code_type: docker, build: ''}\ndocker: {path: a}")
    session.writes("dependency_map", "[]")
    for question in ("orchestration", "branching"):
        session.answers(question)
    session.answers("cloud", DOWN)  # aws
    session.answers("registry", CLEAR + "acmeshop.azurecr.io")
    session.says("registry: 'acmeshop.azurecr.io' is a registry of Azure, and cloud is aws; choose")
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop"
    session.types(CLEAR + registry)
    for question in ("runner", *LAST):
        session.answers(question)
    session.says("trust in AWS")
    answers = {
        "project_name": "demo",
        "components": {"api": {"code_type": "docker", "build": ""}, "docker": {"path": "a"}},
        "cloud": "aws",
        "registry": registry,
    }
    check_same(session, tmp_path / "demo", template, answers)


def test_impossible_choices_are_greyed_out_with_the_reason(template: Path, tmp_path: Path) -> None:
    components = {name: {"code_type": "generic", "deploy": "make"} for name in "abcd"}
    given = f"components={json.dumps(components)}"
    session = Session(template, tmp_path / "demo", "--data", "project_name=demo", "--data", given)
    session.answers("parts")
    session.asks("adjust")
    session.says("other names (their settings were given)")
    session.types(DOWN)
    session.writes("dependency_map", "{b: a, c: b, d: c}")
    session.answers("orchestration", DOWN + DOWN)  # observe
    session.asks("branching")
    session.says("Orchestrator Test -> A Prd -> B Prd -> C Prd -> D Prd are 4 links")
    session.says("Orchestrator Dev -> Orchestrator Test -> A Prd -> B Prd -> C Prd -> D Prd are 5")
    session.types(DOWN)  # custom: only it and release can be chosen
    session.writes("environments", "[{name: dev, tag: v*}, {name: prd, after: dev}]")
    session.says("Orchestrator Dev -> A Prd -> B Prd -> C Prd -> D Prd are 4 links")
    session.pastes("[{name: dev, tag: v*}]")
    for question in ("cloud", "runner", *LAST):
        session.answers(question)
    answers = {
        "project_name": "demo",
        "components": components,
        "dependency_map": {"b": "a", "c": "b", "d": "c"},
        "orchestration": "observe",
        "branching": "custom",
        "environments": [{"name": "dev", "tag": "v*"}],
    }
    check_same(session, tmp_path / "demo", template, answers)


def test_branching_without_a_tag_is_greyed_out_for_a_published_package(
    template: Path, tmp_path: Path
) -> None:
    session = Session(template, tmp_path / "demo", "--data", "project_name=demo")
    session.answers("parts", CHECK["python"])
    session.answers("adjust", DOWN * 2)
    session.writes("components", "{python: {publish: true}}")
    session.writes("dependency_map", "[]")
    session.answers("orchestration")
    session.asks("branching")
    session.says("components.python.publish: no environment starts from a tag, so nothing would")
    session.types("")  # release, the first that can be chosen
    for question in ("cloud", "runner", *LAST):
        session.answers(question)
    session.says("at the package index a trusted publisher for python")
    answers = {
        "project_name": "demo",
        "components": {"python": {"publish": True}},
        "branching": "release",
    }
    check_same(session, tmp_path / "demo", template, answers)


def test_call_is_greyed_out_for_51_components(template: Path, tmp_path: Path) -> None:
    components = {f"c{i}": {"code_type": "generic", "lint": "make"} for i in range(51)}
    given = f"components={json.dumps(components)}"
    session = Session(template, tmp_path / "demo", "--data", "project_name=demo", "--data", given)
    session.answers("parts")
    session.answers("adjust")
    session.asks("orchestration")
    session.says(
        "there are 51 components, and call takes at most 50, because GitHub calls no more in one"
    )
    late = ("runner", *LAST)
    for question in ("branching", "cloud", *late):
        session.types("")
        session.asks(question)
    session.types("")
    answers = {"project_name": "demo", "components": components, "orchestration": "dispatch"}
    check_same(session, tmp_path / "demo", template, answers)


def test_wrong_data_is_refused_before_the_first_question(template: Path, tmp_path: Path) -> None:
    session = Session(template, tmp_path / "demo", "--data", "branching=trunck")
    code, said = session.ends()
    assert said.strip() == "branching: 'trunck' is not a choice; did you mean 'trunk'?"
    assert code == 1
    assert not (tmp_path / "demo").exists()


def test_data_that_fits_no_later_answer_ends_with_one_line(template: Path, tmp_path: Path) -> None:
    """The data is valid alone. Only a later answer shows that it is wrong, without a traceback."""
    session = Session(template, tmp_path / "demo", "--data", "dependency_map={python: api}")
    session.answers("project_name")
    session.answers("parts", CHECK["python"])
    code, said = session.ends_after("adjust", *LATER)
    assert "Traceback" not in said
    assert "dependency_map.python: 'api' is no component or code type" in said
    assert code == 1
    assert not (tmp_path / "demo").exists()


def test_control_c_leaves_nothing(template: Path, tmp_path: Path) -> None:
    session = Session(template, tmp_path / "demo")
    session.answers("project_name")
    session.asks("parts")
    session.process.sendintr()
    code, said = session.ends()
    assert "Traceback" not in said
    assert code == 1
    assert not (tmp_path / "demo").exists()
