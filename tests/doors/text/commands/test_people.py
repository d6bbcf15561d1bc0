from __future__ import annotations

from chatservice.doors.text.commands import COMMANDS
from chatservice.doors.text.view import TEXT
from chatservice.text.grammar import SHORT
from tests.doors.text.commands.support import CrewTestCase, behind, catch_up
from tests.doors.text.commands.test_rooms import NARROW_NAMES
from tests.welcome import entered

USUAL = ["-- timestamps  off", "-- zone        UTC", "-- joins       on"]
NO_ZONE = ["-- there is no such time zone: one is Europe/Berlin, or UTC"]


class WhoisTests(CrewTestCase):
    def test_it_tells_where_somebody_is_and_since_when(self) -> None:
        self.bo.tries("/join dev")
        self.house.tick(3 * 60)
        self.assertEqual(
            self.ana.tries("/whois BO"),
            [
                "-- bo",
                "-- in     #lobby, #dev",
                "-- since  2026-03-14 09:26 UTC",
                "-- idle   3 minutes",
            ],
        )

    def test_how_long_somebody_is_idle_is_the_same_when_the_clock_is_set(self) -> None:
        for step in (-40 * 86_400, 600, 40 * 86_400):
            self.bo.tries("hi")
            self.house.moment += step * 1000
            self.house.tick(3 * 60)
            self.hush()
            self.assertIn("-- idle   3 minutes", self.ana.tries("/whois bo"))

    def test_it_tells_of_who_is_in_no_room_or_away(self) -> None:
        self.bo.tries("/leave", "/away")
        lines = self.ana.tries("/whois bo")
        self.assertIn("-- in     no room", lines)
        self.assertIn("-- away   yes", lines)
        self.assertIn("-- idle   a moment", lines)

    def test_it_tells_who_is_an_operator(self) -> None:
        self.assertEqual(self.ana.tries("/whois eve")[0], "-- eve (operator)")

    def test_whence_and_whether_they_are_muted_is_for_operators(self) -> None:
        self.eve.tries("/mute bo")
        self.hush()
        self.assertEqual(len(self.ana.tries("/whois bo")), 4)
        self.assertEqual(
            self.eve.tries("/whois bo")[-2:], ["-- from   192.0.2.1", "-- muted  for good"]
        )
        self.eve.tries("/mute bo 1h")
        self.bo.member.outlet = self.newcomer("cy", "").outlet
        self.assertEqual(
            self.eve.tries("/whois bo")[-2:],
            ["-- from   this machine", "-- muted  until 2026-03-14 10:26 UTC"],
        )

    def test_who_is_not_there(self) -> None:
        self.assertEqual(self.ana.tries("/whois cy"), ["-- there is no cy here: /who shows who is"])
        self.assertEqual(self.ana.tries("/whois"), ["-- usage: /whois NAME"])

    def test_oneself(self) -> None:
        self.assertEqual(self.ana.tries("/whois ana")[0], "-- ana")

    def test_it_fits_on_a_narrow_terminal(self) -> None:
        people = self.house.gather(*NARROW_NAMES)
        (eli,) = self.house.gather("abcdefghijklmnopqrstuvwy", operator=True)
        words = "out for lunch with 小林さん and the others, back at one or at two"
        for person in (*people, eli):
            person.outlet.address = "2001:db8:1234:5678::abcd:ef01"
            person.tries(f"/join {NARROW_NAMES[-1]}", "/join 小林さん小林さん", f"/away {words}")
        self.eve.tries(*(f"/mute {name} 10d" for name in NARROW_NAMES))
        for name in (*NARROW_NAMES, eli.member.name):
            for reader in (self.eve, self.ana):
                reader.read()
                lines = reader.tries(f"/whois {name}")
                self.assertNarrow(lines)
                told = " ".join(word for line in lines for word in line.split()[1:])
                self.assertIn(f"away {words}", told)


