"""`mqd evidence`: the exact back-test of a thesis' strategy, as a record that can be repeated."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import numpy as np

from mqd.app.attributed import AttributionOf
from mqd.app.backtest import BacktestResult, run_backtest
from mqd.app.bars import recorded_feed
from mqd.brokers.simulated import SimulationSettings
from mqd.feeds.mending import RecordedBars
from mqd.feeds.samples import sample_bars
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import BarsFileError, SettingsError
from mqd.ground.times import iso_utc
from mqd.publish.attribution import AttributionReport
from mqd.publish.evidence import NAME, EvidenceRecord, counted_twice, read_records
from mqd.publish.figures import signed_usd
from mqd.publish.risk import risks, stop_codes, stopped_trades
from mqd.publish.tally import Tally
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.problems import did_you_mean
from mqd.rules.validate import load_rules
from mqd.runtime.desk import Watcher

_FOREIGN_BARS = 5
"""So many minutes alike in every digit are no chance: the bars are those of the samples."""
_LONGEST_BREAK = timedelta(days=14)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class EvidencePlan:
    """What to record: the thesis, the files, what to call them, and what is not as declared."""

    rules: Path
    thesis: str
    bars: tuple[Path, ...]
    data_set: str
    strategy: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    simulation: SimulationSettings = field(default_factory=SimulationSettings)


def record_evidence(plan: EvidencePlan, watchers: Iterable[Watcher] = ()) -> EvidenceRecord:
    """Run the back-test and write down what it gave.

    Raises:
        SettingsError: no such thesis or strategy, or a name that a file cannot have.
        BarsFileError: a file cannot be read, or holds the synthetic samples.
    """
    if not NAME.fullmatch(plan.data_set):
        raise SettingsError(
            f"--name {plan.data_set}: expected small letters, digits, `.`, `_` and `-`, "
            "as in spy-1min-2024-q2"
        )
    declared = load_rules(plan.rules)
    strategy = _strategy(declared, plan.thesis, plan.strategy)
    book = load_rules(plan.rules, Changes(strategy, values=plan.values))
    files = sorted(plan.bars, key=lambda path: path.name)
    _refuse_samples(recorded_feed(files, book).rows, files)
    tally, attribution = Tally(), AttributionOf(book)
    result = run_backtest(book, files, plan.simulation, (tally, attribution, *watchers))
    record = _record(plan, declared.digest, result, tally, files)
    return replace(record, caught=_caught(book, attribution.report(result)))


def write_evidence(record: EvidenceRecord, folder: Path) -> Path:
    """Write the record into its file, in the place of an earlier one on the same data set.

    Raises:
        SettingsError: the folder cannot be written, or another record holds some of the same days,
            which would count twice.
    """
    path = folder / record.file_name
    records, _ = read_records(folder)
    other = counted_twice(record, records)
    if other is not None:
        raise SettingsError(
            f"the record {other} of {record.thesis} holds some of the same sessions: they would "
            "count twice; use its name, or remove it"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(record.to_text(), encoding="utf-8", newline="\n")
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error
    return path


def _strategy(book: RuleBook, thesis: str, wanted: str | None) -> str:
    """The strategy whose trades are the evidence; a draft's may be the first of its thesis."""
    theses = [item.header.id for item in book.theses]
    if thesis not in theses:
        raise SettingsError(f"there is no thesis `{thesis}`; {did_you_mean(thesis, theses)}")
    trading = [item for item in book.strategies if item.thesis == thesis]
    running = [item for item in trading if item.runs] or trading
    own = [item.id for item in trading]
    if wanted is None and len(running) == 1:
        return running[0].id
    if wanted in own:
        return str(wanted)
    if not own:
        raise SettingsError(f"no strategy trades on {thesis}: nothing to record")
    if wanted is None:
        raise SettingsError(f"several strategies trade on {thesis}; name one with --strategy: "
                            f"{', '.join(own)}")  # fmt: skip
    raise SettingsError(f"--strategy {wanted}: it does not trade on {thesis}; there is "
                        f"{', '.join(own)}")  # fmt: skip


