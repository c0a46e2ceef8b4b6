"""Rows for the page, with values that a hostile repository could contain."""

from __future__ import annotations

from typing import Any

from fleet_program import FLEET

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>document.title='taken'</script>",
    "'; DROP TABLE rows; --",
    "javascript:alert(1)",
    "{title} {0} %s ${x} `x`",
    "a\x1b[31mb\u202ec\x00d\u2028e\x9b2J",
    "\n::error::x\r\n- x",
    "é\u0301 \U0001f600 漢字 " + "w" * 400,
)


def row(number: int, value: str, **more: Any) -> Any:
    """A row in which every value is the same text."""
    link = f"https://github.com/{value}" if number % 2 else f"javascript:alert('{value}')//"
    made = FLEET.Row(
        value, value, link, value, value, value, number, FLEET.STATES[number % 5], value
    )
    made.pull_request = {"number": number, "url": link, "version": value, "checks": value}
    made.deployments = [
        {
            "environment": value,
            "result": "failure",
            "version": value,
            "finished": value,
            "url": link,
        }
    ]
    made.ring, made.may_update = value, False
    for name, text in more.items():
        setattr(made, name, text)
    return made


def hostile_rows() -> list[Any]:
    return [row(number, value) for number, value in enumerate(HOSTILE)]
