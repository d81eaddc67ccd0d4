// SPDX-License-Identifier: Apache-2.0
/*
 * Message m of a domain is vector VECTOR_MESSAGES + m on the CPU of the vCPU that the guest's message names; what that
 * vCPU gets is the guest's own vector. CPUs belong to one domain, so vectors do not meet. Where an IOMMU remaps
 * messages it says who may send this one.
 */
#include <arch/message.h>

#include <arch/apic.h>
#include <bulkhead/guest_map.h>
#include <core/log.h>
#include <core/message.h>
#include <devices/iommu/iommu.h>

/* SDM 3A, 11.11 */
#define ADDRESS_MASK 0xfff00000u
#define ADDRESS_LOGICAL 0x4u
#define DATA_LEVEL 0x8000u
#define APIC_ID_BROADCAST 0xffu

static struct slot {
    uint16_t requester;
    uint8_t index;
    bool reserved;
    uint16_t target; /* atomic: vCPU << 8 | its vector; 0: not bound */
    struct device_status *status;
} slots[BULKHEAD_PARTITIONS_MAX][MESSAGES_MAX];

uint32_t message_reserve(struct domain *domain, uint32_t requester, uint32_t count, struct device_status *status)
{
    uint32_t given = 0;

    for (uint32_t i = 0; i < MESSAGES_MAX && given < count; i++) {
        struct slot *slot = &slots[domain->index][i];

        if (!slot->reserved)
            *slot = (struct slot){
                .requester = (uint16_t)requester, .index = (uint8_t)given++, .reserved = true, .status = status};
    }
    if (!given)
        log_line("%s: no message is left for its PCI functions", domain->config->name);
    return given;
}

static struct slot *find(struct domain *domain, uint32_t requester, uint32_t index)
{
    for (uint32_t i = 0; i < MESSAGES_MAX; i++) {
        struct slot *slot = &slots[domain->index][i];

        if (slot->reserved && slot->requester == requester && slot->index == index)
            return slot;
    }
    return NULL;
}

static uint32_t entry_of(const struct domain *domain, const struct slot *slot)
{
    return domain->index * MESSAGES_MAX + (uint32_t)(slot - slots[domain->index]);
}

static void unbind(struct domain *domain, struct slot *slot)
{
    struct message message;

    if (slot->target)
        iommu_remap(entry_of(domain, slot), slot->requester, 0, 0, &message);
    __atomic_store_n(&slot->target, 0, __ATOMIC_RELEASE);
}

void message_unbind(struct domain *domain, uint32_t requester, uint32_t index)
{
    struct slot *slot = find(domain, requester, index);

    if (slot)
        unbind(domain, slot);
}

bool message_bind(struct domain *domain, uint32_t requester, uint32_t index, struct message guest,
                  struct message *physical)
{
    struct slot *slot = find(domain, requester, index);
    uint32_t targets = vlapic_targets(domain, guest.address >> 12 & 0xff, guest.address & ADDRESS_LOGICAL);
    uint32_t cpu, vcpu, vector;

    if (!slot)
        return false;
    if ((guest.address & ~0xfffffull) != GUEST_APIC_BASE || !targets || (guest.data >> 8 & 7) > DELIVERY_LOWEST ||
        guest.data & DATA_LEVEL || (uint8_t)guest.data < 16) {
        unbind(domain, slot);
        return false;
    }
    vcpu = (uint32_t)__builtin_ctz(targets);
    cpu = domain->vcpu[vcpu]->cpu;
    vector = VECTOR_MESSAGES + (uint32_t)(slot - slots[domain->index]);
    __atomic_store_n(&slot->target, (uint16_t)(vcpu << 8 | (guest.data & 0xff)), __ATOMIC_RELEASE);
    if (iommu_remaps())
        return iommu_remap(entry_of(domain, slot), requester, cpu, (uint8_t)vector, physical);
    *physical = (struct message){GUEST_APIC_BASE | cpus[cpu].id << 12, vector};
    return cpus[cpu].id < APIC_ID_BROADCAST;
}

void message_reset(struct domain *domain)
{
    for (uint32_t i = 0; i < MESSAGES_MAX; i++)
        unbind(domain, &slots[domain->index][i]);
}

/* It may come late, on a CPU that the guest's message does not name any more. */
void message_interrupt(uint32_t number)
{
    struct domain *domain = vcpu_current()->domain;
    struct slot *slot;
    uint16_t target;

    if (!domain)
        return;
    slot = &slots[domain->index][number];
    target = __atomic_load_n(&slot->target, __ATOMIC_ACQUIRE);
    if (!target)
        return;
    vlapic_send(domain->vcpu[target >> 8], (uint8_t)target, false);
    __atomic_fetch_add(&slot->status->messages, 1, __ATOMIC_RELAXED);
}
