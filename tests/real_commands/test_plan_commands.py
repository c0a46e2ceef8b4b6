"""Plans of Kubernetes, Helm and the CDK: the changes that a deployment would make.

kubectl is real, with a cluster that keeps its objects. Helm is a stub with the objects of a
release. The output of the CDK is recorded; with REAL_TOOLS=1 the real CDK runs with a double of
CloudFormation.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest
import toolbox
import yaml
from commands import CODE_TYPES, Outcome, Runner, write

ANSWERS: dict[str, Any] = {
    "components": {
        "cluster": {"code_type": "kubernetes", "path": "cluster", "plan": True},
        "Shop": {"code_type": "helm", "path": "shop", "plan": True},
        "infra": {"code_type": "cdk", "path": "infra", "plan": True},
    },
    "dependency_map": {"cluster": [], "Shop": [], "infra": []},
}
Change = tuple[str, str]


class Answers(BaseHTTPRequestHandler):
    """A server that records its requests."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]]

    def log_message(self, format: str, *args: Any) -> None:
        """Print no log."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, code: int, text: str, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


KINDS = {
    "v1": {"configmaps": "ConfigMap", "secrets": "Secret", "namespaces": "Namespace"},
    "apps/v1": {"deployments": "Deployment"},
    "batch/v1": {"jobs": "Job"},
}


class Cluster(Answers):
    """Keeps the objects that it receives, by their paths."""

    objects: ClassVar[dict[str, dict[str, Any]]]
    forbidden: ClassVar[set[str]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(f"GET {path}")
        code, found = 404, self.objects.get(path) or self.discovered(path)
        if found:
            code = 200
        elif any(part in path for part in self.forbidden):
            code, found = 403, {"reason": "Forbidden", "message": f"{path} is forbidden"}
        else:
            found = {"reason": "NotFound", "message": "not found"}
        if code != 200:
            found |= {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        self.answer(code, json.dumps(found))

    def do_POST(self) -> None:
        given = json.loads(self.body())
        self.asked.append(f"POST {self.path}")
        self.objects[f"{self.path.partition('?')[0]}/{given['metadata']['name']}"] = given
        self.answer(201, json.dumps(given))

    def discovered(self, path: str) -> dict[str, Any]:
        """The answers to kubectl's discovery of a cluster."""
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            names = [name for name in KINDS if "/" in name]
            versions = {n: {"groupVersion": n, "version": n.partition("/")[2]} for n in names}
            groups = [
                {"name": n.partition("/")[0], "versions": [v], "preferredVersion": v}
                for n, v in versions.items()
            ]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = path.removeprefix("/api/").removeprefix("/apis/")
        resources = [
            {"name": name, "kind": kind, "namespaced": kind != "Namespace", "verbs": ["get"]}
            for name, kind in KINDS.get(version, {}).items()
        ]
        head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version}
        return {**head, "resources": resources} if resources else {}


