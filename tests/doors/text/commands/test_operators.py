from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from chatservice.core.actions import operating
from chatservice.core.nicknames import NameTaken
from tests.core.support import Person
from tests.doors.text.commands.support import OPERATING, CrewTestCase, behind, catch_up
from tests.welcome import entered

BANNED = "-- you are banned from here"


class ToldTests(CrewTestCase):
    """What operators do is told to operators, and to nobody else."""

    def setUp(self) -> None:
        super().setUp()
        (self.eli,) = self.house.gather("eli", operator=True)
        self.hush()

    def act(self) -> list[str]:
        self.house.gather("cy")
        for typed in (
            "/mute bo 10m",
            "/unmute bo",
            "/lock dev",
            "/unlock dev",
            "/ban 198.51.100.7/24 1h spam",
            "/unban 198.51.100.0/24",
            "/kick cy calm down",
            "/announce cake",
            "/shutdown 1h update",
        ):
            self.eve.tries(typed)
        return [
            "muted bo for 10 minutes",
            "unmuted bo",
            "locked #dev",
            "unlocked #dev",
            "banned 198.51.100.0/24 for 1 hour: spam",
            "unbanned 198.51.100.0/24",
            "kicked cy: calm down",
            "announced: cake",
            "shut the server down in 1 hour: update",
        ]

    def test_who_acts_is_told_that_it_is_done(self) -> None:
        self.eve.tries("/mute bo")
        self.hush()
        self.assertEqual(self.eve.tries("/unmute bo"), ["-- you unmuted bo"])
        self.assertEqual(self.eve.tries("/lock dev"), ["-- you locked #dev"])

    def test_operators_read_it_as_it_happens(self) -> None:
        acts = self.act()
        told = [line for line in self.eli.read() if "#operators" in line]
        self.assertEqual(told, [f"-- #operators: eve {act}" for act in acts])

    def test_operators_read_it_later(self) -> None:
        acts = self.act()
        self.eli.tries("/join operators")
        self.eli.read()
        shown = [f"[09:26] -- eve {act}" for act in acts]
        self.assertEqual(self.eli.tries("/history")[1:], shown)
        late = self.house.arrive("late", operator=True)
        for _ in range(3):
            self.house.tick()
        self.assertEqual([line for line in late.read() if "-- eve" in line], shown)
        behind(self.house, self.eli)
        self.eve.tries("/lock again")
        catch_up(self.house, self.eli)
        self.assertEqual(self.eli.read()[-1], "-- eve locked #again")

    def test_it_is_stored(self) -> None:
        acts = self.act()
        self.assertEqual(self.acts(), [f"eve {act}" for act in acts])

    def test_nobody_else_reads_any_of_it(self) -> None:
        for recent in (0, 2):
            self.come_back(recent=recent)
            slow = self.newcomer("slow")
            behind(self.house, slow)
            self.act()
            self.ana.tries("hi")
            catch_up(self.house, slow)
            new = self.newcomer("new")
            for person in (self.ana, self.bo, slow, new):
                person.tries("/history 1000", "/join operators", "/who operators", "/rooms")
                shown = bytes(person.outlet.received).decode()
                for word in ("muted bo", "locked", "banned", "announced", "shut", "eve kicked"):
                    self.assertNotIn(word, shown.replace("you are muted", ""), word)

    def test_while_the_journal_refuses_nothing_holds_and_nobody_is_told(self) -> None:
        self.house.refuse()
        self.eve.tries("/mute bo", "/lock dev")
        self.assertNotIn("-- you muted bo", self.eve.read())
        self.bo.tries("/join dev")
        self.house.accept()
        self.house.tick(1.0)
        self.house.tick()
        self.assertEqual(
            [line for line in self.eve.read() if "you" in line],
            ["-- you muted bo", "-- you locked #dev"],
        )
        self.assertEqual(self.facts(), [("lock", "dev"), ("mute", "bo")])


