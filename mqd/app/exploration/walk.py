"""A breadth-first walk over every interleaving, on the real step function, to a declared depth.

A node is the desk's state and the world's. Two paths that lead to the same node are one. Every
step is followed by the declared invariants (the engine checks them itself), and from every node
of the last layer the world is let settle: the desk must then agree with the broker.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mqd.app.exploration.world import PARTS, SYMBOL, Budget, World, broker_moves, settled
from mqd.engine.comparison import POSITIONS
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.ground import errors
from mqd.ground.errors import InvariantError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.decision import DriftFound, IncidentRaised, Outcome
from mqd.model.event import BarClosed, ClockTicked, DeskStarted, Event, SessionOpened

_OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
_OPEN_TIME_S = 34_200
_MINUTES = 390
_WARM = 30
_TICK_NS = 10 * NS_PER_S
_DIP, _STOPPED = 99.5, 98.0
_SETTLING_TICKS = 12
_FROM_HELD = 3
_PROFILE = "paper"  # beside a position rests a stop


class Node(NamedTuple):
    """One state of everything, and the way that led to it."""

    desk: DeskState
    world: World
    path: tuple[str, ...]


@dataclass(slots=True)
class Walked:
    """What a walk came to; `violations` are paths with what went wrong at their end."""

    orders: int
    depth: int
    states: int = 0
    edges: int = 0
    settled: int = 0
    seconds: float = 0.0
    violations: tuple[tuple[str, ...], ...] = ()


class Walk:
    """One walk; `orders` is 1 (an entry), 2 (and the exit) or 3 (from the held position on).

    With 3 the entry has traded already: the stop that rests at the broker is on its way, and an
    exit may come.
    """

    def __init__(self, engine: Engine, orders: int, depth: int) -> None:
        self._engine = engine
        self._depth = depth
        self.found = Walked(orders, depth)

    def run(self, most_violations: int = 3) -> Walked:
        """Walk until the depth is reached, or enough is wrong."""
        started = time.perf_counter()
        root = self._root()
        seen = {_key(root)}
        waiting = deque([root])
        violations: list[tuple[str, ...]] = []
        while waiting and len(violations) < most_violations:
            node = waiting.popleft()
            self.found.states += 1
            if len(node.path) == self._depth:
                wrong = self._settled_wrong(node)
                if wrong:
                    violations.append((*node.path, wrong))
                continue
            for after, wrong in self._edges(node):
                self.found.edges += 1
                if wrong:
                    violations.append((*after.path, wrong))
                key = _key(after)
                if key not in seen:
                    seen.add(key)
                    waiting.append(after)
        self.found.violations = tuple(violations)
        self.found.seconds = time.perf_counter() - started
        return self.found

    def _root(self) -> Node:
        """A desk that has just sent an entry."""
        desk = DeskState()
        digest = self._engine.book.digest
        world = World(Budget(exits=min(1, self.found.orders - 1)))
        close_ns = _OPEN_NS + _MINUTES * NS_PER_MINUTE
        node = Node(desk, world, ())
        opened = SessionOpened(_OPEN_NS, "2024-10-07", _OPEN_NS, close_ns, _OPEN_TIME_S)
        for event in (DeskStarted(_OPEN_NS, digest, _PROFILE, "exploration"), opened):
            node, _ = self._step(node, event)
            node, _ = self._calm(node)
        for minute in range(_WARM + 1):
            node, _ = self._step(node, _bar(minute, _DIP if minute == _WARM else 100.0))
            if minute < _WARM:
                node, _ = self._calm(node)
        if self.found.orders == _FROM_HELD:
            node = self._held(node)
        return node._replace(path=())

    def _held(self, node: Node) -> Node:
        """The desk's entry has traded, and the desk has heard of it."""
        node, _ = self._calm(node)
        for _ in range(PARTS):
            (filled,) = broker_moves(node.world, node.desk.now_ns)
            rest = filled.after._replace(news=())
            node, _ = self._step(node._replace(world=rest), filled.after.news[0])
        return node

    def _edges(self, node: Node) -> Iterator[tuple[Node, str]]:
        world, budget, now_ns = node.world, node.world.budget, node.desk.now_ns
        for move in broker_moves(world, now_ns):
            yield Node(node.desk, move.after, (*node.path, move.name)), ""
        for index, event in enumerate(world.news):
            rest = world._replace(news=(*world.news[:index], *world.news[index + 1 :]))
            yield self._told(node, rest, event, "hear")
            if budget.doubled:
                less = budget._replace(doubled=budget.doubled - 1)
                yield self._told(node, world._replace(budget=less), event, "hear twice")
            if budget.lost:
                less = budget._replace(lost=budget.lost - 1)
                yield (
                    node._replace(
                        world=rest._replace(budget=less),
                        path=(*node.path, f"lose {type(event).__name__}"),
                    ),
                    "",
                )
        if budget.ticks:
            less = budget._replace(ticks=budget.ticks - 1)
            tick = ClockTicked(now_ns + _TICK_NS)
            yield self._told(node, world._replace(budget=less), tick, "wait")
        if budget.exits:
            less = budget._replace(exits=budget.exits - 1)
            bar = _bar(_WARM + 1, _STOPPED)
            yield self._told(node, world._replace(budget=less), bar, "stop")
        if budget.crashes:
            less = budget._replace(crashes=budget.crashes - 1)
            for name, requests in (("crash", world.requests), ("crash before sending", ())):
                again = DeskStarted(now_ns, self._engine.book.digest, _PROFILE, "exploration")
                # A process that is gone hears nothing; what the broker was sent it has.
                after = world._replace(budget=less, requests=requests, news=())
                yield self._told(node, after, again, name)

    def _told(self, node: Node, world: World, event: Event, how: str) -> tuple[Node, str]:
        name = how if type(event) is ClockTicked else f"{how} {type(event).__name__}"
        return self._step(node._replace(world=world, path=(*node.path, name)), event)

    def _step(self, node: Node, event: Event) -> tuple[Node, str]:
        """The node after the desk took the event, and what that broke."""
        desk = node.desk.fork()
        outcome = step(self._engine, desk, event)
        world = node.world._replace(requests=(*node.world.requests, *outcome.commands))
        return Node(desk, world, node.path), _broken(outcome)

    def _calm(self, node: Node) -> tuple[Node, str]:
        """Let everything that is on its way arrive, in order; and the first thing that broke."""
        first = ""
        while node.world.requests or node.world.news:
            world = settled(node.world, node.desk.now_ns)
            node = node._replace(world=world)
            if world.news:
                rest = world._replace(news=world.news[1:])
                node, broken = self._step(node._replace(world=rest), world.news[0])
                first = first or broken
        return node, first

    def _settled_wrong(self, node: Node) -> str:
        """What desk and broker do not agree on once nothing is under way any more."""
        self.found.settled += 1
        node, broken = self._calm(node)
        for _ in range(_SETTLING_TICKS):
            if broken:
                return broken
            node, broken = self._step(node, ClockTicked(node.desk.now_ns + 6 * _TICK_NS))
            node, in_calm = self._calm(node)
            broken = broken or in_calm
        if broken:
            return broken
        held = sum((p.qty for p in node.desk.ledger.positions.open_positions()), Decimal(0))
        if held != node.world.position():
            return f"the desk holds {held}, the broker {node.world.position()}"
        live = {order.order_id for order in node.world.orders if order.is_live}
        if node.desk.working != live:
            return f"the desk waits for {sorted(node.desk.working)}, there work {sorted(live)}"
        return ""


def _bar(minute: int, close: float) -> BarClosed:
    start_ns = _OPEN_NS + minute * NS_PER_MINUTE
    return BarClosed(start_ns + NS_PER_MINUTE, SYMBOL, start_ns, close, close, close, close, 100.0)


def _broken(outcome: Outcome) -> str:
    """The first broken invariant among the notes, in words; or a difference that cannot be."""
    for note in outcome.notes:
        if isinstance(note, IncidentRaised) and issubclass(
            getattr(errors, note.error), InvariantError
        ):
            return f"{note.error}: {note.message}"
        if isinstance(note, DriftFound) and note.kind in POSITIONS:
            return f"nobody else trades here, and yet {note.kind}: {note.local}, {note.broker}"
    return ""


def _key(node: Node) -> tuple[str, World]:
    return node.desk.hash(), node.world
