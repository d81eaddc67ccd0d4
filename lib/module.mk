# SPDX-License-Identifier: Apache-2.0
native-y += lib/tree.o lib/ring_reader.o lib/status_text.o lib/stop_cause.o
native-y += lib/segment.o lib/virtqueue.o
