"""Evidence records: what a back-test of a thesis' strategy gave on named data, as a committed file.

A record is written by `mqd evidence` and never by hand: it carries the digest of itself, so that
an edited number is noticed. It names its data by a name and the hash of their bytes; the bars
themselves are not part of the project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from mqd.ground.canonical import decimal_text, digest, encode
from mqd.ground.errors import SettingsError
from mqd.model.position import AVERAGE
from mqd.publish.proofs import FILE as PROOFS

FOLDER = "evidence"
FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_RECORD_DIGEST = "record_digest"
_WIN_RATE = "win_rate"
_CAUGHT = "caught"
_SHARE_STEP = Decimal("0.000001")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXACT = ("pnl_usd", "slippage_bps")
_MEASURED = ("mean_loss_usd", "worst_loss_usd", "mean_of_plan", "worst_of_plan")
_COUNTS = ("files", "sessions", "bars", "trades", "wins", "stopped", "stopped_over_plan")
_TEXTS = ("thesis", "strategy", "data_set", "symbol", "fill", "command")
_DIGESTS = ("content_sha256", "rules_digest", "run_digest")


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """One back-test as evidence for a thesis.

    `spans` are the stretches of sessions (first and last date); `overrides` the params that were
    not those of the rules; `rules_digest` is of the rules as they stood, `run_digest` of what ran.
    Money is exact; of the stopped trades `*_of_plan` is the loss as a multiple of the planned risk.
    `caught` are the trades and entries of each failure regime; None in a record of before them.
    """

    thesis: str
    strategy: str
    data_set: str
    symbol: str
    files: int
    content_sha256: str
    spans: tuple[tuple[str, str], ...]
    sessions: int
    bars: int
    trades: int
    wins: int
    pnl_usd: Decimal
    stopped: int
    stopped_over_plan: int
    mean_loss_usd: Decimal | None
    worst_loss_usd: Decimal | None
    mean_of_plan: Decimal | None
    worst_of_plan: Decimal | None
    rules_digest: str
    run_digest: str
    overrides: tuple[tuple[str, str], ...]
    fill: str
    slippage_bps: Decimal
    command: str
    caught: tuple[tuple[str, tuple[str, ...]], ...] | None = None

    @property
    def file_name(self) -> str:
        """One file per thesis and data set."""
        return f"{self.thesis}_{self.data_set}.json"

    @property
    def win_rate(self) -> Decimal | None:
        """The share of trades that made money, to six digits."""
        return win_rate(self.wins, self.trades)

    def shares_sessions_with(self, other: EvidenceRecord) -> bool:
        """Whether the two are of the same symbol and their stretches of sessions overlap."""
        return self.symbol == other.symbol and any(
            first <= until and since <= last
            for first, last in self.spans
            for since, until in other.spans
        )

    def to_json(self) -> dict[str, Any]:
        """Everything the record says, with the digest of all the rest."""
        body: dict[str, Any] = {"format": FORMAT}
        for field in fields(self):
            value = getattr(self, field.name)
            body[field.name] = decimal_text(value) if isinstance(value, Decimal) else value
        body["spans"] = [list(span) for span in self.spans]
        body["overrides"] = dict(self.overrides)
        del body[_CAUGHT]
        if self.caught is not None:
            body[_CAUGHT] = {code: list(found) for code, found in self.caught}
        rate = self.win_rate
        body[_WIN_RATE] = None if rate is None else decimal_text(rate)
        return body | {_RECORD_DIGEST: digest(encode(body))}

    def to_text(self) -> str:
        """The file: keys sorted, the same bytes for the same result."""
        return json.dumps(self.to_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def win_rate(wins: int, trades: int) -> Decimal | None:
    """The share of trades that made money, to six digits; None without trades."""
    if not trades:
        return None
    return AVERAGE.divide(Decimal(wins), Decimal(trades)).quantize(_SHARE_STEP)


def read_records(folder: Path) -> tuple[tuple[EvidenceRecord, ...], list[str]]:
    """The records of a folder by file name, and one line for each file that is none."""
    found: list[EvidenceRecord] = []
    faults: list[str] = []
    for path in sorted(set(folder.glob("*.json")) - {folder / PROOFS}):
        try:
            record = record_from_text(path.read_text(encoding="utf-8"))
            if record.file_name != path.name:
                raise ValueError(f"the record belongs into {record.file_name}")  # noqa: TRY301  # one way out for all faults
            found.append(record)
        except (ValueError, OSError) as error:
            faults.append(f"{FOLDER}/{path.name}: {error}; write it again with `mqd evidence`")
    return tuple(found), faults + _same_days(found)


def certain_records(folder: Path) -> tuple[EvidenceRecord, ...]:
    """The records of a folder, all of them sound.

    Raises:
        SettingsError: a file is no record, or was edited.
    """
    records, faults = read_records(folder)
    if faults:
        raise SettingsError("; ".join(faults))
    return records


def record_from_text(text: str) -> EvidenceRecord:
    """The record that `to_text` wrote.

    Raises:
        ValueError: it is no such record, or somebody edited it.
    """
    body = json.loads(text)
    wanted = {
        "format",
        _RECORD_DIGEST,
        _WIN_RATE,
        *(field.name for field in fields(EvidenceRecord)),
    }
    if not isinstance(body, dict) or set(body) | {_CAUGHT} != wanted or body["format"] != FORMAT:
        raise ValueError("not an evidence record of this version")
    try:
        record = _typed(body)
        is_written_so = record.to_json() == body
    except (TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise ValueError(f"not an evidence record: {error}") from error
    if not is_written_so:
        raise ValueError("the record was edited: its digest is that of other contents")
    return record


def _typed(body: dict[str, Any]) -> EvidenceRecord:
    values: dict[str, Any] = {name: _text(body, name) for name in _TEXTS}
    values |= {name: _matching(body[name], _SHA256, name) for name in _DIGESTS}
    values |= {name: _count(body, name) for name in _COUNTS}
    values |= {name: Decimal(_text(body, name)) for name in _EXACT}
    for name in _MEASURED:
        values[name] = None if body[name] is None else Decimal(_text(body, name))
    _matching(values["data_set"], NAME, "data_set")
    values["spans"] = tuple(
        (_matching(first, _DATE, "spans"), _matching(last, _DATE, "spans"))
        for first, last in body["spans"]
    )
    values["overrides"] = tuple(sorted((str(key), str(value)) for key, value in
                                       body["overrides"].items()))  # fmt: skip
    if _CAUGHT in body:
        values[_CAUGHT] = tuple(
            (str(code), tuple(str(each) for each in found))
            for code, found in sorted(body[_CAUGHT].items())
        )
    if not values["wins"] <= values["trades"] or values["stopped"] > values["trades"]:
        raise ValueError("its counts contradict one another")
    return EvidenceRecord(**values)


def _text(body: dict[str, Any], name: str) -> str:
    if not isinstance(body[name], str) or not body[name]:
        raise ValueError(f"{name} is not a text")
    return str(body[name])


def _count(body: dict[str, Any], name: str) -> int:
    if type(body[name]) is not int or body[name] < 0:
        raise ValueError(f"{name} is not a count")
    return int(body[name])


def _matching(value: object, form: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(f"{name} is not of the form {form.pattern}")
    return value


def counted_twice(record: EvidenceRecord, others: Iterable[EvidenceRecord]) -> str | None:
    """Which other record of the thesis holds some of the same days, or None."""
    for other in others:
        if (other.thesis, other.data_set) == (record.thesis, record.data_set):
            continue
        same_bytes = other.content_sha256 == record.content_sha256
        if other.thesis == record.thesis and (same_bytes or record.shares_sessions_with(other)):
            return other.data_set
    return None


def _same_days(records: list[EvidenceRecord]) -> list[str]:
    found = []
    for place, record in enumerate(records):
        other = counted_twice(record, records[:place])
        if other is not None:
            found.append(
                f"{FOLDER}/{record.file_name}: some of its sessions are in {other} too, and "
                "would count twice; remove one of the two records"
            )
    return found
