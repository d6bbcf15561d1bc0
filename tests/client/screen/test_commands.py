"""What one types, and what is sent for it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen import commands
from chatservice.client.screen.commands import COMMANDS, Refused, obey
from chatservice.client.screen.people import IGNORED_MOST
from chatservice.text.layout import COLUMNS, width
from chatservice.text.slash import LOOKS_LIKE
from tests.client.screen.desk import AT, Desk


class CommandTestCase(TestCase):
    def setUp(self) -> None:
        self.sit_down("lobby", "dev")

    def sit_down(self, *rooms: str, columns: int = 80) -> Desk:
        """Come in, into some rooms; Bob is in the lobby."""
        self.desk = desk = Desk(self, columns=columns, rows=200)
        self.ana = desk.screen
        desk.connect()
        desk.welcome(*(messages.RoomSeen(room=room, people=2) for room in rooms))
        desk.answer(("ana", "Bob"))
        self.told()
        return desk

    def told(self) -> list[str]:
        """Return what was told since the last time."""
        self.desk.wait(1)
        self.desk.got()
        before = getattr(self.desk, "told", 0)
        rows = [row.removeprefix("-- ") for row in self.desk.rows if row.startswith("--")]
        self.desk.told = len(rows)  # type: ignore[attr-defined]
        return rows[before:]

    def obey(self, typed: str) -> list[Any]:
        """Have something obeyed; return what was sent."""
        self.desk.got()
        self.desk.do(lambda: obey(self.ana, typed))
        return self.desk.got()

    def assert_says(self, typed: str, *said: messages.Talk) -> None:
        sent = [replace(talk, seq=None) for talk in self.obey(typed)]
        self.assertEqual(sent, list(said))

    def assert_asks(self, typed: str, asked: messages.Request) -> None:
        (self.asked,) = self.obey(typed)
        self.assertEqual(replace(self.asked, ref=None), asked)
        self.told()

    def answer(self, reply: Any, *people: str) -> list[str]:
        """Answer to what was asked last, and to all that is asked then; return what is told."""
        self.desk.says(replace(reply, ref=self.asked.ref))
        self.desk.answer(people or ("ana", "Bob"))
        return self.told()

    def assert_refused(self, typed: str, why: str) -> None:
        error = self.assertRaises(Refused, obey, self.ana, typed)
        self.assertEqual(str(error), why)

    def assert_tells(self, typed: str, *told: str) -> None:
        self.obey(typed)
        self.assertEqual(self.told(), list(told))

    def bob_writes(self, session: str | None = "7f3c") -> None:
        self.desk.says(self.desk.event("private", author="bob", text="hi", session=session))
        self.told()


class TalkTests(CommandTestCase):
    def test_what_is_no_command_is_said(self) -> None:
        self.assert_says("hi", messages.Say(room="lobby", text="hi"))
        self.assert_says("a /hi", messages.Say(room="lobby", text="a /hi"))
        self.assert_says("//hi", messages.Say(room="lobby", text="/hi"))
        self.assert_says("\t\x1b[1m", messages.Say(room="lobby", text="    ␛[1m"))
        self.assert_says(" ")

    def test_many_lines_are_many_messages(self) -> None:
        self.assert_says(
            "one\n\n/usr\n//three",
            *(messages.Say(room="lobby", text=text) for text in ("one", "/usr", "//three")),
        )
        self.assert_says(
            "/usr/bin\n/usr",
            messages.Say(room="lobby", text="/usr/bin"),
            messages.Say(room="lobby", text="/usr"),
        )

    def test_what_shows_to_begin_with_a_slash_is_never_said(self) -> None:
        for before in (" ", "\t", "\u00a0", "\u3000", "\x03", "\x1b[A", "\ufeff", "\0"):
            self.assert_says(f"{before}/msg bob psst", messages.Private(to="bob", text="psst"))
            self.assert_says(f"{before}//hi", messages.Say(room="lobby", text="/hi"))
            self.assert_refused(f"{before}/xyzzy", "there is no /xyzzy: /help shows what there is")
        self.assert_refused("\uff0fmsg bob psst", LOOKS_LIKE)
        self.assert_refused("\uff0fmsg bob psst\nand more", LOOKS_LIKE)

    def test_nor_is_one_of_many_lines_that_may_be_meant_as_a_command(self) -> None:
        why = "one of these lines begins with /msg: type that by itself"
        for text in ("one\n/msg bob psst", "one\n \x1b[A/msg bob psst", "/usr/bin\n/msg bob psst"):
            self.assert_refused(text, why)
        self.assert_refused(
            "one\n/mgs bob psst", "one of these lines begins with /mgs: type that by itself"
        )
        self.assert_refused("/mgs bob psst\ntwo", "there is no /mgs: did you mean /msg?")
        self.assertEqual(self.desk.got(), [])

    def test_many_lines_behind_a_command_all_go_where_the_first_goes(self) -> None:
        self.assert_says(
            "/msg bob one\ntwo",
            messages.Private(to="bob", text="one"),
            messages.Private(to="bob", text="two"),
        )
        self.assert_says(
            "/say dev one\ntwo",
            messages.Say(room="dev", text="one"),
            messages.Say(room="dev", text="two"),
        )
        self.assert_refused("/join dev\nhi", "/join takes one line, and these are 2")

    def test_a_line_that_is_too_long(self) -> None:
        why = "a line has at most 200 characters; that one has 201"
        self.assert_refused("ok\n" + "x" * 201, why)
        self.assertEqual(self.desk.got(), [])
        self.assert_says("x" * 200, messages.Say(room="lobby", text="x" * 200))

    def test_the_commands_that_talk(self) -> None:
        self.assert_says("/me waves", messages.Do(room="lobby", text="waves"))
        self.assert_says("/ME  waves", messages.Do(room="lobby", text="waves"))
        self.assert_says("/say #Dev it works", messages.Say(room="dev", text="it works"))
        self.assert_says("/msg bob lunch?", messages.Private(to="bob", text="lunch?"))
        self.bob_writes()
        self.assert_says("/reply yes", messages.Private(session="7f3c", text="yes"))
        self.assert_says("/topic the release", messages.Topic(room="lobby", text="the release"))
        self.assert_says("/topic -", messages.Topic(room="lobby", text=""))

    def test_what_is_refused(self) -> None:
        self.assert_refused("/me", "usage: /me TEXT")
        self.assert_refused("/msg bob", "usage: /msg NAME TEXT")
        self.assert_refused("/reply hi", "nobody wrote to you privately yet")
        self.bob_writes(None)
        self.assert_refused(
            "/reply hi", "this server does not tell whether that is still bob: /msg NAME TEXT"
        )
        self.assert_refused("/say ops hi", "you are not in #ops: /join it first")
        self.assert_refused("/who a b", "usage: /who [ROOM]")
        self.assertIn("name", str(self.assertRaises(Refused, obey, self.ana, "/join <x>")))

    def test_in_no_room(self) -> None:
        self.sit_down()
        why = "you are in no room: /join one first"
        for typed in ("hi", "/me waves", "/topic x", "/history"):
            self.assert_refused(typed, why)
        self.assert_refused("/who", "you are in no room: /who ROOM")
        self.assert_refused("/leave", "you are in no room")

    def test_in_a_private_talk(self) -> None:
        self.bob_writes()
        self.obey("/go bob")
        self.assert_says("hi", messages.Private(session="7f3c", text="hi"))
        why = "this is private, with bob: /go ROOM first"
        for typed in ("/me waves", "/topic x", "/who", "/history"):
            self.assert_refused(typed, why)
        self.assert_asks("/who dev", messages.Who(room="dev"))
        # It is who has the name now that is meant from here on.
        self.assert_says("/msg bob hi", messages.Private(to="bob", text="hi"))
        self.assert_says("hi", messages.Private(to="bob", text="hi"))
        self.assert_says("/reply hi", messages.Private(session="7f3c", text="hi"))
        self.bob_writes("9a1b")
        self.assert_says("hi", messages.Private(session="9a1b", text="hi"))
        self.obey("/leave")
        self.assertEqual(self.ana.room, "dev")


class RoomTests(CommandTestCase):
    def test_joining(self) -> None:
        self.assert_asks("/join #Ops", messages.Join(room="ops"))
        told = self.answer(messages.Ok(to="join", room="ops", people=1), "ana")
        self.assertEqual(told[-1], "you are in #ops: no one else yet")
        self.assertEqual(self.ana.room, "ops")
        self.desk.do(lambda: obey(self.ana, "/join dev"))
        self.desk.answer()
        self.assertEqual(self.ana.room, "dev")
        self.told()
        self.assert_tells("/join dev", "you are in #dev already")

    def test_leaving(self) -> None:
        self.assert_asks("/leave dev", messages.Leave(room="dev"))
        self.assertEqual(self.answer(messages.Ok(to="leave", room="dev")), ["you left #dev"])
        self.assertEqual([view.label for view in self.ana.views], ["#lobby"])
        self.assert_asks("/leave", messages.Leave(room="lobby"))
        told = self.answer(messages.Ok(to="leave", room="lobby"))
        self.assertEqual(told, ["you left #lobby; /join another"])

    def test_going(self) -> None:
        self.bob_writes()
        self.assert_tells(
            "/go",
            "1    #lobby (you are here)",
            "2    #dev",
            "3    bob (1 unread)",
            "all  all in one view",
        )
        for typed, here in (
            ("2", "#dev"),
            ("bob", "bob"),
            ("#Lobby", "#lobby"),
            ("BOB", "bob"),
            ("dev", "#dev"),
        ):
            self.obey(f"/go {typed}")
            assert self.ana.here is not None
            self.assertEqual((self.ana.here.label, self.ana.together), (here, False))
        self.obey("/go ALL")
        self.assertEqual((self.ana.room, self.ana.together), ("dev", True))
        for typed, why in (
            ("4", "there is no view 4: /go lists them"),
            ("0", "there is no view 0: /go lists them"),
            ("#ops", "you are not in #ops: /join it first"),
            ("zoe", "there is no zoe here: /who shows who is"),
            ("ana", "that is you"),
        ):
            self.assert_refused(f"/go {typed}", why)

    def test_a_talk_begins_with_who_is_here(self) -> None:
        self.obey("/go BOB")
        self.assert_says("hi", messages.Private(to="Bob", text="hi"))

    def test_who(self) -> None:
        self.assert_asks("/who", messages.Who(room="lobby"))
        people = [messages.Person(name="ana"), messages.Person(name="bob", away="lunch")]
        told = self.answer(messages.WhoIs(room="lobby", people=people, count=5))
        self.assertEqual(told, ["5 people in #lobby:", "  ana, bob (away)", "  and 3 more"])
        self.assert_asks("/who ops", messages.Who(room="ops"))
        told = self.answer(messages.WhoIs(room="ops", people=[], count=0))
        self.assertEqual(told, ["nobody is in #ops"])

    def test_names(self) -> None:
        names = ["ana", "bob", "moritz-der-grosse", "渡辺さん"]
        page = messages.NameList(names=names, count=104, page=1, pages=2)
        first, last = "104 people here, page 1 of 2:", "/names 2 shows the next"
        for columns, rows in (
            (40, ["  ana       bob  moritz-der-grosse", "  渡辺さん"]),
            (80, ["  ana  bob  moritz-der-grosse  渡辺さん"]),
        ):
            self.sit_down("lobby", columns=columns)
            self.assert_asks("/names", messages.Names(page=1, limit=100))
            self.assertEqual(self.answer(page), [first, *rows, last])
        self.assert_asks("/names 2", messages.Names(page=2, limit=100))
        for wrong in ("0", "x", "1 2"):
            self.assert_refused(f"/names {wrong}", "usage: /names [PAGE]")

    def test_short_words(self) -> None:
        self.assert_asks("/j ops", messages.Join(room="ops"))
        self.assert_asks("/part", messages.Leave(room="lobby"))
        self.assert_asks("/W", messages.Who(room="lobby"))
        self.assert_asks("/list", messages.Rooms())
        self.assert_says("/query bob hi", messages.Private(to="bob", text="hi"))
        self.assert_tells("/? exit", "/quit [TEXT]: leave the chat", "for example: /quit see you")
        self.assert_refused("one\n/j dev", "one of these lines begins with /j: type that by itself")
        self.assertEqual(self.obey("/exit bye"), [])
        self.desk.says(messages.Ok(to="leave", room="lobby"))
        self.assertTrue(self.ana.leaving)

    def test_rooms(self) -> None:
        self.assert_asks("/rooms", messages.Rooms())
        rooms = [
            messages.RoomSeen(room="lobby", people=12),
            messages.RoomSeen(room="dev", people=2),
            messages.RoomSeen(room="ops", people=1, locked=True),
        ]
        self.assertEqual(
            self.answer(messages.RoomList(rooms=rooms, count=4)),
            ["12  #lobby (you are here)", " 2  #dev (yours)", " 1  #ops (locked)", "and 1 more"],
        )
        self.assertEqual(self.ana.rooms_known, ["lobby", "dev", "ops"])
        self.assert_asks("/rooms", messages.Rooms())
        told = self.answer(messages.RoomList(rooms=[], count=0))
        self.assertEqual(told, ["there are no rooms"])

    def test_history(self) -> None:
        self.assert_asks("/history", messages.History(room="lobby", limit=50))
        self.assert_asks("/history 3", messages.History(room="lobby", limit=3))
        past = messages.Past(room="lobby", events=[], more=False, gap=False)
        self.assertEqual(self.answer(past), ["nothing was said in #lobby"])
        for wrong in ("0", "x", "1001", "²", "-1"):
            self.assert_refused(f"/history {wrong}", "usage: /history [N], N from 1 to 1,000")


class OtherTests(CommandTestCase):
    def test_the_topic_is_shown(self) -> None:
        self.assert_tells("/topic", "#lobby has no topic")
        self.desk.says(self.desk.event("topic", author="bob", text="the release"))
        self.told()
        self.assert_tells("/topic", "the topic: the release")

    def test_oneself(self) -> None:
        self.assert_asks("/nick anna", messages.Nick(name="anna"))
        told = self.answer(messages.Ok(to="nick", name="anna"))
        self.assertEqual(told, ["you are anna now"])
        self.assert_asks("/away out for lunch", messages.Away(text="out for lunch"))
        self.assertEqual(self.answer(messages.Ok(to="away")), ["you are away until you speak"])
        (quit,) = self.obey("/quit see you")
        self.assertEqual(quit, messages.Quit(text="see you"))

    def test_the_bell(self) -> None:
        self.assert_tells("/bell", "bell: mentions")
        self.assert_tells("/bell ALL", "bell: all")
        self.assertEqual(self.ana.settings.bell, "all")
        self.assert_refused("/bell loud", "the bell rings off, mentions or all")

    def test_settings(self) -> None:
        rows = ["timestamps  short", "zone        local", "joins       on", "bell        mentions"]
        self.assert_tells("/set", *rows)
        for typed, changed in (
            ("timestamps FULL", "timestamps  full"),
            ("Zone europe/berlin", "zone        Europe/Berlin"),
            ("joins off", "joins       off"),
            ("bell all", "bell        all"),
            ("joins on", "joins       on"),
            ("zone LOCAL", "zone        local"),
        ):
            rows = [changed if row[:12] == changed[:12] else row for row in rows]
            self.assert_tells(f"/set {typed}", *rows)
        usage = "usage: /set [WHAT] [TO], WHAT is timestamps, zone, joins, bell"
        for typed, why in (
            ("colour red", usage),
            ("joins", usage),
            ("joins maybe", "joins are on or off"),
            ("timestamps long", "timestamps are off, short or full"),
            ("bell loud", "the bell rings off, mentions or all"),
            ("zone ../etc", "there is no such time zone: one is Europe/Berlin, UTC or local"),
            ("a b c", "usage: /set [WHAT] [TO]"),
        ):
            self.assert_refused(f"/set {typed}", why)

    def test_ignoring(self) -> None:
        self.assert_tells("/ignored", "you ignore nobody")
        self.assert_tells("/ignore BOB", "you see no more of Bob")
        self.assert_tells("/ignored", "you ignore:", "  Bob")
        self.assert_refused("/ignore ana", "that is you")
        self.assert_refused("/ignore zoe", "there is no zoe here: /who shows who is")
        self.assert_refused("/unignore zoe", "you don't ignore zoe")
        self.assert_tells("/unignore bob", "you see Bob again")
        self.assert_tells("/ignored", "you ignore nobody")
        for number in range(IGNORED_MOST):
            self.ana.ignoring.ignore(f"p{number}")
        self.assert_refused("/ignore bob", "you ignore 100 people already")

    def test_about_people(self) -> None:
        self.ana.settings.change(zone="UTC")
        self.assert_asks("/whois bob", messages.LookUp(name="bob"))
        rooms = ["dev", "lobby"]
        about = messages.About(name="Bob", rooms=rooms, since=AT, idle=200, away="lunch")
        self.assertEqual(
            self.answer(about),
            [
                "Bob",
                "in     #dev, #lobby",
                "since  2026-03-03 14:02",
                "idle   3 minutes and 20 seconds",
                "away   lunch",
            ],
        )
        self.assert_asks("/whois eve", messages.LookUp(name="eve"))
        told = self.answer(
            messages.About(name="eve", rooms=[], since="X", idle=0, away="", operator=True)
        )
        self.assertEqual(told[:3:2], ["eve (operator)", "since  X"])
        self.assertEqual(told[1::3], ["in     no room", "away   yes"])

    def test_about_the_server(self) -> None:
        self.assert_asks("/uptime", messages.Uptime())
        self.assertEqual(
            self.answer(messages.Up(seconds=7200, since="X")), ["up 2 hours", "since X"]
        )

    def test_what_is_no_command(self) -> None:
        self.assert_refused("/", "/help shows what you can do")
        self.assert_refused("/jion dev", "there is no /jion: did you mean /join?")
        self.assert_refused("/xyzzy", "there is no /xyzzy: /help shows what there is")

    def test_help(self) -> None:
        self.assert_tells(
            "/help /msg", "/msg NAME TEXT: write privately", "for example: /msg ana lunch?"
        )
        self.obey("/help")
        told = self.told()
        shown = "\n".join(told)
        for command in COMMANDS.values():
            self.assertIn(command.usage, shown)
            self.assertIn(command.does, shown)
            self.obey(f"/help {command.name}")
        for line in (*told, *self.told()):
            self.assertLessEqual(width(f"-- {line}"), COLUMNS)

    def test_each_example_is_one(self) -> None:
        for command in COMMANDS.values():
            self.sit_down("lobby", "dev")
            self.bob_writes()
            if command.name == "unignore":
                self.ana.ignoring.ignore("bob")
            example = command.example.partition(" (")[0]
            self.obey(example.replace(" ana", " Bob"))

    def test_the_usage_of_what_is_being_typed(self) -> None:
        for typed in ("/msg b", "/query b"):
            self.assertEqual(commands.usage_of(typed), "/msg NAME TEXT: write privately")
        for typed in ("", "hi", "/msg", "/msgs b", "//msg b"):
            self.assertIsNone(commands.usage_of(typed), typed)
