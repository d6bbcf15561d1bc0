from __future__ import annotations

import asyncio
import os
import ssl
import sys
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import asyncioreactor
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.python.usage import UsageError

from chatservice.cluster import settings
from chatservice.cluster.settings import Brokers
from chatservice.limits import Limits
from tests.journal.support import run_python
from tests.test_tap import TapTestCase, certificate_pem, key_pem

REACTOR = "twisted.internet.reactor"

PARSES = """
import asyncio, sys
from chatservice.tap import Options

options = Options()
options.parseOptions(["--cluster", "nats://127.0.0.1:1"])
from twisted.internet import reactor
print(type(reactor).__name__, asyncio.get_event_loop() is reactor._asyncioEventloop)
"""

WITH_ANOTHER_REACTOR = """
from twisted.internet import selectreactor
selectreactor.install()
from chatservice.tap import Options

try:
    Options().parseOptions(["--cluster", "nats://127.0.0.1:1"])
except SystemExit as refusal:
    print(refusal)
"""

NEEDS_NO_NATS = """
import sys
sys.modules["nats"] = None
from chatservice.tap import Options

Options().parseOptions([])
try:
    Options().parseOptions(["--cluster", "nats://127.0.0.1:1"])
except SystemExit as refusal:
    print(refusal)
"""