@contextmanager
def served(kind: type[Answers]) -> Iterator[str]:
    """The address of a running server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def planned(runner: Runner, component: str, project: Path, **variables: str) -> Outcome:
    return runner.run(f"{component}/plan", project, **variables)


def lines(runner: Runner, component: str) -> list[list[str]]:
    """The changes, each with action, address, and a value that must be equal at the deployment."""
    file = runner.folder / f"temp-{component}-plan/changes"
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]


def changes(runner: Runner, component: str) -> list[Change]:
    found = lines(runner, component)
    assert all(len(fields) == 3 for fields in found)
    return [(fields[0], fields[1]) for fields in found]


def text(runner: Runner, component: str) -> str:
    return (runner.folder / f"temp-{component}-plan/changes.txt").read_text(encoding="utf-8")


def check_nothing_is_secret(runner: Runner, component: str, outcome: Outcome) -> None:
    shown = [outcome.output, text(runner, component), json.dumps(lines(runner, component))]
    assert not any(secret in each for each in shown for secret in ("hunter", "aHVudGVy", "d1735"))


# Kubernetes

MANIFESTS: dict[str, dict[str, Any]] = {
    "settings": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "data": {"config.txt": "one\ntwo\nthree\n", "level": "1"},
    },
    "database": {
        "apiVersion": "v1",
        "kind": "Secret",
        "stringData": {"password": "hunter1", "user": "hunter-user"},
    },
    "web": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "web:1"}]}}},
    },
    "migrate": {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"template": {"spec": {"containers": [{"image": "web:1"}]}}},
    },
}


class Machine:
    """A machine with kubectl, and a cluster with the applied manifests."""

    def __init__(self, runner: Runner, address: str, folder: Path) -> None:
        self.runner, self.folder = runner, folder
        kubectl = runner.tools / "kubectl"
        kubectl.symlink_to(toolbox.script("kubectl"))
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "a", "cluster": {"server": address}}],
            "users": [{"name": "a", "user": {}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
        write(folder, {"kubeconfig": json.dumps(config)})
        self.variables = {"KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(folder / "home")}
        self.manifests = json.loads(json.dumps(MANIFESTS))
        for name, manifest in self.manifests.items():
            manifest["metadata"] = {"name": name, "namespace": "shop"}
        self.manifests["settings"]["metadata"].pop("namespace")
        apply = [str(kubectl), "apply", "--validate=false", "--filename", str(self.rendered())]
        subprocess.run(apply, env={**os.environ, **self.variables}, check=True, capture_output=True)
        Cluster.asked.clear()

    def rendered(self) -> Path:
        text = yaml.safe_dump_all(self.manifests.values())
        return write(self.folder / "cluster", {"rendered/dev.yaml": text}) / "rendered/dev.yaml"

    def plan(self) -> Outcome:
        self.rendered()
        outcome = planned(self.runner, "cluster", self.folder / "cluster", **self.variables)
        assert not [asked for asked in Cluster.asked if not asked.startswith("GET ")]
        return outcome


@pytest.fixture
def machine(runner: Runner, tmp_path: Path) -> Iterator[Machine]:
    Cluster.asked, Cluster.objects, Cluster.forbidden = [], {}, set()
    with served(Cluster) as address:
        yield Machine(runner, address, tmp_path)


def test_applied_manifests_change_nothing(machine: Machine) -> None:
    outcome = machine.plan()
    assert (outcome.code, outcome.output) == (0, "")
    assert changes(machine.runner, "cluster") == [] and text(machine.runner, "cluster") == ""
    assert len([asked for asked in Cluster.asked if "/shop/" in asked]) == 3


def test_changed_manifests(machine: Machine) -> None:
    has = machine.manifests
    has["settings"]["data"]["config.txt"] = "one\nTWO\nthree\n"
    has["database"]["stringData"]["password"] = "hunter2"
    has["web"]["metadata"]["labels"] = {"app": "web"}
    has["migrate"]["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    copy = {**has["settings"], "metadata": {"name": "settings", "namespace": "shop"}}
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}}
    seed = {**has["migrate"], "metadata": {"generateName": "seed-", "namespace": "shop"}}
    has |= {"copy": copy, "thing": thing, "other": {**thing, "kind": "Other"}, "seed": seed}
    outcome = machine.plan()
    assert outcome.code == 0, outcome.output
    assert changes(machine.runner, "cluster") == [
        ("update", "ConfigMap settings"),
        ("update", "Secret shop/database"),
        ("update", "Deployment shop/web"),
        ("replace", "Job shop/migrate"),
        ("create", "ConfigMap shop/settings"),
        ("create", "Thing.example.com thing"),
        ("create", "Other.example.com thing"),
        ("create", "Job shop/seed-"),
    ]
    shown = text(machine.runner, "cluster")
    assert outcome.output == shown
    assert (
        """\
