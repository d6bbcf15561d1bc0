"""The screen in this process: what one sees of what happens, and what is sent of what one types."""

from __future__ import annotations

from datetime import datetime

from twisted.internet.error import ConnectionRefusedError
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen import app
from chatservice.client.session.bookmark import Remembered
from tests.client.screen.desk import AT, Desk
from tests.integration.support import folder_for

LOBBY = messages.RoomSeen(room="lobby", people=2)
DEV = messages.RoomSeen(room="dev", people=1, topic="the next release")


def without_days(rows: list[str]) -> list[str]:
    """Leave out the lines of days, which depend on when this runs."""
    return [row for row in rows if not row.endswith(" 2026 --") and " 20" not in row[-9:]]


def texts(desk: Desk) -> list[str]:
    """Return what stands in the rows, without the names in front."""
    return [row.split("> ")[-1] for row in without_days(desk.rows)]


class ComingInTests(TestCase):
    def test_a_room_is_shown_with_its_past_and_its_people(self) -> None:
        desk = Desk(self)
        past = (desk.event(author="bob", text="good night"),)
        desk.come_in("bob", "小林", past=past)
        self.assertEqual(
            without_days(desk.rows),
            [
                "-- hello ana! /help shows the commands",
                past[0].time.astimezone().strftime("[%H:%M] <bob> good night"),
                "-- you are in #lobby with bob and 小林",
            ],
        )
        self.assertEqual(desk.bottom[0], ">")
        self.assertIn("#lobby · 3 people · connected", desk.bottom[1])

    def test_what_comes_before_the_past_is_shown_behind_it(self) -> None:
        desk = Desk(self)
        desk.connect()
        desk.welcome(LOBBY)
        before = desk.event(author="bob", text="one")
        live = desk.event(author="bob", text="two")
        desk.says(live)
        self.assertNotIn("two", "\n".join(desk.rows))
        desk.answer(("ana", "bob"), past=(before,))
        self.assert_order(desk, "one", "with bob", "two")

    def test_what_is_of_the_past_and_comes_is_shown_once(self) -> None:
        desk = Desk(self)
        desk.connect()
        desk.welcome(LOBBY)
        said = desk.event(author="bob", text="said")
        desk.answer(past=(said,))
        desk.says(said)
        self.assertEqual("\n".join(desk.rows).count("said"), 1)

    def test_the_topic_and_the_other_rooms_are_told(self) -> None:
        desk = Desk(self, room="dev")
        desk.connect()
        desk.welcome(LOBBY, DEV)
        requests = desk.got()
        self.assertEqual([r.room for r in requests if isinstance(r, messages.History)], ["dev"])
        for request in requests:
            if isinstance(request, messages.History):
                desk.says(
                    messages.Past(room="dev", events=[], more=False, gap=False, ref=request.ref)
                )
            else:
                desk.says(messages.RoomList(rooms=[LOBBY, DEV], count=2, ref=request.ref))
        desk.answer()
        self.assertEqual(
            desk.rows[1:],
            [
                "-- you are in #dev: no one else yet",
                "-- the topic: the next release",
                "-- you are also in #lobby",
            ],
        )

    def test_a_room_that_is_wanted_is_joined(self) -> None:
        desk = Desk(self, room="ops")
        desk.connect()
        desk.welcome(LOBBY)
        (join,) = [r for r in desk.answer() if isinstance(r, messages.Join)]
        desk.says(messages.Ok(to="join", room="ops", topic="", people=1, ref=join.ref))
        desk.answer()
        self.assertIn("#ops · 1 person", desk.bottom[1])

    def test_a_question_that_is_refused_holds_nothing_up(self) -> None:
        desk = Desk(self)
        desk.connect()
        desk.welcome(LOBBY)
        desk.says(desk.event(author="bob", text="hi"))
        for request in desk.got():
            desk.says(
                messages.Error(code="went_wrong", text="no", to=request.type, ref=request.ref)
            )
        self.assertIn("<bob> hi", desk.rows[-1])

    def test_in_no_room(self) -> None:
        desk = Desk(self)
        desk.connect()
        desk.welcome()
        desk.answer()
        self.assertIn("no room · connected", desk.bottom[1])
        desk.type("hello\r")
        self.assertEqual(desk.rows[-1], "-- you are in no room: /join one first")
        self.assertEqual(desk.bottom[0], ">")
        desk.type("\x1b[A")
        self.assertEqual(desk.bottom[0], "> hello")

    def assert_order(self, desk: Desk, *texts: str) -> None:
        places = [next(y for y, row in enumerate(desk.rows) if text in row) for text in texts]
        self.assertEqual(places, sorted(places), desk.rows)


class NameTests(TestCase):
    def test_a_name_is_asked_for(self) -> None:
        desk = Desk(self, name=None)
        self.assertEqual(desk.bottom, ["name:", " chat.example"])
        desk.type("\r")
        self.assertEqual(desk.endpoint.attempts, [])
        desk.type("ana\r")
        desk.come_in("bob")
        self.assertEqual(desk.bottom[0], ">")
        self.assertEqual(desk.session.name, "ana")

    def test_another_one_is_asked_for(self) -> None:
        desk = Desk(self, name="bob")
        desk.connect()
        desk.says(messages.Error(code="name_taken", text="that name is taken", to="hello"))
        self.assertEqual(desk.rows, ["-- that name is taken"])
        self.assertEqual(desk.bottom[0], "name:")
        desk.type("ana\r")
        (hello,) = desk.got("hello")
        self.assertEqual(hello.name, "ana")

    def test_it_is_no_line_that_was_typed_before(self) -> None:
        desk = Desk(self, name=None)
        desk.type("ana\r")
        desk.come_in()
        desk.type("\x1b[A")
        self.assertEqual(desk.bottom[0], ">")

    def test_whoever_leaves_before_has_wanted_it(self) -> None:
        desk = Desk(self, name=None)
        desk.type("\x04")
        self.assertEqual((desk.statuses, desk.cells.rows), ([0], []))


