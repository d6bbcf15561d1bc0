"""Parts that the tests of installation share: a copy of the checkout, a wheel, an environment.

All are made with the real ``build`` and ``pip``, at most once in a process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.at_end import at_end

CHECKOUT = Path(__file__).resolve().parents[2]


def environ() -> dict[str, str]:
    """Return the environment variables without those of the tests' own environment."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "COV", "VIRTUAL_ENV"))
    }


def run(*command: str | Path) -> str:
    """Run a command in ``/``, where it finds no file by chance, and return its output.

    :raises AssertionError: if the command fails.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        env=environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=180,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def copy_checkout(to: Path) -> Path:
    """Copy the files that a clone of the project has.

    Files left by builds and tests are left out: a build in the checkout itself would use stale
    files in its ``build/``, and leave new ones.
    """

    def ignored(folder: str, names: list[str]) -> set[str]:
        return {
            name
            for name in names
            if name.startswith((".", "_trial_temp"))
            or name.endswith((".egg-info", ".pyc", "~"))
            or name in ("__pycache__", "dropin.cache")
            or (Path(folder) == CHECKOUT and name in ("build", "dist", "htmlcov"))
            or Path(folder, name, "pyvenv.cfg").exists()
        }

    shutil.copytree(CHECKOUT, to, ignore=ignored)
    return to


@cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="chatservice-test-"))
    at_end(shutil.rmtree, root, ignore_errors=True)
    return root


@cache
def source(purpose: str) -> Path:
    """Return a copy of the checkout for one purpose, since its use leaves files."""
    return copy_checkout(_root() / purpose)


@cache
def wheel() -> Path:
    """Return the wheel. It is built from the sdist, so the sdist must be complete, too."""
    run(sys.executable, "-m", "build", "--outdir", _root() / "dist", source("built"))
    (found,) = (_root() / "dist").glob("*.whl")
    return found


class Environment:
    """A virtual environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self._installed: tuple[str | Path, ...] = ()
        run(sys.executable, "-m", "venv", folder)

    def have(self, *what: str | Path) -> None:
        """Install packages in place of those installed, unless they are the same."""
        if what != self._installed:
            self.spoil()
            self.pip("uninstall", "--yes", "chatservice")
            self.pip("install", *what)
            self._installed = what

    def spoil(self) -> None:
        """Note that the installed packages were changed, and must be installed again."""
        self._installed = ()

    def pip(self, *arguments: str | Path) -> str:
        """Run pip, and return its output."""
        return run(self.bin / "pip", "--disable-pip-version-check", *arguments)

    def twistd(self, *arguments: str) -> str:
        """Run twistd, and return its output."""
        return run(self.bin / "twistd", *arguments)

    def python(self, script: str) -> str:
        """Run a script, and return its output."""
        return run(self.bin / "python", "-c", script)


@cache
def environment() -> Environment:
    """Return the shared environment."""
    return Environment(_root() / "venv")
