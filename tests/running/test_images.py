"""Images travel by digest, from the build to the cluster: the seed's four code types from a push
to production, several images and one set of manifests, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import example
from generated_repositories import Made, failed, reopened, skipped, start
from images import DOCKERFILE, SERVICE, deployment, with_images
from offline_github import OfflineGitHub, Run

TRIVY = (
    "aquasec/trivy:0.74.0@sha256:62b1e65e8869bc4b4c6aa4fa2b21595256c7c2f6018a9d9ad61caf87187c1969"
)
# Only the map and its four code types: everything is in the root.
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
REPOSITORY = "ghcr.io/acme/demo/docker"


def digest_of(run: Run, artifact: str) -> str:
    """The one line of an image's package."""
    text = run.packages[artifact]["docker-image"].decode()
    assert text.endswith("\n") and text.count("\n") == 1
    return text.strip()


def without_seconds(line: str) -> str:
    """A call as if no time had passed: the deadline is for all rollouts together."""
    return re.sub(r"--timeout (600|59\d)s", "--timeout 600s", line)


def images_in(manifests: bytes) -> list[str]:
    found = []
    for one in yaml.safe_load_all(manifests):
        if one["kind"] == "Deployment":
            containers = one["spec"]["template"]["spec"]["containers"]
            found += [container["image"] for container in containers]
    return found


def calls_of(github: OfflineGitHub, job: str, run: Run | None = None) -> list[str]:
    """The calls of docker and skopeo in a job. Folders of this machine are replaced by words."""
    return [
        re.sub(r"/\S+/tmp/image", "TEMP/image", re.sub(r"/\S+:/project", "HERE:/project", c.line))
        for c in github.commands(None, f"^{job}$")
        if c.tool in ("docker", "skopeo")
        and run in (None, *(r for r in github.runs if r.id == c.run))
    ]


# The requirements' own map ---------------------------------------------------------------------


def check_what_docker_did(seed: OfflineGitHub, run: Run, cache: str) -> None:
    """The image is built once, into a folder. That folder is scanned, and then pushed."""
    build, scan, push = calls_of(seed, "docker-build / build", run)
    name = run.workflow_file.removeprefix("orchestrator-").removesuffix(".yml")
    assert build == (
        "docker buildx build --file Dockerfile --output type=oci,dest=TEMP/image,tar=false "
        "--provenance mode=max --sbom true --metadata-file TEMP/image.json "
        f"--label org.opencontainers.image.revision={run.head_sha} "
        f"--label org.opencontainers.image.source=https://github.com/acme/demo{cache} ."
    )
    assert scan == (
        "docker run --rm --volume TEMP/image:/image:ro --volume HERE:/project:ro "
        f"--workdir /project {TRIVY} image --input /image --exit-code 1 --quiet "
        "--scanners vuln,secret --severity CRITICAL --ignore-unfixed"
    )
    tag = f"{name}-{run.head_sha}-{run.id}-1"
    assert push == (
        f"skopeo copy --all --preserve-digests oci:TEMP/image docker://{REPOSITORY}:{tag}"
    )
    digest = digest_of(run, f"docker-package-{name}").removeprefix(f"{REPOSITORY}@")
    log = run.job("docker-build / build").log
    assert re.findall(r"^(scanned|pushed) (.*)$", log, re.M) == [
        ("scanned", digest),
        ("pushed", digest),
    ]
    # GitHub's own token is used, only in the job that pushes.
    writing = {key for key, job in run.jobs.items() if "write" in job.permissions.values()}
    assert writing == {"docker-build", "docker-build / build"}
    granted = {"actions": "read", "contents": "read", "packages": "write"}
    assert run.job("docker-build / build").permissions == granted


def jobs_of(environment: str, builds: set[str], gates: set[str]) -> set[str]:
    """Keys of all jobs of a run of the seed, the callers among them."""
    callers = {f"{name}-build / build" for name in builds}
    callers |= {f"{name}-{environment} / deploy" for name in ("terraform", "kubernetes")}
    return gates | {"deployment-summary"} | callers | {key.partition(" / ")[0] for key in callers}


@pytest.fixture
def seed(template: Path, tmp_path: Path) -> OfflineGitHub:
    github = with_images(start(template, tmp_path, SEED, SEED_FILES))
    github.environments = {
        name: {"secrets": {"KUBE_CONFIG": f"cluster of {name}"}} for name in ("dev", "test", "prd")
    }
    github.environments["prd-approval"] = {"reviewers": True}
    applied = [f"rendered/{name}.yaml" for name in ("dev", "test", "prd")]
    github.tools.watch([*applied, ".packages/python/lambda-package.zip"], [])
    return github


