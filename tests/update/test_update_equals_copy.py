"""After any sequence of updates, a repository equals a copy with the last answers.

The changes are random, and the same in each run. RANDOM_EXAMPLES=1 draws others, and the name of
the test shows their seed. With it, RANDOM_SEED=n draws the sequence of that seed first.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import copier
import pytest
from copies import tree
from pipeline.answers import ORCHESTRATIONS, read_answers
from pipeline.catalogue import load_catalogue
from pipeline.components import pushes
from pipeline.errors import AnswerError
from pipeline.plan import make_plan
from pipeline.questions import BY_NAME
from pipeline.settings import CLOUDS
from seeds import fresh_seeds
from toolbox import ROOT
from updates import CURRENT, clone_once, commit, generate, template_versions, update

CATALOGUE = load_catalogue(ROOT)
TYPES = [
    *("cdk", "docker", "dotnet", "generic", "go", "helm", "java", "kubernetes", "node", "opentofu"),
    *("python", "terraform"),
]
"""Some code types. With all, each new one would change every sequence."""
NAMES = ["api", "web", "Site", "a-b", "b-c", "worker", "on", "python2"]
ANSWERS_ONLY = ["*", "!.copier-answers.yml"]

Answers = dict[str, Any]
"""All answers that were given so far."""


def names_of(said: Answers) -> list[str]:
    return sorted({*said["code_types"], *said["components"]})


# -- changes: each changes the answers in place -------------------------------------------------


def add_component(said: Answers, source: random.Random) -> None:
    settings = {"code_type": source.choice(TYPES), "path": source.choice([".", "src", "a b/c"])}
    said["components"][source.choice(NAMES)] = settings


def remove_component(said: Answers, source: random.Random) -> None:
    name = source.choice(sorted(said["components"]))
    del said["components"][name]
    forget(said, name)


def rename_component(said: Answers, source: random.Random) -> None:
    old = source.choice([name for name in said["components"] if name not in TYPES])
    new = source.choice([name for name in NAMES if name not in said["components"]])
    components = said["components"].items()
    said["components"] = {new if name == old else name: value for name, value in components}
    said["dependency_map"] = [
        {
            **entry,
            "code_type": new if entry["code_type"] == old else entry["code_type"],
            "depends_on": [new if n == old else n for n in entry["depends_on"]],
        }
        for entry in said["dependency_map"]
    ]


def settings(said: Answers, source: random.Random) -> None:
    component = said["components"].setdefault(source.choice(names_of(said)), {})
    component.update(
        env=dict.fromkeys(source.sample(["Z", "A", "m", "B_1"], 3), "on"),
        lint=source.choice(["", "make lint", "a: b # c\n  second"]),
        timeout_minutes=source.randrange(1, 90),
    )


def products(said: Answers, source: random.Random) -> None:
    component = said["components"].setdefault(source.choice(names_of(said)), {})
    component.update(build="make", produces=source.sample(["x.zip", "dist", "a b.txt"], 2))


def add_code_type(said: Answers, source: random.Random) -> None:
    said["code_types"].append(source.choice([t for t in TYPES if t not in said["code_types"]]))


def remove_code_type(said: Answers, source: random.Random) -> None:
    name = source.choice(said["code_types"])
    said["code_types"].remove(name)
    said["components"].pop(name, None)  # with the key, the component would remain
    if source.random() < 0.5:  # a map may name a code type that is not selected
        forget(said, name)


def forget(said: Answers, name: str) -> None:
    said["dependency_map"] = [
        {**entry, "depends_on": [other for other in entry["depends_on"] if other != name]}
        for entry in said["dependency_map"]
        if entry["code_type"] != name
    ]


def edges(said: Answers, source: random.Random) -> None:
    names = names_of(said)
    source.shuffle(names)
    said["dependency_map"] = [
        {"code_type": name, "depends_on": source.sample(names[:index], min(index, 2))}
        for index, name in enumerate(names)
        if source.random() < 0.7
    ]


def artifacts(said: Answers, source: random.Random) -> None:
    entry = source.choice([e for e in said["dependency_map"] if e["depends_on"]])
    product = {"name": source.choice(["x.zip", "dist", "a b.txt"]), "to": "here/it.is"}
    entry["artifacts"] = source.choice([[], [product], [product["name"]]])


def environments(said: Answers, source: random.Random) -> None:
    """A list means `custom`, so `branching` is not given with it."""
    said.pop("branching", None)
    said["environments"] = [
        {"name": "dev", "branch": "main", "env": {"Z": "1", "A": "no"}},
        {"name": source.choice(["live", "prd"]), "after": "dev", "production": True},
        {"name": "x-dev", "tag": "v*", "retention_days": source.randrange(1, 90)},
    ][: source.randrange(1, 4)]


def branching(said: Answers, source: random.Random) -> None:
    """Another branching replaces a list."""
    said.pop("environments", None)
    said["branching"] = source.choice(["develop-main", "trunk"])


def orchestration(said: Answers, source: random.Random) -> None:
    said["orchestration"] = source.choice(ORCHESTRATIONS)


def cloud(said: Answers, source: random.Random) -> None:
    said["cloud"] = source.choice(CLOUDS)
    if "registry" in said and source.random() < 0.5:  # a registry that is used has to fit the cloud
        said["registry"] = "ghcr.io"


def registry(said: Answers, source: random.Random) -> None:
    said["registry"] = source.choice(["ghcr.io", "acmeshop.azurecr.io"])
    if said["registry"] != "ghcr.io":
        said["cloud"] = "azure"


def images(said: Answers, source: random.Random) -> None:
    """All images are removed, or a first one is added."""
    of_docker = {n for n, c in said["components"].items() if c.get("code_type", n) == "docker"}
    names = of_docker | {"docker"} & {*said["code_types"]}
    if not names:
        said["code_types"].append("docker")
        if "registry" in said:  # an unused registry may not fit the cloud
            said["registry"] = "ghcr.io"
    for name in sorted(names):
        said["components"].pop(name, None)
        said["code_types"] = [other for other in said["code_types"] if other != name]
        forget(said, name)


def switches(said: Answers, source: random.Random) -> None:
    name = source.choice(["pull_requests", "drift_check", "approval"])
    if name == "approval":
        said[name] = source.choice([*BY_NAME["approval"].choices])
    else:
        said[name] = not said.get(name, name == "pull_requests")


def where(said: Answers, source: random.Random) -> None:
    """A component belongs to some environments, and may be built for each."""
    component = said["components"].setdefault(source.choice(names_of(said)), {})
    known = [e["name"] for e in said.get("environments", [{"name": "dev"}, {"name": "prd"}])]
    component["environments"] = source.sample(known, source.randrange(len(known)))
    component["build_per_environment"] = source.choice([True, False])


def runner(said: Answers, source: random.Random) -> None:
    said["runner"] = source.choice(["self-hosted", ["b", "a"], {"labels": ["x"], "group": "g"}])


def order(said: Answers, source: random.Random) -> None:
    """The same answers in another order."""
    for name in ("code_types", "dependency_map"):
        source.shuffle(said[name])
    components = list(said["components"].items())
    said["components"] = dict(source.sample(components, len(components)))


CHANGES: list[Callable[[Answers, random.Random], None]] = [
    *(add_component, remove_component, rename_component, settings, products),
    *(add_code_type, remove_code_type, images, edges, artifacts, order),
    *(environments, branching, orchestration, cloud, registry, switches, where, runner),
]


def start() -> Answers:
    return {
        "project_name": "shop",
        "code_types": ["terraform", "python"],
        "components": {"worker": {"code_type": "python"}, "api": {"code_type": "docker"}},
        "dependency_map": [{"code_type": "terraform", "depends_on": ["worker", "python"]}],
    }


def right(said: Answers) -> bool:
    try:
        make_plan(read_answers(said, CATALOGUE))
    except AnswerError:
        return False
    return True


def sequence(seed: int, steps: int) -> Iterator[tuple[str, Answers, Answers]]:
    """The name of each change, the answers to pass, and all answers so far.

    Each kind of change is used once before it is used again. A kind that finds no valid answers in
    some tries is used later.
    """
    source = random.Random(seed)
    said, waiting = start(), [*CHANGES]
    source.shuffle(waiting)
    for _ in range(steps):
        for change in [*waiting]:
            for _try in range(9):
                changed = deepcopy(said)
                try:
                    change(changed, source)
                except (IndexError, ValueError):  # nothing to choose from
                    continue
                if right(changed) and str(changed) != str(said):  # the order counts
                    break
            else:
                continue
            break
        waiting.remove(change)
        waiting.append(change)
        data = {name: value for name, value in changed.items() if str(said.get(name)) != str(value)}
        said = changed
        yield change.__name__, deepcopy(data), deepcopy(said)


def seeds(number: int) -> list[int]:
    return fresh_seeds(number) if "RANDOM_EXAMPLES" in os.environ else list(range(number))


@pytest.mark.parametrize("seed", seeds(2))
def test_recorded_answers_equal_those_of_a_copy(seed: int, template: Path, tmp_path: Path) -> None:
    """Files depend on nothing else, so no step writes them."""

    def answer(folder: str, data: Answers) -> str:
        copier.run_copy(
            str(template),
            tmp_path / folder,
            data=data,
            **{"defaults": True, "unsafe": True, "quiet": True, "skip_tasks": True},
            exclude=ANSWERS_ONLY,
        )
        return (tmp_path / folder / ".copier-answers.yml").read_text(encoding="utf-8")

    answer("changed", start())
    for step, (change, data, said) in enumerate(sequence(seed, 12)):
        assert answer("changed", data) == answer(f"fresh-{step}", said), (step, change, data)


@pytest.mark.parametrize("seed", seeds(1))
def test_updated_files_equal_those_of_a_copy(seed: int, tmp_path: Path) -> None:
    """With real updates, byte for byte and without a conflict."""
    versions = template_versions(tmp_path / "versions")
    with clone_once(tmp_path / "clones"):
        repository = generate(versions, tmp_path / "repository", start())
        for step, (change, data, said) in enumerate(sequence(seed, 8)):
            update(repository, data=data, vcs_ref=CURRENT)
            fresh = tmp_path / f"fresh-{step}"
            copier.run_copy(
                f"git+{versions.as_uri()}",
                fresh,
                data=said,
                **{"defaults": True, "unsafe": True, "quiet": True, "skip_tasks": True},
            )
            assert tree(repository) == tree(fresh), (step, change, data)
            commit(repository, change)


def test_every_kind_of_change_is_used() -> None:
    """Otherwise the tests above would prove less."""
    for seed in range(4):
        kinds = {change for change, _, _ in sequence(seed, len(CHANGES) + 6)}
        assert kinds == {change.__name__ for change in CHANGES}
    pushing = {
        any(map(pushes, read_answers(said, CATALOGUE).components)) for _, _, said in sequence(0, 30)
    }
    assert pushing == {True, False}
