"""Where everything of a state diagram stands: whole pixels, computed from the machine alone.

States stand in one column, the ones that can change first, the terminal ones last. Every
transition has a vertical track of its own to the right of them: a dot where a source state's
line meets the track, an arrow from the track into the target, the words at the arrow's height.
Nothing is placed by hand, so a new state adds a box, a new transition a track and a line of
words, and two of them can never overlap.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from mqd.rules.book import MachineRules, Row

MARGIN = 14
NAME_SIZE = 13
NOTE_SIZE = 11
LINE_HEIGHT = 18
PORT_HEIGHT = 22
BOX_GAP = 12
TRACK_GAP = 14
LANE_LEAD = 16
MARKER_SPACE = 26
DIVIDER_SPACE = 34
LEGEND_SPACE = 32
GUARD_WIDTH = 32
LEGEND = ("can start here", "leads here")
DIVIDER = "terminal: never left"


@dataclass(frozen=True, slots=True)
class Box:
    """One state: its rectangle, and the height at which its line leaves (None: never left)."""

    name: str
    x: int
    y: int
    width: int
    height: int
    is_terminal: bool
    exit_y: int | None


@dataclass(frozen=True, slots=True)
class Way:
    """One transition: its track, where its sources join, where its arrow ends, its words."""

    row_id: str
    words: str
    notes: tuple[str, ...]
    track_x: int
    source_ys: tuple[int, ...]
    arrow_y: int
    target: Box


@dataclass(frozen=True, slots=True)
class Diagram:
    """Everything to draw, and the size of the card it is drawn on."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    initial: Box
    label_x: int
    divider_y: int | None
    legend_y: int


def text_width(text: str, size: int) -> int:
    """Pixels that `text` takes at most in a monospaced font of this size."""
    return (len(text) * size * 61 + 99) // 100


def transitions(machine: MachineRules) -> tuple[Row, ...]:
    """The rows that lead into a state, in the order of the file."""
    return tuple(row for row in machine.rows if row.target is not None)


def lay_out(machine: MachineRules) -> Diagram:
    """The diagram of one machine."""
    rows = transitions(machine)
    order = _ordered_states(machine, rows)
    incoming = {name: [row for row in rows if row.target == name] for name in order}
    box_width = max(text_width(name, NAME_SIZE) for name in order) + 2 * MARGIN
    boxes, arrow_ys, divider_y, bottom = _stack(machine, order, incoming, box_width)
    tracks = [row for name in order for row in incoming[name]]
    track_x = MARGIN + MARKER_SPACE + box_width + LANE_LEAD + TRACK_GAP
    label_x = track_x + len(tracks) * TRACK_GAP + 4
    ways = tuple(
        _way(row, track_x + number * TRACK_GAP, arrow_ys[row.id], boxes)
        for number, row in enumerate(tracks)
    )
    legend_width = text_width("".join(LEGEND), NOTE_SIZE) + 110
    right = max([label_x + _label_width(way) for way in ways] + [legend_width + MARGIN])
    return Diagram(
        width=right + MARGIN,
        height=bottom + LEGEND_SPACE,
        boxes=tuple(boxes.values()),
        ways=ways,
        initial=boxes[machine.initial],
        label_x=label_x,
        divider_y=divider_y,
        legend_y=bottom + LEGEND_SPACE // 2,
    )


def _ordered_states(machine: MachineRules, rows: tuple[Row, ...]) -> list[str]:
    """States by layer: steps from the initial one, file order within; terminal ones last."""
    layer = {machine.initial: 0}
    frontier = {machine.initial}
    while frontier:
        reached = {row.target for row in rows if row.target and frontier & set(row.sources)}
        frontier = reached - layer.keys()
        layer |= dict.fromkeys(frontier, max(layer.values()) + 1)
    names = [state.name for state in machine.states]
    return sorted(
        names, key=lambda name: (name in machine.terminal, layer.get(name, len(names)))
    )  # fmt: skip


def _stack(
    machine: MachineRules, order: list[str], incoming: dict[str, list[Row]], width: int
) -> tuple[dict[str, Box], dict[str, int], int | None, int]:
    """The boxes from top to bottom, each row's arrow height, the divider, the bottom."""
    leaving = {source for row in transitions(machine) for source in row.sources}
    boxes: dict[str, Box] = {}
    arrow_ys: dict[str, int] = {}
    divider_y: int | None = None
    top = MARGIN
    for name in order:
        is_terminal = name in machine.terminal
        if is_terminal and divider_y is None and boxes:
            divider_y = top + DIVIDER_SPACE // 2 - BOX_GAP // 2
            top += DIVIDER_SPACE - BOX_GAP // 2
        y = top + 4
        exit_y = y + PORT_HEIGHT // 2 if name in leaving else None
        y += PORT_HEIGHT if exit_y is not None else 0
        for row in incoming[name]:
            arrow_ys[row.id] = y + PORT_HEIGHT // 2
            y += PORT_HEIGHT + LINE_HEIGHT * len(_notes(row))
        height = max(y + 4 - top, PORT_HEIGHT + 8)
        x = MARGIN + MARKER_SPACE
        boxes[name] = Box(name, x, top, width, height, is_terminal, exit_y)
        top += height + BOX_GAP
    return boxes, arrow_ys, divider_y, top


def _way(row: Row, track_x: int, arrow_y: int, boxes: dict[str, Box]) -> Way:
    exits = {boxes[source].exit_y for source in row.sources}
    words = ", ".join(row.events) + (f", else {row.otherwise}" if row.otherwise else "")
    return Way(
        row_id=row.id,
        words=words,
        notes=_notes(row),
        track_x=track_x,
        source_ys=tuple(sorted(y for y in exits if y is not None)),
        arrow_y=arrow_y,
        target=boxes[str(row.target)],
    )


def _notes(row: Row) -> tuple[str, ...]:
    """The guard in brackets, in lines short enough for a narrow column."""
    if row.when is None:
        return ()
    return tuple(textwrap.wrap(f"[{row.when_text}]", GUARD_WIDTH))


def _label_width(way: Way) -> int:
    first = text_width(f"{way.row_id} {way.words}", NAME_SIZE)
    return max([first, *(text_width(note, NOTE_SIZE) for note in way.notes)])
