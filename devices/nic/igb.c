/* SPDX-License-Identifier: Apache-2.0 */
/* The 82576 (Intel 82576EB gigabit Ethernet controller datasheet): advanced descriptors, MSI-X. */
#include "igb_virtual.h"
#include "intel.h"

#define GPIE 0x1514u
#define GPIE_WANTED                                                                                                    \
    0x80000011u /* a read of ICR clears all of it, several messages, and their pending bits are cleared */
#define EIMS 0x1524u
#define EIMC 0x1528u
#define EIAC 0x152cu
#define EIAM 0x1530u
#define MESSAGE 1u /* message 0 in these */
#define IVAR 0x1700u
#define IVAR_MISC 0x1740u
#define IVAR_MISC_OTHER 0x8000u /* valid: message 0 */
#define IVAR_RECEIVE 0x80u
#define MDIC 0x0020u
#define MDIC_PHY (1u << 21)
#define MDIC_WRITE (1u << 26)
#define MDIC_READY (1u << 28)
#define PHY_CONTROL 0u            /* 802.3, 22.2.4.1 */
#define CONTROL_NEGOTIATE 0x1200u /* switched on, and anew */
#define CTRL_EXT_LOADED (1u << 28)

#define QUEUE_REGISTERS 0x40u
#define RECEIVE 0xc000u /* queue 0 */
#define TRANSMIT 0xe000u
#define SRRCTL (0x0cu)
#define QUEUE_REGISTERS 0x40u
#define RECEIVE 0xc000u /* queue 0 */
#define TRANSMIT 0xe000u
#define SRRCTL_WANTED (1u << 31 | 1u << 25 | INTEL_BUFFER_SIZE >> 10) /* drop when full, advanced with one buffer */
#define QUEUE_ENABLE (1u << 25)
#define LOOKS 10000u /* at a register, at most */

#define CONTEXT (1u << 29 | 2u << 20)
#define DATA (1u << 29 | 1u << 25 | 3u << 20)
#define COMMAND_SEGMENT (1u << 31)
#define TYPE_IPV4 (1u << 10)
#define TYPE_TCP (1u << 11)
#define OPTION_IP (1u << 8)
#define OPTION_TRANSPORT (1u << 9)

/* A reset of the MAC leaves the PHY as it was; one that has never negotiated does so now. */
static void negotiate(struct intel *nic)
{
    if (intel_get(nic, INTEL_STATUS) & INTEL_STATUS_LINK)
        return;
    intel_set(nic, MDIC, CONTROL_NEGOTIATE | PHY_CONTROL << 16 | MDIC_PHY | MDIC_WRITE);
    for (uint32_t i = 0; i < LOOKS && !(intel_get(nic, MDIC) & MDIC_READY); i++)
        ;
}

static void start(struct intel *nic)
{
    negotiate(nic);
    nic->queue = igb_virtual_count(nic);
    nic->rx.registers = nic->registers + RECEIVE + QUEUE_REGISTERS * nic->queue;
    nic->tx.registers = nic->registers + TRANSMIT + QUEUE_REGISTERS * nic->queue;
    intel_set(nic, GPIE, GPIE_WANTED);
    intel_set(nic, EIMC, ~0u);
    intel_set(nic, EIAC, MESSAGE);
    intel_set(nic, EIAM, 0);
    intel_set(nic, IVAR + 4 * nic->queue, IVAR_RECEIVE);
    intel_set(nic, IVAR_MISC, IVAR_MISC_OTHER);
    intel_set(nic, INTEL_IMS, INTEL_ICR_LINK);
    intel_set(nic, INTEL_CTRL_EXT, intel_get(nic, INTEL_CTRL_EXT) | CTRL_EXT_LOADED);
    mmio_write32(nic->rx.registers + SRRCTL, SRRCTL_WANTED);
    igb_virtual_start(nic);
}

static void enable(uintptr_t control)
{
    mmio_write32(control, mmio_read32(control) | QUEUE_ENABLE);
    for (uint32_t i = 0; i < LOOKS && !(mmio_read32(control) & QUEUE_ENABLE); i++)
        ;
}

static void start_queues(struct intel *nic)
{
    enable(nic->rx.registers + RING_CONTROL);
    enable(nic->tx.registers + RING_CONTROL);
}

static struct intel_descriptor context(const struct intel_offload *offload, uint32_t length)
{
    (void)length;
    return (struct intel_descriptor){
        .address = offload->ip << 9 | (offload->transport - offload->ip),
        .command = CONTEXT | (offload->ipv6 ? 0 : TYPE_IPV4) | (offload->tcp ? TYPE_TCP : 0),
        .status = offload->segment ? offload->size << 16 | (offload->payload - offload->transport) << 8 : 0,
    };
}

static struct intel_descriptor data(const struct intel_offload *offload, uint32_t length)
{
    return (struct intel_descriptor){
        .command = DATA | (offload->segment ? COMMAND_SEGMENT : 0),
        .status = (length - offload->payload) << 14 | (offload->checksum ? OPTION_TRANSPORT : 0) |
                  (offload->segment && !offload->ipv6 ? OPTION_IP : 0),
    };
}

static void attend(struct intel *nic, uint32_t causes)
{
    if (causes & IGB_ICR_MAILBOX)
        igb_virtual_attend(nic);
}

static const struct intel_model model = {
    .name = "igb",
    .device = 0x10c9,
    .receive = RECEIVE,
    .transmit = TRANSMIT,
    .mask = EIMC,
    .unmask = EIMS,
    .causes = MESSAGE,
    .start = start,
    .start_queues = start_queues,
    .attend = attend,
    .context = context,
    .data = data,
};

bool igb_probe(const struct pci_function *function)
{
    return intel_probe(function, &model);
}
