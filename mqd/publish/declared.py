"""Where the program itself declares a word: for what no rule file stands behind.

Such a place has no page, so it is shown as an editor takes it: `mqd/ground/units.py:32`. The
program's text is searched, not run, so that a page may name a module of any floor.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path, PurePosixPath
from types import ModuleType

import mqd
from mqd.rules.find import shipped_text

_PACKAGE = Path(mqd.__file__).parent


def source_line(module: ModuleType | str, code: str) -> str:
    """Where a module declares a code: its text, class, function or constant; empty if it does not.

    A fact of a bar is declared by its last word: `bar.close` as "close".
    """
    name = module if isinstance(module, str) else module.__name__
    for word in (code, code.rpartition(".")[2]):
        known = re.escape(word)
        declares = re.compile(rf'"{known}"|^ *(?:class|def) {known}\b|^{known}(?:: [^=]+)? = ')
        for number, line in enumerate(_lines(name), 1):
            if declares.search(line) and not line.startswith("__all__"):
                return f"{_file(name)}:{number}"
    return ""


def schema_line(kind: str, key: str, value: str = "") -> str:
    """Where the published schema of a kind of document declares a key, or one of its values."""
    lines = shipped_text("schemas", f"{kind}.schema.json").splitlines()
    number = 0
    for piece in (f'"{key}": {{', f'"const": "{value}"')[: 2 if value else 1]:
        later = enumerate(lines[number:], number + 1)
        number = next((place for place, line in later if line.strip().startswith(piece)), 0)
    return f"schemas/{kind}.schema.json:{number}" if number else ""


def short(place: str) -> str:
    """The place for a table whose file is named above it: `units.py:32`."""
    return PurePosixPath(place).name


def _file(module: str) -> str:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.relative_to(_PACKAGE.parent).as_posix()


@cache
def _lines(module: str) -> tuple[str, ...]:
    path = _PACKAGE.parent / _file(module)
    return tuple(path.read_text(encoding="utf-8").splitlines())