class TalkTests(TestCase):
    def setUp(self) -> None:
        self.desk = Desk(self)
        self.desk.come_in("bob")

    def test_own_lines_are_shown_when_they_are_stored(self) -> None:
        desk = self.desk
        desk.type("hi bob\r")
        self.assertEqual(desk.bottom[0], ">")
        desk.says(desk.event(author="bob", text="before it"))
        (say,) = desk.store()
        self.assertEqual((say.room, say.text), ("lobby", "hi bob"))
        stored = messages.time_of(AT).astimezone()
        self.assertIn("<bob> before it", "\n".join(desk.rows))
        self.assertEqual(desk.rows[-1], f"[{stored:%H:%M}] <ana> hi bob")

    def test_they_have_the_time_of_the_server(self) -> None:
        """All others have it; whatever the clock here says, no day begins with one's own."""
        desk = self.desk
        desk.says(desk.event(author="bob", text="one"))
        desk.type("two\r")
        desk.store()
        desk.type("/msg bob three\r")
        desk.store()
        desk.says(desk.event(author="bob", text="four"))
        at = f"[{messages.time_of(AT).astimezone():%H:%M}]"
        self.assertEqual(
            desk.rows[-4:],
            [f"{at} <bob> one", f"{at} <ana> two", f"{at} [you -> bob] three", f"{at} <bob> four"],
        )

    def test_they_have_the_time_here_if_the_server_tells_none(self) -> None:
        desk = self.desk
        for at in (None, "yesterday"):
            desk.type("hi bob\r")
            before = datetime.now().astimezone()
            desk.store(at)
            after = datetime.now().astimezone()
            shown = [f"[{time:%H:%M}] <ana> hi bob" for time in (before, after)]
            self.assertIn(desk.rows[-1], shown)

    def test_what_is_stored_late_is_shown_as_such(self) -> None:
        desk = self.desk
        desk.type("hi bob\r")
        desk.wait(1)
        desk.type("x")
        self.assertEqual(desk.bottom[:2], ["… hi bob", "> x"])
        self.assertIn("1 unsent", desk.bottom[2])
        desk.store()
        self.assertEqual(desk.bottom[0], "> x")

    def test_what_is_refused_is_told(self) -> None:
        desk = self.desk
        desk.type(f"{'long ' * 10}\r")
        (say,) = desk.got("say")
        desk.says(messages.Error(code="muted", text="you are muted", to="say", seq=say.seq))
        self.assertEqual(
            desk.rows[-1], "-- you are muted; not said: long long long long long long …"
        )

    def test_a_line_that_is_too_long_comes_back(self) -> None:
        desk = self.desk
        desk.type("x" * 201 + "\r")
        self.assertEqual(desk.rows[-1], "-- a line has at most 200 characters; that one has 201")
        self.assertEqual(desk.bottom[0], ">")
        desk.type("\x1b[A")
        self.assertIn("x" * 50, desk.bottom[0])
        self.assertEqual(desk.got(), [])

    def test_what_the_server_says_is_shown(self) -> None:
        desk = self.desk
        desk.says(messages.Notice(text="the server stops soon"))
        desk.says(messages.Notice(text="", gap=True))
        self.assertEqual(
            desk.rows[-2:],
            ["-- the server stops soon", "-- some lines are missing here: they were forgotten --"],
        )

    def test_the_bell_rings_as_one_wants_it(self) -> None:
        desk = self.desk
        talk, mention = {"text": "hello"}, {"text": "hello Ana"}
        for bell, rings in (("mentions", 1), ("all", 2), ("off", 0)):
            desk.type(f"/bell {bell}\r")
            self.assertEqual(desk.rows[-1], f"-- bell: {bell}")
            before = desk.cells.bells
            desk.says(desk.event(author="bob", **talk))
            desk.says(desk.event(author="bob", **mention), desk.event(author="bob", **mention))
            desk.says(desk.event("joined", names=["cleo"]))
            self.assertEqual(desk.cells.bells - before, rings, bell)
        self.assertEqual(desk.settings.bell, "off")

    def test_who_is_ignored_is_not_seen(self) -> None:
        desk = self.desk
        past = desk.event(author="bob", text="earlier")
        desk.type("/ignore bob\r")
        desk.says(
            desk.event(author="bob", text="hello ana"),
            desk.event("did", author="BOB", room="dev", text="waves"),
            desk.event("private", author="bob", text="psst", session="7f3c"),
            desk.event("renamed", author="bob", name="rob"),
            desk.event(author="rob", text="it is me"),
            desk.event(author="cleo", text="who?"),
        )
        self.assertEqual((texts(desk)[-3], texts(desk)[-1]), ("-- you see no more of bob", "who?"))
        self.assertTrue(desk.rows[-2].endswith("] -- bob is now rob"))
        self.assertEqual(desk.cells.bells, 0)
        self.assertNotIn("unread", desk.bottom[1])
        desk.type("/reply x\r")
        self.assertIn("nobody wrote to you privately yet", desk.rows[-1])
        renaming = self.desk.id - 2
        ignored = {"chat.example:7007": {"rob": {"bob": renaming}}}
        self.assertEqual(desk.settings.ignored, ignored)
        desk.type("/history\r")
        desk.answer(past=(past, *(desk.event(author=name, text=name) for name in ("rob", "cleo"))))
        self.assertEqual(
            texts(desk)[-3:], ["-- the last 1 line of #lobby --", "cleo", "-- that was it --"]
        )
        desk.type("/unignore rob\r")
        desk.says(desk.event(author="rob", text="thanks"))
        self.assertEqual(texts(desk)[-1], "thanks")

    def test_who_comes_and_goes_need_not_be_seen(self) -> None:
        desk = self.desk
        desk.type("/set joins off\r")
        desk.says(desk.event("joined", names=["cleo"]), desk.event("left", names=["bob"]))
        self.assertEqual(desk.rows[-1], "-- bell        mentions")
        desk.type("cl\t")
        self.assertEqual(desk.bottom[0], "> cleo:")

    def test_times_are_shown_as_one_wants_them(self) -> None:
        desk = self.desk
        for setting, shown in (
            ("zone Asia/Tokyo", "[23:02] <bob> x"),
            ("timestamps full", "[2026-03-03 23:02:00] <bob> x"),
            ("timestamps off", "<bob> x"),
        ):
            desk.type(f"/set {setting}\r")
            desk.says(desk.event(author="bob", text="x"))
            self.assertEqual(desk.rows[-1], shown)

    def test_any_time_is_shown_somehow(self) -> None:
        desk = self.desk
        for at in (
            "9999-12-31T23:59:59.999Z",
            "0001-01-01T00:00:00.000Z",
            "0000-01-01T00:00:00.000Z",
            "yesterday",
            "",
        ):
            desk.says(desk.event(author="bob", at=at, text=f"at {at}"))
            self.assertRegex(desk.rows[-1], rf"\A\[..:..\] <bob> at {at}\Z".replace(" \\Z", "\\Z"))
            desk.type("/history\r")
            desk.answer(past=(desk.event(author="bob", at=at, text="past"),))
            self.assertRegex(desk.rows[-2], r"\A\[..:..\] <bob> past\Z")
        self.assertEqual(desk.endpoint.attempts, [])

    def test_who_is_here_is_listed_as_wide_as_the_terminal_is(self) -> None:
        names = ["ana", "渡辺さん", *(f"somebody-{number}" for number in range(10))]
        heights = []
        for columns in (40, 80):
            desk = Desk(self, columns=columns)
            desk.connect()
            desk.welcome(LOBBY)
            desk.answer()
            desk.type("/names 2\r")
            (asked,) = desk.got("names")
            self.assertEqual((asked.page, asked.limit), (2, 100))
            desk.says(messages.NameList(names=names, count=212, page=2, pages=3, ref=asked.ref))
            first = desk.rows.index("-- 212 people here, page 2 of 3:")
            *listed, last = desk.rows[first + 1 :]
            self.assertEqual(" ".join(row[2:] for row in listed).split(), names)
            self.assertEqual(last, "-- /names 3 shows the next")
            self.assertTrue(all(row.startswith("--   ") for row in listed), listed)
            heights.append(len(listed))
        self.assertGreater(heights[0], heights[1])

    def test_people_and_the_server_can_be_asked_about(self) -> None:
        desk = self.desk
        desk.type("/set zone UTC\r/whois bob\r/uptime\r")
        (who, up) = desk.got("whois", "uptime")
        since = "2026-03-03T09:00:00.000Z"
        desk.says(
            messages.About(name="bob", rooms=["lobby"], since=since, idle=5, ref=who.ref),
            messages.Up(seconds=3600, since="in year 1", ref=up.ref),
        )
        self.assertEqual(
            desk.rows[-6:],
            [
                "-- bob",
                "-- in     #lobby",
                "-- since  2026-03-03 09:00",
                "-- idle   5 seconds",
                "-- up 1 hour",
                "-- since in year 1",
            ],
        )

    def test_who_wrote_may_have_another_name_then(self) -> None:
        desk = self.desk
        desk.says(desk.event("private", author="bob", text="z", session="7f3c"))
        desk.says(desk.event("renamed", author="bob", name="bobby"))
        self.assertIn("bob is now bobby", desk.rows[-1])
        self.assertIn("Alt-2 bobby (1)", desk.bottom[1])
        desk.type("/reply yes\r")
        (private,) = desk.got("private")
        self.assertEqual((private.to, private.session), (None, "7f3c"))
        desk.says(messages.Ok(to="private", id=900, seq=private.seq))
        self.assertIn("[you -> bobby] yes", desk.rows[-1])

    def test_an_answer_that_reaches_nobody_is_told(self) -> None:
        desk = self.desk
        desk.says(desk.event("private", author="zoe", text="z", session="7f3c"))
        desk.type("/reply secret\r")
        (private,) = desk.got("private")
        gone = "who wrote to you last is not here any more"
        desk.says(messages.Error(code="not_here", text=gone, to="private", seq=private.seq))
        self.assertIn(f"-- {gone}; not said: secret", desk.rows[-1])

    def test_ones_own_coming_and_renaming_is_not_told_twice(self) -> None:
        desk = self.desk
        rows = desk.rows
        desk.says(
            desk.event("joined", names=["ana"]), desk.event("renamed", author="anna", name="ana")
        )
        self.assertEqual(desk.rows, rows)


