from __future__ import annotations

from chatservice.doors.text.commands import COMMANDS
from tests.doors.text.commands.support import CrewTestCase
from tests.welcome import entered

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
        self.assertIn(entered("ops"), self.bo.tries("/join ops"))

    def test_parting_words_of_the_muted_are_not_shown(self) -> None:
        self.eve.tries("/mute bo")
        self.everybody()
        self.assertEqual(self.bo.tries("/quit you will hear of me"), ["-- goodbye, bo"])
        self.assertEqual(self.ana.read(), ["-- bo left"])
        self.assertNotIn("hear of me", str(self.events()))


DURATION = 120.0
"""So long is waited for what was not done."""
