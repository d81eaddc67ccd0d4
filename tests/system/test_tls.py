# SPDX-License-Identifier: Apache-2.0
"""Issue 2, point 13: the TLS console of the running appliance, with openssl's and Python's clients."""

import contextlib
import select
import socket
import ssl
import struct
import subprocess
import time

import pytest
from appliance import PATIENCE, TOP, Appliance, Shell

COMMAND = "bulkhead-command/1"
# What the appliance says to a connection for which it has no place (RFC 8446, section 6: fatal, internal_error).
REFUSAL = bytes([21, 3, 3, 0, 2, 2, 80])


@pytest.fixture(scope="module")
def running(default_build, tmp_path_factory):
    with Appliance(default_build, folder=tmp_path_factory.mktemp("tls")) as started:
        started.shell.wait_prompt()
        wait_tls(started, lambda tls: tls["on"])
        yield started


def tls_status(appliance):
    """As the serial shell's `net` sees it."""
    return appliance.shell.json("net")["tls"]


def wait_tls(appliance, condition, timeout=PATIENCE):
    end = time.monotonic() + timeout
    while True:
        tls = tls_status(appliance)
        if condition(tls):
            return tls
        assert time.monotonic() < end, f"does not come in {timeout} s; net says {tls}"
        time.sleep(0.3)