def test_the_map_of_the_requirements_runs_in_all_three_environments(seed: OfflineGitHub) -> None:
    seed.push("develop")
    seed.push("main")
    runs = {name: seed.runs_of(f"orchestrator-{name}.yml") for name in ("dev", "test", "prd")}
    everything = {"python", "docker", "terraform", "kubernetes"}
    for name, (run,) in runs.items():
        assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
        gates = {"changes", "approval"} if name == "prd" else {"changes"}
        assert set(run.jobs) == jobs_of(name, set() if name == "prd" else everything, gates)
        assert set(run.packages) == {
            f"{component}-package-{name}" for component in ("python", "docker", "kubernetes")
        }
        assert run.job("deployment-summary").summary.startswith(
            f"## Deployment to {name} succeeded\n"
        )

        # The digest that BuildKit reported is what the cluster runs, letter by letter.
        reference = digest_of(run, f"docker-package-{name}")
        rendered = run.packages[f"kubernetes-package-{name}"][f"rendered/{name}.yaml"]
        assert images_in(rendered) == [reference]
        namespaces = {one["metadata"]["namespace"] for one in yaml.safe_load_all(rendered)}
        assert namespaces == {name}
        deploy = seed.commands("kubectl", f"^kubernetes-{name} / deploy$")
        assert [without_seconds(command.line) for command in deploy] == [
            f"kubectl apply --filename rendered/{name}.yaml",
            f"kubectl get --filename rendered/{name}.yaml --no-headers --output "
            "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name",
            f"kubectl rollout status Deployment/web --namespace {name} --timeout 600s",
        ]
        applied = deploy[0].files[f"rendered/{name}.yaml"]
        assert applied == hashlib.sha256(rendered).hexdigest()
        zip_file = run.packages[f"python-package-{name}"]["lambda-package.zip"]
        apply = seed.commands("terraform", f"^terraform-{name} / deploy$")[-1]
        assert apply.arguments[0] == "apply"
        expected = {".packages/python/lambda-package.zip": hashlib.sha256(zip_file).hexdigest()}
        assert apply.files == expected

    [dev], [test], [prd] = runs.values()
    place = "type=gha,scope=docker-dev-image"
    cache = f" --cache-from {place} --cache-to {place},mode=max,ignore-error=true"
    check_what_docker_did(seed, dev, cache)
    # What reaches production comes from no cache.
    check_what_docker_did(seed, test, "")
    # Production builds and pushes nothing: it gets what was tested, byte for byte.
    assert len(seed.commands("skopeo")) == 2
    for component in ("python", "docker", "kubernetes"):
        tested = test.packages[f"{component}-package-test"]
        assert prd.packages[f"{component}-package-prd"] == tested
    assert digest_of(dev, "docker-package-dev") != digest_of(test, "docker-package-test")
    assert {digest_of(dev, "docker-package-dev"), digest_of(test, "docker-package-test")} == {
        run.job("docker-build").outputs["image"] for run in (dev, test)
    }
    logins = seed.actions_used("docker/login-action")
    assert [(login["job"], login["inputs"]["registry"]) for login in logins] == [
        ("docker-build / build", "ghcr.io")
    ] * 2


# Failures, in one small repository -----------------------------------------------------------

SMALL = {
    "components": {
        "web": {"code_type": "docker", "path": "web"},
        "cluster": {"code_type": "kubernetes", "path": "k8s", "lint": "", "security": ""},
    },
    "environments": [{"name": "dev", "branch": "main"}],
}
SMALL_FILES = {
    "web/Dockerfile": DOCKERFILE,
    "k8s/web.yaml": deployment("web", "web"),
    "k8s/service.yaml": SERVICE,
    "k8s/values.yaml": "just: data\n",
}
BUILT, DEPLOYED = "web-build / build", "cluster-dev / deploy"


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
    return github


def failed_alone(run: Run, job: str) -> str:
    """The first error of the job that made a run fail."""
    assert failed(run) == {job, job.partition(" / ")[0], "deployment-summary"}
    return run.job(job).errors[0]


def test_an_image_that_cannot_be_pushed_reaches_no_cluster(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path)
    github.fail_tool("skopeo")
    [run] = github.push("main")
    failed_alone(run, BUILT)
    assert skipped(run) == {"cluster-build", "cluster-dev"}
    assert github.commands("kubectl") == [] and run.packages == {}
    summary = run.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev failed in web\n")


def test_a_build_without_a_digest_is_refused(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path)
    github.tools.then(
        "docker", 'while [ "$1" ]; do [ "$1" = --metadata-file ] && echo "{}" > "$2"; shift; done'
    )
    [run] = github.push("main")
    assert failed_alone(run, BUILT) == "BuildKit did not say which digest the image has"
    assert github.commands("skopeo") == [] and "cluster-dev" in skipped(run)


