"""The commands of Helm's code type, with a stub that renders simple templates.

No registry of the suite has Helm. With REAL_TOOLS=1, an installed Helm renders the charts, whose
templates use only features of the stub.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import toolbox
import yaml
from commands import Outcome, Runner, Step, write

ANSWERS = {
    "components": {
        "api": {"code_type": "docker", "path": "api"},
        "web-app": {"code_type": "docker", "path": "web"},
        "Shop": {"code_type": "helm", "path": "shop"},
    },
    "dependency_map": {"Shop": ["api", "web-app"]},
}
FILE = yaml.safe_load((toolbox.ROOT / "code_types/helm.yml").read_text(encoding="utf-8"))
PUBLISH = Step(FILE["publish"]["command"], {"IMAGE": "ghcr.io/Acme/shop/shop"})

TAG = "0123456789ab"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
API = f"ghcr.io/acme/shop/api@{DIGEST}"
WEB = f"ghcr.io/acme/shop/web-app@{DIGEST}"
ONE = {"api": API}
BOTH = {"api": API, "web-app": WEB}

REAL = toolbox.REAL_TOOLS and shutil.which("helm")
# Values are JSON, which is YAML. Templates may have `.Values.a.b`, and `if` that is not nested.
HELM = """\
#!{python} -SE
import os, sys

arguments = sys.argv[1:]
line = " ".join(["helm", *arguments])
with open({log!r}, "a") as log:
    log.write(line + "\\n")
if line.startswith(os.environ.get("STUB_FAILS", "\\0")):
    sys.exit(1)
if arguments[0] not in ("package", "template", "show"):
    sys.exit()  # the modules for the others take longer to load than all of its work

import json, re


def read(name):
    with open(name) as file:
        return file.read()


def merge(into, values):
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


def look(path):
    found = values
    for part in path.split("."):
        if not isinstance(found, dict):
            sys.exit(f"Error: {{part}} of {{path}}: there is nothing it could be in")
        found = found.get(part)
    return found or ""


if line.startswith("helm package . --destination "):
    names = [os.path.join(folder, name)[2:] for folder, _, names in os.walk(".") for name in names]
    files = {{name: read(name) for name in sorted(names)}}
    files["time"] = os.environ["SOURCE_DATE_EPOCH"]
    os.makedirs(arguments[3])
    with open(arguments[3] + "/shop-1.2.3.tgz", "w") as package:
        json.dump(files, package)
elif arguments[0] == "template":
    chart = json.loads(read(arguments[2]))
    values = json.loads(chart["values.yaml"])
    options = [argument.partition("=") for argument in arguments]
    for file in (value for option, _, value in options if option == "--values"):
        merge(values, json.loads(read(file)))
    for text in (value for option, _, value in options if option == "--set-string"):
        for pair in text.split(","):
            path, _, value = pair.partition("=")
            for part in reversed(path.split(".")):
                value = {{part: value}}
            merge(values, value)
    for name, text in chart.items():
        if not name.startswith("templates/"):
            continue
        choice = r"{{{{ if \\.Values\\.(.+?) }}}}(.*?){{{{ else }}}}(.*?){{{{ end }}}}"
        text = re.sub(choice, lambda m: m[2] if look(m[1]) else m[3], text)
        print(re.sub(r"{{{{ \\.Values\\.(.+?) }}}}", lambda m: str(look(m[1])), text))
elif arguments[:2] == ["show", "chart"]:
    print(json.loads(read(arguments[2]))["Chart.yaml"])
"""

CHART = "apiVersion: v2\nname: shop\nversion: 1.2.3\n"
NEEDS_REDIS = "dependencies:\n- {name: redis, repository: https://b.example/charts}\n"
WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {{{{ .Values.replicas }}}}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: {name}
          image: {image}
---
"""
ORDINARY = '"{{ .Values.image.repository }}:{{ .Values.image.tag }}"'
NGINX = {"repository": "nginx", "tag": "1.29"}


