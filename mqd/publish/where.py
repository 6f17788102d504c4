"""Names of what does something: a rule file, a rule in one, or a part of the program.

A name is that of a file under `rules/`, with a rule of it behind a `#`
(`orders/lifecycle.yaml#OL-90`), or of a module, with what it declares (`mqd.engine.ledger#book`).
What is renamed is refused wherever it was named: such a page cannot go stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import mqd
from mqd.ground.errors import SettingsError
from mqd.publish.declared import source_line
from mqd.publish.rulefiles import FOLDER, RuleFiles
from mqd.publish.uses import rule_places
from mqd.rules.book import RuleBook
from mqd.rules.problems import Place
from mqd.rules.tree import Scalar


class Where(NamedTuple):
    """A rule, with its place in the rules, or a part of the program: where it is `declared`."""

    name: str
    place: Place | None
    declared: str = ""


class Wheres:
    """Finds names in one rule book and in the program, for one file that names them."""

    def __init__(self, book: RuleBook, file: str) -> None:
        self._file = file
        names = RuleFiles.of(book).names
        self._rules = {
            f"{names[place.file].removeprefix(f'{FOLDER}/')}#{rule}": place
            for rule, place in rule_places(book)
        }
        self._files = {
            name.removeprefix(f"{FOLDER}/"): Place(file, 1, 1) for file, name in names.items()
        }

    def find(self, item: Scalar) -> Where:
        """What the name is of.

        Raises:
            SettingsError: nothing of this name is there.
        """
        name = item.text
        place = self._rules.get(name) or self._files.get(name)
        if place is not None:
            return Where(name, place)
        module, _, part = name.partition("#")
        if module.startswith("mqd.") and _is_module(module):
            declared = source_line(module, part) if part else ""
            if declared:
                return Where(name, None, declared)
            raise self.refused(item, f"{module} declares no {part or 'such thing'}: name what "
                               "does it, such as mqd.engine.ledger#book")  # fmt: skip
        raise self.refused(item, f"there is no rule, rule file or module {name}")

    def refused(self, item: Scalar, message: str) -> SettingsError:
        """The error that tells of this place in the file."""
        return SettingsError(f"{self._file}:{item.place.line}: {message}")


def _is_module(name: str) -> bool:
    path = Path(mqd.__file__).parent.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()
