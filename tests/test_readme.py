"""The tables of the README, and of the documents beside it, are held against the code."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import TestCase

from chatservice.doors.text.commands import COMMANDS, SETTINGS
from chatservice.limits import LOGIN_TRIES, Limits
from chatservice.tap import Options

CHECKOUT = Path(__file__).resolve().parent.parent
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
USING = (CHECKOUT / "docs/using.md").read_text(encoding="utf-8")
OPERATING = (CHECKOUT / "docs/operating.md").read_text(encoding="utf-8")


def section(title: str, document: str = README) -> str:
    """Return what stands under a heading."""
    return document.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def table(title: str, document: str = README) -> list[list[str]]:
    """Return the cells of the rows of the only table under a heading, without its head."""
    rows = [line for line in section(title, document).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def anchors_of(text: str) -> list[str]:
    """List what a link can lead to in a document."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


class ReadmeTests(TestCase):
    """What the README says of commands, options and limits is so."""

    def test_every_command_is_listed_with_what_help_says_of_it(self) -> None:
        listed = [(command.strip("`"), does) for command, does in table("Commands")]
        self.assertEqual(
            listed,
            [(c.usage, c.does) for c in COMMANDS.values() if not c.operator]
            + [("//TEXT", "say /TEXT")],
        )

    def test_the_commands_for_operators_are_listed_for_who_runs_it(self) -> None:
        rows = table("On a terminal, as an operator", OPERATING)
        self.assertEqual(
            [(command.strip("`"), does) for command, does in rows],
            [(c.usage, c.does) for c in COMMANDS.values() if c.operator],
        )

    def test_every_setting_is_listed(self) -> None:
        listed = [row[0].strip("`") for row in table("How you see it", USING)]
        self.assertEqual(listed, list(SETTINGS))

    def test_every_limit_that_one_meets_is_told_in_the_words_of_the_chat(self) -> None:
        source = "".join(
            path.read_text(encoding="utf-8")
            for path in sorted((CHECKOUT / "chatservice").rglob("*.py"))
        )
        for met, _ in table("Limits", USING)[1:]:
            words = re.split(r"[\d,]+|(?<=rooms already): ", met.strip("`").removeprefix("-- "))
            for part in words:
                self.assertIn(part.strip(), source)

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
        for file in ("README.md", *(f"docs/{path.name}" for path in CHECKOUT.glob("docs/*.md"))):
            text = (CHECKOUT / file).read_text(encoding="utf-8")
            tests = [CHECKOUT / name for name in re.findall(r"`(tests/[\w/]+(?:\.py)?)`", text)]
            links = re.findall(r"\]\((?!http)([\w/.-]*)(?:#([\w-]+))?\)", text)
            for name, _ in links:
                tests.append((CHECKOUT / file).parent / name)
            for path in tests:
                self.assertTrue(path.exists(), f"{file} names {path}, which does not exist")
            for name, anchor in links:
                target = (CHECKOUT / file).parent / name if name else CHECKOUT / file
                if anchor:
                    self.assertIn(anchor, anchors_of(target.read_text(encoding="utf-8")), file)