class KickTests(CrewTestCase):
    def test_who_is_kicked_is_told_why_and_leaves(self) -> None:
        self.bo.tries("/join dev")
        self.ana.tries("/join dev")
        self.hush()
        self.assertEqual(
            self.eve.tries("/kick BO calm down"),
            ["-- bo left (kicked: calm down)", "-- you kicked bo: calm down"],
        )
        self.assertEqual(self.bo.read(), ["-- you were kicked: calm down"])
        self.assertTrue(self.bo.outlet.finished)
        self.assertEqual(
            sorted(self.ana.read()),
            ["-- #lobby: bo left (kicked: calm down)", "-- bo left (kicked: calm down)"],
        )

    def test_the_log_has_the_address_and_not_the_words(self) -> None:
        with capturedLogs() as logged:
            self.eve.tries("/kick bo calm down")
            self.does("/ban ana spam")
        lines = [formatEvent(event) for event in logged]
        self.assertEqual(lines, ["closed (kicked): 192.0.2.1", "closed (banned): 192.0.2.1"])

    def test_without_a_reason(self) -> None:
        self.eve.tries("/kick bo")
        self.assertEqual(self.bo.read(), ["-- you were kicked"])
        self.assertEqual(self.ana.read(), ["-- bo left (kicked)"])

    def test_who_is_in_no_room(self) -> None:
        self.bo.tries("/leave")
        self.hush()
        self.assertEqual(self.eve.tries("/kick bo"), ["-- you kicked bo"])
        self.assertTrue(self.bo.outlet.finished)

    def test_the_name_is_free_and_one_may_come_back(self) -> None:
        self.eve.tries("/kick bo")
        (back,) = self.house.gather("bo")
        self.ana.read()
        back.tries("hi")
        self.assertEqual(self.ana.read(), ["<bo> hi"])

    def test_who_is_behind_reads_what_there_was_and_is_closed(self) -> None:
        behind(self.house, self.bo)
        self.ana.tries("one")
        self.eve.tries("/kick bo")
        self.ana.tries("two")
        self.assertFalse(self.bo.outlet.finished)
        catch_up(self.house, self.bo)
        self.assertEqual(self.bo.read(), ["-- you were kicked", "<ana> one"])
        self.assertTrue(self.bo.outlet.finished)

    def test_whose_connection_was_lost(self) -> None:
        self.house.chat.attendance.disconnect(self.bo.member)
        self.bo.outlet.lost = True
        self.assertEqual(self.eve.tries("/kick bo")[-1], "-- you kicked bo")
        self.assertEqual(self.ana.read(), ["-- bo left (kicked)"])
        self.assertEqual(self.eve.tries("/kick bo"), ["-- there is no bo here: /who shows who is"])

    def test_oneself_or_nobody(self) -> None:
        self.assertEqual(self.eve.tries("/kick eve"), ["-- that is you: /quit leaves"])
        self.assertEqual(self.eve.tries("/kick cy"), ["-- there is no cy here: /who shows who is"])
        self.assertEqual(self.acts(), [])

    def test_by_who_is_kicked_at_the_same_time(self) -> None:
        (eli,) = self.house.gather("eli", operator=True)
        self.eve.type("/kick eli")
        eli.type("/kick eve")
        for _ in range(3):
            self.house.tick()
        self.assertEqual(self.acts(), ["eve kicked eli"])

    def test_while_the_journal_refuses(self) -> None:
        self.house.refuse()
        self.ana.tries("hi")
        self.eve.tries("/kick bo")
        self.assertTrue(self.bo.outlet.finished)
        self.assertNotIn("-- bo left (kicked)", self.ana.read())
        self.house.accept()
        self.house.tick(1.0)
        self.house.tick()
        self.assertIn("-- bo left (kicked)", self.ana.read())


