"""The edge between Copier and the pure modules in `pipeline/`: what `copier.yml` and the
templates may call.

Copier loads this file afresh for each render, four times in one `copier update`, where the old
and the new version of the template run in one process. So the package beside it is loaded by its
path and under a name of that path's own: an old module is never taken for a new one.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import pickle
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import copier._main
import yaml
from copier.errors import UserMessageError
from jinja2 import Environment, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE.parent / "template"

NOT_ASKED_FOR = ("found", "default_branch", "unmatched")
"""Answers that the repository gives, recorded where they are not as usual."""
YIELD = re.compile(r"\[% yield (\w+) from ([\w.()]+) %\](.*?)\[% endyield %\]")


def load_pipeline() -> ModuleType:
    """The package `pipeline` beside this file, loaded anew, with the modules that are used here."""
    name = "pipeline_" + hashlib.sha256(str(HERE).encode()).hexdigest()[:12]
    for loaded in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        del sys.modules[loaded]
    spec = importlib.util.spec_from_file_location(
        name, HERE / "pipeline" / "__init__.py", submodule_search_locations=[str(HERE / "pipeline")]
    )
    assert spec and spec.loader
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    modules = ("errors", "catalogue", "components", "answers", "plan", "printing", "setup")
    modules += ("recorded", "destination", "own_types", "repository_files", "proposal")
    modules += ("repository_history", "choosing", "environments")
    modules += ("git_branches", "unmatched", "found_edges")
    for module in modules:
        importlib.import_module(f"{name}.{module}")
    return package


class Orchestrator(Extension):
    """Globals for the templates: `plan`, `set_up`, `recorded`, `written`; for copier.yml: the
    methods below under "for copier.yml".
    Filters: `scalar`, `flow`, `command`, `shell`, `listed`.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.pipeline = load_pipeline()
        self.read: dict[bytes, Any] = {}
        self.plans: dict[int, Any] = {}
        self.stored: dict[str, Any] = {}
        self.told: set[str] = set()
        self.proposals: dict[Path, Any] = {}
        self.files: dict[Path, Any] = {}
        environment.globals.update(
            plan=self.plan,
            set_up=self.pipeline.setup.set_up,
            recorded=self.recorded,
            written=self.pipeline.recorded.written,
            check_answers=self.check_answers,
            problem=self.problem,
            code_type_choices=self.code_type_choices,
            default_name=self.pipeline.answers.default_name,
            parts_help=self.parts_help,
            part_choices=self.part_choices,
            usual_parts=self.usual_parts,
            asks_parts=self.asks_parts,
            asks_adjust=self.asks_adjust,
            as_they_are=self.as_they_are,
            impossible_way=self.impossible_way,
            problem_of_names=self.problem_of_names,
            asks_images=self.asks_images,
            images_help=self.images_help,
            problem_of_images=self.problem_of_images,
            made=self.made,
            text_of=self.text_of,
            asks_as_listed=self.asks_as_listed,
            environments_help=self.environments_help,
            made_environments=self.made_environments,
            stale=self.stale,
            asks=self.asks,
            type_of=self.type_of,
            impossible=self.impossible,
            first_possible=self.first_possible,
            type_of_runner=self.type_of_runner,
            ask_for_environments=self.ask_for_environments,
            ask_for_registry=self.ask_for_registry,
            ask_for_code_types_folder=self.ask_for_code_types_folder,
            usual_code_types_folder=self.usual_code_types_folder,
            content_of_code_types=self.content_of_code_types,
            outdated=self.outdated,
            proposed_branching=self.proposed_branching,
            repository_branch=self.repository_branch,
            what_does_not_fit=self.what_does_not_fit,
            outdated_unmatched=self.outdated_unmatched,
        )
        printing = self.pipeline.printing
        environment.filters.update(
            scalar=printing.scalar,
            flow=printing.flow,
            command=printing.command,
            shell=shlex.quote,
            listed=self.pipeline.errors.listed,
        )

    # -- for copier.yml ---------------------------------------------------------------------

    @pass_context
    def code_type_choices(self, context: Context) -> str:
        """The choices of the question `code_types`, as YAML."""
        return str(yaml.safe_dump([*self._types(context)]))

    @pass_context
    def check_answers(self, context: Context, when: str) -> str:
        """Stop with one line when an answer is wrong; nothing has been written by then.

        `first`: before anything is asked, what `--data`, `--data-file` and the answers file say,
        because Copier would report a wrong one with a traceback, and drop a stored one silently.
        `last`: all answers together, and what lies where they are to be written.
        """
        if when == "last":
            self.plan(context)
            self._check_removed(context)
            self._check_kept(context)
            self._check_destination(context)
            return ""
        self._check_root(context)
        self._check_answers_file(context)
        self._check_unedited(context)
        self._tell_former_answers(context)
        try:
            given = self._given(context)
            self._tell_gone(context, given)
            if given and context["_copier_conf"]["defaults"]:
                self._read({**self._proposed(context), **given})
                return ""
            # The rest is still to be asked for, so what is here may name what is not yet.
            names = self.pipeline.answers.OWN_TYPES
            own = {name: given[name] for name in names if name in given}
            self._check_alone({**self._data(context), **own})
            stored = self._stored(context)
            # What is stored and wrong, Copier would leave out of its prompts without a word.
            if _updates() and stored and self._problem_of(stored, ""):
                self._read(given)
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(f"{error}{self._way_out(context, error.answer)}") from None
        return ""

    @pass_context
    def problem(self, context: Context, question: str) -> str:
        """What is wrong with the answer just typed, or nothing. Shown at the prompt.

        What was not typed is left to `check_answers`: a validator's "no" makes Copier print a
        traceback for `--data`, and silently forget a stored answer.
        """
        value = context[question]
        stored, proposed = self._stored(context), self.pipeline.proposal.ANSWERS
        if question in self._data(context) or (question in stored and stored[question] == value):
            return ""
        # What the choices before lead to is not typed.
        if question in (*proposed, "environments") and not self.asks(context, question):
            return ""
        begin = self.text_of(context, question) if question in proposed else ""
        begin = self.made_environments(context) if question == "environments" else begin
        if begin and value == begin:
            return ""
        known = {q: context[q] for q in self._questions_until(question) if q in context}
        problem = self._problem_of({**known, question: value}, question)
        if question == "code_types_folder" and not problem:
            problem = self._problem_of_folder(context, value)
        # What is wrong without this answer too, it cannot mend; `check_answers` says so.
        return "" if problem == self._problem_of(known, question) else problem

    @pass_context
    def impossible(self, context: Context, question: str, choice: str) -> str:
        """Why a choice is greyed out at its prompt, or nothing.

        Lists know no validator. What was not chosen at the prompt is left to `check_answers`, as
        in `problem`: Copier has only a traceback for a choice that is not there.
        """
        given = {**self._stored(context), **self._data(context)}
        # Without a terminal nobody sees it; but what is proposed has to be possible as it is.
        unseen = context["_copier_conf"]["defaults"] and not self._proposal(context).names
        if unseen or question in given:
            return ""
        known = {q: context[q] for q in self._questions_until(question) if q in context}
        problem = self._problem_of({**known, question: choice}, question)
        return "" if problem == self._problem_of(known, "dependency_map") else problem

    @pass_context
    def first_possible(self, context: Context, question: str, *choices: str) -> str:
        """The first of some choices that is not greyed out; the first if all are."""
        possible = [c for c in choices if not self.impossible(context, question, c)]
        return [*possible, *choices][0]

    # What is asked about components: `parts`, `adjust` and `new_names` make the answers after them.

    @pass_context
    def asks_parts(self, context: Context) -> bool:
        """Whether a person chooses the components by their names."""
        return self._asks(context, "code_types")

    @pass_context
    def parts_help(self, context: Context) -> str:
        if self._proposal(context).names:
            return "Found in this repository: which components do you want?"
        if self._base(context).names:
            return "Which components do you keep?"
        return "Which kinds of code does it hold?"

    @pass_context
    def part_choices(self, context: Context) -> str:
        """The components that there are and other code types, as YAML: what is shown, the name."""
        rows = self.pipeline.choosing.choices(self._base(context), self._types(context))
        return str(yaml.safe_dump([[line, name] for name, line in rows.items()], width=999))

    @pass_context
    def usual_parts(self, context: Context) -> str:
        return json.dumps(sorted(self._base(context).names)) if self.asks_parts(context) else "[]"

    @pass_context
    def asks_adjust(self, context: Context) -> bool:
        """Whether a person may go on with YAML or new names; without any component, they must."""
        asked = self._asks(context, "components") or self._asks(context, "dependency_map")
        return asked and self._has_components(context)

    @pass_context
    def as_they_are(self, context: Context) -> str:
        if self._proposal(context).names:
            return "as they were found"
        if self._base(context).names:
            return "as they are recorded"
        return "each in the repository's root, in the usual order"

    @pass_context
    def impossible_way(self, context: Context, way: str) -> str:
        """Why a way to go on is greyed out, or nothing."""
        if way != "rename" or not self.asks_adjust(context):
            return ""
        if not self._asks(context, "components"):
            return "their settings were given"
        return "" if self.asks_parts(context) else "their code types were given"

    @pass_context
    def problem_of_names(self, context: Context) -> str:
        """What is wrong with the new names just typed, or nothing."""
        if "new_names" in context["_copier_conf"]["data"]:
            return ""
        try:
            made = self._made(context, "new_names")
        except self.pipeline.errors.AnswerError as error:
            return str(error)
        known = {q: context[q] for q in self._questions_until("found") if q in context}
        answers = {name: getattr(made, name) for name in self.pipeline.proposal.ANSWERS}
        return self._problem_of({**known, **answers}, "dependency_map")

    @pass_context
    def made(self, context: Context, question: str) -> str:
        """The answer that the choices before lead to, as JSON."""
        try:
            return json.dumps(getattr(self._made(context, question), question), ensure_ascii=False)
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None

    @pass_context
    def text_of(self, context: Context, question: str) -> str:
        """The same to be edited, as YAML in several lines."""
        value = json.loads(self.made(context, question))
        # Where there is no component, nobody is to take that with Enter.
        return str(self.pipeline.recorded.readable(value, sort=False)) if value != {} else ""

    @pass_context
    def asks_as_listed(self, context: Context) -> bool:
        """Whether there is a list of environments that a person may take as it is."""
        asked = self._asks(context, "environments") and self.ask_for_environments(context)
        return asked and bool(self._listed(context))

    @pass_context
    def environments_help(self, context: Context) -> str:
        return f"{self.pipeline.choosing.environments(self._listed(context))}. Is that right?"

    @pass_context
    def made_environments(self, context: Context) -> str:
        """The list that is there, or one to begin with; nothing where nobody is asked for one."""
        if not self.ask_for_environments(context):
            return ""
        listed = self._listed(context)
        if not self.asks(context, "environments"):
            return json.dumps(listed) if listed else ""
        begin = listed or self.pipeline.environments.preset("trunk", context["default_branch"])
        return str(self.pipeline.recorded.readable(begin, sort=False))

    def _listed(self, context: Context) -> Any:
        """The environments that are recorded, or that files are named after."""
        recorded = self._parsed("environments", self._stored(context).get("environments", []))
        return recorded or self._proposal(context).environments

    @pass_context
    def stale(self, context: Context, question: str) -> str:
        """A word where a recorded answer is not what the choices at the prompt lead to.

        Copier drops a recorded answer at which its validator says something, and takes the default.
        """
        stored = self._stored(context)
        if question in self._data(context) or question not in stored:
            return ""
        if context[question] != stored[question]:
            return ""
        made = json.loads(self.made(context, question))
        return "" if self._parsed(question, stored[question]) == made else "stale"

    @pass_context
    def asks(self, context: Context, question: str) -> bool:
        """Whether a person writes this answer, as YAML."""
        if question == "environments":
            taken = self.asks_as_listed(context) and context.get("as_listed", True)
            return self._asks(context, question) and not taken
        return self._asks(context, question) and self._writes(context)

    @pass_context
    def type_of(self, context: Context, question: str) -> str:
        """`str` where YAML is typed: of what is none, Copier itself would only say that it is
        invalid. `recorded` parses it."""
        return "str" if self.asks(context, question) else "yaml"

    def _asks(self, context: Context, question: str) -> bool:
        """Whether Copier would ask this question at all."""
        conf = context["_copier_conf"]
        answered = conf["skip_answered"] and question in self._stored(context)
        return not (conf["defaults"] or answered or question in self._data(context))

    def _writes(self, context: Context) -> bool:
        return context.get("adjust") == "write" or not self._has_components(context)

    def _has_components(self, context: Context) -> bool:
        return bool(self._chosen(context).names or self._data(context).get("components"))

    def _types(self, context: Context) -> Any:
        """The code types that there are, as they were answered so far."""
        folder, own = context.get("code_types_folder", ""), context.get("own_code_types", {})
        try:
            return self.pipeline.own_types.with_own(self.catalogue, folder, own).code_types
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None

    def _base(self, context: Context) -> Any:
        """The components before anybody chose among them: proposed, recorded, or given."""
        proposal = self._proposal(context)
        if proposal.names:
            return proposal
        given, known = self._merged(context), self.pipeline.answers.DEFAULTS
        names = ("code_types", "components", "dependency_map", "found")
        values = {name: self._parsed(name, given.get(name, known[name])) for name in names}
        if self.asks_parts(context) and "components" in self._data(context):
            values["components"] = {}  # nobody can choose among those
        return self.pipeline.proposal.Proposal(**values)

    def _chosen(self, context: Context) -> Any:
        """Those that were chosen."""
        base = self._base(context)
        if not self.asks_parts(context) or "parts" not in context:
            return base
        made = self.pipeline.choosing.chosen(base, context["parts"], [*self._types(context)])
        if self._makers(made) and context.get("images"):
            whose = self.pipeline.choosing.read_images(context["images"], made, self._makers(made))
            made = self.pipeline.choosing.with_images(made, whose)
        return made

    def _makers(self, proposal: Any) -> list[str]:
        """Its components that build images, where it has images that nobody is known to build."""
        image = self.pipeline.found_edges.IMAGE
        types = {n: (proposal.components.get(n) or {}).get("code_type", n) for n in proposal.names}
        known = self.catalogue.code_types
        return sorted(
            name
            for name, code_type in types.items()
            if proposal.strangers and code_type in known and image in known[code_type].products
        )

    @pass_context
    def asks_images(self, context: Context) -> bool:
        """Whether somebody runs images that may be of a component, and it is not known of which."""
        return self.asks_parts(context) and bool(self._makers(self._chosen(context)))

    @pass_context
    def images_help(self, context: Context) -> str:
        made, shown = self._chosen(context), self.pipeline.unmatched.shown
        rows = [
            f"  {shown(it.image)} ({shown(it.file)})"
            for it in made.strangers
            if it.consumer in made.names
        ]
        names = ", ".join(f"{name}=IMAGE" for name in self._makers(made))
        lines = ["Which of these images does a component build?", *rows]
        return "\n".join([*lines, f"({names}; Enter: none of them)"])

    @pass_context
    def problem_of_images(self, context: Context) -> str:
        """What is wrong with what was just said of images, or nothing."""
        if "images" in context["_copier_conf"]["data"]:
            return ""
        try:
            self._chosen(context)
        except self.pipeline.errors.AnswerError as error:
            return str(error)
        return ""

    def _made(self, context: Context, question: str) -> Any:
        """Those, with new names, or as they are to be written. Raises AnswerError."""
        choosing, made = self.pipeline.choosing, self._chosen(context)
        if not self.asks_adjust(context) or not self._asks(context, "components"):
            return made
        if context.get("adjust") == "rename" and context.get("new_names"):
            new = choosing.read_names(context["new_names"], made.names)
            return choosing.renamed(made, new) if new else made
        if context.get("adjust") == "write":
            if question == "dependency_map":  # what was written is known by then
                left = {*self._parsed("components", context["components"]), *context["code_types"]}
                gone = {name for name in made.names if name not in left}
                made = self.pipeline.proposal.without(made, gone) if gone else made
            return choosing.written_out(made)
        return made

    @pass_context
    def type_of_runner(self, context: Context) -> str:
        """`str` for a prompt that shows a label as it is; `yaml` where a list or mapping is given.

        Copier shows the default of a `yaml` question as PyYAML dumps it, a bare label with three
        dots below it.
        """
        given = {**self._stored(context), **self._data(context)}.get("runner", "")
        return "str" if isinstance(given, str) else "yaml"

    @pass_context
    def ask_for_environments(self, context: Context) -> bool:
        """Whether the list of environments counts: it was chosen, or is already there.

        Copier forgets the answer to a question that it does not ask, so a list that a data file
        or an earlier answer holds must be asked for, whatever `branching` says beside it. Only
        who chooses another `branching` has done with an earlier list.
        """
        data = self._data(context)
        if context.get("branching") == "custom" or self._parsed(
            "environments", data.get("environments")
        ):
            return True
        if "branching" in data:
            return False
        stored = self._stored(context)
        kept = stored.get("branching") == context.get("branching")
        return bool(stored.get("environments")) and kept

    @pass_context
    def ask_for_registry(self, context: Context) -> bool:
        """Whether the registry counts: a component pushes to it, or somebody wrote one.

        The usual one is no answer of anybody's: without images it is not recorded, as if there
        had never been any. One that was written is kept for the next image.
        """
        usual = self.pipeline.answers.DEFAULTS["registry"]
        if self._merged(context).get("registry", usual) != usual:
            return True
        try:
            known = {q: context[q] for q in self._questions_until("registry") if q in context}
            components = self._read(known).components
        except self.pipeline.errors.AnswerError:
            return False  # said at the question that is wrong, or at the end
        return any(map(self.pipeline.components.pushes, components))

    @pass_context
    def ask_for_code_types_folder(self, context: Context) -> bool:
        """Whether the folder of own code types counts: somebody named one, or one is there."""
        return bool(self._merged(context).get("code_types_folder")) or bool(
            self.usual_code_types_folder(context)
        )

    @pass_context
    def usual_code_types_folder(self, context: Context) -> str:
        """Where own code types usually are, if any are there."""
        return str(self.pipeline.own_types.usual_folder(self._repository(context)))

    @pass_context
    def content_of_code_types(self, context: Context) -> str:
        """What the code types in the folder hold now, as YAML: it is recorded.

        An update reads both the old and the new tree from what is recorded. Where there is no
        folder, as in the temporary ones that it renders into, what was recorded counts.
        """
        given = self._so_far(context)
        try:
            own = self._with_own_types(context, given).get("own_code_types", {})
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None
        return str(yaml.safe_dump(own, allow_unicode=True))

    @pass_context
    def outdated(self, context: Context) -> str:
        """A word where what is recorded of own code types is not what their folder holds.

        Copier drops a recorded answer at which its validator says something, and computes the
        default anew. For `--data` it would end with a traceback; `check_answers` looks at that.
        """
        if "own_code_types" in self._data(context):
            return ""
        return (
            ""
            if context["own_code_types"] == yaml.safe_load(self.content_of_code_types(context))
            else "outdated"
        )

    @pass_context
    def proposed_branching(self, context: Context) -> str:
        """The choice that fits what was found; the usual one, if it is possible, otherwise."""
        if self._given_environments({**self._stored(context), **self._data(context)}) is None:
            found = self._proposal(context).branching
            if found and not self.impossible(context, "branching", found):
                return str(found)
        return self.first_possible(context, "branching", "develop-main", "release", "custom")

    @pass_context
    def repository_branch(self, context: Context) -> str:
        """The default branch of the repository in the destination.

        An update of answers that name none keeps what they meant.
        """
        if _updates():
            return str(self.pipeline.answers.DEFAULTS["default_branch"])
        return str(self.pipeline.git_branches.read_branches(self._repository(context)).default)

    @pass_context
    def what_does_not_fit(self, context: Context) -> str:
        """What the repository holds that the answers do not fit, as YAML: it is recorded."""
        try:
            answers = self._read(self._answers(context))
        except self.pipeline.errors.AnswerError:
            return "[]"  # `check_answers` says it
        repository = self._repository(context)
        branches = self.pipeline.git_branches.read_branches(repository)
        files = self._files(repository)
        types = self.catalogue.code_types.values()
        return json.dumps(self.pipeline.unmatched.unmatched(answers, files, branches, types))

    @pass_context
    def outdated_unmatched(self, context: Context) -> str:
        """A word where what is recorded of it is not so any more: see `outdated`."""
        if "unmatched" in self._data(context):
            return ""
        same = context["unmatched"] == json.loads(self.what_does_not_fit(context))
        return "" if same else "outdated"

    # -- for the templates ------------------------------------------------------------------

    def recorded(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """The answers as their file holds them: what was typed is parsed, a list of environments
        means `custom`, and what was found is kept of what there is."""
        kept = {
            name: self._parsed(name, value)
            for name, value in answers.items()
            if name not in self.pipeline.choosing.PROMPTS
        }
        if kept.get("environments"):
            kept["branching"] = "custom"
        names = {*kept.get("code_types", ()), *kept.get("components", ())}
        environments = [entry["name"] for entry in kept.get("environments") or ()]
        of = self.pipeline.proposal.found_of
        kept["found"] = of(kept.get("found", {}), names, environments)
        usual = self.pipeline.answers.DEFAULTS
        return {k: v for k, v in kept.items() if k not in NOT_ASKED_FOR or v != usual[k]}

    @pass_context
    def plan(self, context: Context) -> Any:
        """The plan for the answers. Computed once for each set of answers."""
        try:
            answers = self._read(self._answers(context))
            if id(answers) not in self.plans:
                self.plans[id(answers)] = self.pipeline.plan.make_plan(answers)
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None
        return self.plans[id(answers)]

    # ---------------------------------------------------------------------------------------

    @functools.cached_property
    def catalogue(self) -> Any:
        try:
            return self.pipeline.catalogue.load_catalogue(HERE.parent)
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None

    def _proposal(self, context: Context) -> Any:
        """What is proposed for the repository in the destination.

        Nothing where somebody has said anything of it: what one answer leaves out, it leaves out
        everywhere, whatever lies in the repository.
        """
        module = self.pipeline.proposal
        said = {**self._stored(context), **self._data(context)}
        destination = Path(context["_copier_conf"]["dst_path"])
        if _updates() or said.keys() & set(module.ANSWERS) or not destination.is_dir():
            return module.Proposal()
        if destination not in self.proposals:
            branches = self.pipeline.git_branches.read_branches(destination)
            known = self._files(destination), self._code_types(context), branches
            proposal = module.propose(*known, self._given_environments(said))
            if proposal.environments and self._problem_of(self._as_answers(proposal), ""):
                proposal = module.propose(*known, module.USUAL)
            self.proposals[destination] = proposal
        return self.proposals[destination]

    def _given_environments(self, said: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The names of the environments, where somebody has said which there are."""
        if not {"branching", "environments"} & said.keys():
            return None
        try:
            environments = self.pipeline.environments.read_environments(
                said.get("branching", "custom"),
                self._parsed("environments", said.get("environments")),
            )
        except self.pipeline.errors.AnswerError:
            return ()  # said where it is asked for
        return tuple(environment.name for environment in environments)

    def _files(self, folder: Path) -> Any:
        """What lies in a folder, looked at once."""
        if folder not in self.files:
            self.files[folder] = self.pipeline.repository_files.list_files(folder)
        return self.files[folder]

    def _code_types(self, context: Context) -> Any:
        """Ours and the repository's own, as they are now. Raises AnswerError."""
        given = self._with_own_types(context, self._so_far(context))
        folder = self.pipeline.own_types.check_folder(given.get("code_types_folder", ""))
        own = given.get("own_code_types", {})
        return self.pipeline.own_types.with_own(self.catalogue, folder, own).code_types

    def _proposed(self, context: Context) -> dict[str, Any]:
        """The answers that are proposed, with the orchestration that takes most of all."""
        proposal = self._proposal(context)
        if not proposal.names:
            return {}
        return self._as_answers(proposal)

    def _as_answers(self, proposal: Any) -> dict[str, Any]:
        names = (*self.pipeline.proposal.ANSWERS, *["environments"] * bool(proposal.environments))
        answers = {name: getattr(proposal, name) for name in names}
        return {**answers, "orchestration": "dispatch"}

    def _check_answers_file(self, context: Context) -> None:
        """Copier overwrites the answers file without asking, also one of another template."""
        conf = context["_copier_conf"]
        name = Path(conf["answers_file"]).as_posix()
        stored = self._answers_file(context)
        try:
            source = context["_copier_answers"].get("_src_path")
            self.pipeline.destination.check_answers_file(name, stored, source)
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None

    def _check_root(self, context: Context) -> None:
        """Refuse a folder of a repository: GitHub would read nothing of it.

        One that has pipelines from before is only told so: what is made of it there is not ours
        to know.
        """
        folder = self._repository(context)
        root = self.pipeline.repository_history.root_above(folder)
        # What Copier renders on its way may lie in the repository as well.
        if not root or Path(tempfile.gettempdir()).resolve().is_relative_to(root):
            return
        line = self.pipeline.destination.in_repository(folder, root)
        if not self._stored(context):
            raise UserMessageError(line)
        self._tell(line)

    def _check_removed(self, context: Context) -> None:
        try:
            self.pipeline.answers.check_removed(self._stored(context), self._answers(context))
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None

    def _check_destination(self, context: Context) -> None:
        """Refuse files that would stop Copier when some are written, and some are not.

        At a terminal it asks for each that differs, and `--overwrite` (so every update) asks for
        none.
        """
        plan, conf, there = self.plan(context), context["_copier_conf"], self.pipeline.destination
        repository, answers_file = Path(conf["dst_path"]), Path(conf["answers_file"]).as_posix()
        try:
            there.check_places([*plan.files, answers_file], repository)
        except self.pipeline.errors.AnswerError as error:
            raise UserMessageError(str(error)) from None
        if conf["overwrite"] or (sys.stdin and not sys.stdin.closed and sys.stdin.isatty()):
            return
        patterns = [*conf["skip_if_exists"], *conf["exclude"]]
        differing = [
            path
            for path, content in self._rendered(context, plan, repository)
            if there.differs(repository / path, content) and not there.skipped(path, patterns)
        ]
        recorded = bool(self._stored(context))
        components = {it.name: it.code_type.name for it in plan.answers.components}
        free = there.free_names(differing, repository, plan.files, components)
        if message := there.unasked(differing, repository, answers_file, recorded, free):
            raise UserMessageError(message)

    def _rendered(
        self, context: Context, plan: Any, repository: Path
    ) -> Iterator[tuple[str, bytes]]:
        """The files that are there already, with what Copier is about to write into them."""
        if not any(os.path.lexists(repository / path) for path in plan.files):
            return
        variables = context.get_all()
        for source in sorted(file for file in TEMPLATE.rglob("*") if file.is_file()):
            pattern = source.relative_to(TEMPLATE).as_posix().removesuffix(".jinja")
            for name, more in _yielded(pattern, {"plan()": plan}):
                path = self.environment.from_string(name).render(variables, **more)
                if path not in plan.files or not os.path.lexists(repository / path):
                    continue
                if source.suffix != ".jinja":
                    yield path, source.read_bytes()
                    continue
                template = self.environment.get_template(source.relative_to(HERE.parent).as_posix())
                yield path, template.render(variables, **more).encode()

    def _read(self, given: Mapping[str, Any], asking: str = "") -> Any:
        """The answers, read once however often Copier asks for them."""
        # Pickled, because YAML anchors make values that `repr` would unfold without end.
        key = pickle.dumps((given, asking))
        if key not in self.read:
            self.read[key] = self.pipeline.answers.read_answers(given, self.catalogue, asking)
        return self.read[key]

    def _problem_of(self, given: Mapping[str, Any], asking: str) -> str:
        try:
            self._read(given, asking)
        except self.pipeline.errors.AnswerError as error:
            return str(error)
        return ""

    def _problem_of_folder(self, context: Context, folder: str) -> str:
        """What is wrong with the code types in a folder."""
        try:
            given = self._with_own_types(context, {"code_types_folder": folder})
        except self.pipeline.errors.AnswerError as error:
            return str(error)
        return self._problem_of(given, "own_code_types")

    def _parsed(self, name: str, value: Any) -> Any:
        return self.pipeline.answers.parsed(name, value)

    def _check_alone(self, data: Mapping[str, Any]) -> None:
        self.pipeline.answers.check_alone(data, self.catalogue)

    def _check_unedited(self, context: Context) -> None:
        """Refuse an update when recorded answers were edited: it would change nothing."""
        file = Path(context["_copier_conf"]["answers_file"]).as_posix()
        text, known = self._stored_text(context), [*self.pipeline.answers.DEFAULTS]
        recorded, history = self.pipeline.recorded, self.pipeline.repository_history
        names = recorded.edited(text, known) if _updates() else []
        if names and history.is_committed(repository := self._repository(context), file, text):
            merged = history.merged_versions(repository, file)
            names = recorded.undecided(text, known, merged, "HEAD")
        if names:
            raise UserMessageError(
                f"{', '.join(names)}: edited by hand in {file}, which an update would not notice; "
                f"put back what was there, and update with --data {names[0].split('.')[0]}=... "
                "instead (or take the file as it is with `copier recopy`)"
            )

    def _check_kept(self, context: Context) -> None:
        """Refuse when Copier has taken the default for an answer that nobody was asked for again.

        It does so when its own reading finds a stored answer wrong, and says nothing.
        """
        if not context["_copier_conf"]["defaults"]:
            return
        final, given = self._answers(context), self._given(context)
        for name in given.keys() & final.keys() - {"unmatched"}:
            if given[name] == final[name] or self._problem_of({**final, name: given[name]}, ""):
                continue
            if self._read({**final, name: given[name]}) != self._read(final):
                shown = self.pipeline.errors.shown(given[name])
                raise UserMessageError(
                    f"{name}: {shown} is no answer that Copier takes{self._way_out(context, name)}"
                )

    def _way_out(self, context: Context, answer: str) -> str:
        """What to do about a recorded answer that is wrong."""
        file, data = context["_copier_conf"]["answers_file"], self._data(context)
        if _updates() and "_commit" in data:
            # The old tree is rendered from the recorded answers, which were right at that time.
            return f"; it was edited by hand in {file}: put back what was there"
        if answer in self._stored(context) and answer not in data:
            if answer in self.pipeline.answers.DEFAULTS:
                first = self._back_first(context, str(file))
                return f"; it is recorded in {file}: {first}give another with --data {answer}=..."
            return f"; it is recorded in {file}: delete it there"
        return ""

    def _back_first(self, context: Context, file: str) -> str:
        """What to do before the next attempt: Copier updates nothing where a change is left, as
        that of a migration is."""
        place = self._repository(context) / file
        known = self.pipeline.repository_history.is_committed
        if not _updates() or not place.is_file():
            return ""
        same = known(place.parent, place.name, place.read_text(encoding="utf-8"))
        return "" if same else f"`git restore {file}`, and "

    def _given(self, context: Context) -> dict[str, Any]:
        """What is recorded, as changed by `--data`, `--data-file` and the code types' files."""
        return self._with_own_types(context, self._merged(context))

    def _with_own_types(self, context: Context, given: dict[str, Any]) -> dict[str, Any]:
        """These answers with what the folder of own code types holds now. Raises AnswerError."""
        own_types, data = self.pipeline.own_types, self._data(context)
        named = given.get("code_types_folder", self.usual_code_types_folder(context))
        folder = own_types.check_folder(named)
        if not folder:
            return {k: v for k, v in given.items() if k != "own_code_types" or k in data}
        # What was recorded of another folder says nothing of this one.
        same = "own_code_types" in data or self._stored(context).get("code_types_folder") == named
        recorded = same and given.get("own_code_types")
        if recorded and not own_types.present(self._repository(context), folder):
            return {**given, "code_types_folder": folder}
        own = own_types.read_folder(self._repository(context), folder)
        if self._parsed("own_code_types", data.get("own_code_types", own)) != own:
            raise self.pipeline.errors.AnswerError(
                "own_code_types",
                f"it is what the files in {folder} hold, and differs; leave it out",
            )
        return {**given, "code_types_folder": folder, "own_code_types": own}

    def _so_far(self, context: Context) -> dict[str, Any]:
        """What is recorded and given, with the folder of own code types that was chosen by now."""
        chosen = {k: context[k] for k in ("code_types_folder",) if k in context}
        return {**self._merged(context), **chosen}

    def _tell_gone(self, context: Context, given: Mapping[str, Any]) -> None:
        """Say that own code types count as they were recorded: their folder is gone."""
        folder = given.get("code_types_folder")
        if not folder or not self._stored(context).get("own_code_types"):
            return
        if not self.pipeline.own_types.present(self._repository(context), folder):
            self._tell(
                f"code_types_folder: {folder} is gone, so its code types count as they were "
                "recorded; put it back, or say --data code_types_folder= to do without them"
            )

    def _tell_former_answers(self, context: Context) -> None:
        """Say of answers of former versions that they count no more."""
        # An update hands what is recorded to a second render, as data.
        given = self._stored(context) if _updates() else self._merged(context)
        for name, why in self.pipeline.answers.GONE.items():
            if name in given:
                self._tell(f"{name}: is no answer any more; {why}")

    def _tell(self, line: str) -> None:
        """Say it once, however often Copier asks."""
        if line not in self.told:
            print(line, file=sys.stderr)
            self.told.add(line)

    @staticmethod
    def _repository(context: Context) -> Path:
        return Path(context["_copier_conf"]["dst_path"])

    def _merged(self, context: Context) -> dict[str, Any]:
        """What is recorded, as changed by `--data` and `--data-file`."""
        data = self._data(context)
        given = {**self._stored(context), **data}
        if "environments" not in data and data.get("branching", "custom") != "custom":
            given.pop("environments", None)  # see `ask_for_environments`
        return given

    def _questions_until(self, question: str) -> list[str]:
        names = list(self.pipeline.answers.DEFAULTS)
        return names[: names.index(question)]

    def _answers(self, context: Context) -> dict[str, Any]:
        """The answers given so far, of those that are ours."""
        names = self.pipeline.answers.DEFAULTS
        return {name: context[name] for name in names if name in context}

    def _data(self, context: Context) -> dict[str, Any]:
        """What `--data` and `--data-file` say.

        An update hands on what was said at its prompts in the same way.
        """
        data = dict(context["_copier_conf"]["data"])
        prompts = self.pipeline.choosing.PROMPTS if _updates() else ()
        return {name: value for name, value in data.items() if name not in prompts}

    def _stored(self, context: Context) -> dict[str, Any]:
        """What the answers file in the destination says."""
        stored = self._answers_file(context)
        return dict(stored) if isinstance(stored, dict) else {}

    def _answers_file(self, context: Context) -> Any:
        """What the answers file in the destination holds, parsed once however often it is asked;
        None where there is none."""
        text = self._stored_text(context)
        if text not in self.stored:
            try:
                self.stored[text] = yaml.safe_load(text)
            except yaml.YAMLError as error:
                file, why = context["_copier_conf"]["answers_file"], " ".join(str(error).split())
                raise UserMessageError(f"{file}: cannot be read: {why}") from None
        return self.stored[text]

    @staticmethod
    def _stored_text(context: Context) -> str:
        conf = context["_copier_conf"]
        file = Path(conf["dst_path"]) / conf["answers_file"]
        try:
            return file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            why = " ".join(str(error).split())
            raise UserMessageError(f"{conf['answers_file']}: cannot be read: {why}") from None


def _yielded(pattern: str, things: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of a template, once for each thing that its loops go over, with those.

    Copier's `yield` leaves its traces in the environment, which is not ours.
    """
    found = YIELD.search(pattern)
    if not found:
        yield pattern, {name: thing for name, thing in things.items() if name != "plan()"}
        return
    first, *rest = found[2].split(".")
    over = things[first]
    for name in rest:
        over = getattr(over, name, ())
    inner = pattern.replace(found[0], found[3], 1)
    for thing in over:
        yield from _yielded(inner, {**things, found[1]: thing})


def _updates() -> bool:
    """Whether this is part of a `copier update`.

    Copier tells that to tasks, as `_copier_operation`, but not to questions. Where a later version
    of it keeps this elsewhere, it is taken for a copy, and what is checked of updates is not.
    """
    operation = getattr(copier._main, "_operation", None)
    return bool(operation and operation.get("") == "update")
