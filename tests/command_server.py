"""The server behind `tests/commands.py`: the program is imported, and forked for each command."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import Any

_LOOKS_EVERY_S = 5.0  # whether who started it is still there


def serve(address: str) -> None:
    """Take one request after another, each in a process that waits for its command."""
    _import_everything()
    gc.freeze()  # what all commands share is not looked through by each of them
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who waits for a command needs no waiting for
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(16)
        listening.settimeout(_LOOKS_EVERY_S)
        os.write(1, b"ready\n")
        while os.getppid() == parent:
            try:
                line, _ = listening.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                listening.close()
                os._exit(_take(line))
            line.close()


def _import_everything() -> None:
    from mqd import app, cli, publish
    from mqd.rules.validate import load_rules

    for package in (cli, app, publish):  # and with them whatever is below
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    load_rules(Path("rules"))


def _take(line: socket.socket) -> int:
    """Run one command in a process of its own, and say with which code it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with line, line.makefile("rw") as file:
        wanted = json.loads(file.readline())
        child = os.fork()
        if child != 0:
            _, status = os.waitpid(child, 0)
            file.write(f"{os.waitstatus_to_exitcode(status)}\n")
            return 0
        _become(wanted)
    return _run()


def _run() -> int:
    """The program, with all that Python does at its end but taking itself apart, which is slow."""
    code = 0
    try:
        runpy.run_module("mqd", run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001  # told as Python tells it
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as Python does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    return code


def _become(wanted: dict[str, Any]) -> None:
    """Everything that a process has from its start, as if this one had just been started."""
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    random.seed()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    read, write = os.O_RDONLY, os.O_WRONLY | os.O_CREAT
    for number, (name, flags) in enumerate((("in", read), ("out", write), ("err", write))):
        opened = os.open(f"{wanted['streams']}/{name}", flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = _stream(0, "rb")
    sys.stdout = _stream(1, "wb")
    sys.stderr = _stream(2, "wb", errors="backslashreplace", line_buffering=True)
    sys.argv = ["mqd", *wanted["words"]]


def _stream(number: int, mode: str, **options: Any) -> TextIOWrapper:
    opened = os.fdopen(number, mode, closefd=False)
    return TextIOWrapper(opened, encoding="utf-8", **options)


if __name__ == "__main__":
    serve(sys.argv[1])
