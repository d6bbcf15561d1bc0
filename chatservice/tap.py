"""The command line of the service: ``twistd chat``."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from twisted.application.service import IService
from twisted.internet.threads import deferToThread
from twisted.python.filepath import FilePath
from twisted.python.usage import UsageError

from chatservice import logs
from chatservice.clock import go_by_monotonic
from chatservice.cluster import settings
from chatservice.core.chat import Chat
from chatservice.core.rekeying import revise
from chatservice.core.state import OPERATORS
from chatservice.doors.factory import ChatFactory
from chatservice.doors.listener import Listener, parted
from chatservice.journal.memory import MemoryJournal
from chatservice.journal.sqlite import SqliteJournal
from chatservice.limits import Limits
from chatservice.options import OneLineOptions, why_no_endpoint
from chatservice.service import ChatService
from chatservice.text import names
from chatservice.text.sanitising import decode, safe

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


def _option(name: str) -> str:
    return name.replace("_", "-")


class Options(OneLineOptions):
    """The options of ``twistd chat``. All that can be checked is checked before the start."""

    program = "chat"
    synopsis = "[options]"
    longdesc = "A chat server that anything with a TCP connection can join: telnet, nc, a script."

    optFlags = [
        ["clock-is-right", None, "confirm the clock after a jump: old data is deleted again"],
        ["console", None, "take part from this terminal, as an operator; logs to a file"],
    ]
    optParameters = [
        ["history", None, "chat.sqlite", "file that keeps what was said; 'none' keeps nothing"],
        ["keep", None, 0, "days to keep the history; 0: for ever"],
        ["motd", None, None, "file with text shown to everyone on joining [default: none]"],
        *settings.PARAMETERS,
        *(
            [_option(name), None, default, f"{doc}{'' if least else '; 0: no limit'}"]
            for name, default, doc, least in Limits.table()
        ),
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []
        self["room"] = []

    def opt_listen(self, description: str) -> None:
        """endpoint, or 'ENDPOINT telnet'; may be repeated [default: port 7007, IPv4 and IPv6]"""
        self["listen"].append(description)

    def opt_room(self, name: str) -> None:
        """room that always exists; people start in the first; may be repeated [default: lobby]"""
        self["room"].append(name)

    def postOptions(self) -> None:
        """Check all options, and keep their values.

        :raises UsageError: with one line that names the error.
        """
        self.limits = Limits(
            **{name: self._number(_option(name), least) for name, _, _, least in Limits.table()}
        )
        self["keep"] = self._number("keep", 0)
        self.brokers = (
            settings.brokers(self, self._number, self.limits) if self["cluster"] else None
        )
        if self["console"]:
            self._have_terminal()
        for description in self["listen"]:
            _check_endpoint(description)
        try:
            rooms = [names.room_name(name, self.limits.max_name) for name in self["room"]]
        except names.BadName as error:
            raise UsageError(f"--room: {error}") from None
        if OPERATORS in rooms:
            raise UsageError(f"--room: #{OPERATORS} is for operators alone")
        self.rooms = rooms or ["lobby"]
        self.motd = _read_motd(self["motd"]) if self["motd"] else []

    def _have_terminal(self) -> None:
        """Check that standard input and output exist, and send the log to a file."""
        if sys.__stdin__ is None or sys.__stdout__ is None:
            raise UsageError("--console: there is no standard input and output")
        if self.parent is not None:
            if not self.parent["nodaemon"]:
                raise UsageError("--console: a daemon has no terminal: twistd needs -n")
            self.parent["logfile"] = self.parent["logfile"] or logs.NAME

    def _number(self, option: str, least: int) -> int:
        try:
            number = int(self[option])
        except ValueError:
            number = -1
        if number < least:
            raise UsageError(f"--{option} {self[option]}: it takes a whole number, {least} or more")
        return number


def _check_endpoint(description: str) -> None:
    """Check an endpoint and its certificates, without listening and without the reactor."""
    try:
        folder = re.match(r"(?:haproxy:)?tls:((?:\\.|[^:\\])+)", parted(description)[0])
        if folder:
            _check_certificates(re.sub(r"\\(.)", r"\1", folder[1]))
        Listener(None, description)
    except Exception as error:
        raise UsageError(f"--listen {description}: {why_no_endpoint(error)}") from None


def _check_certificates(folder: str) -> None:
    """Check that a folder for ``tls:`` has a host's certificate and key, and no root certificate.

    Otherwise no TLS handshake would ever succeed.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_certificate

    certificates, keys = [], []
    for file, kind, block in _pem_blocks(folder):
        try:
            if kind == b"CERTIFICATE":
                certificates.append((file, load_pem_x509_certificate(block)))
            else:
                keys.append(load_pem_private_key(block, None).public_key())
        except (TypeError, ValueError):
            raise ValueError(f"{file} can't be read, or needs a password") from None
    if not any(
        isinstance(extension.value, SubjectAlternativeName)
        and extension.value.get_values_for_type(DNSName)
        for _, certificate in certificates
        if certificate.public_key() in keys
        for extension in certificate.extensions
    ):
        raise ValueError(f"{folder} has no .pem files with a host's certificate and its key")
    for file, certificate in certificates:
        # Twisted would look for a root certificate's issuer without end.
        if certificate.issuer == certificate.subject and certificate.public_key() not in keys:
            raise ValueError(f"{file} has a root certificate, which does not belong there")


def _pem_blocks(folder: str) -> Iterator[tuple[str, bytes, bytes]]:
    for file in FilePath(folder).walk():
        if file.isfile() and file.basename().endswith(".pem"):
            for block in _PEM_BLOCK.finditer(file.getContent()):
                yield file.path, block[1], block[0]


def _read_motd(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            return [safe(decode(line)) for line in file.read().splitlines()]
    except OSError as error:
        raise UsageError(f"--motd {path}: {error.strerror}") from None


def makeService(options: Options) -> IService:
    """Build the service. It opens no file or socket yet, because a daemon forks after this."""
    from twisted.internet import reactor

    go_by_monotonic(reactor)
    make_chat = partial(
        Chat,
        reactor,
        now=_now,
        limits=options.limits,
        permanent=options.rooms,
        motd=options.motd,
        keep=options["keep"],
        clock_is_right=bool(options["clock-is-right"]),
    )
    if options.brokers is not None:
        chat = _on_many_nodes(make_chat, reactor, options, options.brokers)
    elif options["history"] == "none":
        chat = make_chat(journal=MemoryJournal(_now))
    else:
        chat = make_chat(journal=_file(options, alone=True))
    return ChatService(
        reactor,
        ChatFactory(reactor, chat, options.limits),
        [(text, Listener(reactor, text)) for text in options["listen"]],
        bool(options["console"]),
        options.parent if options.parent is not None else {},
    )


def _on_many_nodes(
    make_chat: Callable[..., Chat], reactor: Any, options: Options, brokers: settings.Brokers
) -> Chat:
    """Build a chat on many nodes. The cluster's modules are imported only here."""
    from chatservice.cluster.journal import ClusterJournal
    from chatservice.cluster.nats.log import NatsLog
    from chatservice.cluster.peers import Nodes

    journal = ClusterJournal(
        reactor, _file(options, alone=False), NatsLog(brokers), float(options.limits.lease)
    )
    return make_chat(journal=journal, peers=lambda chat: Nodes(chat, journal))


def _file(options: Options, alone: bool) -> SqliteJournal:
    return SqliteJournal(
        options["history"],
        _now,
        deferToThread,
        ages=options["keep"] > 0,
        revise=partial(revise, longest=options.limits.max_name, alone=alone),
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
