"""The table of what one can ask for."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.core.actions import ACTIONS


class TableTests(TestCase):
    def test_all_that_a_program_can_ask_for_is_in_it(self) -> None:
        self.assertLessEqual(set(messages.REQUESTS.values()), set(ACTIONS))
