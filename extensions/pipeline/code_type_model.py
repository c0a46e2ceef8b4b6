"""What a code type is: the content of one file of `code_types/`, as `code_types.py` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .settings import Setting

JOBS = ("lint", "test", "security", "build", "deploy")
"""The jobs that run commands, in their order. A contract: docs/answers.md."""

CHECKS = ("lint", "test", "security")
"""The jobs that check. All run, also when one fails; then nothing is built or deployed."""

PLAN_VARIABLES = ("CHANGES", "CHANGES_TEXT", "READ_ONLY")
"""What a plan's command gets: the file for its changes, the file for the tool's own words, and
whether it may only read. A contract: docs/code-types.md."""

SETUP = "setup"
"""How a job's `tools` refer to the key `setup`. A contract: docs/code-types.md."""

SETUP_FILES = ("action.yml", "setup.sh")
"""The files of the action that `setup` becomes; it may have more."""

CACHE = "inputs.cache"
"""The input that says whether a cache may be used. Only builds have it."""


@dataclass(frozen=True)
class JobDefaults:
    """What a code type says of one of the jobs."""

    name: str
    command: str = ""
    tools: tuple[str, ...] = ()
    secrets: bool = False
    cloud: bool = False
    """Whether it logs in to the cloud that the answers name."""
    registry: bool = False
    """Whether it logs in to the registry that the answers name."""
    identity: bool = False
    """Whether it may ask for an OIDC token, for which package indexes trust it."""
    product: str = ""
    """The product that it publishes, which the build has to make; empty for none."""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """The composite action of a code type: what its workflows set up in the same way."""

    description: str
    script: str
    """Becomes setup.sh, the action's first step, whose id is `find`."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """The description of each output of the script, by name."""
    steps: str = ""
    """Steps after the script, as YAML text."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further files of the action, by name, for its steps."""


@dataclass(frozen=True)
class CloudAddition:
    """What a cloud adds to the jobs that log in to it."""

    steps: str = ""
    """Steps between the login and the command, as YAML text."""
    variables: Mapping[str, str] = field(default_factory=dict)
    prerequisites: tuple[str, ...] = ()
    permissions: Mapping[str, str] = field(default_factory=dict)
    """Permissions of GITHUB_TOKEN that the code type's own command needs besides, by scope."""


@dataclass(frozen=True)
class Consumed:
    """What a code type takes from packages, and how its files name it."""

    product: str
    """The name of a product, or a pattern of names."""
    named_in: tuple[str, ...] = ()
    """Patterns of file names."""
    pattern: str = ""
    """A regular expression, whose first groups are paths, or names of images."""
    by_key: bool = False
    """Whether its commands find an image by the key in YAML files, not by its name."""
    variables: str = ""
    """A regular expression with two groups: a name that a file gives to a value, and the value."""


@dataclass(frozen=True)
class Suggestion:
    """A proposal of `produces`, if one of the files is there and holds the text."""

    files: tuple[str, ...]
    holds: str
    produces: tuple[str, ...] | None
    ignored: bool = False
    """Whether it counts only if a `.gitignore` names all that it produces."""


@dataclass(frozen=True)
class Needed:
    """How files name folders outside a component's own that its commands read."""

    named_in: tuple[str, ...]
    """Patterns of file names."""
    pattern: str
    """A regular expression, whose first groups are relative paths; with `called`, names."""
    called: str = ""
    """A regular expression, whose first group is the name of a folder in a file of it."""


@dataclass(frozen=True)
class WholeTree:
    """A tool that projects run on all their files, and so on the generated ones too."""

    endings: tuple[str, ...]
    """The endings of the generated files that it reads, without a dot."""
    rewrites: tuple[str, ...]
    """The options with which it rewrites files and checks nothing."""
    ignores: tuple[str, ...]
    """Patterns of the files that say what it ignores."""
    unless: str
    """A regular expression for package.json, by which it ignores `.github` anyway; or empty."""


