"""Renders one workflow with the templates, without Copier."""

from __future__ import annotations

import functools
import shlex
from types import SimpleNamespace
from typing import Any

import toolbox
import yaml
from jinja2 import Environment, FileSystemLoader, Template
from pipeline import printing
from pipeline.orchestrators import OrchestratorWorkflow
from pipeline.plan import Plan


@functools.cache
def _template(kind: str) -> Template:
    settings = yaml.safe_load((toolbox.ROOT / "copier.yml").read_text(encoding="utf-8"))["_envops"]
    # The filters that Copier adds to Jinja's own.
    extensions = ["jinja2_ansible_filters.AnsibleCoreFiltersExtension"]
    loader = FileSystemLoader(toolbox.ROOT)
    environment = Environment(loader=loader, extensions=extensions, **settings)
    names = ("scalar", "flow", "command")
    environment.filters.update({n: getattr(printing, n) for n in names}, shell=shlex.quote)
    (file,) = (toolbox.ROOT / "template/.github/workflows").glob(f"*yield {kind} *.jinja")
    return environment.get_template(file.relative_to(toolbox.ROOT).as_posix())


def printed(made: Plan, kind: str, what: Any) -> str:
    """The file of an orchestrator, a build, ... of the plan; `kind` is its name in the template."""
    settings = SimpleNamespace(answers_file=".copier-answers.yml")
    return _template(kind).render(plan=lambda: made, _copier_conf=settings, **{kind: what})


def orchestrator(made: Plan, what: OrchestratorWorkflow) -> str:
    return printed(made, "orchestrator", what)
