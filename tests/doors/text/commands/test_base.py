from __future__ import annotations

from chatservice.core.refusals import Refusal
from chatservice.doors.text.commands import COMMANDS
from chatservice.doors.text.commands.base import (
    Command,
    current,
    may_not,
    room_name,
    seconds_of,
    somebody,
)
from chatservice.text.names import BadName
from tests.doors.text.commands.support import CrewTestCase

NOWHERE = "you are in no room: /join one first"

# What brings words before others; #ops is a room that there is not yet.
SPOKEN = (
    "/me waves",
    "/say lobby it works!",
    "/msg ana lunch?",
    "/reply yes, at one",
    "/topic the next release",
    "/topic -",
    "/away out for lunch",
    "/nick anna",
    "/join buy-my-coins.x",
    "/join #ops",
)


def nothing(*args: object) -> None:
    """Do nothing."""


class ArgumentsTests(CrewTestCase):
    def taken(self, takes: str, typed: str) -> list[str] | None:
        return Command("x", takes, "", "", nothing).arguments(typed)

    def test_the_usage_is_the_command_as_it_is_typed(self) -> None:
        self.assertEqual(Command("x", "", "", "", nothing).usage, "/x")
        self.assertEqual(Command("x", "A [B]", "", "", nothing).usage, "/x A [B]")

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
            self.assertEqual(Command("x", takes, "", "", nothing).wanted, wanted)

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


class MayNotTests(CrewTestCase):
    def test_what_is_for_operators_only_operators_may(self) -> None:
        command = Command("x", "", "", "", nothing, operator=True)
        self.assertEqual(may_not(self.ana.member, command), "/x is for operators")
        self.assertIsNone(may_not(self.eve.member, command))

    def test_what_is_for_a_room_is_for_who_is_in_one(self) -> None:
        command = Command("x", "", "", "", nothing, in_room=True)
        self.assertIsNone(may_not(self.ana.member, command))
        self.ana.tries("/leave")
        self.assertEqual(may_not(self.ana.member, command), NOWHERE)


class MeantTests(CrewTestCase):
    def test_somebody_is_found_however_the_name_is_written(self) -> None:
        self.assertIs(somebody(self.house.chat, "ANA"), self.ana.member)

    def test_who_is_not_there_is_told_of_with_the_beginning_of_the_name(self) -> None:
        for typed in ("cy", "x" * 2000, "", "@ff", "\N{ZERO WIDTH JOINER}"):
            error = self.assertRaises(Refusal, somebody, self.house.chat, typed)
            self.assertEqual(str(error), f"there is no {typed[:24]} here: /who shows who is")

    def test_who_has_left_is_not_found(self) -> None:
        self.bo.tries("/quit")
        self.assertRaises(Refusal, somebody, self.house.chat, "bo")

    def test_the_current_room(self) -> None:
        self.assertEqual(current(self.ana.member), "lobby")
        self.ana.tries("/leave")
        self.assertEqual(current(self.ana.member), "")

    def test_the_name_of_a_room(self) -> None:
        self.assertEqual(room_name(self.house.chat, "#Dev"), "dev")
        for typed in ("@ff", "@", "a b"):
            self.assertRaises(BadName, room_name, self.house.chat, typed)


