"""Installs the checkout with the real pip into real environments, and runs the real twistd there.

Everything runs from /, so that nothing is found because it lies in the current folder.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from twisted.trial.unittest import TestCase

CHECKOUT = Path(__file__).resolve().parents[2]

# Checks every file that Twisted's installation wrote against the hash that pip noted then.
VERIFY_TWISTED = """
import base64, hashlib, importlib.metadata

import twisted.plugins, twisted.application.twist, twisted.words, twisted.conch

for file in importlib.metadata.files("Twisted"):
    content = file.locate().read_bytes()
    if file.hash is not None:
        digest = hashlib.new(file.hash.mode, content).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
print(twisted.plugins.__file__)
"""


def run(*command: str | Path) -> str:
    """What `command` writes; an error with all of it when it fails."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "COV", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        env=environ,
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
    """The files that somebody who clones the project has, without what building and testing leave.

    A build in the checkout itself would take over stale files from its build/, and leave new ones.
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


class Installation:
    """The checkout's files and an environment that they are installed in."""

    def __init__(self, *options: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="chatservice-test-"))
        atexit.register(self.remove)
        self.source = copy_checkout(self.root / "checkout")
        self.bin = self.root / "venv" / "bin"
        run(sys.executable, "-m", "venv", self.root / "venv")
        self.pip("install", *options, str(self.source))

    def pip(self, *arguments: str) -> str:
        return run(self.bin / "pip", "--disable-pip-version-check", *arguments)

    def twistd(self, *arguments: str) -> str:
        return run(self.bin / "twistd", *arguments)

    def python(self, script: str) -> str:
        return run(self.bin / "python", "-c", script)

    def remove(self) -> None:
        atexit.unregister(self.remove)
        shutil.rmtree(self.root, ignore_errors=True)


class InstallationTests:
    """What holds for every kind of installation. Each is made once for all of its tests."""

    options: tuple[str, ...]
    _installation: Installation | None = None

    @classmethod
    def installation(cls) -> Installation:
        if cls._installation is None:
            cls._installation = Installation(*cls.options)
        return cls._installation

    @classmethod
    def drop_installation(cls) -> None:
        if cls._installation is not None:
            cls._installation.remove()
            cls._installation = None

    def test_twistd_lists_the_chat(self):
        self.assertRegex(self.installation().twistd("--help"), re.compile(r"^ +chat ", re.M))

    def test_the_chat_has_options(self):
        self.assertIn("--listen", self.installation().twistd("chat", "--help"))

    def test_the_client_is_in_the_environment(self):
        root = self.installation().root
        said = run("bash", "-c", f". {root}/venv/bin/activate && chat-client --version")
        self.assertRegex(said, r"\Achat-client [0-9.]+\n\Z")

    def test_the_dependencies_agree(self):
        self.assertIn("No broken requirements", self.installation().pip("check"))

    def test_twisted_is_untouched(self):
        installation = self.installation()
        where = Path(installation.python(VERIFY_TWISTED).strip())
        self.assertIn(installation.root / "venv", where.parents)

    def test_uninstalling_leaves_twisted_whole(self):
        installation = self.installation()
        self.addCleanup(self.drop_installation)  # It is spent: a test after this makes a new one.
        self.assertRegex(installation.twistd("--help"), re.compile(r"^ +chat ", re.M))

        installation.pip("uninstall", "--yes", "chatservice")

        listed = installation.twistd("--help")
        self.assertNotRegex(listed, re.compile(r"^ +chat ", re.M))
        self.assertRegex(listed, re.compile(r"^ +telnet ", re.M))
        installation.python(VERIFY_TWISTED)
        left = "import importlib.util as u; print(u.find_spec('chatservice'))"
        self.assertEqual(installation.python(left).strip(), "None")


class PlainInstallTests(InstallationTests, TestCase):
    """pip install ."""

    options = ()


class EditableInstallTests(InstallationTests, TestCase):
    """pip install -e ."""

    options = ("--editable",)

    def test_the_checkout_is_what_runs(self):
        installation = self.installation()
        where = installation.python("import chatservice; print(chatservice.__file__)").strip()
        self.assertEqual(Path(where), installation.source / "chatservice" / "__init__.py")


class BuildTests(TestCase):
    """What is built to be given away."""

    def test_the_wheel_holds_what_the_folders_hold(self):
        """The wheel is built out of the sdist, so the sdist is complete too."""
        root = Path(tempfile.mkdtemp(prefix="chatservice-test-"))
        self.addCleanup(shutil.rmtree, root)
        source = copy_checkout(root / "checkout")
        run(sys.executable, "-m", "build", "--outdir", root / "dist", source)
        (wheel,) = (root / "dist").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            packed = {name for name in archive.namelist() if ".dist-info/" not in name}

        expected = {
            str(path.relative_to(source))
            for path in (source / "chatservice").rglob("*")
            if path.is_file()
        }
        self.assertIn("chatservice/py.typed", expected)
        self.assertEqual(packed, expected | {"twisted/plugins/chat_plugin.py"})

    def test_twisted_is_no_package_of_ours(self):
        """One __init__.py there would hide Twisted, or be installed over its own."""
        self.assertEqual(list((CHECKOUT / "twisted").rglob("__init__.py")), [])
