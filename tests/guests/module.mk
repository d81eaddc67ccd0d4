# SPDX-License-Identifier: Apache-2.0
# Bare-metal test guests, one a property: guest:NAME in a partition's KERNEL_PATH. tests/system/test_guests.py runs them.
guests-arm64 += hostile_memory hostile_registers hostile_calls hostile_gic hostile_virtqueue
guests-arm64 += interrupt_storm watchdog_expiry spin_masked branch_nowhere reset_loop start_state
guests-arm64 += witness load
guest-support-arm64 += tests/guests/support/start.o tests/guests/support/guest.o tests/guests/support/virtio.o
guest-script-arm64 := tests/guests/support/guest.lds
guest-script-x86 := tests/guests/support/x86/guest.lds