class RoomTests(TestCase):
    def setUp(self) -> None:
        self.desk = Desk(self)
        self.desk.come_in("bob")

    def join(self, room: str) -> None:
        self.desk.type(f"/join {room}\r")
        (join,) = self.desk.got("join")
        self.desk.says(messages.Ok(to="join", room=room, topic="", people=1, ref=join.ref))
        self.desk.answer()

    def leave(self, *typed: str) -> None:
        self.desk.type(f"{' '.join(('/leave', *typed))}\r")
        (leave,) = self.desk.got("leave")
        self.desk.says(messages.Ok(to="leave", room=leave.room, ref=leave.ref))
        self.desk.answer()

    def test_going_from_room_to_room(self) -> None:
        desk = self.desk
        self.join("dev")
        self.assertEqual(desk.page, ["-- you are in #dev: no one else yet"])
        desk.says(desk.event(author="bob", text="in the lobby"))
        self.assertEqual(len(desk.page), 1)
        desk.type("/join #Lobby\r")
        desk.answer()
        self.assertEqual(texts(desk)[-3:], ["-- #lobby --", "-- 1 new line --", "in the lobby"])
        desk.type("/join lobby\r")
        self.assertEqual(desk.rows[-1], "-- you are in #lobby already")

    def test_leaving(self) -> None:
        desk = self.desk
        desk.says(desk.event(author="bob", text="hi"))
        self.join("dev")
        self.leave()
        self.assertIn("-- you left #dev", desk.rows)
        self.assertEqual(texts(desk)[-2:], ["-- #lobby --", "hi"])
        self.assertIn("#lobby · 2 people · connected", desk.bottom[1])
        self.leave("lobby")
        self.assertEqual(desk.rows[-1], "-- you left #lobby; /join another")
        self.assertIn("no room", desk.bottom[1])

    def test_what_is_refused_is_told(self) -> None:
        desk = self.desk
        desk.type("/join ops\r")
        (join,) = desk.got("join")
        desk.says(messages.Error(code="not_let_in", text="#ops is locked", to="join", ref=join.ref))
        self.assertEqual(desk.rows[-1], "-- #ops is locked")

    def test_looking_back(self) -> None:
        desk = self.desk
        desk.type("/history 2\r")
        (asked,) = desk.got("history")
        self.assertEqual((asked.room, asked.limit), ("lobby", 2))
        events = [
            desk.event(author="ana", text="one"),
            desk.event("did", author="bob", text="waves"),
        ]
        desk.says(messages.Past(room="lobby", events=events, more=True, gap=True, ref=asked.ref))
        shown = "\n".join(without_days(desk.rows[-6:]))
        for text in ("the last 2 lines of #lobby", "<ana> one", "* bob waves", "that was it"):
            self.assertIn(text, shown)
        desk.type("/history\r")
        (asked,) = desk.got("history")
        desk.says(messages.Past(room="lobby", events=[], more=False, gap=False, ref=asked.ref))
        self.assertEqual(desk.rows[-1], "-- nothing was said in #lobby")


