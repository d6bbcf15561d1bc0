"""Rooms and private talks, as one looks at them."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice.client.screen import views
from chatservice.client.screen.rendering import Line, Weight
from chatservice.client.screen.views import SHOWN, View, Views


def line(text: str, weight: Weight = Weight.TALK) -> Line:
    return Line([("", text)], weight=weight)


def texts(view: View) -> list[str]:
    return ["".join(part for _, part in one.fragments) for one in view.last()]


class ViewTests(TestCase):
    def test_the_last_lines_are_shown_and_all_that_are_unread(self) -> None:
        view = View("#dev")
        self.assertEqual(texts(view), [])
        view.lines.extend(line(f"{number}") for number in range(50))
        self.assertEqual(texts(view), [f"{number}" for number in range(50 - SHOWN, 50)])
        view.unread = 30
        self.assertEqual(texts(view)[:3], ["-- 30 new lines --", "20", "21"])
        self.assertEqual(len(texts(view)), 31)

    def test_what_is_not_said_does_not_count_as_unread(self) -> None:
        view = View("#dev")
        joined = line("bob joined", Weight.NONE)
        view.lines.extend([line("old"), line("new"), joined])
        view.unread = 1
        self.assertEqual(texts(view), ["old", "-- 1 new line --", "new", "bob joined"])
        # More may be unread than are kept.
        view.unread = 9
        self.assertEqual(texts(view)[0], "-- 9 new lines --")


class ViewsTests(TestCase):
    def test_rooms_come_first_and_talks_in_the_order_in_which_they_began(self) -> None:
        book = Views()
        for name in ("zoe", "bob", "ZOE"):
            book.with_person(name)
        labels = [view.label for view in book.among(["lobby", "dev"])]
        self.assertEqual(labels, ["#lobby", "#dev", "zoe", "bob"])

    def test_a_talk_goes_on_under_another_name(self) -> None:
        book = Views()
        view = book.with_person("bob")
        book.with_person("cleo")
        book.renamed("Bob", "rob")
        book.renamed("nobody", "somebody")
        self.assertEqual([each.label for each in book.among([])], ["rob", "cleo"])
        self.assertIs(book.found("ROB"), view)
        self.assertIsNone(book.found("bob"))
        book.close(view)
        self.assertIsNone(book.found("rob"))

    def test_one_with_somebody_who_had_that_name_before_stays(self) -> None:
        book = Views()
        gone, bob = book.with_person("ana"), book.with_person("bob")
        book.renamed("bob", "ana")
        self.assertIs(book.found("ana"), bob)
        self.assertEqual(book.among([]), [gone, bob])
        book.close(gone)
        self.assertEqual(book.among([]), [bob])

    def test_rooms_and_the_one_where_one_writes_are_not_forgotten(self) -> None:
        self.patch(views, "MOST", 3)
        book = Views()
        lobby, book.here = book.of_room("lobby"), book.with_person("zoe")
        for name in ("ana", "bob", "cleo"):
            book.with_person(name)
        self.assertIs(book.of_room("lobby"), lobby)
        self.assertEqual([view.label for view in book.among([])], ["zoe", "cleo"])

    def test_not_all_are_known_for_ever(self) -> None:
        self.patch(views, "MOST", 2)
        book = Views()
        for name in ("ana", "bob", "cleo"):
            book.with_person(name)
        self.assertEqual([view.label for view in book.among([])], ["bob", "cleo"])


class LabelTests(TestCase):
    def test_one_from_right_to_left_does_not_turn_what_stands_behind_it(self) -> None:
        for label, shown in (
            ("אבי", "\u200eאבי\u200e"),
            ("#אבי", "\u200e#אבי\u200e"),
            ("bob", "bob"),
        ):
            self.assertEqual(View(label).shown, shown)
