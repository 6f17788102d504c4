"""What the commands ask for, read from their own signatures.

They are ours and the same for every version of typer, which its inner objects are not.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

import typer
from typer.models import ArgumentInfo, OptionInfo

Callback = Callable[..., Any]


class Asked(NamedTuple):
    """One argument or option: `kind` is the type of one value, `default` is Python's own."""

    name: str
    kind: Any
    info: ArgumentInfo | OptionInfo
    default: Any

    @property
    def is_option(self) -> bool:
        """Whether it is typed with its name."""
        return isinstance(self.info, OptionInfo)

    @property
    def is_required(self) -> bool:
        """Whether nothing works without it."""
        return self.default is inspect.Parameter.empty

    @property
    def names(self) -> tuple[str, ...]:
        """What a person types for an option, and what the help calls an argument."""
        if not self.is_option:
            return (str(self.info.metavar or self.name).upper().strip("[]"),)
        # In `Annotated` typer keeps the first name as a default.
        first = (self.info.default,) if isinstance(self.info.default, str) else ()
        found = (*first, *(self.info.param_decls or ()))
        return tuple(name for name in found if name.startswith("-")) or (
            f"--{self.name.replace('_', '-')}",
        )

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it takes, where it takes only some."""
        if isinstance(self.kind, type) and issubclass(self.kind, Enum):
            return tuple(str(member.value) for member in self.kind)
        return ()


def callbacks(application: typer.Typer, group: str = "") -> Iterator[tuple[str, Callback, str]]:
    """Every command that is shown: its words after `mqd`, its function, its own help if any."""
    for command in application.registered_commands:
        callback = command.callback
        if callback is not None and not command.hidden:
            name = command.name or callback.__name__.replace("_", "-")
            yield f"{group} {name}".strip(), callback, command.help or ""
    for inner in application.registered_groups:
        if inner.typer_instance is not None:
            yield from callbacks(inner.typer_instance, f"{group} {inner.name}".strip())


def asked_by(callback: Callback) -> Iterator[Asked]:
    """The arguments and options of a command, in their order."""
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        kind, info = _kind(hints[name])
        if info is not None and not info.hidden:
            yield Asked(name, kind, info, parameter.default)


def _kind(hint: Any) -> tuple[Any, OptionInfo | ArgumentInfo | None]:
    """The type of a parameter, without `| None` and list, and what typer is told about it."""
    if typing.get_origin(hint) is not typing.Annotated:
        return hint, None
    kind, *notes = typing.get_args(hint)
    info = next((note for note in notes if isinstance(note, OptionInfo | ArgumentInfo)), None)
    while typing.get_origin(kind) in {types.UnionType, typing.Union, list, tuple}:
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    return kind, info
