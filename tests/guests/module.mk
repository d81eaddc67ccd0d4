# SPDX-License-Identifier: Apache-2.0
# Bare-metal test guests, one a property: guest:NAME in a partition's KERNEL_PATH. tests/system/test_guests.py runs them.
# Those that are all about one architecture are in its folder.
guests-y += dma_restart hostile_calls hostile_dma hostile_virtqueue message_cost watchdog_expiry spin_masked reset_loop start_state witness load
guests-arm64 += hostile_memory hostile_registers hostile_gic hostile_gic_v2 interrupt_storm branch_nowhere
guests-x86 += hostile_memory hostile_registers hostile_apic interrupt_storm branch_nowhere
guest-support-y += $(addprefix tests/guests/support/,guest.o virtio.o edu.o $(ARCH)/start.o $(ARCH)/machine.o)
guest-support-y += $(addprefix tests/guests/$(ARCH)/,firmware_calls.o entry_state.o)