class UptimeTests(CrewTestCase):
    def test_how_long_that_is_is_the_same_when_the_clock_is_set(self) -> None:
        self.house.tick(2 * 60 * 60)
        self.house.moment += 40 * 86_400_000
        self.assertEqual(
            self.ana.tries("/uptime"), ["-- up 2 hours", "-- since 2026-03-14 09:26 UTC"]
        )

    def test_it_tells_since_when_the_house_is_open(self) -> None:
        self.house.tick(2 * 60 * 60)
        self.assertEqual(
            self.ana.tries("/uptime"), ["-- up 2 hours", "-- since 2026-03-14 09:26 UTC"]
        )


class SetTests(CrewTestCase):
    def test_it_shows_how_it_is_set(self) -> None:
        self.assertEqual(self.ana.tries("/set"), USUAL)

    def test_times_stand_in_front_of_what_happens(self) -> None:
        for value, stamp in (
            ("short", "[09:26] "),
            ("FULL", "[2026-03-14 09:26:{}] "),
            ("off", ""),
        ):
            answer = self.ana.tries(f"/set timestamps {value}")
            self.assertEqual(answer[0], f"-- timestamps  {value.lower()}")
            self.bo.tries("hi", "/topic x", "/msg ana hi")
            self.eve.tries("/announce cake")
            lines = self.ana.read()
            seconds = lines[0][18:20] if value == "FULL" else ""
            stamp = stamp.format(seconds)
            self.assertEqual(lines[0], f"{stamp}<bo> hi")
            for line, text in zip(
                lines[1:],
                ("-- bo set the topic: x", "[bo -> you] hi", "-- eve announces: cake"),
                strict=True,
            ):
                self.assertEqual(line[len(stamp) :], text)
            self.hush()

    def test_notices_and_answers_have_none(self) -> None:
        self.ana.tries("/set timestamps full")
        self.assertEqual(self.ana.tries("/topic"), ["-- #lobby has no topic"])
        self.assertEqual(self.ana.tries("/msg bo hi"), ["[you -> bo] hi"])

    def test_times_are_those_of_the_zone(self) -> None:
        self.ana.tries("/set timestamps short")
        self.bo.tries("hi")
        self.hush()
        for typed, zone, time in (
            ("Europe/Berlin", "Europe/Berlin", "10:26"),
            ("europe/berlin", "Europe/Berlin", "10:26"),
            ("america/argentina/buenos_aires", "America/Argentina/Buenos_Aires", "06:26"),
            ("Asia/Kolkata", "Asia/Kolkata", "14:56"),
            ("utc", "UTC", "09:26"),
            ("cet", "CET", "10:26"),
        ):
            lines = self.ana.tries(f"/set zone {typed}")
            self.assertIn(zone, " ".join(lines), typed)
            self.assertNarrow(lines)
            heading, line = self.ana.tries("/history 1")
            self.assertEqual(heading, f"-- the last line of #lobby, times in {zone}:")
            self.assertEqual(line, f"[{time}] <bo> hi")
            self.bo.tries("hi")
            self.assertEqual(self.ana.read(), [f"[{time}] <bo> hi"])

    def test_what_is_no_zone_is_refused_and_no_file_is_read(self) -> None:
        for typed in (
            "../../etc/passwd",
            "/etc/passwd",
            "Europe",
            "America/Argentina",
            ".",
            "..",
            "Europe/../../../etc/passwd",
            "Europe/",
            "/",
            "Europe//Berlin",
            "zone.tab",
            "tzdata.zi",
            "Mars/Olympus",
            "x" * 1900,
            "😀",
            "\ud800",
            "Europe/Ber\0lin",
            "-1",
        ):
            self.assertEqual(self.ana.tries(f"/set zone {typed}"), NO_ZONE, ascii(typed))
        self.assertEqual(self.ana.tries("/set"), USUAL)

    def test_who_comes_and_goes_can_be_left_out(self) -> None:
        self.assertEqual(self.ana.tries("/set joins OFF")[2], "-- joins       off")
        (cy,) = self.house.gather("cy")
        cy.tries("hi", "/nick cyd", "/quit bye")
        self.assertEqual(self.ana.read(), ["<cy> hi", "-- cy is now cyd"])
        self.assertIn("-- cyd left (bye)", self.bo.read())
        self.ana.tries("/set joins on")
        self.house.gather("cy")
        self.assertEqual(self.ana.read(), ["-- cy joined"])

    def test_what_cannot_be_set_is_refused(self) -> None:
        usage = "-- usage: /set [WHAT] [TO], WHAT is timestamps, zone, joins"
        for typed, answer in (
            ("foo", usage),
            ("foo on", usage),
            ("joins", usage),
            ("zone", usage),
            ("joins maybe", "-- joins are on or off"),
            ("timestamps long", "-- timestamps are off, short, full"),
            ("joins on off", "-- usage: /set [WHAT] [TO]"),
        ):
            self.assertEqual(self.ana.tries(f"/set {typed}"), [answer])
        self.assertEqual(self.ana.tries("/set"), USUAL)

    def test_equal_views_are_one(self) -> None:
        for person in (self.ana, self.bo):
            person.tries("/set timestamps short", "/set zone europe/berlin", "/set joins off")
        self.assertIs(self.ana.member.view, self.bo.member.view)
        lobby = self.house.chat.rooms["lobby"]
        self.assertEqual(len(lobby.head), 2)
        for person in (self.ana, self.bo):
            person.tries("/set timestamps off", "/set zone UTC", "/set joins on")
        self.assertEqual(self.ana.member.view, TEXT)
        self.assertEqual(len(lobby.head), 1)

    def test_who_is_behind_sees_what_waits_in_the_new_way(self) -> None:
        behind(self.house, self.bo)
        self.ana.tries("one")
        self.bo.tries("/set timestamps short")
        self.ana.tries("two")
        catch_up(self.house, self.bo)
        self.assertEqual(self.bo.read()[-2:], ["[09:26] <ana> one", "[09:26] <ana> two"])
        self.ana.tries("three")
        self.assertEqual(self.bo.read(), ["[09:26] <ana> three"])

    def test_in_no_room_it_can_be_set(self) -> None:
        self.ana.tries("/leave", "/set timestamps short")
        self.ana.read()
        self.bo.tries("/msg ana hi")
        self.assertEqual(self.ana.read(), ["[09:26] [bo -> you] hi"])


