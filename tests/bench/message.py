# SPDX-License-Identifier: Apache-2.0
"""Kernel instructions a message of a passed-through device, and a guest's exits for its transfers of data."""

import builds
from appliance import Appliance
from events import windows
from symbols import Symbols, made_of

IOMMU = {"arm64": "SMMUV3", "x86": "VTD"}
EDU = ["-device", "edu,dma_mask=0xffffffffffffffff"]
MESSAGES = 1000


def configuration(machine, image):
    return builds.configuration(f"{machine.arch}-{image}", f"""CONFIG_BOARD_{machine.configuration.upper()}=y
CONFIG_BENCH=y
CONFIG_IOMMU_{IOMMU[machine.arch]}=y
CONFIG_P1=y
CONFIG_P1_NAME="bench"
CONFIG_P1_CPUS="1"
CONFIG_P1_MEMORY=16
CONFIG_P1_KERNEL_FILE=y
CONFIG_P1_KERNEL_PATH="guest:{image}"
CONFIG_P1_PCI0=y
CONFIG_P1_PCI0_FUNCTION="1234:11e8"
CONFIG_P1_PCI0_WITHOUT_RESET=y
CONFIG_P1_POLICY_STOP=y
# CONFIG_P1_AUTOSTART is not set
""")


def measure(machine, profile=False):
    """(kernel instructions a message: interrupt, delivery and its end; what they are made of)."""
    library, out = builds.plugin(), configuration(machine, "message_cost")
    symbols = Symbols(out / "bulkhead.elf", machine.tools)
    folder = builds.OUT / f"bench/run-{machine.arch}-message"
    counts, parts = folder / "counts.txt", folder / "profile.txt"
    folder.mkdir(parents=True, exist_ok=True)
    options = f"{library},base={symbols.base():#x},size=0x400000,out={counts}" + (f",profile={parts}" if profile else "")
    with Appliance(out, smp=2, folder=folder, icount=True, extra=[*EDU, "-plugin", options, "-accel", "tcg,one-insn-per-tb=on"]) as appliance:
        appliance.serial.expect("help' lists", 600)
        appliance.shell.line.send_line("")
        appliance.shell.wait_prompt()
        appliance.shell.line.send_line("domain start bench")
        appliance.serial.expect("powered itself off", 600)
        appliance.shell.line.send_line("")
        appliance.shell.wait_prompt()
        said = appliance.shell.run("console bench --dump")
        if "0 failed" not in said:
            raise SystemExit(f"bench: the guest did not come to its end:\n{said}")
        appliance.qmp("quit")
        appliance.qemu.wait(60)
    figures, _ = windows(counts, ("1",))
    return figures[1], made_of(parts, symbols).get(1, []) if profile else []
