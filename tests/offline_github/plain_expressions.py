"""Expressions that are evaluated without Node, because they do no more than most of them do.

Properties, texts, integers, `!`, `&&`, `||`, `==`, `!=`, `>`, `( )`, `contains()` (of
`needs.*.result`, too), `format()`, `fromJSON()`, `toJSON()`, and the functions of a status, as long
as all values are texts, integers, booleans or null. For all else, errors as well, it raises
`NotPlainError`: GitHub's own library decides then. Tests compare the two.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

Value = str | int | bool | None
Evaluate = Callable[[Mapping[str, Any], Mapping[str, bool] | None], Any]

STATUS = ("success", "failure", "cancelled", "always")
LITERALS: dict[str, Value] = {"true": True, "false": False, "null": None}
TOKEN = re.compile(
    r"\s*(?:(?P<each>[A-Za-z_][\w-]*\.\*\.[A-Za-z_][\w-]*(?![\w.-]))"
    r"|(?P<path>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>\d{1,9}(?![\w.]))|\.(?P<after>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|[!(),\[\]]|>(?!=)))\s*",
    re.ASCII,
)
INTEGER = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
#: Node knows larger integers only roughly.
LARGEST = 2**53
#: `${{ }}` in a text; `}}` between quotes does not end it.
PIECE = re.compile(r"\$\{\{((?:[^'}]|'[^']*'|\}(?!\}))*)\}\}")


class NotPlainError(Exception):
    """More than is evaluated here."""


def text_of(text: str, context: Mapping[str, Any]) -> Value:
    """A text with every `${{ }}` in it evaluated; alone, it keeps its type."""
    if whole := PIECE.fullmatch(text):
        if "${{" not in whole[1]:
            return _value(_compiled(whole[1]).evaluate(context, None))
        raise NotPlainError
    if text.count("${{") != len(PIECE.findall(text)):
        raise NotPlainError
    return PIECE.sub(lambda m: as_text(_compiled(m[1]).evaluate(context, None)), text)


def condition(text: str, context: Mapping[str, Any], status: Mapping[str, bool]) -> bool:
    """Whether an `if` holds: behind `success() &&`, unless it asks for the status itself."""
    if "${{" in text:
        if not (whole := PIECE.fullmatch(text)) or "${{" in whole[1]:
            raise NotPlainError
        text = whole[1]
    compiled = _compiled(text)
    if not compiled.asks and not status["success"]:
        compiled.evaluate(context, status)  # what it names must be there all the same
        return False
    return bool(compiled.evaluate(context, status))


def as_text(value: Any) -> str:
    value = _value(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _value(value: Any) -> Value:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int) and abs(value) < LARGEST:
        return value
    raise NotPlainError


class Compiled:
    """An expression as a function."""

    def __init__(self, text: str) -> None:
        self.roots: set[str] = set()
        #: Whether it calls a function of the status.
        self.asks = False
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            if not (found := TOKEN.match(text, place)):
                raise NotPlainError
            self._tokens.append((str(found.lastgroup), str(found[str(found.lastgroup)])))
            place = found.end()
        self._tokens.append(("end", ""))
        self._evaluate = self._either()
        if self._tokens[0][0] != "end":
            raise NotPlainError

    def evaluate(self, context: Mapping[str, Any], status: Mapping[str, bool] | None) -> Value:
        if not self.roots <= context.keys() or (self.asks and status is None):
            raise NotPlainError  # GitHub refuses it, also where it would not get there
        return _value(self._evaluate(context, status))

    def _took(self, *signs: str) -> str:
        kind, token = self._tokens[0]
        if kind == "sign" and token in signs:
            self._tokens.pop(0)
            return token
        return ""

    def _either(self) -> Evaluate:
        parts = [self._both()]
        while self._took("||"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else _first(parts, True)

    def _both(self) -> Evaluate:
        parts = [self._compared()]
        while self._took("&&"):
            parts.append(self._compared())
        return parts[0] if len(parts) == 1 else _first(parts, False)

    def _compared(self) -> Evaluate:
        left = self._ordered()
        while sign := self._took("==", "!="):
            left = _comparison(left, self._ordered(), sign == "==")
        return left

    def _ordered(self) -> Evaluate:
        left = self._negated()
        while self._took(">"):
            left = _is_greater(left, self._negated())
        return left

    def _negated(self) -> Evaluate:
        if not self._took("!"):
            return self._part()
        operand = self._negated()
        return lambda context, status: not _value(operand(context, status))

    def _part(self) -> Evaluate:
        """A value, or a property of it: `fromJSON(x).a['b']`."""
        whole, names = self._primary(), []
        while True:
            if self._tokens[0][0] == "after":
                names.append(self._tokens.pop(0)[1])
            elif self._took("["):
                kind, token = self._tokens.pop(0)
                if kind != "text" or not self._took("]"):
                    raise NotPlainError
                names.append(_unquoted(token))
            else:
                break
        return (
            (lambda context, status: _property(whole(context, status), names)) if names else whole
        )

    def _primary(self) -> Evaluate:
        if self._took("("):
            inner = self._either()
            self._closed()
            return inner
        kind, token = self._tokens.pop(0)
        if kind == "text":
            text = _unquoted(token)
            return lambda context, status: text
        if kind == "number":
            number = int(token)
            return lambda context, status: number
        if kind != "path":
            raise NotPlainError
        if self._took("("):
            return self._call(token)
        if token in LITERALS:
            literal = LITERALS[token]
            return lambda context, status: literal
        root, *names = token.split(".")
        self.roots.add(root)
        return lambda context, status: _property(context[root], names)

    def _call(self, name: str) -> Evaluate:
        if name in STATUS:
            self.asks = True
            self._closed()
            return lambda context, status: name == "always" or (status or {})[name]
        if name in FUNCTIONS:
            arguments = [self._either()]
            while self._took(","):
                arguments.append(self._either())
            self._closed()
            function = FUNCTIONS[name]
            return lambda context, status: function(*(a(context, status) for a in arguments))
        if name != "contains":
            raise NotPlainError
        if self._tokens[0][0] == "each":
            search = self._each()
        else:
            inner = self._either()

            def search(context: Mapping[str, Any], status: Mapping[str, bool] | None) -> Any:
                value = inner(context, status)
                if isinstance(value, list) and all(isinstance(one, str) for one in value):
                    return value
                return as_text(value)

        if not self._took(","):
            raise NotPlainError
        item = self._either()
        self._closed()

        def contains(context: Mapping[str, Any], status: Mapping[str, bool] | None) -> bool:
            value, wanted = search(context, status), _value(item(context, status))
            if isinstance(value, str):
                return _folded(as_text(wanted)) in _folded(value)
            if not isinstance(wanted, str):
                raise NotPlainError
            return _folded(wanted) in [_folded(text) for text in value]

        return contains

    def _each(self) -> Evaluate:
        """`needs.*.result`: the texts that go by this name."""
        root, _, name = self._tokens.pop(0)[1].split(".")
        self.roots.add(root)

        def evaluate(context: Mapping[str, Any], status: Mapping[str, bool] | None) -> list[str]:
            holders = context[root]
            if not isinstance(holders, dict):
                raise NotPlainError
            texts = [_property(holder, [name]) for holder in holders.values()]
            if not all(isinstance(text, str) for text in texts):
                raise NotPlainError
            return texts

        return evaluate

    def _closed(self) -> None:
        if not self._took(")"):
            raise NotPlainError


def _first(parts: list[Evaluate], wanted: bool) -> Evaluate:
    """The first value that is true, or that is not; else the last one."""

    def evaluate(context: Mapping[str, Any], status: Mapping[str, bool] | None) -> Value:
        value: Value = None
        for part in parts:
            value = _value(part(context, status))
            if bool(value) is wanted:
                break
        return value

    return evaluate


def _comparison(left: Evaluate, right: Evaluate, equal: bool) -> Evaluate:
    def evaluate(context: Mapping[str, Any], status: Mapping[str, bool] | None) -> bool:
        one, other = _value(left(context, status)), _value(right(context, status))
        if type(one) is not type(other):  # they become numbers
            return (_number(one) == _number(other)) is equal
        if isinstance(one, str) and isinstance(other, str):
            return (_folded(one) == _folded(other)) is equal
        return (one == other) is equal

    return evaluate


def _is_greater(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(context: Mapping[str, Any], status: Mapping[str, bool] | None) -> bool:
        one, other = left(context, status), right(context, status)
        if isinstance(one, str) and isinstance(other, str):
            raise NotPlainError  # by the alphabet
        return _number(one) > _number(other)

    return evaluate


def _number(value: Any) -> int:
    """The number that stands for a value if the other one has another type."""
    value = _value(value) or 0  # an empty text and null are 0
    if isinstance(value, int):
        return int(value)
    if INTEGER.fullmatch(value):
        return int(value)
    raise NotPlainError


def _format(text: Any, *values: Any) -> str:
    if not isinstance(text, str):
        raise NotPlainError
    pieces = re.split(r"\{(\d)\}", text, flags=re.ASCII)  # a text, a number, a text, ...
    if any("{" in piece or "}" in piece for piece in pieces[::2]):
        raise NotPlainError
    places = [int(piece) for piece in pieces[1::2]]
    texts = [as_text(value) for value in values]
    if not all(place < len(texts) for place in places):
        raise NotPlainError
    return pieces[0] + "".join(
        texts[place] + piece for place, piece in zip(places, pieces[2::2], strict=True)
    )


def _not_plain(_: str) -> NoReturn:
    raise NotPlainError


def _from_json(text: Any) -> Any:
    if not isinstance(text, str):
        raise NotPlainError
    try:
        return json.loads(text, parse_float=_not_plain, parse_constant=_not_plain)
    except ValueError as error:
        raise NotPlainError from error


def _to_json(value: Any) -> str:
    _check_json(value)
    return json.dumps(value, indent=2, ensure_ascii=False)


def _check_json(value: Any) -> None:
    """Refuse what JavaScript may write in another way: it puts names that are numbers first."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name.isdigit():
                raise NotPlainError
            _check_json(name)
            _check_json(item)
    elif isinstance(value, list):
        for item in value:
            _check_json(item)
    elif isinstance(_value(value), str) and not value.isascii():
        raise NotPlainError


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "format": _format,
    "fromJSON": _from_json,
    "toJSON": _to_json,
}


def _unquoted(token: str) -> str:
    return token[1:-1].replace("''", "'")


def _folded(text: str) -> str:
    """A text as it is compared: without regard to case."""
    if not text.isascii():
        raise NotPlainError
    return text.lower()


def _property(value: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(value, dict):
            raise NotPlainError
        if name not in value:
            name = next((key for key in value if key.lower() == name.lower()), "")
        value = value.get(name)
        if value is None:
            return None
    return value


@functools.lru_cache(maxsize=5_000)
def _parsed(text: str) -> Compiled | None:
    try:
        return Compiled(text)
    except NotPlainError:
        return None


def _compiled(text: str) -> Compiled:
    compiled = _parsed(text)
    if compiled is None:
        raise NotPlainError
    return compiled