def test_a_stage_called_test_is_built(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path, {"web/Dockerfile": f"{DOCKERFILE}FROM scratch AS test\n"})
    github.fail_tool("docker", "--target test")
    [run] = github.push("main")
    failed_alone(run, BUILT)
    test, *_ = calls_of(github, BUILT)
    assert (
        " --target test --output type=cacheonly --cache-from type=gha,scope=web-dev-test " in test
    )
    assert github.commands("skopeo") == []


def test_a_manifest_that_names_another_image_is_refused(made: Made, tmp_path: Path) -> None:
    """The cluster would go on running the old image, and nobody would notice."""
    github = small(made, tmp_path, {"k8s/web.yaml": deployment("web", "webserver")})
    [run] = github.push("main")
    message = failed_alone(run, "cluster-build / build")
    assert "runs an image called web or ghcr.io/acme/demo/web: name it" in message
    assert github.commands("kubectl", "deploy") == []


def test_a_manifest_may_name_the_image_in_full(made: Made, tmp_path: Path) -> None:
    github = small(
        made, tmp_path, {"k8s/web.yaml": deployment("web", "ghcr.io/acme/demo/web:1", "redis:8")}
    )
    [run] = github.push("main")
    assert run.conclusion == "success"
    rendered = run.packages["cluster-package-dev"]["rendered/dev.yaml"]
    assert images_in(rendered) == [digest_of(run, "web-package-dev"), "redis:8"]


