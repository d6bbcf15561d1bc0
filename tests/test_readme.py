"""The README's tables are held against the code."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import TestCase

from chatservice.chat.commands import COMMANDS
from chatservice.limits import LOGIN_TRIES, Limits
from chatservice.tap import Options

CHECKOUT = Path(__file__).resolve().parent.parent
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return what stands under a heading."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def table(title: str) -> list[list[str]]:
    """Return the cells of the rows of the first table under a heading, without its head."""
    rows = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


class ReadmeTests(TestCase):
    """What the README says of commands, options and limits is so."""

    def test_every_command_is_listed_with_what_help_says_of_it(self) -> None:
        listed = [(command.strip("`"), does) for command, does in table("Commands")]
        self.assertEqual(
            listed,
            [(c.usage, c.does) for c in COMMANDS.values()] + [("//TEXT", "say /TEXT")],
        )

    def test_every_limit_is_listed_with_its_option_and_default(self) -> None:
        listed = {}
        for _, options, default, _ in table("Limits"):
            names = re.findall(r"`--([a-z-]+)`", options)
            numbers = [int(n.replace(",", "")) for n in re.findall(r"(?<!/)\b[\d,]*\d", default)]
            listed.update(zip(names, numbers, strict=False))
        self.assertEqual(
            listed, {name.replace("_", "-"): default for name, default, *_ in Limits.table()}
        )

    def test_the_tries_at_naming_are_as_listed(self) -> None:
        self.assertEqual(LOGIN_TRIES, 5)
        self.assertIn("60 s, five tries", section("Limits"))

    def test_every_option_is_listed_once(self) -> None:
        cells = [row[0] for row in table("Options")] + [row[1] for row in table("Limits")]
        listed = re.findall(r"--([a-z-]+)", " ".join(cells))
        options = Options()
        wanted = [name.rstrip("=") for name in options.longOpt if name not in ("help", "version")]
        self.assertEqual(sorted(listed), sorted(wanted))

    def test_the_defaults_of_the_options_are_as_listed(self) -> None:
        options = Options()
        defaults = {row[0].split()[0].strip("`-"): row[2].strip("`") for row in table("Options")}
        self.assertEqual(defaults["history"], options["history"])
        self.assertEqual(defaults["keep"], str(options["keep"]))
        options.parseOptions([])
        self.assertEqual([defaults["room"]], options.rooms)

    def test_every_file_that_is_named_is_there(self) -> None:
        named = re.findall(r"`(tests/[\w/]+(?:\.py)?)`|\]\(([\w/.-]+)\)", README)
        for name in filter(None, (a or b for a, b in named)):
            if not name.startswith("http"):
                self.assertTrue((CHECKOUT / name).exists(), f"{name} does not exist")
