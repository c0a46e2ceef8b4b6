"""Named sets of answers of many kinds, on which the tests of generated files run."""

from __future__ import annotations

import random
from typing import Any

from copies import example
from pipeline.catalogue import load_catalogue
from pipeline.questions import PLAIN, Question
from toolbox import EXAMPLES, ROOT

Answers = dict[str, Any]


CODE_TYPES = load_catalogue(ROOT).code_types

EXAMPLE_NAMES = sorted(file.stem for file in EXAMPLES.glob("*.yml"))

CLOUDS = {
    "none": "ghcr.io",
    "aws": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop",
    "azure": "shopimages.azurecr.io",
    "gcp": "europe-west1-docker.pkg.dev/project/images",
}
"""Each cloud, with one of its registries."""


def _commands(names: list[str], **settings: Any) -> Answers:
    """Generic components that test, build a file and deploy it."""
    return {
        name: {
            "code_type": "generic",
            "path": f"parts/{name}",
            "test": "make test",
            "build": "make package.txt",
            "produces": ["package.txt"],
            "deploy": "make deploy",
            **settings,
        }
        for name in names
    }


def _random_graph(number: int, seed: int) -> Answers:
    """Components with random edges to earlier ones, so that there is no cycle."""
    choice = random.Random(seed)
    names = [f"part-{index}" for index in range(number)]
    edges = {
        name: sorted(choice.sample(names[:index], k=min(index, choice.randint(0, 3))))
        for index, name in enumerate(names)
    }
    return {"components": _commands(names), "dependency_map": edges}


def _cloud(cloud: str) -> Answers:
    """The four code types in a cloud, with a promotion. python has a deployment of its own."""
    return {
        "code_types": ["python", "terraform", "docker", "kubernetes"],
        "components": {
            "python": {"path": "app", "deploy": "./ship.sh"},
            "terraform": {"path": "infra"},
            "docker": {"path": "image"},
            "kubernetes": {"path": "k8s"},
        },
        "cloud": cloud,
        "registry": CLOUDS[cloud],
    }


def _all_types() -> Answers:
    """Each code type once, with its defaults."""
    folders = {"kubernetes": "k8s", "opentofu": "tofu", "terraform": "tf"}
    makes = {"lint": "make lint", "build": "make", "deploy": "make deploy", "produces": ["out"]}
    types = sorted(CODE_TYPES)
    return {
        "project_name": "all",
        "code_types": types,
        "components": {
            name: makes if name == "generic" else {"path": folders.get(name, name)}
            for name in types
        },
    }


