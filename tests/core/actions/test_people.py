from __future__ import annotations

from tests.core.programs import ProgramTestCase, brief, only


class PeopleTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.ana,) = self.house.gather("ana")
        (self.bot,) = self.gather("bot")
        self.ana.read()

    def test_whois_tells_about_one_person(self) -> None:
        self.house.clock.advance(100)
        self.ana.tries("/away out for lunch")
        self.house.clock.advance(7)
        about = only(self.bot.tries("whois", name="ANA", ref="w"), "whois")
        since = about.pop("since")
        self.assertRegex(since, r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual(
            about,
            {
                "type": "whois",
                "name": "ana",
                "rooms": ["lobby"],
                "idle": 7,
                "away": "out for lunch",
                "ref": "w",
            },
        )

    def test_a_ping_does_not_end_that_somebody_is_idle(self) -> None:
        (zoe,) = self.gather("zoe")
        zoe.tries("say", room="lobby", text="hi")
        self.house.clock.advance(100)
        zoe.tries("ping")
        self.assertGreaterEqual(only(self.bot.tries("whois", name="zoe"), "whois")["idle"], 100)
        zoe.tries("who", room="lobby")
        self.assertEqual(only(self.bot.tries("whois", name="zoe"), "whois")["idle"], 0)

    def test_whois_of_nobody_is_refused(self) -> None:
        for name in ("zoe", "", "x" * 1024, "\u0301" * 1000):
            self.assertEqual(brief(self.bot.tries("whois", name=name)), ["error not_here"])

    def test_uptime_tells_since_when_it_runs(self) -> None:
        before = only(self.bot.tries("uptime"), "uptime")
        self.house.clock.advance(3600)
        up = only(self.bot.tries("uptime", ref=7), "uptime")
        self.assertEqual(up["seconds"] - before["seconds"], 3600)
        self.assertEqual((up["since"], up["ref"]), (before["since"], 7))
