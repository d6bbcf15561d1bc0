from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import sys
from pathlib import Path
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.session import Listener, Session
from chatservice.client.stored import state
from chatservice.client.stored.state import Entrance, Memory, server_at, state_folder
from tests.client.machine import Endpoint
from tests.integration.support import folder_for

ANA = Remembered("ana", "secret", "j1", 41)


class Place(Entrance):
    """An entrance, and what was recalled there."""

    remembered: Remembered | None = None


class StateTestCase(TestCase):
    def setUp(self) -> None:
        self.folder = folder_for(self) / "chatservice"
        self.told: list[str] = []
        self.places: list[Place] = []
        self.addCleanup(self.close)

    def close(self) -> None:
        for place in self.places:
            place.close()

    def memory(self) -> Memory:
        """Return what another process, or one that is started later, has."""
        return Memory(self.folder, self.told.append)

    def place(self, server: str = "there", person: bool = True, anew: bool = False) -> Place:
        place = Place(Clock(), Endpoint(), server, self.memory(), person, anew)
        self.places.append(place)
        return place

    def recall(self, server: str = "there", name: str | None = None, person: bool = True) -> Place:
        place = self.place(server, person)
        place.remembered = place.recall(name)
        return place

    def remember(
        self, remembered: Remembered = ANA, server: str = "there", person: bool = True
    ) -> None:
        place = self.recall(server, remembered.name, person)
        place.keep(remembered)
        place.close()

    def forget(self, server: str, name: str | None, person: bool = False) -> None:
        self.place(server, person, anew=True).session(Listener(), name)

    def sessions(self) -> list[Path]:
        return sorted(self.folder.glob("session-*.json"))

    def assert_told(self, *sentences: str) -> None:
        self.assertEqual(self.told, list(sentences))


class FolderTests(StateTestCase):
    def test_it_is_that_of_the_user(self) -> None:
        self.patch(os, "environ", {**os.environ, "XDG_STATE_HOME": "/somewhere"})
        self.assertEqual(state_folder(), Path("/somewhere/chatservice"))

    def test_without_platformdirs_there_is_none(self) -> None:
        with patch.dict(sys.modules, {"platformdirs": None}):
            self.assertIsNone(state_folder())

    def test_nobody_else_can_read_it(self) -> None:
        os.umask(os.umask(0))
        self.addCleanup(os.umask, os.umask(0))
        self.folder.mkdir(parents=True, mode=0o755)
        self.remember()
        self.memory().settings.change(bell="all")
        self.memory().history()
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.folder.iterdir()}
        self.assertEqual(set(modes.values()), {0o600})
        self.assertEqual(len(modes), 3, modes)

    def test_nothing_is_written_without_a_reason(self) -> None:
        self.recall()
        self.forget("there", "ana")
        self.assertFalse(self.folder.exists())

    def test_servers_have_one_name_each(self) -> None:
        for address, server in (
            ("Localhost", "localhost:7007"),
            ("chat.my-host.example", "chat.my-host.example:7007"),
            ("localhost:7007", "localhost:7007"),
            ("tls:h:1:trustRoots=/X", "tls:h:1:trustRoots=/X"),
        ):
            self.assertEqual(server_at(address), server)


