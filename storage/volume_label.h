/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which GPT partition a volume is: the configuration's, or the one that an operator keeps in the state store as the value
 * disk.DOMAIN.N, for the N-th virtual disk of a domain, from 0 on. Loop context.
 */
#ifndef STORAGE_VOLUME_LABEL_H
#define STORAGE_VOLUME_LABEL_H

#include <stdint.h>

/* done() is called once the labels are known, maybe from within. */
void volume_labels_read(void (*done)(void));
/* The label of disks[index]; "" where it has none, or where the kept one is not possible (the log says why). */
const char *volume_label(uint32_t index);

#endif
