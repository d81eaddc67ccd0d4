/* SPDX-License-Identifier: Apache-2.0 */
#include "igb_virtual.h"
#include <bulkhead/partition.h>
#include <mgmt/bulkhead_log.h>
#include <string.h>

#define POOLS_MAX 7u /* of virtual functions; one is the physical function's */

#define STATUS_VIRTUAL (1u << 18)
#define STATUS_COUNT(status) ((status) >> 14 & 15)
#define RCTL_VLAN_FILTER (1u << 18)
#define CTRL_EXT_RESET_DONE (1u << 14)

#define P2VMAILBOX(vf) (0x0c00u + 4 * (vf))
#define MAILBOX_STATUS 0x01u
#define MAILBOX_ACK 0x02u
#define MAILBOX_TAKEN 0x08u   /* by the physical function */
#define MAILBOX_RELEASE 0x10u /* what the virtual function took */
#define VMBMEM(vf, word) (0x0800u + 0x40 * (vf) + 4 * (word))
#define MAILBOX_WORDS 3u /* that matter */
#define MBVFICR 0x0c80u  /* requests; acknowledgements << 16; written ones clear */
#define MBVFIMR 0x0c84u
#define VFLRE 0x0c88u /* resets; written ones clear */
#define VFRE 0x0c8cu
#define VFTE 0x0c90u
#define DTXSWC 0x3500u
#define DTXSWC_LOOPBACK (1u << 31) /* between functions */
#define VMVIR(vf) (0x3700u + 4 * (vf))
#define VMVIR_ALWAYS (1u << 30)
#define MTA(index) (0x5200u + 4 * (index))
#define MTA_WORDS 128u
#define RAL(index) (0x5400u + 8 * (index))
#define RAH(index) (0x5404u + 8 * (index))
#define RAH_VALID (1u << 31)
#define RAH_POOL(pool) (1u << (18 + (pool)))
#define VFTA(vlan) (0x5600u + 4 * ((vlan) / 32))
#define MRQC 0x5818u
#define MRQC_POOLS 3u
#define VT_CTL 0x581cu
#define VT_DEFAULT(pool) ((pool) << 7)
#define VT_REPLICATE (1u << 30)
#define VMOLR(pool) (0x5ad0u + 4 * (pool))
#define VMOLR_UNTAGGED (1u << 24)
#define VMOLR_MULTICAST_TABLE (1u << 25)
#define VMOLR_UNICAST_TABLE (1u << 26)
#define VMOLR_BROADCAST (1u << 27)
#define VMOLR_MULTICAST (1u << 28)
#define VMOLR_MULTICAST_ALL (VMOLR_MULTICAST | VMOLR_MULTICAST_TABLE) /* with all of that table set */
#define VMOLR_STRIP_VLAN (1u << 30)
#define VLVF(index) (0x5d00u + 4 * (index))
#define VLVF_POOL(pool) (1u << (12 + (pool)))
#define VLVF_VALID (1u << 31)

/* Messages: the low 16 bits of the first word */
enum {
    MESSAGE_RESET = 1,
    MESSAGE_ADDRESS = 2,
    MESSAGE_MULTICAST = 3,
    MESSAGE_VLAN = 4,
    MESSAGE_LENGTH = 5,
    MESSAGE_PROMISCUOUS = 6
};
#define MESSAGE_ACK (1u << 31)
#define MESSAGE_NACK (1u << 30)
#define MESSAGE_CLEAR_TO_SEND (1u << 29)
#define MESSAGE_UNICAST (1u << 17)
#define LENGTH_MAX 1522u /* with check sequence */
#define LOOKS 1000u

uint32_t igb_virtual_count(const struct intel *nic)
{
    uint32_t status = intel_get(nic, INTEL_STATUS), count = STATUS_COUNT(status);

    if (!(status & STATUS_VIRTUAL))
        return 0;
    return count < POOLS_MAX ? count : POOLS_MAX;
}

static void set_bits(struct intel *nic, uint32_t offset, uint32_t clear, uint32_t bits)
{
    intel_set(nic, offset, (intel_get(nic, offset) & ~clear) | bits);
}

/* Only frames of its own address and VLAN, broadcasts and multicasts come in; only such as its own go out. */
static bool set_filters(struct intel *nic, uint32_t vf, const struct pci_config *config)
{
    uint32_t receive = VMOLR_BROADCAST | VMOLR_MULTICAST_ALL | (config->vlan ? VMOLR_STRIP_VLAN : VMOLR_UNTAGGED);
    uint64_t address = 0;

    memcpy(&address, config->mac, sizeof config->mac);
    intel_set(nic, RAL(vf + 1), (uint32_t)address);
    intel_set(nic, RAH(vf + 1), (uint32_t)(address >> 32) | RAH_VALID | RAH_POOL(vf));
    intel_set(nic, VMOLR(vf), receive);
    if (!config->vlan)
        return false;
    intel_set(nic, VMVIR(vf), config->vlan | VMVIR_ALWAYS);
    intel_set(nic, VLVF(vf), config->vlan | VLVF_VALID | VLVF_POOL(vf) | VLVF_POOL(nic->queue));
    set_bits(nic, VFTA(config->vlan), 0, 1u << config->vlan % 32);
    return true;
}