class BanTests(CrewTestCase):
    def setUp(self) -> None:
        super().setUp()
        for person, address in ((self.ana, "203.0.113.5"), (self.bo, "198.51.100.7")):
            person.outlet.address = address

    def assertTurnedAway(self, address: str, why: str = "") -> None:
        self.hush()
        stranger = self.newcomer("stranger", address)
        self.assertEqual(stranger.read(), [BANNED + why])
        self.assertTrue(stranger.outlet.finished)
        self.assertIsNone(self.house.chat.find("stranger"))
        self.assertEqual(self.ana.read(), [])

    def assertLetIn(self, address: str) -> None:
        stranger = self.newcomer("stranger", address)
        self.assertFalse(stranger.outlet.finished)
        stranger.tries("/quit")
        self.hush()

    def test_who_is_connected_from_there_is_sent_away(self) -> None:
        self.assertEqual(
            self.does("/ban 198.51.100.0/24 1h spam"),
            ["-- you banned 198.51.100.0/24 for 1 hour: spam", "-- bo left (banned)"],
        )
        self.assertEqual(self.bo.read(), [f"{BANNED} until 2026-03-14 10:26 UTC: spam"])
        self.assertTrue(self.bo.outlet.finished)
        self.assertEqual(self.ana.read(), ["-- bo left (banned)"])

    def test_who_comes_from_there_is_turned_away(self) -> None:
        self.does("/ban 198.51.100.0/24 1h spam")
        self.hush()
        for address in ("198.51.100.0", "198.51.100.255", "::ffff:198.51.100.1"):
            self.assertTurnedAway(address, " until 2026-03-14 10:26 UTC: spam")
        for address in ("198.51.101.0", "2001:db8::1", "", "/run/chat.sock"):
            self.assertLetIn(address)

    def test_an_operator_is_neither_sent_away_nor_turned_away(self) -> None:
        self.eve.outlet.address = "198.51.100.9"
        self.does("/ban 198.51.100.0/24")
        self.assertFalse(self.eve.outlet.finished)
        eli = Person(self.house)
        eli.outlet.address = "198.51.100.8"
        eli.enter("eli", operator=True)
        self.house.tick()
        self.assertFalse(eli.outlet.finished)

    def test_by_name_it_is_the_address(self) -> None:
        self.assertIn("-- you banned 198.51.100.7 (bo)", self.does("/ban BO"))
        self.assertEqual(self.facts(), [("ban", "198.51.100.7/32")])
        self.assertTrue(self.bo.outlet.finished)

    def test_by_name_it_is_all_that_one_person_has(self) -> None:
        self.bo.outlet.address = "2001:db8::aa:bb:cc%eth0"
        self.assertIn("-- you banned 2001:db8::/64 (bo)", self.does("/ban bo"))
        self.ana.read()
        self.assertTurnedAway("2001:db8::dd")
        self.assertLetIn("2001:db8:0:1::")

    def test_a_zone_does_not_count(self) -> None:
        self.bo.outlet.address = "fe80::7%eth0"
        self.assertIn("-- you banned fe80::7", self.does("/ban fe80::7%eth1"))
        self.assertTrue(self.bo.outlet.finished)

    def test_who_is_called_like_an_address_is_not_meant_by_it(self) -> None:
        (cy,) = self.house.gather("192.0.2.77")
        cy.outlet.address = "203.0.113.9"
        self.does("/ban 192.0.2.77")
        self.assertEqual(self.facts(), [("ban", "192.0.2.77/32")])
        self.assertFalse(cy.outlet.finished)

    def test_who_is_on_this_machine(self) -> None:
        self.bo.outlet.address = ""
        self.assertEqual(self.does("/ban bo"), ["-- bo is on this machine"])

    def test_what_is_no_network_is_refused(self) -> None:
        for typed, why in (
            ("0.0.0.0/0", "that is too many addresses"),
            ("::/0", "that is too many addresses"),
            ("10.0.0.0/7", "that is too many addresses"),
            ("192.0.2.0/33", "the prefix of that network is longer than /32"),
            ("192.0.2.300", "that is no IP address or network"),
            ("cy", "that is no IP address or network"),
            ("x" * 1900, "that is no IP address or network"),
        ):
            for command in ("ban", "unban"):
                self.assertEqual(self.eve.tries(f"/{command} {typed}"), [f"-- {why}"])
        self.assertEqual((self.acts(), self.facts()), ([], []))

    def test_it_lasts_as_long_when_the_clock_is_set(self) -> None:
        for step in (-86_400, 600, 40 * 86_400):
            self.does("/ban 198.51.100.0/24 1h")
            self.house.moment += step * 1000
            self.hush()
            self.house.tick(60 * 60 - 10)
            self.assertIn("-- you are banned", self.newcomer("x", "198.51.100.1").read()[0], step)
            self.house.tick(10)
            self.assertLetIn("198.51.100.1")

    def test_it_ends_by_itself(self) -> None:
        self.does("/ban 198.51.100.0/24 1h", "/ban 192.0.2.128/25")
        self.hush()
        self.house.tick(60 * 60 - 10)
        self.assertTurnedAway("198.51.100.1", " until 2026-03-14 10:26 UTC")
        self.house.tick(10)
        self.assertLetIn("198.51.100.1")
        self.assertEqual(self.eve.tries("/bans"), ["-- 192.0.2.128/25  for good"])
        self.assertEqual(
            self.does("/unban 198.51.100.0/24"),
            ["-- 198.51.100.0/24 is not banned: /bans shows who is"],
        )
        self.assertEqual(len(self.facts()), 2)
        self.does("/lock dev")
        self.assertEqual(self.facts(), [("ban", "192.0.2.128/25"), ("lock", "dev")])

    def test_what_is_over_can_hold_again(self) -> None:
        self.does("/ban 198.51.100.0/24 1s", "/mute ana 1s")
        self.hush()
        self.house.tick(10)
        self.does("/mute ana")
        self.does("/ban 198.51.100.0/24")
        self.assertEqual(self.facts(), [("ban", "198.51.100.0/24"), ("mute", "ana")])
        self.assertTurnedAway("198.51.100.1")
        self.assertEqual(self.ana.tries("hi"), ["-- you are muted"])

    def test_also_if_two_operators_act_at_once(self) -> None:
        (eli,) = self.house.gather("eli", operator=True)
        self.does("/mute ana 1s")
        self.house.tick(10)
        self.hush()
        self.eve.type("/mute ana")
        eli.type("/lock dev")
        for _ in range(3):
            self.house.tick()
        self.assertEqual(self.facts(), [("lock", "dev"), ("mute", "ana")])
        self.assertEqual(self.ana.tries("hi")[-1], "-- you are muted")

    def test_one_that_is_over_hides_no_wider_one(self) -> None:
        self.does("/ban 198.51.0.0/16 1d", "/ban 198.51.100.0/24 1h")
        self.hush()
        self.house.tick(2 * 60 * 60)
        self.assertTurnedAway("198.51.100.1", " until 2026-03-15 09:26 UTC")
        self.assertEqual(len(self.facts()), 2)
        self.does("/lock dev")
        self.assertEqual(self.facts(), [("ban", "198.51.0.0/16"), ("lock", "dev")])

    def test_another_takes_the_place_of_the_first(self) -> None:
        self.does("/ban 198.51.100.0/24 1h", "/ban 198.51.100.9/24 2h more")
        self.assertEqual(self.facts(), [("ban", "198.51.100.0/24")])
        self.hush()
        self.house.tick(60 * 60)
        self.assertTurnedAway("198.51.100.1", " until 2026-03-14 11:26 UTC: more")

    def test_it_can_be_taken_back(self) -> None:
        self.does("/ban 198.51.100.0/24")
        self.hush()
        self.assertEqual(self.does("/unban 198.51.100.7/24"), ["-- you unbanned 198.51.100.0/24"])
        self.assertLetIn("198.51.100.1")
        self.assertEqual(self.facts(), [])
        self.assertEqual(
            self.does("/unban 198.51.100.1"),
            ["-- 198.51.100.1 is not banned: /bans shows who is"],
        )

    def test_it_outlives_a_restart(self) -> None:
        self.does("/ban 198.51.100.0/24 1h spam: 小林")
        self.come_back()
        self.assertTurnedAway("198.51.100.1", " until 2026-03-14 10:26 UTC: spam: 小林")
        self.house.tick(60 * 60)
        self.come_back()
        self.assertLetIn("198.51.100.1")
        self.assertEqual(self.eve.tries("/bans"), ["-- nobody is banned"])

    def test_not_too_many(self) -> None:
        self.patch(operating, "BANS_MOST", 2)
        self.does("/ban 198.51.100.1 1h", "/ban 198.51.100.2")
        self.hush()
        full = ["-- there are 2 bans already: /unban some first"]
        self.assertEqual(self.does("/ban 198.51.100.3"), full)
        self.house.tick(60 * 60)
        self.assertEqual(self.does("/ban 198.51.100.3"), ["-- you banned 198.51.100.3"])

    def test_a_name_that_is_taken_is_taken_also_for_who_is_banned(self) -> None:
        self.does("/ban 198.51.100.0/24")
        stranger = Person(self.house)
        stranger.outlet.address = "198.51.100.1"
        self.failureResultOf(stranger.enter("ana"), NameTaken)

    def test_they_are_listed(self) -> None:
        self.assertEqual(self.eve.tries("/bans"), ["-- nobody is banned"])
        self.does(
            "/ban 2001:db8:1234:5678::/64 1h",
            "/ban 198.51.100.0/24 2d selling things that nobody wants, 小林さん says",
            "/ban 198.51.100.1",
        )
        self.hush()
        lines = self.eve.tries("/bans")
        self.assertNarrow(lines)
        self.assertEqual(
            " ".join(word for line in lines for word in line.split()[1:]),
            "198.51.100.0/24 until 2026-03-16 09:26 UTC: selling things that nobody wants, "
            "小林さん says 198.51.100.1 for good "
            "2001:db8:1234:5678::/64 until 2026-03-14 10:26 UTC",
        )

    def test_of_very_many_the_first_are_listed(self) -> None:
        self.patch(operating, "BANS_LISTED", 2)
        self.does(*(f"/ban 198.51.100.{number}" for number in range(1, 6)))
        self.hush()
        self.assertEqual(
            self.eve.tries("/bans"),
            ["-- 198.51.100.1  for good", "-- 198.51.100.2  for good", "-- and 3 more"],
        )


