"""Images travel by digest, from the build to the cluster: the seed's four code types, clouds,
twelve images and one set of manifests, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import example
from images import DOCKERFILE, SERVICE, deployment, with_images
from offline_github import OfflineGitHub, Run
from pipelines import Made, failed, reopened, skipped, start

COMMON = ("buildx", "build", ".")
TRIVY = (
    "aquasec/trivy:0.74.0@sha256:62b1e65e8869bc4b4c6aa4fa2b21595256c7c2f6018a9d9ad61caf87187c1969"
)
# The map and its four code types, and nothing else: everything lies in the root.
SEED = {name: example("seed")[name] for name in ("project_name", "code_types", "dependency_map")}
SEED_FILES = {
    "app.py": "print('hello')\n",
    "main.tf": 'locals {\n  package = ".packages/python/lambda-package.zip"\n}\n',
    "Dockerfile": DOCKERFILE,
    "base/web.yaml": deployment("web", "docker:latest"),
    "base/service.yaml": SERVICE,
    "base/kustomization.yaml": "resources: [web.yaml, service.yaml]\n",
    **{
        f"overlays/{name}/kustomization.yaml": f"resources: [../../base]\nnamespace: {name}\n"
        for name in ("dev", "test", "prd")
    },
}


def digest_of(run: Run, artifact: str) -> str:
    """The one line of an image's package."""
    text = run.artifacts[artifact]["docker-image"].decode()
    assert text.endswith("\n") and text.count("\n") == 1
    return text.strip()


def without_seconds(line: str) -> str:
    """The deadline is for all rollouts together, so some of it may be over."""
    return re.sub(r"--timeout (600|59\d)s", "--timeout 600s", line)


def images_in(manifests: bytes) -> list[str]:
    found = []
    for one in yaml.safe_load_all(manifests):
        if one["kind"] == "Deployment":
            containers = one["spec"]["template"]["spec"]["containers"]
            found += [container["image"] for container in containers]
    return found


def built_as(github: OfflineGitHub, job: str) -> list[list[str]]:
    """What docker was called with in a job, each call without the words that all have."""
    calls = [command.arguments for command in github.commands("docker", rf"^{job}$")]
    return [
        [re.sub(r"/[^=:]*/(image\.\w+)$", r"TEMP/\1", a) for a in call if a not in COMMON]
        for call in calls
    ]


# The requirements' own map ---------------------------------------------------------------------


def check_what_docker_did(seed: OfflineGitHub, run: Run) -> None:
    """The image is built, scanned and pushed by digest."""
    cache = ["--cache-from", "type=gha,scope=docker", "--cache-to"]
    cache += ["type=gha,scope=docker,mode=max,ignore-error=true"]
    file = ["--file", "Dockerfile"]
    assert built_as(seed, "docker-dev / test") == [], "there is no stage called test"
    build, scan = built_as(seed, "docker-dev / security")
    assert build == [*file, *cache, "--output", "type=docker,dest=TEMP/image.tar"]
    assert [a for a in scan if not a.endswith(":ro")] == [
        *("run", "--rm", "--volume", "--volume", "--workdir", "/project", TRIVY),
        *("image", "--input", "/image.tar", "--exit-code", "1", "--quiet"),
        *("--scanners", "vuln,secret", "--severity", "CRITICAL", "--ignore-unfixed"),
    ]
    push, tag = built_as(seed, "docker-dev / build")
    repository = "ghcr.io/acme/demo/docker"
    output = f"type=image,name={repository},push-by-digest=true,name-canonical=true,push=true"
    assert push == [
        *file,
        *cache,
        *("--output", output, "--provenance", "mode=max", "--sbom", "true"),
        *("--metadata-file", "TEMP/image.json"),
        *("--label", f"org.opencontainers.image.revision={run.head_sha}"),
        *("--label", "org.opencontainers.image.source=https://github.com/acme/demo"),
    ]
    assert tag == [
        *("imagetools", "create", "--tag", f"{repository}:dev-{run.head_sha}-{run.id}-1"),
        digest_of(run, "docker-package-dev"),
    ]
    # With GitHub's own token, in the job that pushes and in no other.
    logins = seed.actions_used("docker/login-action")
    assert {(login["job"], login["inputs"]["registry"]) for login in logins} == {
        (f"docker-{name} / build", "ghcr.io") for name in ("dev", "test", "prd")
    }
    writing = {key for key, job in run.jobs.items() if "write" in job.permissions.values()}
    assert writing == {"docker-dev", "docker-dev / build"}
    assert run.job("docker-dev / build").permissions["packages"] == "write"


