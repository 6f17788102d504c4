"""The schemas in an editor: yaml-language-server finds them by each file's first line.

Needs node and the server: `npm install yaml-language-server` in a folder of its own, then
`MQD_YAML_LANGUAGE_SERVER=<folder>/node_modules/.bin/yaml-language-server pytest tests/editor`.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mqd.app.new_desk.desk import make_desk
from mqd.app.new_desk.strategy import write_strategy

ROOT = Path(__file__).resolve().parents[2]
RULE_FILES = sorted(
    path for path in (ROOT / "rules").rglob("*.yaml") if not path.name.endswith(".cases.yaml")
)
STRATEGY = ROOT / "rules/strategies/vwap_micro_mean_reversion.yaml"
PATIENCE_S = 30
SETTINGS = {
    "yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}
}


def _server_command() -> list[str] | None:
    """The server named by the environment, or the one that npx has already."""
    named = os.environ.get("MQD_YAML_LANGUAGE_SERVER")
    if named:
        return [named, "--stdio"]
    npx = shutil.which("npx")
    if npx is None:
        return None
    there = subprocess.run(
        [npx, "--no-install", "yaml-language-server", "--help"],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
    )
    return (
        [npx, "--no-install", "yaml-language-server", "--stdio"] if not there.returncode else None
    )


class Opened(NamedTuple):
    """An open file, and what the server has against it."""

    uri: str
    problems: list[dict[str, Any]]

    def shown(self) -> list[str]:
        return [
            f"line {item['range']['start']['line'] + 1}: {item['message']}"
            for item in self.problems
        ]


class Editor:
    """As much of an editor as these tests need: the language server protocol over pipes."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.incoming: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.last_id = 0
        self.opened = 0
        text_document = {
            "completion": {
                "completionItem": {
                    "documentationFormat": ["markdown"],
                    "snippetSupport": True,
                }
            },
            "hover": {"contentFormat": ["markdown"]},
        }
        capabilities = {"textDocument": text_document, "workspace": {"configuration": True}}
        self.ask(
            "initialize",
            {"processId": None, "rootUri": ROOT.as_uri(), "capabilities": capabilities},
        )
        self.tell("initialized", {})

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.tell("exit", None)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        self.last_id += 1
        self._send({"id": self.last_id, "method": method, "params": params})
        answer = self._wait(lambda message: message.get("id") == self.last_id)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def open(self, path: Path, text: str | None = None) -> Opened:
        """Open a file, with another text where one is given.

        Each gets a name of its own beside the file, so that nothing said about one text is
        taken for what is said about the next.
        """
        self.opened += 1
        text = path.read_text(encoding="utf-8") if text is None else text
        uri = path.with_name(f"{path.stem}_{self.opened}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        said = self._wait(
            lambda message: (
                message.get("method") == "textDocument/publishDiagnostics"
                and message["params"]["uri"] == uri
            )
        )
        return Opened(uri, said["params"]["diagnostics"])

    def offers(self, uri: str, line: int, character: int) -> dict[str, str]:
        """What is offered at a point (from 0), each with the words that explain it."""
        answer = self.ask("textDocument/completion", _where(uri, line, character))
        return {item["label"]: _words(item.get("documentation", "")) for item in answer["items"]}

    def explains(self, uri: str, line: int, character: int) -> str:
        answer = self.ask("textDocument/hover", _where(uri, line, character))
        return _words(answer["contents"]) if answer else ""

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.process.stdin.flush()

    def _wait(self, wanted: Any) -> dict[str, Any]:
        while True:
            message = self.incoming.get(timeout=PATIENCE_S)
            if message.get("method") == "workspace/configuration":
                items = message["params"]["items"]
                settings = [SETTINGS.get(item.get("section", ""), {}) for item in items]
                self._send({"id": message["id"], "result": settings})
            elif "id" in message and "method" in message:
                self._send({"id": message["id"], "result": None})
            elif wanted(message):
                return message

    def _listen(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        with contextlib.suppress(ValueError, OSError):  # closed under our hands: the test is over
            while header := stream.readline():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
                    while stream.readline().strip():
                        pass
                    self.incoming.put(json.loads(stream.read(length)))


def _where(uri: str, line: int, character: int) -> dict[str, Any]:
    position = {"line": line, "character": character}
    return {"textDocument": {"uri": uri}, "position": position}


def _words(documentation: Any) -> str:
    text = documentation["value"] if isinstance(documentation, dict) else documentation
    return " ".join(str(text).split())


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    command = _server_command()
    if command is None:
        pytest.skip("yaml-language-server is not installed; this file's first lines say how")
    found = Editor(command)
    yield found
    found.close()


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_editor_has_nothing_against_a_shipped_rule(editor: Editor, path: Path) -> None:
    assert not editor.open(path).shown()


def test_an_editor_has_nothing_against_a_new_desk(editor: Editor, tmp_path: Path) -> None:
    make_desk(tmp_path / "desk")
    rules = tmp_path / "desk" / "rules"
    write_strategy(rules, "opening_dip", "QQQ", "2026-11-22")
    for path in sorted(rules.rglob("*.yaml")):
        assert not editor.open(path).shown(), path


def test_a_new_desk_s_files_find_their_schemas(editor: Editor, tmp_path: Path) -> None:
    make_desk(tmp_path / "desk")
    path = tmp_path / "desk/rules/strategies" / STRATEGY.name
    text = path.read_text(encoding="utf-8")
    assert editor.open(path, text.replace("\nexits:", "\nexit:")).shown()


MISTAKES = {
    "a misspelled key": ("\nno_trade:", "\nno_trades:", "no_trades"),
    "a misspelled key inside": ("stop_loss: bar", "stop_los: bar", "stop_los"),
    "a missing sentence": (
        "    because: The price is back at VWAP; the idea is over.\n",
        "",
        "because",
    ),
    "a status that there is not": ("status: paper", "status: papier", ""),
    "a code in lower case": ("  SIZE_IS_ZERO:", "  size_is_zero:", "size_is_zero"),
    "a unit that there is not": ("unit: trades", "unit: deals", ""),
    "a number that is none": ("0.003, min: 0.002, max: 0.006", "much, min: 0.002, max: 0.006", ""),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_editor_underlines(editor: Editor, mistake: str) -> None:
    before, after, named = MISTAKES[mistake]
    text = STRATEGY.read_text(encoding="utf-8")
    assert before in text
    found = editor.open(STRATEGY, text.replace(before, after, 1))
    assert any(named in problem for problem in found.shown()), found.shown()
    changed = text[: text.index(before)].count("\n") + before.startswith("\n")
    lines = {item["range"]["start"]["line"] for item in found.problems}
    assert any(abs(line - changed) <= 2 for line in lines), found.shown()


def _offered(editor: Editor, text: str) -> dict[str, str]:
    """What is offered where `|` stands in the text."""
    before = text[: text.index("|")]
    opened = editor.open(STRATEGY, text.replace("|", "", 1))
    return editor.offers(opened.uri, before.count("\n"), len(before) - before.rfind("\n") - 1)


HEAD = "# yaml-language-server: $schema=../../schemas/strategy.schema.json\n"


def test_keys_are_offered_with_their_meaning(editor: Editor) -> None:
    offers = _offered(editor, HEAD + "strategy: being_typed\n|\n")
    assert {"title", "because", "no_trade", "exits", "thesis"} <= set(offers)
    assert "in one sentence" in offers["because"]


def test_keys_inside_are_offered_with_their_meaning(editor: Editor) -> None:
    offers = _offered(editor, HEAD + "entry:\n  side: buy\n  |\n")
    assert {"qty", "stop_loss", "type"} <= set(offers)
    assert "shares" in offers["qty"]
    offers = _offered(editor, HEAD + "no_trade:\n  MAX_TRADES_REACHED:\n    |\n")
    assert {"when", "because", "on_unknown"} <= set(offers)
    assert all(offers[key] for key in ("when", "because", "on_unknown"))


@pytest.mark.parametrize(
    ("text", "expected", "word"),
    [
        ("status: |\n", {"draft", "shadow", "paper", "live", "retired"}, "real money"),
        (
            "params:\n  dip_pct:\n    unit: |\n",
            {"ratio", "usd", "bars", "trades", "duration", "exchange_time"},
            "A share of something",
        ),
        ("trades:\n  side: |\n", {"long"}, "Buys first"),
    ],
    ids=["status", "unit", "side"],
)
def test_values_are_offered_with_their_meaning(
    editor: Editor, text: str, expected: set[str], word: str
) -> None:
    offers = _offered(editor, HEAD + text)
    assert expected <= set(offers)
    assert word in " ".join(offers.values())
    assert all(offers[value] for value in expected)


def test_a_key_explains_itself_under_the_pointer(editor: Editor) -> None:
    lines = STRATEGY.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines) if text.startswith("no_trade:"))
    opened = editor.open(STRATEGY)
    assert "every true one is recorded" in editor.explains(opened.uri, line, 2)
