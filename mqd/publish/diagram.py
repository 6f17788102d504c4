"""A machine as a picture: one self-contained SVG, the same bytes for the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from mqd.publish.layout import (
    BOX_GAP,
    DIVIDER,
    LEGEND,
    LINE_HEIGHT,
    MARGIN,
    NAME_SIZE,
    NOTE_SIZE,
    Box,
    Diagram,
    Way,
    lay_out,
    text_width,
    transitions,
)
from mqd.rules.book import MachineRules

# One hue a track, dark enough on the light card and light enough on the dark one.
_LIGHT = ("#1d6fd1", "#c2571a", "#0f8a5f", "#b3261e", "#7a4fd0", "#a3457f", "#0b7f95", "#8a6d0b")
_DARK = ("#6cb2ff", "#f0a15e", "#4fd3a0", "#ff8a80", "#b79bff", "#f08cc4", "#56cfe4", "#dcc04c")
_FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_CORNER = 7
_HEAD = 7


def state_diagram_svg(machine: MachineRules) -> str:
    """The machine's states and transitions as SVG text.

    It loads nothing and runs nothing, brings its own card, and follows the reader's light or
    dark setting.
    """
    diagram = lay_out(machine)
    width, height = diagram.width, diagram.height
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title about">',
        f'<title id="title">{escape(diagram_title(machine))}</title>',
        f'<desc id="about">{escape(_in_words(machine))}</desc>',
        f"<style>{_style(len(diagram.ways))}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        *_divider(diagram),
        *(_lane(box, diagram) for box in diagram.boxes if box.exit_y is not None),
        *(_leader(way, diagram) for way in diagram.ways),
        *(line for number, way in enumerate(diagram.ways) for line in _track(way, number)),
        *(line for number, way in enumerate(diagram.ways) for line in _dots(way, number)),
        *(line for box in diagram.boxes for line in _box(box)),
        *_initial(diagram.initial),
        *(line for way in diagram.ways for line in _label(way, diagram)),
        *_legend(diagram),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def diagram_title(machine: MachineRules) -> str:
    """What the picture shows, in one line: its title and its alternative text."""
    names = ", ".join(state.name for state in machine.states)
    return f"State diagram of the {machine.id}: {names}"


def _in_words(machine: MachineRules) -> str:
    return " ".join(
        f"{row.id}: {', '.join(row.events)} leads from {', '.join(row.sources)} to {row.target}."
        for row in transitions(machine)
    )


def _style(ways: int) -> str:
    return (
        f"text{{font-family:{_FONT};font-size:{NAME_SIZE}px}}"
        ".card{fill:#fff;stroke:#d0d7de}.casing{stroke:#fff}.ink{fill:#1f2328}.soft{fill:#59636e}"
        ".line{stroke:#8c959f}.leader{stroke:#d8dee4;stroke-width:1}"
        ".box{fill:#f3f6f9;stroke:#59636e}.end{fill:#e2e7ec;stroke:#59636e}.start{fill:#1f2328}"
        f".note{{font-size:{NOTE_SIZE}px}}.id{{font-weight:700}}"
        "path{fill:none;stroke-width:2}.casing{stroke-width:6}.line{stroke-width:1.5}"
        f"{_hues(_LIGHT[:ways])}"
        "@media(prefers-color-scheme:dark){"
        ".card{fill:#161b22;stroke:#3d444d}.casing{stroke:#161b22}.ink{fill:#e6edf3}"
        ".soft{fill:#9da7b1}.line{stroke:#767f89}.leader{stroke:#363d46}"
        ".box{fill:#212830;stroke:#9da7b1}.end{fill:#30363d;stroke:#9da7b1}.start{fill:#e6edf3}"
        f"{_hues(_DARK[:ways])}}}"
    )


def _hues(hues: tuple[str, ...]) -> str:
    return "".join(f".c{n}{{stroke:{hue}}}.d{n}{{fill:{hue}}}" for n, hue in enumerate(hues))


def _hue(number: int) -> int:
    return number % len(_LIGHT)


def _divider(diagram: Diagram) -> Iterator[str]:
    if diagram.divider_y is None:
        return
    y = diagram.divider_y
    start = MARGIN + text_width(DIVIDER, NOTE_SIZE) + 10
    yield f'<text class="soft note" x="{MARGIN}" y="{y + 4}">{escape(DIVIDER)}</text>'
    yield f'<line class="leader" x1="{start}" y1="{y}" x2="{diagram.width - MARGIN}" y2="{y}"/>'


def _lane(box: Box, diagram: Diagram) -> str:
    """The line of a state: it runs to the last transition that can start there."""
    last = max(way.track_x for way in diagram.ways if box.exit_y in way.source_ys)
    start = box.x + box.width
    return f'<line class="line" x1="{start}" y1="{box.exit_y}" x2="{last}" y2="{box.exit_y}"/>'


def _leader(way: Way, diagram: Diagram) -> str:
    y = way.arrow_y
    start, end = way.track_x + 6, diagram.label_x - 6
    return f'<line class="leader" x1="{start}" y1="{y}" x2="{end}" y2="{y}"/>'


def _track(way: Way, number: int) -> Iterator[str]:
    """The track and the arrow as one path, on a casing that separates it from what it crosses."""
    path = _path(way)
    tip = way.target.x + way.target.width
    yield f'<path class="casing" d="{path}"/>'
    yield f'<path class="c{_hue(number)}" d="{path}"/>'
    head = f"{tip},{way.arrow_y} {tip + _HEAD},{way.arrow_y - 4} {tip + _HEAD},{way.arrow_y + 4}"
    yield f'<polygon class="d{_hue(number)}" points="{head}"/>'


def _path(way: Way) -> str:
    x, y = way.track_x, way.arrow_y
    end = way.target.x + way.target.width + _HEAD - 1
    pieces = []
    if min(way.source_ys) < y:
        pieces.append(f"M{x} {min(way.source_ys)}V{y - _CORNER}Q{x} {y} {x - _CORNER} {y}H{end}")
    if max(way.source_ys) > y:
        pieces.append(f"M{x} {max(way.source_ys)}V{y + _CORNER}Q{x} {y} {x - _CORNER} {y}H{end}")
    return "".join(pieces)


def _dots(way: Way, number: int) -> Iterator[str]:
    for y in way.source_ys:
        yield f'<circle class="d{_hue(number)}" cx="{way.track_x}" cy="{y}" r="4"/>'


def _box(box: Box) -> Iterator[str]:
    kind = "end" if box.is_terminal else "box"
    yield (
        f'<rect class="{kind}" x="{box.x}" y="{box.y}" width="{box.width}" '
        f'height="{box.height}" rx="7" stroke-width="1.5"/>'
    )
    if box.is_terminal:
        yield (
            f'<rect class="{kind}" x="{box.x + 3}" y="{box.y + 3}" width="{box.width - 6}" '
            f'height="{box.height - 6}" rx="5" stroke-width="1"/>'
        )
    middle_x, middle_y = box.x + box.width // 2, box.y + box.height // 2 + 5
    yield (
        f'<text class="ink id" x="{middle_x}" y="{middle_y}" text-anchor="middle">'
        f"{escape(box.name)}</text>"
    )


def _initial(box: Box) -> Iterator[str]:
    """The black dot that every state diagram starts with."""
    y = box.y + box.height // 2
    x = MARGIN + 5
    yield f'<circle class="start" cx="{x}" cy="{y}" r="5"/>'
    yield f'<line class="line" x1="{x + 5}" y1="{y}" x2="{box.x - _HEAD}" y2="{y}"/>'
    head = f"{box.x},{y} {box.x - _HEAD},{y - 4} {box.x - _HEAD},{y + 4}"
    yield f'<polygon class="soft" points="{head}"/>'


def _label(way: Way, diagram: Diagram) -> Iterator[str]:
    x, y = diagram.label_x, way.arrow_y + 4
    yield (
        f'<text class="ink" x="{x}" y="{y}"><tspan class="id">{escape(way.row_id)}</tspan> '
        f"{escape(way.words)}</text>"
    )
    for number, note in enumerate(way.notes, 1):
        at = y + number * LINE_HEIGHT - 2
        yield f'<text class="soft note" x="{x}" y="{at}">{escape(note)}</text>'


def _legend(diagram: Diagram) -> Iterator[str]:
    y, x = diagram.legend_y, MARGIN + 5
    starts, leads = LEGEND
    yield f'<circle class="soft" cx="{x}" cy="{y}" r="4"/>'
    yield f'<text class="soft note" x="{x + BOX_GAP}" y="{y + 4}">{escape(starts)}</text>'
    x += BOX_GAP + text_width(starts, NOTE_SIZE) + 24
    yield f'<line class="line" x1="{x + _HEAD}" y1="{y}" x2="{x + 24}" y2="{y}"/>'
    yield f'<polygon class="soft" points="{x},{y} {x + _HEAD},{y - 4} {x + _HEAD},{y + 4}"/>'
    yield f'<text class="soft note" x="{x + 32}" y="{y + 4}">{escape(leads)}</text>'
