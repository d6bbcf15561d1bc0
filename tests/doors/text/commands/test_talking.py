from __future__ import annotations

from typing import Any

from chatservice.core import ignoring
from tests.core.support import HouseTestCase, Person
from tests.doors.text.commands.support import CrewTestCase, behind, catch_up
from tests.welcome import entered


class MsgTests(CrewTestCase):
    def test_a_private_line_is_shown_to_both(self) -> None:
        self.assertEqual(self.ana.tries("/msg bo  hi   there "), ["[you -> bo] hi   there"])
        self.assertEqual(self.bo.read(), ["[ana -> you] hi   there"])
        self.assertEqual(self.bo.tries("/reply hello"), ["[you -> ana] hello"])
        self.assertEqual(self.ana.read(), ["[bo -> you] hello"])

    def test_the_name_is_found_in_whatever_case_and_shown_as_it_is(self) -> None:
        self.assertEqual(self.ana.tries("/msg BO hi"), ["[you -> bo] hi"])

    def test_it_goes_to_nobody_who_is_not_there_and_not_to_oneself(self) -> None:
        self.assertEqual(
            self.ana.tries("/msg cy hi"), ["-- there is no cy here: /who shows who is"]
        )
        for name in ("ana", "ANA"):
            self.assertEqual(self.ana.tries(f"/msg {name} hi"), ["-- that is you"])
        self.assertEqual(self.ana.tries("/msg bo"), ["-- usage: /msg NAME TEXT"])
        self.assertEqual(self.addressed(), [])

    def test_in_no_room_one_writes_and_reads(self) -> None:
        self.ana.tries("/leave")
        self.bo.tries("/leave")
        self.hush()
        self.assertEqual(self.ana.tries("/msg bo hi"), ["[you -> bo] hi"])
        self.assertEqual(self.bo.read(), ["[ana -> you] hi"])

    def test_what_looks_like_a_command_or_a_notice_is_but_text(self) -> None:
        self.ana.tries("/msg bo /quit", "/msg bo -- eve announces: cake")
        self.assertEqual(
            self.bo.read(), ["[ana -> you] /quit", "[ana -> you] -- eve announces: cake"]
        )

    def test_it_is_shown_to_the_sender_once_it_is_stored(self) -> None:
        self.house.refuse()
        self.assertEqual([x for x in self.ana.tries("/msg bo hi") if "hi" in x.split()], [])
        self.bo.read()
        self.house.tick(1.0)
        self.assertEqual(self.addressed(), [])
        self.assertEqual((self.ana.read(), self.bo.read()), ([], []))
        self.house.accept()
        self.house.tick(1.0)
        self.assertEqual(self.ana.read()[-1], "[you -> bo] hi")
        self.assertIn("[ana -> you] hi", self.bo.read())
        self.assertEqual(self.addressed(), [("private", "ana", "hi")])

    def test_who_has_left_by_then_is_nobody_to_reply_to_and_stops_nothing(self) -> None:
        self.ana.type("/msg bo hi")
        self.bo.type("/quit")
        self.house.tick()
        self.house.tick()
        self.assertEqual(self.ana.tries("still here"), ["-- bo left", "[you -> bo] hi"])
        self.assertIn("<ana> still here", self.eve.read())

    def test_a_sender_who_has_left_by_then_is_sent_nothing(self) -> None:
        self.ana.type("/msg bo hi", "/quit")
        self.house.tick()
        self.house.tick()
        self.assertIn("[ana -> you] hi", self.bo.read())
        self.bo.type("/msg eve hi")
        self.bo.lose()
        self.house.tick()
        self.house.tick()
        self.assertIn("[bo -> you] hi", self.eve.read())


