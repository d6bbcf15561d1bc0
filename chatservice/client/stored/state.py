"""The memory of the client between runs, in the state directory of the user.

One folder, for this user alone, has ``settings.json``, and a small file for each session with its
token and last id. No error here stops the client: a file that can't be read counts as missing, and
one that can't be written is skipped. The first such error is reported.
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
"""The version of the files; files of another version are left alone."""

Bell = Literal["off", "mentions", "all"]
BELLS: Final[tuple[Bell, ...]] = get_args(Bell)
Stamps = Literal["off", "short", "full"]
STAMPS: Final[tuple[Stamps, ...]] = get_args(Stamps)


def state_folder() -> Path | None:
    """Return the folder, which need not exist; None if platformdirs is not installed."""
    try:
        from platformdirs import user_state_path
    except ImportError:
        return None
    return user_state_path("chatservice")


def server_at(address: str) -> str:
    """Return the name under which a server of the command line is remembered."""
    return f"{address}:{PORT}".lower() if re.fullmatch(r"[\w.-]+", address) else address


class Memory:
    """The folder of files that the client keeps, with the user's settings.

    :param folder: None to remember nothing.
    :param tell: is called with a sentence if something can't be read or written; may be set later.
    :ivar settings: the settings of this user.
    """

    def __init__(self, folder: Path | None, tell: Callable[[str], object]) -> None:
        self.folder = folder
        self.tell = tell
        self._told = False
        self.settings = Settings(self)

    def name_at(self, server: str) -> str | None:
        """Return a person's last name at a server, or else at any server, or None."""
        found = next(iter(self.sessions(server, True)), None)
        return self.settings.name if found is None else found.name

    def history(self) -> Path | None:
        """Return the file of typed lines, created for this user alone; None if that fails."""
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
        """List the sessions at a server, the last one first.

        People and programs never resume each other's session: the other would miss events.

        :param person: whether to list the sessions of people, or those of programs.
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
        """Return the session in a file; None if there is none. Remove a broken file."""
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
        """Write a file, and return its descriptor, open and locked; None if that fails."""
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
        """Report the first error in the use of the folder."""
        if not self._told:
            self._told = True
            self.tell(f"nothing is remembered in {self.folder}: {error.strerror or error}")

    def _make_folder(self) -> None:
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.folder.stat().st_mode & 0o077:
                self.folder.chmod(0o700)


class Settings:
    """The settings of this user, read from ``settings.json`` and written when they change.

    :ivar bell: the lines for which the bell rings.
    :ivar name: the last name used at any server.
    :ivar timestamps: the form of the time before each line.
    :ivar zone: the time zone of these times, or ``local``.
    :ivar joins: whether joins and leaves are shown.
    :ivar together: whether all rooms and private talks are shown in one view.
    :ivar ignored: the ignored people of each server, each with their former names and the id of
        the event that ended each name.
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
        """Change settings, and save them if they differ.

        :raises ValidationError: if a value does not fit.
        """
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
"""The type of each setting."""


def _fitting(setting: str, value: object) -> object:
    """Return a valid value of a setting.

    :raises ValidationError: if the value does not fit the setting.
    """
    try:
        if setting == "zone" and value != "local":
            ZoneInfo(str(value))
    except (ValueError, OSError, KeyError):
        # Another version of the client, or of the system, may know more zones.
        raise ValidationError(f"there is no zone {value}") from None
    return convert(value, _KINDS[setting])


class Kept(Struct):
    """A session as its file has it, with the path and the time of writing (ns)."""

    path: Path
    written: int
    server: str
    name: str
    token: str
    journal: str
    since: int
    person: bool = False


class Entrance:
    """Opens the client's session at one server, and keeps it in a locked file.

    The lock keeps other clients from the same session.

    :param endpoint: the endpoint of the server.
    :param where: the server, in words.
    :param person: whether a person uses the session: the name goes into the settings.
    :param anew: whether to forget the remembered session first.
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
        """Return the remembered session, to be resumed, or else a new one.

        :param name: None for the last name of this person, if there is one.
        :param rooms: the rooms to be in.
        :param remembered: a place to use in preference to the one in the file.
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
        """Return the place of the last session, and lock its file.

        :param name: the name of the session; None for any.
        :return: None if there is no session, or another client has it now.
        """
        found = next(iter(self._memory.sessions(self._server, self._person, name)), None)
        if found is None:
            return None
        try:
            self._lock = lock(found.path)
        except BlockingIOError:
            self._memory.tell(
                f"another chat-client is {found.name} at {self._server}: this one is somebody else"
            )
            self._taken = True
            return None
        except OSError as error:
            self._memory.fail(error)
            return None
        self._path = found.path
        # Another client may have written the file between our reading and our lock.
        now = self._memory.session_in(found.path) or found
        return Remembered(now.name, now.token, now.journal, now.since)

    def _forget_all(self, name: str | None) -> None:
        """Remove the files of the sessions with this name (None for all) that no client has."""
        for found in self._memory.sessions(self._server, self._person, name):
            with contextlib.suppress(OSError):
                file = lock(found.path)
                self._memory.remove(found.path)
                os.close(file)

    def keep(self, remembered: Remembered) -> None:
        """Write the place of the session to its file, and hold the lock on that."""
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
        """Remove the file of the session, and write no other: the session is left for good."""
        if self._path is not None and self._lock is not None:
            self._memory.remove(self._path)
        self.close()

    def close(self) -> None:
        """Unlock the file, so that other clients can have the session."""
        self._unlock()
        self._path = None

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def read_file(path: Path) -> dict[str, Any] | None:
    """Return the record in a file; None if it is of another version.

    :raises OSError: if the file can't be read.
    :raises ValueError: if the file is broken.
    """
    try:
        found = json.loads(path.read_bytes())
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(path)
    return found if found.get("version") == VERSION else None


def write_file(path: Path, record: dict[str, Any]) -> int:
    """Replace a file with a new one, whole, for this user alone.

    :return: the descriptor of the file, open, and locked as by :func:`lock`.
    :raises OSError: if the file can't be written; the old one is still there.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # Lock the file before it is in its place, so that no other client can lock it first.
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
    """Open a file and lock it; return the descriptor, which holds the lock until it is closed.

    :raises BlockingIOError: if another process has the lock.
    :raises OSError: if the file can't be locked.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The owner of the lock may have replaced the file meanwhile.
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except OSError:
            os.close(file)
            raise
        os.close(file)
