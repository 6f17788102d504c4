"""The command line as plain data, from the commands' own signatures: what its page is made of.

The signatures are ours and the same for every version of typer, which its inner objects are not.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

from mqd.publish.beside import Command, Parameter

_TAKES = {Path: "PATH", str: "TEXT", int: "NUMBER", float: "NUMBER"}


def described(application: typer.Typer) -> tuple[Command, ...]:
    """Every command of the application with its arguments and options, in their order."""
    return tuple(_commands(application, ""))


def _commands(application: typer.Typer, group: str) -> Iterator[Command]:
    for command in application.registered_commands:
        callback = command.callback
        if callback is not None and not command.hidden:
            name = command.name or callback.__name__.replace("_", "-")
            help_text = _first_paragraph(command.help or inspect.getdoc(callback) or "")
            yield Command(f"{group} {name}".strip(), help_text, tuple(_parameters(callback)))
    for inner in application.registered_groups:
        if inner.typer_instance is not None:
            yield from _commands(inner.typer_instance, f"{group} {inner.name}".strip())


def _parameters(callback: Callable[..., Any]) -> Iterator[Parameter]:
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        kind, info = _declared(hints[name])
        if info is None or getattr(info, "hidden", False):
            continue
        default = parameter.default
        is_option = isinstance(info, OptionInfo)
        option = ", ".join(_declarations(info)) or f"--{name.replace('_', '-')}"
        yield Parameter(
            names=option if is_option else str(info.metavar or name).upper(),
            takes=_takes(kind, info) if is_option else "",
            default="" if default is inspect.Parameter.empty else _default(default),
            help=info.help or "",
            is_option=is_option,
            is_required=default is inspect.Parameter.empty,
        )


def _declared(hint: Any) -> tuple[Any, OptionInfo | ArgumentInfo | None]:
    """The type of a parameter, without `| None` and list, and what typer is told about it."""
    if typing.get_origin(hint) is not typing.Annotated:
        return hint, None
    kind, *notes = typing.get_args(hint)
    info = next((note for note in notes if isinstance(note, OptionInfo | ArgumentInfo)), None)
    while typing.get_origin(kind) in {types.UnionType, typing.Union, list, tuple}:
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    return kind, info


def _declarations(info: OptionInfo | ArgumentInfo) -> list[str]:
    """The names a person types; in `Annotated` typer keeps the first one as a default."""
    first = [info.default] if isinstance(info.default, str) else []
    return [name for name in (*first, *(info.param_decls or ())) if name.startswith("-")]


def _takes(kind: Any, info: OptionInfo | ArgumentInfo) -> str:
    if info.metavar or kind is bool:
        return str(info.metavar or "")
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " | ".join(str(member.value) for member in kind)
    return _TAKES.get(kind, "VALUE")


def _default(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return str(value.value if isinstance(value, Enum) else value)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
