"""Installs the checkout with the real pip in a real environment, and runs the real twistd there."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.environment import CHECKOUT, environment, run, source, wheel

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


class InstallationTests:
    """What holds for every kind of installation.

    :cvar timeout: packages may have to come over the network.
    """

    timeout = 300

    def what(self) -> tuple[str | Path, ...]:
        """Return what pip is told to install."""
        raise NotImplementedError

    def setUp(self):
        self.environment = environment()
        self.environment.have(*self.what())

    def test_twistd_lists_the_chat(self):
        self.assertRegex(self.environment.twistd("--help"), re.compile(r"^ +chat ", re.M))

    def test_the_chat_has_options(self):
        self.assertIn("--listen", self.environment.twistd("chat", "--help"))

    def test_the_client_is_in_the_environment(self):
        activate = self.environment.folder / "bin" / "activate"
        said = run("bash", "-c", f". {activate} && chat-client --version")
        self.assertRegex(said, r"\Achat-client [0-9.]+\n\Z")

    def test_the_dependencies_agree(self):
        self.assertIn("No broken requirements", self.environment.pip("check"))

    def test_twisted_is_untouched(self):
        where = Path(self.environment.python(VERIFY_TWISTED).strip())
        self.assertIn(self.environment.folder, where.parents)

    def test_uninstalling_leaves_twisted_whole(self):
        installation = self.environment
        self.addCleanup(installation.spoil)
        self.assertRegex(installation.twistd("--help"), re.compile(r"^ +chat ", re.M))

        installation.pip("uninstall", "--yes", "chatservice")

        listed = installation.twistd("--help")
        self.assertNotRegex(listed, re.compile(r"^ +chat ", re.M))
        self.assertRegex(listed, re.compile(r"^ +telnet ", re.M))
        installation.python(VERIFY_TWISTED)
        left = "import importlib.util as u; print(u.find_spec('chatservice'))"
        self.assertEqual(installation.python(left).strip(), "None")


class WheelTests(InstallationTests, TestCase):
    """What most people have."""

    def what(self):
        return (wheel(),)


class EditableInstallTests(InstallationTests, TestCase):
    """What developers have."""

    def what(self):
        return ("--editable", source("editable"))

    def test_the_checkout_is_what_runs(self):
        where = self.environment.python("import chatservice; print(chatservice.__file__)")
        self.assertEqual(Path(where.strip()), source("editable") / "chatservice" / "__init__.py")


class BuildTests(TestCase):
    """What is built to be given away."""

    def test_the_wheel_holds_what_the_folders_hold(self):
        with zipfile.ZipFile(wheel()) as archive:
            packed = {name for name in archive.namelist() if ".dist-info/" not in name}

        expected = {
            str(path.relative_to(source("built")))
            for path in (source("built") / "chatservice").rglob("*")
            if path.is_file()
        }
        self.assertIn("chatservice/py.typed", expected)
        self.assertEqual(packed, expected | {"twisted/plugins/chat_plugin.py"})

    def test_twisted_is_no_package_of_ours(self):
        """One __init__.py there would hide Twisted, or be installed over its own."""
        self.assertEqual(list((CHECKOUT / "twisted").rglob("__init__.py")), [])
