# SPDX-License-Identifier: Apache-2.0
"""The disk image that an appliance is flashed with: what lies where, its bytes, and how it gets onto a device."""