class ViewTests(TestCase):
    """Each room, and each private talk, is looked at by itself, or all of them are in one view."""

    def setUp(self) -> None:
        self.sit_down()

    def sit_down(self, together: bool = False, columns: int = 80) -> Desk:
        self.desk = desk = Desk(self, together=together, columns=columns)
        desk.connect()
        desk.welcome(LOBBY, DEV)
        desk.answer(("ana", "bob"))
        return desk

    def press(self, number: int) -> None:
        self.desk.type(f"\x1b{number}")
        self.desk.answer(("ana", "bob"))

    def bob_says(self, text: str, room: str = "lobby") -> None:
        self.desk.says(self.desk.event(author="bob", room=room, text=text))

    def bob_writes(self, text: str) -> None:
        self.desk.says(self.desk.event("private", author="bob", text=text, session="7f3c"))

    def said(self) -> list[str]:
        """Return what is on the page of what was said, by others and oneself."""
        return [row.split("] ", 1)[1] for row in self.desk.page if row.startswith("[")]

    def test_what_is_elsewhere_is_counted_until_one_looks(self) -> None:
        desk = self.desk
        self.bob_says("one", "dev")
        self.bob_says("two", "dev")
        desk.says(desk.event("joined", names=["cleo"], room="dev"))
        self.bob_says("here")
        self.assertEqual(self.said(), ["<bob> here"])
        self.assertIn("#lobby · 2 people · Alt-2 #dev (2) · connected", desk.bottom[1])
        desk.type("\r")
        desk.wait(5)
        desk.type("x\x15")
        self.assertIn("#dev (2)", desk.bottom[1])
        self.press(2)
        self.assertEqual(self.said(), ["<bob> one", "<bob> two", "-- cleo joined"])
        self.assertIn("#dev · 2 people · Alt-1 #lobby · connected", desk.bottom[1])

    def test_a_view_begins_with_what_was_there_before(self) -> None:
        desk = self.desk
        past = desk.event(author="bob", room="dev", text="long ago")
        self.bob_says("one", "dev")
        desk.type("\x1b2")
        (asked,) = desk.got("history")
        self.assertEqual((asked.room, asked.before), ("dev", None))
        desk.says(messages.Past(room="dev", events=[past], more=False, gap=False, ref=asked.ref))
        desk.answer(("ana", "bob"))
        self.assertEqual(
            [row.split("] ")[-1] for row in without_days(desk.page)],
            [
                "-- #dev --",
                "<bob> long ago",
                "-- you are in #dev with bob",
                "-- 1 new line --",
                "<bob> one",
            ],
        )
        self.press(1)
        self.press(2)
        self.assertEqual(self.said(), ["<bob> long ago", "<bob> one"])

    def test_what_is_typed_goes_where_one_looks(self) -> None:
        desk = self.desk
        self.press(2)
        desk.type("hi dev\r")
        (say,) = desk.store()
        self.assertEqual((say.room, say.text), ("dev", "hi dev"))
        self.bob_writes("psst")
        self.press(3)
        desk.type("yes?\r")
        (private,) = desk.store()
        self.assertEqual((private.session, private.text), ("7f3c", "yes?"))
        self.assertEqual(self.said(), ["[bob -> you] psst", "[you -> bob] yes?"])
        self.assertEqual(desk.page[0], "-- private, with bob --")
        self.assertEqual(desk.bottom[1].split(" · ")[0], " bob")

    def test_what_one_says_elsewhere_is_shown_where_one_looks(self) -> None:
        desk = self.desk
        desk.type("/say dev one\r")
        desk.type("/msg bob two\r")
        desk.store()
        self.assertEqual(self.said(), ["#dev <ana> one", "[you -> bob] two"])
        self.press(2)
        self.assertEqual(self.said(), ["<ana> one"])
        self.press(3)
        self.assertEqual(self.said(), ["[you -> bob] two"])

    def test_who_writes_privately_is_told_of_once(self) -> None:
        desk = self.desk
        bells = desk.cells.bells
        self.bob_writes("one")
        self.bob_writes("two")
        self.assertEqual(desk.rows[-1], "-- bob writes to you: Alt-3 or /go bob shows it")
        self.assertEqual("\n".join(desk.rows).count("bob writes"), 1)
        self.assertGreater(desk.cells.bells, bells)
        self.assertIn("Alt-3 bob (2)", desk.bottom[1])
        desk.says(desk.event("renamed", author="bob", name="rob"))
        self.assertIn("Alt-3 rob (2)", desk.bottom[1])
        desk.type("/go rob\r")
        self.assertEqual(self.said(), ["[bob -> you] one", "[bob -> you] two"])
        self.assertNotIn("(2)", desk.bottom[1])

    def test_what_was_on_the_screen_has_scrolled_out(self) -> None:
        self.bob_says("in the lobby")
        self.press(2)
        self.assertNotIn("in the lobby", "\n".join(self.desk.page))
        self.assertIn("in the lobby", "\n".join(self.desk.rows))
        self.assertEqual(self.desk.bottom[0], ">")

    def test_a_key_without_a_view_does_nothing(self) -> None:
        rows = self.desk.rows
        self.press(7)
        self.assertEqual(self.desk.rows, rows)

    def test_what_is_typed_stays(self) -> None:
        self.desk.type("half a line")
        self.press(2)
        self.assertEqual(self.desk.bottom[0], "> half a line")

    def test_many_views(self) -> None:
        desk = self.desk
        for number in range(12):
            desk.says(desk.event("private", author=f"p{number}", text="hi", session="1"))
        self.assertEqual(desk.rows[-1], "-- p11 writes to you: /go p11 shows it")
        desk.type("/go 14\r")
        self.assertEqual(self.said(), ["[p11 -> you] hi"])

    def test_all_in_one_view(self) -> None:
        desk = self.sit_down(together=True)
        desk.says(
            desk.event(author="bob", room="dev", text="x"), desk.event(author="bob", text="y")
        )
        self.bob_writes("z")
        shown = ["#dev <bob> x", "<bob> y", "[bob -> you] z"]
        self.assertEqual(self.said(), shown)
        self.assertIn("all, to #lobby · 2 people · 2 #dev (1), 3 bob (1)", desk.bottom[1])
        self.press(2)
        self.assertEqual((self.said(), desk.settings.together), (["<bob> x"], False))
        self.press(0)
        self.assertEqual(self.said(), ["<bob> x", "#lobby <bob> y", "[bob -> you] z"])
        self.assertTrue(desk.settings.together)
        desk.type("hi\r")
        self.assertEqual([say.room for say in desk.store()], ["dev"])
        desk.type("/join lobby\r")
        desk.answer()
        self.assertEqual(desk.rows[-1], "-- you are in #lobby now")
        self.assertTrue(desk.settings.together)

    def test_all_in_one_view_is_read_by_who_presses_keys(self) -> None:
        desk = self.sit_down(together=True)
        desk.type("h")
        self.bob_says("x", "dev")
        desk.wait(5)
        self.assertIn("#dev (1)", desk.bottom[1])
        desk.type("e")
        self.assertIn("Alt-2 #dev ·", desk.bottom[1])
        self.bob_writes("x")
        desk.type("y")
        self.assertIn("bob (1)", desk.bottom[1])
        desk.wait(1)
        self.bob_says("x", "dev")
        self.assertIn("#dev (1)", desk.bottom[1])
        self.assertNotIn("bob (", desk.bottom[1])
        desk.type("\x15\r")
        self.assertNotIn("#dev (", desk.bottom[1])

    def test_a_new_name_is_shown_once(self) -> None:
        for together in (False, True):
            desk = self.sit_down(together)
            desk.says(
                *(
                    desk.event("renamed", author="bob", name="rob", room=room)
                    for room in ("dev", "lobby")
                )
            )
            self.assertEqual(self.said(), ["-- bob is now rob"])

    def test_what_is_missing_is_told_wherever_one_looks(self) -> None:
        desk = self.desk
        gap = "-- some lines are missing here: they were forgotten --"
        self.bob_says("x", "dev")
        desk.says(messages.Notice(text="", gap=True))
        self.assertEqual(desk.rows[-1], gap)
        self.press(2)
        self.assertEqual(desk.rows[-1], gap)

    def test_one_can_go_on_before_the_past_is_there(self) -> None:
        desk = self.desk
        desk.type("\x1b2")
        (asked,) = desk.got("history")
        desk.type("\x1b1")
        past = desk.event(author="bob", room="dev", text="long ago")
        desk.says(messages.Past(room="dev", events=[past], more=False, gap=False, ref=asked.ref))
        desk.answer()
        self.assertEqual(desk.page, ["-- #lobby --"])
        self.press(2)
        self.assertEqual(self.said(), ["<bob> long ago"])


