"""The command line as plain data, from the commands' own signatures: what its page is made of."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from mqd.cli.signatures import Asked, Callback, asked_by, callbacks
from mqd.publish.beside import Command, Parameter

_TAKES = {Path: "PATH", str: "TEXT", int: "NUMBER", float: "NUMBER"}


def described(application: typer.Typer) -> tuple[Command, ...]:
    """Every command of the application with its arguments and options, in their order."""
    return tuple(_commands(application))


def _commands(application: typer.Typer) -> Iterator[Command]:
    for name, callback, text in callbacks(application):
        help_text = _first_paragraph(text or inspect.getdoc(callback) or "")
        lines = _Lines(callback)
        yield Command(name, help_text, tuple(_parameters(callback, lines)), lines.own)


def _parameters(callback: Callback, lines: _Lines) -> Iterator[Parameter]:
    for item in asked_by(callback):
        yield Parameter(
            names=", ".join(item.names),
            takes=_takes(item) if item.is_option else "",
            default="" if item.is_required else _default(item.default),
            help=item.info.help or "",
            is_option=item.is_option,
            is_required=item.is_required,
            declared=lines.of(item.name),
        )


class _Lines:
    """The lines of the program that declare a command and its parameters."""

    def __init__(self, callback: Callback) -> None:
        source, start = inspect.getsourcelines(callback)
        (function,) = ast.parse(textwrap.dedent("".join(source))).body
        self._file = f"{callback.__module__.replace('.', '/')}.py"
        self._lines = {
            node.arg: start - 1 + node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.arg)
        }
        self.own = f"{self._file}:{start - 1 + getattr(function, 'lineno', 1)}"

    def of(self, name: str) -> str:
        """The line of one parameter."""
        return f"{self._file}:{self._lines[name]}"


def _takes(item: Asked) -> str:
    if item.info.metavar or item.kind is bool:
        return str(item.info.metavar or "")
    return " | ".join(item.choices) or _TAKES.get(item.kind, "VALUE")


def _default(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return str(value.value if isinstance(value, Enum) else value)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