def context(certificates, client="client", version=None, protocol=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(certificates / "ca.crt")
    made.check_hostname = False
    if client:
        made.load_cert_chain(certificates / f"{client}.crt", certificates / f"{client}.key")
    if version:
        made.minimum_version = made.maximum_version = version
    if protocol:
        made.set_alpn_protocols([protocol])
    return made


@contextlib.contextmanager
def connected(appliance, with_context):
    with socket.create_connection(("127.0.0.1", appliance.tls_port), timeout=PATIENCE) as plain:
        with with_context.wrap_socket(plain, server_hostname="bulkhead") as connection:
            yield connection


def frames(connection):
    """Output and exit status of a bulkhead-command/1 answer."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    output, status = b"", None
    while data:
        kind, length = struct.unpack(">BI", data[:5])
        payload, data = data[5:5 + length], data[5 + length:]
        assert len(payload) == length
        if kind == 3:
            status = payload[0]
        else:
            output += payload
    return output, status


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_command_session(running, version):
    with connected(running, context(running.certificates, version=version, protocol=COMMAND)) as connection:
        assert connection.selected_alpn_protocol() == COMMAND
        connection.sendall(b"version\n")
        output, status = frames(connection)
    assert b"Bulkhead" in output or b"kernel" in output
    assert status == 0


@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
def test_openssl_client_gets_the_shell(running, option):
    line = running.openssl(option)
    shell = Shell(line)
    shell.wait_prompt()
    assert "linux1" in shell.run("domain list")
    line.send_line("exit")
    assert line.process.wait() == 0


@pytest.fixture(scope="module")
def strangers(running, tmp_path_factory):
    """Certificates that must not be good enough."""
    folder = tmp_path_factory.mktemp("strangers")
    subprocess.run([TOP / "tools/make_certificates", folder / "other"], check=True, capture_output=True)
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=a\n[a]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
        "unique_subject=no\n[p]\ncommonName=supplied\n")
    (folder / "index").touch()
    for name, first, last in (("past", "20200101000000Z", "20210101000000Z"), ("future", "20420101000000Z", "20430101000000Z")):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
        for command in (["req", "-new", *key, "-subj", f"/CN={name}", "-out", f"{name}.csr"],
                        ["ca", "-config", "ca.conf", "-batch", "-notext", "-create_serial",
                         "-cert", running.certificates / "ca.crt", "-keyfile", running.certificates / "ca.key",
                         "-startdate", first, "-enddate", last, "-in", f"{name}.csr", "-out", f"{name}.crt"]):
            subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    for name in ("ca.crt",):
        (folder / name).write_bytes((running.certificates / name).read_bytes())
    for name in ("client.crt", "client.key"):
        (folder / f"other_{name}").write_bytes((folder / "other" / name).read_bytes())
    for name in ("server.crt", "server.key"):
        (folder / name).write_bytes((running.certificates / name).read_bytes())
    return folder


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("who, why", [(None, "no client certificate"), ("other_client", "not from our authority"), ("past", "expired"),
                                      ("future", "not yet valid"), ("server", "not acceptable")])
def test_strangers_are_turned_away(running, strangers, version, who, why):
    before = wait_tls(running, lambda tls: tls["handshakes"] == 0)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        # TLS 1.3: the client learns of it with its first read.
        with connected(running, context(strangers, client=who, version=version, protocol=COMMAND)) as connection:
            connection.sendall(b"version\n")
            answer = connection.recv(100)
            assert answer == b"", "a stranger was answered"
            raise ConnectionError("closed without an alert")
    after = wait_tls(running, lambda tls: tls["failed_handshakes"] == before["failed_handshakes"] + 1)
    assert after["sessions_opened"] == before["sessions_opened"]
    assert why in after["last_failure"]


@pytest.mark.once
def test_versions_and_ciphers_that_are_not_offered(running):
    for options in (["-tls1_1"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"], ["-alpn", "h2"]):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{running.tls_port}",
                               "-cert", running.certificates / "client.crt", "-key", running.certificates / "client.key", *options],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
        assert done.returncode != 0, f"{options} was accepted"


@pytest.mark.once
def test_eight_sessions_and_no_more(running):
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(connected(running, context(running.certificates))) for _ in range(8)]
        for session in sessions:
            assert session.recv(10000)
        assert wait_tls(running, lambda tls: tls["sessions"] == 8)
        refused = tls_status(running)["refused"]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with connected(running, context(running.certificates)) as ninth:
                if ninth.recv(100) == b"":
                    raise ConnectionError("closed")
        assert wait_tls(running, lambda tls: tls["refused"] > refused)
        # The eight do not notice.
        for session in sessions:
            session.sendall(b"version\r")
            assert select.select([session], [], [], PATIENCE)[0]
    wait_tls(running, lambda tls: tls["sessions"] == 0)


@pytest.mark.once
def test_idle_handshakes_hold_no_place_for_long(running):
    """Connections that say nothing take all four places of handshakes; an operator still gets in, within seconds."""
    before = wait_tls(running, lambda tls: tls["handshakes"] == 0)
    idle = [socket.create_connection(("127.0.0.1", running.tls_port)) for _ in range(4)]
    try:
        wait_tls(running, lambda tls: tls["handshakes"] == 4)
        end = time.monotonic() + PATIENCE
        while running.bhctl("version", check=False).returncode != 0:
            assert time.monotonic() < end, "idle connections keep the operator out"
        assert tls_status(running)["late_handshakes"] > before["late_handshakes"]
        wait_tls(running, lambda tls: tls["late_handshakes"] == before["late_handshakes"] + 4)
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.once
def test_too_many_handshakes_are_refused_with_an_alert(running):
    wait_tls(running, lambda tls: tls["handshakes"] == 0)
    many = [socket.create_connection(("127.0.0.1", running.tls_port), timeout=PATIENCE) for _ in range(12)]
    try:
        ready = select.select(many, [], [], PATIENCE)[0]
        assert ready and ready[0].recv(100) == REFUSAL
    finally:
        for connection in many:
            connection.close()


def test_noise_and_resets(running):
    before = tls_status(running)
    for i in range(30):
        with socket.create_connection(("127.0.0.1", running.tls_port), timeout=PATIENCE) as noisy:
            with contextlib.suppress(ConnectionError):
                noisy.sendall(bytes([22, 3, 1, 0x48 if i % 3 == 0 else 1, i]) + bytes((i * j * 37) & 255 for j in range(1500)))
                if i % 2:
                    noisy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    noisy.shutdown(socket.SHUT_WR)
                    while noisy.recv(1000):
                        pass
    after = wait_tls(running, lambda tls: tls["handshakes"] == 0)
    assert after["sessions_opened"] == before["sessions_opened"]
    assert running.bhctl("version").returncode == 0


def test_long_output_waits_for_a_slow_reader(running):
    """The session's memory does not grow with what the client leaves unread, and nothing is lost."""
    whole = running.bhctl("metrics").stdout
    assert len(whole) > 5000
    with connected(running, context(running.certificates, protocol=COMMAND)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"metrics\n")
        time.sleep(3)
        output, status = frames(connection)
    assert status == 0
    assert [row.split(" ")[0] for row in output.decode().splitlines()] == [row.split(" ")[0] for row in whole.splitlines()]


@pytest.mark.once
def test_a_client_that_vanishes_frees_its_session(running):
    before = wait_tls(running, lambda tls: tls["sessions"] == 0)
    plain = socket.create_connection(("127.0.0.1", running.tls_port), timeout=PATIENCE)
    connection = context(running.certificates).wrap_socket(plain)
    connection.recv(1000)
    assert tls_status(running)["sessions"] == 1
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    after = wait_tls(running, lambda tls: tls["sessions"] == 0)
    assert after["sessions_broken"] == before["sessions_broken"] + 1


# TLS stays off, and the serial line says why

def why_off(appliance):
    appliance.shell.wait_prompt()
    tls = wait_tls(appliance, lambda tls: not tls["on"] and tls["why"] and "waiting" not in tls["why"] and "reading" not in tls["why"])
    assert "TLS console is off: " + tls["why"] in appliance.shell.run("log")
    with socket.create_connection(("127.0.0.1", appliance.tls_port), timeout=PATIENCE) as plain:
        with contextlib.suppress(ConnectionError):
            assert plain.recv(100) == b""  # QEMU takes the connection, the appliance does not
    return tls["why"]


def test_off_without_entropy(default_build, tmp_path, machine):
    appliance = Appliance(default_build, cpu=machine.poor, folder=tmp_path)
    at = appliance.arguments.index(machine.device("rng")[1])
    del appliance.arguments[at - 1:at + 1]
    with appliance:
        assert "no source of entropy" in why_off(appliance)


@pytest.mark.once
def test_off_with_a_clock_before_the_certificates(default_build, tmp_path):
    with Appliance(default_build, folder=tmp_path, extra=["-rtc", "base=2010-05-05T00:00:00"]) as appliance:
        assert "not valid yet" in why_off(appliance)


@pytest.mark.once
def test_off_with_an_expired_certificate(default_build, tmp_path):
    with Appliance(default_build, folder=tmp_path, extra=["-rtc", "base=2046-05-05T00:00:00"]) as appliance:
        assert "expired" in why_off(appliance)
