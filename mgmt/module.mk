# SPDX-License-Identifier: Apache-2.0
mgmt-y += $(addprefix mgmt/,main.o loop.o sleep.o interrupt_watch.o worker.o time.o platform.o doorbell.o heartbeat.o serial.o trial.o watchdog.o attest.o quote.o \
	commands/attest.o) lib/event_log.o mgmt/certificate_name.o
