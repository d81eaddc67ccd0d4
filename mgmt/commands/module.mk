# SPDX-License-Identifier: Apache-2.0
# The shell: sessions, commands, consoles; and the supervisor.
shell-y := lib/utf8.o mgmt/command.o mgmt/line_editor.o mgmt/output.o mgmt/session.o mgmt/session_command.o \
	mgmt/console_attach.o mgmt/domain_names.o mgmt/bulkhead_log.o mgmt/supervisor.o mgmt/password.o \
	$(addprefix mgmt/commands/,console.o device.o disk.o domain.o events.o log.o metrics.o net.o password.o session.o state.o system.o update.o watchdog.o)
mgmt-y += $(shell-y)