def _tree(number: int) -> Answers:
    """Terraform components in a binary tree, without packages."""
    names = [f"c{index}" for index in range(1, number + 1)]
    return {
        "components": {n: {"code_type": "terraform", "path": f"infra/{n}"} for n in names},
        "dependency_map": {
            name: [names[(index - 1) // 2]] if index else [] for index, name in enumerate(names)
        },
    }


NAMED_HERE = (
    *("cdk", "docker", "dotnet", "generic", "go", "helm", "java", "kubernetes", "node"),
    *("opentofu", "python", "rust", "static", "terraform"),
)
"""The code types with settings below. Other code types have only a path."""


def _everything(cloud: str, orchestration: str) -> Answers:
    """Every code type deploys from a branch and, if it can, publishes from a tag (production).

    There are at most four waves, because `observe` starts no more. Published components wait for
    none.
    """

    def published(code_type: str, **settings: Any) -> Answers:
        return {
            "code_type": code_type,
            "path": f"libraries/{code_type}",
            "publish": True,
            **settings,
        }

    images = ["api", "web"]
    return {
        "project_name": "shop",
        "components": {
            "python": {"path": "functions/report"},
            "node": {"path": "site", "deploy": 'aws s3 sync dist "s3://$BUCKET" --delete'},
            "go": {"path": "services/api"},
            "java": {
                "path": "services/orders",
                "deploy": "./ship.sh dist",
                "secrets": ["SHIP_KEY"],
            },
            "dotnet": {"path": "services/billing"},
            "api": {"code_type": "docker", "path": "services/api/image"},
            "web": {"code_type": "docker", "path": "services/web", "secrets": ["NPM_TOKEN"]},
            "terraform": {"path": "infra", "secrets": ["TF_API_TOKEN"]},
            "opentofu": {"path": "network", "env": {"TF_VAR_zone": "${{ vars.ZONE }}"}},
            "rust": {"path": "services/search"},
            "static": {"path": "docs"},
            "cdk": {"path": "stacks"},
            "kubernetes": {"path": "k8s"},
            "helm": {"path": "charts/shop"},
            "generic": {"path": "smoke", "test": "make test", "deploy": "make smoke"},
            **{name: {"path": name} for name in sorted(CODE_TYPES) if name not in NAMED_HERE},
            "python-library": published("python"),
            "node-library": published("node", secrets=["NPM_TOKEN"]),
            "go-library": published("go"),
            "java-library": published("java", secrets=["MAVEN_USERNAME", "MAVEN_PASSWORD"]),
            "dotnet-library": published("dotnet", env={"NUGET_USER": "acme"}),
            "rust-library": published("rust"),
            "chart": published("helm"),
        },
        "dependency_map": [
            {
                "code_type": "terraform",
                "depends_on": "python",
                "artifacts": [{"name": "lambda-package.zip", "to": "infra/report.zip"}],
            },
            {"code_type": "opentofu", "depends_on": []},
            {"code_type": "api", "depends_on": ["go", "dotnet"]},
            {"code_type": "web", "depends_on": ["node", "java"]},
            {"code_type": "cdk", "depends_on": ["node", "python"]},
            {"code_type": "kubernetes", "depends_on": [*images, "terraform"]},
            {"code_type": "helm", "depends_on": [*images, "opentofu"]},
            {"code_type": "generic", "depends_on": ["cdk", "kubernetes", "helm"]},
            {"code_type": "chart", "depends_on": []},
        ],
        "environments": [
            {"name": "dev", "branch": "main"},
            {"name": "production", "tag": "v*", "production": True},
        ],
        "cloud": cloud,
        "registry": CLOUDS[cloud],
        "orchestration": orchestration,
    }


def another(question: Question) -> Any:
    """Another answer than the default, if there are choices."""
    if isinstance(question.default, bool):
        return not question.default
    return [*question.choices][-1] if question.choices else question.default


ANSWER_SETS: dict[str, Answers] = {
    **{name: example(name) for name in EXAMPLE_NAMES},
    "all-types": _all_types(),
    "twelve": _tree(12),
    # All components in the root, and every other answer is the default.
    "nothing-said": {"code_types": ["docker", "generic", "kubernetes", "python", "terraform"]},
    # No edges.
    "independent": {"components": _commands(["a", "b", "c"]), "branching": "trunk"},
    "diamond": {
        "components": _commands(["base", "left", "right", "top"]),
        "dependency_map": {"left": "base", "right": "base", "top": ["left", "right"]},
    },
    # As many components as `call` accepts: builds and deployments are fifty called workflows.
    "twenty-five": {
        **_random_graph(25, seed=25),
        "environments": [{"name": "prd", "branch": "main", "production": True}],
    },
    # More builds than one run of a pull request may call, and more jobs than may wait at once.
    "sixty": {
        **_random_graph(60, seed=60),
        "orchestration": "dispatch",
        "environments": [{"name": "prd", "branch": "main", "production": True}],
    },
    "secrets": {
        "code_types": ["terraform"],
        "components": {
            "terraform": {"secrets": ["TF_API_TOKEN", "SECOND"], "env": {"TF_VAR_a": "1"}},
            **_commands(["site"], secrets=["SITE_TOKEN"], env={"SITE": "${{ vars.SITE }}"}),
        },
    },
    # Service containers, secrets for installations, checkouts, images.
    "settings": {
        "code_types": ["python", "kubernetes"],
        "components": {
            "python": {
                "path": "app",
                "services": {
                    "postgres": {
                        "image": "postgres:18",
                        "env": {"POSTGRES_PASSWORD": "x", "POSTGRES_DB": "${{ vars.DATABASE }}"},
                        "ports": [5432, "15432:5432/tcp"],
                        "volumes": ["/tmp/data:/data"],
                        "options": "--health-cmd pg_isready --health-interval 5s",
                    },
                    "redis": {"image": f"registry.example:5000/redis@sha256:{'a' * 64}"},
                },
                "install_secrets": ["PIP_INDEX_PASSWORD", "PIP_INDEX_USER"],
                "submodules": True,
                "lfs": False,
                "watches": ["libs/**/*.py", "!**/*.md"],
            },
            "kubernetes": {"path": "k8s", "lfs": True},
            "base": {"code_type": "docker", "path": "base", "submodules": False},
            **{
                name: {
                    "code_type": "docker",
                    "target": name,
                    "dockerfile": "docker/Dockerfile.app",
                    "build_args": {"BASE": {"package": "base"}, "LEVEL": 3, "TEXT": "a: {b} 'c'"},
                    "platforms": ["linux/amd64", "linux/arm64"],
                    "tags": True,
                    "install_secrets": ["NPM_TOKEN"],
                    "secrets": ["NPM_TOKEN", "OTHER_TOKEN"] if name == "web" else [],
                    "submodules": "recursive",
                }
                for name in ("api", "web")
            },
        },
        "dependency_map": {
            "base": [],
            "api": ["base", "python"],
            "web": ["base"],
            "kubernetes": ["api", "web"],
        },
        "branching": "release",
    },
    # Environments with every trigger, in chains, with production in different places.
    "environments": {
        "code_types": ["python", "terraform"],
        "environments": [
            {"name": "preview", "branch": "feature/**", "retention_days": 1},
            {"name": "dev", "branch": "main", "env": {"LEVEL": "debug", "REPLICAS": 1}},
            {"name": "test", "after": "dev", "on_failure": "stop"},
            {"name": "stage", "after": "test"},
            {"name": "prd", "after": "stage", "production": True, "on_failure": "downstream"},
            {"name": "release", "tag": "v[0-9]+.*", "production": True},
            {"name": "mirror", "after": "release"},
            {"name": "sandbox", "manual": True},
            {"name": "sandbox-two", "after": "sandbox", "production": True},
        ],
    },
    # Components in some environments. In the others, order passes through them.
    "some-environments": {
        "components": {
            **_commands(["network"], environments=["prd"]),
            **_commands(["mock"], environments=["dev", "test"]),
            **_commands(["site"]),
        },
        "dependency_map": {"mock": "network", "site": ["mock", "network"]},
    },
    "built-for-each": {
        "components": {
            **_commands(["site"], build='make "site-$ENVIRONMENT"'),
            **_commands(["host"]),
            **_commands(["data"]),
        },
        "dependency_map": {"host": ["site", "data"]},
        "branching": "trunk",
    },
    "each-asks": {
        "code_types": ["python", "terraform"],
        "components": {"python": {"path": "app"}, "terraform": {"path": "infra"}},
        "environments": [
            {"name": "prd", "branch": "main", "production": True},
            {"name": "eu", "tag": "v*", "production": True},
        ],
        "approval": "each",
    },
    # Plans of deployments, with every trigger and approval.
    "plans": {
        "components": {
            name: {"code_type": name, "path": name, "plan": True, "secrets": ["TF_API_TOKEN"]}
            for name, code_type in CODE_TYPES.items()
            if code_type.plan
        },
        "environments": [
            {"name": "dev", "branch": "feature/**"},
            {"name": "test", "branch": "main"},
            {"name": "prd", "after": "test", "production": True, "env": {"LEVEL": "1"}},
            {"name": "release", "tag": "v*", "production": True},
        ],
        "cloud": "aws",
        "infrastructure_drift": "*/5 0-6,22 1 * 0",
    },
    "plans-of-each": {
        "components": {
            "network": {"code_type": "terraform", "path": "net/{environment}", "plan": True},
            "app": {"code_type": "opentofu", "path": "app", "plan": True, "lint": ""},
        },
        "dependency_map": {"app": "network"},
        "orchestration": "dispatch",
        "approval": "each",
        "branching": "trunk",
        "cloud": "azure",
        "infrastructure_drift": "17 6 * * 1-5 America/Argentina/Buenos_Aires",
    },
    "plans-observed": {
        "components": {
            "network": {"code_type": "terraform", "path": "net", "plan": True},
            "app": {"code_type": "terraform", "path": "app", "plan": True, "env": {"A": "1"}},
        },
        "dependency_map": {"app": "network"},
        "orchestration": "observe",
        "branching": "trunk",
    },
    # Every answer with choices, or with true and false, differs from its default.
    "nobody-asks": {**example("lambda"), **{q.name: another(q) for q in PLAIN}},
    "runners": {
        "code_types": ["python"],
        "components": {
            "python": {"runner": ["self-hosted", "linux"]},
            **_commands(["site"], runner="big-arm", timeout_minutes=7),
        },
        "runner": {"group": "large", "labels": ["linux", "x64"]},
        "drift_check": True,
    },
    "words-of-yaml": {
        "project_name": "on: no # 'yes' ☂",
        "components": {
            **_commands(["on", "no", "y", "null"], path="with space/and 'quote'"),
            "end": {
                "code_type": "generic",
                "path": "e1",
                "env": {
                    "A": "on",
                    "B": "1e3",
                    "C": "2024-01-01",
                    "D": "a: b # c",
                    "E": " x ",
                    "F": "",
                },
                "lint": "  indented\n\n\techo 'tab' \"quotes\" \\\n  end",
                "produces": ["a file", "sub/fold er"],
                "build": "make 'a file'",
            },
        },
        "dependency_map": [
            {
                "code_type": "on",
                "depends_on": ["no", "end"],
                "artifacts": [
                    {"name": "package.txt", "to": "in put/"},
                    {"name": "sub/fold er", "to": "place d"},
                ],
            }
        ],
    },
    "aws": _cloud("aws"),
    "azure": _cloud("azure"),
    "gcp": _cloud("gcp"),
    "two-clouds": {
        "code_types": [
            "python",
            "terraform",
            "kubernetes",
        ],  # python is in the root, others in folders
        "components": {
            **_commands(["site"], cloud="none"),
            "terraform": {"path": "infra"},
            "kubernetes": {"path": "deploy to", "cloud": "gcp"},
            "web": {"code_type": "docker", "path": "web"},
            "worker": {"code_type": "python", "path": "services/worker"},
        },
        "cloud": "aws",
        "branching": "trunk",
    },
    # One component that takes many packages, and an image whose build has a secret.
    "twelve-images": {
        "code_types": ["kubernetes"],
        "components": {
            **{f"app-{i}": {"code_type": "docker", "path": f"apps/{i}"} for i in range(12)},
            "base": {"code_type": "docker", "path": "base", "secrets": ["NPM_TOKEN"]},
            "kubernetes": {"path": "k8s"},
        },
        "environments": [{"name": "prd", "branch": "main", "production": True}],
    },
    "dispatch": {
        **_cloud("aws"),
        "orchestration": "dispatch",
    },
    "observe": {
        **example("seed"),
        "components": {
            "python": {"path": "src"},
            "terraform": {"path": "infra"},
            "docker": {"path": "image", "secrets": ["NPM_TOKEN"]},
            "kubernetes": {"path": "k8s"},
        },
        "orchestration": "observe",
    },
    "observe-environments": {
        "components": _commands(["a", "b", "idle", "c"]) | {"idle": {"code_type": "generic"}},
        "dependency_map": {"b": "a", "idle": "b", "c": ["a", "idle"]},
        "orchestration": "observe",
        "environments": [
            {"name": "preview", "branch": "feature/**"},
            {"name": "release", "tag": "v*", "production": True},
            {"name": "mirror", "after": "release", "on_failure": "stop"},
            {"name": "sandbox", "manual": True},
        ],
    },
    # No package is built, so only the commit is promoted.
    "drift-alone": {
        "code_types": ["terraform"],
        "branching": "trunk",
        "pull_requests": False,
        "drift_check": True,
    },
    # A folder for each environment, with a space and a `$` in its path.
    "by-environment": {
        "components": {
            "network": {"code_type": "terraform", "path": "live/{environment}/net work"},
            "app": {"code_type": "opentofu", "path": "$live/{environment}", "cloud": "aws"},
            "own": {
                "code_type": "generic",
                "path": "{environment}",
                "test": 'check "$ENVIRONMENTS"',
                "deploy": "ship",
                "environments": ["prd"],
            },
            **_commands(["pack"]),
        },
        "dependency_map": [
            {
                "code_type": "app",
                "depends_on": "pack",
                "artifacts": [{"name": "package.txt", "to": "live/{environment}/package.txt"}],
            },
            {"code_type": "network", "depends_on": []},
        ],
        "default_branch": "master",
        "branching": "trunk",
    },
    "two-packages": {
        "components": _commands(["one", "two", "takes-both", "takes-one"]),
        "dependency_map": [
            {"code_type": "takes-both", "depends_on": ["one", "two"]},
            {
                "code_type": "takes-one",
                "depends_on": "one",
                "artifacts": [{"name": "package.txt", "to": "parts/takes-one/input.txt"}],
            },
        ],
    },
}

EVERYTHING = {
    f"everything-{cloud}-{orchestration}": _everything(cloud, orchestration)
    for cloud, orchestration in (
        *((cloud, "call") for cloud in CLOUDS),
        # Logins do not depend on the orchestration, so two more sets are enough.
        *(("aws", "dispatch"), ("gcp", "observe")),
    )
}
ANSWER_SETS |= EVERYTHING
