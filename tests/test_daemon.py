from __future__ import annotations

import os
import sys

from twisted.trial.unittest import TestCase

from chatservice.daemon import Starter


class StarterTests(TestCase):
    def setUp(self) -> None:
        self.reading, writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        before = os.dup(2)
        os.dup2(writing, 2)
        try:
            self.starter = Starter("StartError")
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(writing)

    def test_the_reason_is_said_once_and_by_the_daemon(self) -> None:
        before = self.starter._before
        print("chat: the port is in use", file=sys.__stderr__, flush=True)
        print("An error has occurred: b'x.StartError: chat: the po'", file=sys.__stderr__)
        self.starter.close()
        self.assertIs(sys.__stderr__, before)
        # It ends: nobody holds it any more.
        self.assertEqual(os.read(self.reading, 1000), b"chat: the port is in use\n\n")
        self.assertEqual(os.read(self.reading, 1000), b"")

    def test_what_else_went_wrong_is_said(self) -> None:
        print("An error has occurred: b'x.OtherError'", file=sys.__stderr__)
        self.starter.close()
        self.assertEqual(os.read(self.reading, 1000), b"An error has occurred: b'x.OtherError'\n")
