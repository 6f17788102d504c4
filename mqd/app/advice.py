"""Where a desk's advice stands: in a file of its own beside its journal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mqd.advice.advisory import AdvisoryStream
from mqd.advice.log import AdviceFile
from mqd.ground.errors import SettingsError
from mqd.model.advice import LONGEST_TEXT, advice_of, plain
from mqd.ports.clock import Clock
from mqd.runtime.clock import SystemClock
from mqd.store.database import file_of, journal_url
from mqd.store.journal import open_journal

SUFFIX = ".advice.jsonl"
_PATIENCE_S = 10.0


def advice_file(journal: str, named: Path | None) -> AdviceFile:
    """The file of this desk's advice: the one that is named, or the one beside the journal.

    Raises:
        SettingsError: the journal is not there, or on a server, so that nothing can stand beside
            it; or the folder of the named file is not there.
        SetupError: there is something else than a journal.
    """
    path = named
    if path is None:
        beside = file_of(journal_url(journal))
        if beside is None:
            raise SettingsError(
                "the journal is on a server; name the file of the advice with --file"
            )
        with open_journal(journal, SystemClock(), write=False):  # a note beside nothing is lost
            path = beside.with_name(f"{beside.name}{SUFFIX}")
    if not path.parent.is_dir() or path.is_dir():
        raise SettingsError(f"{path}: expected a file in a folder that is there")
    return AdviceFile(path)


def keep_advice(
    log: AdviceFile, clock: Clock, lines: Iterable[str], about: tuple[str, str, str]
) -> tuple[int, int]:
    """Keep every line as a note of (model, hash of the prompt, subject); how many kept, dropped.

    Raises:
        SettingsError: the model has no name, or the hash is none.
    """
    try:
        advice_of(0, *about, "it is only asked whether this can be kept")
    except ValueError as error:
        raise SettingsError(str(error)) from error
    stream = AdvisoryStream(log)
    try:
        for line in lines:
            if plain(line, LONGEST_TEXT):  # a line of nothing that can be read is no note
                stream.put(advice_of(clock.now_ns(), *about, line))
    finally:
        dropped = stream.close(_PATIENCE_S)
    return stream.kept, dropped