class MuteTests(CrewTestCase):
    def test_who_is_muted_is_told_and_heard_by_nobody(self) -> None:
        self.assertEqual(self.eve.tries("/mute BO 10m"), ["-- you muted bo for 10 minutes"])
        muted = ["-- you are muted until 2026-03-14 09:36 UTC"]
        self.assertEqual(self.bo.read(), muted)
        self.assertEqual(self.bo.tries("hi"), muted)
        self.assertEqual(self.ana.read(), [])

    def test_it_has_a_reason(self) -> None:
        self.assertEqual(
            self.eve.tries("/mute bo 10m caps"), ["-- you muted bo for 10 minutes: caps"]
        )
        muted = ["-- you are muted until 2026-03-14 09:36 UTC: caps"]
        self.assertEqual(self.bo.read(), muted)
        self.assertEqual(self.bo.tries("hi"), muted)
        self.come_back()
        self.assertEqual(self.bo.tries("hi"), muted)
        told = "-- muted  until 2026-03-14 09:36 UTC: caps"
        self.assertIn("caps", " ".join(self.eve.tries("/whois bo")), told)
        self.eve.tries("/mute bo not in this tone")
        self.bo.read()
        self.assertEqual(self.bo.tries("hi"), ["-- you are muted: not in this tone"])
        acts = ["eve muted bo for 10 minutes: caps", "eve muted bo: not in this tone"]
        self.assertEqual(self.acts(), acts)

    def test_it_ends_by_itself(self) -> None:
        self.eve.tries("/mute bo 10m", "/mute ana")
        self.hush()
        self.house.tick(10 * 60)
        self.assertEqual(self.bo.tries("hi"), [])
        self.assertEqual(self.ana.read(), ["<bo> hi"])
        self.eve.read()
        self.assertEqual(self.eve.tries("/unmute bo"), ["-- bo is not muted"])
        self.assertEqual(self.facts(), [("mute", "ana"), ("mute", "bo")])
        self.eve.tries("/lock dev")
        self.assertEqual(self.facts(), [("lock", "dev"), ("mute", "ana")])

    def test_it_lasts_as_long_when_the_clock_is_set(self) -> None:
        for step in (-86_400, 600, 40 * 86_400):
            self.eve.tries("/mute bo 10m")
            self.house.moment += step * 1000
            self.hush()
            self.house.tick(9 * 60)
            self.assertIn("-- you are muted", self.bo.tries("hi")[0], step)
            self.house.tick(60)
            self.assertEqual(self.bo.tries("hi"), [], step)

    def test_it_can_be_taken_back(self) -> None:
        self.eve.tries("/mute bo")
        self.hush()
        self.assertEqual(self.eve.tries("/unmute BO"), ["-- you unmuted bo"])
        self.assertEqual(self.bo.read(), ["-- you may speak again"])
        self.bo.tries("hi")
        self.assertEqual(self.ana.read(), ["<bo> hi"])
        self.assertEqual(self.facts(), [])

    def test_also_of_who_is_not_there(self) -> None:
        self.eve.tries("/mute bo")
        self.bo.tries("/quit")
        self.hush()
        self.assertEqual(self.eve.tries("/unmute bo"), ["-- you unmuted bo"])

    def test_it_outlives_a_connection_and_a_restart(self) -> None:
        self.eve.tries("/mute bo 10m")
        self.bo.tries("/quit")
        (self.bo,) = self.house.gather("Bo")
        muted = ["-- you are muted until 2026-03-14 09:36 UTC"]
        self.assertEqual(self.bo.tries("hi"), muted)
        self.come_back()
        self.assertEqual(self.bo.tries("hi"), muted)

    def test_it_cannot_be_escaped_by_another_name(self) -> None:
        self.eve.tries("/mute bo")
        self.bo.read()
        self.assertEqual(self.bo.tries("/nick rob"), ["-- you are muted"])
        self.assertEqual(self.bo.member.name, "bo")

    def test_operators_are_not_muted_nor_is_nobody(self) -> None:
        self.assertEqual(self.eve.tries("/mute eve"), ["-- eve is an operator"])
        self.assertEqual(self.eve.tries("/mute cy"), ["-- there is no cy here: /who shows who is"])
        self.assertEqual(
            self.eve.tries("/mute bo 5 minutes"), ["-- usage: /mute NAME [DURATION] [REASON]"]
        )
        self.assertEqual(self.eve.tries("/unmute bo"), ["-- bo is not muted"])
        self.assertEqual(self.facts(), [])

    def test_not_too_many(self) -> None:
        self.patch(operating, "MUTES_MOST", 1)
        self.eve.tries("/mute bo 1h")
        self.hush()
        full = ["-- 1 names are muted already: /unmute some first"]
        self.assertEqual(self.eve.tries("/mute ana"), full)
        self.house.tick(60 * 60)
        self.assertEqual(self.eve.tries("/mute ana"), ["-- you muted ana"])

    def test_what_was_said_before_is_shown(self) -> None:
        self.bo.type("hi")
        self.eve.type("/mute bo")
        self.house.tick()
        self.assertEqual(self.ana.read(), ["<bo> hi"])

    def test_who_quits_meanwhile_stops_nothing(self) -> None:
        self.eve.type("/mute bo", "/unmute bo")
        self.bo.lose()
        for _ in range(3):
            self.house.tick()
        self.assertEqual(self.acts(), ["eve muted bo", "eve unmuted bo"])


