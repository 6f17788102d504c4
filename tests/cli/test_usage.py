"""What was typed wrongly: one line that names it, no traceback, no box, nothing on stdout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mqd.cli import main
from mqd.cli.commands import application
from mqd.cli.signatures import Asked, asked_by, callbacks

ROOT = Path(__file__).resolve().parents[2]

COMMANDS = {name: tuple(asked_by(callback)) for name, callback, _ in callbacks(application)}
FILLED = {
    "bars": "ok.csv", "code": "GAP", "name": "some_name", "thesis": "TH-001",
    "strategy": "vwap_micro_mean_reversion", "by": "ada", "reason": "odd",
    "copy": "ok.csv", "out": "copy.out", "database": "desk.db",
    "symbol": "SPY", "first": "2024-10-07", "last": "2024-10-08",
    "protection": "low_profit", "model": "some-model-1", "prompt": "ok.csv",
}  # fmt: skip
HEADER = "symbol,ts,open,high,low,close,volume\n"
FILES = {
    "ok.csv": f"{HEADER}SPY,2024-11-25T14:30:00Z,595,595,595,595,1\n",
    "empty.csv": "",
    "header.csv": HEADER,
    "columns.csv": "a,b\n1,2\n",
    "time.csv": f"{HEADER}SPY,2024-13-45,595,595,595,595,1\n",
    "bytes.csv": "\udcff\udcfe",
    "text.parquet": "hello\n",
    "text.db": "hello\n",
    "profile.yaml": "profile: sampels\n",
    "fill.yaml": "fill: nextopen\n",
    "number.yaml": "slippage_bps: abc\n",
    "negative.yaml": 'slippage_bps: "-5"\n',
    "half.yaml": 'reject_every: "1.5"\n',
    "key.yaml": "fil: close\n",
    "cut.yaml": "a: [\n",
    "nothing.yaml": "",
    "bytes.yaml": "\udcff\udcfe",
    "folder/notes.txt": "no rules, no bars\n",
}


class Told(NamedTuple):
    """What a person saw."""

    code: int
    out: str
    err: str


Type = Callable[..., Told]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sample_journal: Path) -> Path:
    """A folder full of files that are not what they should be, and a journal that is."""
    folder = tmp_path_factory.mktemp("usage")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", errors="surrogateescape"))
    (folder / "circle.csv").symlink_to("circle.csv")
    shutil.copyfile(sample_journal, folder / "desk.db")
    return folder


@pytest.fixture
def typed(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types the words after `mqd`; what escapes `main` is a failure, as a traceback would be."""
    monkeypatch.chdir(place)

    def run(*words: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["mqd", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        found = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Told(ended.value.code, found.out, found.err)

    return run


def in_one_line(told: Told, *named: str, code: int = 2) -> None:
    assert told.code == code, told
    assert not told.out
    assert told.err.startswith("mqd: ")
    assert told.err.endswith("\n")
    assert told.err.count("\n") == 1
    assert told.err[:-1].isprintable()
    assert len(told.err) < 260
    for word in ("Value error", "Decimal(", "Input should", "Usage:", "Errno"):
        assert word not in told.err
    for name in named:
        assert name in told.err


# -- every command and option there is ------------------------------------------------------------


def filled(items: tuple[Asked, ...], but: str = "") -> list[str]:
    """The least that a command needs, without one of its words."""
    words: list[str] = []
    for item in items:
        if item.is_required and item.name != but:
            words += [item.names[0], FILLED[item.name]] if item.is_option else [FILLED[item.name]]
    return words


def options(wanted: Callable[[Asked], object]) -> Iterator[tuple[str, Asked]]:
    for name, items in COMMANDS.items():
        for item in items:
            if item.is_option and wanted(item):
                yield name, item


def cases(wanted: Callable[[Asked], object]) -> pytest.MarkDecorator:
    found = list(options(wanted))
    assert found
    names = [f"{name} {item.names[0]}".replace(" ", "_") for name, item in found]
    return pytest.mark.parametrize(("command", "item"), found, ids=names)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option(typed: Type, command: str) -> None:
    in_one_line(typed(*command.split(), "--nowhere-to-be-found"), "--nowhere-to-be-found", command)


@cases(lambda item: len(item.names[0]) > 3)
def test_a_misspelt_option(typed: Type, command: str, item: Asked) -> None:
    name = item.names[0]
    in_one_line(typed(*command.split(), f"{name}x"), f"{name}x", f"did you mean `{name}`?")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_word_too_many(typed: Type, command: str) -> None:
    items = COMMANDS[command]
    words = [*command.split(), *["more"] * (1 + len(items)), *filled(items)]
    told = typed(*words)
    in_one_line(told, "more", f"mqd {command} --help")


@pytest.mark.parametrize(
    ("command", "item"),
    [(name, item) for name, items in COMMANDS.items() for item in items if item.is_required],
)
def test_a_word_too_few(typed: Type, command: str, item: Asked) -> None:
    told = typed(*command.split(), *filled(COMMANDS[command], item.name))
    in_one_line(told, f"{item.names[0]} is missing: {item.info.help}")


@cases(lambda item: item.choices)
def test_a_choice_that_is_none(typed: Type, command: str, item: Asked) -> None:
    told = typed(*command.split(), item.names[0], "zzz")
    in_one_line(told, f"{item.names[0]} zzz: expected ", *item.choices)
    nearly = f"{item.choices[-1]}x"
    told = typed(*command.split(), item.names[0], nearly)
    in_one_line(told, f"{item.names[0]} {nearly}: ", f"did you mean `{item.choices[-1]}`?")


@cases(lambda item: item.kind is int)
@pytest.mark.parametrize("value", ["x", "1.5", "0", "-1"])
def test_a_number_that_is_none(typed: Type, command: str, item: Asked, value: str) -> None:
    least = item.info.min
    assert least is not None
    if value.lstrip("-").isdecimal() and int(value) >= least:
        pytest.skip(f"{value} is a number that {item.names[0]} takes")
    told = typed(*command.split(), *filled(COMMANDS[command]), item.names[0], value)
    in_one_line(told, f"{item.names[0]} {value}: expected a whole number of {least} or more")


@cases(lambda item: item.kind is not bool)
def test_an_option_without_its_value(typed: Type, command: str, item: Asked) -> None:
    words = [*command.split(), *filled(COMMANDS[command], item.name), item.names[0]]
    in_one_line(typed(*words), f"{item.names[0]}: the value is missing")
    in_one_line(typed(*words, ""), f"{item.names[0]}: the value is empty")
    in_one_line(typed(*words, "--brief"), f"{item.names[0]}: the value is missing before --brief")


@cases(lambda item: item.kind is bool)
def test_a_flag_with_a_value(typed: Type, command: str, item: Asked) -> None:
    told = typed(*command.split(), f"{item.names[0]}=yes")
    in_one_line(told, f"{item.names[0]}: takes no value")


JOURNALS = {
    "folder": "folder",
    "text.db": "text.db is not a journal",
    "mysql://localhost/desk": "--db: mqd keeps no journal in mysql",
    "http://localhost/desk": "expected a path, sqlite:///path or postgresql",
    "://": "--db: not the address of a journal",
    "sqlite://": "--db sqlite://: a journal needs a file",
}


MAKES_ONE = {"run", "simulate", "restore", "doctor"}
WITH_DB = {"simulate": ("--day", "1")}


@cases(lambda item: "--db" in item.names)
@pytest.mark.parametrize("place_of", JOURNALS)
def test_a_journal_that_is_none(typed: Type, command: str, item: Asked, place_of: str) -> None:
    if command == "restore":
        pytest.skip("it looks at the copy first; tests/store tries its places")
    words = [*command.split(), *filled(COMMANDS[command], item.name), *WITH_DB.get(command, ())]
    words += ["--db", place_of]
    in_one_line(typed(*words), JOURNALS[place_of])


@cases(lambda item: "--db" in item.names)
def test_a_journal_that_is_not_there(typed: Type, command: str, item: Asked) -> None:
    if command not in MAKES_ONE:
        words = [*command.split(), *filled(COMMANDS[command], item.name), "--db", "nowhere.db"]
        in_one_line(typed(*words), "there is no journal at ")


@cases(lambda item: "--rules" in item.names)
@pytest.mark.parametrize("rules", ["nowhere", "ok.csv", "folder"])
def test_rules_that_are_none(typed: Type, command: str, item: Asked, rules: str) -> None:
    told = typed(*command.split(), *filled(COMMANDS[command]), "--rules", rules)
    in_one_line(told, rules)


# -- what only one of them takes ------------------------------------------------------------------

BACKTEST = ("backtest", "--bars", "ok.csv")
WHY = ("why", "--db", "desk.db")
DAILY = ("report", "daily", "--db", "desk.db")
EVIDENCE = ("evidence", "TH-001", "--bars", "ok.csv", "--name", "some")

COULD_NOT_RUN: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("rnu",), ("rnu: there is no such command", "did you mean `run`?")),
    (("zzz",), ("zzz: there is no such command",)),
    (("",), ("empty",)),
    (("--versio",), ("--versio: ", "did you mean `--version`?")),
    (("--version=3",), ("--version",)),
    (("journal",), ("`mqd journal` needs a command: verify, tail, export, replay or downgrade",)),
    (("journal", "vrify"), ("journal vrify: ", "did you mean `verify`?")),
    (("report",), ("`mqd report` needs a command",)),
    (("new", "strat"), ("new strat: ", "did you mean `strategy`?")),
    (("report", "weekly\n\x1b[31m"), ("report weekly",)),
    (("run", "--bars", "--speed", "60"), ("--bars: the value is missing before --speed",)),
    (("run", "--speed", "fast"), ("--speed fast: expected max",)),
    (("run", "--speed", "-1"), ("--speed -1: expected max",)),
    (("run", "--speed", "a\nb"), ("--speed a b: expected max",)),
    (("run", "--config", "defalt"), ("no config `defalt`", "did you mean `default`?")),
    (("run", "--config", "folder"), ("no config `folder`",)),
    (("run", "--config", "nowhere.yaml"), ("nowhere.yaml",)),
    (("run", "--config", "profile.yaml"), ("profile.yaml: ", "did you mean `samples`?")),
    (("run", "--config", "fill.yaml"), ("fill.yaml: fill is 'nextopen', expected close or",)),
    (("run", "--config", "number.yaml"), ("number.yaml: slippage_bps: `abc` is not a number",)),
    (("run", "--config", "negative.yaml"), ("negative.yaml: slippage_bps is -5, expected",)),
    (("run", "--config", "half.yaml"), ("half.yaml: reject_every: `1.5` is not a whole",)),
    (("run", "--config", "key.yaml"), ("key.yaml:1:1: ", "did you mean `fill`?")),
    (("run", "--config", "cut.yaml"), ("cut.yaml:",)),
    (("run", "--config", "nothing.yaml"), ("nothing.yaml:1:1: ",)),
    (("run", "--config", "bytes.yaml"), ("bytes.yaml: is not UTF-8 text",)),
    (("run", "--db", "/proc/no/desk.db"), ("/proc/no/desk.db",)),
    (("doctor", "--config", "default"), ("--config default: it has no broker to ask",)),
    (("doctor", "--config", "papr"), ("no config `papr`", "did you mean `paper`?")),
    ((*BACKTEST, "--slippage-bps", "x"), ("--slippage-bps: `x` is not a number",)),
    ((*BACKTEST, "--slippage-bps", "-5"), ("--slippage-bps -5: expected a decimal from 0",)),
    ((*BACKTEST, "--slippage-bps", "10000"), ("--slippage-bps 10000: expected",)),
    ((*BACKTEST, "--set", "stop_loss_pct"), ("--set stop_loss_pct: expected PARAM=VALUE",)),
    ((*BACKTEST, "--set", "=1"), ("--set =1: expected PARAM=VALUE",)),
    ((*BACKTEST, "--set", "stop_los_pct=0.004"), ("`stop_los_pct`", "`stop_loss_pct`?")),
    ((*BACKTEST, "--set", "stop_loss_pct=x"), ("--set stop_loss_pct=x: not a value",)),
    ((*BACKTEST, "--set", "stop_loss_pct=9"), ("--set stop_loss_pct=9: outside",)),
    ((*BACKTEST, "--set", "stop_loss_pct=0.003", "stop_loss_pct=0.004"), ("given twice",)),
    ((*BACKTEST, "--strategy", "vwap"), ("strategy `vwap`",)),
    ((*BACKTEST, "--symbol", "spy"), ("--symbol 'spy': expected a ticker",)),
    ((*BACKTEST, "--protections", "daily_los"), ("did you mean `daily_loss_limit`?",)),
    ((*BACKTEST, "--engine", "fast"), ("--engine fast",)),
    ((*BACKTEST, "--trades", "trades.txt"), ("--trades trades.txt: expected a name ending",)),
    ((*BACKTEST, "--trades", "nowhere/trades.csv"), ("there is no folder nowhere",)),
    ((*BACKTEST, "--decisions", "folder.json"), ("--decisions folder.json: expected",)),
    ((*WHY, "--at", "yesterday"), ("--at yesterday: not a time",)),
    ((*WHY, "--at", "25:00"), ("--at 25:00: not a time",)),
    ((*WHY, "--at", "2024-13-45 10:31"), ("--at 2024-13-45 10:31: not a time",)),
    ((*WHY, "--at", "10:31", "--last", "2"), ("--at and --last: one or the other",)),
    ((*DAILY, "--date", "today"), ("--date today: expected a date",)),
    ((*DAILY, "--out", "nowhere/day.md"), ("--out nowhere/day.md: there is no folder",)),
    ((*DAILY, "--out", "folder"), ("--out folder: cannot be written",)),
    (("journal", "export", "--db", "desk.db", "--out", "nowhere/all"), ("--out nowhere/all",)),
    (("docs", "--check", "--watch"), ("--check and --watch",)),
    (("docs", "--out", "ok.csv"), ("--out ok.csv: that is a file",)),
    (("init", "ok.csv"), ("ok.csv is a file",)),
    (("init", ""), ("empty",)),
    (("validate-rules", "nowhere"), ("nowhere",)),
    (("validate-rules", "folder"), ("folder",)),
    (("new", "strategy", "Bad Name"), ("there is no folder rules",)),
    ((*EVIDENCE[:1], "TH-003", *EVIDENCE[2:]), ("`TH-003`", "did you mean `TH-002`?")),
    ((*EVIDENCE[:-1], "A B"), ("--name A B: expected",)),
    ((*EVIDENCE, "--strategy", "nowhere"), ("--strategy nowhere: ",)),
]  # fmt: skip