@dataclass(frozen=True)
class State:
    """How files say where a tool keeps the state of what it has deployed."""

    named_in: tuple[str, ...]
    """Patterns of file names."""
    pattern: str
    """A regular expression that such a file matches."""
    apart: tuple[str, ...]
    """Variables that give each environment a state of its own."""


@dataclass(frozen=True)
class OwnCommands:
    """Which of a project's own tasks its jobs can run."""

    calls: tuple[str, ...]
    """The programs that the jobs of the code type have."""
    before: str = ""
    """Shell that runs before a task, so that those programs find what they need."""
    script: str = ""
    """How a script of package.json is run. Scripts called like our commands run without it."""


@dataclass(frozen=True)
class Detect:
    """How components of a code type are found. The keys are those of `schema.json`."""

    files: tuple[str, ...]
    holds: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nested: str = "component"
    parts: str = ""
    parts_in: tuple[str, ...] = ()
    environments: bool = False
    replaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By code type: the patterns of files by which a component has to be found; none for any."""
    replaces_inside: bool = True
    variable: str = ""
    setting: str = ""
    settings: tuple[Suggestion, ...] = ()
    leaves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    commands: OwnCommands | None = None
    """None: tasks of the project never replace its commands."""
    known_as: str = ""
    reads: str = ""
    constants: str = ""
    needs: tuple[Needed, ...] = ()
    """How its files name folders outside its own that its commands read."""
    clouds: Mapping[str, str] = field(default_factory=dict)
    """By cloud: a pattern in its files that shows that they deploy to it."""
    own_login: str = ""
    """A pattern in its files by which the tool logs in by itself, and to no cloud here."""
    state: State | None = None
    """None if nothing is said about a state."""
    whole_tree: Mapping[str, WholeTree] = field(default_factory=dict)
    """Tools that read all files of the repository, by name."""
    not_read: Mapping[str, str] = field(default_factory=dict)
    """Names of tools that its commands do not run, by pattern of the tools' files."""

    @property
    def by_file(self) -> bool:
        """Whether each such file is a component, and not each folder: the commands get its name."""
        return bool(self.variable or self.setting)


@dataclass(frozen=True)
class CodeType:
    """One file of `code_types/`, read and checked."""

    name: str
    label: str
    description: str
    jobs: Mapping[str, JobDefaults]
    depends_on: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    products: Mapping[str, str] = field(default_factory=dict)
    """The command that builds each product, by its name."""
    reports: tuple[str, ...] = ()
    """Patterns of the reports that its tests leave, relative to a component's path."""
    outputs: tuple[str, ...] = ()
    """What the build command writes to $GITHUB_OUTPUT, besides the package."""
    setup: Setup | None = None
    clouds: Mapping[str, CloudAddition] = field(default_factory=dict)
    secret_variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    """Set-up steps, as YAML text, by name."""
    prerequisites: tuple[str, ...] = ()
    pull_requests: str = ""
    """What docs/ci-cd.md says of it in its section on pull requests, as Markdown."""
    leaves_out_others: bool = False
    """Whether folders of other components in a component's own are deleted before its commands."""
    keeps_others: str = ""
    """A shell command that succeeds if such a $folder belongs to the component and has to stay."""
    publish: JobDefaults | None = None
    """The deploy job of a component that is published."""
    plan: JobDefaults | None = None
    """The command that only reads, and writes down what a deployment would change."""
    apply: str = ""
    """The deployment's command after that; empty if it is the usual one."""
    consumes: tuple[Consumed, ...] = ()
    detect: Detect | None = None
    environment_files: tuple[str, ...] = ()
    """What its commands read for one environment: paths with {environment}; folders end with /."""
    environments_in: tuple[Needed, ...] = ()
    """How files in its folder name environments in their text."""
    reads_above: tuple[str, ...] = ()
    """Names of files and folders that are also read in the folders above a component's."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """The settings of its components alone, by name."""
    file: str = ""
    """The file in the repository, for a repository's own code type; empty otherwise."""
    written: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What its file holds."""
