from __future__ import annotations

from chatservice.core.actions import people
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


class NamesTests(ProgramTestCase):
    def test_a_page_has_as_many_as_are_asked_for(self) -> None:
        house = self.house
        house.gather("ana", "Änne", "bo", operator=False)
        (bot,) = self.gather("bot")
        (page,) = bot.tries("names", ref="n")
        names = ["ana", "Änne", "bo", "bot"]
        whole = {"type": "names", "names": names, "count": 4, "page": 1, "pages": 1, "ref": "n"}
        self.assertEqual(page, whole)
        (page,) = bot.tries("names", page=2, limit=3)
        wanted = {"type": "names", "names": ["bot"], "count": 4, "page": 2, "pages": 2}
        self.assertEqual(page, wanted)
        (page,) = bot.tries("names", page=3, limit=3)
        self.assertEqual((page["names"], page["pages"]), ([], 2))

    def test_a_limit_that_is_none_counts_as_the_nearest(self) -> None:
        self.house.gather("ana")
        (bot,) = self.gather("bot")
        self.assertEqual(bot.tries("names", limit=0)[0]["names"], ["ana"])
        self.patch(people, "NAMES_TOLD", 1)
        self.assertEqual(bot.tries("names", limit=500, page=2)[0]["names"], ["bot"])

    def test_there_is_no_page_before_the_first(self) -> None:
        (bot,) = self.gather("bot")
        self.assertEqual(brief(bot.tries("names", page=0)), ["error bad_field"])

    def test_a_program_that_is_away_is_here_until_its_grace_ends(self) -> None:
        (bot, other) = self.gather("bot", "other")
        other.lose()
        self.assertEqual(bot.tries("names")[0]["names"], ["bot", "other"])

    def test_of_a_crowd_each_name_is_on_one_page(self) -> None:
        crowd = [f"p{number}" for number in range(350)]
        self.house.gather(*reversed(crowd))
        (bot,) = self.gather("bot")
        told = []
        for page in range(1, 5):
            bot.ask("names", page=page, limit=100)
            for _ in range(12):
                self.house.tick()
            told += only(bot.read(), "names")["names"]
        self.assertEqual(told, ["bot", *crowd])