class ReplyTests(CrewTestCase):
    def test_nobody_wrote_yet(self) -> None:
        self.assertEqual(self.ana.tries("/reply hi"), ["-- nobody wrote to you privately yet"])
        self.ana.tries("/msg bo hi")
        self.assertEqual(self.ana.tries("/reply hi"), ["-- nobody wrote to you privately yet"])

    def test_it_goes_to_who_wrote_last_under_whatever_name(self) -> None:
        self.ana.tries("/msg eve one")
        self.bo.tries("/msg eve two", "/nick rob")
        self.ana.tries("/nick bo")
        self.hush()
        self.assertEqual(self.eve.tries("/reply hi"), ["[you -> rob] hi"])
        self.assertEqual(self.bo.read(), ["[eve -> you] hi"])
        self.assertEqual(self.ana.read(), [])

    def test_who_has_left_is_not_written_to_nor_who_has_the_name_now(self) -> None:
        self.bo.tries("/msg ana hi", "/quit")
        (other,) = self.house.gather("bo")
        self.ana.read()
        self.assertEqual(
            self.ana.tries("/reply secret"), ["-- who wrote to you last is not here any more"]
        )
        self.assertEqual(other.read(), [])

    def test_it_goes_to_whose_line_was_read_last_not_to_who_wrote_since(self) -> None:
        self.bo.tries("/msg ana one")
        self.ana.read()
        behind(self.house, self.ana)
        self.eve.tries("/msg ana two", "/msg ana three")
        self.ana.type("/reply for bo")
        self.house.tick()
        self.assertEqual(self.bo.read()[-1], "[ana -> you] for bo")
        catch_up(self.house, self.ana)
        self.assertIn("[eve -> you] three", self.ana.read())
        self.hush()
        self.assertEqual(self.ana.tries("/reply for eve"), ["[you -> eve] for eve"])

    def test_it_does_not_go_to_who_is_ignored(self) -> None:
        self.ana.tries("/ignore bo")
        self.eve.tries("/msg ana one")
        self.bo.tries("/msg ana two")
        self.hush()
        self.assertEqual(self.ana.tries("/reply hi"), ["[you -> eve] hi"])
        self.assertEqual(self.bo.read(), [])


class PrivacyTests(CrewTestCase):
    """A private line is for two, wherever it is read from."""

    SECRET = "midnight"

    def whisper(self) -> None:
        self.ana.tries(f"/msg bo {self.SECRET}")
        self.bo.tries(f"/reply {self.SECRET}")

    def assertUnread(self, *people: Person) -> None:
        for person in people:
            self.assertNotIn(self.SECRET, bytes(person.outlet.received).decode())

    def test_nobody_else_reads_it_as_it_happens(self) -> None:
        (cy,) = self.house.gather("cy")
        self.whisper()
        self.assertUnread(self.eve, cy)
        self.assertEqual(bytes(self.bo.outlet.received).decode().count(self.SECRET), 2)

    def test_nobody_else_reads_it_who_is_behind(self) -> None:
        for recent in (0, 2):
            self.come_back(recent=recent)
            cy, far = self.house.gather("cy", "far")
            self.eve.tries("/join dev")
            behind(self.house, cy, self.eve, far)
            self.whisper()
            catch_up(self.house, cy, self.eve)
            for number in range(10):
                self.ana.tries(f"line {number}")
            catch_up(self.house, far)
            self.assertUnread(self.eve, cy, far)
            self.assertIn("<ana> line 9", far.read())

    def test_nobody_finds_it_in_the_history_not_even_who_wrote_it(self) -> None:
        for recent in (0, 2):
            self.come_back(recent=recent)
            self.whisper()
            self.ana.tries("in public")
            self.hush()
            for person in (self.ana, self.bo, self.eve):
                shown = person.tries("/history 1000")
                self.assertIn("[09:26] <ana> in public", shown)
                self.assertNotIn(self.SECRET, str(shown))
            self.eve.tries("/join operators")
            self.assertNotIn(self.SECRET, str(self.eve.tries("/history 1000")))

    def test_nobody_is_shown_it_on_joining(self) -> None:
        self.whisper()
        (cy,) = self.house.gather("cy", room="dev")
        (eli,) = self.house.gather("eli", operator=True)
        self.assertUnread(cy, eli)

    def test_who_comes_back_under_the_name_does_not_read_it(self) -> None:
        behind(self.house, self.bo)
        self.ana.tries(f"/msg bo {self.SECRET}")
        self.bo.lose()
        self.house.tick()
        (other,) = self.house.gather("bo")
        self.assertUnread(other)
        self.come_back()
        self.assertUnread(self.ana, self.bo, self.eve)

    def test_no_room_is_its_inbox(self) -> None:
        self.whisper()
        (room, *_) = next(event for event in self.events() if event[1] == "private")
        self.assertEqual(room, f"@{self.bo.member.origin:x}")
        for typed in ("/join {}", "/who {}", "/say {} hi", "/leave {}"):
            (answer,) = self.eve.tries(typed.format(room))
            self.assertIn("can't", answer)
        for person in (self.eve, self.ana):
            self.assertNotIn("@", str(person.tries("/rooms")))

    def test_it_is_stored_once(self) -> None:
        self.ana.tries(f"/msg bo {self.SECRET}")
        self.assertEqual(str(self.events()).count(self.SECRET), 1)
        self.assertEqual(self.addressed(), [("private", "ana", self.SECRET)])


