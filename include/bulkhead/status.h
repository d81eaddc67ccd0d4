/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status page: what the kernel tells the management domain about all domains, in kernel memory, mapped read-only
 * there. Words are written one by one with release order; a reader needs no lock. DOORBELL_DOMAIN follows a change of
 * state. And the events: the supervision log, which survives a warm reset.
 */
#ifndef BULKHEAD_STATUS_H
#define BULKHEAD_STATUS_H

#include <bulkhead/limits.h>
#include <stdint.h>

enum domain_state {
    DOMAIN_OFF = 0,      /* never started since the appliance's reset */
    DOMAIN_STARTING = 1, /* memory being scrubbed, images copied */
    DOMAIN_RUNNING = 2,
    DOMAIN_STOPPING = 3, /* waiting for CPUs and for back-ends to let go */
    DOMAIN_STOPPED = 4,  /* by request, or the guest powered itself off */
    DOMAIN_CRASHED = 5,  /* stopped by the kernel: see cause */
    DOMAIN_ABSENT = 6,   /* cannot run on this machine: CPUs or memory are missing */
};

/* Why a domain stopped, or the machine was reset. Text for each: stop_cause_text() in lib/stop_cause.c. */
enum stop_cause {
    CAUSE_NONE = 0,
    CAUSE_REQUEST = 1,      /* the operator or the supervisor asked */
    CAUSE_POWER_OFF = 2,    /* PSCI SYSTEM_OFF */
    CAUSE_GUEST_RESET = 3,  /* PSCI SYSTEM_RESET, also after panic= */
    CAUSE_WATCHDOG = 4,     /* guest watchdog expired twice (WS1) */
    CAUSE_HEARTBEAT = 5,    /* a native domain's heartbeat was late */
    CAUSE_NO_PROGRESS = 6,  /* a vCPU left a deliverable interrupt untaken too long */
    CAUSE_BAD_ACCESS = 7,   /* an access outside the partition that the architecture cannot report to the guest */
    CAUSE_BAD_IMAGE = 8,    /* the bundle's image could not be loaded */
    CAUSE_CHECK = 9,        /* the kernel's own CHECK failed */
    CAUSE_KERNEL_FAULT = 10,/* an exception taken from EL2 */
    CAUSE_PANIC = 11,       /* a native domain reported its own crash */
    CAUSE_CPU_OFF = 12,     /* the last vCPU switched itself off */
    CAUSE_POLICY = 13,      /* the partition's policy resets the appliance */
    CAUSE_DMA_FAULT = 14,   /* its devices' accesses to what it does not own reached CONFIG_DMA_FAULT_LIMIT */
};

enum event_kind {
    EVENT_BOOT = 1,    /* the appliance started; detail = 1 after a warm reset */
    EVENT_START = 2,   /* a domain started; detail = how often before */
    EVENT_STOP = 3,    /* with cause; detail = guest PC or call */
    EVENT_CRASH = 4,   /* with cause; detail = guest PC or faulting ipa */
    EVENT_RESTART = 5, /* the supervisor restarts it; detail = back-off in ms */
    EVENT_GIVE_UP = 6, /* the supervisor's limit is reached; detail = the limit */
    EVENT_RESET = 7,   /* the appliance is about to be reset */
};

struct supervision_event {
    uint64_t sequence;     /* 1, 2, 3, ... over the log's whole life */
    uint64_t boot;         /* which boot of the machine, counted while the log survives */
    uint64_t milliseconds; /* since that boot */
    uint64_t wall_seconds; /* UNIX time, or 0 where the board has no clock */
    uint64_t detail;
    uint8_t partition; /* 0xff: the appliance */
    uint8_t kind;      /* enum event_kind */
    uint8_t cause;     /* enum stop_cause */
    uint8_t reserved[5];
};

/* What a vCPU's exits were for; counters, kept over restarts. */
enum exit_kind {
    EXIT_HYPERCALL, EXIT_PSCI, EXIT_SMC, EXIT_REGISTER, EXIT_CHANNEL, EXIT_SGI, EXIT_SYSREG, EXIT_INTERRUPT,
    EXIT_TIMER, EXIT_WFI, EXIT_ABORT_INJECTED, EXIT_UNDEFINED_INJECTED, EXIT_OTHER, EXIT_KINDS
};

struct vcpu_status {
    uint64_t exits[EXIT_KINDS];
    uint32_t physical_cpu;
    uint32_t online;
};