BARS = {
    "empty.csv": "empty",
    "header.csv": "no rows",
    "columns.csv": "has no column",
    "time.csv": "row 2",
    "bytes.csv": "cannot be read",
    "text.parquet": "not Parquet",
    "folder": "not a file",
    "circle.csv": "",
    "nowhere.csv": "no such file",
}

NO: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("explain", "OUTSIDE_WINDO"), ("did you mean `OUTSIDE_WINDOW`?",)),
    ((*WHY, "nobodys-order"), ("nobodys-order",)),
    ((*WHY, "--strategy", "nobody"), ("nobody",)),
    ((*WHY, "--at", "2023-01-03 10:31"), ("no bar ended at 2023-01-03 10:31",)),
    ((*WHY, "--at", "10:31", "--strategy", "nobody"), ("nobody",)),
]


@pytest.mark.parametrize(("words", "named"), COULD_NOT_RUN, ids=" ".join)
def test_what_could_not_run(typed: Type, words: tuple[str, ...], named: tuple[str, ...]) -> None:
    in_one_line(typed(*words), *named)


@pytest.mark.parametrize("name", BARS)
@pytest.mark.parametrize(
    "words", [("run",), ("backtest",), ("evidence", "TH-001", "--name", "some")], ids=str
)
def test_bars_that_are_none(typed: Type, words: tuple[str, ...], name: str) -> None:
    in_one_line(typed(*words, "--bars", name), f"{name}: ", BARS[name])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("restore", "mine", "--db", "new.db"), "mine: you have no permission to read it"),
        (("backtest", "--bars", "mine"), "--bars mine: you have no permission to read it"),
    ],
)
def test_a_file_that_its_owner_closed(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "mine").touch(mode=0)
    command = [sys.executable, "-m", "mqd", *words]
    if os.geteuid() == 0:  # who may read everything, and gives that up here
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
        if not shutil.which("setpriv"):
            pytest.skip("root may read everything")
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mqd: {said}\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("words", [("backtest", "--bars"), ("run", "--config"), ("status", "--db")])
def test_a_file_that_must_not_be_read(typed: Type, place: Path, words: tuple[str, ...]) -> None:
    name = "mine.yaml" if "--config" in words else "mine.csv"
    (place / name).write_text(FILES["ok.csv"])
    (place / name).chmod(0)
    in_one_line(typed(*words, name), name)