class RecallTests(StateTestCase):
    def test_a_session_is_remembered_by_server_and_name(self) -> None:
        bob = ANA._replace(name="bob", token="other")
        self.remember(ANA)
        self.remember(bob)
        for name, remembered in (("ana", ANA), ("Bob", bob), ("cleo", None)):
            self.assertEqual(self.recall(name=name).remembered, remembered)
        self.assertIsNone(self.recall("elsewhere", "ana").remembered)
        self.assert_told()

    def test_without_a_name_it_is_the_last_that_a_person_had(self) -> None:
        for age, (name, person) in enumerate((("bot", False), ("ana", True), ("bob", True))):
            self.remember(ANA._replace(name=name), person=person)
            newest = max(self.sessions(), key=lambda path: path.stat().st_mtime_ns)
            os.utime(newest, (1000 - age, 1000 - age))
        self.assertEqual(self.recall().remembered, ANA)

    def test_what_changes_is_in_one_file(self) -> None:
        place = self.recall()
        place.keep(ANA)
        place.keep(ANA._replace(since=42))
        place.keep(ANA._replace(name="anna", since=43))
        place.close()
        (file,) = self.sessions()
        wanted = {
            "version": 1,
            "server": "there:7007",
            "person": True,
            "name": "anna",
            "token": "secret",
            "journal": "j1",
            "since": 43,
        }
        self.assertEqual(json.loads(file.read_bytes()), wanted)
        self.assertEqual(self.recall(name="anna").remembered, ANA._replace(name="anna", since=43))
        self.assertIsNone(self.recall(name="ana").remembered)

    def test_it_goes_on_in_the_same_file(self) -> None:
        self.remember()
        self.remember(ANA._replace(since=50))
        self.assertEqual(len(self.sessions()), 1)
        self.assertEqual(self.recall().remembered, ANA._replace(since=50))

    def test_a_program_has_no_session_of_a_person(self) -> None:
        """What it reads on, they would miss."""
        self.remember(person=True)
        self.assertIsNone(self.recall(name="ana", person=False).remembered)
        self.remember(ANA._replace(token="of a program"), person=False)
        self.assertEqual(self.recall(name="ana", person=True).remembered, ANA)

    def test_the_name_that_somebody_had_last(self) -> None:
        self.assertIsNone(self.memory().name_at("there:7007"))
        self.remember(ANA._replace(name="bot"), person=False)
        self.assertIsNone(self.memory().name_at("there:7007"))
        self.remember(person=True)
        self.remember(ANA._replace(name="bob"), "elsewhere", person=True)
        self.assertEqual(self.memory().name_at("there:7007"), "ana")
        self.assertEqual(self.memory().name_at("anywhere"), "bob")

    def test_what_was_left_for_good_is_forgotten(self) -> None:
        place = self.recall()
        place.keep(ANA)
        place.forget()
        place.keep(ANA)
        self.assertEqual(self.sessions(), [])
        self.recall().forget()
        self.assert_told()

    def test_the_last_time_can_be_forgotten(self) -> None:
        for name, person in (("ana", True), ("bob", True), ("bot", False)):
            self.remember(ANA._replace(name=name), person=person)
        self.forget("there", "bob")
        self.assertEqual(len(self.sessions()), 3)
        self.forget("there", "bob", person=True)
        self.assertEqual(len(self.sessions()), 2)
        self.forget("elsewhere", None, person=True)
        self.forget("there", None, person=True)
        bot = self.recall(name="bot", person=False)
        self.assertEqual(bot.remembered, ANA._replace(name="bot"))
        self.assertEqual(len(self.sessions()), 1)


class LockTests(StateTestCase):
    TAKEN = "another chat-client is ana at there:7007: this one is somebody else"

    def test_a_second_client_is_somebody_else(self) -> None:
        self.remember()
        for name in (None, "ana"):
            first = self.recall()
            second = self.recall(name=name)
            self.assertIsNone(second.remembered)
            self.assertEqual(self.told.pop(), self.TAKEN)
            first.close()
            self.assertEqual(self.recall().remembered, ANA)
            self.places.pop().close()

    def test_a_second_client_is_remembered_beside_the_first(self) -> None:
        first = self.recall()
        first.keep(ANA)
        second = self.recall()
        second.keep(ANA._replace(name="bob"))
        first.keep(ANA._replace(since=50))
        for name in ("ana", "bob"):
            self.assertIsNone(self.recall(name=name).remembered)
        self.assertEqual(len(self.told), 3)
        self.assertEqual(len(self.sessions()), 2)

    def test_what_another_client_has_is_not_forgotten(self) -> None:
        self.recall().keep(ANA)
        self.forget("there", None)
        self.assertEqual(len(self.sessions()), 1)

    def test_what_was_written_meanwhile_counts(self) -> None:
        self.remember()
        first = self.recall()
        lock = state.lock
        looks: list[Path] = []

        def slow_lock(path: Path) -> int:
            if not looks:
                looks.append(path)
                first.keep(ANA._replace(since=77))
                first.close()
            return lock(path)

        self.patch(state, "lock", slow_lock)
        self.assertEqual(self.recall().remembered, ANA._replace(since=77))

    def test_the_file_that_is_locked_is_the_one_in_its_place(self) -> None:
        self.remember()
        (path,) = self.sessions()
        flock = fcntl.flock
        calls: list[int] = []

        def slow_flock(file: int, how: int) -> None:
            if not calls:
                calls.append(file)
                os.close(state.write_file(path, {}))
            flock(file, how)

        self.patch(fcntl, "flock", slow_flock)
        file = state.lock(path)
        self.addCleanup(os.close, file)
        self.assertTrue(os.path.samestat(os.fstat(file), path.stat()))


