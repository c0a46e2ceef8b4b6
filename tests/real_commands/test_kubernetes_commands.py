"""The commands of Kubernetes' code type: with real kustomize, kubernetes-validate and yamllint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import toolbox
import yaml
from commands import Runner, write
from copies import Once

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
REFERENCE = f"ghcr.io/acme/demo/image@{DIGEST}"
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: migrate, image: "image:v1"}]
      containers: [{name: web, image: IMAGE}, {name: cache, image: "redis:8"}]
"""
PLAIN = {"web.yaml": WEB.replace("IMAGE", "image")}
OVERLAYS = {
    "base/web.yaml": PLAIN["web.yaml"],
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "overlays/dev/kustomization.yaml": "resources: [../../base]\nnamespace: dev\n",
    "overlays/test/kustomization.yaml": "resources: [../../base]\nnamespace: test\n",
    "overlays/prd/kustomization.yaml": "resources: [../../base]\nnamespace: prd\n",
}


@pytest.fixture
def cluster(runner: Runner) -> Runner:
    (runner.tools / "kubectl").symlink_to(toolbox.script("kubectl"))
    return runner


def project(tmp_path: Path, files: dict[str, str], packages: dict[str, str] | None = None) -> Path:
    """A repository with manifests in `cluster`, and placed packages."""
    if packages is None:
        packages = {"image": f"{REFERENCE}\n"}
    placed = {f".packages/{name}/docker-image": text for name, text in packages.items()}
    repository = write(tmp_path / "repository", placed)
    return write(repository / "cluster", files)


def rendered(folder: Path, environment: str = "dev") -> list[dict[str, object]]:
    text = (folder / f"rendered/{environment}.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


def images(folder: Path, environment: str = "dev") -> list[str]:
    found = []
    for one in rendered(folder, environment):
        spec = one["spec"]["template"]["spec"]  # type: ignore[index]
        containers = spec.get("initContainers", []) + spec["containers"]
        found += [container["image"] for container in containers]
    return found


@pytest.mark.parametrize(
    "files",
    [
        {"web.yml": PLAIN["web.yaml"], "values.yaml": "a: b\n", ".hidden.yaml": "kind: x\n"},
        {"dev/web.yaml": PLAIN["web.yaml"], "prd/web.yaml": "kind: broken\n"},
        {"web.yaml": WEB.replace("IMAGE", "ghcr.io/acme/demo/image:v1")},
        {"part/web.yaml": PLAIN["web.yaml"], "kustomization.yaml": "resources: [part/web.yaml]\n"},
        {
            **OVERLAYS,
            "overlays/dev/kustomization.yml": OVERLAYS["overlays/dev/kustomization.yaml"],
            "overlays/dev/kustomization.yaml": "",
        },
    ],
    ids=[
        "other files beside them",
        "a folder of the environment",
        "an image named in full",
        "a kustomization",
        "an empty kustomization",
    ],
)
def test_images_are_set_by_digest(files: dict[str, str], cluster: Runner, tmp_path: Path) -> None:
    if files.get("overlays/dev/kustomization.yaml") == "":
        files = {name: text for name, text in files.items() if text}
    folder = project(tmp_path, files)
    outcome = cluster.run("cluster/build", folder)
    assert outcome.code == 0, outcome.output
    assert images(folder) == [REFERENCE, REFERENCE, "redis:8"]
    [web] = rendered(folder)
    namespace = "dev" if "overlays/test/kustomization.yaml" in files else None
    assert web["metadata"].get("namespace") == namespace  # type: ignore[attr-defined]


THING = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: thing}\nspec: {any: 1}\n"


