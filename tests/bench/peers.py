# SPDX-License-Identifier: Apache-2.0
"""What the peers cost on the same emulator: instructions outside the guest an operation, QEMU 10.0,
-icount shift=0,sleep=off, 10,000 of each. Measured on Xen 4.20 (cpu max) and KVM with VHE (neoverse-n1) and without
(cortex-a72)."""

# window of the bench guest: (operation, goal, Xen, KVM VHE, KVM nVHE); None: no figure
EVENTS = {
    1: ("HVC PSCI_VERSION", 100, 463, 1353, 1731),
    2: ("HVC SMCCC_VERSION", None, 447, 1295, 1675),
    3: ("GICD_TYPER read", 150, 589, 2143, 2610),
    4: ("PL011 FR read", 150, 626, 7943, 7490),
    5: ("SGI to self", 250, 1025, 2718, 3101),
    6: ("virtual timer interrupt", 250, 1084, 2663, 3054),
    7: ("IPI, target spinning (both CPUs)", 400, 1549, 4518, 5307),
    8: ("IPI, target in WFI (both CPUs)", 400, 7651, 4885, 5831),
    9: ("virtio register read", 0, None, None, None),
    10: ("doorbell: QueueNotify", None, None, None, None),
    11: ("virtio-rng request, there and back", None, None, None, None),
}

# x86-64 (window: operation); KVM is measured in the same run (kvm.py)
EVENTS_X86 = {
    1: "hypercall (HC_NOTHING; KVM: an unknown one)",
    2: "CPUID",
    3: "emulated register: RDMSR of a local APIC register",
    13: "emulated register: IOAPIC, by MMIO",
    4: "emulated register: 16550 LSR, by port",
    12: "EOI (x2APIC)",
    5: "IPI to self",
    6: "timer interrupt (TSC deadline)",
    14: "timer interrupt as Linux has it (an EOI that need not exit)",
    7: "IPI, target spinning (both CPUs)",
    8: "IPI, target in HLT (both CPUs)",
    9: "virtio register read",
    10: "doorbell: QueueNotify",
    11: "virtio-rng request, there and back",
}

BOOT_INSTRUCTIONS_XEN = 18.0e6  # reset to the first guest instruction
BOOT_GOAL = 2.0e6  # beside copying, hashing and scrubbing
IMAGE_XEN = 1015816
IMAGE_GOAL = 100 * 1024
STREAM = (2.61, 1.3)  # instructions a byte: KVM with vhost-net; goal
REQUEST = (147600, 70000)  # instructions a request and response
BLOCK_READ = (93000, 30000)  # instructions a 4 KiB read