struct domain_status {
    char name[BULKHEAD_NAME_MAX];
    uint32_t state;      /* enum domain_state */
    uint32_t cause;      /* enum stop_cause of the last stop */
    uint64_t detail;     /* of the last stop: guest PC or address */
    uint64_t starts;     /* how often it was started */
    uint64_t crashes;    /* stops that were no request and no power-off */
    uint64_t started_ns; /* system counter time of the last start, in ns since reset */
    uint64_t stopped_ns;
    uint64_t memory_ipa, memory_hpa, memory_size; /* the management domain may use it if it serves the domain */
    uint32_t vcpus;
    uint32_t restart_pending; /* stopped, and waits for HC_CHANNEL_RESET_DONE before a start that was asked for */
    struct vcpu_status vcpu[BULKHEAD_CPUS_MAX];
};

enum device_state {
    DEVICE_UNUSED = 0,  /* belongs to nobody, is blocked */
    DEVICE_OWNED = 1,   /* belongs to `owner` */
    DEVICE_REFUSED = 2, /* was meant for `owner`, which is absent for it; blocked (the log says why) */
    DEVICE_LOST = 3,    /* did not come back from a reset, or left the bus; blocked until the appliance restarts */
};

enum device_flags {
    DEVICE_IOMMU = 1,    /* its memory accesses go through an IOMMU */
    DEVICE_REMAPPED = 2, /* its interrupt messages cannot be forged */
    DEVICE_VIRTUAL = 4,  /* a virtual function */
    DEVICE_RESERVED = 8, /* firmware's tables keep memory mapped for it */
};

/* How a function is reset when its domain stops; the first that it has. */
enum device_reset { RESET_NONE, RESET_FUNCTION, RESET_ADVANCED, RESET_POWER, RESET_BUS, RESET_STATUS };

/* A PCI function. All but the identification changes while it runs; counters are kept over restarts. */
struct device_status {
    uint16_t requester; /* bus << 8 | device << 3 | function */
    uint16_t group;     /* isolation group: the lowest requester of those that cannot be kept apart from it */
    uint16_t vendor, device;
    uint32_t class_code; /* base class << 16 | subclass << 8 | programming interface */
    uint8_t owner;       /* partition, or 0xff */
    uint8_t state;       /* enum device_state */
    uint8_t flags;       /* enum device_flags */
    uint8_t reset;       /* enum device_reset */
    uint64_t faults;        /* accesses that the IOMMU refused */
    uint64_t fault_address; /* address of the last one */
    uint64_t fault_ns;
    uint64_t messages; /* interrupts delivered */
    uint64_t resets;
};

/* What else the kernel shares with the management domain: addresses that its memory map has (ipa == hpa). */
struct status_shared {
    uint64_t log, log_bytes; /* ring of the kernel's log */
    uint64_t doorbell;       /* struct doorbell_page; the interrupt is that of /bulkhead in the device tree */
    uint64_t console[BULKHEAD_CONSOLES_MAX], console_bytes; /* rings */
    uint64_t channel[BULKHEAD_CHANNELS_MAX];                /* register pages */
    uint64_t boot_log, boot_log_bytes; /* what the loader left behind the bundle: its event log, if anything; 0: nothing */
};

/* What the kernel has checked and uses: the bundle's signed tree, named "bundle", then its images. */
#define BULKHEAD_MEASURED_MAX 33
struct measured {
    char name[32];
    uint8_t sha256[32];
};

#define STATUS_MAGIC 0x74617453u /* "Stat" */
struct status_page {
    uint32_t magic;
    uint32_t abi_version;
    uint32_t partitions;
    uint32_t cpus; /* physical CPUs that run */
    uint64_t boot; /* this boot's number */
    uint64_t kernel_bytes, kernel_pages_bytes; /* kernel image; memory the kernel keeps in all */
    uint64_t first_guest_ns; /* reset to the first guest instruction */
    char kernel_version[48];
    _Atomic uint64_t event_head; /* sequence number of the newest event */
    struct supervision_event event[BULKHEAD_EVENTS_MAX]; /* event s stands at [s % BULKHEAD_EVENTS_MAX] */
    struct domain_status domain[BULKHEAD_PARTITIONS_MAX];
    struct status_shared shared;
    char iommu[16]; /* what the machine has: "VT-d", "AMD-Vi", "SMMUv3", or "" */
    uint32_t devices;
    struct device_status device[BULKHEAD_DEVICES_MAX]; /* by requester */
    uint32_t bundle_version;
    uint32_t bundle_development; /* 1: its key is one that the build made */
    uint32_t boot_slot;          /* by the loader: 'a' or 'b'; 0: it does not tell */
    char kernel_sha256[64];      /* hexadecimal, of the kernel's file, by a loader without an event log; zeros: not told */
    uint32_t measured_count;
    struct measured measured[BULKHEAD_MEASURED_MAX];
};

#endif