class AnnounceTests(CrewTestCase):
    def test_everybody_reads_it_wherever_they_are(self) -> None:
        self.ana.tries("/leave")
        self.bo.tries("/join dev")
        self.hush()
        self.assertEqual(
            self.eve.tries("/announce  cake  for all"), ["-- you announced: cake  for all"]
        )
        for person in (self.ana, self.bo):
            self.assertEqual(person.read(), ["-- eve announces: cake  for all"])
        self.assertEqual(self.addressed(), [("announced", "eve", "cake  for all")])

    def test_who_comes_later_does_not(self) -> None:
        self.eve.tries("/announce cake")
        self.assertNotIn("cake", str(self.newcomer("cy").read()))
        self.assertNotIn("cake", str(self.ana.tries("/history")[1:]))

    def test_whose_connection_was_lost_is_left_out(self) -> None:
        self.house.chat.attendance.disconnect(self.bo.member)
        self.bo.outlet.lost = True
        self.eve.tries("/announce cake")
        self.assertEqual(self.ana.read(), ["-- eve announces: cake"])


class LockTests(CrewTestCase):
    def test_it_outlives_a_restart_and_ends_when_it_is_unlocked(self) -> None:
        self.eve.tries("/lock #Dev")
        self.come_back()
        locked = ["-- #dev is locked: nobody can come in now"]
        self.assertEqual(self.ana.tries("/join dev"), locked)
        self.assertEqual(self.eve.tries("/unlock dev"), ["-- you unlocked #dev"])
        self.assertEqual(self.ana.tries("/join dev"), [entered("dev")])
        self.assertEqual(self.facts(), [])

    def test_what_is_not_to_be_locked_or_unlocked(self) -> None:
        self.eve.tries("/lock dev")
        self.hush()
        for typed, answer in (
            ("/lock dev", "#dev is locked already"),
            ("/lock operators", "#operators is for operators anyway"),
            ("/unlock lobby", "#lobby is not locked"),
            ("/unlock nowhere", "#nowhere is not locked"),
            ("/lock a,b", "',' can't be part of a room's name"),
            ("/unlock a,b", "',' can't be part of a room's name"),
        ):
            self.assertEqual(self.eve.tries(typed), [f"-- {answer}"])
        self.assertEqual(self.facts(), [("lock", "dev")])

    def test_where_people_land_it_lets_them_nowhere(self) -> None:
        self.eve.tries("/lock lobby")
        lines = self.newcomer("cy").read()
        self.assertEqual(lines[-1], "-- #lobby is locked: nobody can come in now")
        self.assertEqual(self.ana.tries("hi"), [])