class Machine:
    def __init__(self, runner: Runner) -> None:
        runner.steps = {**runner.steps, "Shop/publish": PUBLISH}
        self.runner = runner
        self.log = runner.folder / "helm.log"
        runner.record("uvx")
        if REAL:
            return
        stub = runner.tools / "helm"
        stub.write_text(HELM.format(python=sys.executable, log=str(self.log)), encoding="utf-8")
        stub.chmod(0o755)

    def run(self, job: str, project: Path, **variables: str) -> Outcome:
        return self.runner.run(job, project, **variables)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def machine(runner: Runner) -> Machine:
    return Machine(runner)


stubbed = pytest.mark.skipif(bool(REAL), reason="checks calls of the stub")


def chart(
    tmp_path: Path,
    images: dict[str, str],
    values: dict[str, object],
    packages: dict[str, str],
    files: dict[str, str] | None = None,
) -> Path:
    """A repository with a chart in `shop`, whose workloads run these images; and with packages."""
    placed = {f".packages/{name}/docker-image": f"{text}\n" for name, text in packages.items()}
    repository = write(tmp_path / "repository", {**placed, ".packages/lib/other.txt": ""})
    workloads = "".join(WORKLOAD.format(name=name, image=image) for name, image in images.items())
    project = {
        "Chart.yaml": CHART,
        "values.yaml": json.dumps({"replicas": 1, **values}),
        "templates/workloads.yaml": workloads,
        **(files or {}),
    }
    return write(repository / "shop", project)


def ordinary(tmp_path: Path, files: dict[str, str] | None = None) -> Path:
    return chart(tmp_path, {"api": ORDINARY}, {"image": NGINX}, ONE, files)


ALL = {"ENVIRONMENTS": "dev test prd"}


def rendered(folder: Path, environment: str = "dev") -> list[dict[str, object]]:
    text = (folder / f"chart/{environment}/rendered.yaml").read_text(encoding="utf-8")
    return [document for document in yaml.safe_load_all(text) if document]


def images(folder: Path) -> list[str]:
    specs = [one["spec"]["template"]["spec"] for one in rendered(folder)]  # type: ignore[index]
    return [container["image"] for spec in specs for container in spec["containers"]]


# Images


def image(key: str = "image", form: str = "tag") -> str:
    """A template with an image, in one of the usual forms of charts."""
    at = f".Values.{key}"
    name = f"{{{{ {at}.repository }}}}"
    if "registry" in form:
        name = f"{{{{ {at}.registry }}}}/{name}"
    tag = f":{{{{ {at}.tag }}}}"
    if "digest" in form:
        digest = f"@{{{{ {at}.digest }}}}"
        tag = f"{{{{ if {at}.digest }}}}{digest}{{{{ else }}}}{tag}{{{{ end }}}}"
    return f'"{name}{tag}"'


NAME, HASH = API.split("@")


@pytest.mark.parametrize(
    ("written", "values", "expected"),
    [
        (image(), NGINX, f"{NAME}:{TAG}@{HASH}"),
        (image(form="digest"), {**NGINX, "digest": ""}, API),
        (image(form="digest"), {**NGINX, "digest": "sha256:old"}, API),
        (image(form="registry"), {**NGINX, "registry": "docker.io"}, f"{NAME}:{TAG}@{HASH}"),
        (
            image(form="registry digest"),
            {**NGINX, "registry": "docker.io", "digest": ""},
            f"{NAME}:{TAG}@{HASH}",
        ),
        ("{{ .Values.image }}", "nginx:1.29", API),
    ],
    ids=["tag", "digest", "another digest", "registry", "registry and digest", "text"],
)
def test_an_image_is_set_in_the_form_of_the_chart(
    machine: Machine, tmp_path: Path, written: str, values: object, expected: str
) -> None:
    folder = chart(tmp_path, {"api": written}, {"image": values}, ONE)
    outcome = machine.run("Shop/build", folder)
    assert outcome.code == 0, outcome.output
    assert images(folder) == [expected]


