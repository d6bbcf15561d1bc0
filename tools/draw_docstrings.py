"""Print docstrings of the package, drawn at random, to test them on a new reader.

    python tools/draw_docstrings.py          ten of them
    python tools/draw_docstrings.py 5 -s 7   five; the seed 7 draws the same ones again

A reader of one docstring should be able to say in a sentence what the code does. Mend the docstring
if that fails, and draw again.
"""

from __future__ import annotations

import argparse
import ast
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
DOCUMENTED: Final = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the qualified name and the text of each docstring of a file."""

    def walk(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), ".".join(names), text
        for child in ast.iter_child_nodes(node):
            name = getattr(child, "name", None)
            yield from walk(child, (*names, name) if isinstance(name, str) else names)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), ())


def main() -> None:
    """Draw docstrings, and print them."""
    parser = argparse.ArgumentParser(description="Print docstrings drawn at random.")
    parser.add_argument("count", nargs="?", type=int, default=10, help="how many [%(default)s]")
    parser.add_argument("-s", "--seed", type=int, help="draw those of this seed again")
    words = parser.parse_args()
    seed = random.randrange(1_000_000) if words.seed is None else words.seed
    found = [
        (path.relative_to(ROOT), *one)
        for path in sorted((ROOT / "chatservice").rglob("*.py"))
        for one in docstrings(path)
    ]
    for path, line, name, text in random.Random(seed).sample(found, min(words.count, len(found))):
        print(f"{path}:{line}  {name}\n\n    {text.replace(chr(10), chr(10) + '    ')}\n")
    print(f"drawn with --seed {seed}, of {len(found):,}")


if __name__ == "__main__":
    main()
