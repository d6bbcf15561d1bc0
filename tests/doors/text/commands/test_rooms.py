from __future__ import annotations

from tests.doors.text.commands.support import CrewTestCase, behind
from tests.welcome import entered

NARROW_NAMES = (
    "小林さん",
    "김철수이영희박",
    "ကြောင်ကြောင်",
    "zo\u0308e\u0301",
    "Ελευθερία",
    "abcdefghijklmnopqrstuvwx",
)


class LockedTests(CrewTestCase):
    def test_a_locked_room_is_marked(self) -> None:
        self.bo.tries("/join dev")
        self.eve.tries("/lock dev", "/lock nowhere")
        self.hush()
        self.assertEqual(
            self.bo.tries("/rooms"), ["-- 3  #lobby (yours)", "-- 1  #dev (you are here) (locked)"]
        )
        self.assertEqual(self.ana.tries("/rooms")[1:], ["-- 1  #dev (locked)"])

    def test_operators_are_shown_those_that_nobody_is_in(self) -> None:
        self.eve.tries("/lock nowhere")
        self.hush()
        self.assertEqual(self.eve.tries("/rooms")[-1], "-- 0  #nowhere (locked)")
        self.assertEqual(self.ana.tries("/rooms"), ["-- 3  #lobby (you are here)"])

    def test_nobody_comes_in_and_who_is_in_stays(self) -> None:
        self.bo.tries("/join dev")
        self.eve.tries("/lock dev")
        locked = ["-- #dev is locked: nobody can come in now"]
        self.hush()
        self.assertEqual(self.ana.tries("/join dev"), locked)
        self.assertEqual(self.bo.tries("/join lobby", "/join dev")[-1], "-- you are in #dev now")
        self.assertEqual(self.bo.tries("/leave dev", "/join dev")[-1:], locked)

    def test_operators_come_in(self) -> None:
        self.eve.tries("/lock dev")
        self.assertEqual(self.eve.tries("/join dev"), [entered("dev")])


class OperatorsRoomTests(CrewTestCase):
    def test_it_is_hidden_from_who_is_no_operator(self) -> None:
        self.assertEqual(self.ana.tries("/rooms"), ["-- 3  #lobby (you are here)"])
        for typed in ("operators", "#Operators", "OPERATORS"):
            self.assertEqual(self.ana.tries(f"/who {typed}"), ["-- nobody is in #operators"])
            self.assertEqual(self.ana.tries(f"/join {typed}"), ["-- #operators is for operators"])
            self.assertEqual(self.ana.tries(f"/leave {typed}"), ["-- you are not in #operators"])
        self.assertIn("-- in     #lobby", self.ana.tries("/whois eve"))
        self.assertEqual(self.eve.read(), [])

    def test_operators_see_it(self) -> None:
        self.assertEqual(
            self.eve.tries("/rooms"), ["-- 3  #lobby (you are here)", "-- 1  #operators (yours)"]
        )
        self.assertEqual(
            self.eve.tries("/who operators"), ["-- 1 person in #operators:", "--   eve"]
        )
        self.assertIn("-- in     #operators, #lobby", self.eve.tries("/whois eve"))

    def test_an_operator_may_leave_it_and_come_back(self) -> None:
        self.assertEqual(self.eve.tries("/leave operators"), ["-- you left #operators"])
        self.assertEqual(self.eve.tries("/kick bo")[-1], "-- you kicked bo")
        self.eve.tries("/join operators")
        self.assertIn("[09:26] -- eve kicked bo", self.eve.tries("/history"))

    def test_an_operator_may_be_in_more_rooms_than_others(self) -> None:
        self.successResultOf(self.house.stop())
        self.enter(max_rooms_per_member=1, max_rooms=2)
        self.eve.tries(*(f"/join r{number}" for number in range(5)))
        self.assertEqual(len(self.eve.member.rooms()), 7)
        self.assertIn("already", self.ana.tries("/join r0")[-1])


class WhoTests(CrewTestCase):
    def test_it_fits_on_a_narrow_terminal(self) -> None:
        room = "abcdefghijklmnopqrstuvwx"
        people = self.house.gather(*NARROW_NAMES, room=room)
        for person in people:
            person.tries("/away")
        self.hush()
        lines = self.ana.tries(f"/who {room}")
        self.assertNarrow(lines)
        for name in NARROW_NAMES:
            self.assertIn(f"{name} (away)", " ".join(lines))

    def test_everybody_is_listed_once(self) -> None:
        names = [f"p{number}" for number in range(120)]
        self.house.gather(*names, room="dev")
        self.hush()
        _, *lines = self.ana.tries("/who dev")
        self.assertNarrow(lines)
        self.assertEqual("".join(line[3:] for line in lines).replace(" ", "").split(","), names)


class HistoryTests(CrewTestCase):
    def test_who_loses_the_connection_while_looking_back_waits_for_nothing(self) -> None:
        behind(self.house, self.bo)
        self.ana.tries("one")
        self.bo.type("/history", "hi")
        self.assertFalse(self.bo.idle)
        self.bo.lose()
        for _ in range(3):
            self.house.tick()
        self.assertEqual(self.ana.read(), ["<bo> hi", "-- bo left"])