def test_several_images(machine: Machine, tmp_path: Path) -> None:
    """Each at the key of its component, in any spelling, or at the key of the variable."""
    workloads = {"api": image("api.image"), "web": image("frontend.web.image"), "cache": "redis:8"}
    values = {"api": {"image": NGINX}, "frontend": {"web": {"image": NGINX, "port": 80}}}
    folder = chart(tmp_path, workloads, values, BOTH)
    outcome = machine.run("Shop/build", folder, WEB_APP_IMAGE="frontend.web.image")
    assert outcome.code == 0, outcome.output
    assert images(folder) == [
        f"{NAME}:{TAG}@{HASH}",
        f"ghcr.io/acme/shop/web-app:{TAG}@{HASH}",
        "redis:8",
    ]


def test_an_image_at_several_places(machine: Machine, tmp_path: Path) -> None:
    workloads = {name: image(f"{name}.image") for name in ("web", "worker")}
    folder = chart(tmp_path, workloads, {name: {"image": NGINX} for name in workloads}, ONE)
    outcome = machine.run("Shop/build", folder, API_IMAGE="web.image worker.image")
    assert outcome.code == 0, outcome.output
    assert images(folder) == [f"{NAME}:{TAG}@{HASH}"] * 2


@pytest.mark.parametrize("key", ["api.image", "api"])
def test_usual_keys_need_no_variable(machine: Machine, tmp_path: Path, key: str) -> None:
    """Detection proposes none for them, and none for `image`, which the tests above use."""
    values: dict[str, object] = NGINX  # type: ignore[assignment]
    for part in reversed(key.split(".")):
        values = {part: values}
    folder = chart(tmp_path, {"api": image(key)}, values, ONE)
    outcome = machine.run("Shop/build", folder)
    assert outcome.code == 0 and images(folder) == [f"{NAME}:{TAG}@{HASH}"], outcome.output


@pytest.mark.parametrize(
    ("written", "packages", "variables", "said"),
    [
        ("nginx:1.29", ONE, {}, "image api.image api"),
        (image(), BOTH, {}, "api.image api"),
        (image(), {"web-app": WEB}, {"WEB_APP_IMAGE": "a.b"}, "a.b"),
        ('"{{ .Values.image.repository }}"', ONE, {}, "image api.image api"),
    ],
    ids=["none of the values", "several", "another key", "no tag"],
)
def test_an_image_that_nothing_runs_is_refused(
    machine: Machine,
    tmp_path: Path,
    written: str,
    packages: dict[str, str],
    variables: dict[str, str],
    said: str,
) -> None:
    folder = chart(tmp_path, {"api": written}, {"image": NGINX}, packages)
    outcome = machine.run("Shop/build", folder, **variables)
    assert outcome.code == 1
    name = next(iter(packages.values())).partition("@")[0]
    [error] = [line for line in outcome.output.splitlines() if line.startswith("::error")]
    assert error.startswith(f"::error title=Image {name}::The chart in {folder} does not take ")
    assert f" this image from the values {said}; name the key in env, like API_IMAGE: " in error


def test_a_chart_that_does_not_render_shows_the_error(machine: Machine, tmp_path: Path) -> None:
    folder = chart(tmp_path, {"api": "{{ .Values.a.b.c.d }}"}, {}, ONE)
    outcome = machine.run("Shop/build", folder)
    assert (
        outcome.code == 1
        and "Error: " in outcome.output
        and ".a.b" in outcome.output.replace("of a.b", ".a.b")
    )


# Packages


