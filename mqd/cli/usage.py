"""What is wrong with the words that were typed, in one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, cast

import typer

from mqd.cli.signatures import Asked, asked_by, callbacks
from mqd.ground.errors import SettingsError
from mqd.rules.problems import did_you_mean

# Typer names its base of such errors nowhere in public; its children are found by their names,
# which it shares with click.
UsageError: Final = cast("type[Exception]", typer.BadParameter.__bases__[0])

_HELP: Final = "--help"
_UNREADABLE: Final = re.compile(r"'(.+)' is not readable")
_EXTRA: Final = re.compile(r"arguments?(?:\(s\))? \((.+)\)")


def refuse_missing_values(application: typer.Typer, words: Sequence[str]) -> None:
    """A variable that was not set, or an option where the value of the one before it should be.

    Typer takes both for values: nothing for a path is this folder, `--db --brief` is a file.

    Raises:
        SettingsError: a word or an option's value is empty, or is the next option.
    """
    for place, word in enumerate(words):
        if not word or (word.startswith("--") and word.endswith("=")):
            before = word.rstrip("=") or (words[place - 1] if place else "")
            whose = before if before.startswith("-") else "an argument"
            raise SettingsError(f"{whose}: the value is empty")
    for item in _asked(application, " ".join(_leading(words))) or ():
        value = _typed(words, item.names) if item.is_option and item.kind is not bool else ""
        if value.startswith("--"):
            before = f"{item.names[0]}: the value is missing before {value}"
            raise SettingsError(before + _expected(item, "; expected "))


def help_wanted(error: Exception) -> str | None:
    """The help of the whole program when nothing at all was typed."""
    if _kind(error) == "NoArgsIsHelpError" and not _path(error, ()):
        return str(error)
    return None


def usage_line(error: Exception, application: typer.Typer, words: Sequence[str]) -> str:
    """What was typed, what was expected there, and the nearest right word."""
    path = _path(error, _leading(words))
    asked = _asked(application, path)
    if asked is None:
        return _of_group(error, application, path)
    match _kind(error):
        case "NoSuchOption":
            return _no_such_option(error, path, asked)
        case "BadOptionUsage":
            return _without_its_value(error, asked)
        case "MissingParameter" | "BadParameter":
            return _of_parameter(error, asked, words)
    extra = _EXTRA.search(str(error))
    if extra is not None:
        return f"{extra[1]}: more than `mqd {path}` takes; {_see_help(path)}"
    return f"mqd {path}: {error}"


def _kind(error: Exception) -> str:
    return type(error).__name__


def _path(error: Exception, typed: Sequence[str]) -> str:
    """The words of the command after `mqd`: as typer read them, else as they were typed."""
    context = cast("Any", error).ctx
    return " ".join(typed if context is None else str(context.command_path).split()[1:])


def _leading(words: Sequence[str]) -> list[str]:
    """The words before the first option."""
    return list(takewhile(lambda word: not word.startswith("-"), words))


def _asked(application: typer.Typer, path: str) -> list[Asked] | None:
    """What a command asks for, or None where the words name only a group of commands."""
    for name, callback, _ in callbacks(application):
        if f"{path} ".startswith(f"{name} "):
            return list(asked_by(callback))
    return None


def _of_group(error: Exception, application: typer.Typer, path: str) -> str:
    prefix = f"{path} " if path else ""
    names = [name for name, _, _ in callbacks(application)]
    known = list(dict.fromkeys(
        name.removeprefix(prefix).split()[0] for name in names if name.startswith(prefix)
    ))  # fmt: skip
    if _kind(error) == "NoSuchOption":
        return _no_such_option(error, path, [])
    if _kind(error) == "BadOptionUsage":
        return _without_its_value(error, [])
    typed = re.search(r"[Nn]o such command '([^']*)'", str(error))
    if typed is not None:
        hint = did_you_mean(typed[1], known) or _see_help(path)
        return f"{prefix}{typed[1]}: there is no such command; {hint}"
    return f"`{_command(path)}` needs a command: {_any_of(known)}"


def _no_such_option(error: Exception, path: str, asked: Iterable[Asked]) -> str:
    typed = str(cast("Any", error).option_name)
    known = [name for item in asked if item.is_option for name in item.names]
    known += [_HELP] if path else [_HELP, "--version"]
    hint = did_you_mean(typed, known)
    if not hint.startswith("did"):
        hint = _see_help(path)
    return f"{typed}: `{_command(path)}` has no such option; {hint}"


def _without_its_value(error: Exception, asked: Iterable[Asked]) -> str:
    typed = str(cast("Any", error).option_name)
    found = next((item for item in asked if typed in item.names), None)
    if found is None or found.kind is bool:
        return f"{typed}: takes no value"
    return f"{typed}: the value is missing{_expected(found, '; expected ')}"


def _of_parameter(error: Exception, asked: Iterable[Asked], words: Sequence[str]) -> str:
    parameter = cast("Any", error).param
    name = "" if parameter is None else parameter.name
    found = next((item for item in asked if item.name == name), None)
    if found is None:
        return str(error)
    shown = " or ".join(found.names)
    unreadable = _UNREADABLE.search(str(error))
    if unreadable is not None:
        before = f"{shown} " if found.is_option else ""
        return f"{before}{unreadable[1]}: you have no permission to read it"
    if _kind(error) == "MissingParameter":
        return f"{shown} is missing: {found.info.help}"
    value = _typed(words, found.names)
    hint = did_you_mean(value, found.choices) if value else ""
    near = f"; {hint}" if hint.startswith("did") else ""
    return f"{f'{shown} {value}'.strip()}{_expected(found, ': expected ')}{near}"


def _typed(words: Sequence[str], names: Sequence[str]) -> str:
    """The value that was typed last for an option, or nothing."""
    for place in reversed(range(len(words))):
        option, equals, value = words[place].partition("=")
        if option in names:
            return value if equals else "".join(words[place + 1 : place + 2])
    return ""


def _expected(item: Asked, before: str) -> str:
    """What may stand there, with the words before it; nothing where its name says enough."""
    if item.choices:
        return before + _any_of(item.choices)
    if item.kind is int:
        least = item.info.min
        return f"{before}a whole number{'' if least is None else f' of {least} or more'}"
    known = item.info.metavar or ("a path" if item.kind is Path else "")
    return f"{before}{known}" if known else ""


def _any_of(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _command(path: str) -> str:
    return f"mqd {path}".strip()


def _see_help(path: str) -> str:
    return f"see `{_command(path)} --help`"