--- before: ConfigMap settings
+++ after: ConfigMap settings
@@ -2,7 +2,7 @@
 data:
   config.txt: |
     one
-    two
+    TWO
     three
   level: "1"
 kind: ConfigMap
"""
        in shown
    )
    assert (
        """\
 stringData:
-  password: (hidden)
+  password: (hidden, changed)
   user: (hidden)
"""
        in shown
    )
    check_nothing_is_secret(machine.runner, "cluster", outcome)
    # The list has no digest of a secret value: another value gives the same list.
    before = lines(machine.runner, "cluster")
    has["database"]["stringData"]["password"] = "hunter3"
    assert machine.plan().code == 0 and lines(machine.runner, "cluster") == before


def test_objects_without_the_annotation_of_apply(machine: Machine) -> None:
    """Only the fields in the manifest are compared."""
    for name in ("web", "migrate"):
        [path] = [path for path in Cluster.objects if path.endswith(f"/{name}")]
        del Cluster.objects[path]["metadata"]["annotations"]
        Cluster.objects[path] |= {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    machine.manifests["web"]["spec"]["replicas"] = 2
    assert machine.plan().code == 0
    # The Job is unchanged, and is replaced because it failed.
    assert changes(machine.runner, "cluster") == [
        ("update", "Deployment shop/web"),
        ("replace", "Job shop/migrate"),
    ]
    assert "-  replicas: 1\n+  replicas: 2\n" in text(machine.runner, "cluster")


def test_a_plan_fails_if_it_may_not_read_a_secret(machine: Machine) -> None:
    Cluster.objects = {k: v for k, v in Cluster.objects.items() if "secrets" not in k}
    Cluster.forbidden.add("secrets")
    outcome = machine.plan()
    assert outcome.code == 1
    assert "::error title=Plan::This identity may not read all objects" in outcome.output


def test_helm_shows_objects_in_the_same_way() -> None:
    setups = [CODE_TYPES[name].setup for name in ("kubernetes", "helm")]
    first, second = (setup.files["changes.jq"] for setup in setups if setup)
    assert first == second


# Helm

HELM = """\
#!/bin/bash
echo "helm $*" >> '{folder}/calls'
if [ -f '{folder}/error' ]; then cat '{folder}/error' >&2; exit 1; fi
cat "{folder}/$2.yaml"
"""
HOOKS = """\
---
# Source: shop/templates/hooks.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install, pre-upgrade"}}
spec: {image: "web:1"}
---
# Source: shop/templates/hooks.yaml
apiVersion: v1
kind: Pod
metadata: {name: seed, annotations: {helm.sh/hook: post-install}}
---
# Source: shop/templates/test.yaml
apiVersion: v1
kind: Pod
metadata: {name: check, annotations: {helm.sh/hook: test}}
"""
RELEASE = """\
---
# Source: shop/templates/secret.yaml
apiVersion: v1
kind: Secret
metadata: {name: database}
data: {password: aHVudGVyMQ==}
---
# Source: shop/templates/web.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {annotations: {checksum/secret: d17351}}}, replicas: 1}
"""
GONE = """\
---
# Source: shop/templates/gone.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: gone}
---
# Source: shop/templates/gone.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}
"""
NEW = (
    RELEASE.replace("MQ==", "Mg==")
    .replace("d17351", "d17352")
    .replace("replicas: 1", "replicas: 2")
)


def helm(
    runner: Runner, folder: Path, rendered: str, release: Mapping[str, str], **variables: str
) -> Outcome:
    write(folder / "helm", release)
    stub = write(runner.tools, {"helm": HELM.format(folder=folder / "helm")}) / "helm"
    stub.chmod(0o755)
    kubectl = runner.tools / "kubectl"
    kubectl.unlink(missing_ok=True)
    kubectl.symlink_to(toolbox.script("kubectl"))
    project = write(folder / "shop", {"chart/dev/rendered.yaml": rendered})
    return planned(runner, "Shop", project, KUBECONFIG=str(folder / "none"), **variables)


def test_changes_of_an_upgrade(runner: Runner, tmp_path: Path) -> None:
    release = {"manifest.yaml": RELEASE + GONE, "hooks.yaml": HOOKS}
    new = NEW.replace("{name: web}", "{name: web, namespace: shop}")
    more = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: other}\n"
    rendered = new + more + HOOKS.replace("web:1", "web:2")
    outcome = helm(runner, tmp_path, rendered, release, KUBERNETES_NAMESPACE="shop")
    assert outcome.code == 0, outcome.output
    assert changes(runner, "Shop") == [
        ("update", "Secret database"),
        ("update", "Deployment shop/web"),
        ("create", "ConfigMap other/more"),
        ("delete", "ConfigMap gone"),
        ("keep", "PersistentVolumeClaim kept"),
        ("run", "Job migrate"),
    ]
    shown = text(runner, "Shop")
    assert shown == outcome.output
    for line in (
        "-  image: web:1\n+  image: web:2\n",
        "-  name: gone\n",
        "+  password: (hidden, changed)\n",
    ):
        assert line in shown
    assert (
        "-        checksum/secret: (hidden)\n+        checksum/secret: (hidden, changed)\n" in shown
    )
    check_nothing_is_secret(runner, "Shop", outcome)
    assert (tmp_path / "helm/calls").read_text(encoding="utf-8").splitlines() == [
        f"helm get {what} shop --namespace shop" for what in ("manifest", "hooks")
    ]


def test_the_same_release(runner: Runner, tmp_path: Path) -> None:
    release = {"manifest.yaml": RELEASE, "hooks.yaml": ""}
    outcome = helm(runner, tmp_path, RELEASE, release)
    assert (outcome.code, changes(runner, "Shop"), outcome.output) == (0, [], "")


def test_the_first_release(runner: Runner, tmp_path: Path) -> None:
    outcome = helm(runner, tmp_path, RELEASE + HOOKS, {"error": "Error: release: not found\n"})
    assert outcome.code == 0, outcome.output
    assert changes(runner, "Shop") == [
        ("create", "Secret database"),
        ("create", "Deployment web"),
        ("run", "Job migrate"),
        ("run", "Pod seed"),
    ]
    check_nothing_is_secret(runner, "Shop", outcome)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ('secrets is forbidden: User "plan" cannot list resource "secrets"', True),
        ("Kubernetes cluster unreachable", False),
    ],
)
def test_a_release_that_cannot_be_read(
    error: str, said: bool, runner: Runner, tmp_path: Path
) -> None:
    outcome = helm(runner, tmp_path, RELEASE, {"error": f"Error: {error}\n"})
    assert outcome.code == 1 and error in outcome.output
    assert ("::error title=Plan::This identity may not read the release" in outcome.output) == said


# AWS CDK


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def function(password: str, level: str) -> dict[str, Any]:
    variables = {"Variables": {"DB_PASSWORD": password, "LEVEL": level}}
    listed = [{"Key": "API_TOKEN", "Value": password}, {"Key": "level", "Value": level}]
    code = {"S3Bucket": "b", "S3Key": "a"}
    return resource(
        "Lambda::Function", Role="x", Code=code, Environment=variables, Tags=listed, Runtime="x"
    )


OLD_TEMPLATE = {
    "Parameters": {"Key": {"Type": "String", "NoEcho": True, "Default": "hunter1"}},
    "Resources": {
        "Bucket": {**resource("S3::Bucket"), "Metadata": {"aws:cdk:path": "Site/Files/Resource"}},
        "Queue": resource("SQS::Queue", QueueName="one"),
        "Kept": {**resource("S3::Bucket", BucketName="kept"), "DeletionPolicy": "Retain"},
        "Gone": resource("SNS::Topic"),
        "Function": function("hunter1", "1"),
        "Secret": resource("SecretsManager::Secret", SecretString="hunter1\n\nhunter1"),
    },
    "Outputs": {"Url": {"Value": "a"}, "Token": {"Value": "hunter1"}},
}
NEW_TEMPLATE = {
    "Parameters": {"Key": {"Type": "String", "NoEcho": True, "Default": "hunter2"}},
    "Resources": {
        "Bucket": {
            **resource("S3::Bucket", Tags=[{"Key": "a", "Value": "b"}]),
            "Metadata": {"aws:cdk:path": "Site/Files/Resource"},
        },
        "Queue": resource("SQS::Queue", QueueName="two"),
        "New": resource("SecretsManager::Secret", SecretString="hunter2"),
        "Function": function("hunter2", "2"),
        "Secret": resource("SecretsManager::Secret", SecretString="hunter2\n\nhunter2"),
    },
    "Outputs": {"Url": {"Value": "b"}, "Token": {"Value": "hunter2"}},
}
CDK_CHANGES = [
    ("parameter", "Site Key (update)"),
    ("orphan", "Site AWS::S3::Bucket Kept"),
    ("delete", "Site AWS::SNS::Topic Gone"),
    ("create", "Site AWS::SecretsManager::Secret New"),
    ("update", "Site AWS::S3::Bucket Files Bucket"),
    ("replace", "Site AWS::SQS::Queue Queue"),
    ("update", "Site AWS::Lambda::Function Function"),
    ("update", "Site AWS::SecretsManager::Secret Secret"),
    ("output", "Site Url (update)"),
    ("output", "Site Token (update)"),
    ("create", "Other AWS::SNS::Topic Topic"),
]
CDK_VERSION = "2.1148.1"
WORDS = Path(__file__).with_name("cdk_diff.txt")
"""The output of that version for these templates."""


class CloudFormation(Answers):
    """Has one stack, and refuses to let a role be assumed."""

    denied: ClassVar[str]

    def do_POST(self) -> None:
        given = {name: values[0] for name, values in parse_qs(self.body().decode()).items()}
        action = given["Action"]
        self.asked.append(action)
        arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/Site/1"
        results = {
            "GetCallerIdentity": "<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:"
            "user/a</Arn><UserId>a</UserId>",
            "GetTemplate": f"<TemplateBody>{escape(json.dumps(OLD_TEMPLATE))}</TemplateBody>",
            "DescribeStacks": f"<Stacks><member><StackName>Site</StackName><StackId>{arn}</StackId>"
            "<StackStatus>UPDATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z"
            "</CreationTime></member></Stacks>",
        }
        error = "AccessDenied" if action in ("AssumeRole", self.denied) else ""
        if not error and given.get("StackName", "Site") not in ("Site", arn):
            error = "ValidationError"
        said = f"<{action}Result>{results.get(action)}</{action}Result>"
        if error:
            message = f"Stack with id {given.get('StackName')} does not exist"
            said = f"<Error><Code>{error}</Code><Message>{message}</Message></Error>"
        name = "ErrorResponse" if error else f"{action}Response"
        code = {"": 200, "AccessDenied": 403}.get(error, 400)
        self.answer(code, f"<{name}>{said}<RequestId>1</RequestId></{name}>", "text/xml")


def assembly(folder: Path) -> Path:
    """The result of the build for `dev`: an existing stack and a new one."""

    def stack(name: str) -> dict[str, Any]:
        role = f"arn:${{AWS::Partition}}:iam::123456789012:role/cdk-hnb659fds-{name}-role-x"
        properties = {
            "templateFile": f"{name}.template.json",
            "assumeRoleArn": role.replace(name, "deploy"),
            "lookupRole": {"arn": role.replace(name, "lookup")},
        }
        return {
            "type": "aws:cloudformation:stack",
            "environment": "aws://123456789012/eu-central-1",
            "properties": properties,
            "displayName": name,
        }

    names = {"Site": NEW_TEMPLATE, "Other": {"Resources": {"Topic": resource("SNS::Topic")}}}
    manifest = {"version": "36.0.0", "artifacts": {name: stack(name) for name in names}}
    templates = {f"{name}.template.json": json.dumps(found) for name, found in names.items()}
    files = {**templates, "manifest.json": json.dumps(manifest)}
    return write(
        folder / "infra",
        {
            "cdk.json": '{"app": "exit 1"}',
            "cdk.out/cli-version.txt": f"{CDK_VERSION}\n",
            **{f"cdk.out/dev/{name}": content for name, content in files.items()},
        },
    )


def check_cdk(runner: Runner, outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.output
    assert changes(runner, "infra") == CDK_CHANGES
    shown = text(runner, "infra")
    assert " └─ [~] QueueName (requires replacement)\n     ├─ [-] one\n" in shown
    assert shown in outcome.output
    check_nothing_is_secret(runner, "infra", outcome)
    # The text after a hidden value is shown.
    assert re.search(r"\.LEVEL:\n[ │]+├─ \[-\] 1\n[ │]+└─ \[\+\] 2\n", shown)
    by_name = {fields[1]: fields[2:] for fields in lines(runner, "infra")}
    assert "one └─ [+] two" in by_name["Site AWS::SQS::Queue Queue"][0]
    assert "role" not in json.dumps(by_name)


def test_changes_of_the_cdk(runner: Runner, tmp_path: Path) -> None:
    (runner.tools / "node").symlink_to(toolbox.NODE)
    stub = write(runner.tools, {"npx": f'#!/bin/bash\necho "npx $*" >&2\ncat "{WORDS}"\n'}) / "npx"
    stub.chmod(0o755)
    outcome = planned(runner, "infra", assembly(tmp_path), STACKS="Site Other/*")
    check_cdk(runner, outcome)
    assert outcome.output.startswith(
        f"npx --yes aws-cdk@{CDK_VERSION} diff --app cdk.out/dev --method template "
    )
    assert " Site Other/*\n" in outcome.output


@pytest.mark.skipif(not toolbox.REAL_TOOLS, reason="REAL_TOOLS=1 installs the CDK from npm (30 MB)")
def test_changes_of_the_real_cdk(runner: Runner, tmp_path: Path) -> None:
    """It only makes calls that read, and fails if it cannot read."""
    (runner.tools / "node").symlink_to(toolbox.NODE)
    cli = toolbox.NODE.parent.parent / "lib/node_modules/npm/bin/npx-cli.js"
    npx = f'#!/bin/sh\nexec "{toolbox.NODE}" "{cli}" "$@"\n'
    write(runner.tools, {"npx": npx})
    (runner.tools / "npx").chmod(0o755)
    CloudFormation.asked, CloudFormation.denied = [], ""
    trusted = {k: v for k, v in os.environ.items() if k == "NODE_EXTRA_CA_CERTS"}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-central-1"}
    with served(CloudFormation) as address:
        runner.environment.update({**trusted, **keys, "AWS_ENDPOINT_URL": address})
        outcome = planned(runner, "infra", assembly(tmp_path))
        said = (runner.folder / "temp-infra-plan/diff").read_text(encoding="utf-8")
        if os.environ.get("UPDATE_SNAPSHOTS"):
            WORDS.write_text(said, encoding="utf-8")
        assert said == WORDS.read_text(encoding="utf-8")
        check_cdk(runner, outcome)
        asked = set(CloudFormation.asked) - {"GetCallerIdentity"}  # the CDK caches this
        assert asked == {"AssumeRole", "DescribeStacks", "GetTemplate"}
        CloudFormation.denied = "GetTemplate"
        assert planned(runner, "infra", assembly(tmp_path)).code == 1