def test_the_package(machine: Machine, tmp_path: Path) -> None:
    """Values of the environment come first, images last. Other environments are not included."""
    override = json.dumps({"replicas": 2, "image": {"tag": "other", "repository": "other"}})
    files = {
        "values-dev.yaml": override,
        "values/dev.yml": json.dumps({"replicas": 3}),
        "values-prd.yaml": json.dumps({"replicas": 9}),
        "chart/values/old.yaml": json.dumps({"replicas": 8}),
    }
    folder = ordinary(tmp_path, files)
    outcome = machine.run("Shop/build", folder)
    assert outcome.code == 0, outcome.output
    paths = sorted(str(p.relative_to(folder)) for p in (folder / "chart").rglob("*") if p.is_file())
    assert paths == [
        "chart/chart.tgz",
        "chart/dev/options",
        "chart/dev/rendered.yaml",
        "chart/dev/values-dev.yaml",
        "chart/dev/values/dev.yml",
    ]
    assert (folder / "chart/dev/options").read_text(encoding="utf-8").splitlines() == [
        "--values=chart/dev/values-dev.yaml",
        "--values=chart/dev/values/dev.yml",
        f"--set-string=image.repository={NAME},image.tag={TAG}@{HASH}",
    ]
    [workload] = rendered(folder)
    assert workload["spec"]["replicas"] == 3  # type: ignore[index]
    assert images(folder) == [f"{NAME}:{TAG}@{HASH}"]


@stubbed
def test_rendering_and_deployment_use_the_same_options(machine: Machine, tmp_path: Path) -> None:
    folder = ordinary(tmp_path, {"values-dev.yaml": "{}"})
    place = {"KUBERNETES_NAMESPACE": "shop-dev", "KUBERNETES_VERSION": "1.33", "RELEASE": "Shop-1"}
    outcome = machine.run("Shop/build", folder, **place)
    assert outcome.code == 0, outcome.output
    options = (
        "--values=chart/dev/values-dev.yaml --namespace=shop-dev "
        f"--set-string=image.repository={NAME},image.tag={TAG}@{HASH}"
    )
    template = f"helm template shop-1 chart/chart.tgz {options} --kube-version 1.33"
    assert machine.lines[-1] == template
    machine.log.unlink()
    assert machine.run("Shop/deploy", folder, **place).code == 0
    [deployed] = machine.lines
    upgrade = f"helm upgrade shop-1 chart/chart.tgz --install {options} --create-namespace "
    assert deployed.startswith(upgrade) and deployed.count("--values") == 1


def test_each_environment_is_rendered(machine: Machine, tmp_path: Path) -> None:
    """With its own values and variables. All share the chart."""
    folder = ordinary(tmp_path, {"values-test.yaml": json.dumps({"replicas": 2})})
    variables = {"prd": {"KUBERNETES_NAMESPACE": "shop-prd"}, "other": {"API_IMAGE": "nothing"}}
    given = {"ENVIRONMENT_VARIABLES": json.dumps(variables), **ALL}
    outcome = machine.run("Shop/build", folder, **given)
    assert outcome.code == 0, outcome.output
    replicas, namespaces = {}, {}
    for environment in ("dev", "test", "prd"):
        [workload] = rendered(folder, environment)
        replicas[environment] = workload["spec"]["replicas"]  # type: ignore[index]
        options = (folder / f"chart/{environment}/options").read_text(encoding="utf-8")
        namespaces[environment] = "--namespace=shop-prd\n" in options
    assert replicas == {"dev": 1, "test": 2, "prd": 1}
    assert namespaces == {"dev": False, "test": False, "prd": True}
    assert len(list(folder.glob("chart/**/*.tgz"))) == 1
    broken = {"templates/x.yaml": 'a: "{{ .Values.here.x }}"\n', "values-dev.yaml": '{"here": {}}'}
    outcome = machine.run("Shop/build", write(folder, broken), **given)
    assert outcome.code == 1, outcome.output


@stubbed
def test_a_build_fetches_dependencies_once(machine: Machine, tmp_path: Path) -> None:
    """All commands run in one checkout."""
    folder = ordinary(tmp_path, {"Chart.lock": "", ".checkov.yaml": ""})
    for _ in range(2):
        machine.log.unlink(missing_ok=True)
        outcomes = machine.runner.build("Shop", folder, ENVIRONMENTS="dev prd")
        assert [outcome.code for outcome in outcomes.values()] == [0, 0, 0], outcomes
        assert machine.lines.count("helm dependency build .") == 1
        assert machine.lines.count("helm package . --destination chart") == 1


