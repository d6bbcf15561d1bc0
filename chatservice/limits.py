"""All limits of the service in one table. The command line's options are made from it.

A rate, count or time of ``0`` means no limit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields


def _limit(default: int, doc: str, least: int = 0) -> int:
    """Declare a limit: its default, a text that names its unit, and its least value."""
    return field(default=default, metadata={"doc": doc, "least": least})


@dataclass(frozen=True)
class Limits:
    """The limits of one connection, of one member, of one address and of the whole service.

    Each field is set by the option of the same name (``max_name`` by ``--max-name``).
    """

    max_name: int = _limit(24, "the longest name, in characters", least=1)
    max_line: int = _limit(2000, "the longest line, in characters", least=1)
    login_timeout: int = _limit(60, "seconds to give a name, in five tries")
    handshake_timeout: int = _limit(10, "seconds for a TLS handshake or a PROXY header")
    rate: int = _limit(5, "lines a second read from one connection")
    burst: int = _limit(20, "lines read at once before --rate applies")
    max_connections: int = _limit(10_000, "connections at once")
    max_per_address: int = _limit(256, "connections at once from one address (IPv6: one /64)")
    connects_per_address: int = _limit(60, "new connections a minute from one address")
    names_per_address: int = _limit(60, "new names a minute from one address")
    tokens_per_address: int = _limit(1000, "programs from one address that left and can come back")
    rooms_per_address: int = _limit(1000, "rooms created from one address")
    stored_per_address: int = _limit(64, "data stored a second from one address, in KiB")
    room_rate: int = _limit(20, "lines a second in one room from one address")
    room_burst: int = _limit(60, "lines in one room from one address before --room-rate applies")
    max_rooms_per_member: int = _limit(20, "rooms one member may be in")
    max_rooms: int = _limit(10_000, "rooms in all")
    stall_timeout: int = _limit(120, "seconds a peer may take no byte before it is cut off")
    grace: int = _limit(90, "seconds a program may be away unnoticed", least=1)
    token_life: int = _limit(7, "days after which a program that left is forgotten", least=1)
    max_tokens: int = _limit(10_000, "programs that left and can come back", least=1)
    lease: int = _limit(15, "seconds of silence after which a cluster node counts as dead", least=2)
    recent: int = _limit(10_000, "recent events kept in memory; older ones come from the history")

    @classmethod
    def table(cls) -> list[tuple[str, int, str, int]]:
        """List the limits as ``(field name, default, description with unit, least value)``."""
        return [(f.name, f.default, f.metadata["doc"], f.metadata["least"]) for f in fields(cls)]  # type: ignore[misc]

    def __str__(self) -> str:
        """Write the limits as command-line options."""
        return " ".join(f"--{name.replace('_', '-')} {n}" for name, n in asdict(self).items())


LOGIN_TRIES = 5
"""Names that a person may try before the connection is closed."""

CLOSING_TIMEOUT = 5.0
"""Seconds that a peer may take to read the last lines before the connection is aborted."""