@pytest.fixture
def seed(template: Path, tmp_path: Path) -> OfflineGitHub:
    github = with_images(start(template, tmp_path, SEED, SEED_FILES))
    github.environments = {
        name: {"secrets": {"KUBE_CONFIG": f"cluster of {name}"}} for name in ("dev", "test", "prd")
    }
    github.tools.watch(["rendered.yaml", ".packages/python/lambda-package.zip"], [])
    return github


def test_the_map_of_the_requirements_runs_in_all_three_environments(seed: OfflineGitHub) -> None:
    seed.push("develop")
    seed.push("main")
    runs = {name: seed.runs_of(f"orchestrator-{name}.yml") for name in ("dev", "test", "prd")}
    for name, (run,) in runs.items():
        assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
        ran = [job for job in run.order if job != "deployment-summary"]
        components = list(dict.fromkeys(job.split(f"-{name} ")[0] for job in ran if " / " in job))
        assert set(components) == {"python", "docker", "terraform", "kubernetes"}
        assert components[0] == "python" and components[-1] == "kubernetes"
        assert set(run.artifacts) == {
            f"{component}-package-{name}" for component in ("python", "docker", "kubernetes")
        }
        assert run.job("deployment-summary").summary.startswith(
            f"## Deployment to {name} succeeded\n"
        )

        # The digest that BuildKit reported is what the cluster runs, letter by letter.
        reference = digest_of(run, f"docker-package-{name}")
        assert reference.startswith("ghcr.io/acme/demo/docker@sha256:")
        assert run.job(f"docker-{name}").outputs["image"] == reference
        rendered = run.artifacts[f"kubernetes-package-{name}"]["rendered.yaml"]
        assert images_in(rendered) == [reference]
        namespaces = {one["metadata"]["namespace"] for one in yaml.safe_load_all(rendered)}
        assert namespaces == {name}
        deploy = seed.commands("kubectl", f"^kubernetes-{name} / deploy$")
        assert [without_seconds(command.line) for command in deploy] == [
            "kubectl apply --filename rendered.yaml",
            "kubectl get --filename rendered.yaml --no-headers --output "
            "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name",
            f"kubectl rollout status Deployment/web --namespace {name} --timeout 600s",
        ]
        applied = deploy[0].files["rendered.yaml"]
        assert applied == hashlib.sha256(rendered).hexdigest()
        zip_file = run.artifacts[f"python-package-{name}"]["lambda-package.zip"]
        apply = seed.commands("terraform", f"^terraform-{name} / deploy$")[-1]
        assert apply.arguments[0] == "apply"
        expected = {".packages/python/lambda-package.zip": hashlib.sha256(zip_file).hexdigest()}
        assert apply.files == expected
    check_what_docker_did(seed, runs["dev"][0])
    digests = {digest_of(run, f"docker-package-{name}") for name, (run,) in runs.items()}
    assert len(digests) == 3, "each environment runs what was built for it"


# Failures, in one small repository -----------------------------------------------------------

SMALL = {
    "components": {
        "web": {"code_type": "docker", "path": "web"},
        "cluster": {"code_type": "kubernetes", "path": "k8s"},
    },
    "environments": [{"name": "dev", "branch": "main"}],
}
SMALL_FILES = {
    "web/Dockerfile": DOCKERFILE,
    "k8s/web.yaml": deployment("web", "web"),
    "k8s/service.yaml": SERVICE,
    "k8s/values.yaml": "just: data\n",
}


