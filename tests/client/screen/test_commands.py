"""What one types, and what is sent for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen import commands
from chatservice.client.screen.command import Correspondent, Refused
from chatservice.client.screen.commands import COMMANDS, obey
from chatservice.client.screen.ignoring import MOST, Ignoring
from chatservice.client.screen.people import People
from chatservice.client.stored.state import Memory
from chatservice.text.layout import COLUMNS, width
from chatservice.text.slash import LOOKS_LIKE


class Typist:
    """Somebody who types; what comes of it is noted."""

    def __init__(self, room: str | None = "lobby", *others: str) -> None:
        self.name = "ana"
        self.room = room
        self.columns = 40
        self.correspondent: Correspondent | None = None
        names = [name for name in (room, *others) if name is not None]
        self.rooms = {name: messages.RoomSeen(room=name, people=2, topic="") for name in names}
        self.settings = Memory(None, self.told_of_memory).settings
        self.ignoring = Ignoring({}, lambda ignored: None)
        self.people = People()
        self.people.all_in("lobby", ["ana", "Bob"])
        self.said: list[Any] = []
        self.asked: list[Any] = []
        self.told: list[str] = []
        self.done: list[tuple[str, Any]] = []
        self._then: Callable[[Any], None]

    def talk(self, request: messages.Talk) -> None:
        self.said.append(request)

    def ask(self, request: messages.Request, then: Callable[[messages.Reply], None]) -> None:
        self.asked.append(request)
        self._then = then

    def answer(self, reply: messages.Reply) -> None:
        self._then(reply)

    def tell(self, *lines: str) -> None:
        self.told += lines

    def look_back(self, past: messages.Past) -> None:
        self.done.append(("look_back", past))

    def go(self, room: str) -> None:
        self.done.append(("go", room))

    def arrive(self, room: str) -> None:
        self.done.append(("arrive", room))

    def left(self, room: str) -> None:
        self.done.append(("left", room))

    def heard_of(self, rooms: list[messages.RoomSeen]) -> None:
        self.done.append(("heard_of", [room.room for room in rooms]))

    def moment(self, at: str) -> str:
        return f"at {at}"

    def told_of_memory(self, text: str) -> None:
        raise AssertionError(text)

    def quit(self, text: str) -> None:
        self.done.append(("quit", text))


class CommandTestCase(TestCase):
    def setUp(self) -> None:
        self.ana = Typist("lobby", "dev")

    def assert_says(self, typed: str, *said: messages.Talk) -> None:
        obey(self.ana, typed)
        self.assertEqual(self.ana.said, list(said))
        self.ana.said.clear()

    def assert_asks(self, typed: str, asked: messages.Request) -> None:
        obey(self.ana, typed)
        self.assertEqual(self.ana.asked, [asked])
        self.ana.asked.clear()

    def assert_refused(self, typed: str, why: str, typist: Typist | None = None) -> None:
        error = self.assertRaises(Refused, obey, typist or self.ana, typed)
        self.assertEqual(str(error), why)

    def assert_tells(self, typed: str, *told: str) -> None:
        obey(self.ana, typed)
        self.assertEqual(self.ana.told, list(told))
        self.ana.told.clear()


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
        self.assertEqual(self.ana.said, [])

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
        self.assertRaises(Refused, obey, self.ana, "ok\n" + "x" * 11, 10)
        self.assertEqual(self.ana.said, [])
        obey(self.ana, "x" * 10, 10)

    def test_the_commands_that_talk(self) -> None:
        self.assert_says("/me waves", messages.Do(room="lobby", text="waves"))
        self.assert_says("/ME  waves", messages.Do(room="lobby", text="waves"))
        self.assert_says("/say #Dev it works", messages.Say(room="dev", text="it works"))
        self.assert_says("/msg bob lunch?", messages.Private(to="bob", text="lunch?"))
        self.ana.correspondent = Correspondent("bob", "7f3c")
        self.assert_says("/reply yes", messages.Private(session="7f3c", text="yes"))
        self.assert_says("/topic the release", messages.Topic(room="lobby", text="the release"))
        self.assert_says("/topic -", messages.Topic(room="lobby", text=""))

    def test_what_is_refused(self) -> None:
        self.assert_refused("/me", "usage: /me TEXT")
        self.assert_refused("/msg bob", "usage: /msg NAME TEXT")
        self.assert_refused("/msg ANA hi", "that is you")
        self.assert_refused("/reply hi", "nobody wrote to you privately yet")
        self.ana.correspondent = Correspondent("bob", None)
        self.assert_refused(
            "/reply hi", "this server does not tell whether that is still bob: /msg NAME TEXT"
        )
        self.assert_refused("/say ops hi", "you are not in #ops: /join it first")
        self.assert_refused("/who a b", "usage: /who [ROOM]")
        self.assertIn("name", str(self.assertRaises(Refused, obey, self.ana, "/join <x>")))
        nowhere = Typist(None)
        for typed in ("hi", "/me waves", "/topic x", "/who", "/history", "/leave"):
            self.assert_refused(typed, "you are in no room: /join one first", nowhere)


class RoomTests(CommandTestCase):
    def test_joining(self) -> None:
        self.assert_asks("/join #Ops", messages.Join(room="ops"))
        self.ana.answer(messages.Ok(to="join", room="ops", people=1))
        obey(self.ana, "/join dev")
        self.assertEqual(self.ana.done, [("arrive", "ops"), ("go", "dev")])
        self.assert_tells("/join lobby", "you are in #lobby already")

    def test_leaving(self) -> None:
        self.assert_asks("/leave dev", messages.Leave(room="dev"))
        self.ana.answer(messages.Ok(to="leave", room="dev"))
        self.assertEqual((self.ana.told, self.ana.done), (["you left #dev"], [("left", "dev")]))
        self.assert_asks("/leave", messages.Leave(room="lobby"))
        self.ana.answer(messages.Ok(to="leave", room="lobby"))
        self.assertEqual(self.ana.done[-1], ("go", "dev"))

    def test_who(self) -> None:
        self.assert_asks("/who", messages.Who(room="lobby"))
        people = [messages.Person(name="ana"), messages.Person(name="bob", away="lunch")]
        self.ana.answer(messages.WhoIs(room="lobby", people=people, count=5))
        self.assertEqual(
            self.ana.told, ["5 people in #lobby:", "  ana, bob (away)", "  and 3 more"]
        )
        self.assert_asks("/who ops", messages.Who(room="ops"))
        self.ana.told.clear()
        self.ana.answer(messages.WhoIs(room="ops", people=[], count=0))
        self.assertEqual(self.ana.told, ["nobody is in #ops"])

    def test_names(self) -> None:
        self.assert_asks("/names", messages.Names(page=1, limit=100))
        names = ["ana", "bob", "moritz-der-grosse", "渡辺さん"]
        page = messages.NameList(names=names, count=104, page=1, pages=2)
        self.ana.answer(page)
        first, last = "104 people here, page 1 of 2:", "/names 2 shows the next"
        self.assertEqual(
            self.ana.told,
            [first, "  ana       bob  moritz-der-grosse", "  渡辺さん", last],
        )
        self.ana.told.clear()
        self.ana.columns = 80
        self.ana.answer(page)
        self.assertEqual(self.ana.told, [first, "  ana  bob  moritz-der-grosse  渡辺さん", last])
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
        obey(self.ana, "/exit bye")
        self.assertEqual(self.ana.done, [("quit", "bye")])
        self.assert_refused("one\n/j dev", "one of these lines begins with /j: type that by itself")

    def test_rooms(self) -> None:
        self.assert_asks("/rooms", messages.Rooms())
        rooms = [
            messages.RoomSeen(room="lobby", people=12),
            messages.RoomSeen(room="dev", people=2),
            messages.RoomSeen(room="ops", people=1, locked=True),
        ]
        self.ana.answer(messages.RoomList(rooms=rooms, count=4))
        self.assertEqual(
            self.ana.told,
            ["12  #lobby (you are here)", " 2  #dev (yours)", " 1  #ops (locked)", "and 1 more"],
        )
        self.assertEqual(self.ana.done, [("heard_of", ["lobby", "dev", "ops"])])
        self.ana.told.clear()
        self.ana.answer(messages.RoomList(rooms=[], count=0))
        self.assertEqual(self.ana.told, ["there are no rooms"])

    def test_history(self) -> None:
        self.assert_asks("/history", messages.History(room="lobby", limit=50))
        self.assert_asks("/history 3", messages.History(room="lobby", limit=3))
        past = messages.Past(room="lobby", events=[], more=False, gap=False)
        self.ana.answer(past)
        self.assertEqual(self.ana.done, [("look_back", past)])
        for wrong in ("0", "x", "1001", "²", "-1"):
            self.assert_refused(f"/history {wrong}", "usage: /history [N], N from 1 to 1,000")


class OtherTests(CommandTestCase):
    def test_the_topic_is_shown(self) -> None:
        self.assert_tells("/topic", "#lobby has no topic")
        self.ana.rooms["lobby"] = messages.RoomSeen(room="lobby", people=1, topic="the release")
        self.assert_tells("/topic", "the topic: the release")

    def test_oneself(self) -> None:
        self.assert_asks("/nick anna", messages.Nick(name="anna"))
        self.ana.name = "anna"
        self.ana.answer(messages.Ok(to="nick", name="anna"))
        self.assert_asks("/away out for lunch", messages.Away(text="out for lunch"))
        self.ana.answer(messages.Ok(to="away"))
        self.assertEqual(self.ana.told, ["you are anna now", "you are away until you speak"])
        obey(self.ana, "/quit see you")
        obey(self.ana, "/quit")
        self.assertEqual(self.ana.done, [("quit", "see you"), ("quit", "")])

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
        for number in range(MOST):
            self.ana.ignoring.ignore(f"p{number}")
        self.assert_refused("/ignore bob", "you ignore 100 people already")

    def test_about_people(self) -> None:
        self.assert_asks("/whois bob", messages.LookUp(name="bob"))
        about = messages.About(
            name="Bob", rooms=["dev", "lobby"], since="X", idle=200, away="lunch"
        )
        self.ana.answer(about)
        self.assertEqual(
            self.ana.told,
            [
                "Bob",
                "in     #dev, #lobby",
                "since  at X",
                "idle   3 minutes and 20 seconds",
                "away   lunch",
            ],
        )
        self.ana.told.clear()
        self.ana.answer(
            messages.About(name="eve", rooms=[], since="X", idle=0, away="", operator=True)
        )
        self.assertEqual(
            self.ana.told[:2] + self.ana.told[-1:],
            ["eve (operator)", "in     no room", "away   yes"],
        )

    def test_about_the_server(self) -> None:
        self.assert_asks("/uptime", messages.Uptime())
        self.ana.answer(messages.Up(seconds=7200, since="X"))
        self.assertEqual(self.ana.told, ["up 2 hours", "since at X"])

    def test_what_is_no_command(self) -> None:
        self.assert_refused("/", "/help shows what you can do")
        self.assert_refused("/jion dev", "there is no /jion: did you mean /join?")
        self.assert_refused("/xyzzy", "there is no /xyzzy: /help shows what there is")

    def test_help(self) -> None:
        self.assert_tells(
            "/help /msg", "/msg NAME TEXT: write privately", "for example: /msg ana lunch?"
        )
        obey(self.ana, "/help")
        shown = "\n".join(self.ana.told)
        for command in COMMANDS.values():
            self.assertIn(command.usage, shown)
            self.assertIn(command.does, shown)
            obey(self.ana, f"/help {command.name}")
        for line in self.ana.told:
            self.assertLessEqual(width(f"-- {line}"), COLUMNS)

    def test_each_example_is_one(self) -> None:
        for command in COMMANDS.values():
            typist = Typist("lobby", "dev")
            typist.name, typist.correspondent = "zoe", Correspondent("bob", "7f3c")
            if command.name == "unignore":
                typist.ignoring.ignore("bob")
            obey(typist, command.example.partition(" (")[0])

    def test_the_usage_of_what_is_being_typed(self) -> None:
        for typed in ("/msg b", "/query b"):
            self.assertEqual(commands.usage_of(typed), "/msg NAME TEXT: write privately")
        for typed in ("", "hi", "/msg", "/msgs b", "//msg b"):
            self.assertIsNone(commands.usage_of(typed), typed)
