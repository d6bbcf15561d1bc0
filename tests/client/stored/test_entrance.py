from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.seat import Seat
from chatservice.client.stored.entrance import Entrance
from chatservice.client.stored.state import Memory
from chatservice.client.streams.pipe import Pipe
from tests.client.machine import Endpoint
from tests.integration.support import folder_for

ANA = Remembered("ana", "secret", "j1", 41)


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

    def seat(self, entrance: Entrance, name: str | None, given: Remembered | None = None) -> Seat:
        return entrance.seat(Pipe(entrance, name), name, (), given)

    def remember(self, name: str = "ana", person: bool = True) -> None:
        place = Memory(self.folder, self.told.append).recall("there:7007", name, person)
        place.keep(ANA._replace(name=name))
        place.close()

    def token(self, seat: Seat) -> str | None:
        """Return the token with which it would come in."""
        seat.start()
        link = self.endpoint.succeed()
        (hello,) = link.got()
        token: str | None = hello.token  # type: ignore[attr-defined]
        return token

    def test_nothing_is_remembered(self) -> None:
        entrance = self.entrance()
        entrance.forget()
        self.assertIsNone(self.seat(entrance, None).name)
        self.assertEqual(self.seat(self.entrance(), "ana").name, "ana")

    def test_it_goes_on_as_the_last_time(self) -> None:
        self.remember()
        seat = self.seat(self.entrance(), None)
        self.assertEqual((seat.name, self.token(seat)), ("ana", "secret"))

    def test_under_another_name_it_comes_in_anew(self) -> None:
        self.remember()
        seat = self.seat(self.entrance(), "bob")
        self.assertEqual((seat.name, self.token(seat)), ("bob", None))

    def test_at_another_server_a_person_has_the_name_they_had_last(self) -> None:
        self.remember()
        self.remember("bot", person=False)
        seat = self.seat(self.entrance(where="elsewhere"), None)
        self.assertEqual((seat.name, self.token(seat)), ("ana", None))

    def test_who_comes_in_anew_is_asked_for_a_name(self) -> None:
        self.remember()
        self.assertIsNone(self.seat(self.entrance(anew=True), None).name)
        self.assertEqual(list(self.folder.glob("session-*")), [])

    def test_a_second_client_is_asked_for_a_name(self) -> None:
        self.remember()
        self.seat(self.entrance(), None)
        self.assertIsNone(self.seat(self.entrance(), None).name)
        why = "another chat-client is ana at there:7007: this one is somebody else"
        self.assertEqual(self.told, [why])

    def test_what_is_given_counts_for_more(self) -> None:
        self.remember()
        given = ANA._replace(token="other")
        self.assertEqual(self.token(self.seat(self.entrance(), "ana", given)), "other")
