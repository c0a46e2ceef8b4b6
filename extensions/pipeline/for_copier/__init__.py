"""What Copier calls: the functions that copier.yml and the templates use, by what they are for.

given.py              what Copier knows when it calls: answers so far, `--data`, the answers file
memory.py             what was read and computed already
own_code_types.py     the answers about code types in a folder of the repository
proposals.py          the answers that are proposed for an existing repository
component_choices.py  the prompts that choose components, and the answers that they lead to
prompts.py            the other prompts: when they are shown, their defaults, what is wrong there
refusals.py           why a copy or an update stops before anything is written
recording.py          what the answers file says
checking.py           after the files are written: is it what was planned?
compiled.py           templates, each compiled once
rendering.py          the plan for the templates, and the files that Copier is about to write
copier_internals.py   the parts of Copier that are not its public interface

Each function takes a `Given`. extensions/orchestrator.py lists their names in templates.
"""
