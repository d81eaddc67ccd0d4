/* SPDX-License-Identifier: Apache-2.0 */
/* What core/ asks of every architecture. */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include <arch/crash.h>
#include <core/platform.h>
#include <core/vcpu.h>

/* --- Boot --- */
/* core/main.c: the boot CPU's first C function with the kernel's address space; `handover` is what the loader gave. */
_Noreturn void kernel_main(struct hpa handover);
/* Boot CPU, first of all: finds out about the machine (platform), makes exceptions and time_ns() work, fills in cpus[].
 */
void arch_init(struct hpa handover);
/* Boot CPU: all domains are built, the loader's description of the machine is not needed any more. */
void arch_close(void);

/* --- Address spaces of domains (stage2.c). Boot CPU only; tables come from memory_pages(). --- */
enum stage2_rights {
    STAGE2_READ = 1,
    STAGE2_WRITE = 2,
    STAGE2_EXECUTE = 4,
    STAGE2_DEVICE = 8, /* device memory instead of normal cacheable */
};
void stage2_create(struct domain *domain);
/* Maps with the largest blocks that fit. All of it page-aligned, and not mapped yet. */
void stage2_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights);
/* Own CPU of the domain: forget cached translations of it on all CPUs. */
void stage2_invalidate(struct domain *domain);

/* --- Kernel address space (mmu.c) --- */
/* The kernel's own memory: first its image, then what memory.c hands out, from kernel_pages_base() to the end. */
void *kernel_image(void);         /* where it begins, virtual */
uint64_t kernel_pages_base(void); /* virtual */
bool kernel_is_text(uint64_t address);
/* Boot CPU, during boot: map registers, or memory, for good. Any alignment; 4 MiB in all. */
void *kernel_map_device(struct hpa base, uint64_t size);
void *kernel_map_memory(struct hpa base, uint64_t size);
/* Boot CPU, during boot: the page `page`, which kernel_map_device() returned, shows `base` from here on. */
void kernel_move_device(void *page, struct hpa base);
/* Boot CPU, during boot: map much memory read-only. */
void *kernel_map_blocks(struct hpa base, uint64_t size);
/* The hpa of anything that is mapped. */
struct hpa kernel_hpa(const void *address);
/*
 * The calling CPU's window onto domain memory: WINDOW_SIZE bytes, of which those up to the next WINDOW_SIZE boundary of
 * the hpa are mapped from `base` on; valid until the next call on this CPU, or window_close().
 */
#define WINDOW_SIZE (2 * MIB)
void *window_open(struct hpa base);
void window_close(void);
/* Bulk work, with what the CPU has for it (bulk.S). All of it ends clean to the point of coherency: CPUs whose caches
 * are off see it. memory_copy() uses FP registers: only while they hold nobody's state. */
void memory_scrub(void *address, uint64_t size); /* both multiples of 4096 */
void memory_copy(void *to, const void *from, uint64_t size);
void cache_clean(const void *address, uint64_t size);

/* SHA-256 with what the CPU has for it; FP registers as above. */
void digest_sha256(const void *data, size_t length, uint8_t digest[32]);

/* --- Domains (domain.c of the architecture) --- */
/* Boot CPU: the virtual interrupt controller, devices passed through and emulated ones, all but channels. */
void arch_domain_init(struct domain *domain);
/* CPU of vCPU 0, all vCPUs parked: everything about interrupts and devices of the domain back to its reset state. */
void arch_domain_reset(struct domain *domain);
/* Boot CPU: the description of its machine that the domain gets, written to `buffer`, whose content will lie at the end
 * of its memory: a device tree that begins with what is in `tree`; on x86 also what other boot protocols ask for. */
struct description {
    uint64_t size;    /* bytes used; 0: the domain cannot be started, the reason is in the log */
    uint64_t context; /* offset of what the domain's first argument points to */
};
struct description arch_domain_describe(struct domain *domain, uint32_t protocol, const void *tree, void *buffer,
                                        size_t size);
/* CPU of vCPU 0: what is to be new in the description at each start, its seeds, is made so. */
void arch_domain_renew(struct domain *domain, void *description);
/* Whether the machine's serial line is passed through to the domain. */
bool arch_owns_serial(struct domain *domain);
/* Boot CPU: INTx of a function, which stands behind `pin` (1 to 4) of a device of bus 0, calls vpci_interrupt() on the
 * CPU of the domain's vCPU 0; what the domain is to know that line as. 0: nobody knows how, or it is another domain's.
 * `slot` is the function's device on the domain's own bus. */
uint32_t arch_pci_line(struct domain *domain, uint32_t device, uint32_t pin, uint32_t slot);
/* CPU of vCPU 0: the domain is about to be started. */
void arch_domain_start(struct domain *domain);

/* --- CPUs (smp.c, vcpu.c) --- */
/* Boot CPU: start all others; and later, wait until all run or are given up on (present = false). */
void cpus_start(void);
void cpus_await(void);
/* Own CPU of `vcpu`: all registers of the guest to their reset values, with pc = entry, first argument = context. Its
 * private interrupts and its timer included. */
void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t context);
/* The CPU of `vcpu`: a call that is not one of Bulkhead's own, of the firmware interface that a guest expects (arm64:
 * PSCI). Arguments and results in the vCPU's registers; it may park the vCPU, whose registers are then those of its
 * next start. */
void arch_firmware_call(struct vcpu *vcpu);
/* Enters the guest with its registers, for ever: its exits are the architecture's. */
_Noreturn void vcpu_enter(struct vcpu *vcpu);

/* Own CPU, interrupts masked: handle every physical interrupt that is pending, as an exit would. */
void interrupts_poll(void);
/* Own CPU, on CPU_REQUEST_HALT: off for ever. */
_Noreturn void cpu_halt(void);

/* For crash records (arch/crash.h says which registers there are): those of the caller, as far as it still has them;
 * what each is called. */
void cpu_registers(uint64_t registers[CRASH_REGISTERS]);
extern const char *const crash_register_names[CRASH_REGISTERS];
uint64_t cpu_stack_size(void);

_Noreturn void machine_reset(void);
_Noreturn void machine_off(void);

#endif
