/* SPDX-License-Identifier: Apache-2.0 */
/* The 82574 (Intel 82574 GbE controller family datasheet): extended descriptors, MSI-X or MSI. */
#include "intel.h"

#define ICR_RECEIVED 0x80u   /* beside MSI */
#define ICR_QUEUE (1u << 20) /* beside MSI-X, receive queue 0 */
#define ICR_OTHER (1u << 24)
#define IVAR 0x00e4u
#define IVAR_WANTED 0x00080008u /* receive queue 0, and the other causes, are vector 0 */
#define CTRL_EXT_LOADED (1u << 28)
#define RFCTL 0x5008u
#define RFCTL_EXTENDED 0x8000u
#define RXDCTL_WANTED 0x01000000u /* thresholds count descriptors */
#define TXDCTL_WANTED 0x01400000u
#define TARC 0x3840u
#define TARC_WANTED (1u << 26)

#define CONTEXT (1u << 29)                    /* DEXT, DTYP 0 */
#define DATA (1u << 29 | 1u << 25 | 1u << 20) /* DEXT, IFCS, DTYP 1 */
#define COMMAND_TCP (1u << 24)
#define COMMAND_IPV4 (1u << 25)
#define COMMAND_SEGMENT (1u << 26)
#define OPTION_IP (1u << 8)
#define OPTION_TRANSPORT (1u << 9)

static void start(struct intel *nic)
{
    intel_set(nic, IVAR, IVAR_WANTED);
    intel_set(nic, INTEL_CTRL_EXT, intel_get(nic, INTEL_CTRL_EXT) | CTRL_EXT_LOADED);
    intel_set(nic, RFCTL, intel_get(nic, RFCTL) | RFCTL_EXTENDED);
    intel_set(nic, TARC, intel_get(nic, TARC) | TARC_WANTED);
}

static void start_queues(struct intel *nic)
{
    mmio_write32(nic->rx.registers + RING_CONTROL, RXDCTL_WANTED);
    mmio_write32(nic->tx.registers + RING_CONTROL, TXDCTL_WANTED);
}

/* Where the checksums begin, go and end (0: with the frame). */
static struct intel_descriptor context(const struct intel_offload *offload, uint32_t length)
{
    uint32_t ip = offload->ip | (offload->ip + 10) << 8 | (offload->transport - 1) << 16;
    uint32_t transport = offload->transport | (offload->transport + (offload->tcp ? 16 : 6)) << 8;
    struct intel_descriptor made = {
        .address = (uint64_t)transport << 32 | (offload->ipv6 ? 0 : ip),
        .command = CONTEXT | (offload->tcp ? COMMAND_TCP : 0) | (offload->ipv6 ? 0 : COMMAND_IPV4),
    };

    if (offload->segment) {
        made.command |= COMMAND_SEGMENT | (length - offload->payload);
        made.status = offload->size << 16 | offload->payload << 8;
    }
    return made;
}

static struct intel_descriptor data(const struct intel_offload *offload, uint32_t length)
{
    (void)length;
    return (struct intel_descriptor){
        .command = DATA | (offload->segment ? COMMAND_SEGMENT : 0),
        .status = (offload->checksum ? OPTION_TRANSPORT : 0) | (offload->segment && !offload->ipv6 ? OPTION_IP : 0),
    };
}

static const struct intel_model model = {
    .name = "e1000e",
    .device = 0x10d3,
    .receive = 0x2800,
    .transmit = 0x3800,
    .mask = INTEL_IMC,
    .unmask = INTEL_IMS,
    .causes = INTEL_ICR_LINK | ICR_RECEIVED | ICR_QUEUE | ICR_OTHER,
    .start = start,
    .start_queues = start_queues,
    .context = context,
    .data = data,
};

bool e1000e_probe(const struct pci_function *function)
{
    return intel_probe(function, &model);
}