class BehindTests(HouseTestCase):
    """Who is behind reads what those at the head read."""

    def read_by(self, recent: int) -> tuple[list[str], list[str]]:
        house = self.open(self.path + str(recent), recent=recent)
        head, slow, ana, rude = house.gather("head", "slow", "ana", "rude")
        (eve,) = house.gather("eve", operator=True)
        for person in (head, slow):
            person.tries("/ignore rude", "/set joins off", "/set timestamps short", "/join dev")
            person.tries("/join lobby")
        rude.tries("/join dev")
        ana.tries("/join dev")
        catch_up(house, head, slow)
        head.read()
        slow.read()
        behind(house, slow)
        for number in range(8):
            for name in ("head", "slow"):
                rude.tries(f"/msg {name} ignored {number}")
                ana.tries(f"/msg {name} private {number}")
            rude.type("loud", "/me shouts")
            ana.type("/topic one", "/say lobby hi")
            rude.type("/topic two", "/nick rudest", "/nick rude")
            for _ in range(5):
                house.tick()
            eve.tries(f"/announce cake {number}", "/kick nobody", "/mute rude", "/unmute rude")
            (new,) = house.gather(f"new{number}")
            new.tries("hi", "/quit bye")
            house.tick()
        self.assertIsNone(head.member.cursor)
        self.assertIsNotNone(slow.member.cursor)
        catch_up(house, slow)
        self.assertIsNone(slow.member.cursor)
        return head.read(), slow.read()

    def test_what_is_read_at_the_head_is_read_behind_it(self) -> None:
        for recent in (0, 3):
            head, slow = self.read_by(recent)
            self.assertEqual(slow, head)
            for number in range(8):
                self.assertEqual(head.count(f"[09:26] [ana -> you] private {number}"), 1)
                self.assertEqual(head.count(f"[09:26] -- eve announces: cake {number}"), 1)
                self.assertIn("[09:26] -- #dev: rude set the topic: two", head)
            for word in ("ignored", "loud", "shouts", "joined", " left"):
                self.assertNotIn(word, str(head))

    def test_wherever_it_is_cut_nothing_is_lost_or_doubled(self) -> None:
        house = self.open(self.path)
        head, slow, ana = house.gather("head", "slow", "ana")
        (eve,) = house.gather("eve", operator=True)
        for person in (head, slow):
            person.tries("/set joins off")
        for cut in range(0, 90):
            head.read()
            slow.read()
            slow.outlet.window = cut
            for name in ("head", "slow"):
                ana.type(f"/msg {name} naïve")
            eve.type("/announce 😀")
            house.arrive(f"p{cut}")
            ana.type("hi")
            for _ in range(3):
                house.tick()
            slow.outlet.drain(cut)
            house.tick()
            slow.outlet.drain()
            house.tick()
            # Each of the two is written to in its own turn.
            self.assertEqual(sorted(slow.read()), sorted(head.read()), cut)
            self.assertIsNone(slow.member.cursor)