class StatsTests(CrewTestCase):
    def test_it_tells_how_it_is_doing(self) -> None:
        self.house.chat.connections = lambda: 12_345
        behind(self.house, self.bo)
        self.ana.tries("one", "two")
        self.bo.tries("three")
        self.hush()
        lines = self.eve.tries("/stats")
        self.assertNarrow(lines)
        rows = [line.removeprefix("-- ").split(maxsplit=1) for line in lines]
        self.assertEqual(
            rows[:5],
            [
                ["connections", "12,345"],
                ["members", "3"],
                ["behind", "1"],
                ["rooms", "2"],
                ["lines", "3"],
            ],
        )
        self.assertRegex(rows[5][1], r"^0\.0 ms, at most 0\.0$")
        self.assertRegex(rows[6][1], r"^0\.\d MB$")

    def test_connections_are_members_if_nobody_knows_better(self) -> None:
        self.assertEqual(self.eve.tries("/stats")[0], "-- connections  3")

    def test_it_is_narrow_also_if_it_is_doing_much(self) -> None:
        self.house.chat.connections = lambda: 1_234_567
        self.house.chat.talked = 10**12
        self.house.chat.ticker.times.extend([123.456] * 1000)
        self.assertNarrow(self.eve.tries("/stats"))

    def test_before_the_first_tick(self) -> None:
        self.house.chat.ticker.times.clear()
        self.assertIn("-- ticks        0.0 ms, at most 0.0", self.eve.tries("/stats"))