class LossTests(TestCase):
    def test_what_is_typed_is_kept_and_sent(self) -> None:
        desk = Desk(self)
        desk.come_in("bob")
        desk.type("half a li")
        desk.do(desk.link.cut)
        self.assertEqual(desk.rows[-1], "-- the connection to chat.example was lost: it broke off")
        self.assertEqual(desk.bottom[0], "> half a li")
        self.assertIn("no connection: trying again in 1 s", desk.bottom[1])
        desk.type("ne\r")
        self.assertEqual(desk.bottom[:2], ["… half a line", ">"])
        self.assertIn("1 unsent", desk.bottom[2])
        rows = desk.rows
        desk.wait(1)
        desk.do(lambda: desk.endpoint.fail(ConnectionRefusedError()))
        self.assertEqual(desk.rows, rows)
        desk.wait(2)
        desk.resume()
        self.assertEqual(desk.rows[-1], "-- connected again --")

    def test_what_was_not_sent_is_sent_then(self) -> None:
        desk = Desk(self)
        desk.come_in("bob")
        desk.do(desk.link.cut)
        desk.type("hi bob\r")
        desk.wait(1)
        desk.connect()
        desk.welcome(LOBBY, resumed=True)
        (say,) = desk.store()
        desk.says(messages.Live())
        self.assertEqual(say.text, "hi bob")
        self.assertIn("<ana> hi bob", desk.rows[-1])
        self.assertEqual(desk.bottom[0], ">")

    def test_lines_that_were_missed_stand_below_how_many_they_are(self) -> None:
        desk = Desk(self)
        desk.come_in("bob")
        desk.do(desk.link.cut)
        desk.wait(1)
        desk.connect()
        desk.welcome(LOBBY, resumed=True)
        desk.says(*(desk.event(author="bob", text=f"missed {n}") for n in range(3)))
        self.assertNotIn("missed 0", "\n".join(desk.rows))
        desk.says(messages.Live())
        self.assertEqual(
            texts(desk)[-4:], ["-- you were away: 3 lines --", "missed 0", "missed 1", "missed 2"]
        )

    def test_coming_back_as_another_process(self) -> None:
        desk = Desk(self, remembered=Remembered("ana", "t" * 22, "j", 90), name=None)
        self.assertEqual(desk.bottom[0], ">")
        known = desk.event(author="bob", text="known")
        desk.connect()
        desk.welcome(LOBBY, resumed=True)
        desk.says(desk.event(author="bob", text="missed"), messages.Live())
        desk.answer(("ana", "bob"), past=(known,))
        self.assertEqual(
            texts(desk),
            [
                "-- hello ana! /help shows the commands",
                "known",
                "-- you are in #lobby with bob",
                "-- you were away: 1 line --",
                "missed",
            ],
        )

    def test_who_is_gone_without_a_word_is_told(self) -> None:
        """As after a crash of the server: people at telnet can't come back."""
        desk = Desk(self)
        desk.come_in("bob", "cleo", "dora", "eve")
        desk.says(desk.event("joined", names=["zoe"], room="dev"))
        for there, told in (
            (("ana", "eve", "BOB"), ["-- cleo is not here any more"]),
            (("ana",), ["-- BOB and eve are not here any more"]),
            (("ana",), []),
            (("ana", "bob"), []),
        ):
            desk.do(desk.link.cut)
            desk.wait(3)
            desk.connect()
            desk.welcome(LOBBY, resumed=True)
            missed = desk.rows
            desk.says(desk.event("left", names=["dora"]), messages.Live())
            self.assertNotIn("any more", "\n".join(desk.rows[len(missed) :]))
            desk.answer(there)
            found = [row for row in desk.rows[len(missed) :] if "any more" in row]
            self.assertEqual(found, told)

    def test_in_another_room_too_unless_nobody_can_tell(self) -> None:
        desk = Desk(self)
        desk.connect()
        desk.welcome(LOBBY, DEV)
        desk.answer()
        desk.says(desk.event("joined", names=["zoe"], room="dev"))
        desk.do(desk.link.cut)
        desk.wait(3)
        desk.connect()
        desk.welcome(LOBBY, DEV, resumed=True)
        desk.says(messages.Live())
        for who in desk.got("who"):
            # More are there than are named.
            desk.says(messages.WhoIs(room=who.room, people=[], count=1, ref=who.ref))
        self.assertNotIn("any more", "\n".join(desk.rows))
        desk.says(desk.event("joined", names=["yan"], room="dev"))
        desk.do(desk.link.cut)
        desk.wait(3)
        desk.connect()
        desk.welcome(LOBBY, DEV, resumed=True)
        desk.says(messages.Live())
        desk.answer()
        self.assertEqual(desk.rows[-1], "-- connected again --")
        desk.type("\x1b2")
        desk.answer()
        self.assertEqual(desk.rows[-1], "-- yan is not here any more")

    def test_there_never_was_a_connection(self) -> None:
        desk = Desk(self)
        desk.do(lambda: desk.endpoint.fail(ConnectionRefusedError(111)))
        self.assertIn("-- chat.example is not there:", desk.rows[-1])
        self.assertIn("no connection: trying again in", desk.bottom[1])
        desk.type("/who lobby\r")
        self.assertEqual(desk.rows[-1], "-- that waits until there is a connection")
        desk.type("hello\r")
        self.assertEqual(
            desk.rows[-1], "-- there was no connection yet: try it again when there is"
        )
        self.assertEqual(desk.bottom[0], ">")
        desk.type("\x1b[A")
        self.assertEqual(desk.bottom[0], "> hello")

    def test_a_loss_lets_go_of_what_is_held(self) -> None:
        desk = Desk(self)
        desk.connect()
        desk.welcome(LOBBY)
        desk.says(desk.event(author="bob", text="hi"))
        desk.do(desk.link.cut)
        self.assertIn("<bob> hi", desk.rows[-2])
        self.assertIn("was lost", desk.rows[-1])

    def test_a_new_session_is_told(self) -> None:
        desk = Desk(self)
        desk.come_in("bob")
        desk.do(desk.link.cut)
        desk.wait(1)
        desk.connect()
        desk.welcome(LOBBY, gap=True)
        desk.answer(("ana", "bob"))
        self.assertEqual(
            desk.rows[-3:],
            [
                "-- connected again --",
                "-- you are in #lobby with bob",
                "-- some lines are missing here: they were forgotten --",
            ],
        )


