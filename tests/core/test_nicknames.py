from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice.core.nicknames import Claims, NameTaken


class ClaimsTests(TestCase):
    def setUp(self) -> None:
        self.claims = Claims()
        self.ana, self.bob = object(), object()

    def gets(self, holder: object, name: str) -> None:
        self.assertIsNone(self.successResultOf(self.claims.claim(name, holder)))

    def is_refused(self, holder: object, name: str) -> None:
        failure = self.failureResultOf(self.claims.claim(name, holder), NameTaken)
        self.assertEqual(failure.getErrorMessage(), f"the name {name} is taken")

    def test_a_name_has_one_holder(self) -> None:
        self.gets(self.ana, "ana")
        self.is_refused(self.bob, "ana")
        self.gets(self.bob, "bob")

    def test_another_way_to_write_a_name_is_the_same_name(self) -> None:
        self.gets(self.ana, "Straße")
        self.is_refused(self.bob, "STRASSE")

    def test_a_holder_may_write_its_name_in_another_way(self) -> None:
        self.gets(self.ana, "ana")
        self.gets(self.ana, "Ana")
        self.is_refused(self.bob, "ana")

    def test_a_holder_of_two_names_may_let_one_go(self) -> None:
        self.gets(self.ana, "ana")
        self.gets(self.ana, "anna")
        self.is_refused(self.bob, "ana")
        self.claims.release("ana")
        self.gets(self.bob, "ana")
        self.is_refused(self.bob, "anna")

    def test_a_name_that_was_released_is_free_however_it_is_written(self) -> None:
        self.gets(self.ana, "ana")
        self.claims.release("ANA")
        self.gets(self.bob, "ana")

    def test_a_refused_claim_holds_nothing(self) -> None:
        self.gets(self.ana, "ana")
        self.is_refused(self.bob, "ana")
        self.claims.release("ana")
        self.gets(self.ana, "ana")

    def test_names_that_look_alike_have_one_holder(self) -> None:
        for one, other in (("ace", "асе"), ("ꓮꓠꓮ", "ana"), ("Ірина", "Ӏрина")):
            self.gets(self.ana, one)
            self.is_refused(self.bob, other)
            self.claims.release(other)
            self.gets(self.bob, other)
            self.is_refused(self.ana, one)