class PermissionTests(CrewTestCase):
    """Who may do what: each command of the table is tried by who may not."""

    def setUp(self) -> None:
        super().setUp()
        self.bob, self.cy = self.house.gather("bob", "cy")
        self.cy.tries("/msg bob hi", "/msg bo hi", "/join dev", "/leave dev")
        self.hush()
        self.bob.read()
        self.cy.read()

    def everybody(self) -> list[list[str]]:
        return [p.read() for p in (self.ana, self.bo, self.eve, self.bob, self.cy)]

    def state(self) -> object:
        standing = self.house.chat.standing
        return (
            self.events(),
            self.query("SELECT * FROM facts"),
            (dict(standing.topics), set(standing.locks), dict(standing.mutes)),
            standing.bans.items(),
            sorted(member.name for member in self.house.chat.members),
            sorted(self.house.chat.rooms),
            len(self.house.clock.getDelayedCalls()),
        )

    def test_operators_have_commands_of_their_own(self) -> None:
        names = "kick ban bans unban mute unmute announce lock unlock stats clock shutdown"
        self.assertEqual([c.name for c in COMMANDS.values() if c.operator], names.split())

    def test_nobody_but_an_operator_does_what_is_for_operators(self) -> None:
        self.eve.tries("/ban 198.51.100.0/24", "/mute zoe", "/lock ops")
        self.everybody()
        before = self.state()
        for command in COMMANDS.values():
            if command.operator:
                name = command.name
                for typed in (command.example, f"/{name}", f"/ {name.upper()} bob", f"/{name} ops"):
                    self.assertEqual(self.bo.tries(typed), [f"-- /{name} is for operators"], typed)
                    self.house.tick(DURATION)
                    self.assertEqual(self.everybody(), [[]] * 5, typed)
        self.assertEqual(self.state(), before)

    def test_in_no_room_and_muted_neither(self) -> None:
        self.bo.tries("/leave")
        self.eve.tries("/mute bo")
        self.everybody()
        before = self.state()
        for command in COMMANDS.values():
            if command.operator:
                answer = [f"-- /{command.name} is for operators"]
                self.assertEqual(self.bo.tries(command.example), answer)
        self.assertEqual(self.state(), before)

    def test_an_operator_does_all_of_it(self) -> None:
        for command in COMMANDS.values():
            if command.operator:
                answer = self.eve.tries(command.example)
                self.assertNotIn("for operators", "".join(answer))

    def test_who_is_muted_is_read_by_nobody(self) -> None:
        self.eve.tries("/mute bo 10m")
        self.everybody()
        before = self.state()
        muted = "-- you are muted until 2026-03-14 09:36 UTC"
        for typed in SPOKEN:
            self.assertEqual(self.bo.tries(typed), [muted], typed)
            self.house.tick()
        for line in ("hi", "//help"):
            self.assertEqual(self.bo.tries(line), [muted])
        self.assertEqual(self.everybody(), [[]] * 5)
        self.assertEqual(self.state(), before)
        self.assertIsNone(self.bo.member.away)

    def test_what_is_not_read_by_others_the_muted_may_do(self) -> None:
        self.eve.tries("/mute bo")
        self.everybody()
        self.cy.tries("/join dev")
        spoken = {typed.split(" ")[0][1:] for typed in SPOKEN} - {"join"}
        for command in COMMANDS.values():
            if command.name not in spoken and not command.operator and command.name != "quit":
                self.assertNotIn("muted", "".join(self.bo.tries(command.example)), command.name)
        self.assertIn("-- bo joined", self.cy.read())
        self.assertEqual(self.bo.tries("/away"), ["-- you are away until you speak"])

    def test_a_room_that_ended_is_a_new_one_for_the_muted(self) -> None:
        self.bo.tries("/join ops")
        self.eve.tries("/mute bo")
        self.everybody()
        self.bo.tries("/leave ops")
        self.house.tick()
        self.assertEqual(self.bo.tries("/join ops")[-1:], ["-- you are muted"])
        self.eve.tries("/unmute bo")
        self.bo.read()
        self.assertIn("-- you are in #ops: no one else yet", self.bo.tries("/join ops"))

    def test_parting_words_of_the_muted_are_not_shown(self) -> None:
        self.eve.tries("/mute bo")
        self.everybody()
        self.assertEqual(self.bo.tries("/quit you will hear of me"), ["-- goodbye, bo"])
        self.assertEqual(self.ana.read(), ["-- bo left"])
        self.assertNotIn("hear of me", str(self.events()))


DURATION = 120.0
"""So long is waited for what was not done."""
