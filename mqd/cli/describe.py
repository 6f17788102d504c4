"""The command line as plain data, from the typer application itself: what its page is made of."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from mqd.publish.beside import Command, Parameter


def described(application: typer.Typer) -> tuple[Command, ...]:
    """Every command of the application with its arguments and options, in their order."""
    return tuple(_commands(typer.main.get_command(application), ""))


def _commands(command: Any, name: str) -> Iterator[Command]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        for word, one in inner.items():
            yield from _commands(one, f"{name} {word}".strip())
        return
    shown = [item for item in command.params if not getattr(item, "hidden", False)]
    parameters = tuple(_parameter(item) for item in shown if item.name != "help")
    yield Command(name, _first_paragraph(command.help or ""), parameters)


def _parameter(item: Any) -> Parameter:
    is_option = item.param_type_name == "option"
    names = ", ".join(item.opts) if is_option else str(item.metavar or item.name).upper()
    return Parameter(
        names=names,
        takes=_takes(item) if is_option else "",
        default="" if item.required else _default(item),
        help=item.help or "",
        is_option=is_option,
        is_required=bool(item.required),
    )


def _takes(item: Any) -> str:
    if getattr(item, "is_flag", False):
        return ""
    if item.metavar:
        return str(item.metavar)
    choices = getattr(item.type, "choices", None)
    if choices:
        return " | ".join(str(getattr(one, "value", one)) for one in choices)
    return str(item.type.name).upper()


def _default(item: Any) -> str:
    value = item.default
    if value is None or isinstance(value, bool) or callable(value):
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, (list, tuple)):
        return " ".join(str(one) for one in value)
    return str(value)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())
