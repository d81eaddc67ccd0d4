/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which memory a device reaches by itself, and which interrupts it may send.
 *
 * From iommu_init() on every requester that the machine's IOMMUs see is blocked. A domain with devices has an address
 * space of its own for them (its RAM and what is granted to it, at the addresses that the domain uses), made at boot. A
 * device of the domain is let into it when the domain starts, and is blocked again before the domain's memory is
 * touched.
 *
 * A requester is PCI's requester ID (bus << 8 | device << 3 | function); what else a platform's devices are called
 * (stream IDs) lies above 0xffff and is its driver's. One kind of IOMMU a machine, chosen at boot; all its units share
 * what is said here.
 */
#ifndef DEVICES_IOMMU_H
#define DEVICES_IOMMU_H

#include <core/message.h>
#include <core/vcpu.h>

/* Boot CPU, before domains are built: takes the units and blocks everything. Says what it found, or that there is none.
 */
void iommu_init(void);
/* There is one; it checks as well whose interrupt a message is, and says how to send it (x86-64; on arm64 the ITS does). */
bool iommu_present(void);
bool iommu_remaps(void);

/*
 * Boot CPU, while domains are built (arch_domain_init()), or before: the device is the domain's. False: no IOMMU has
 * it, or firmware claims memory for it that the domain cannot give; the log says which. domain.c does the rest:
 * iommu_map(), iommu_start() and iommu_stop().
 */
bool iommu_assign(struct domain *domain, uint32_t requester);
/* Whether a device of the domain is behind an IOMMU: it has a DMA address space. */
bool iommu_serves(const struct domain *domain);
/* Boot CPU, after all iommu_assign(): more memory of the domain's devices (STAGE2_READ, _WRITE), page-aligned and not
 * mapped yet. Does nothing for a domain that iommu_serves() does not know. */
void iommu_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights);
/* A CPU of the domain, all vCPUs parked: its devices reach its memory; they are blocked, and nothing cached is left. */
void iommu_start(struct domain *domain);
void iommu_stop(struct domain *domain);

/*
 * x86-64, any CPU: message number `entry` (below IOMMU_MESSAGES_MAX), that only `requester` can send from now on, is
 * `vector` on `cpu`; vector 0: it is nobody's. False: there is no remapping, or it does not reach that CPU.
 */
#define IOMMU_MESSAGES_MAX 512
#define IOMMU_LINES 448 /* from here on: a machine's interrupt lines, by their global number */
bool iommu_remap(uint32_t entry, uint32_t requester, uint32_t cpu, uint8_t vector, struct message *message);

/* --- For the drivers --- */

/* A device's address space: tables in the driver's format. */
struct iommu_space {
    uint64_t *root; /* NULL: not created */
    uint64_t root_hpa;
    uint16_t id; /* 1 ... IOMMU_SPACES_MAX, for tags of cached translations */
};
#define IOMMU_RESERVED_MAX 8
#define IOMMU_SPACES_MAX (BULKHEAD_PARTITIONS_MAX + IOMMU_RESERVED_MAX)

struct iommu_ops {
    const char *name;
    /* Boot CPU: */
    bool (*covers)(uint32_t requester);        /* a unit has it; and what attach() needs is set aside */
    void (*create)(struct iommu_space *space); /* an empty one; where messages are memory accesses, with their target */
    void (*map)(struct iommu_space *space, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights);
    /* Any CPU: */
    void (*attach)(uint32_t requester, const struct iommu_space *space); /* NULL: blocked */
    void (*invalidate)(const struct iommu_space *space); /* all that is cached of it, and DMA on its way has ended */
    void (*poll_faults)(void); /* calls iommu_fault() for what is recorded, a bounded number of times */
    void (*listen)(bool on);   /* faults interrupt, also those that are recorded now; or NULL */
    /* NULL where messages are not remapped; see iommu_remap(). */
    bool (*remap)(uint32_t entry, uint32_t requester, uint32_t cpu, uint8_t vector, struct message *message);
};
struct iommu {
    const struct iommu_ops *ops; /* NULL: the machine has none */
    unsigned address_bits;       /* of a device's addresses, and of memory that they can be translated to */
    uint32_t spaces_max;         /* ids that the units know; 0: IOMMU_SPACES_MAX or more */
    bool messages_forgeable;     /* nobody checks who sends a message: a guest's device can interrupt others' CPUs */
};
/* The architecture's, boot CPU: finds the units and turns translation on, everything blocked. On the way it calls
 * iommu_reserve() for memory that firmware claims for devices (RMRR, IVMD, RMR). */
struct iommu arch_iommu_find(void);
void iommu_reserve(uint32_t requester, struct hpa base, uint64_t size);

/* Any CPU, no domain's lock held: a device was refused. Counted in its status, said, and CONFIG_DMA_FAULT_LIMIT
 * applied. */
enum iommu_refusal { IOMMU_REFUSED_READ, IOMMU_REFUSED_WRITE, IOMMU_REFUSED_MESSAGE };
void iommu_fault(uint32_t requester, uint64_t address, enum iommu_refusal what);
/* CPU 0, the driver's interrupt: faults are polled, and for a while do not interrupt: a device cannot hold up a CPU. */
void iommu_fault_interrupt(void);

#endif