@stubbed
def test_a_library_is_only_packaged(machine: Machine, tmp_path: Path) -> None:
    folder = ordinary(tmp_path, {"Chart.yaml": f"{CHART}type: library\n"})
    assert machine.run("Shop/build", folder).code == 0
    assert machine.lines[1:] == ["helm package . --destination chart"]
    assert (folder / "chart" / "chart.tgz").exists()


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (
            {
                "Chart.lock": "dependencies:\n- name: redis\n"
                "  repository: https://b.example/charts\n  version: 1.0.0\n- name: db\n"
                "  repository: https://a.example/charts\n  version: 2.0.0\n- name: o\n"
                "  repository: oci://c.example/charts\n- name: again\n"
                "  repository: https://b.example/charts\n- name: l\n  repository: file://../lib\n"
            },
            [
                "helm repo add https---a-example-charts https://a.example/charts",
                "helm repo add https---b-example-charts https://b.example/charts",
                "helm dependency build .",
            ],
        ),
        # Helm itself finds out whether there are dependencies.
        ({}, ["helm dependency update ."]),
        ({"charts/x/Chart.yaml": CHART}, []),
        (
            {"charts/x/Chart.yaml": CHART + NEEDS_REDIS, "charts/x/charts/y/Chart.yaml": CHART},
            [],  # they are in the repository
        ),
        ({"charts/x/Chart.yaml": CHART + NEEDS_REDIS}, ["helm dependency update ."]),
        (
            {"Chart.lock": "", "charts/x/Chart.lock": "", "charts/x/Chart.yaml": CHART},
            ["helm dependency build .", "helm dependency build ."],
        ),
        (
            {
                "Chart.yaml": CHART + "dependencies:\n- name: lib\n  repository: file://../lib\n",
                "../lib/Chart.yaml": CHART
                + "dependencies:\n- {name: redis}\n- name: shop\n  repository: 'file://../shop'\n",
            },
            ["helm dependency update .", "helm dependency update ."],
        ),
    ],
    ids=[
        "locked",
        "not locked",
        "in the repository",
        "of a chart inside, there",
        "of a chart inside",
        "of a chart inside, locked",
        "of a chart beside it, which names it too",
    ],
)
@stubbed
def test_dependencies(
    machine: Machine, tmp_path: Path, files: dict[str, str], lines: list[str]
) -> None:
    folder = ordinary(tmp_path, files)
    assert machine.run("Shop/build", folder).code == 0
    assert [line for line in machine.lines if line.split()[1] in ("repo", "dependency")] == lines
    if len(lines) > 1:
        assert machine.run("Shop/build", folder, STUB_FAILS=lines[0]).code == 1
        machine.log.unlink()
        assert machine.run("Shop/lint", folder).code == 0
        assert machine.lines == [*lines, "helm lint ."]


# Checks


def test_rendered_manifests_are_validated(machine: Machine, tmp_path: Path) -> None:
    """With the real kubernetes-validate."""
    stub = machine.runner.tools / "uvx"
    stub.unlink()
    stub.symlink_to(toolbox.script("uvx"))
    folder = ordinary(tmp_path)
    outcome = machine.run("Shop/build", folder)
    assert outcome.code == 0, outcome.output
    template = (folder / "templates/workloads.yaml").read_text(encoding="utf-8")
    write(folder, {"templates/workloads.yaml": template.replace("containers:", "contaners:")})
    outcome = machine.run("Shop/build", folder)
    assert outcome.code == 1 and "'containers' is a required property" in outcome.output


