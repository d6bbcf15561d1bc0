from __future__ import annotations

from chatservice.core.actions.rooms import HISTORY_MOST, PEOPLE_TOLD
from chatservice.doors.text.commands import COMMANDS, HISTORY_USUAL
from chatservice.doors.text.sentences import ROOMS_LISTED
from chatservice.messages import Do
from chatservice.text.grammar import Row
from chatservice.text.layout import COLUMNS
from chatservice.text.slash import LOOKS_LIKE
from tests.core.support import House, HouseTestCase, Person
from tests.welcome import entered

NOWHERE = "-- you are in no room: /join one first"
NARROW = 40


class CommandTestCase(HouseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.house = self.open()
        self.ana, self.bo = self.house.gather("ana", "bo")

    def nowhere(self) -> Person:
        """Somebody who is in no room."""
        self.ana.tries("/leave")
        return self.ana


class SayingTests(CommandTestCase):
    def test_a_line_is_said(self) -> None:
        self.assertEqual(self.ana.tries("hi"), [])
        self.assertEqual(self.bo.read(), ["<ana> hi"])

    def test_a_line_with_two_slashes_is_said_with_one(self) -> None:
        self.ana.tries("//help", "//", "///")
        self.assertEqual(self.bo.read(), ["<ana> /help", "<ana> /", "<ana> //"])

    def test_a_slash_within_a_line_is_no_command(self) -> None:
        self.ana.tries("a /help", "1/2", "-/help")
        self.assertEqual(self.bo.read(), ["<ana> a /help", "<ana> 1/2", "<ana> -/help"])

    def test_what_shows_to_begin_with_a_slash_is_a_command(self) -> None:
        self.assertEqual(self.ana.tries(" /who", "\u241b[A/who"), 2 * self.ana.tries("/who"))
        self.assertEqual(self.bo.read(), [])

    def test_two_slashes_that_show_first_are_said_as_one(self) -> None:
        self.ana.tries(" //x", "\u2403//x")
        self.assertEqual(self.bo.read(), ["<ana> /x", "<ana> /x"])

    def test_what_looks_like_a_slash_is_refused(self) -> None:
        self.assertEqual(self.ana.tries("\uff0fmsg bo psst"), [f"-- {LOOKS_LIKE}"])
        self.assertEqual(self.bo.read(), [])

    def test_an_empty_line_is_not_said(self) -> None:
        self.assertEqual(self.ana.tries("", "hi"), [])
        self.assertEqual(self.bo.read(), ["<ana> hi"])

    def test_in_no_room_nothing_can_be_said(self) -> None:
        self.assertEqual(self.nowhere().tries("hi"), [NOWHERE])


class TableTests(CommandTestCase):
    def test_a_command_is_found_in_whatever_case(self) -> None:
        self.assertEqual(self.ana.tries("/WHO"), self.ana.tries("/who"))

    def test_a_command_that_there_is_not_is_answered_with_the_nearest(self) -> None:
        for typed, nearest in (
            ("/hepl", "help"),
            ("/nickname bo", "nick"),
            ("/jion dev", "join"),
            ("/WHOO", "who"),
            ("/logout", ""),
        ):
            word = typed[1:].split(" ")[0]
            hint = f"did you mean /{nearest}?" if nearest else "/help shows what there is"
            self.assertEqual(self.ana.tries(typed), [f"-- there is no /{word}: {hint}"])
        self.assertEqual(self.bo.read(), [])

    def test_a_slash_alone_is_answered_with_what_to_type(self) -> None:
        self.assertEqual(self.ana.tries("/"), ["-- /help shows what you can do"])
        self.assertEqual(self.ana.tries("/  "), ["-- /help shows what you can do"])

    def test_white_space_around_a_command_does_not_matter(self) -> None:
        self.assertEqual(self.ana.tries("/ who  #lobby "), self.ana.tries("/who lobby"))

    def test_of_an_endless_word_only_the_beginning_is_repeated(self) -> None:
        (answer,) = self.ana.tries("/" + "x" * 2000)
        self.assertEqual(answer, f"-- there is no /{'x' * 24}: /help shows what there is")

    def test_every_command_that_takes_something_else_tells_its_usage(self) -> None:
        for typed, usage in (
            ("/help me now", "/help [COMMAND]"),
            ("/who lobby dev", "/who [ROOM]"),
            ("/rooms all", "/rooms"),
            ("/join", "/join ROOM"),
            ("/join  ", "/join ROOM"),
            ("/join dev ops", "/join ROOM"),
            ("/leave dev ops", "/leave [ROOM]"),
            ("/me", "/me TEXT"),
            ("/me  ", "/me TEXT"),
            ("/nick", "/nick NAME"),
            ("/nick two words", "/nick NAME"),
            ("/history 1 2", "/history [N]"),
        ):
            self.assertEqual(self.ana.tries(typed), [f"-- usage: {usage}"])
            self.assertIn(usage, [command.usage for command in COMMANDS.values()])
        self.assertEqual(self.bo.read(), [])

    def test_a_usage_says_what_is_accepted(self) -> None:
        for takes, typed, taken in (
            ("", "", []),
            ("", "a", None),
            ("ROOM", "", None),
            ("ROOM", "a", ["a"]),
            ("ROOM", "a b", None),
            ("[ROOM]", "", [""]),
            ("[ROOM]", "a b", None),
            ("TEXT", "", None),
            ("TEXT", "a  b", ["a  b"]),
            ("[TEXT]", "", [""]),
            ("NAME TEXT", "a", None),
            ("NAME TEXT", "a  b c", ["a", "b c"]),
            ("NAME [DURATION]", "a 1h30m", ["a", "1h30m"]),
            ("NAME [DURATION]", "a soon", None),
            ("WHO [DURATION] [REASON]", "a 1hour b", None),
            ("WHO [DURATION] [REASON]", "a", ["a", "", ""]),
            ("WHO [DURATION] [REASON]", "a 1h b c", ["a", "1h", "b c"]),
            ("WHO [DURATION] [REASON]", "a b c", ["a", "", "b c"]),
            ("[WHEN [REASON]]", "", ["", ""]),
            ("[WHEN [REASON]]", "60", ["60", ""]),
            ("[WHEN [REASON]]", "60s is short", ["60s", "is short"]),
            ("[WHEN [REASON]]", "1234567", None),
        ):
            command = Row("x", takes, "", "")
            self.assertEqual(command.arguments(typed), taken, (takes, typed))

    def test_a_command_finds_done_what_was_asked_for_before(self) -> None:
        self.assertEqual(
            self.ana.tries("/join dev", "/who", "/nick anna", "/who"),
            [
                entered("dev"),
                "-- 1 person in #dev:",
                "--   ana",
                "-- you are anna now",
                "-- 1 person in #dev:",
                "--   anna",
            ],
        )


class HelpTests(CommandTestCase):
    def plain(self) -> list[Row]:
        return [command for command in COMMANDS.values() if not command.operator]

    def test_it_shows_each_command_of_the_table_in_its_order(self) -> None:
        *rows, last, hint = self.ana.tries("/help")
        self.assertEqual(
            [row.removeprefix("-- ").split("  ", 1) for row in rows],
            [[c.usage, f"{c.does:>{16 - len(c.usage) + len(c.does)}}"] for c in self.plain()],
        )
        self.assertEqual(last.split(), ["--", "//TEXT", "say", "/TEXT"])
        self.assertEqual(hint, "-- /help COMMAND tells more of one")

    def test_operators_are_shown_theirs_too(self) -> None:
        (eve,) = self.house.gather("eve", operator=True)
        self.assertEqual(
            len([c for c in COMMANDS.values() if c.operator]),
            sum(line.startswith("-- /") for line in eve.tries("/help"))
            - len([*self.plain(), "//TEXT", "/help COMMAND"]),
        )

    def test_of_one_command_it_tells_the_usage_and_an_example(self) -> None:
        for command in COMMANDS.values():
            for typed in (command.name, f"/{command.name}", command.name.upper()):
                self.assertEqual(
                    " ".join(line[2:].strip() for line in self.ana.tries(f"/help {typed}")),
                    f"{command.usage}: {command.does} for example: {command.example}",
                )

    def test_an_example_is_what_the_command_takes(self) -> None:
        for command in COMMANDS.values():
            word, _, typed = command.example.partition(" ")
            self.assertEqual(word, f"/{command.name}")
            self.assertIsNotNone(command.arguments(typed), command.example)

    def test_of_what_is_no_command_it_says_so(self) -> None:
        self.assertEqual(
            self.ana.tries("/help jion"), ["-- there is no /jion: /help shows what there is"]
        )

    def test_a_command_that_is_added_to_the_table_is_shown_and_works(self) -> None:
        def wave(here: str, text: str) -> Do:
            return Do(room=here, text=f"waves {text}")

        COMMANDS["wave"] = Row("wave", "[TEXT]", "wave at all", "/wave", wave)
        self.addCleanup(COMMANDS.pop, "wave")
        self.assertIn("-- /wave [TEXT]      wave at all", self.ana.tries("/help"))
        self.ana.tries("/wave both hands")
        self.assertEqual(self.bo.read(), ["* ana waves both hands"])

    def test_it_fits_on_a_terminal_of_forty_columns(self) -> None:
        (eve,) = self.house.gather("eve", operator=True)
        wide = [line for line in eve.tries("/help") if len(line) > NARROW]
        self.assertEqual(wide, [])

    def test_it_is_shown_in_no_room_too(self) -> None:
        shown = self.ana.tries("/help")
        self.assertEqual(self.nowhere().tries("/help"), shown)


class WhoTests(CommandTestCase):
    def test_it_lists_who_is_in_the_current_room(self) -> None:
        self.assertEqual(self.ana.tries("/who"), ["-- 2 people in #lobby:", "--   ana, bo"])

    def test_it_lists_who_is_in_another_room(self) -> None:
        self.bo.tries("/join dev")
        for room in ("dev", "#dev", "DEV"):
            self.assertEqual(self.ana.tries(f"/who {room}"), ["-- 1 person in #dev:", "--   bo"])

    def test_it_says_when_nobody_is_there(self) -> None:
        self.assertEqual(self.ana.tries("/who dev"), ["-- nobody is in #dev"])
        self.ana.tries("/leave")
        self.bo.tries("/leave")
        self.assertEqual(self.ana.tries("/who lobby"), ["-- nobody is in #lobby"])

    def test_what_can_be_no_room_is_answered_with_the_reason(self) -> None:
        self.assertEqual(self.ana.tries("/who a,b"), ["-- ',' can't be part of a room's name"])

    def test_in_no_room_it_wants_to_know_which(self) -> None:
        self.assertEqual(self.nowhere().tries("/who"), ["-- you are in no room: /who ROOM"])
        self.assertEqual(self.ana.tries("/who lobby"), ["-- 1 person in #lobby:", "--   bo"])

    def test_long_lists_are_broken_between_names(self) -> None:
        names = [f"p-{number:02}-{'x' * (number % 18)}" for number in range(40)]
        self.house.gather(*names, room="dev")
        self.ana.read()
        first, *lines = self.ana.tries("/who dev")
        self.assertEqual(first, "-- 40 people in #dev:")
        self.assertEqual(" ".join(line.removeprefix("--   ") for line in lines).split(", "), names)
        self.assertGreater(len(lines), 1)
        for line in lines:
            self.assertLessEqual(len(line), COLUMNS)
        for line in lines[:-1]:
            self.assertTrue(line.endswith(","))

    def test_of_a_crowd_the_first_are_listed_and_the_rest_counted(self) -> None:
        self.assertEqual(PEOPLE_TOLD, 500)
        names = [f"p{number}" for number in range(1702)]
        self.house.gather(*names, room="dev")
        self.ana.read()
        first, *lines = self.ana.tries("/who dev")
        self.assertEqual(first, "-- 1,702 people in #dev:")
        text = " ".join(line.removeprefix("--   ") for line in lines)
        self.assertEqual(text, ", ".join(names[:500]) + " and 1,202 more")


class RoomsTests(CommandTestCase):
    def test_it_lists_the_rooms_by_how_many_are_in_them(self) -> None:
        self.ana.tries("/join ops", "/join dev")
        self.bo.tries("/join dev")
        self.house.gather("cy")
        self.ana.read()
        self.assertEqual(
            self.ana.tries("/rooms"),
            ["-- 3  #lobby (yours)", "-- 2  #dev (you are here)", "-- 1  #ops (yours)"],
        )
        self.assertEqual(self.bo.tries("/rooms")[-1], "-- 1  #ops")

    def test_it_lists_rooms_of_one_size_by_their_names(self) -> None:
        self.ana.tries("/join c", "/join a", "/join b", "/leave lobby")
        self.ana.read()
        self.assertEqual(
            [line.split("#")[1] for line in self.ana.tries("/rooms")],
            ["a (yours)", "b (you are here)", "c (yours)", "lobby"],
        )

    def test_it_lists_a_permanent_room_without_anybody(self) -> None:
        self.bo.tries("/leave")
        self.assertEqual(self.nowhere().tries("/rooms"), ["-- 0  #lobby"])

    def test_numbers_stand_in_one_column(self) -> None:
        self.house.gather(*(f"p{number}" for number in range(998)))
        self.ana.tries("/join dev")
        self.ana.read()
        self.assertEqual(
            self.ana.tries("/rooms"),
            ["-- 1,000  #lobby (yours)", "--     1  #dev (you are here)"],
        )

    def test_of_very_many_rooms_the_first_are_listed_and_the_rest_counted(self) -> None:
        house = self.open(permanent=[f"r{number:04}" for number in range(1701)])
        (ana,) = house.gather("ana")
        lines = ana.tries("/rooms")
        self.assertEqual(ROOMS_LISTED, 100)
        self.assertEqual(len(lines), 101)
        self.assertEqual(lines[99], "-- 0  #r0099")
        self.assertEqual(lines[100], "-- and 1,601 more")


class JoinTests(CommandTestCase):
    def test_it_brings_into_a_room_which_is_then_the_current_one(self) -> None:
        self.assertEqual(self.ana.tries("/join dev"), [entered("dev")])
        self.assertEqual(self.bo.tries("/join #Dev"), [entered("dev", "ana")])
        self.assertEqual(self.ana.read(), ["-- bo joined"])
        self.bo.tries("hi")
        self.assertEqual(self.ana.read(), ["<bo> hi"])

    def test_joining_the_current_room_again_changes_nothing(self) -> None:
        self.assertEqual(self.ana.tries("/join lobby"), ["-- you are in #lobby already"])
        self.assertEqual(self.bo.read(), [])

    def test_joining_another_of_ones_rooms_makes_it_the_current_one(self) -> None:
        self.ana.tries("/join dev")
        self.assertEqual(self.ana.tries("/join lobby"), ["-- you are in #lobby now"])
        self.ana.tries("hi")
        self.assertEqual(self.bo.read(), ["<ana> hi"])

    def test_what_can_be_no_room_is_answered_with_the_reason(self) -> None:
        self.assertEqual(self.ana.tries("/join a,b"), ["-- ',' can't be part of a room's name"])

    def test_a_room_that_one_may_not_join_is_answered_with_the_reason(self) -> None:
        house = self.open(max_rooms_per_member=1)
        (ana,) = house.gather("ana")
        self.assertEqual(
            ana.tries("/join dev"), ["-- you are in 1 rooms already: /leave one first"]
        )

    def test_in_no_room_one_can_join(self) -> None:
        self.assertEqual(self.nowhere().tries("/join lobby"), [entered("lobby", "bo")])


class LeaveTests(CommandTestCase):
    def test_the_current_room_is_left_and_the_one_joined_last_is_then_current(self) -> None:
        self.ana.tries("/join dev", "/join ops", "/join lobby")
        self.ana.read()
        self.assertEqual(self.ana.tries("/leave"), ["-- you left #lobby and are in #ops now"])
        self.assertEqual(self.bo.read(), ["-- ana left"])
        self.assertEqual(self.ana.tries("/leave"), ["-- you left #ops and are in #dev now"])

    def test_another_room_is_left_by_its_name(self) -> None:
        self.ana.tries("/join dev")
        self.assertEqual(self.ana.tries("/leave #LOBBY"), ["-- you left #lobby"])
        self.assertEqual(self.bo.tries("hi"), ["-- ana left"])
        self.assertEqual(self.ana.read(), [])

    def test_the_last_room_can_be_left(self) -> None:
        self.assertEqual(self.ana.tries("/leave"), ["-- you left #lobby; /join another"])
        self.assertEqual(self.ana.tries("/leave"), ["-- you are in no room"])

    def test_a_room_that_one_is_not_in_cannot_be_left(self) -> None:
        self.bo.tries("/join dev")
        self.assertEqual(self.ana.tries("/leave dev"), ["-- you are not in #dev"])
        self.assertEqual(self.ana.tries("/leave ops"), ["-- you are not in #ops"])
        self.assertEqual(self.ana.tries("/leave a,b"), ["-- ',' can't be part of a room's name"])
        self.assertIn("bo", self.ana.tries("/who dev")[-1])

    def test_in_no_room_a_name_is_answered_too(self) -> None:
        self.assertEqual(self.nowhere().tries("/leave lobby"), ["-- you are not in #lobby"])


class MeTests(CommandTestCase):
    def test_it_tells_what_somebody_does(self) -> None:
        self.assertEqual(self.ana.tries("/me  waves  to all "), [])
        self.assertEqual(self.bo.read(), ["* ana waves  to all"])

    def test_in_no_room_nothing_can_be_done(self) -> None:
        self.assertEqual(self.nowhere().tries("/me waves"), [NOWHERE])


class NickTests(CommandTestCase):
    def test_it_gives_another_name(self) -> None:
        self.assertEqual(self.ana.tries("/nick anna"), ["-- you are anna now"])
        self.assertEqual(self.bo.read(), ["-- ana is now anna"])
        self.ana.tries("hi")
        self.assertEqual(self.bo.read(), ["<anna> hi"])

    def test_a_name_that_is_taken_is_refused_in_whatever_case(self) -> None:
        for name in ("bo", "BO"):
            self.assertEqual(self.ana.tries(f"/nick {name}"), [f"-- the name {name} is taken"])
        self.assertEqual(self.bo.read(), [])

    def test_the_name_one_has_is_refused(self) -> None:
        self.assertEqual(self.ana.tries("/nick ana"), ["-- you are ana already"])
        self.assertEqual(self.bo.read(), [])

    def test_the_capitals_of_ones_name_can_be_changed(self) -> None:
        self.assertEqual(self.ana.tries("/nick Ana"), ["-- you are Ana now"])
        self.assertEqual(
            self.bo.tries("/nick ana"), ["-- ana is now Ana", "-- the name ana is taken"]
        )

    def test_the_name_that_was_given_up_is_free(self) -> None:
        self.ana.tries("/nick anna")
        self.bo.read()
        self.assertEqual(self.bo.tries("/nick ana"), ["-- you are ana now"])

    def test_what_can_be_no_name_is_answered_with_the_reason(self) -> None:
        self.assertEqual(self.ana.tries("/nick <b>"), ["-- '<' can't be part of a name"])
        self.assertEqual(self.ana.tries("/nick you"), ["-- 'you' is reserved"])
        self.assertEqual(self.ana.tries("/nick " + "a" * 25), ["-- a name has 1 to 24 characters"])

    def test_in_no_room_a_name_can_be_changed(self) -> None:
        self.assertEqual(self.nowhere().tries("/nick anna"), ["-- you are anna now"])
        self.assertEqual(self.ana.tries("/join lobby"), [entered("lobby", "bo")])
        self.assertEqual(self.bo.read()[-1], "-- anna joined")


class HistoryTests(CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        for number in range(30):
            self.ana.tries(f"a{number}")
        self.bo.read()

    def texts(self, lines: list[str]) -> list[str]:
        return [line.partition("> ")[2] for line in lines]

    def test_it_shows_the_last_lines_with_ones_own_among_them(self) -> None:
        self.assertEqual(HISTORY_USUAL, 20)
        for person in (self.ana, self.bo):
            header, *lines = person.tries("/history")
            self.assertEqual(header, "-- the last 20 lines of #lobby, times in UTC:")
            self.assertEqual(lines[0], "[09:26] <ana> a10")
            self.assertEqual(self.texts(lines), [f"a{number}" for number in range(10, 30)])

    def test_it_shows_as_many_lines_as_one_wants(self) -> None:
        self.assertEqual(
            self.ana.tries("/history 1"),
            ["-- the last line of #lobby, times in UTC:", "[09:26] <ana> a29"],
        )
        self.assertEqual(len(self.ana.tries("/history 30")), 31)
        for most in ("31", "1000", "1001", "999999999", "9" * 100):
            header, *lines = self.ana.tries(f"/history {most}")
            self.assertEqual(header, "-- the last 30 lines of #lobby, times in UTC:")
            self.assertEqual(len(lines), 30)

    def test_it_shows_at_most_a_thousand_lines(self) -> None:
        self.assertEqual(HISTORY_MOST, 1000)
        for number in range(30, 1100):
            self.ana.type(f"a{number}")
        self.house.tick()
        for count in ("1000", "1001", "999999"):
            header, *lines = self.ana.tries(f"/history {count}")
            self.assertEqual(header, "-- the last 1,000 lines of #lobby, times in UTC:")
            self.assertEqual(self.texts(lines), [f"a{number}" for number in range(100, 1100)])

    def test_what_is_no_count_is_refused(self) -> None:
        for wrong in ("0", "000", "-1", "1.5", "all", "²", "١", "1_0", "+1"):
            self.assertEqual(
                self.ana.tries(f"/history {wrong}"),
                ["-- usage: /history [N], N up to 1,000"],
            )

    def test_what_was_typed_right_before_is_in_it(self) -> None:
        self.assertEqual(
            self.bo.tries("mine", "/me waves", "/history 3"),
            [
                "-- the last 3 lines of #lobby, times in UTC:",
                "[09:26] <ana> a29",
                "[09:26] <bo> mine",
                "[09:26] * bo waves",
            ],
        )

    def test_it_shows_what_was_said_and_done_but_not_who_came_and_went(self) -> None:
        self.bo.tries("/nick bob", "/join dev", "/join lobby", "/leave", "/join lobby", "hi")
        self.bo.tries("/me waves")
        self.bo.read()
        self.assertEqual(
            self.bo.tries("/history 3")[1:],
            ["[09:26] <ana> a29", "[09:26] <bob> hi", "[09:26] * bob waves"],
        )

    def test_it_shows_the_current_room_only(self) -> None:
        self.ana.tries("/join dev", "in dev")
        self.ana.read()
        self.assertEqual(self.ana.tries("/history")[1:], ["[09:26] <ana> in dev"])

    def test_in_a_room_where_nothing_was_said_it_says_so(self) -> None:
        self.ana.tries("/join dev")
        self.assertEqual(self.ana.tries("/history"), ["-- nothing was said in #dev yet"])

    def test_in_no_room_there_is_none(self) -> None:
        self.assertEqual(self.nowhere().tries("/history"), [NOWHERE])


class QuitTests(CommandTestCase):
    def test_it_says_goodbye_and_closes(self) -> None:
        self.assertEqual(self.ana.tries("/quit"), ["-- goodbye, ana"])
        self.assertTrue(self.ana.outlet.finished)
        self.assertEqual(self.bo.read(), ["-- ana left"])

    def test_parting_words_are_shown(self) -> None:
        self.ana.tries("hi")
        self.bo.read()
        self.ana.tries("/quit  good night, all ")
        self.assertEqual(self.bo.read(), ["-- ana left (good night, all)"])

    def test_what_is_typed_afterwards_is_not_said(self) -> None:
        self.ana.tries("/quit", "hi", "/me waves")
        self.assertEqual(self.bo.read(), ["-- ana left"])

    def test_in_no_room_one_can_quit(self) -> None:
        self.assertEqual(self.nowhere().tries("/quit"), ["-- goodbye, ana"])
        self.assertTrue(self.ana.outlet.finished)
        self.assertEqual(self.bo.read(), ["-- ana left"])


class RefusingJournalTests(HouseTestCase):
    def test_commands_do_not_wait_for_a_journal_that_refuses(self) -> None:
        house: House = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        house.refuse()
        bo.tries("hi")
        ana.read()
        self.assertEqual(
            ana.tries("/join dev", "/nick anna", "/rooms", "/leave", "/history"),
            [
                "-- nothing can be stored now: when it can, you are in #dev",
                "-- you are anna now",
                "-- 2  #lobby (yours)",
                "-- 0  #dev (you are here)",
                "-- you left #dev and are in #lobby now",
                "-- nothing was said in #lobby yet",
            ],
        )

    def test_a_mute_that_waits_is_not_forgotten_with_the_one_before_which_is_over(self) -> None:
        house: House = self.open(self.path)
        (root,) = house.gather("root", operator=True)
        ana, _ = house.gather("ana", "bo")
        root.tries("/mute ana 10s")
        house.refuse()
        root.tries("/mute ana")
        house.tick(10.0)
        # Every act of an operator forgets what is over.
        root.tries("/kick bo")
        house.accept()
        house.tick(1.0)
        house.tick(1.0)
        ana.read()
        self.assertEqual(ana.tries("hi"), ["-- you are muted"])


class SpacedTests(CommandTestCase):
    """A slash that stands alone, or apart from its word."""

    def test_a_space_behind_the_slash_makes_no_difference(self) -> None:
        joined = [entered("dev")]
        self.assertEqual(self.ana.tries("/ join dev"), joined)
        self.ana.tries("/leave")
        self.assertEqual(self.ana.tries("/   JOIN   dev  "), joined)

    def test_a_slash_alone_is_answered_with_where_help_is(self) -> None:
        for line in ("/", "/ ", "/   "):
            self.assertEqual(self.ana.tries(line), ["-- /help shows what you can do"])
        self.assertEqual(self.bo.read(), [])

    def test_so_it_is_for_a_command_that_waits_for_what_was_asked_before(self) -> None:
        said = self.ana.tries("/join dev", "/ who", "/")
        self.assertEqual(said[-3:-1], ["-- 1 person in #dev:", "--   ana"])
        self.assertEqual(said[-1], "-- /help shows what you can do")