class LeavingTests(TestCase):
    def setUp(self) -> None:
        self.desk = Desk(self)
        self.desk.come_in("bob")

    def quit(self) -> messages.Quit:
        (quit,) = self.desk.got("quit")
        assert isinstance(quit, messages.Quit)
        self.desk.do(lambda: (self.desk.link.says(messages.Ok(to="quit")), self.desk.link.cut()))
        return quit

    def test_ctrl_d_leaves(self) -> None:
        self.desk.type("\x04")
        self.quit()
        self.assertEqual(self.desk.statuses, [0])
        self.assertEqual(self.desk.cells.rows[-1], "-- goodbye, ana")

    def test_ctrl_c_empties_the_line_first(self) -> None:
        self.desk.type("half")
        self.desk.type("\x03")
        self.assertEqual(self.desk.bottom[0], ">")
        self.assertEqual(self.desk.got("quit"), [])
        self.desk.type("\x03")
        self.quit()
        self.assertEqual(self.desk.statuses, [0])

    def test_the_command_takes_parting_words(self) -> None:
        self.desk.type("/quit see you\r")
        self.assertEqual(self.quit().text, "see you")

    def test_ctrl_d_within_a_line_deletes(self) -> None:
        self.desk.type("half\x01\x04")
        self.assertEqual(self.desk.bottom[0], "> alf")

    def test_without_a_connection_it_ends_at_once(self) -> None:
        self.desk.do(self.desk.link.cut)
        self.desk.type("\x04")
        self.assertEqual(self.desk.statuses, [0])

    def test_unsent_lines_are_waited_for_unless_one_insists(self) -> None:
        self.desk.do(self.desk.link.cut)
        self.desk.type("unsent\r")
        self.desk.type("\x04")
        self.assertEqual(self.desk.rows[-1], "-- 1 line not sent yet: Ctrl-D again leaves without")
        self.assertEqual(self.desk.statuses, [])
        self.assertEqual(self.desk.bottom[-1], " leaving: Ctrl-D again leaves at once")
        self.desk.type("\x04")
        self.assertEqual(self.desk.statuses, [1])

    def test_being_sent_away(self) -> None:
        complaints: list[str] = []
        self.patch(app, "complain", complaints.append)
        self.desk.says(messages.Replaced(text="you came in from elsewhere"))
        self.assertEqual((self.desk.statuses, complaints), ([1], ["you came in from elsewhere"]))

    def test_it_can_be_stopped_from_without(self) -> None:
        stopped: list[int] = []
        self.desk.do(lambda: self.desk.screen.stop().addCallback(stopped.append))
        self.assertEqual((self.desk.statuses, stopped), ([1], [1]))
        self.assertEqual(self.desk.got("quit"), [])

    def test_it_can_be_stopped_before_and_while_it_begins(self) -> None:
        desk = Desk(self, started=False)
        desk.do(desk.screen.stop)
        self.assertEqual(desk.statuses, [1])
        desk = Desk(self, started=False)
        desk.do(lambda: (desk.start(), desk.screen.stop()))
        self.assertEqual((desk.statuses, desk.cells.rows), ([1], []))

    def test_it_can_be_interrupted(self) -> None:
        self.desk.do(self.desk.screen.interrupt)
        self.quit()
        self.assertEqual(self.desk.statuses, [0])

    def test_the_terminal_is_gone(self) -> None:
        self.desk.glass.broken = True
        self.desk.says(self.desk.event(author="bob", text="hi"))
        self.assertEqual(self.desk.statuses, [0])


