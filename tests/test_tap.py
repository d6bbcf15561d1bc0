from __future__ import annotations

import os
import stat
import sys
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from twisted.application.service import IService
from twisted.internet import reactor
from twisted.python.usage import Options as UsageOptions
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from chatservice.cluster import settings
from chatservice.cluster.journal import ClusterJournal
from chatservice.cluster.peers import Nodes
from chatservice.limits import Limits
from chatservice.service import ChatService
from chatservice.tap import Options, makeService
from tests.journal.support import folder_for, run_python

IMPORTS_NO_REACTOR = """
import sys
from chatservice.tap import Options

options = Options()
options.parseOptions(["--listen", "tcp:0", "--listen", f"tls:{sys.argv[1]}:0", "--room", "dev"])
try:
    Options().parseOptions(["--listen", "tls:/nowhere:0"])
except SystemExit:
    print("twisted.internet.reactor" in sys.modules)
"""


# A module can't be imported, nor what needs it.
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from chatservice.tap import Options

try:
    Options().parseOptions(["--listen", sys.argv[2]])
except SystemExit as error:
    print(error)
"""

NOW = datetime.now(timezone.utc)


def key_pem(
    key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def certificate_pem(
    key: ec.EllipticCurvePrivateKey, *hosts: str, name: str = "me", issuer: str = "me"
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if hosts:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def parse(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


class TapTestCase(TestCase):
    def setUp(self) -> None:
        self.folder = folder_for(self)

    def write(self, name: str, content: bytes) -> str:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def under_twistd(self, **given: object) -> Options:
        """Make options as they are when twistd has parsed its own."""
        options = Options()
        options.parent = UsageOptions()  # type: ignore[no-untyped-call]
        options.parent.update(given)
        return options

    def certificates(self, folder: str, **files: bytes) -> str:
        """Make a folder of .pem files; without any named, one with all that is needed."""
        key = ec.generate_private_key(ec.SECP256R1())
        files = files or {"localhost": certificate_pem(key, "localhost") + key_pem(key)}
        for name, content in files.items():
            path = self.write(f"{folder}/{name}.pem", content)
        self.write(f"{folder}/readme.txt", b"no certificate")
        return os.path.dirname(path)


class HelpTests(TestCase):
    def assert_helps(self, option: str, default: object) -> None:
        help_text = " ".join(str(Options()).split())
        self.assertRegex(help_text, rf" --{option}= ((?! --[\w-]+=).)*\[default: {default}\]")

    def test_each_limit_is_there_with_its_default(self) -> None:
        for name, default, *_ in Limits.table():
            self.assert_helps(name.replace("_", "-"), default)

    def test_the_console_is_a_flag(self) -> None:
        self.assertRegex(
            str(Options()), r" --console +take part from this terminal, as an operator"
        )

    def test_each_other_option_is_there_with_its_default(self) -> None:
        for option, default in (
            ("history", "chat.sqlite"),
            ("keep", 0),
            ("motd", "none"),
            ("room", "lobby"),
            ("listen", "port 7007, IPv4 and IPv6"),
            ("cluster", "none"),
            ("cluster-name", "chat"),
            ("replicas", 0),
            ("log-days", 30),
        ):
            self.assert_helps(option, default)

    def test_how_to_get_at_brokers_has_no_default(self) -> None:
        help_text = str(Options())
        for option in ("broker-credentials", "broker-ca", "broker-certificate"):
            self.assertRegex(help_text, rf" --{option}= +\S")


class OptionsTests(TapTestCase):
    def test_without_options_everything_is_as_usual(self) -> None:
        options = parse()
        self.assertEqual(options.limits, Limits())
        self.assertEqual((options.rooms, options.motd), (["lobby"], []))
        self.assertEqual((options["listen"], options["keep"]), ([], 0))

    def test_each_limit_can_be_set(self) -> None:
        wanted = {name: default + 1 for name, default, *_ in Limits.table()}
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in wanted.items()]
        self.assertEqual(parse(*arguments).limits, Limits(**wanted))

    def test_rooms_are_written_in_their_one_form(self) -> None:
        self.assertEqual(parse("--room", "#Dev", "--room", "Büro").rooms, ["dev", "büro"])

    def test_the_motd_is_safe_to_show(self) -> None:
        motd = self.write("motd", b"welcome\r\n\nto \x1b[31mred\n\xff")
        self.assertEqual(
            parse("--motd", motd).motd,
            ["welcome", "", "to \u241b[31mred", "\N{REPLACEMENT CHARACTER}"],
        )

    def test_endpoints_of_all_kinds_are_accepted(self) -> None:
        endpoints = [
            "tcp:7007:interface=127.0.0.1",
            "tcp6:7007",
            f"unix:{self.folder}/socket",
            f"tls:{self.certificates('certificates')}:7008",
            f"haproxy:tls:{self.certificates('behind')}:7008",
            f"tls:{self.certificates('c:d')}:7008".replace("c:d", r"c\:d"),
            f"tls:{self.certificates('also')}:7008 telnet",
            "tcp:23 telnet",
            f"unix:{self.folder}/so ck/et",
        ]
        arguments = [word for endpoint in endpoints for word in ("--listen", endpoint)]
        self.assertEqual(parse(*arguments)["listen"], endpoints)

    def test_a_certificate_and_its_key_may_be_in_two_files(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        other = ec.generate_private_key(ec.SECP256R1())
        authority = certificate_pem(other, name="authority", issuer="root")
        folder = self.certificates(
            "live",
            chain=authority,
            fullchain=certificate_pem(key, "chat.example", issuer="authority") + authority,
            privkey=key_pem(key),
        )
        self.assertEqual(parse("--listen", f"tls:{folder}:7008")["listen"], [f"tls:{folder}:7008"])

    def test_with_a_console_the_log_is_a_file(self) -> None:
        for given, wanted in ((None, "twistd.log"), ("", "twistd.log"), ("mine", "mine")):
            options = self.under_twistd(nodaemon=1, logfile=given)
            options.parseOptions(["--console"])
            self.assertTrue(options["console"])
            assert options.parent is not None
            self.assertEqual(options.parent["logfile"], wanted)

    def test_without_one_the_log_is_where_it_was(self) -> None:
        options = self.under_twistd(nodaemon=1, logfile=None)
        options.parseOptions([])
        assert options.parent is not None
        self.assertEqual((options["console"], options.parent["logfile"]), (0, None))

    def test_parsing_does_not_import_the_reactor(self) -> None:
        folder = self.certificates("certificates")
        self.assertEqual(run_python(IMPORTS_NO_REACTOR, folder), ["False"])


class RefusedOptionsTests(TapTestCase):
    def refused(self, *arguments: str) -> str:
        with self.assertRaises(SystemExit) as refusal:
            parse(*arguments)
        return self.one_line(refusal.exception)

    def one_line(self, refusal: SystemExit) -> str:
        (line,) = str(refusal).splitlines()
        self.assertTrue(line.startswith("chat: "), line)
        return line.removeprefix("chat: ")

    def test_numbers_that_are_none_or_too_small(self) -> None:
        for name, default, _, least in Limits.table():
            option = f"--{name.replace('_', '-')}"
            for value in (str(least - 1), "-70", "many", "1.5", "", str(default) + "s"):
                why = f"{option} {value}: it takes a whole number, {least} or more"
                self.assertEqual(self.refused(f"{option}={value}"), why)

    def test_days_that_are_none(self) -> None:
        for value in ("-1", "nan", "soon"):
            self.assertTrue(self.refused(f"--keep={value}").startswith(f"--keep {value}: "))

    def test_a_room_that_can_not_be(self) -> None:
        self.assertEqual(
            self.refused("--room", "#operators"), "--room: #operators is for operators alone"
        )
        self.assertEqual(self.refused("--room", "a b"), "--room: a room's name has no spaces in it")
        long = self.refused("--room", "abcd", "--max-name", "3")
        self.assertEqual(long, "--room: a room's name has 1 to 3 characters")

    def test_a_motd_that_can_not_be_read(self) -> None:
        missing = os.path.join(self.folder, "motd")
        self.assertEqual(
            self.refused("--motd", missing), f"--motd {missing}: No such file or directory"
        )
        self.assertEqual(
            self.refused("--motd", self.folder), f"--motd {self.folder}: Is a directory"
        )

    def test_endpoints_that_are_none(self) -> None:
        for endpoint, why in (
            ("carrier-pigeon:7", "Unknown endpoint type: 'carrier-pigeon': write tcp:7007, say"),
            ("tcp:seven", "a number is wanted where 'seven' is"),
            ("haproxy:tcp6:", "a number is wanted where '' is"),
            ("tcp:7:backlog=x", "a number is wanted where 'x' is"),
            ("unix:chat.sock:mode=rw", "an octal number, like 660, is wanted where 'rw' is"),
            ("tcp:65536", "a port is a number from 0 to 65535"),
            ("tcp6:-1", "a port is a number from 0 to 65535"),
            ("ssl:7:privateKey=/dev/null", "its certificate or key can't be read"),
            ("systemd:domain=INET:index=0", "systemd passed no such socket"),
            ("tcp:23 telent", "'telent' is no option of a listener: there is telnet"),
            ("tcp:23 telnet doors=web", "'doors=web' is no option of a listener: there is telnet"),
        ):
            self.assertEqual(self.refused("--listen", endpoint), f"--listen {endpoint}: {why}")
        for endpoint in ("", "tcp", "tcp:7007:colour=red", "unix", "7007"):
            self.assertIn(f"--listen {endpoint}: ", self.refused("--listen", endpoint))

    def test_what_tls_needs_and_is_not_installed(self) -> None:
        folder = self.certificates("certificates")
        for missing in ("OpenSSL", "cryptography"):
            for endpoint in ("ssl:7008:privateKey=/dev/null", f"tls:{folder}:7008"):
                (told,) = run_python(WITHOUT, missing, endpoint)
                self.assertEqual(
                    told,
                    f"chat: --listen {endpoint}: TLS needs what is not installed here:"
                    " pip install 'chatservice[tls]'",
                )

    def test_certificates_that_are_missing(self) -> None:
        for endpoint in ("tls:/nowhere:7008", "tls:/nowhere", "haproxy:tls:/nowhere:7008"):
            why = "/nowhere has no .pem files with a host's certificate and its key"
            self.assertEqual(self.refused("--listen", endpoint), f"--listen {endpoint}: {why}")
        key = "/nowhere/key.pem"
        self.assertEqual(
            self.refused("--listen", f"ssl:7008:privateKey={key}"),
            f"--listen ssl:7008:privateKey={key}: {key}: No such file or directory",
        )

    def test_certificates_that_could_not_be_used(self) -> None:
        key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        certificate = certificate_pem(key, "localhost")
        for number, files in enumerate(
            (
                {"no_key": certificate},
                {"no_certificate": key_pem(key)},
                {"another_key": certificate + key_pem(other)},
                {"no_host": certificate_pem(key) + key_pem(key)},
                {"neither": b"secret"},
            )
        ):
            folder = self.certificates(str(number), **files)
            why = f"{folder} has no .pem files with a host's certificate and its key"
            refused = self.refused("--listen", f"tls:{folder}:7008")
            self.assertEqual(refused, f"--listen tls:{folder}:7008: {why}")

    def test_certificates_that_can_not_be_read(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = certificate_pem(key, "localhost")
        for number, broken in enumerate(
            (
                certificate.replace(b"M", b"?", 1),
                key_pem(key).replace(b"M", b"?", 1),
                key_pem(key, BestAvailableEncryption(b"secret")),
                b"-----BEGIN DH PARAMETERS-----\nMAYCAQ8CAQI=\n-----END DH PARAMETERS-----\n",
            )
        ):
            folder = self.certificates(str(number), whole=certificate, broken=broken)
            refused = self.refused("--listen", f"tls:{folder}:7008")
            why = f"{folder}/broken.pem can't be read, or needs a password"
            self.assertEqual(refused, f"--listen tls:{folder}:7008: {why}")

    def test_a_root_certificate(self) -> None:
        """To look for the issuer of a root, as Twisted does, would never end."""
        key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        folder = self.certificates(
            "private",
            ca=certificate_pem(other, name="root", issuer="root"),
            localhost=certificate_pem(key, "localhost", issuer="root") + key_pem(key),
        )
        why = f"{folder}/ca.pem has a root certificate, which does not belong there"
        refused = self.refused("--listen", f"tls:{folder}:7008")
        self.assertEqual(refused, f"--listen tls:{folder}:7008: {why}")

    def test_a_console_of_a_daemon(self) -> None:
        with self.assertRaises(SystemExit) as refusal:
            self.under_twistd(nodaemon=0, logfile=None).parseOptions(["--console"])
        self.assertEqual(
            self.one_line(refusal.exception), "--console: a daemon has no terminal: twistd needs -n"
        )

    def test_a_console_without_standard_input_or_output(self) -> None:
        for name in ("__stdin__", "__stdout__"):
            patch = self.patch(sys, name, None)
            why = "--console: there is no standard input and output"
            self.assertEqual(self.refused("--console"), why)
            patch.restore()

    def test_what_is_no_option(self) -> None:
        self.assertEqual(self.refused("please"), "Wrong number of arguments.")
        self.assertIn("colour", self.refused("--colour", "red"))


class ClusterOptionsTests(TapTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(settings, "_install_reactor", lambda: None)

    def test_without_brokers_there_is_no_cluster(self) -> None:
        self.assertIsNone(parse("--log-days", "3").brokers)

    def test_brokers_are_known_by_the_options(self) -> None:
        brokers = parse(
            *("--cluster", "nats://a,nats://b:7", "--cluster-name", "mine"),
            *("--replicas", "3", "--log-days", "9", "--token-life", "8"),
        ).brokers
        wanted = settings.Brokers(["nats://a:4222", "nats://b:7"], "mine", 3, 9, {})
        self.assertEqual(brokers, wanted)

    def test_what_is_wrong_is_told_in_one_line(self) -> None:
        for arguments, why in (
            (["--replicas", "-1"], "--replicas -1: it takes a whole number, 0 or more"),
            (["--log-days", "0"], "--log-days 0: it takes a whole number, 1 or more"),
            (["--history", "none"], "--cluster: each node needs a file for its --history"),
            (["--token-life", "30"], "--log-days 30: programs may come back for 30 days"),
            (["--lease", "1"], "--lease 1: it takes a whole number, 2 or more"),
        ):
            with self.assertRaises(SystemExit) as refusal:
                parse("--cluster", "nats://a", *arguments)
            (line,) = str(refusal.exception).splitlines()
            self.assertTrue(line.startswith(f"chat: {why}"), line)

    def test_a_service_of_a_cluster_opens_nothing_yet(self) -> None:
        history = os.path.join(self.folder, "history")
        options = parse("--history", history, "--cluster", "nats://127.0.0.1:1", "--lease", "9")
        before = os.listdir("/proc/self/fd")
        service = makeService(options)
        self.assertEqual(os.listdir("/proc/self/fd"), before)
        self.assertEqual(os.listdir(self.folder), [])
        assert isinstance(service, ChatService)
        chat = service.factory.chat
        self.assertIsInstance(chat.peers, Nodes)
        self.assertIsInstance(chat.journal, ClusterJournal)


class MakeServiceTests(TapTestCase):
    def test_nothing_is_opened_yet(self) -> None:
        history = os.path.join(self.folder, "history")
        options = parse(
            "--history", history, "--listen", f"unix:{self.folder}/socket", "--listen", "tcp:7007"
        )
        self.assertIsNotNone(reactor)
        before = os.listdir("/proc/self/fd")
        service = makeService(options)
        self.assertEqual(os.listdir("/proc/self/fd"), before)
        self.assertEqual(os.listdir(self.folder), [])
        self.assertTrue(verifyObject(IService, service))

    def test_without_a_history_no_file_is_made(self) -> None:
        self.started("--history", "none")
        self.assertEqual(sorted(os.listdir(self.folder)), ["socket", "socket.lock"])

    def test_the_history_is_the_file_that_was_named(self) -> None:
        history = os.path.join(self.folder, "history")
        self.started("--history", history)
        self.assertTrue(stat.S_ISREG(os.stat(history).st_mode))

    def started(self, *arguments: str) -> None:
        service = makeService(parse("--listen", f"unix:{self.folder}/socket", *arguments))
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)