def test_the_namespace_of_the_environment(cluster: Runner, tmp_path: Path) -> None:
    """Custom resources get it, too, and a warning, because nobody knows their fields."""
    folder = project(tmp_path, {**PLAIN, "thing.yaml": THING})
    outcome = cluster.run("cluster/build", folder, KUBERNETES_NAMESPACE="shop-dev")
    assert outcome.code == 0 and "kind Thing" in outcome.output, outcome.output
    found = {one["kind"]: one["metadata"] for one in rendered(folder)}
    assert found == {
        "Deployment": {"name": "web", "namespace": "shop-dev"},
        "Thing": {"name": "thing", "namespace": "shop-dev"},
    }


def test_images_of_many_producers(cluster: Runner, tmp_path: Path) -> None:
    packages = {f"app-{i}": f"ghcr.io/acme/demo/app-{i}@{DIGEST}\n" for i in range(12)}
    manifests = [
        WEB.replace("IMAGE", name)
        .replace("image:v1", name)
        .replace("name: web}", f"name: {name}}}")
        for name in packages
    ]
    folder = project(tmp_path, {"apps.yaml": "---\n".join(manifests)}, packages)
    outcome = cluster.run("cluster/build", folder)
    assert outcome.code == 0, outcome.output
    expected = {reference.strip() for reference in packages.values()} | {"redis:8"}
    assert set(images(folder)) == expected


def test_without_any_image(cluster: Runner, tmp_path: Path) -> None:
    folder = project(tmp_path, PLAIN, {})
    outcome = cluster.run("cluster/build", folder)
    assert outcome.code == 0, outcome.output
    assert images(folder) == ["image:v1", "image", "redis:8"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"web.yaml": WEB.replace("IMAGE", "other").replace("image:v1", "other")},
         "::error title=Image of image::No manifest in {folder}/. runs an image called image or "
         "ghcr.io/acme/demo/image"),
        ({"web.yaml": PLAIN["web.yaml"].replace("containers:", "contaners:")},
         "'containers' is a required property"),
        ({"README.md": "nothing to apply\n"}, "::error title=Manifests::There is no overlay, "
         "kustomization or manifest for dev in {folder}"),
        ({"web.yaml": "kind: [\n"}, "web.yaml"),
    ],
    ids=["another image", "an unknown field", "nothing", "no YAML"],
)  # fmt: skip
def test_manifests_that_cannot_be_applied_are_refused(
    files: dict[str, str], said: str, cluster: Runner, tmp_path: Path
) -> None:
    folder = project(tmp_path, files)
    outcome = cluster.run("cluster/build", folder)
    assert outcome.code != 0, outcome.output
    assert said.format(folder=folder) in outcome.output


BOTH = {"ENVIRONMENTS": "dev prd"}


def namespaces(folder: Path) -> dict[str, object]:
    """The namespace of each environment."""
    found = {}
    for file in sorted((folder / "rendered").iterdir()):
        [web] = rendered(folder, file.stem)
        found[file.stem] = web["metadata"].get("namespace")  # type: ignore[attr-defined]
    return found


def test_each_environment_is_rendered(cluster: Runner, tmp_path: Path) -> None:
    folder = project(tmp_path, {**OVERLAYS, "rendered/gone.yaml": ""})
    outcome = cluster.run("cluster/build", folder, **BOTH)
    assert outcome.code == 0, outcome.output
    assert namespaces(folder) == {"dev": "dev", "prd": "prd"}
    for environment in ("dev", "prd"):
        assert images(folder, environment) == [REFERENCE, REFERENCE, "redis:8"]
    broken = {"overlays/dev/kustomization.yaml": "resources: [../../base, missing.yaml]\n"}
    outcome = cluster.run("cluster/build", write(folder, broken), **BOTH)
    assert outcome.code != 0 and "missing.yaml" in outcome.output
    assert not (folder / "rendered/prd.yaml").exists()