class PasteTests(TestCase):
    LONG = "\n".join(["one", "", "two", "three", "four", "five", "six", ""])

    def setUp(self) -> None:
        self.desk = Desk(self)
        self.desk.come_in("bob")

    def texts(self) -> list[str]:
        return [request.text for request in self.desk.got("say", "private")]

    def test_a_short_one_is_in_the_line(self) -> None:
        self.desk.paste("one\r\ntwo")
        self.assertEqual(self.desk.bottom[:2], ["> one", "  two"])
        self.desk.type("\r")
        self.assertEqual(self.texts(), ["one", "two"])

    def test_a_long_one_is_asked_about(self) -> None:
        self.desk.type("so: ")
        self.desk.paste(self.LONG)
        self.assertEqual(
            self.desk.rows[-5:],
            [
                "-- you pasted 6 lines, 26 characters:",
                "--   so: one",
                "--   two",
                "--   three",
                "--   … and 3 more",
            ],
        )
        self.assertEqual(self.desk.bottom[0], "send 6 lines? y/n")
        self.desk.type("x\r")
        self.assertEqual(self.texts(), [])
        self.desk.type("y")
        self.assertEqual(self.texts(), ["so: one", "two", "three", "four", "five", "six"])
        self.assertEqual(self.desk.bottom[-2], ">")

    def test_it_need_not_be_sent(self) -> None:
        self.desk.type("so: ")
        self.desk.paste("x" * 2001)
        self.desk.type("n")
        self.assertEqual(self.desk.rows[-1], "-- nothing of it was sent")
        self.assertEqual(self.desk.bottom[0], "> so:")
        self.assertEqual(self.texts(), [])

    def test_what_is_too_long_comes_back(self) -> None:
        self.desk.paste("x" * 2001)
        self.desk.type("y")
        self.assertEqual(self.desk.bottom[-2], ">")
        self.desk.type("\x1b[A")
        shown = "\n".join(self.desk.cells.rows)
        self.assertIn("-- a line has at most 200 characters; that one has 2,001", shown)
        self.assertIn("x" * 70, shown)
        self.assertEqual(self.texts(), [])

    def test_lines_to_one_person_all_go_there(self) -> None:
        self.desk.type("/msg bob ")
        self.desk.paste("one\ntwo")
        self.desk.type("\r")
        requests = self.desk.got("say", "private")
        self.assertEqual(
            [(r.type, r.text) for r in requests], [("private", "one"), ("private", "two")]
        )


