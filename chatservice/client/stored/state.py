"""The memory of the client from one time to the next, in the state directory of the user.

There is one folder, for this user alone, with ``settings.json``, and one small file for each
session, which has its token and the last id. Nothing here is worth a failure: what can't be read
was not remembered, and what can't be written is not, and that is told once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_type_hints
from zoneinfo import ZoneInfo

from msgspec import Struct, ValidationError, convert
from twisted.internet.interfaces import IStreamClientEndpoint

from chatservice.client.address import PORT
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.session import Listener, Session

VERSION: Final = 1
"""Of the files; those of another are left alone."""

Bell = Literal["off", "mentions", "all"]
BELLS: Final[tuple[Bell, ...]] = get_args(Bell)
Stamps = Literal["off", "short", "full"]
STAMPS: Final[tuple[Stamps, ...]] = get_args(Stamps)


def state_folder() -> Path | None:
    """Return the folder, which need not exist; None if there is nothing that would know it."""
    try:
        from platformdirs import user_state_path
    except ImportError:
        return None
    return user_state_path("chatservice")


def server_at(address: str) -> str:
    """Return what a server is called that was named on the command line."""
    plain = re.fullmatch(r"[\w.-]+", address)
    return f"{address}:{PORT}".lower() if plain else address


class Memory:
    """The folder, and how somebody wants the client to be.

    :param folder: None to remember nothing.
    :param tell: is told, in a sentence, what is not remembered, and why; may be set later.
    :ivar settings: how somebody wants it to be.
    """

    def __init__(self, folder: Path | None, tell: Callable[[str], object]) -> None:
        self.folder = folder
        self.tell = tell
        self._told = False
        self.settings = Settings(self)

    def name_at(self, server: str) -> str | None:
        """Return the name that a person had last: at a server, or else anywhere."""
        found = next(iter(self.sessions(server, True)), None)
        return self.settings.name if found is None else found.name

    def history(self) -> Path | None:
        """Return the file of what was typed, which exists then and is for this user alone."""
        if self.folder is None:
            return None
        path = self.folder / "history"
        try:
            self._make_folder()
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        except OSError as error:
            self.fail(error)
            return None
        return path

    def sessions(self, server: str, person: bool, name: str | None = None) -> list[Kept]:
        """List the sessions at a server, of people or of programs, the last one first.

        Neither goes on with one of the other's: what it reads would be missed there.

        :param name: None for all names.
        """
        paths = [] if self.folder is None else self.folder.glob("session-*.json")
        found = [
            kept
            for kept in map(self.session_in, paths)
            if kept is not None
            and (kept.server, kept.person) == (server, person)
            and (name is None or kept.name.casefold() == name.casefold())
        ]
        return sorted(found, key=lambda kept: kept.written, reverse=True)

    def session_in(self, path: Path) -> Kept | None:
        """Return the session in a file, if there is one."""
        try:
            found = read_file(path)
            if found is not None:
                written = path.stat().st_mtime_ns
                return convert({**found, "path": path, "written": written}, Kept)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.fail(error)
        except (ValueError, ValidationError):
            self.tell(f"{path} was broken: what it remembered is forgotten")
            self.remove(path)
        return None

    def write(self, path: Path, record: dict[str, Any]) -> int | None:
        """Put a file in its place; return it open and locked, None if that is not possible."""
        try:
            self._make_folder()
            return write_file(path, record)
        except OSError as error:
            self.fail(error)
            return None

    def remove(self, path: Path) -> None:
        """Remove a file."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """Tell that something is not remembered, once."""
        if not self._told:
            self._told = True
            self.tell(f"nothing is remembered in {self.folder}: {error.strerror or error}")

    def _make_folder(self) -> None:
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.folder.stat().st_mode & 0o077:
                self.folder.chmod(0o700)


class Settings:
    """The way somebody wants the client to be.

    :ivar bell: when it rings.
    :ivar name: under which they last came in anywhere.
    :ivar timestamps: how much of the time stands in front of what happens.
    :ivar zone: whose time that is: ``local``, or a time zone.
    :ivar joins: whether they are shown who comes and goes.
    :ivar together: whether they look at all rooms and private talks in one view.
    :ivar ignored: whom they don't want to see, by server, with the names that these had before and
        the ids of the events up to which they had them.
    """

    bell: Bell = "mentions"
    name: str | None = None
    timestamps: Stamps = "short"
    zone: str = "local"
    joins: bool = True
    together: bool = False
    ignored: Mapping[str, Mapping[str, Mapping[str, int]]] = {}

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._path = None if memory.folder is None else memory.folder / "settings.json"
        found: dict[str, Any] = {}
        try:
            found = (self._path and read_file(self._path)) or {}
        except FileNotFoundError:
            pass
        except OSError as error:
            memory.fail(error)
        except ValueError:
            memory.tell(f"{self._path} is broken: it does not count")
        for setting in _KINDS.keys() & found:
            with contextlib.suppress(ValidationError):
                setattr(self, setting, _fitting(setting, found[setting]))

    def change(self, **settings: object) -> None:
        """Change some of them, for this time and the next ones."""
        before = self._record()
        for setting, value in settings.items():
            setattr(self, setting, _fitting(setting, value))
        record = self._record()
        if self._path is not None and record != before:
            file = self._memory.write(self._path, record)
            if file is not None:
                os.close(file)

    def _record(self) -> dict[str, Any]:
        return {setting: getattr(self, setting) for setting in _KINDS}


_KINDS: Final = get_type_hints(Settings)
"""The settings, and what each may be."""


def _fitting(setting: str, value: object) -> object:
    """Return the value of a setting.

    :raises ValidationError: if it is none.
    """
    try:
        if setting == "zone" and value != "local":
            ZoneInfo(str(value))
    except (ValueError, OSError, KeyError):
        # Another version of the client, or of the system, may have more of them.
        raise ValidationError(f"there is no zone {value}") from None
    return convert(value, _KINDS[setting])


class Kept(Struct):
    """A session as it is in its file."""

    path: Path
    written: int
    server: str
    name: str
    token: str
    journal: str
    since: int
    person: bool = False

    @property
    def remembered(self) -> Remembered:
        """The place at which the session goes on."""
        return Remembered(self.name, self.token, self.journal, self.since)


class Entrance:
    """The way to a session at one server, with what is remembered of it.

    No other client has the same session meanwhile.

    :param endpoint: of the server.
    :param where: the same in words.
    :param person: whether it is for one: their names are remembered.
    :param anew: whether to forget what is remembered of the session.
    """

    _lock: int | None = None
    _taken = False

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        where: str,
        memory: Memory,
        person: bool = False,
        anew: bool = False,
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._where = where
        self._server = server_at(where)
        self._memory = memory
        self._person = person
        self._anew = anew
        folder = memory.folder
        self._path = None if folder is None else folder / f"session-{secrets.token_hex(8)}.json"

    def session(
        self,
        listener: Listener,
        name: str | None,
        rooms: Sequence[str] = (),
        remembered: Remembered | None = None,
    ) -> Session:
        """Go on with the session that there was before, or begin a new one.

        :param name: None if it is to be the one that a person had last, if there is one.
        :param rooms: to be in.
        :param remembered: counts for more than what is remembered here.
        """
        if self._anew:
            self._forget_all(name)
        found = self.recall(name)
        if name is None and found is None and not (self._anew or self._taken):
            name = self._memory.settings.name
        return Session(
            self._reactor,
            self._endpoint,
            self._where,
            listener,
            name,
            rooms,
            remembered or found,
            self.keep,
        )

    def recall(self, name: str | None) -> Remembered | None:
        """Find the last session that was had, and lock it.

        :param name: under which; None for any.
        :return: None if there is none, or if another client has it at this moment.
        """
        found = next(iter(self._memory.sessions(self._server, self._person, name)), None)
        if found is None:
            return None
        try:
            self._lock = lock(found.path)
        except BlockingIOError:
            who = f"{found.name} at {self._server}"
            self._memory.tell(f"another chat-client is {who}: this one is somebody else")
            self._taken = True
            return None
        except OSError as error:
            self._memory.fail(error)
            return None
        self._path = found.path
        # The client that had it until now may have written it after it was read.
        return (self._memory.session_in(found.path) or found).remembered

    def _forget_all(self, name: str | None) -> None:
        """Forget what would be recalled, unless another client has it."""
        for found in self._memory.sessions(self._server, self._person, name):
            with contextlib.suppress(OSError):
                file = lock(found.path)
                self._memory.remove(found.path)
                os.close(file)

    def keep(self, remembered: Remembered) -> None:
        """Remember this from now on."""
        if self._path is None:
            return
        if self._person:
            self._memory.settings.change(name=remembered.name)
        record = {"server": self._server, "person": self._person, **remembered._asdict()}
        lock = self._memory.write(self._path, record)
        if lock is not None:
            self._unlock()
            self._lock = lock

    def forget(self) -> None:
        """Remember nothing of it, and nothing more: it is left for good."""
        if self._path is not None and self._lock is not None:
            self._memory.remove(self._path)
        self.close()

    def close(self) -> None:
        """Let other clients have it."""
        self._unlock()
        self._path = None

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def read_file(path: Path) -> dict[str, Any] | None:
    """Read a file; None if it is of another version.

    :raises OSError: if it can't be read.
    :raises ValueError: if it is torn.
    """
    try:
        found = json.loads(path.read_bytes())
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(path)
    return found if found.get("version") == VERSION else None


def write_file(path: Path, record: dict[str, Any]) -> int:
    """Write a file for this user alone, and put it whole in its place.

    :return: the file, open, and locked as by :func:`lock`.
    :raises OSError: if it can't be written; what was there before is there still.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # Before it is in its place, so there is no moment at which another could lock it.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        data = json.dumps({"version": VERSION, **record}).encode() + b"\n"
        if os.write(file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        new.replace(path)
    except OSError:
        os.close(file)
        new.unlink(missing_ok=True)
        raise
    return file


def lock(path: Path) -> int:
    """Open a file and lock it, until it is closed.

    :raises BlockingIOError: if another process has it.
    :raises OSError: if it can't be locked.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The owner of the lock may have put another file there meanwhile.
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except OSError:
            os.close(file)
            raise
        os.close(file)