class ShutdownTests(CrewTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stopped: list[tuple[float, str]] = []
        self.house.chat.shutdown = lambda reason: self.stopped.append(
            (round(self.house.clock.seconds() - self.began, 3), reason)
        )
        self.began = self.house.clock.seconds()

    def test_it_is_announced_and_done_in_time(self) -> None:
        self.assertEqual(
            self.eve.tries("/shutdown 90 back soon"),
            ["-- you shut the server down in 1 minute and 30 seconds: back soon"],
        )
        told = "-- eve announces: the server goes down in 1 minute and 30 seconds: back soon"
        self.assertEqual(self.ana.read(), [told])
        self.assertEqual(self.stopped, [])
        self.house.tick(80)
        self.assertEqual(self.stopped, [])
        self.house.tick(10)
        self.assertEqual([reason for _, reason in self.stopped], ["back soon"])

    def test_it_may_be_given_as_a_duration(self) -> None:
        self.eve.tries("/shutdown 2m update")
        self.house.tick(119)
        self.assertEqual(self.stopped, [])
        self.house.tick(1)
        self.assertEqual([reason for _, reason in self.stopped], ["update"])

    def test_at_once(self) -> None:
        for typed, reason in (
            ("/shutdown", ""),
            ("/shutdown 0 x", "x"),
            ("/shutdown now", ""),
            ("/shutdown NOW back soon", "back soon"),
        ):
            self.stopped.clear()
            self.eve.tries(typed)
            self.assertEqual([r for _, r in self.stopped], [reason])
            words = f": {reason}" if reason else ""
            told = self.ana.read()
            self.assertEqual(told, [f"-- eve announces: the server goes down now{words}"])

    def test_the_last_word_counts(self) -> None:
        (eli,) = self.house.gather("eli", operator=True)
        self.eve.tries("/shutdown 10 one")
        eli.tries("/shutdown 20 two")
        self.house.tick(15)
        self.assertEqual(self.stopped, [])
        self.house.tick(10)
        self.assertEqual([reason for _, reason in self.stopped], ["two"])
        self.eve.tries("/shutdown 1 three")
        self.house.tick(1)
        self.assertEqual(self.stopped[-1][1], "three")

    def test_what_is_no_time_stops_nothing(self) -> None:
        usage = ["-- usage: /shutdown [WHEN [REASON]], WHEN is 90, 10m, now or cancel"]
        for typed in ("abc", "cancelled", "5 minutes", "update 60", "5x", "-5"):
            self.assertEqual(self.eve.tries(f"/shutdown {typed}"), usage, typed)
        self.house.tick(400)
        self.assertEqual((self.stopped, self.ana.read()), ([], []))

    def test_it_can_be_called_off(self) -> None:
        for typed, why in (("/shutdown cancel", ""), ("/shutdown Cancel not yet", ": not yet")):
            self.eve.tries("/shutdown 10 update")
            self.ana.read()
            self.assertEqual(
                self.eve.tries(typed), [f"-- you called the shutdown of the server off{why}"]
            )
            told = [f"-- eve announces: the server does not go down{why}"]
            self.assertEqual(self.ana.read(), told)
            self.house.tick(20)
            self.assertEqual(self.stopped, [])
            self.assertEqual(
                self.eve.tries("/shutdown cancel"), ["-- the server was not to go down"]
            )
        self.assertEqual(self.ana.read(), [])
        self.assertEqual(self.acts()[-1], "eve called the shutdown of the server off: not yet")
        self.eve.tries("/shutdown 10")
        self.house.tick(10)
        self.assertEqual(len(self.stopped), 1)

    def test_a_house_that_stops_before_is_left_alone(self) -> None:
        self.eve.tries("/shutdown 10")
        self.successResultOf(self.house.stop())
        self.house.tick(20)
        self.assertEqual(self.stopped, [])

    def test_without_a_service_nothing_happens(self) -> None:
        self.successResultOf(self.house.stop())
        self.enter()
        self.eve.tries("/shutdown")
        self.assertEqual(self.ana.tries("hi")[-1:], ["-- eve announces: the server goes down now"])


class RoomOfActsTests(CrewTestCase):
    def test_an_operator_in_many_rooms_is_told_once(self) -> None:
        (eli,) = self.house.gather("eli", operator=True)
        eli.tries("/join dev", "/join ops")
        self.eve.tries("/join dev", "/join ops")
        eli.read()
        self.eve.tries("/lock dev")
        self.assertEqual(eli.read(), ["-- #operators: eve locked #dev"])

    def test_where_no_operator_is_left_it_is_still_told_there(self) -> None:
        self.eve.tries("/leave operators", "/lock dev")
        self.assertNotIn(OPERATING, self.house.chat.rooms)
        self.assertEqual(self.acts(), ["eve locked #dev"])
