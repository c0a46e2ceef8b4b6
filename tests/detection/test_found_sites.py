"""Which folders are sites, and which code beside a site stays a component."""

from __future__ import annotations

import pytest
from repositories import components, edges, proposed

HTML = "<!doctype html><title>Shop</title>"
PACKAGE = '{"name": "site", "private": true, "scripts": {"build": "x"}}'
LIBRARY = '[project]\nname = "shop"\n'
HUGO = 'baseURL = "https://shop.example"\n[params]\n'
SITES = {
    "hugo": {"hugo.toml": "", "content/a.md": ""},
    "hugo, an older file": {"config.toml": HUGO},
    "hugo by npm": {"config.toml": HUGO, "package.json": PACKAGE},
    "astro": {"astro.config.mjs": "export default {}", "package.json": PACKAGE},
    "docusaurus": {"docusaurus.config.ts": "", "package.json": PACKAGE},
    "eleventy": {".eleventy.js": "", "package.json": PACKAGE},
    "mkdocs": {"mkdocs.yml": "site_name: Shop\n"},
    "mkdocs with its packages": {
        "mkdocs.yml": "site_name: Shop\n",
        "requirements.txt": "# The site\n\nmkdocs-material==9.5.49\npymdown-extensions\n",
    },
    "jekyll": {"_config.yml": "title: Shop\n", "Gemfile": ""},
    "plain": {"index.html": HTML, "robots.txt": ""},
    "plain, with folders": {
        "index.html": HTML,
        "CNAME": "",
        "a/index.html": HTML,
        "a/404.html": "",
    },
}
OTHERS = {
    "a configuration of something else": {"config.toml": "[server]\nbaseURL = 1\n"},
    "a server": {"astro.config.mjs": "{ output: 'server' }", "package.json": PACKAGE},
    "a theme for the README": {"_config.yml": "theme: jekyll-theme-slate\n"},
    "hexo": {"_config.yml": "title: a\npublic_dir: public\n", "Gemfile": ""},
    "one page": {"index.html": HTML},
    "a template": {"index.html": "<title>{{ title }}</title>", "favicon.ico": ""},
    "an application": {
        "index.html": '<script type="module" src="/src/main.ts"></script>',
        "favicon.ico": "",
        "package.json": PACKAGE,
    },
    "react": {"public/index.html": '<div id="root"></div>', "public/robots.txt": ""},
    "documentation in a folder": {"docs/mkdocs.yml": "site_name: Shop\n"},
}


@pytest.mark.parametrize("case", SITES)
@pytest.mark.parametrize("folder", ["", "web/"])
def test_a_site_is_one_component(case: str, folder: str) -> None:
    files = {f"{folder}{name}": text for name, text in SITES[case].items()}
    path = folder.rstrip("/") or "."
    assert components(proposed(files)) == {"static": f"static {path}"}


@pytest.mark.parametrize("packages", ["", "mkdocs\nflask\n", "flask\nmkdocs"])
def test_a_program_beside_a_site_stays(packages: str) -> None:
    found = proposed({**SITES["mkdocs"], "requirements.txt": packages})
    assert set(components(found)) == {"python", "static"}


@pytest.mark.parametrize("case", OTHERS)
def test_other_files_make_no_site(case: str) -> None:
    found = set(components(proposed({**OTHERS[case], "api/go.mod": "module a\n"})).values())
    assert found - {"node ."} == {"go api"}
    assert ("node ." in found) == ("package.json" in OTHERS[case])


def test_code_beside_a_site_stays() -> None:
    """The library and the packages remain components."""
    files = {
        "mkdocs.yml": "site_name: Shop\n",
        "pyproject.toml": LIBRARY,
        "package.json": PACKAGE,
        "www/hugo.toml": "",
        "www/api/package.json": PACKAGE,
    }
    assert set(components(proposed(files)).values()) == {
        *("static .", "python .", "node .", "node www/api")
    }


def test_an_image_waits_for_the_site_beside_it() -> None:
    files = {**SITES["astro"], "Dockerfile": "COPY dist /usr/share/nginx/html\n"}
    assert edges(proposed(files)) == {"docker": {"static": ["site -> dist"]}}
