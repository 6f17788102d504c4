"""`mqd init`: everything somebody needs to edit rules, check, run and publish them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from mqd import __version__
from mqd.app.pages import beside_the_rules
from mqd.ground.errors import SettingsError
from mqd.publish.beside import Command
from mqd.publish.pages import write_pages
from mqd.rules.find import shipped
from mqd.rules.validate import load_rules

TEMPLATES: Final = Path(__file__).with_name("files")
SHIPPED: Final = ("rules", "schemas", "config")

# Templates carry plain names: a file called .gitignore or test_*.py would act where it lies.
WRITTEN: Final = {
    ".github/workflows/rules.yml": "rules-workflow.yml",
    ".gitignore": "gitignore.txt",
    "README.md": "README.md",
    "docs/index.md": "index.md",
    "docs/operator.md": "operator.md",
    "mkdocs.yml": "mkdocs.yml",
    "requirements.txt": "requirements.txt",
    "tests/test_rules.py": "test_rules.py.txt",
}
_OURS_ALONE: Final = ("config", "docs", "rules", "schemas", "tests")


def make_desk(folder: Path, commands: tuple[Command, ...] = ()) -> list[str]:
    """Make a new desk in `folder`, all of it or nothing; the names of the files made.

    `commands` describe the command line, for its page.

    Raises:
        SettingsError: one of the files is there already, or the folder cannot be written.
        RuleError: the shipped rules do not pass the checks.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder} is a file; `mqd init` takes a folder")
        _refuse_what_is_there(folder)
        # On the same disk as the desk will be, so that moving it there is one renaming.
        beside = folder if folder.is_dir() else _nearest_folder(folder)
        with TemporaryDirectory(prefix=".mqd-init-", dir=beside) as work:
            desk = Path(work) / "desk"
            names = _build(desk, commands)
            _move(desk, folder, names)
    except OSError as error:
        raise SettingsError(f"cannot make a desk in {folder}: {error.strerror}") from error
    return names


def _build(desk: Path, commands: tuple[Command, ...]) -> list[str]:
    """The whole desk in a folder of its own; the names of its files, sorted."""
    for name in SHIPPED:
        _copy(shipped(name), desk / name)
    for name, template in WRITTEN.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        _write(desk / name, text.replace("MQD_VERSION", __version__))
    # Last, because the pages tell of the tests too.
    book, docs = load_rules(desk / "rules"), desk / "docs"
    pages = write_pages(book, docs, beside_the_rules(book, docs, commands))
    front = docs / "index.md"
    text = front.read_text(encoding="utf-8")
    _write(front, text.replace("MQD_PAGES", _page_list(docs, pages)))
    return sorted(path.relative_to(desk).as_posix() for path in desk.rglob("*") if path.is_file())


def _copy(source: Path, target: Path) -> None:
    """The files of a folder, without the permissions that an installation may have given them."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _page_list(docs: Path, pages: Iterable[Path]) -> str:
    """The pages a reader starts from, as Markdown links under their own headings."""
    found = []
    for page in pages:
        name = page.relative_to(docs)
        if page.suffix == ".md" and (len(name.parts) == 1 or name.parts[0] == "strategies"):
            heading = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
            found.append(f"- [{heading}]({name.as_posix()})")
    return "\n".join(found)


def _nearest_folder(folder: Path) -> Path:
    """The folder that `folder` will be in; it is made when it is missing."""
    parent = folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _refuse_what_is_there(folder: Path) -> None:
    """Nothing of somebody else's is touched, and no rule of theirs is mixed with ours.

    Raises:
        SettingsError: naming the first thing that is in the way.
    """
    in_the_way = [folder / name for name in WRITTEN if os.path.lexists(folder / name)]
    for name in _OURS_ALONE:
        path = folder / name
        if path.is_dir():
            in_the_way += path.iterdir()
        elif os.path.lexists(path):
            in_the_way.append(path)
    if in_the_way:
        raise SettingsError(
            f"{min(in_the_way)} is there already; `mqd init` takes a folder without a desk"
        )


def _move(desk: Path, folder: Path, names: Iterable[str]) -> None:
    """Put the finished desk in its place; when that fails half-way, take it back."""
    if not folder.is_dir():
        desk.rename(folder)
        return
    made: list[Path] = []
    try:
        for name in names:
            for parent in reversed(PurePosixPath(name).parents):
                if not (folder / parent).is_dir():
                    (folder / parent).mkdir()
                    made.append(folder / parent)
            (desk / name).rename(folder / name)
            made.append(folder / name)
    except OSError:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        raise
