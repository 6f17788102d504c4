"""`mqd new strategy`: a draft with its thesis, tried against the desk's rules before it is kept."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from mqd.app.new_desk.desk import TEMPLATES
from mqd.ground.errors import RuleError, SettingsError
from mqd.rules.book import RuleBook
from mqd.rules.problems import Problem
from mqd.rules.validate import load_rules, validate

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9.]{0,9}")
_THESIS: Final = re.compile(r"TH-(\d+)")


class NewStrategy(NamedTuple):
    """What was written: the thesis's id and the two files.

    `portfolio_file` is where it gets its share of the account; empty where no rule asks for one.
    """

    thesis: str
    strategy_file: Path
    thesis_file: Path
    portfolio_file: str


def write_strategy(rules: Path, name: str, symbol: str, since: str) -> NewStrategy:
    """Write a draft strategy and its thesis under `rules`, or nothing; `since` is a date in ISO.

    Raises:
        SettingsError: the name or symbol cannot be used or is taken, or a file cannot be written.
        RuleError: the rules have problems, or would have some with the new strategy.
    """
    _check_words(name, symbol)
    book = load_rules(rules)
    _refuse_taken(book, name)
    thesis = _next_thesis(book)
    words = {
        "MQD_NAME": name,
        "MQD_SYMBOL": symbol,
        "MQD_THESIS": thesis,
        "MQD_SINCE": since,
        "MQD_TITLE": name.replace("_", " ").capitalize(),
    }
    files = {
        f"theses/{thesis}.yaml": _filled("thesis.yaml", words),
        f"strategies/{name}.yaml": _filled("strategy.yaml", words),
    }
    _try(rules, files)
    _write(rules, files)
    thesis_file, strategy_file = (rules / file for file in files)
    portfolio_file = book.portfolio.header.place.file if book.portfolio else ""
    return NewStrategy(thesis, strategy_file, thesis_file, portfolio_file)


def _check_words(name: str, symbol: str) -> None:
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_").lstrip("0123456789_")[:64]
        hint = f"; did you mean `{near}`?" if near else ""
        raise SettingsError(
            f"`{name}` cannot name a strategy: lower case, digits and underscores, "
            f"a letter first{hint}"
        )
    if not _SYMBOL.fullmatch(symbol):
        near = symbol.upper()
        hint = f"; did you mean `{near}`?" if _SYMBOL.fullmatch(near) else ""
        raise SettingsError(
            f"--symbol {symbol}: expected a ticker in upper case, such as SPY{hint}"
        )


def _refuse_taken(book: RuleBook, name: str) -> None:
    for strategy in book.strategies:
        if strategy.id == name:
            place = strategy.header.place
            raise SettingsError(
                f"there is a strategy `{name}` already, in {place.file}:{place.line}"
            )


def _next_thesis(book: RuleBook) -> str:
    """One more than the highest number: a number that was given up keeps what it meant."""
    numbers = [_THESIS.fullmatch(thesis.header.id) for thesis in book.theses]
    return f"TH-{1 + max((int(found[1]) for found in numbers if found), default=0):03d}"


def _filled(template: str, words: dict[str, str]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _try(rules: Path, files: dict[str, str]) -> None:
    """Check a copy of the rules with the new files in it.

    Raises:
        RuleError: with every problem, at the place where it would be.
    """
    with TemporaryDirectory(prefix="mqd-new-") as work:
        copy = Path(work) / "rules"
        try:
            shutil.copytree(rules, copy, symlinks=True)
            for name, text in files.items():
                _keep(copy / name, text)
        except shutil.Error as error:
            raise SettingsError(f"cannot copy {rules} to try the strategy: {error}") from error
        except OSError as error:
            raise SettingsError(f"cannot try the strategy: {error.strerror}") from error
        report = validate(copy)
        new = [_moved(item, copy, rules) for item in report.problems]
    if report.book is None or any(item.place.file == str(rules / name)
                                  for item in new for name in files):  # fmt: skip
        raise RuleError(new, str(rules))


def _moved(problem: Problem, copy: Path, rules: Path) -> Problem:
    file = problem.place.file
    shown = Path(file).relative_to(copy) if Path(file).is_relative_to(copy) else None
    return problem if shown is None else problem._replace(
        place=problem.place._replace(file=(rules / shown).as_posix())
    )  # fmt: skip


def _write(rules: Path, files: dict[str, str]) -> None:
    written: list[Path] = []
    try:
        for name, text in files.items():
            _keep(rules / name, text)
            written.append(rules / name)
    except OSError as error:
        for path in written:
            path.unlink()
        raise SettingsError(f"{error.filename}: cannot be written: {error.strerror}") from error


def _keep(path: Path, text: str) -> None:
    """Write a file that is not there yet; one that is there is never replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