void igb_virtual_start(struct intel *nic)
{
    uint32_t own = nic->queue, all = (1u << own) - 1, vlans = 0;

    if (!own)
        return;
    intel_set(nic, VFRE, 1u << own);
    intel_set(nic, VFTE, 1u << own);
    intel_set(nic, MRQC, MRQC_POOLS);
    intel_set(nic, VT_CTL, VT_DEFAULT(own) | VT_REPLICATE);
    set_bits(nic, RAH(0), 0, RAH_POOL(own));
    intel_set(nic, VMOLR(own), VMOLR_UNTAGGED | VMOLR_BROADCAST | VMOLR_MULTICAST_ALL | VMOLR_UNICAST_TABLE);
    for (uint32_t i = 0; i < MTA_WORDS; i++)
        intel_set(nic, MTA(i), ~0u);
    for (uint32_t vf = 0; vf < own; vf++) {
        const struct pci_config *config = pci_virtual(&nic->function, vf);

        if (config)
            vlans |= (uint32_t)set_filters(nic, vf, config) << vf;
    }
    nic->receive_control = vlans ? RCTL_VLAN_FILTER : 0;
    intel_set(nic, DTXSWC, DTXSWC_LOOPBACK | all | vlans << 8); /* and nobody else's address or VLAN is sent */
    intel_set(nic, VFLRE, all);
    intel_set(nic, MBVFICR, all | all << 16);
    intel_set(nic, MBVFIMR, all);
    intel_set(nic, INTEL_IMS, IGB_ICR_MAILBOX);
    set_bits(nic, INTEL_CTRL_EXT, 0, CTRL_EXT_RESET_DONE);
    bulkhead_log("igb %s: %u virtual functions%s", nic->function.name, own,
                 vlans ? "; of tagged frames only their VLANs' come in" : "");
}

/* The answer's first word, and how many words it has: the message's own words are in `word`. */
static uint32_t answer(struct intel *nic, uint32_t vf, uint32_t word[MAILBOX_WORDS])
{
    const struct pci_config *config = pci_virtual(&nic->function, vf);
    uint32_t kind = word[0] & 0xffff, pool = 1u << vf;
    bool yes = false;

    if (!config) {
        word[0] |= MESSAGE_NACK;
        return 1;
    }
    if (kind == MESSAGE_RESET) {
        set_bits(nic, VFTE, 0, pool);
        set_bits(nic, VFRE, 0, pool);
        nic->virtual_ready |= pool;
        word[0] = MESSAGE_RESET | MESSAGE_ACK; /* and no other bit */
        word[2] = 0;
        memcpy(&word[1], config->mac, sizeof config->mac);
        return 3;
    }
    if (!(nic->virtual_ready & pool)) {
        word[0] |= MESSAGE_NACK;
        return 1;
    }
    switch (kind) {
    case MESSAGE_ADDRESS:
        yes = !memcmp(&word[1], config->mac, sizeof config->mac);
        break;
    case MESSAGE_MULTICAST:
        yes = true; /* all of them come in */
        break;
    case MESSAGE_VLAN:
        yes = !(word[1] & 0xfff); /* no VLAN */
        break;
    case MESSAGE_LENGTH:
        yes = word[1] <= LENGTH_MAX;
        break;
    case MESSAGE_PROMISCUOUS:
        yes = !(word[0] & MESSAGE_UNICAST);
        break;
    default:
        break;
    }
    word[0] |= MESSAGE_CLEAR_TO_SEND | (yes ? MESSAGE_ACK : MESSAGE_NACK);
    return 1;
}

static bool take_mailbox(struct intel *nic, uint32_t vf)
{
    for (uint32_t i = 0; i < LOOKS; i++) {
        intel_set(nic, P2VMAILBOX(vf), MAILBOX_TAKEN);
        if (intel_get(nic, P2VMAILBOX(vf)) & MAILBOX_TAKEN)
            return true;
    }
    return false;
}

/* The mailbox is kept from the question to the answer, or its driver's next message would be written over. */
static void serve_mailbox(struct intel *nic, uint32_t vf)
{
    uint32_t word[MAILBOX_WORDS], count;

    if (!take_mailbox(nic, vf)) {
        intel_set(nic, P2VMAILBOX(vf), MAILBOX_RELEASE); /* its driver keeps it: it will ask again */
        return;
    }
    for (uint32_t i = 0; i < MAILBOX_WORDS; i++)
        word[i] = intel_get(nic, VMBMEM(vf, i));
    count = answer(nic, vf, word);
    for (uint32_t i = 0; i < count; i++)
        intel_set(nic, VMBMEM(vf, i), word[i]);
    intel_set(nic, P2VMAILBOX(vf), MAILBOX_ACK | MAILBOX_STATUS);
}

void igb_virtual_attend(struct intel *nic)
{
    uint32_t all = (1u << nic->queue) - 1;
    uint32_t gone = intel_get(nic, VFLRE) & all, asked = intel_get(nic, MBVFICR);

    intel_set(nic, VFLRE, gone);
    intel_set(nic, MBVFICR, asked);
    nic->virtual_ready &= ~gone;
    set_bits(nic, VFTE, gone, 0);
    set_bits(nic, VFRE, gone, 0);
    for (uint32_t vf = 0; vf < nic->queue; vf++)
        if (asked >> vf & 1)
            serve_mailbox(nic, vf);
}