class NickTests(CrewTestCase):
    def test_who_waits_for_a_private_line_keeps_it(self) -> None:
        self.ana.type("/msg bo hi")
        self.bo.type("/nick rob")
        self.house.tick()
        self.assertIn("[ana -> you] hi", self.bo.read())

    def test_who_is_sent_away_does_nothing_more(self) -> None:
        """A command that waited for another comes to its turn when its member is gone."""
        self.bo.type("/join dev", "/join ops", "hi")
        self.eve.type("/kick bo")
        for _ in range(4):
            self.house.tick()
        self.assertEqual(self.house.chat.rooms.keys(), {"lobby", "operators"})
        self.assertEqual(self.ana.tries("/who")[-1:], ["--   ana, eve"])
        self.assertNotIn("hi", [text for _, _, _, text in self.events()])
        self.assertTrue(self.bo.outlet.finished)
        for typed in ("/nick rob", "/msg ana hi", "/me waves"):
            (cy,) = self.house.gather("cy")
            self.hush()
            cy.type("/join dev", typed)
            self.eve.type("/kick cy")
            for _ in range(4):
                self.house.tick()
            self.assertEqual(self.ana.read(), ["-- cy left (kicked)"])
            self.assertIsNone(self.house.chat.find("rob"))


class HelpTests(CrewTestCase):
    def test_it_fits_on_a_narrow_terminal(self) -> None:
        self.assertNarrow(self.eve.tries("/help"))
        self.assertNarrow(self.ana.tries("/help"))
        for name in COMMANDS:
            self.assertNarrow(self.ana.tries(f"/help {name}"))

    def test_of_what_is_no_command(self) -> None:
        self.assertEqual(
            self.ana.tries("/help /" + "x" * 1900),
            [f"-- there is no /{'x' * 24}: /help shows what there is"],
        )