def _refuse_samples(rows: RecordedBars, files: Sequence[Path]) -> None:
    """Bars that were made up by a formula are evidence of nothing, whatever file they are in."""
    samples = sample_bars()
    _, mine, theirs = np.intersect1d(rows.start_ns, samples.start_ns, return_indices=True)
    same = np.ones(len(mine), dtype=bool)
    for name in ("open", "high", "low", "close", "volume"):
        same &= getattr(rows, name)[mine] == getattr(samples, name)[theirs]
    if int(same.sum()) >= _FOREIGN_BARS:
        names = ", ".join(path.name for path in files)
        raise BarsFileError(
            f"{names}: these are the synthetic sample sessions, made up by a formula; "
            "evidence comes from market data only"
        )


def _record(
    plan: EvidencePlan, declared: str, result: BacktestResult, tally: Tally, files: list[Path]
) -> EvidenceRecord:
    strategy = result.book.strategies[0].rules
    stops = stop_codes(result.book.rules)
    stopped = stopped_trades(risks(result.trades, result.state.orders, stops))
    return EvidenceRecord(
        thesis=plan.thesis,
        strategy=strategy.id,
        data_set=plan.data_set,
        symbol=strategy.symbol,
        files=len(files),
        content_sha256=_content(files),
        spans=_spans(tally.sessions),
        sessions=len(tally.sessions),
        bars=result.bars,
        trades=len(result.trades),
        wins=result.won,
        pnl_usd=result.pnl_usd,
        stopped=stopped.trades,
        stopped_over_plan=stopped.over_plan,
        mean_loss_usd=_shown(stopped.mean_loss_usd),
        worst_loss_usd=_shown(stopped.worst_loss_usd),
        mean_of_plan=_shown(stopped.mean_of_plan),
        worst_of_plan=_shown(stopped.worst_of_plan),
        rules_digest=declared,
        run_digest=result.book.digest,
        overrides=tuple(sorted(plan.values.items())),
        fill=plan.simulation.fill,
        slippage_bps=plan.simulation.slippage_bps,
        command=_command(plan, strategy.id, files),
    )


def _caught(book: RuleBook, found: AttributionReport) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What each failure regime caught, in words; those that caught nothing say so."""
    trades = {
        f"{iso_utc(item.risk.trade.entry_ns)} to {iso_utc(item.risk.trade.exit_ns)}, "
        f"{signed_usd(item.risk.trade.pnl_usd)} USD": item.failures
        for item in found.trades
    }
    entries = {
        f"{iso_utc(item.order.created_ns)}, {item.order.state}": item.failures
        for item in found.entries
    }
    codes = sorted(item.code for each in book.strategies for item in each.failure_regimes)
    return tuple(
        (code, tuple(text for text, failures in (trades | entries).items() if code in failures))
        for code in codes
    )


def _shown(value: Decimal | None) -> Decimal | None:
    """A mean has as many digits as anybody reads."""
    return None if value is None else value.quantize(Decimal("0.0001"))


def _content(files: Sequence[Path]) -> str:
    """SHA-256 over the bytes of all files, in the order of their names."""
    found = sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    return found.hexdigest()


def _spans(dates: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The stretches of session dates; a break that no exchange takes starts a new one."""
    found: list[tuple[str, str]] = []
    for day in dates:
        if found and date.fromisoformat(day) - date.fromisoformat(found[-1][1]) < _LONGEST_BREAK:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return tuple(found)


def _command(plan: EvidencePlan, strategy: str, files: Sequence[Path]) -> str:
    """How to repeat it, with the names of files and no folders."""
    words = ["mqd", "evidence", plan.thesis, "--bars", *(path.name for path in files)]
    words += ["--name", plan.data_set, "--strategy", strategy]
    for name, value in sorted(plan.values.items()):
        words += ["--set", f"{name}={value}"]
    slippage = decimal_text(plan.simulation.slippage_bps)
    words += ["--fill", plan.simulation.fill, "--slippage-bps", slippage]
    return shlex.join(words)