class TypingTests(TestCase):
    def test_tab_completes(self) -> None:
        desk = Desk(self)
        desk.come_in("bob", "cleo", "bobby")
        desk.type("cl\t")
        self.assertEqual(desk.bottom[0], "> cleo:")
        desk.type("\x15bo\t")
        self.assertEqual(desk.bottom[0], "> bob")
        self.assertEqual(desk.bottom[1].split(), ["bob", "bobby"])
        desk.type("\t\t")
        self.assertEqual(desk.bottom[0], "> bobby:")
        desk.type("\x15/jo\t")
        self.assertEqual(desk.bottom[:2], ["> /join", " /join ROOM: go into a room"])
        desk.type("d\t")
        self.assertEqual(desk.bottom[0], "> /join dev")

    def test_what_was_typed_comes_back(self) -> None:
        history = folder_for(self) / "history"
        desk = Desk(self, history=history)
        desk.come_in("bob")
        desk.type("one\r")
        desk.type("two\r")
        desk.type("\x1b[A\x1b[A")
        self.assertEqual(desk.bottom[0], "> one")
        again = Desk(self, history=history)
        again.type("\x1b[A")
        self.assertEqual(again.bottom[0], "> two")

    def test_what_was_typed_is_found(self) -> None:
        desk = Desk(self)
        desk.come_in("bob")
        for text in ("one two", "three"):
            desk.type(f"{text}\r")
            desk.store()
        desk.type("\x12tw")
        self.assertEqual(desk.bottom[:2], ["> one two", "I-search backward: tw"])
        desk.type("\r")
        self.assertEqual(desk.bottom[0], "> one two")

    def test_a_command_that_is_wrong_is_not_glued_to_the_next_line_and_comes_back(self) -> None:
        desk = Desk(self)
        desk.come_in("bob")
        for wrong, why in (
            ("/jion dev", "there is no /jion: did you mean /join?"),
            ("/help keys", "there is no /keys: /help shows what there is"),
            ("/msg bob", "usage: /msg NAME TEXT"),
            ("/bell loud", "the bell rings off, mentions or all"),
        ):
            desk.type(f"{wrong}\r")
            self.assertEqual((desk.rows[-1], desk.bottom[0]), (f"-- {why}", ">"))
            desk.type("\x1b[A")
            self.assertEqual(desk.bottom[0], f"> {wrong}")
            desk.type("\x15good morning all\r")
            (say,) = desk.store()
            self.assertEqual(say.text, "good morning all")

    def test_the_line_is_whole_after_the_size_has_changed(self) -> None:
        desk = Desk(self)
        desk.come_in("bob")
        desk.type("half typed, 日本語")
        desk.resize(40, 24)
        desk.says(desk.event(author="bob", text="in a narrow terminal, folded as it has to be"))
        self.assertEqual(desk.bottom[0], "> half typed, 日本語")
        self.assertEqual(
            [row.partition("] ")[2] or row for row in desk.rows[-2:]],
            ["<bob> in a narrow terminal,", "  folded as it has to be"],
        )
        desk.resize(80, 24)
        self.assertEqual(desk.bottom[0], "> half typed, 日本語")
