from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.session.outgoing import Outgoing, Refused
from tests.client.session.test_session import SessionTestCase


class MovingTests(TestCase):
    """A change of something waits for the answer to the one before."""

    def setUp(self) -> None:
        self.outgoing = Outgoing()

    def sent(self) -> list[str]:
        """Send what may be sent; return the types."""
        requests = iter(self.outgoing.next, None)
        return [request.type for request in requests if request is not None]

    def test_one_after_the_other_in_a_room(self) -> None:
        self.outgoing.ask(messages.Join(room="dev"))
        self.outgoing.talk(messages.Say(room="dev", text="hi"))
        self.outgoing.ask(messages.Leave(room="dev"))
        self.outgoing.talk(messages.Say(room="lobby", text="bye"))
        self.assertEqual(self.sent(), ["join", "say"])
        self.outgoing.answered(None, 1)
        self.assertEqual(self.sent(), ["leave", "say"])

    def test_one_name_after_the_other(self) -> None:
        self.outgoing.ask(messages.Nick(name="bo"))
        self.outgoing.ask(messages.Nick(name="cy"))
        self.assertEqual(self.sent(), ["nick"])
        self.outgoing.answered(None, 1)
        self.assertEqual(self.sent(), ["nick"])

    def test_all_else_at_once(self) -> None:
        self.outgoing.ask(messages.Join(room="dev"))
        self.outgoing.ask(messages.Join(room="ops"))
        self.outgoing.ask(messages.Nick(name="bo"))
        self.outgoing.ask(messages.Who(room="dev"))
        self.outgoing.ask(messages.Who(room="dev"))
        self.assertEqual(self.sent(), ["join", "join", "nick", "who", "who"])


class LeavingAgainTests(SessionTestCase):
    """What was left is left, whichever answer says so."""

    def leave(self) -> list[Any]:
        answers: list[Any] = []
        self.session.ask(messages.Leave(room="lobby", ref=7)).addBoth(answers.append)
        return answers

    def test_the_answer_is_lost(self) -> None:
        self.come_in()
        answers = self.leave()
        self.now.up()
        self.house.tick()
        self.come_back()
        self.assertEqual(answers, [messages.Ok(to="leave", room="lobby", ref=7)])
        self.assertEqual(dict(self.session.rooms), {})

    def test_there_is_nothing_to_leave(self) -> None:
        self.come_in()
        self.leave()
        self.move()
        answers = self.leave()
        self.move()
        (refused,) = answers
        self.assertIsInstance(refused.value, Refused)
        self.assertEqual(refused.value.error.code, messages.Code.NOT_IN_ROOM)