WITH_SECRETS = {
    "components": {
        "web": {
            "code_type": "docker",
            "path": "web",
            "env": {
                "IMAGE": "ghcr.io/acme/SHOP",
                "BUILD_ARG_LEVEL": "a b",
            },
            "dockerfile": "other.Dockerfile",
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
OTHER_FILES = {
    "web/other.Dockerfile": f"{DOCKERFILE}FROM scratch AS test\n",
    "k8s/web.yaml": deployment("web", "ghcr.io/acme/shop:1"),
}


def test_an_image_of_another_name_a_namespace_and_a_deadline(made: Made, tmp_path: Path) -> None:
    """The variables that docs/ci-cd.md promises, and secrets of the build."""
    github = small(made, tmp_path, OTHER_FILES, WITH_SECRETS)
    github.secrets = {"NPM_TOKEN": "npm-secret", "OTHER_TOKEN": "other-secret"}
    github.tools.watch([], [".*_TOKEN"])
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    assert digest_of(run, "web-package-dev").startswith("ghcr.io/acme/shop@sha256:")
    builds = [c for c in github.commands("docker") if c.arguments[1] == "build"]
    assert len(builds) == 2, "the stage called test, and the image"
    for build in builds:
        assert build.arguments[2:4] == ["--file", "other.Dockerfile"]
        index = build.arguments.index("--build-arg")
        assert build.arguments[index : index + 6] == [
            *("--build-arg", "LEVEL=a b"),
            *("--secret", "id=NPM_TOKEN", "--secret", "id=OTHER_TOKEN"),
        ]
        assert {
            "NPM_TOKEN": "npm-secret",
            "OTHER_TOKEN": "other-secret",
        }.items() <= build.environment.items()
    others = [c for c in github.commands() if c.tool not in ("docker", "skopeo")]
    assert not any("NPM_TOKEN" in command.environment for command in others)
    rollout = github.commands("kubectl", "deploy")[-1]
    assert re.fullmatch(
        "kubectl rollout status Deployment/web --namespace shop-dev --timeout [5-7]s", rollout.line
    )


def test_what_needs_secrets_is_left_out_of_pull_requests(made: Made, tmp_path: Path) -> None:
    github = small(made, tmp_path, OTHER_FILES, WITH_SECRETS)
    github.secrets = {"NPM_TOKEN": "npm-secret", "OTHER_TOKEN": "other-secret"}
    for branch in ("main", "develop"):
        github.remote.push(f"refs/heads/{branch}")
    [run] = github.pull_request("develop")
    check = "pull-request-checks"
    assert run.results == dict.fromkeys(("changes", "web-build", BUILT, check), "success")
    ran = run.job(BUILT).steps
    left_out = {"Test", "Security scan", "Log in to GitHub's registry", "Build", "Keep the package"}
    assert "Lint" in ran and not ran.keys() & left_out
    assert run.job(BUILT).secrets == [] and run.packages == {}
    assert github.commands("docker") == github.commands("skopeo") == []
    workflow = github.remote.work_tree / ".github" / "workflows" / "pull-request.yml"
    assert workflow.read_text(encoding="utf-8").splitlines()[2:4] == [
        "# web has no test, security and build in pull requests: it is handed secrets.",
        "# cluster is not checked in pull requests: it needs the package of web.",
    ]


def test_a_deployment_fails_and_says_why(made: Made, tmp_path: Path) -> None:
    """Each attempt deploys the same package again."""
    github = small(made, tmp_path)
    access = github.environments.pop("dev")
    [run] = github.push("main")
    assert "The secret KUBE_CONFIG" in failed_alone(run, DEPLOYED)
    assert github.commands("kubectl", "deploy") == []

    github.environments["dev"] = access
    github.fail_tool("kubectl", "^apply")
    failed_alone(github.rerun(run, failed_only=True), DEPLOYED)
    [refused] = github.commands("kubectl", "deploy")
    assert refused.arguments[0] == "apply", "what the cluster refuses fails at once"

    github.tools.heal()
    github.fail_tool("kubectl", "rollout status")
    run = github.rerun(run, failed_only=True)
    assert failed_alone(run, DEPLOYED) == (
        "Deployment web in the namespace default did not become ready"
    )
    assert [command.line for command in github.commands("kubectl", "deploy")][4:] == [
        "kubectl get pods --namespace default --output wide",
        "kubectl get events --namespace default --sort-by .lastTimestamp",
    ]
    assert "\noffline events --namespace default" in run.job(DEPLOYED).log
    assert run.job("cluster-dev").outputs["deployment-status"] == "failure"


def test_another_digest_on_the_way_is_noticed(made: Made, tmp_path: Path) -> None:
    """Somebody replaces the image's reference in the package between build and deployment."""
    github = small(made, tmp_path)

    def tamper(run: Run, job: str) -> None:
        if job == "cluster-build / build":
            [artifact] = run.artifact_store.values()
            artifact.fill({**artifact.files, "docker-image": b"evil.example/web@sha256:00\n"})

    github.before_job = tamper
    [run] = github.push("main")
    error = failed_alone(run, "cluster-build / build")
    assert "differs from what the build has uploaded, in ./docker-image: run the workflow" in error


def test_what_it_builds_from_is_there_before_the_build(template: Path, tmp_path: Path) -> None:
    """A wheel, placed into the context of the build."""
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
    wheel = hashlib.sha256(run.packages["library-package-dev"]["library.whl"]).hexdigest()
    [build] = [c for c in github.commands("docker") if c.arguments[1] == "build"]
    assert build.files == {"wheels/library.whl": wheel}


# Many images, and components beside others -----------------------------------------------------


def test_many_images_and_one_set_of_manifests(template: Path, tmp_path: Path) -> None:
    names = ["app-1", "app-2", "app-10"]
    # The checks are tested elsewhere. Here several images come together.
    no_checks = {"lint": "", "test": "", "security": ""}
    answers = {
        "code_types": ["kubernetes"],
        "components": {
            **{
                name: {"code_type": "docker", "path": f"apps/{name}", **no_checks} for name in names
            },
            "kubernetes": {"path": "k8s", "lint": "", "security": ""},
        },
        "environments": [{"name": "dev", "branch": "main"}],
    }
    files = {f"apps/{name}/Dockerfile": DOCKERFILE for name in names}
    files["k8s/apps.yaml"] = "---\n".join(deployment(name, name) for name in names)
    github = with_images(start(template, tmp_path, answers, files))
    github.environments = {"dev": {"secrets": {"KUBE_CONFIG": "a cluster"}}}
    [run] = github.push("main")
    assert run.conclusion == "success", {k: j.log for k, j in run.jobs.items() if j.errors}
    rendered = run.packages["kubernetes-package-dev"]["rendered/dev.yaml"]
    references = [digest_of(run, f"{name}-package-dev") for name in names]
    assert sorted(images_in(rendered)) == sorted(references)
    assert len({reference.split("@")[1] for reference in references}) == 3
    rollouts = [c.line for c in github.commands("kubectl", "deploy") if "rollout" in c.line]
    assert [line.split()[3] for line in rollouts] == [
        f"Deployment/{name}" for name in sorted(names)
    ]


def test_a_component_in_the_root_beside_others_in_folders(template: Path, tmp_path: Path) -> None:
    """The package of the root has no files of the other components."""
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
    checks = github.commands("uvx", "python-build")
    assert checks and all(set(command.files) == {"handler.py"} for command in checks)
    assert {c.folder for c in github.commands("docker")} == {"image"}
    assert {c.folder for c in github.commands("kubectl")} == {"deploy to"}
