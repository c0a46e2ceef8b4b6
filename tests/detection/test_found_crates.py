"""Which folders with a Cargo.toml are components, and which `produces` each gets."""

from __future__ import annotations

import pytest
from repositories import components, edges, proposed, read

PACKAGE = '[package]\nname = "shop"\nversion = "1.0.0"\n'
LIBRARY = PACKAGE + 'description = "It is for others"\nlicense = "MIT"\n'
WORKSPACE = '[workspace]\nmembers = ["api", "crates/*"]\n'
TWO = PACKAGE + '[dependencies]\nlambda_http = "1"\n[[bin]]\nname = "a"\n[[bin]]\nname = "b"\n'


@pytest.mark.parametrize(
    ("files", "produces"),
    [
        ({"Cargo.toml": PACKAGE, "src/main.rs": ""}, ["bin"]),
        ({"Cargo.toml": PACKAGE, "src/lib.rs": ""}, []),
        ({"Cargo.toml": LIBRARY, "src/lib.rs": ""}, ["packages"]),
        ({"Cargo.toml": LIBRARY + "publish = false\n", "src/lib.rs": ""}, []),
        ({"Cargo.toml": LIBRARY, "src/lib.rs": "", "src/main.rs": ""}, ["bin"]),
        ({"Cargo.toml": LIBRARY, "src/lib.rs": "", "examples/main.rs": ""}, ["packages"]),
        (
            {"Cargo.toml": PACKAGE + '[dependencies]\nlambda_runtime = "1"\n'},
            ["lambda-package.zip"],
        ),
        ({"Cargo.toml": TWO}, ["functions"]),
        ({"Cargo.toml": WORKSPACE, "api/Cargo.toml": PACKAGE, "api/src/main.rs": ""}, ["bin"]),
    ],
)
def test_produces_of_a_crate(files: dict[str, str], produces: list[str]) -> None:
    [component] = read(proposed(files)).components
    assert component.path == "." and list(component.produces) == produces


def test_members_of_a_workspace_are_no_components() -> None:
    files = {
        "services/Cargo.toml": WORKSPACE,
        "services/api/Cargo.toml": PACKAGE,
        "services/crates/core/Cargo.toml": PACKAGE,
        "tool/Cargo.toml": PACKAGE,
        "tool/derive/Cargo.toml": PACKAGE,
        "config/Cargo.toml": '[alias]\nb = "build"\n',
    }
    assert components(proposed(files)) == {"services": "rust services", "tool": "rust tool"}


def test_an_image_waits_for_the_crate_beside_it() -> None:
    files = {"Cargo.toml": PACKAGE, "src/main.rs": "", "Dockerfile": "COPY . .\n"}
    assert edges(proposed(files)) == {"docker": {"rust": []}}
