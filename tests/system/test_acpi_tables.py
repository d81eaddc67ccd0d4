# SPDX-License-Identifier: Apache-2.0
"""The ACPI tables that the bundle builder makes for x86 guests (tools/resolver/acpi.py), read by ACPICA's iasl: disassembled
and compiled again, without a word about lengths or checksums, and with the same bytes but for the compiler's name."""

import shutil
import struct
import subprocess
import sys
from types import SimpleNamespace

import pytest
from appliance import TOP

sys.path.insert(0, str(TOP))
from tools.resolver.acpi import acpi_tables, slot_line  # noqa: E402
from tools.resolver.limits import Limits  # noqa: E402

pytestmark = pytest.mark.arch("x86")
MEMORY = 128 << 20
LIMITS = Limits(TOP, "x86")
BASE = MEMORY - 0x7000


def tables(**changes):
    """By signature, as the RSDP leads to them."""
    features = dict(uart=True, rtc=True, watchdog=True, pci=[1], cpus=[1, 2, 4], memory=MEMORY)
    data = acpi_tables(SimpleNamespace(**(features | changes)), range(16), BASE, LIMITS)
    assert data[:8] == b"RSD PTR " and sum(data[:20]) % 256 == 0 and sum(data[:36]) % 256 == 0

    def at(address):
        start = address - BASE
        assert start % 16 == 0
        table = data[start:start + struct.unpack_from("<I", data, start + 4)[0]]
        assert sum(table) % 256 == 0
        return table

    root = at(struct.unpack_from("<Q", data, 24)[0])
    found = [root] + [at(address) for address, in struct.iter_unpack("<Q", root[36:])]
    result = {table[:4].decode(): table for table in found}
    result["DSDT"] = at(struct.unpack_from("<Q", result["FACP"], 140)[0])
    return result


def test_acpica_reads_the_tables(tmp_path):
    assert shutil.which("iasl"), "iasl (package acpica-tools) is missing"
    found = tables()
    assert sorted(found) == ["APIC", "DSDT", "FACP", "MCFG", "WDAT", "XSDT"]
    for signature, data in found.items():
        (tmp_path / f"{signature}.aml").write_bytes(data)

    def iasl(*arguments):
        done = subprocess.run(["iasl", *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout

    log = iasl("-d", *(f"{signature}.aml" for signature in found))
    for text in [log] + [(tmp_path / f"{signature}.dsl").read_text() for signature in found]:
        assert not any(word in text.lower() for word in ("error", "warn", "incorrect", "invalid", "unknown")), text
    for signature in found.keys() - {"DSDT"}:
        iasl("-p", f"again-{signature}", f"{signature}.dsl")
        assert (tmp_path / f"again-{signature}.aml").read_bytes()[36:] == found[signature][36:], signature
    log = iasl("-f", "-oa", "-p", "again-DSDT", "DSDT.dsl")
    assert "AML Output" in log
    # The names of the generation ID are Microsoft's and Linux', not ACPI's.
    complaints = [line for line in log.splitlines() if line.startswith(("Error ", "Warning "))]
    assert not [line for line in complaints if "(VM_Gen_Counter)" not in line and "(NCTR)" not in line], complaints


def test_what_a_partition_lacks_is_not_there():
    found = tables(uart=False, rtc=False, watchdog=False, pci=[])
    assert sorted(found) == ["APIC", "DSDT", "FACP", "XSDT"]
    assert b"COM1" not in found["DSDT"] and b"PCI0" not in found["DSDT"] and found["DSDT"].count(b"LNRO0005") == 16
    boot = struct.unpack_from("<H", found["FACP"], 109)[0]
    assert boot == 1 << 5 | 1 << 3 | 1 << 2  # no clock, no MSI, no VGA
    assert found["APIC"].count(struct.pack("<I", 1), 44) >= 3


def test_the_lines_are_those_of_the_kernel():
    text = (TOP / "arch/x86/include/bulkhead/guest_map.h").read_text()
    assert "return slot < 3 ? 5 + slot : 7 + slot;" in text and [slot_line(slot) for slot in (0, 2, 3, 15)] == [5, 7, 10, 22]