def small(
    made: Made,
    tmp_path: Path,
    files: Mapping[str, str] | None = None,
    answers: Mapping[str, Any] | None = None,
) -> OfflineGitHub:
    name = f"small-{abs(hash((str(files), str(answers))))}"
    work_tree = made(name, {**SMALL, **(answers or {})}, {**SMALL_FILES, **(files or {})})
    github = with_images(reopened(work_tree, tmp_path, ()))
    github.environments = {"dev": {"secrets": {"KUBE_CONFIG": "a cluster"}}}
    # Most of what goes wrong here is not about these.
    checks = ["web-dev / lint", "cluster-dev / lint", "cluster-dev / security"]
    github.forced_results = dict.fromkeys(checks, "success")
    return github


def error_of(run: Run, job: str) -> str:
    return run.job(job).errors[0]


def test_without_access_to_the_cluster_it_says_which_secret_is_missing(
    made: Made, tmp_path: Path
) -> None:
    github = small(made, tmp_path)
    del github.environments["dev"]
    [run] = github.push("main")
    assert failed(run) == {"cluster-dev", "cluster-dev / deploy", "deployment-summary"}
    assert "The secret KUBE_CONFIG" in error_of(run, "cluster-dev / deploy")
    assert github.commands("kubectl", "deploy") == []


def test_an_image_that_cannot_be_pushed_reaches_no_cluster(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path)
    github.fail_tool("docker", "push=true")
    [run] = github.push("main")
    assert failed(run) == {"web-dev", "web-dev / build", "deployment-summary"}
    assert "cluster-dev" in skipped(run)
    assert github.commands("kubectl") == [] and run.artifacts == {}
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev failed in web-dev\n")


def test_an_image_with_a_flaw_is_not_pushed(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path)
    github.fail_tool("docker", "--exit-code 1")
    [run] = github.push("main")
    assert failed(run) == {"web-dev", "web-dev / security", "deployment-summary"}
    assert github.commands("docker", "build$") == []


def test_a_build_without_a_digest_is_refused(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path)
    github.tools.then(
        "docker", 'while [ "$1" ]; do [ "$1" = --metadata-file ] && echo "{}" > "$2"; shift; done'
    )
    [run] = github.push("main")
    assert error_of(run, "web-dev / build") == "BuildKit did not say which digest the image has"
    assert "cluster-dev" in skipped(run)


def test_a_stage_called_test_is_built(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path, {"web/Dockerfile": f"{DOCKERFILE}FROM scratch AS test\n"})
    github.fail_tool("docker", "--target test")
    [run] = github.push("main")
    assert failed(run) == {"web-dev", "web-dev / test", "deployment-summary"}
    [call] = built_as(github, "web-dev / test")
    assert call[-4:] == ["--target", "test", "--output", "type=cacheonly"]


def test_a_manifest_that_names_another_image_is_refused(made: Made, tmp_path: Path) -> None:
    """It would go on running what it ran, and nobody would notice."""
    github = small(made, tmp_path, {"k8s/web.yaml": deployment("web", "webserver")})
    [run] = github.push("main")
    assert failed(run) == {"cluster-dev", "cluster-dev / build", "deployment-summary"}
    message = error_of(run, "cluster-dev / build")
    assert message.endswith("runs an image called web or ghcr.io/acme/demo/web")
    assert github.commands("kubectl", "deploy") == []


def test_a_manifest_may_name_the_image_in_full(made: Made, tmp_path: Path) -> None:
    github = small(
        made, tmp_path, {"k8s/web.yaml": deployment("web", "ghcr.io/acme/demo/web:1", "redis:8")}
    )
    [run] = github.push("main")
    assert run.conclusion == "success"
    rendered = run.artifacts["cluster-package-dev"]["rendered.yaml"]
    assert images_in(rendered) == [digest_of(run, "web-package-dev"), "redis:8"]


