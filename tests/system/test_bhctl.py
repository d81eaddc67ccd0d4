# SPDX-License-Identifier: Apache-2.0
"""Issue 2, point 13: tools/bhctl against the real shell, which runs here on a fake appliance behind Python's own TLS."""

import json
import os
import select
import socket
import ssl
import subprocess
import threading

import pexpect
import pytest
from appliance import PATIENCE, TOP
from conftest import OUT

pytestmark = pytest.mark.once

BHCTL = TOP / "tools/bhctl"


@pytest.fixture(scope="module")
def shell_program():
    environment = {k: v for k, v in os.environ.items() if k not in ("O", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-C", str(TOP), f"O={OUT}", f"{OUT}/unit/shell_on_host"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return OUT / "unit/shell_on_host"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([TOP / "tools/make_certificates", folder], check=True, capture_output=True)
    return folder


class Console(threading.Thread):
    """What the appliance's TLS console is to a client; serves one connection after the other."""

    def __init__(self, program, certificates, protocols=("bulkhead-command/1",), say=None):
        super().__init__(daemon=True)
        self.program, self.say = program, say
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
        self.context.load_verify_locations(certificates / "ca.crt")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.set_alpn_protocols(list(protocols))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as connection:
                    self.serve(connection)
            except (ssl.SSLError, OSError):
                pass

    def serve(self, connection):
        if self.say is not None:
            connection.recv(4096)
            connection.sendall(self.say)
            connection.unwrap()
            return
        mode = ["command"] if connection.selected_alpn_protocol() else []
        shell = subprocess.Popen([self.program, *mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

        open_inwards = True
        while True:
            ready = select.select([shell.stdout] + ([connection] if open_inwards else []), [], [])[0]
            if connection in ready:
                data = connection.recv(65536)
                open_inwards = bool(data)
                if data:
                    shell.stdin.write(data)
                else:
                    shell.terminate()
            if shell.stdout in ready:
                data = shell.stdout.read(4096)
                if not data:
                    break
                connection.sendall(data)
        shell.wait()
        connection.unwrap()

    def stop(self):
        self.listener.close()


@pytest.fixture(scope="module")
def console(shell_program, certificates):
    running = Console(shell_program, certificates)
    yield running
    running.stop()


def bhctl(port, certificates, *command, environment=None, **options):
    arguments = [BHCTL, *(["--certificates", certificates] if certificates else []), f"localhost:{port}", *command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(environment or {})}, **options)


def test_output_and_exit_status_are_the_appliances(console, certificates):
    done = bhctl(console.port, certificates, "domain", "list", "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert [domain["name"] for domain in json.loads(done.stdout)] == ["mgmt", "linux1", "linux2"]
    done = bhctl(console.port, certificates, "domain", "show", "linx1")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "no domain 'linx1'; did you mean 'linux1'? domains: mgmt, linux1, linux2\n"
    assert bhctl(console.port, certificates, "domian").returncode == 2


def test_words_keep_their_blanks_and_quotes(console, certificates):
    done = bhctl(console.port, certificates, "domain", "show", "it's a \"name\" \\ $HOME")
    assert done.stderr.startswith("no domain 'it's a \"name\" \\ $HOME'")


def test_console_dump(console, certificates):
    done = bhctl(console.port, certificates, "console", "linux1", "--dump")
    assert done.returncode == 0
    assert done.stdout == "Linux version 6.12\nlogin: "  # text=True makes one line end of CR LF


def test_an_update_is_sent(console, certificates, tmp_path):
    """The fake appliance takes ten bytes for an update, unless one of them is '!'."""
    file = tmp_path / "bulkhead.update"
    file.write_bytes(b"0123456789")
    done = bhctl(console.port, certificates, "update", file)
    assert done.returncode == 0 and "installed: version 5 (0.3) in slot b; 'reboot' tries it\n" in done.stdout, done
    file.write_bytes(b"!")
    done = bhctl(console.port, certificates, "update", file)
    assert done.returncode == 1 and done.stderr.endswith("not installed: its signature is wrong\n"), done
    done = bhctl(console.port, certificates, "update", tmp_path / "nothing")
    assert done.returncode == 125 and "there is no file" in done.stderr and "make update" in done.stderr
    assert bhctl(console.port, certificates, "update", "confirm").stderr == "nothing is on trial\n"


def test_a_file_becomes_a_value(console, certificates, tmp_path):
    file = tmp_path / "file"
    for size in (0, 1, 5000, 16384):
        file.write_bytes(b"line\n" * (size // 5) + b"x" * (size % 5))
        done = bhctl(console.port, certificates, "state", "set", "note", f"@{file}")
        assert done.returncode == 0 and done.stdout.startswith("set; ") and done.stderr == "", done
    file.write_bytes(bytes(16385))
    done = bhctl(console.port, certificates, "state", "set", "note", f"@{file}")
    assert done.returncode == 1 and done.stderr == "the value is too long; at most 16384 bytes are possible\n"
    assert bhctl(console.port, certificates, "state", "set", "note", "@nothing").returncode == 125


def on_a_terminal(console, certificates, command, *steps):
    """Runs bhctl on a terminal of its own; each step waits for something and types something. Returns all that was shown."""
    arguments = ["--certificates", str(certificates), f"localhost:{console.port}", *command]
    process = pexpect.spawn(str(BHCTL), arguments, timeout=PATIENCE, dimensions=(24, 100))
    shown = b""
    for wait, typed in steps:
        process.expect_exact(wait)
        shown += process.before + process.after
        process.send(typed)
    process.expect(pexpect.EOF)
    shown += process.before
    process.close()
    assert process.exitstatus == 0, shown
    return shown


def test_attached_console_on_a_terminal(console, certificates):
    shown = on_a_terminal(console, certificates, ["console", "linux1"], ("login: ", "\x1d"))
    assert b"Linux version 6.12\r\n" in shown


def test_interactive_shell_on_a_terminal(console, certificates):
    shown = on_a_terminal(console, certificates, [], ("edge-1> ", "dom\tli\t\r"), ("linux2", ""), ("edge-1> ", "\x04"))
    assert b"edge-1> domain list" in shown and b"Bye." in shown, shown


def test_certificates_come_from_options_variables_or_are_asked_for(console, certificates, tmp_path):
    done = bhctl(console.port, None, "version", environment={"BHCTL_CERTIFICATES": str(certificates)})
    assert done.returncode == 0, done.stderr
    done = bhctl(console.port, tmp_path, "version")
    assert done.returncode == 125 and f"there is no {tmp_path}/ca.crt" in done.stderr and "--ca" in done.stderr


def test_troubles_are_said_in_one_line(console, certificates, shell_program, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    cases = {
        port: "Connection refused",
        Console(shell_program, certificates, protocols=("http/1.1",)).port: "is no Bulkhead appliance",
        Console(shell_program, certificates, say=b"").port: "without an exit status",
        Console(shell_program, certificates, say=b"\x09\0\0\0\x01x").port: "unknown type 9",
    }
    for port, wanted in cases.items():
        done = bhctl(port, certificates, "version")
        assert done.returncode == 125 and wanted in done.stderr, done.stderr
        assert done.stderr.startswith("bhctl: ") and done.stderr.count("\n") == 1, done.stderr
    # Somebody else's certificates: neither side accepts the other.
    subprocess.run([TOP / "tools/make_certificates", tmp_path / "other"], check=True, capture_output=True)
    done = bhctl(console.port, tmp_path / "other", "version")
    assert done.returncode == 125 and "certificate is not accepted" in done.stderr
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for name, source in (("ca.crt", certificates), ("client.crt", tmp_path / "other"), ("client.key", tmp_path / "other")):
        (mixed / name).write_bytes((source / name).read_bytes())
    done = bhctl(console.port, mixed, "version")
    assert done.returncode == 125 and "refuses our certificate" in done.stderr, done.stderr
