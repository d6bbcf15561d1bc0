from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

from twisted.trial.unittest import TestCase

from chatservice.limits import Limits


class LimitsTests(TestCase):
    def test_the_table_has_each_limit_with_its_default(self) -> None:
        table = {name: default for name, default, _, _ in Limits.table()}
        self.assertEqual(table, {field.name: field.default for field in fields(Limits)})
        self.assertEqual(Limits(), Limits(**table))

    def test_each_limit_says_what_it_bounds(self) -> None:
        for name, _, doc, _ in Limits.table():
            self.assertRegex(doc, r"^[a-z].*[^.]$", name)

    def test_no_default_is_less_than_the_least(self) -> None:
        for name, default, _, least in Limits.table():
            self.assertGreaterEqual(default, least, name)

    def test_only_what_cannot_be_without_limit_has_a_least_value(self) -> None:
        least = {name: least for name, _, _, least in Limits.table() if least}
        programs = {"grace": 1, "token_life": 1, "max_tokens": 1}
        self.assertEqual(least, {"max_name": 1, "max_line": 1, **programs, "lease": 2})

    def test_they_are_written_as_options(self) -> None:
        self.assertTrue(str(Limits(max_name=7)).startswith("--max-name 7 --max-line 2000 "))

    def test_limits_do_not_change(self) -> None:
        with self.assertRaises(FrozenInstanceError):
            Limits().rate = 7  # type: ignore[misc]
