"""A site on GitHub Pages: what is deployed is the package that was tested."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from generated_repositories import start

ANSWERS = {
    "components": {
        "site": {"code_type": "static", "path": "www", "test": "true"},
        "api": {"code_type": "generic", "path": "www/api", "test": "true"},
        "other": {"code_type": "static", "path": "www", "test": "true", "deploy": "true"},
    },
    "environments": [
        {"name": "test", "branch": "main", "env": {"PAGES": "true"}},
        {"name": "prd", "after": "test", "production": True},
    ],
    "pull_requests": False,
}
FILES = {
    "www/index.html": "<title>Shop</title>\n",
    "www/a/app.js": "x\n",
    "www/README.md": "",
    "www/api/x": "",
}


def test_the_tested_site_is_deployed(template: Path, tmp_path: Path) -> None:
    github = start(template, tmp_path, ANSWERS, FILES)
    github.environments = {"prd-approval": {"reviewers": True}, "prd": {"vars": {"PAGES": "true"}}}
    [test] = github.push("main")
    [prd] = github.runs_of("orchestrator-prd.yml")
    for run, name in ((test, "test"), (prd, "prd")):
        assert run.conclusion == "success"
        package = run.packages[f"site-package-{name}"]
        [archive] = run.artifacts[f"pages-{name}-1"].values()
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            files = {m.name.removeprefix("./"): tar.extractfile(m) for m in tar if m.isfile()}
            deployed = {f"site/{file}": text.read() for file, text in files.items() if text}
        assert deployed == {f: text for f, text in package.items() if f.startswith("site/")}
        assert deployed.keys() == {"site/index.html", "site/a/app.js"}
        job = run.job(f"site-{name} / deploy")
        assert (job.environment, job.steps["Deploy to GitHub Pages"]) == (name, "success")
        assert job.permissions == {"actions": "read", "contents": "read"} | {
            scope: "write" for scope in ("id-token", "pages")
        }
        # A command of the answers needs none of that.
        assert "write" not in run.job(f"other-{name} / deploy").permissions.values()
    assert test.packages["site-package-test"] == prd.packages["site-package-prd"]


def test_nothing_is_deployed_where_nobody_said_so(template: Path, tmp_path: Path) -> None:
    environments = [{"name": "test", "branch": "main"}]
    components = {"site": ANSWERS["components"]["site"]}  # type: ignore[index]
    answers = {**ANSWERS, "environments": environments, "components": components}
    github = start(template, tmp_path, answers, FILES)
    [run] = github.push("main")
    job = run.job("site-test / deploy")
    assert run.conclusion == "failure" and "Deploy to GitHub Pages" not in job.steps
    assert "set PAGES, which has to be true in the one environment" in "".join(job.errors)
    assert not any(name.startswith("pages-") for name in run.artifacts)
