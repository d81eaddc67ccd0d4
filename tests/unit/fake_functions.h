/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's PCI functions for core/pci.c and core/vpci.c: configuration spaces of plain bytes, of which some can be
 * written, registers in a window of plain memory, and what the kernel has around them.
 */
#ifndef FAKE_FUNCTIONS_H
#define FAKE_FUNCTIONS_H

#include <core/message.h>
#include <core/mmio.h>
#include <core/pci.h>
#include <core/vpci.h>

#define FAKE_ECAM 0xb0000000ull
#define FAKE_WINDOW 0xc0000000ull
#define FAKE_WINDOW_SIZE 0x1000000ull
#define FAKE_FUNCTIONS_MAX 160

struct fake_function {
    uint16_t requester;
    bool there, dead;
    uint8_t bytes[4096], writable[4096];
    uint32_t last; /* where the next capability's place is written */
    uint32_t flrs, statuses;
};

void fake_reset(void); /* no functions; a new life of the kernel's state is the caller's */
struct fake_function *fake_add(uint16_t requester, uint32_t id, uint32_t class_code);
struct fake_function *fake_bridge(uint16_t requester, uint8_t secondary);
struct fake_function *fake_find(uint16_t requester);
void fake_put(struct fake_function *function, uint32_t offset, uint32_t width, uint32_t value, uint32_t writable);
uint32_t fake_get(const struct fake_function *function, uint32_t offset, uint32_t width);
void fake_bar(struct fake_function *function, uint32_t index, uint64_t base, uint64_t size, uint32_t flags);
/* At `at`, behind the last one. */
void fake_capability(struct fake_function *function, uint8_t at, uint8_t kind);
void fake_msix(struct fake_function *function, uint8_t at, uint32_t entries, uint32_t table, uint32_t pba);
void fake_pcie(struct fake_function *function, uint8_t at, bool flr);
/* An extended capability, the only one; false `acs` registers as they are. */
void fake_acs(struct fake_function *function);
void fake_sriov(struct fake_function *function, uint16_t total, uint16_t offset, uint16_t stride, uint64_t bar_size);

/* The window's memory. */
uint8_t *fake_memory(uint64_t hpa);
/* What was said last, and how often anything was. */
extern char fake_said[256];
extern uint32_t fake_lines;
/* Messages: what is bound; IOMMU: who is assigned. */
struct fake_message {
    uint32_t requester, index;
    struct message guest;
};
extern struct fake_message fake_messages[64];
extern uint32_t fake_bound, fake_binds;
extern bool fake_iommu;
/* INTx: the chipset's line, and the guest's level. */
extern uint32_t fake_wire;
extern bool fake_level;
extern uint64_t fake_now;
/* Pages that a domain sees: the hpa behind an ipa, 0: nothing. */
uint64_t fake_mapped(const struct domain *domain, uint64_t ipa);

/* The domain's access, of mapped pages and of trapped ones. MMIO_RETRY is waited for. */
uint64_t fake_read(struct domain *domain, uint64_t ipa, uint32_t width);
void fake_write(struct domain *domain, uint64_t ipa, uint32_t width, uint64_t value);

#endif
