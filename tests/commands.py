"""`mqd` as a process of its own for every command, without starting Python anew for each.

One server for each process of the tests has the program imported and the shipped rules read; a
command is a fork of it, with its own folder, environment, input, output and exit code. What is
left out is the start of Python, which `tests/cli/test_processes.py` holds against a real one.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "mqd"]
PATIENCE_S = 300  # for a machine with much to do; a command that hangs ends the test all the same
OF_THE_START = ("PYTHON", "LC_", "LANG")
"""Names of variables that Python reads when it starts begin like this."""


def environment(**changes: str) -> dict[str, str]:
    """The environment of a command: ours with a place to find the program, and changes."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def command(
    *words: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    said: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `mqd` to its end in a folder, with this environment, and `said` on its standard input."""
    env = environment() if env is None else env
    typed = [*COMMAND, *map(str, words)]
    if not hasattr(os, "fork") or _of_the_start(env) != _of_the_start(environment()):
        return subprocess.run(
            typed, cwd=cwd, env=env, input=said, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in").write_text(said or "", encoding="utf-8")
        wanted = {"words": typed[3:], "cwd": str(cwd), "env": dict(env), "streams": folder}
        code = _asked(json.dumps(wanted), typed)
        out, err = ((Path(folder) / name).read_text("utf-8") for name in ("out", "err"))
    return subprocess.CompletedProcess(typed, code, out, err)


def _of_the_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(OF_THE_START)}


def _asked(wanted: str, typed: Sequence[str]) -> int:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE_S)
        line.connect(_server())
        with line.makefile("rw") as file:
            file.write(f"{wanted}\n")
            file.flush()
            try:
                code = file.readline()
            except TimeoutError:
                raise subprocess.TimeoutExpired(list(typed), PATIENCE_S) from None
    assert code, "the server of commands has ended"
    return int(code)


@cache
def _server() -> str:
    """The address of this process's server, which ends with it."""
    folder = tempfile.mkdtemp(prefix="mqd-")  # a short path: an address may not be long
    address = f"{folder}/line"
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.command_server", address],
        cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert started.stdout is not None
    assert started.stdout.readline() == b"ready\n", "the server of commands did not start"

    def end() -> None:
        started.stdout.close()
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        Path(address).unlink()
        Path(folder).rmdir()

    atexit.register(end)
    return address