def test_each_environment_is_validated(machine: Machine, tmp_path: Path) -> None:
    folder = ordinary(tmp_path)
    assert machine.run("Shop/build", folder, KUBERNETES_VERSION="1.33", **ALL).code == 0
    validate = (
        "uvx kubernetes-validate@1.37.0 --strict --kubernetes-version 1.33 chart/{}/rendered.yaml"
    )
    assert machine.runner.lines == [validate.format(name) for name in ("dev", "test", "prd")]


@stubbed
@pytest.mark.parametrize("rules", [True, False], ids=["own rules", "no rules"])
def test_lint(machine: Machine, tmp_path: Path, rules: bool) -> None:
    files = {"values-dev.yaml": "{}", "values/dev.yaml": "{}", "values-prd.yaml": "{}"}
    folder = ordinary(tmp_path, files | ({".yamllint": ""} if rules else {}))
    assert machine.run("Shop/lint", folder).code == 0
    [yamllint] = machine.runner.lines
    options = "--strict" if rules else "--config-data {rules: {key-duplicates: enable}}"
    listed = "Chart.yaml values-dev.yaml values-prd.yaml values.yaml values/dev.yaml"
    assert yamllint == f"uvx yamllint@1.38.0 {options} {listed}"
    assert machine.lines[1:] == ["helm lint . --values=values-dev.yaml --values=values/dev.yaml"]
    assert machine.run("Shop/lint", folder, STUB_FAILS="helm lint").code == 1
    assert machine.run("Shop/lint", folder, STUB_FAILS="uvx yamllint").code == 1
    machine.log.unlink()
    assert machine.run("Shop/lint", folder, **ALL).code == 0
    assert machine.lines[1:] == [
        "helm lint . --values=values-dev.yaml --values=values/dev.yaml",
        "helm lint .",
        "helm lint . --values=values-prd.yaml",
    ]


def test_a_missing_configuration_of_the_scan_gets_a_notice(
    machine: Machine, tmp_path: Path
) -> None:
    folder = ordinary(tmp_path)
    outcome = machine.run("Shop/security", folder)
    assert outcome.code == 0 and len(outcome.notices) == 1 and machine.runner.lines == []
    outcome = machine.run("Shop/security", write(folder, {".checkov.yaml": ""}))
    [line] = machine.runner.lines
    assert line.startswith("uvx checkov@") and line.endswith(" --directory . --quiet --compact")


# Deployment

UPGRADE = "helm upgrade shop chart/chart.tgz --install"


