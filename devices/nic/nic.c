/* SPDX-License-Identifier: Apache-2.0 */
#include <devices/nic/nic.h>
#include <stdio.h>

#define NICS_MAX 8u

static struct nic *nics[NICS_MAX];
static char names[NICS_MAX][8];
static uint32_t nic_count;

struct nic *nic_get(uint32_t index)
{
    return index < nic_count ? nics[index] : NULL;
}

bool nic_add(struct nic *nic)
{
    if (nic_count == NICS_MAX)
        return false;
    snprintf(names[nic_count], sizeof names[nic_count], "nic%u", nic_count % 10);
    nic->name = names[nic_count];
    nics[nic_count++] = nic;
    return true;
}
