# SPDX-License-Identifier: Apache-2.0
# Measuring: instructions an event under the counting plugin, traffic between guests, sizes.

.PHONY: bench
bench: ## Measure the configured architecture and print the tables of docs/performance.md (BENCH_FLAGS="events --profile")
	$(Q)tools/dependencies.sh run test $(ARCH)
	$(Q)O=$(O) $(PYTHON) tests/bench/bench.py --arch $(ARCH) $(BENCH_FLAGS)
