from __future__ import annotations

from pathlib import Path

import pytest

from mqd.app.simulation.run import SimulationPlan
from mqd.app.simulation.settings import DaySettings, read_simulation
from mqd.engine.core import Engine
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
SEED = 11


@pytest.fixture(scope="session")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


@pytest.fixture(scope="session")
def settings() -> DaySettings:
    return read_simulation(ROOT / "config" / "simulation.yaml")


@pytest.fixture(scope="session")
def engine(book: RuleBook) -> Engine:
    return Engine.of(compile_book(book))


@pytest.fixture(scope="session")
def plan(book: RuleBook, settings: DaySettings) -> SimulationPlan:
    return SimulationPlan(book, settings, SEED)
