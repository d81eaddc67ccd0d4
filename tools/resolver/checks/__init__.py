# SPDX-License-Identifier: Apache-2.0
"""The checks: one module a subject, each with check(context)."""