@pytest.mark.parametrize(("words", "named"), NO, ids=" ".join)
def test_when_the_answer_is_no(typed: Type, words: tuple[str, ...], named: tuple[str, ...]) -> None:
    in_one_line(typed(*words), *named, code=1)


def test_nothing_at_all_is_answered_with_the_help(typed: Type) -> None:
    told = typed()
    assert (told.code, told.out) == (2, "")
    assert all(name.split()[0] in told.err for name in COMMANDS)
    assert typed("--help").out.split() == told.err.split()


def test_what_is_right_passes(typed: Type) -> None:
    assert typed("--version").code == 0
    assert typed(*BACKTEST, "--slippage-bps", "0.5", "--fill", "next-open").code == 0
    assert typed("run", "--config", "default", "--sessions", "1", "--speed", "max").code == 0
    for command in ("journal tail -n 1", "status --format json", "why --last 1"):
        told = typed(*command.split(), "--db", "desk.db")
        assert (told.code, told.err) == (0, "")


# -- rules with problems --------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "backtest --bars ../ok.csv", "docs", "docs --check"])
def test_every_command_tells_the_problems_of_the_rules_alike(
    typed: Type, place: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    desk = place / "desk"
    if not desk.exists():
        assert typed("init", "desk").code == 0
        for name in ("limits/desk.yaml", "protections/time_window.yaml"):
            path = desk / "rules" / name
            path.write_text(path.read_text("utf-8").replace("because:", "becuase:"), "utf-8")
    monkeypatch.chdir(desk)
    answer = typed("validate-rules")
    assert (answer.code, answer.err) == (1, "")
    assert answer.out.splitlines()[-1].startswith("rules: ")
    assert answer.out.count("\n\n") > 2
    assert typed(*command.split()) == Told(1, "", answer.out)