@stubbed
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, f"{UPGRADE} --namespace=x --create-namespace --reset-values --wait --timeout 600s "
             "--atomic"),
        ({"ROLLOUT_SECONDS": "60"},
         f"{UPGRADE} --namespace=x --create-namespace --reset-values --wait --timeout 60s "
         "--atomic"),
    ],
    ids=["usual", "a deadline"],
)  # fmt: skip
def test_deployment(
    machine: Machine, tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    machine.runner.record("kubectl")
    folder = write(
        tmp_path / "shop", {"chart/chart.tgz": "", "chart/dev/options": "--namespace=x\n"}
    )
    assert machine.run("Shop/deploy", folder, **variables).code == 0
    assert machine.lines == [expected]
    assert machine.runner.lines == []


@stubbed
@pytest.mark.parametrize("namespace", ["", "shop-dev"])
def test_a_failing_deployment_shows_the_reason(
    machine: Machine, tmp_path: Path, namespace: str
) -> None:
    machine.runner.record("kubectl")
    folder = write(
        tmp_path / "shop", {"chart/chart.tgz": "", "chart/dev/options": "--namespace=x\n"}
    )
    variables = {"STUB_FAILS": "helm upgrade", "KUBERNETES_NAMESPACE": namespace}
    outcome = machine.run("Shop/deploy", folder, **variables)
    assert outcome.code == 1
    assert "::error title=Rollout::The release shop did not become ready" in outcome.output
    option = f" --namespace {namespace}" if namespace else ""
    assert machine.runner.lines == [
        f"kubectl get pods{option} --output wide",
        f"kubectl get events{option} --sort-by .lastTimestamp",
    ]


# Publishing


@stubbed
@pytest.mark.parametrize(
    ("tag", "good"),
    [
        ("v1.2.3", True),
        ("1.2.3", True),
        ("shop-1.2.3", True),
        ("shop-v1.2.3", True),
        ("charts/shop/1.2.3", True),
        ("v11.2.3", False),
        ("v1.2.30", False),
        ("v1.1.2.3", False),
        ("v1.2.3-rc.1", False),
        ("main", False),
    ],
)
def test_the_tag_has_to_end_with_the_version(
    machine: Machine, tmp_path: Path, tag: str, good: bool
) -> None:
    files = {"chart/chart.tgz": json.dumps({"Chart.yaml": CHART.replace("1.2.3", '"1.2.3"')})}
    folder = write(tmp_path / "shop", files)
    outcome = machine.run("Shop/publish", folder, GITHUB_REF_NAME=tag)
    show = "helm show chart chart/chart.tgz"
    if good:
        assert outcome.code == 0, outcome.output
        push = "helm push chart/chart.tgz oci://ghcr.io/acme/shop/charts"
        assert machine.lines == [show, push]
    else:
        assert (outcome.code, machine.lines) == (1, [show])
        [error] = outcome.output.splitlines()
        assert error.startswith(f"::error title=Version::The tag {tag} does not end with")


@stubbed
def test_a_chart_is_published_to_another_registry(machine: Machine, tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", {"chart/chart.tgz": json.dumps({"Chart.yaml": CHART})})
    where = {"GITHUB_REF_NAME": "v1.2.3", "CHART_REPOSITORY": "ghcr.io/acme/charts"}
    assert machine.run("Shop/publish", folder, **where).code == 0
    assert machine.lines[-1] == "helm push chart/chart.tgz oci://ghcr.io/acme/charts"
    assert machine.run("Shop/publish", folder, STUB_FAILS="helm push", **where).code == 1


@pytest.mark.parametrize(
    ("file", "text", "said", "passed_over"),
    [
        (".tool-versions", "helm 3.19.0\n", {"helm": "v3.19.0"}, ""),
        (
            ".tool-versions",
            "kubectl 1.33.0\nhelm v3.19.0 # ours\n",
            {"kubectl": "v1.33.0", "helm": "v3.19.0"},
            "",
        ),
        (".tool-versions", "helmfile 1.0.0\n", {}, ""),
        (".tool-versions", "kubectl latest\nhelm 3.19.0\n", {"helm": "v3.19.0"}, "kubectl latest"),
        ("mise.toml", 'kubectl = "latest"\n', {}, 'kubectl = "latest"'),
        ("mise.toml", 'kubectl = { version = "1.33.0" }\n', {"kubectl": "v1.33.0"}, ""),
        (".mise.toml", "kubectl = '1.33.0'\n", {"kubectl": "v1.33.0"}, ""),
    ],
)
@pytest.mark.parametrize("code_type", ["helm", "kubernetes"])
def test_the_versions(
    machine: Machine,
    tmp_path: Path,
    file: str,
    text: str,
    said: dict[str, str],
    passed_over: str,
    code_type: str,
) -> None:
    tools = yaml.safe_load((toolbox.ROOT / f"code_types/{code_type}.yml").read_text())["tools"]
    if code_type == "kubernetes":  # it has one tool with one version
        said = {"version": said["kubectl"]} if "kubectl" in said else {}
    step = yaml.safe_load(tools["versions" if code_type == "helm" else "kubectl"])[0]
    machine.runner.steps = {"versions": Step(step["run"])}
    outcome = machine.run("versions", write(tmp_path / "shop", {file: text}))
    assert (outcome.code, outcome.said) == (0, said)
    line = f"::notice::The pinned version is used, because this line names none: {passed_over}"
    assert outcome.notices == ([line] if passed_over else [])
