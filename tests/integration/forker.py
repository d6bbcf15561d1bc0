"""A process that forks servers, and has already imported the modules that each needs.

Each fork runs twistd's own script, as if started anew; only the imports are shared. Imports are
most of the cost of a start, and the tests start hundreds. No reactor is chosen before the fork.

:mod:`tests.integration.forked` runs this process, and sends it requests. When the socket of the
requests is closed, the process ends its remaining forks, and itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

MODULES: Final = (
    "chatservice.cluster.peers",
    "chatservice.cluster.journal",
    "chatservice.cluster.nats.log",
    "chatservice.service",
    "chatservice.tap",
    "twisted.internet.asyncioreactor",
    "twisted.internet.epollreactor",
    "twisted.internet.ssl",
    "twisted.protocols.haproxy",
    "twisted.scripts.twistd",
)
"""Modules that servers import; none of them imports a reactor."""

LONGEST: Final = 1 << 18
"""The most bytes of a request."""


def become(asked: dict[str, Any], answer: int, output: int, errors: int) -> None:
    """Give this fork the folder, environment, output and signals of a new process."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    time.tzset()
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for file in (answer, output, errors):
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def serve(requests: socket.socket, running: set[int]) -> list[str]:
    """Serve requests: fork a server, or reap one.

    Each request comes with a pipe for its answer: the pid, or the status.

    :param running: the pids of forks that are not reaped yet.
    :returns: in a fork, the words of its command; in this process, none after the last request.
    """
    while True:
        message, files, _, _ = socket.recv_fds(requests, LONGEST, 3)
        if not message:
            return []
        asked = json.loads(message)
        if isinstance(asked, int):
            _, status = os.waitpid(asked, 0)
            running.discard(asked)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                running.clear()
                requests.close()
                become(asked, *files)
                words: list[str] = asked["words"]
                return words
            running.add(answer)
        # The asking process may have been interrupted, and not read the answer.
        with suppress(BrokenPipeError):
            os.write(files[0], b"%d" % answer)
        for file in files:
            os.close(file)


def main() -> None:
    """Serve requests; in a fork, run the server."""
    # Ignore the terminal's interrupt: the tests handle it, and end this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = socket.socket(fileno=int(sys.argv[1]))
    twistd = sys.argv[2]
    # Set the path as for a script of that folder.
    sys.path[0] = str(Path(twistd).parent)
    for name in MODULES:
        importlib.import_module(name)
    # This imports all plugins, as twistd does.
    list(getPlugins(IServiceMaker))
    assert "twisted.internet.reactor" not in sys.modules
    gc.collect()
    gc.freeze()
    running: set[int] = set()
    try:
        words = serve(requests, running)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
        for pid in running:
            os.waitpid(pid, 0)
    if words:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


main()
