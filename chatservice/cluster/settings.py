"""The options of a cluster, checked before anything starts."""

from __future__ import annotations

import importlib.util
import re
import ssl
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from twisted.python.usage import UsageError

from chatservice.limits import Limits

PORT: Final = 4222

PARAMETERS: Final = [
    ["cluster", None, None, "join a cluster: its brokers, nats://HOST:4222[,...] [default: none]"],
    ["cluster-name", None, "chat", "name of the log at the brokers"],
    ["replicas", None, 0, "copies of the log at the brokers; 0: 3 if they are a cluster, else 1"],
    ["log-days", None, 30, "days the brokers keep the log"],
    ["broker-credentials", None, None, ".creds file, or file with USER:PASSWORD or a token"],
    ["broker-ca", None, None, "file with certificates to check the brokers' against"],
    ["broker-certificate", None, None, "file with this node's certificate and key"],
]
"""The options, in the format of :class:`twisted.python.usage.Options`."""


class Brokers(NamedTuple):
    """The brokers that keep the log, and the access to them.

    :ivar urls: the URLs of the brokers.
    :ivar name: the name of the stream.
    :ivar replicas: copies of the log; 0 for 3 where the brokers are a cluster, else 1.
    :ivar days: days for which an entry is kept.
    :ivar access: the arguments of :func:`nats.connect` with the credentials.
    :ivar tls: the TLS settings; None for the defaults of the URLs.
    """

    urls: Sequence[str]
    name: str
    replicas: int
    days: int
    access: dict[str, str]
    tls: ssl.SSLContext | None = None


def brokers(options: Mapping[str, Any], number: Any, limits: Limits) -> Brokers:
    """Return the brokers of the log, and install the reactor that their client needs.

    :param number: returns the number in an option, given its name and its least value.
    :raises UsageError: with one line that names the mistake.
    """
    _install_reactor()
    if importlib.util.find_spec("nats") is None:
        raise UsageError("--cluster: nats-py is missing: pip install 'chatservice[cluster]'")
    if options["history"] == "none":
        raise UsageError("--cluster: each node needs a file for its --history")
    name = options["cluster-name"]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise UsageError(f"--cluster-name {name}: letters, digits, - and _ are allowed")
    days = number("log-days", 1)
    if days <= limits.token_life:
        raise UsageError(
            f"--log-days {days}: programs may come back for {limits.token_life} days"
            " (--token-life), so it takes more"
        )
    urls = [_url(url) for url in options["cluster"].split(",")]
    tls = None
    if any(url.startswith("tls:") for url in urls):
        tls = _context(options["broker-ca"], options["broker-certificate"])
    elif options["broker-ca"] or options["broker-certificate"]:
        raise UsageError("--broker-ca, --broker-certificate: they are for tls://HOST:4222")
    return Brokers(
        urls, name, number("replicas", 0), days, _access(options["broker-credentials"]), tls
    )


def _install_reactor() -> None:
    """Install Twisted's asyncio reactor, since the client of the brokers needs asyncio."""
    import asyncio

    from twisted.internet.asyncioreactor import AsyncioSelectorReactor, install

    installed = sys.modules.get("twisted.internet.reactor")
    if installed is None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        install(loop)
    elif not isinstance(installed, AsyncioSelectorReactor):
        raise UsageError("--cluster: it runs on the asyncio reactor: leave out --reactor")


def _url(url: str) -> str:
    """Return the full URL of a broker, after checks of its parts.

    :raises UsageError: if a part is wrong. The error leaves out the URL, which may contain a
        password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        port = parts.port or PORT
    except ValueError:
        raise UsageError("--cluster: a broker's port is no number") from None
    if parts.scheme not in ("nats", "tls") or not parts.hostname:
        raise UsageError("--cluster: a broker is written nats://HOST:4222 or tls://HOST:4222")
    if parts.username or parts.password:
        raise UsageError("--cluster: a password is better in a file: --broker-credentials")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _context(ca: str | None, certificate: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    except OSError as error:
        raise UsageError(f"--broker-ca {ca}: {error.strerror or error}") from None
    if certificate:
        try:
            # Without this, OpenSSL would ask at the terminal for the password of a key.
            context.load_cert_chain(certificate, password="")
        except OSError as error:
            raise UsageError(
                f"--broker-certificate {certificate}: {error.strerror or error}"
            ) from None
    return context


def _access(path: str | None) -> dict[str, str]:
    """Return the arguments of :func:`nats.connect` for a file with credentials."""
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"--broker-credentials {path}: {why}") from None
    if "-----BEGIN NATS" in text:
        return {"user_credentials": path}
    if not text or "\n" in text:
        raise UsageError(f"--broker-credentials {path}: one line is expected")
    user, colon, password = text.partition(":")
    return {"user": user, "password": password} if colon else {"token": text}