class SayTests(CrewTestCase):
    def test_it_is_said_in_a_room_that_is_not_the_current_one(self) -> None:
        self.ana.tries("/join dev")
        self.bo.tries("/join dev", "/join lobby")
        self.hush()
        self.assertEqual(self.bo.tries("/say #Dev  it  works"), [])
        self.assertEqual(self.ana.read(), ["<bo> it  works"])
        self.assertEqual(self.ana.tries("/say lobby hi"), [])
        self.assertEqual(self.bo.read(), ["<ana> hi"])
        self.assertEqual(self.ana.tries("/say dev here"), [])
        self.assertEqual(self.bo.read(), ["#dev <ana> here"])

    def test_in_a_room_that_one_is_not_in_it_is_not_said(self) -> None:
        self.bo.tries("/join dev")
        self.hush()
        for room in ("dev", "nowhere", "operators"):
            self.assertEqual(
                self.ana.tries(f"/say {room} hi"), [f"-- you are not in #{room}: /join it first"]
            )
        self.assertEqual(self.ana.tries("/say a,b hi"), ["-- ',' can't be part of a room's name"])
        self.assertEqual(self.ana.tries("/say dev"), ["-- usage: /say ROOM TEXT"])
        self.assertEqual(self.bo.read(), [])


class TopicTests(CrewTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ana.tries("/join dev")
        self.hush()

    def topic(self, room: str = "dev") -> str | None:
        return self.house.chat.standing.topics.get(room)

    def test_it_is_told_to_who_is_there_and_to_who_comes(self) -> None:
        self.assertEqual(self.ana.tries("/topic"), ["-- #dev has no topic"])
        self.assertEqual(self.ana.tries("/topic  the  plan "), ["-- the topic: the  plan"])
        self.assertEqual(self.ana.tries("/topic"), ["-- the topic: the  plan"])
        self.assertEqual(
            self.bo.tries("/join dev"),
            [entered("dev", "ana"), "-- the topic: the  plan"],
        )
        self.assertEqual(self.bo.tries("/topic another"), ["-- the topic: another"])
        self.assertEqual(self.ana.read(), ["-- bo joined", "-- bo set the topic: another"])

    def test_it_can_be_taken_away(self) -> None:
        self.bo.tries("/join dev", "/topic one")
        self.hush()
        self.assertEqual(self.ana.tries("/topic -"), ["-- the topic is gone"])
        self.assertEqual(self.bo.read(), ["-- ana took the topic away"])
        self.assertEqual(self.ana.tries("/topic"), ["-- #dev has no topic"])
        self.assertEqual(self.ana.tries("/topic -"), ["-- the topic is gone"])
        self.assertEqual(self.facts(), [])

    def test_it_outlives_a_restart(self) -> None:
        self.ana.tries("/topic the plan")
        self.bo.tries("/topic welcome")
        self.assertEqual(self.facts(), [("topic", "dev"), ("topic", "lobby")])
        self.come_back()
        self.assertEqual(self.bo.tries("/topic"), ["-- the topic: welcome"])
        self.assertIn("-- 0  #dev", self.bo.tries("/rooms"))
        self.assertIn("-- the topic: the plan", self.bo.tries("/join dev"))

    def test_it_goes_with_its_room(self) -> None:
        self.ana.tries("/topic the plan", "/leave")
        self.house.tick()
        self.assertEqual(self.facts(), [])
        self.assertNotIn("topic", str(self.bo.tries("/join dev")))

    def test_also_with_one_that_was_empty_after_a_restart(self) -> None:
        self.ana.tries("/topic the plan")
        self.come_back()
        self.bo.tries("/join dev", "/leave dev")
        self.house.tick()
        self.assertEqual(self.facts(), [])
        self.assertNotIn("dev", self.house.chat.rooms)

    def test_a_permanent_room_keeps_it(self) -> None:
        self.bo.tries("/topic welcome")
        for person in (self.ana, self.bo, self.eve):
            person.tries("/leave lobby")
        self.house.tick()
        self.assertEqual(self.topic("lobby"), "welcome")

    def test_of_who_vanishes_at_once_no_topic_stays(self) -> None:
        self.ana.type("/topic the plan")
        self.ana.lose()
        for _ in range(3):
            self.house.tick()
        self.assertEqual((self.facts(), self.topic()), ([], None))
        self.assertNotIn("dev", self.house.chat.rooms)

    def test_it_may_be_long(self) -> None:
        long = "漢" * 1993
        self.ana.tries(f"/topic {long}")
        self.assertIn(f"-- the topic: {long}", self.bo.tries("/join dev"))

    def test_it_is_of_a_room(self) -> None:
        self.ana.tries("/leave", "/leave")
        self.ana.read()
        self.assertEqual(self.ana.tries("/topic x"), ["-- you are in no room: /join one first"])

    def test_while_the_journal_refuses_it_waits(self) -> None:
        self.house.refuse()
        self.ana.tries("/topic the plan")
        self.assertIsNone(self.topic())
        self.house.accept()
        self.house.tick(1.0)
        self.assertEqual(self.topic(), "the plan")


class AwayTests(CrewTestCase):
    AWAY = "-- you are away until you speak"

    def test_it_is_told_once_to_each_who_writes(self) -> None:
        self.assertEqual(self.bo.tries("/away lunch"), [self.AWAY])
        self.assertEqual(self.ana.tries("/msg bo one"), ["-- bo is away: lunch", "[you -> bo] one"])
        self.assertEqual(self.ana.tries("/msg bo two"), ["[you -> bo] two"])
        self.assertEqual(self.eve.tries("/msg bo one"), ["-- bo is away: lunch", "[you -> bo] one"])
        self.ana.tries("/nick anna")
        self.assertEqual(self.ana.tries("/msg bo three"), ["[you -> bo] three"])

    def test_it_is_told_again_when_it_is_said_again(self) -> None:
        self.bo.tries("/away")
        self.assertEqual(self.ana.tries("/msg bo one"), ["-- bo is away", "[you -> bo] one"])
        self.bo.tries("/away")
        self.assertEqual(self.ana.tries("/msg bo one"), ["-- bo is away", "[you -> bo] one"])

    def test_who_speaks_is_back(self) -> None:
        for line in ("hi", "//hi", "/me waves", "/say lobby hi", "/msg ana hi", "/topic x"):
            self.bo.tries("/away lunch")
            self.assertIn("-- you are back", self.bo.tries(line), line)
            self.assertIsNone(self.bo.member.away)
        self.hush()
        self.assertEqual(self.ana.tries("/msg bo one"), ["[you -> bo] one"])

    def test_who_does_not_speak_is_not(self) -> None:
        self.bo.tries("/away lunch")
        for line in ("/who", "/set", "/history", "/join dev", "/leave", "/msg cy hi", "/nope", ""):
            self.assertNotIn("-- you are back", self.bo.tries(line), line)
        self.assertEqual(self.bo.member.away, "lunch")

    def test_who_shows_it(self) -> None:
        self.bo.tries("/away lunch")
        self.assertEqual(self.ana.tries("/who")[1:], ["--   ana, bo (away), eve"])
        self.assertIn("-- away   lunch", self.ana.tries("/whois bo"))


class IgnoreTests(CrewTestCase):
    def test_who_is_ignored_is_not_seen_and_is_told_nothing(self) -> None:
        self.assertEqual(self.ana.tries("/ignore BO"), ["-- you see no more of bo"])
        self.assertEqual(
            self.bo.tries("hi", "/me waves", "/topic x", "/msg ana hi"),
            ["-- the topic: x", "[you -> ana] hi"],
        )
        # The topic is for them, too.
        self.assertEqual(self.ana.read(), ["-- bo set the topic: x"])
        self.assertEqual(len(self.eve.read()), 3)
        self.eve.tries("hi")
        self.assertEqual(self.ana.read(), ["<eve> hi"])

    def test_it_follows_a_change_of_name(self) -> None:
        self.ana.tries("/ignore bo")
        self.bo.tries("/nick rob", "hi")
        self.assertEqual(self.ana.read(), ["-- bo is now rob"])
        self.assertEqual(self.ana.tries("/ignored"), ["-- you ignore:", "--   rob"])
        (other,) = self.house.gather("bo")
        self.ana.read()
        other.tries("hi")
        self.assertEqual(self.ana.read(), ["<bo> hi"])

    def test_it_outlives_a_connection(self) -> None:
        self.ana.tries("/ignore bo")
        self.bo.tries("/quit")
        (back,) = self.house.gather("Bo")
        back.tries("hi")
        self.assertEqual(self.ana.read(), ["-- bo left", "-- Bo joined"])

    def test_who_takes_an_ignored_name_later_is_not_seen_either(self) -> None:
        self.ana.tries("/ignore bo")
        self.bo.tries("/quit")
        (back,) = self.house.gather("bob")
        back.tries("/nick bo", "hi", "/nick bobby", "hi")
        self.ana.read()
        back.tries("hi")
        self.assertEqual(self.ana.read(), [])

    def test_the_history_leaves_them_out(self) -> None:
        for recent in (0, 1):
            house = self.open(f"{self.path}.{recent}", recent=recent)
            ana, bo, cy = house.gather("ana", "bo", "cy")
            bo.tries("before")
            ana.tries("/ignore bo")
            bo.tries("after")
            cy.tries("hi")
            ana.read()
            self.assertEqual(ana.tries("/history")[1:], ["[09:26] <cy> hi"])
            self.assertIn("[09:26] <bo> after", cy.tries("/history"))
            bo.tries("/quit")
            ana.tries("/unignore bo")
            shown = ["[09:26] <bo> before", "[09:26] <bo> after", "[09:26] <cy> hi"]
            self.assertEqual(ana.tries("/history")[1:], shown)

    def test_as_many_lines_are_shown_as_are_told_however_many_of_them_are_between(self) -> None:
        for recent in (0, 1):
            house = self.open(f"{self.path}.{recent}", recent=recent)
            ana, bo, cy = house.gather("ana", "bo", "cy")
            for who in (cy, bo, cy, bo):
                for number in range(12 if who is cy else 700):
                    who.type(f"{number}")
                    house.tick()
            ana.tries("/ignore bo")
            ana.read()
            seen = [f"<cy> {number}" for number in (*range(12), *range(12))]
            for asked, count in ((1, 1), (12, 12), (13, 13), (20, 20), (24, 24), (1000, 24)):
                header, *shown = ana.tries(f"/history {asked}")
                lines = "line" if count == 1 else f"{count} lines"
                self.assertEqual(header, f"-- the last {lines} of #lobby, times in UTC:")
                self.assertEqual([line.partition(" ")[2] for line in shown], seen[-count:])
            ana.tries("/leave")
            shown = ana.tries("/join lobby")[-21:]
            self.assertEqual(shown[0], "-- the last 20 lines of #lobby, times in UTC:")
            self.assertEqual([line.partition(" ")[2] for line in shown[1:]], seen[-20:])

    def test_who_ignores_somebody_before_a_history_is_shown_is_told_how_much_is_left(self) -> None:
        house = self.open(f"{self.path}.2", recent=1)
        ana, bo, cy = house.gather("ana", "bo", "cy")
        for number in range(9):
            bo.tries(f"bo {number}")
            cy.tries(f"cy {number}")
        ana.read()
        for held in (2, 1):
            house.readings.held = True
            ana.type("/history 6")
            house.tick()
            for _ in range(held - 1):
                house.readings.finish()
                house.tick()
            ignoring.ignore(ana.member, bo.member)
            house.readings.release()
            house.tick()
            header, *shown = ana.read()
            self.assertEqual(header, "-- the last 6 lines of #lobby, times in UTC:")
            self.assertEqual(shown, [f"[09:26] <cy> cy {number}" for number in range(3, 9)])
            ignoring.heed(ana.member, "bo")

    def test_a_history_of_them_alone_says_so(self) -> None:
        self.bo.tries("before", "after")
        self.ana.tries("/ignore bo")
        self.assertEqual(
            self.ana.tries("/history"),
            ["-- all recent talk in #lobby is from people you ignore"],
        )

    def test_on_joining_a_room_too(self) -> None:
        self.bo.tries("/join dev", "hi")
        self.ana.tries("/ignore bo")
        self.eve.tries("/join dev", "ho")
        shown = self.ana.tries("/join dev")
        self.assertIn("[09:26] <eve> ho", shown)
        self.assertNotIn("<bo>", str(shown))

    def test_they_are_seen_again(self) -> None:
        self.ana.tries("/ignore bo")
        self.bo.tries("/nick rob")
        self.ana.read()
        self.assertEqual(self.ana.tries("/unignore bo"), ["-- you don't ignore bo"])
        self.assertEqual(self.ana.tries("/unignore ROB"), ["-- you see rob again"])
        self.bo.tries("hi")
        self.assertEqual(self.ana.read(), ["<rob> hi"])
        self.assertEqual(self.ana.tries("/ignored"), ["-- you ignore nobody"])
        self.assertEqual(self.ana.tries("/unignore rob"), ["-- you don't ignore rob"])
        self.assertEqual(
            self.ana.tries("/unignore " + "x" * 99), [f"-- you don't ignore {'x' * 24}"]
        )

    def test_nobody_ignores_themselves_or_who_is_not_there(self) -> None:
        self.assertEqual(self.ana.tries("/ignore ana"), ["-- that is you"])
        self.assertEqual(
            self.ana.tries("/ignore cy"), ["-- there is no cy here: /who shows who is"]
        )
        self.assertIsNone(self.ana.member.ignored)

    def test_they_are_listed_in_order(self) -> None:
        self.house.gather("zoe", "cy")
        for name in ("zoe", "bo", "cy"):
            self.ana.tries(f"/ignore {name}")
        self.ana.read()
        self.assertEqual(self.ana.tries("/ignored"), ["-- you ignore:", "--   bo, cy, zoe"])

    def test_not_too_many_are_ignored(self) -> None:
        self.patch(ignoring, "MOST", 1)
        self.ana.tries("/ignore bo")
        self.assertEqual(self.ana.tries("/ignore eve"), ["-- you ignore 1 people already"])

    def test_it_is_forgotten_with_the_session(self) -> None:
        self.ana.tries("/ignore bo", "/quit")
        (self.ana,) = self.house.gather("ana")
        self.bo.tries("hi")
        self.assertEqual(self.ana.read(), ["<bo> hi"])

    def test_nobody_knows_by_whom_they_are_ignored(self) -> None:
        self.ana.tries("/away lunch", "/ignore bo")
        self.assertEqual(self.bo.tries("/msg ana hi"), ["-- ana is away: lunch", "[you -> ana] hi"])


class TogetherTests(CrewTestCase):
    def test_several_in_one_tick_are_hidden_from_whom_they_are_to_be(self) -> None:
        (cy,) = self.house.gather("cy")
        self.ana.tries("/ignore bo")
        self.hush()
        said: list[Any] = [(self.bo, "one"), (cy, "two"), (self.bo, "three"), (self.eve, "four")]
        for person, line in said:
            person.type(line)
        self.house.tick()
        self.assertEqual(self.ana.read(), ["<cy> two", "<eve> four"])
        self.assertEqual(cy.read(), ["<bo> one", "<bo> three", "<eve> four"])