def test_each_environment_has_variables_of_its_own(cluster: Runner, tmp_path: Path) -> None:
    """No environment gets variables of another, and any text is allowed."""
    variables = {
        "dev": {"KUBERNETES_NAMESPACE": "shop-dev", "TEXT": "a 'b' \"$HOME\"\nc"},
        "prd": {"IMAGE_IMAGE": "acme/web"},
    }
    files = {"web.yaml": WEB.replace("image:v1", "image").replace("IMAGE", "acme/web")}
    given = {"ENVIRONMENT_VARIABLES": json.dumps(variables), **BOTH}
    outcome = cluster.run("cluster/build", project(tmp_path, files), **given)
    assert outcome.code == 0, outcome.output
    folder = tmp_path / "repository/cluster"
    assert namespaces(folder) == {"dev": "shop-dev", "prd": None}
    assert images(folder, "dev") == [REFERENCE, "acme/web", "redis:8"]
    assert images(folder, "prd") == [REFERENCE, REFERENCE, "redis:8"]


def test_variables_that_cannot_be_read_fail(cluster: Runner, tmp_path: Path) -> None:
    folder = project(tmp_path, PLAIN)
    assert cluster.run("cluster/build", folder, ENVIRONMENT_VARIABLES="{").code != 0
    missing = write(cluster.tools, {"jq": "#!/bin/sh\nexit 127\n"}) / "jq"
    missing.chmod(0o755)
    assert cluster.run("cluster/build", folder).code != 0
    assert not list((folder / "rendered").iterdir())


def test_an_environment_is_deployed_with_its_own_manifests(cluster: Runner, tmp_path: Path) -> None:
    cluster.record("kubectl")
    folder = project(tmp_path, {f"rendered/{name}.yaml": "" for name in ("dev", "prd")})
    assert cluster.run("cluster/deploy", folder, ENVIRONMENT="prd").code == 0
    apply, get = cluster.lines
    assert apply == "kubectl apply --filename rendered/prd.yaml"
    assert get.startswith("kubectl get --filename rendered/prd.yaml ")


def test_all_commands_run_twice_in_one_checkout(cluster: Runner, tmp_path: Path) -> None:
    """The second run also succeeds, and the overlays keep their namespaces."""
    cluster.record("uvx")
    folder = project(tmp_path, {**OVERLAYS, ".checkov.yaml": ""})
    for _ in range(2):
        outcomes = cluster.build("cluster", folder, **BOTH)
        assert [outcome.code for outcome in outcomes.values()] == [0, 0, 0], outcomes
    assert namespaces(folder) == {"dev": "dev", "prd": "prd"}


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        (PLAIN, 0, ""),
        ({"web.yaml": PLAIN["web.yaml"] + "kind: Deployment\n"}, 1, "key-duplicates"),
        ({"web.yaml": "a: {\n"}, 1, "syntax"),
        ({**PLAIN, "chart/templates/web.yaml": "{{ .Values.a }}: [\n"}, 0, ""),
        ({**PLAIN, ".yamllint": "rules: {braces: {max-spaces-inside: 0}, document-start: enable}"},
         1, "document-start"),
    ],
    ids=["good", "a key given twice", "no YAML", "a chart", "the project's own rules"],
)  # fmt: skip
def test_lint(files: dict[str, str], code: int, said: str, cluster: Runner, tmp_path: Path) -> None:
    outcome = cluster.run("cluster/lint", project(tmp_path, files))
    assert outcome.code == code, outcome.output
    assert said in outcome.output


