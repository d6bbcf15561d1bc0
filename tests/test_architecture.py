"""The folders are the architecture: who may import what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from twisted.trial.unittest import TestCase

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "chatservice"

# What each part of the house may import of the others. It has no cycle, as each part is below
# those that it may be imported by.
MAY_IMPORT = {
    "__init__": set(),
    "limits": set(),
    "clock": set(),
    "leftovers": set(),
    "logs": set(),
    "options": {"leftovers"},
    "messages": set(),
    "text": {"messages"},
    "journal": set(),
    "client": {"__init__", "clock", "messages", "options", "text"},
    "core": {"clock", "journal", "limits", "messages", "text"},
    "doors": {"clock", "core", "journal", "limits", "messages", "text"},
    "cluster": {"clock", "core", "journal", "limits", "messages", "text"},
    "service": {"__init__", "doors", "journal", "leftovers", "logs"},
    "tap": {
        "clock",
        "cluster",
        "core",
        "doors",
        "journal",
        "limits",
        "logs",
        "options",
        "service",
        "text",
    },
}

# What is below the doors knows of Twisted only this: no socket and no reactor.
TWISTED_BELOW = {
    "twisted.internet.defer",
    "twisted.internet.interfaces",
    "twisted.logger",
    "twisted.python.failure",
}
NO_IO = ("socket", "select", "selectors", "ssl", "asyncio", "threading", "subprocess")


def files() -> Iterator[tuple[str, Path]]:
    """Give each file, with the part of the house that it belongs to."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imported(tree: ast.AST) -> Iterator[str]:
    """Give the modules that are imported anywhere in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # No relative import hides here: the first test sees to it.
            yield node.module or "."
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_of(module: str) -> set[str]:
    """Tell which part of the house a module belongs to."""
    words = module.split(".")
    if words[0] != "chatservice":
        return set()
    if len(words) == 1 or words[1] not in MAY_IMPORT:
        return {"__init__"}
    return {words[1]}


def needs(path: Path) -> set[str]:
    return set(imported(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def needs_of_files() -> dict[str, set[str]]:
    """Tell of each file which others it imports; each without the name of the package."""
    paths = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for _, path in files()
    }
    return {
        file: {
            other
            for module in needs(path)
            if (other := module.removeprefix("chatservice.")) in paths and other != file
        }
        for file, path in paths.items()
    }


def circles(needs: dict[str, set[str]]) -> list[set[str]]:
    """Find what needs itself by way of others: those of one circle, or of several that touch."""

    def reach(file: str) -> set[str]:
        seen: set[str] = set()
        ahead = set(needs[file])
        while ahead:
            seen |= ahead
            ahead = set().union(*(needs[other] for other in ahead)) - seen
        return seen

    reached = {file: reach(file) for file in needs}
    found: list[set[str]] = []
    for file, others in reached.items():
        circle = {other for other in others if file in reached[other]}
        if file in others and circle not in found:
            found.append(circle)
    return found


class ImportTests(TestCase):
    def test_imports_are_absolute(self) -> None:
        for _, path in files():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    self.assertEqual(node.level, 0, path)

    def test_imports_run_downwards(self) -> None:
        seen = set()
        for part, path in files():
            modules = [
                module
                for module in needs(path)
                if module != "chatservice"  # "from chatservice import x" names x as well
            ]
            for module in modules:
                for other in parts_of(module) - {part}:
                    self.assertIn(other, MAY_IMPORT[part], f"{path} imports {module}")
                    seen.add((part, other))
        self.assertEqual(
            seen, {(part, other) for part, others in MAY_IMPORT.items() for other in others}
        )

    def test_no_part_is_above_itself(self) -> None:
        def below(part: str) -> set[str]:
            return MAY_IMPORT[part].union(*map(below, MAY_IMPORT[part]))

        for part in MAY_IMPORT:
            self.assertNotIn(part, below(part))

    def test_what_is_below_the_doors_knows_no_socket(self) -> None:
        for part, path in files():
            if part not in ("core", "journal", "limits", "messages", "text"):
                continue
            for module in needs(path):
                self.assertNotIn(module.split(".")[0], NO_IO, path)
                if module.startswith("twisted"):
                    known = any(module in (m, m.rpartition(".")[0]) for m in TWISTED_BELOW)
                    below = any(module.startswith(f"{m}.") for m in TWISTED_BELOW)
                    self.assertTrue(known or below, f"{path} imports {module}")

    def test_nothing_of_the_core_is_a_base_of_what_is_in_the_cluster(self) -> None:
        for part, path in files():
            if part != "cluster":
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            of_core = {
                alias.asname or alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and "core" in parts_of(node.module or "")
                for alias in node.names
            }
            for node in ast.walk(tree):
                for base in node.bases if isinstance(node, ast.ClassDef) else ():
                    names = {each.id for each in ast.walk(base) if isinstance(each, ast.Name)}
                    self.assertEqual(names & of_core, set(), path)

    def test_the_reactor_is_imported_where_the_service_is_made_and_nowhere_else(self) -> None:
        importers = [
            path.relative_to(PACKAGE).as_posix()
            for _, path in files()
            if "twisted.internet.reactor" in needs(path)
        ]
        self.assertEqual(importers, ["client/library.py", "client/tap.py", "tap.py"])


class CircleTests(TestCase):
    """No file needs, by whatever way, a file that needs it: an import for its types counts too."""

    def test_there_are_none(self) -> None:
        self.assertEqual(circles(needs_of_files()), [])

    def test_they_are_found(self) -> None:
        chain = {"a": {"b"}, "b": {"c"}, "c": set(), "d": {"c", "a"}}
        self.assertEqual(circles(chain), [])
        self.assertEqual(circles({**chain, "c": {"b"}}), [{"b", "c"}])
        self.assertEqual(circles({**chain, "c": {"d"}}), [{"a", "b", "c", "d"}])


class DoorTests(TestCase):
    """Connections and dialogs meet at the seam; a door stands alone."""

    SHARED = {"doors.seam", "doors.dialog"}
    """What dialogs have of the files that are of no door."""

    JOINTS = {"doors.table", "doors.factory"}
    """What brings the two together: the list of doors, and who opens them and owns the chat."""

    def setUp(self) -> None:
        self.needs = {
            file: {other for other in others if other.startswith("doors.")}
            for file, others in needs_of_files().items()
            if file.startswith("doors.")
        }
        self.doors = {
            path.name for path in (PACKAGE / "doors").iterdir() if (path / "__init__.py").exists()
        }

    def door(self, file: str) -> str | None:
        name = file.split(".")[1]
        return name if name in self.doors else None

    def test_there_are_doors_and_connections(self) -> None:
        self.assertIn("text", self.doors)
        self.assertIn("json", self.doors)
        self.assertIn("doors.connection", self.needs)

    def test_a_door_imports_nothing_but_itself_and_what_dialogs_share(self) -> None:
        for file, others in self.needs.items():
            if self.door(file) is not None:
                strange = {o for o in others if self.door(o) != self.door(file)} - self.SHARED
                self.assertEqual(strange, set(), file)

    def test_what_dialogs_share_imports_no_connection(self) -> None:
        for file in self.SHARED:
            self.assertLessEqual(self.needs[file], self.SHARED, file)

    def test_the_code_of_connections_imports_no_dialog_and_no_chat(self) -> None:
        chat = {"core.chat", "core.members", "core.presence", "core.rooms", "core.state"}
        for file, others in needs_of_files().items():
            if not file.startswith("doors.") or file in self.SHARED | self.JOINTS:
                continue
            if self.door(file) is None:
                dialogs = {o for o in others if o.startswith("doors.") and self.door(o)}
                self.assertEqual(dialogs, set(), file)
                self.assertEqual(others & {"doors.dialog", "doors.table", *chat}, set(), file)

    def test_only_the_table_knows_which_doors_there_are(self) -> None:
        for file, others in needs_of_files().items():
            if not file.startswith("doors.") or self.door(file) is None:
                opened = {o for o in others if o.endswith(".dialog") and o != "doors.dialog"}
                self.assertEqual(bool(opened), file == "doors.table", file)


class TreeTests(TestCase):
    def test_the_document_shows_each_file_at_its_place_and_no_other(self) -> None:
        text = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
        tree = text.partition("\nchatservice/\n")[2].partition("\n```\n")[0]
        shown: list[str] = []
        folders: list[str] = []
        for line in tree.splitlines():
            depth = (len(line) - len(line.lstrip())) // 4 - 1
            for word in line.split():
                if word.endswith("/"):
                    folders[depth:] = [word]
                elif word.endswith(".py"):
                    shown.append("".join(folders[:depth]) + word)
                else:
                    break
        there = [
            path.relative_to(PACKAGE).as_posix()
            for _, path in files()
            if path.name != "__init__.py"
        ]
        self.assertEqual(sorted(shown), sorted(there))


class FolderTests(TestCase):
    def test_the_folder_of_the_plugin_is_no_package(self) -> None:
        """An __init__.py there would hide Twisted, or be installed over its own."""
        self.assertTrue((CHECKOUT / "twisted" / "plugins" / "chat_plugin.py").exists())
        self.assertEqual(list((CHECKOUT / "twisted").rglob("__init__.py")), [])
