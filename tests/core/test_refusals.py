from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice.core.refusals import REFUSALS, Refusal, refusal_of
from chatservice.journal.events import JournalUnavailable
from chatservice.messages import Code
from chatservice.text.names import BadName


class RefusalTests(TestCase):
    def test_each_has_a_code_and_its_sentence(self) -> None:
        for error, code in (
            (Refusal(Code.MUTED, "no"), Code.MUTED),
            (BadName("no"), Code.BAD_NAME),
            (JournalUnavailable("no"), Code.WENT_WRONG),
        ):
            self.assertIsInstance(error, REFUSALS)
            refusal = refusal_of(error)
            self.assertEqual((refusal.code, str(refusal), refusal.hint), (code, "no", ""))

    def test_a_mistake_is_none(self) -> None:
        self.assertNotIsInstance(ValueError("no"), REFUSALS)