class TroubleTests(StateTestCase):
    def test_a_file_that_is_broken_was_not_remembered(self) -> None:
        for data in (b"", b'{"version": 1, "na', b"[]", b'{"version": 1}', b"\xff", b"[" * 100_000):
            self.remember()
            (path,) = self.sessions()
            path.write_bytes(data)
            self.assertIsNone(self.recall().remembered)
            self.assertEqual(self.told.pop(), f"{path} was broken: what it remembered is forgotten")
            self.assertEqual(self.sessions(), [])

    def test_a_field_that_is_none_is_broken(self) -> None:
        self.remember()
        (path,) = self.sessions()
        for field, value in (("token", 7), ("since", True), ("since", "1"), ("name", None)):
            self.remember()
            record = json.loads(path.read_bytes())
            path.write_text(json.dumps({**record, field: value}))
            self.assertIsNone(self.recall().remembered)
            self.remember()
            (path,) = self.sessions()
        self.assertEqual(len(self.told), 4)

    def test_a_file_of_another_version_is_left_alone(self) -> None:
        self.remember()
        (path,) = self.sessions()
        path.write_text('{"version": 2, "server": "there"}')
        self.assertIsNone(self.recall().remembered)
        self.assertEqual(self.sessions(), [path])
        self.assert_told()

    def test_what_can_not_be_written_is_told_once(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.write_text("this is no folder")
        place = self.recall(name="ana")
        place.keep(ANA)
        place.keep(ANA._replace(since=42))
        place.close()
        self.assertEqual(len(self.told), 1)
        self.assertRegex(self.told[0], rf"\Anothing is remembered in {self.folder}: .*\Z")
        self.assertIsNone(self.memory().history())
        self.memory().settings.change(bell="off")

    def test_on_a_full_disk_what_was_written_before_stays(self) -> None:
        self.remember()
        place = self.recall()
        for write in (lambda file, data: len(data) - 1, _full):
            self.patch(os, "write", write)
            place.keep(ANA._replace(since=50))
        self.assert_told(f"nothing is remembered in {self.folder}: No space left on device")
        place.close()
        self.assertEqual(self.recall().remembered, ANA)
        self.assertEqual([path.name for path in self.folder.glob(".*")], [])

    def test_a_file_that_can_not_be_read_or_locked_is_not_remembered(self) -> None:
        self.remember()
        for module, name in ((Path, "read_bytes"), (fcntl, "flock")):
            forbidding = self.patch(module, name, _forbidden)
            self.assertIsNone(self.recall().remembered)
            forbidding.restore()
        for sentence in self.told:
            self.assertEqual(sentence, f"nothing is remembered in {self.folder}: Not permitted")

    def test_a_file_that_is_gone_was_never_there(self) -> None:
        self.remember()
        (path,) = self.sessions()
        place = self.place()
        self.patch(Path, "glob", lambda folder, pattern: iter([path]))
        path.unlink()
        self.assertIsNone(place.recall("ana"))
        self.assert_told()

    def test_a_file_that_can_not_be_removed_is_told_of(self) -> None:
        self.remember()
        self.patch(Path, "unlink", _forbidden)
        self.recall().forget()
        self.assert_told(f"nothing is remembered in {self.folder}: Not permitted")

    def test_without_a_folder_nothing_is_remembered(self) -> None:
        memory = Memory(None, self.told.append)
        memory.settings.change(bell="all", name="ana")
        self.assertEqual((memory.settings.bell, memory.settings.name), ("all", "ana"))
        place = Entrance(Clock(), Endpoint(), "there", memory, anew=True)
        place.session(Listener(), None)
        place.keep(ANA)
        place.forget()
        self.assertIsNone(memory.history())
        self.assert_told()


def _full(file: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _forbidden(*arguments: object, **options: object) -> None:
    raise OSError(errno.EPERM, "Not permitted")


class SettingsTests(StateTestCase):
    def test_they_last(self) -> None:
        settings = self.memory().settings
        self.assertEqual((settings.bell, settings.name), ("mentions", None))
        settings.change(bell="all")
        settings.change(name="ana")
        settings = self.memory().settings
        self.assertEqual((settings.bell, settings.name), ("all", "ana"))

    def test_how_one_sees_it_lasts_too(self) -> None:
        settings = self.memory().settings
        settings.change(timestamps="full", zone="Europe/Berlin", joins=False)
        ignored = {"there": {"bob": {}, "cleo": {"clea": 41}}}
        settings.change(ignored=ignored)
        for _ in range(2):
            self.assertEqual((settings.timestamps, settings.zone), ("full", "Europe/Berlin"))
            self.assertEqual((settings.joins, settings.ignored), (False, ignored))
            settings = self.memory().settings
        wrong = {
            "timestamps": "long",
            "zone": "../Berlin",
            "joins": "off",
            "ignored": {"there": {"bob": {"rob": "7"}}},
        }
        (self.folder / "settings.json").write_text(json.dumps({"version": 1, **wrong}))
        settings = self.memory().settings
        self.assertEqual((settings.timestamps, settings.zone), ("short", "local"))
        self.assertEqual((settings.joins, settings.ignored), (True, {}))

    def test_the_name_is_the_last_of_a_person(self) -> None:
        self.remember(ANA)
        self.remember(ANA._replace(name="bot"), person=False)
        self.assertEqual(self.memory().settings.name, "ana")

    def test_what_is_none_does_not_count(self) -> None:
        self.folder.mkdir(parents=True)
        path = self.folder / "settings.json"
        path.write_text('{"version": 1, "bell": "loud", "name": 7}')
        settings = self.memory().settings
        self.assertEqual((settings.bell, settings.name), ("mentions", None))
        path.write_text("{")
        settings = self.memory().settings
        self.assertEqual((settings.bell, settings.name), ("mentions", None))
        self.assert_told(f"{path} is broken: it does not count")

    def test_what_can_not_be_read_does_not_count(self) -> None:
        self.memory().settings.change(bell="all")
        self.patch(Path, "read_bytes", _forbidden)
        self.assertEqual(self.memory().settings.bell, "mentions")
        self.assert_told(f"nothing is remembered in {self.folder}: Not permitted")


class HistoryTests(StateTestCase):
    def test_what_was_typed_stays(self) -> None:
        path = self.memory().history()
        assert path is not None
        path.write_text("hi")
        self.assertEqual(self.memory().history(), path)
        self.assertEqual(path.read_text(), "hi")


class EntranceTests(TestCase):
    def setUp(self) -> None:
        self.folder = folder_for(self)
        self.endpoint = Endpoint()
        self.told: list[str] = []

    def entrance(self, person: bool = True, anew: bool = False, where: str = "there") -> Entrance:
        memory = Memory(self.folder, self.told.append)
        entrance = Entrance(Clock(), self.endpoint, where, memory, person, anew)
        self.addCleanup(entrance.close)
        return entrance

    def session(
        self, entrance: Entrance, name: str | None, given: Remembered | None = None
    ) -> Session:
        return entrance.session(Listener(), name, (), given)

    def remember(self, name: str = "ana", person: bool = True) -> None:
        entrance = self.entrance(person)
        entrance.recall(name)
        entrance.keep(ANA._replace(name=name))
        entrance.close()

    def token(self, session: Session) -> str | None:
        """Return the token with which it would come in."""
        session.start()
        link = self.endpoint.succeed()
        (hello,) = link.got()
        token: str | None = hello.token  # type: ignore[attr-defined]
        return token

    def test_nothing_is_remembered(self) -> None:
        entrance = self.entrance()
        entrance.forget()
        self.assertIsNone(self.session(entrance, None).name)
        self.assertEqual(self.session(self.entrance(), "ana").name, "ana")

    def test_it_goes_on_as_the_last_time(self) -> None:
        self.remember()
        session = self.session(self.entrance(), None)
        self.assertEqual((session.name, self.token(session)), ("ana", "secret"))

    def test_under_another_name_it_comes_in_anew(self) -> None:
        self.remember()
        session = self.session(self.entrance(), "bob")
        self.assertEqual((session.name, self.token(session)), ("bob", None))

    def test_at_another_server_a_person_has_the_name_they_had_last(self) -> None:
        self.remember()
        self.remember("bot", person=False)
        session = self.session(self.entrance(where="elsewhere"), None)
        self.assertEqual((session.name, self.token(session)), ("ana", None))

    def test_who_comes_in_anew_is_asked_for_a_name(self) -> None:
        self.remember()
        self.assertIsNone(self.session(self.entrance(anew=True), None).name)
        self.assertEqual(list(self.folder.glob("session-*")), [])

    def test_a_second_client_is_asked_for_a_name(self) -> None:
        self.remember()
        self.session(self.entrance(), None)
        self.assertIsNone(self.session(self.entrance(), None).name)
        why = "another chat-client is ana at there:7007: this one is somebody else"
        self.assertEqual(self.told, [why])

    def test_what_is_given_counts_for_more(self) -> None:
        self.remember()
        given = ANA._replace(token="other")
        self.assertEqual(self.token(self.session(self.entrance(), "ana", given)), "other")
