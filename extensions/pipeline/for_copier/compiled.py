"""Compiles each template once. Copier itself compiles each part of a path again for each file below
it, and everything again for each render of an update.

What is compiled is kept for this version of the template: each version has its own module.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from jinja2 import BytecodeCache, Environment, Template
from jinja2.bccache import Bucket

KEPT = 5000
"""The most texts that are kept. A few of them contain a person's answers."""

_files: dict[str, bytes] = {}
"""The bytecode of template files, by name."""

_texts: dict[str, CodeType] = {}
"""The code of parts of paths and of texts in copier.yml."""


class VersionCache(BytecodeCache):
    """Keeps the bytecode of template files, wherever Copier has cloned them to."""

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return name

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in _files:
            bucket.bytecode_from_string(_files[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        _files[bucket.key] = bucket.bytecode_to_string()


def compile_once(environment: Environment) -> None:
    """Let the environment compile each text and each template file once."""
    environment.bytecode_cache = VersionCache()
    from_text = environment.from_string
    templates: dict[str, Template] = {}

    def from_string(source: Any, *more: Any, **options: Any) -> Template:
        if not isinstance(source, str) or more or options:
            return from_text(source, *more, **options)
        # Extensions see a text each time: Copier's `yield` forgets the last loop there.
        text = environment.preprocess(source)
        if text not in templates:
            code = _texts.get(text) or environment.compile(text)
            if len(_texts) >= KEPT:
                _texts.clear()
            _texts[text] = code
            values = environment.make_globals(None)
            make = environment.template_class.from_code
            templates[text] = make(environment, code, values, None)
        return templates[text]

    environment.from_string = from_string  # type: ignore[method-assign]