class SettingsTestCase(TapTestCase):
    def brokers(self, cluster: str = "nats://a", **given: Any) -> Brokers:
        options = {name: default for name, _, default, _ in settings.PARAMETERS}
        options |= {"cluster": cluster, "history": "chat.sqlite"}
        options |= {name.replace("_", "-"): value for name, value in given.items()}

        def number(name: str, least: int) -> int:
            if options[name] < least:
                raise UsageError(f"--{name}: at least {least}")
            return int(options[name])

        return settings.brokers(options, number, Limits())

    def refused(self, cluster: str = "nats://a", **given: Any) -> str:
        with self.assertRaises(UsageError) as refusal:
            self.brokers(cluster, **given)
        (line,) = str(refusal.exception).splitlines()
        return line

    def setUp(self) -> None:
        super().setUp()
        self.patch(settings, "_install_reactor", lambda: None)

    def pem(self) -> str:
        """Make a file with a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self.write("one.pem", certificate_pem(key, "localhost") + key_pem(key))


class BrokersTests(SettingsTestCase):
    def test_what_is_not_given_is_as_usual(self) -> None:
        self.assertEqual(self.brokers(), Brokers(["nats://a:4222"], "chat", 0, 30, {}, None))

    def test_what_is_given_counts(self) -> None:
        brokers = self.brokers("nats://a:1", cluster_name="my_Chat-2", replicas=5, log_days=8)
        self.assertEqual(brokers, Brokers(["nats://a:1"], "my_Chat-2", 5, 8, {}, None))

    def test_addresses_may_be_written_in_several_ways(self) -> None:
        for written, wanted in (
            ("nats://a:1,nats://b:2", ["nats://a:1", "nats://b:2"]),
            ("a,b:7", ["nats://a:4222", "nats://b:7"]),
            ("nats://[::1]:9,nats://[::2]", ["nats://[::1]:9", "nats://[::2]:4222"]),
            ("nats://A.example/", ["nats://a.example:4222"]),
        ):
            self.assertEqual(self.brokers(written).urls, wanted)

    def test_some_addresses_are_none(self) -> None:
        how = "--cluster: a broker is written nats://HOST:4222 or tls://HOST:4222"
        for written in ("nats://", "http://a", "nats://a,", "nats://:4222"):
            self.assertEqual(self.refused(written), how, written)
        for written in ("nats://a:b", "nats://a:99999", "a:b:c", "nats:a"):
            why = "--cluster: a broker's port is no number"
            self.assertEqual(self.refused(written), why, written)

    def test_a_password_in_an_address_is_refused_and_not_told(self) -> None:
        for written in (
            "nats://ana:secret@a",
            "nats://ana@a:1",
            "ana:secret@a",
            "nats://:secret@a",
        ):
            refused = self.refused(written)
            self.assertNotIn("secret", refused)
            self.assertIn("--broker-credentials", refused)
        self.assertNotIn("secret", self.refused("nats://ana:secret@a:b"))

    def test_a_name_of_a_stream_is_plain(self) -> None:
        for name in ("", "a b", "a.b", "büro", "x" * 65, "a\n"):
            with self.assertRaises(UsageError):
                self.brokers(cluster_name=name)
        self.assertEqual(
            self.refused(cluster_name="a.b"),
            "--cluster-name a.b: letters, digits, - and _ are allowed",
        )

    def test_the_log_is_kept_for_longer_than_a_program_may_be_away(self) -> None:
        self.assertEqual(self.brokers(log_days=8).days, 8)
        self.assertEqual(
            self.refused(log_days=7),
            "--log-days 7: programs may come back for 7 days (--token-life), so it takes more",
        )

    def test_each_node_has_a_file(self) -> None:
        why = "--cluster: each node needs a file for its --history"
        self.assertEqual(self.refused(history="none"), why)

    def test_numbers_have_a_least_value(self) -> None:
        self.assertEqual(self.refused(replicas=-1), "--replicas: at least 0")
        self.assertEqual(self.refused(log_days=0), "--log-days: at least 1")

    def test_without_the_client_of_the_brokers_it_is_told_how_to_get_it(self) -> None:
        how = "--cluster: nats-py is missing: pip install 'chatservice[cluster]'"
        with mock.patch.dict(sys.modules, {"nats": None}):
            self.assertEqual(self.refused(), how)


class AccessTests(SettingsTestCase):
    def given(self, content: bytes) -> str:
        return self.write("access", content)

    def test_a_line_is_a_name_and_a_password_or_a_token(self) -> None:
        for content, wanted in (
            (b"node:secret", {"user": "node", "password": "secret"}),
            (b"node:sec:ret \n", {"user": "node", "password": "sec:ret"}),
            (b"secret\n", {"token": "secret"}),
            ("zoë:größe".encode(), {"user": "zoë", "password": "größe"}),
        ):
            access = self.brokers(broker_credentials=self.given(content)).access
            self.assertEqual(access, wanted)

    def test_a_creds_file_is_left_to_the_client(self) -> None:
        path = self.given(b"-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n")
        self.assertEqual(self.brokers(broker_credentials=path).access, {"user_credentials": path})

    def test_what_is_none_of_these_is_refused(self) -> None:
        for content in (b"", b"\n", b"a\nb"):
            path = self.given(content)
            why = f"--broker-credentials {path}: one line is expected"
            self.assertEqual(self.refused(broker_credentials=path), why)
        path = self.given(b"\xff\xfe")
        why = f"--broker-credentials {path}: it is no text"
        self.assertEqual(self.refused(broker_credentials=path), why)

    def test_a_file_that_can_not_be_read_is_refused(self) -> None:
        path = os.path.join(self.folder, "nowhere")
        why = f"--broker-credentials {path}: No such file or directory"
        self.assertEqual(self.refused(broker_credentials=path), why)


class TlsTests(SettingsTestCase):
    def test_brokers_at_tls_addresses_are_checked(self) -> None:
        brokers = self.brokers("nats://a,tls://b")
        self.assertEqual(brokers.urls, ["nats://a:4222", "tls://b:4222"])
        assert brokers.tls is not None
        self.assertEqual(brokers.tls.verify_mode, ssl.CERT_REQUIRED)
        self.assertTrue(brokers.tls.check_hostname)

    def test_so_are_those_of_whom_one_has_certificates(self) -> None:
        brokers = self.brokers("tls://a", broker_ca=self.pem())
        assert brokers.tls is not None
        self.assertEqual(brokers.tls.cert_store_stats()["x509"], 1)

    def test_certificates_are_of_no_use_without_tls(self) -> None:
        for option in ("broker_ca", "broker_certificate"):
            why = self.refused("nats://a", **{option: self.pem()})
            self.assertIn("they are for tls://", why)

    def test_a_node_may_have_a_certificate(self) -> None:
        self.assertIsNotNone(self.brokers("tls://a", broker_certificate=self.pem()).tls)

    def test_files_that_can_not_be_used_are_refused(self) -> None:
        missing = os.path.join(self.folder, "nowhere")
        broken = self.write("broken.pem", b"secret")
        for option in ("broker_ca", "broker_certificate"):
            written = "--" + option.replace("_", "-")
            why = f"{written} {missing}: No such file or directory"
            self.assertEqual(self.refused("tls://a", **{option: missing}), why)
            refused = self.refused("tls://a", **{option: broken})
            self.assertTrue(refused.startswith(f"{written} {broken}: "), refused)


class ReactorTests(TapTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.installed: list[object] = []
        self.patch(asyncioreactor, "install", self.installed.append)

    def install(self, reactor: object) -> None:
        """Have the reactor that is needed, where one may be installed already."""
        with mock.patch.dict(sys.modules):
            if reactor is None:
                sys.modules.pop(REACTOR, None)
            else:
                sys.modules[REACTOR] = reactor  # type: ignore[assignment]
            settings._install_reactor()

    def test_where_there_is_none_that_of_asyncio_is_installed(self) -> None:
        self.addCleanup(asyncio.set_event_loop, None)
        self.install(None)
        (loop,) = self.installed
        assert isinstance(loop, asyncio.AbstractEventLoop)
        self.addCleanup(loop.close)
        self.assertIs(asyncio.get_event_loop_policy().get_event_loop(), loop)

    def test_where_it_is_there_that_is_all(self) -> None:
        self.install(AsyncioSelectorReactor.__new__(AsyncioSelectorReactor))
        self.assertEqual(self.installed, [])

    def test_another_one_is_refused(self) -> None:
        with self.assertRaises(UsageError) as refusal:
            self.install(object())
        self.assertEqual(
            str(refusal.exception),
            "--cluster: it runs on the asyncio reactor: leave out --reactor",
        )

    def test_a_process_has_it_by_itself(self) -> None:
        self.assertEqual(run_python(PARSES), ["AsyncioSelectorReactor True"])

    def test_a_process_that_has_another_one_is_refused(self) -> None:
        (refused,) = run_python(WITH_ANOTHER_REACTOR)
        self.assertIn("--cluster: it runs on the asyncio reactor", refused)

    def test_a_process_without_a_cluster_needs_nothing_of_it(self) -> None:
        (refused,) = run_python(NEEDS_NO_NATS)
        self.assertIn("--cluster: nats-py is missing", refused)