class NamesTests(CrewTestCase):
    def test_everybody_is_listed_in_whatever_rooms_or_in_none(self) -> None:
        self.bo.tries("/leave")
        self.ana.tries("/join dev")
        self.hush()
        for person in (self.ana, self.bo, self.eve):
            self.assertEqual(person.tries("/names"), ["-- 3 people here:", "--   ana  bo  eve"])
            self.assertEqual(person.tries("/names 1"), ["-- 3 people here:", "--   ana  bo  eve"])

    def test_who_has_left_is_not(self) -> None:
        self.bo.tries("/quit")
        self.assertEqual(self.ana.tries("/names")[-1], "--   ana  eve")

    def test_a_page_has_a_hundred_and_says_how_to_see_the_next(self) -> None:
        self.house.gather(*(f"p{number}" for number in reversed(range(202))))
        self.hush()
        first = self.does("/names")
        self.assertEqual(first[0], "-- 205 people here, page 1 of 3:")
        self.assertEqual(first[-1], "-- /names 2 shows the next")
        second, third = self.does("/names 2"), self.does("/names 3")
        self.assertEqual(second[-1], "-- /names 3 shows the next")
        self.assertEqual(third, ["-- 205 people here, page 3 of 3:", *third[1:]])
        self.assertNarrow([*first, *second, *third])
        listed = " ".join(line[2:] for line in (*first[1:-1], *second[1:-1], *third[1:])).split()
        self.assertEqual(listed, ["ana", "bo", "eve", *(f"p{number}" for number in range(202))])
        self.assertEqual(self.does("/names 4"), ["-- there is no page 4: the last is 3"])

    def test_what_is_no_page_is_told_with_the_usage(self) -> None:
        for typed in ("0", "x", "-1", "1 2"):
            self.assertEqual(self.ana.tries(f"/names {typed}"), ["-- usage: /names [PAGE]"])

    def test_it_counts_as_more_lines_the_more_are_looked_through(self) -> None:
        self.ana.outlet.charged = 0.0
        self.ana.tries("/names")
        little = self.ana.outlet.charged
        self.house.gather(*(f"p{number}" for number in range(500)))
        self.ana.outlet.charged = 0.0
        self.ana.tries("/names")
        self.assertGreater(self.ana.outlet.charged, little + 0.4)

    def test_in_a_cluster_that_is_apart_it_says_that_it_may_be_wrong(self) -> None:
        self.house.chat.stale = "it may be otherwise"
        self.assertEqual(self.ana.tries("/names")[-1], "-- it may be otherwise")


class ShortTests(CrewTestCase):
    """What fingers know from elsewhere."""

    def test_they_do_what_the_commands_do(self) -> None:
        self.assertEqual(self.ana.tries("/j dev"), [entered("dev")])
        self.assertEqual(self.ana.tries("/w"), self.ana.tries("/who"))
        self.assertEqual(self.ana.tries("/LIST"), self.ana.tries("/rooms"))
        self.assertEqual(self.ana.tries("/?"), self.ana.tries("/help"))
        self.assertEqual(self.ana.tries("/query bo psst"), ["[you -> bo] psst"])
        self.assertEqual(self.ana.tries("/part"), ["-- you left #dev and are in #lobby now"])
        self.assertEqual(self.ana.tries("/exit"), ["-- goodbye, ana"])

    def test_help_tells_of_the_command(self) -> None:
        for short, name in SHORT.items():
            told = self.ana.tries(f"/help {short}")
            self.assertEqual(told, self.ana.tries(f"/help /{name}"))
            self.assertTrue(told[0].startswith(f"-- /{name}"), short)

    def test_what_is_not_taken_is_told_with_the_command(self) -> None:
        self.assertEqual(self.ana.tries("/j"), ["-- usage: /join ROOM"])