def test_an_image_of_another_name_a_namespace_and_a_deadline(made: Made, tmp_path: Path) -> None:
    """The variables that docs/ci-cd.md promises."""
    answers = {
        "components": {
            "web": {
                "code_type": "docker",
                "path": "web",
                "env": {
                    "IMAGE": "ghcr.io/acme/SHOP",
                    "BUILD_ARG_LEVEL": "a b",
                    "DOCKERFILE": "other.Dockerfile",
                },
                "secrets": ["NPM_TOKEN", "OTHER_TOKEN"],
            },
            "cluster": {"code_type": "kubernetes", "path": "k8s"},
        },
        "environments": [
            {
                "name": "dev",
                "branch": "main",
                "env": {"KUBERNETES_NAMESPACE": "shop-dev", "ROLLOUT_SECONDS": 7},
            }
        ],
    }
    files = {
        "web/other.Dockerfile": DOCKERFILE,
        "k8s/web.yaml": deployment("web", "ghcr.io/acme/shop:1"),
    }
    github = small(made, tmp_path, files, answers)
    github.secrets = {"NPM_TOKEN": "n", "OTHER_TOKEN": "o"}
    github.tools.watch([], [".*_TOKEN"])
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert digest_of(run, "web-package-dev").startswith("ghcr.io/acme/shop@sha256:")
    [push, _] = built_as(github, "web-dev / build")
    assert push[:2] == ["--file", "other.Dockerfile"]
    index = push.index("--build-arg")
    assert push[index : index + 6] == [
        *("--build-arg", "LEVEL=a b"),
        *("--secret", "id=NPM_TOKEN", "--secret", "id=OTHER_TOKEN"),
    ]
    [command, _] = github.commands("docker", "web-dev / build")
    assert {"NPM_TOKEN": "n", "OTHER_TOKEN": "o"}.items() <= command.environment.items()
    rollout = github.commands("kubectl", "deploy")[-1]
    assert re.fullmatch(
        "kubectl rollout status Deployment/web --namespace shop-dev --timeout [5-7]s", rollout.line
    )


def test_a_rollout_that_does_not_end_fails_and_shows_why(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path)
    github.fail_tool("kubectl", "rollout status")
    [run] = github.push("main")
    assert failed(run) == {"cluster-dev", "cluster-dev / deploy", "deployment-summary"}
    job = run.job("cluster-dev / deploy")
    assert job.errors[0] == "Deployment web in the namespace default did not become ready"
    assert [command.line for command in github.commands("kubectl", "deploy")][3:] == [
        "kubectl get pods --namespace default --output wide",
        "kubectl get events --namespace default --sort-by .lastTimestamp",
    ]
    assert "\noffline events --namespace default" in job.log
    assert run.job("cluster-dev").outputs["deployment-status"] == "failure"


def test_what_the_cluster_refuses_fails_at_once(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path)
    github.fail_tool("kubectl", "^apply")
    [run] = github.push("main")
    assert failed(run) == {"cluster-dev", "cluster-dev / deploy", "deployment-summary"}
    assert [c.arguments[0] for c in github.commands("kubectl", "deploy")] == ["apply"]


def test_another_digest_on_the_way_is_noticed(made: Made, tmp_path: Path) -> None:
    """Somebody replaces the reference in the package between the build and the cluster."""
    github = small(made, tmp_path)

    def tamper(run: Run, job: str) -> None:
        if job == "cluster-dev / build":
            [artifact] = [a for a in run.artifact_store.values() if a.name == "web-package-dev"]
            artifact.fill({**artifact.files, "docker-image": b"evil.example/web@sha256:00\n"})

    github.before_job = tamper
    [run] = github.push("main")
    assert failed(run) == {"cluster-dev", "cluster-dev / build", "deployment-summary"}
    assert error_of(run, "cluster-dev / build").endswith("was changed")


