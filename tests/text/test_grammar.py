"""How commands are typed."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice.text.grammar import OPERATORS, PEOPLE, SHORT, Row, Unclear, number, seconds_of


class ArgumentsTests(TestCase):
    def taken(self, takes: str, typed: str) -> list[str] | None:
        return Row("x", takes, "", "").arguments(typed)

    def test_the_usage_is_the_command_as_it_is_typed(self) -> None:
        self.assertEqual(Row("x", "", "", "").usage, "/x")
        self.assertEqual(Row("x", "A [B]", "", "").usage, "/x A [B]")

    def test_a_duration_that_is_none_is_the_reason(self) -> None:
        takes = "WHO [DURATION] [REASON]"
        self.assertEqual(self.taken(takes, "bo 1h30m so it is"), ["bo", "1h30m", "so it is"])
        for typed in ("-1h", "forever", "h"):
            self.assertEqual(self.taken(takes, f"bo {typed}"), ["bo", "", typed])

    def test_what_begins_with_a_digit_was_to_be_a_duration(self) -> None:
        for typed in ("0s", "99999y", "1 h", "²h", "1h1h", "1hour", "3 strikes"):
            self.assertIsNone(self.taken("WHO [DURATION] [REASON]", f"bo {typed}"), typed)

    def test_a_time_that_goes_on_is_not_cut_short(self) -> None:
        for typed in ("1h 30m", "1h 30m spam", "2h 5s"):
            self.assertIsNone(self.taken("WHO [DURATION] [REASON]", f"bo {typed}"), typed)
        for typed in ("5 minutes", "5 min", "60 s", "1 hour, please", "90 Seconds."):
            self.assertIsNone(self.taken("[WHEN [REASON]]", typed), typed)
        for typed in ("1h second time", "60 5 bugs are mended", "1h 30"):
            self.assertEqual(self.taken("[WHEN [REASON]]", typed), typed.split(" ", 1))

    def test_without_what_comes_first_there_is_nothing_behind_it(self) -> None:
        takes = "[WHEN [REASON]]"
        self.assertEqual(self.taken(takes, ""), ["", ""])
        self.assertEqual(self.taken(takes, "Now  it is"), ["Now", "it is"])
        self.assertEqual(self.taken(takes, "CANCEL"), ["CANCEL", ""])
        for typed in ("abc", "soon back", "canceled", "-5", "five minutes", "1.5h"):
            self.assertIsNone(self.taken(takes, typed), typed)

    def test_what_is_wanted_is_told(self) -> None:
        for takes, wanted in (
            ("WHO [DURATION]", "usage: /x WHO [DURATION]"),
            ("[WHEN [REASON]]", "usage: /x [WHEN [REASON]], WHEN is 90, 10m, now or cancel"),
        ):
            self.assertEqual(Row("x", takes, "", "").wanted, wanted)

    def test_a_duration_that_is_none_is_no_more_than_is_taken(self) -> None:
        for typed in ("bo 0s", "bo 1h more", "bo 1h 1h"):
            self.assertIsNone(self.taken("NAME [DURATION]", typed))

    def test_spaces_between_words_do_not_count_and_those_in_a_text_do(self) -> None:
        self.assertEqual(self.taken("ROOM TEXT", "dev    a   b"), ["dev", "a   b"])
        self.assertEqual(self.taken("NAME [DURATION]", "bo     1h"), ["bo", "1h"])

    def test_seconds_are_a_number_or_a_duration(self) -> None:
        for typed, seconds in (
            ("0", 0),
            ("90", 90),
            ("999999", 999_999),
            ("1m30s", 90),
            ("1234567", None),
            ("", None),
            ("soon", None),
            ("²", None),
            ("-1", None),
        ):
            self.assertEqual(seconds_of(typed), seconds, typed)

    def test_a_number_is_one_above_0(self) -> None:
        self.assertEqual(number("", 20), 20)
        self.assertEqual(number("7", 20), 7)
        for typed in ("0", "-1", "+1", "²", "x", "1.5"):
            self.assertIsNone(number(typed, 20), typed)


class RequestTests(TestCase):
    def test_an_example_asks_for_what_its_row_says(self) -> None:
        for row in (*PEOPLE, *OPERATORS):
            if row.makes is not None:
                request = row.request("lobby", row.example.partition(" ")[2])
                self.assertEqual(
                    request.type, {"me": "do", "msg": "private"}.get(row.name, row.name)
                )
                self.assertEqual(request.for_operators, row.operator)

    def test_what_is_not_taken_is_told_with_what_is(self) -> None:
        row = Row("x", "NAME", "", "")
        self.assertEqual(row.words("", "bob"), ["bob"])
        for typed in ("", "bob ana"):
            error = self.assertRaises(Unclear, row.words, "", typed)
            self.assertEqual(str(error), "usage: /x NAME")

    def test_in_no_room_only_one_that_is_named_will_do(self) -> None:
        row = Row("x", "[ROOM]", "", "", nowhere="nowhere")
        self.assertEqual(str(self.assertRaises(Unclear, row.words, "", "")), "nowhere")
        self.assertEqual(row.words("", "dev"), ["dev"])
        self.assertEqual(row.words("lobby", ""), [""])
        self.assertRaises(Unclear, Row("x", "TEXT", "", "", nowhere="nowhere").words, "", "hi")

    def test_short_words_stand_for_commands_and_for_no_two(self) -> None:
        words = [word for row in PEOPLE for word in (row.name, *row.short)]
        self.assertEqual(len(set(words)), len(words))
        self.assertEqual(
            SHORT,
            {
                "?": "help",
                "w": "who",
                "list": "rooms",
                "j": "join",
                "part": "leave",
                "query": "msg",
                "exit": "quit",
            },
        )
