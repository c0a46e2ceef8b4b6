"""Whatever files a repository has, a proposal is valid and names only files that exist."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from made_answers import CATALOGUE, quick
from pipeline.proposal import ENVIRONMENT, NEEDS, propose
from pipeline.repository_files import RepositoryFiles
from repositories import manifest, read, repository

FOLDERS = ["api", "web", "API", "src", "deploy", "dev", "prod", "overlays", "Ü b", "-x", "1"]
TEXTS = {
    "Dockerfile": "FROM a\nCOPY dist/*.whl /\nCOPY ../x $Y *.jar /\n",
    "Dockerfile.api": "COPY --from=x a b\nADD https://a.example/b.zip /\n",
    "pyproject.toml": "[build-system]\n[project]\n",
    "requirements.txt": "",
    "main.py": "def handler(event, context):\n",
    "main.tf": 'module "x" { source = "../api" }\nfilename = "web.zip"\n',
    "other.tofu": 'filename = "${path.module}/a.zip"\nsource = "./"\n',
    "go.mod": "module a.example/b\n",
    "main.go": "package main\n",
    "package.json": '{"name": "x", "workspaces": ["*", "!web"], "scripts": {"build": "x"}}',
    "cdk.json": '{"app": "npx ts-node x"}',
    "pom.xml": "<project/>",
    "App.csproj": "<Project/>",
    "Shop.sln": "",
    "Chart.yaml": "apiVersion: v2\nname: shop\nrepository: file://../web\n",
    "values.yaml": "image: {repository: acme/api}\nrepository: web\n",
    "a.yaml": manifest("acme/web:1"),
    "kustomization.yaml": "",
}
FILES = st.dictionaries(
    st.builds(
        lambda folders, name: "/".join([*folders, name]),
        st.lists(st.sampled_from(FOLDERS), max_size=3),
        st.sampled_from(sorted(TEXTS)),
    ),
    st.none(),
    max_size=25,
)


@quick
@given(FILES)
def test_a_proposal_is_valid_and_names_what_exists(names: dict[str, None]) -> None:
    files = {name: TEXTS[name.rpartition("/")[2]] for name in names}
    there = repository(files)
    proposal = propose(there, CATALOGUE.code_types)
    if not proposal.names:
        return
    answers = read(proposal)
    for component in answers.components:
        environments = component.environments or [e.name for e in answers.environments]
        for path in map(component.path_in, environments):
            assert path == "." or there.exists(path)
    # `found` names an existing file for each component, and only edges of the answers.
    what = {k for k in proposal.found if NEEDS not in k and not k.startswith(ENVIRONMENT)}
    assert what == proposal.names
    named = [entry["name"] for entry in proposal.environments]
    assert [k for k in proposal.found if k.startswith(ENVIRONMENT)] == [
        f"{ENVIRONMENT}{name}" for name in named
    ]
    edges = {f"{e.consumer}{NEEDS}{e.producer}" for e in answers.dependencies.edges}
    assert {k for k in proposal.found if NEEDS in k} <= edges
    for what, file in proposal.found.items():
        assert NEEDS in what or there.exists(file)
    # The order in which the file system lists the files changes nothing.
    mixed = list(files)
    random.Random(2026).shuffle(mixed)
    again = RepositoryFiles(mixed, lambda name: files.get(name, ""), "shop")
    assert propose(again, CATALOGUE.code_types) == proposal


def test_too_many_components_are_not_proposed() -> None:
    """Otherwise the copy would refuse its own proposal."""
    for number, expected in ((250, 250), (251, 0)):
        files = repository({f"a{index}/setup.py": "setup()" for index in range(number)})
        assert len(propose(files, CATALOGUE.code_types).names) == expected