JOBS = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: image}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop}
spec: &job {template: {spec: {restartPolicy: Never, containers: [{name: main, image: image}]}}}
---
apiVersion: batch/v1
kind: Job
metadata:
  generateName: "seed-"
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: image}]}}}
"""
# A stub of a cluster. It lists its objects, and refuses to change a Job.
CLUSTER = """\
#!/bin/bash
echo "kubectl $*" >> {log}
while [ $# -gt 0 ]; do
  case "$1" in
    apply | create | get) verb=$1 ;;
    --dry-run=*) dry=yes ;;
    --filename) file=$2 ;;
    *.conditions*) conditions=yes ;;
    job/*) job=$1 ;;
  esac
  shift
done
if [ "${{dry:-}}" ]; then echo "$DRY_RUN"; [ -z "$DRY_RUN" ]; exit; fi
if [ "${{conditions:-}}" ]; then
  if [ "${{job:-}}" ]; then echo "$ENDS"; else echo "${{EARLIER:-}}"; fi
  exit
fi
case "$verb $(grep -o 'generateName\\|name: migrate' "$file")" in
  *generateName) echo "Job default seed-x1" ;;
  *migrate) echo "Job shop migrate" ;;
esac
"""


@pytest.fixture
def jobs(cluster: Runner, once: Once, tmp_path: Path) -> Path:
    """JOBS, rendered by a build."""

    def build(folder: Path) -> None:
        outcome = cluster.run("cluster/build", project(folder.parent, {"jobs.yaml": JOBS}))
        assert outcome.code == 0, outcome.output

    return shutil.copytree(once("jobs of Kubernetes", build) / "cluster", tmp_path / "cluster")


def deploy_jobs(cluster: Runner, jobs: Path, **says: str) -> tuple[int, str, list[str]]:
    """Deploy JOBS; returns the exit code, the output, and the calls of the cluster."""
    log = jobs.parent / "calls"
    (cluster.tools / "kubectl").unlink()
    write(cluster.tools, {"kubectl": CLUSTER.format(log=log)})
    (cluster.tools / "kubectl").chmod(0o755)
    outcome = cluster.run("cluster/deploy", jobs, **{"DRY_RUN": "", "ENDS": "Complete", **says})
    calls = [line.split(" --")[0] for line in log.read_text(encoding="utf-8").splitlines()]
    return outcome.code, outcome.output, calls


def test_jobs_are_rendered(jobs: Path) -> None:
    """kustomize does not accept `generateName`, and the result does not show the workaround."""
    found = {one["kind"]: one["metadata"] for one in rendered(jobs)}
    assert found == {"CronJob": {"name": "report"}, "Job": {"generateName": "seed-"}}
    text = (jobs / "rendered/dev.yaml").read_text(encoding="utf-8")
    assert text.count(f"image: {REFERENCE}") == 3


@pytest.mark.parametrize(
    ("says", "deletes"),
    [
        ({}, False),
        ({"DRY_RUN": "spec.template: Invalid value: x: field is immutable"}, True),
        ({"DRY_RUN": "is forbidden"}, False),
        ({"EARLIER": "FailureTarget Failed"}, True),
        ({"EARLIER": "Complete"}, False),
    ],
    ids=["new", "changed", "forbidden", "failed before", "as it was"],
)
def test_changed_and_failed_jobs_are_replaced(
    cluster: Runner, jobs: Path, says: dict[str, str], deletes: bool
) -> None:
    code, output, calls = deploy_jobs(cluster, jobs, **says)
    assert code == 0, output
    assert calls == [
        *("kubectl apply", "kubectl get", "kubectl apply"),
        *["kubectl get"] * ("DRY_RUN" not in says),
        *["kubectl delete"] * deletes,
        *("kubectl apply", "kubectl create", "kubectl get job/migrate", "kubectl get job/seed-x1"),
    ]


@pytest.mark.parametrize(
    ("ends", "seconds", "code"),
    [
        ("SuccessCriteriaMet Complete", "9", 0),
        ("Suspended", "9", 0),
        ("Failed", "9", 1),
        ("", "0", 1),
    ],
)
def test_jobs_are_waited_for(
    cluster: Runner, jobs: Path, ends: str, seconds: str, code: int
) -> None:
    given = {"ENDS": ends, "ROLLOUT_SECONDS": seconds}
    ended, output, calls = deploy_jobs(cluster, jobs, **given)
    assert ended == code, output
    error = "::error title=Rollout::Job migrate in the namespace shop did not become ready"
    assert (error in output) == bool(code)
    assert ("kubectl get events" in calls) == bool(code)
