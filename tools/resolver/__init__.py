# SPDX-License-Identifier: Apache-2.0
"""The resolver: from .config to the const tables that the kernel and the management domain are linked with."""
