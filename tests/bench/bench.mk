# SPDX-License-Identifier: Apache-2.0
# Measuring: instructions an event under the counting plugin, traffic between guests, sizes.

.PHONY: bench
bench: ## Measure and print the tables of docs/performance.md (BENCH_FLAGS="events --profile --cpu max")
	$(Q)tools/dependencies.sh run test arm64
	$(Q)O=$(O) $(PYTHON) tests/bench/bench.py $(BENCH_FLAGS)
