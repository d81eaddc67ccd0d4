# SPDX-License-Identifier: Apache-2.0
native-y += $(addprefix lib/native/,console.o heap.o hypercall.o panic.o)
