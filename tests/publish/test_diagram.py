"""The state diagrams: whole, well formed, self-contained, and nothing lies on anything else."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest

from mqd.ground.units import BOOL
from mqd.publish.diagram import state_diagram_svg
from mqd.publish.layout import NAME_SIZE, NOTE_SIZE, lay_out, text_width
from mqd.rules.book import Header, MachineRules, Row, State
from mqd.rules.expressions.ir import Name, Truth
from mqd.rules.problems import Place

SVG = "{http://www.w3.org/2000/svg}"
GUARD = Truth(Name("order.is_done", "fact", BOOL))
PLACE = Place("rules/orders/lifecycle.yaml", 1, 1)


def _row(row_id: str, sources: tuple[str, ...], target: str, guard: str = "") -> Row:
    return Row(
        id=row_id, events=(f"event_{row_id.lower()}",), sources=sources, target=target,
        disposition="apply", requires=(), when=GUARD if guard else None, when_text=guard,
        otherwise="R0" if guard else None, raises=None, severity="INFO", because="", place=PLACE,
    )  # fmt: skip


def _machine(size: int) -> MachineRules:
    """A large machine: every working state leads on, back, to itself and to a terminal one."""
    working = [f"STATE_NUMBER_{n}" for n in range(size)]
    ended = [f"END_{n}" for n in range(size // 2 + 1)]
    rows = [_row(f"R{n}", (one,), two) for n, (one, two) in enumerate(pairwise(working))]
    rows += [_row(f"B{n}", tuple(working[n:]), working[0]) for n in range(1, size, 3)]
    rows += [
        _row(f"S{n}", (name,), name, "a.b >= c.d and " * 5 + "e") for n, name in enumerate(working)
    ]
    rows += [_row(f"E{n}", tuple(working), name) for n, name in enumerate(ended)]
    states = [State(name, "", name in ended, PLACE) for name in (*ended, *working)]
    header = Header("machine", "order", "", "", "", "", PLACE)
    return MachineRules(header, working[0], tuple(states), (), tuple(rows), {})


@pytest.fixture(params=["order", "desk", "breaker", 2, 5, 12], ids=str)
def machine(request, book) -> MachineRules:
    if isinstance(request.param, int):
        return _machine(request.param)
    return next(machine for machine in book.machines if machine.id == request.param)


def _parsed(machine: MachineRules) -> ET.Element:
    return ET.fromstring(state_diagram_svg(machine))


def _extent(text: ET.Element) -> tuple[float, float, float, float]:
    size = NOTE_SIZE if "note" in text.get("class", "") else NAME_SIZE
    width = text_width("".join(text.itertext()), size)
    x, y = float(text.get("x", 0)), float(text.get("y", 0))
    left = x - width / 2 if text.get("text-anchor") == "middle" else x
    return left, y - size * 0.8, left + width, y + size * 0.25


def _overlap(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def test_every_state_and_every_transition_is_named(machine) -> None:
    words = ["".join(text.itertext()) for text in _parsed(machine).iter(f"{SVG}text")]
    for state in machine.states:
        assert state.name in words
    for row in machine.rows:
        if row.target:
            [label] = [word for word in words if word.startswith(f"{row.id} ")]
            assert all(event in label for event in row.events)
            assert not row.otherwise or f"else {row.otherwise}" in label


def test_guards_stand_in_brackets(book) -> None:
    svg = state_diagram_svg(book.order_machine)
    assert svg.count(">[order.filled_qty &gt;= order.qty]</text>") == 2


def test_all_words_are_inside_the_picture_and_apart(machine) -> None:
    root = _parsed(machine)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    extents = [_extent(text) for text in root.iter(f"{SVG}text")]
    for left, top, right, bottom in extents:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    assert not [pair for pair in combinations(extents, 2) if _overlap(*pair)]


def test_boxes_do_not_overlap_and_terminal_ones_come_last(machine) -> None:
    boxes = lay_out(machine).boxes
    sides = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]
    assert not [pair for pair in combinations(sides, 2) if _overlap(*pair)]
    assert [box.is_terminal for box in boxes] == sorted(box.is_terminal for box in boxes)
    assert boxes[0].name == machine.initial
    assert all(text_width(box.name, NAME_SIZE) < box.width for box in boxes)
    assert all((box.exit_y is None) >= box.is_terminal for box in boxes)


def test_every_transition_has_its_own_track_clear_of_boxes_and_words(machine) -> None:
    diagram = lay_out(machine)
    tracks = [way.track_x for way in diagram.ways]
    assert len(set(tracks)) == len(tracks)
    assert min(tracks) > max(box.x + box.width for box in diagram.boxes)
    assert max(tracks) < diagram.label_x
    heights = [way.arrow_y for way in diagram.ways]
    heights += [box.exit_y for box in diagram.boxes if box.exit_y is not None]
    assert len(set(heights)) == len(heights)
    for way in diagram.ways:
        assert way.target.y < way.arrow_y < way.target.y + way.target.height


def test_a_dot_stands_on_every_source_of_a_transition(machine) -> None:
    diagram = lay_out(machine)
    exits = {box.name: box.exit_y for box in diagram.boxes}
    rows = {row.id: row for row in machine.rows}
    for way in diagram.ways:
        assert set(way.source_ys) == {exits[source] for source in rows[way.row_id].sources}
    dots = [dot for dot in _parsed(machine).iter(f"{SVG}circle") if dot.get("class", "")[0] == "d"]
    assert len(dots) == sum(len(way.source_ys) for way in diagram.ways)


def test_the_order_diagram_is_as_narrow_as_a_text_column(book) -> None:
    assert lay_out(book.order_machine).width <= 640


def test_the_picture_loads_nothing_and_runs_nothing(machine) -> None:
    svg = state_diagram_svg(machine)
    assert re.findall(r"\w+://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<image|<use|@import|url\(|\bon\w+=", svg)
    assert "prefers-color-scheme:dark" in svg


def test_the_same_machine_gives_the_same_bytes(machine) -> None:
    again = replace(machine, rows=tuple(replace(row) for row in machine.rows))
    assert state_diagram_svg(machine) == state_diagram_svg(again)


def test_words_that_mean_something_to_xml_are_escaped(book) -> None:
    rows = book.order_machine.rows
    hostile = replace(rows[1], id="<&>", when_text='a < b && "c" </svg><script>')
    machine = replace(book.order_machine, rows=(rows[0], hostile, *rows[2:]))
    root = _parsed(machine)
    assert root.find(f".//{SVG}script") is None
    assert any("<&>" in "".join(text.itertext()) for text in root.iter(f"{SVG}text"))
