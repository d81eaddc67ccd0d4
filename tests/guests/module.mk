# SPDX-License-Identifier: Apache-2.0
# Bare-metal test guests, one a property: guest:NAME in a partition's KERNEL_PATH. tests/system/test_guests.py runs them.
guests-y += hostile_memory hostile_registers hostile_calls hostile_gic hostile_virtqueue
guests-y += interrupt_storm watchdog_expiry spin_masked branch_nowhere reset_loop start_state
guests-y += witness load
guest-support-y += tests/guests/support/start.o tests/guests/support/guest.o tests/guests/support/virtio.o