def test_what_it_builds_from_is_there_before_the_build(template: Path, tmp_path: Path) -> None:
    """A wheel, placed into the context of each build of the image."""
    answers = {
        "components": {
            "library": {
                "code_type": "generic",
                "path": "library",
                "build": "echo wheel > library.whl",
                "produces": ["library.whl"],
            },
            "web": {"code_type": "docker", "path": "web"},
        },
        "dependency_map": [
            {
                "code_type": "web",
                "depends_on": "library",
                "artifacts": [{"name": "library.whl", "to": "web/wheels/"}],
            }
        ],
        "environments": [{"name": "dev", "branch": "main"}],
    }
    files = {"web/Dockerfile": DOCKERFILE, "library/README.md": "library\n"}
    github = with_images(start(template, tmp_path, answers, files))
    github.tools.watch(["wheels/library.whl"], [])
    [run] = github.push("main")
    assert run.conclusion == "success"
    wheel = hashlib.sha256(run.artifacts["library-package-dev"]["library.whl"]).hexdigest()
    builds = [c for c in github.commands("docker") if c.arguments[:2] == ["buildx", "build"]]
    assert [c.job for c in builds] == ["web-dev / security", "web-dev / build"]
    assert all(c.files == {"wheels/library.whl": wheel} for c in builds)


# Many images, and components beside others -----------------------------------------------------


def test_twelve_images_and_one_set_of_manifests(template: Path, tmp_path: Path) -> None:
    names = [f"app-{index}" for index in range(12)]
    answers = {
        "code_types": ["kubernetes"],
        "components": {
            **{name: {"code_type": "docker", "path": f"apps/{name}"} for name in names},
            "kubernetes": {"path": "k8s"},
        },
        "environments": [{"name": "dev", "branch": "main"}],
    }
    files = {f"apps/{name}/Dockerfile": DOCKERFILE for name in names}
    files["k8s/apps.yaml"] = "---\n".join(deployment(name, name) for name in names)
    github = with_images(start(template, tmp_path, answers, files))
    github.environments = {"dev": {"secrets": {"KUBE_CONFIG": "a cluster"}}}
    # What is checked is checked elsewhere: here twelve images have to meet.
    checks = [f"{name}-dev / {job}" for name in names for job in ("lint", "test", "security")]
    github.forced_results = dict.fromkeys(checks, "success")
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    rendered = run.artifacts["kubernetes-package-dev"]["rendered.yaml"]
    references = [digest_of(run, f"{name}-package-dev") for name in names]
    assert sorted(images_in(rendered)) == sorted(references)
    assert len({reference.split("@")[1] for reference in references}) == 12
    rollouts = [c.line for c in github.commands("kubectl", "deploy") if "rollout" in c.line]
    assert [line.split()[3] for line in rollouts] == [
        f"Deployment/{name}" for name in sorted(names)
    ]


def test_a_component_in_the_root_beside_others_in_folders(template: Path, tmp_path: Path) -> None:
    """The root's package holds nothing of what belongs to the others."""
    answers = {
        "code_types": ["python", "docker", "kubernetes"],
        "components": {"docker": {"path": "image"}, "kubernetes": {"path": "deploy to"}},
        "environments": [{"name": "dev", "branch": "main"}],
    }
    files = {
        "handler.py": "x = 1\n",
        "lib/helper.py": "y = 1\n",
        "image/Dockerfile": DOCKERFILE,
        "image/broken.py": "this is no Python\n",
        "deploy to/web.yaml": deployment("web", "docker"),
    }
    github = with_images(start(template, tmp_path, answers, files))
    github.environments = {"dev": {"secrets": {"KUBE_CONFIG": "a cluster"}}}
    github.tools.watch(["image/broken.py", "handler.py"], [])
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    checks = github.commands("uvx", "python-dev")
    assert checks and all(set(command.files) == {"handler.py"} for command in checks)
    assert {c.folder for c in github.commands("docker")} == {"image"}
    assert {c.folder for c in github.commands("kubectl")} == {"deploy to"}
