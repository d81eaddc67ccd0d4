/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypercall ABI: how a domain asks the kernel for something.
 *
 * arm64: HVC #0 under the SMC Calling Convention (Arm DEN0028): the function ID is in w0, arguments in x1..x9,
 * results in x0..x3; x4..x17 keep their values (SMCCC 1.1). IDs are "fast calls, 64-bit, vendor-specific hypervisor
 * service" (owner 6). PSCI and SMCCC_VERSION are answered on the same conduit. x0 is 0 or a negative error; an unknown
 * function returns -1 (SMCCC's NOT_SUPPORTED) and is counted.
 *
 * No hypercall carries a pointer: arguments travel in registers, results in registers or in pages that the kernel
 * shares read-only (status.h, channel.h, console.h). So the kernel needs no mapping of a domain's memory.
 */
#ifndef BULKHEAD_HYPERCALL_H
#define BULKHEAD_HYPERCALL_H

#define BULKHEAD_ABI_VERSION 1

/* Who may call: A any domain; M the management domain; B the back-end of the channel; D any domain, about itself. */
#define HC_BASE 0xc6000000u
/* A: x1 = BULKHEAD_ABI_VERSION of the kernel, x2 = the caller's partition number, x3 = number of partitions. */
#define HC_VERSION 0xc6000001u
/* D or M: append x2 (1..56) bytes, packed little-endian in x3..x9, to console ring x1. A domain may write rings of its
 * own; the management domain may write any ring that it backs (virtio-console) and its own. */
#define HC_CONSOLE_WRITE 0xc6000002u
/* M: x2 (1..56) bytes in x3..x9 of input to the kernel-emulated UART behind console ring x1. Returns in x1 how many
 * were taken (the UART's receive queue may be full; the back-end is told through DOORBELL_CONSOLE when there is room). */
#define HC_CONSOLE_INPUT 0xc6000003u
/* B: set the 64 feature bits (x2) and the number of queues and their maximal size (x3 = queues, x4 = size) that
 * channel x1 offers. Only before HC_CHANNEL_ATTACH. */
#define HC_CHANNEL_OFFER 0xc6000004u
/* B: write x3 (1, 2, 4 or 8) bytes of x4 at offset x2 of the device-specific configuration (register page + 0x100)
 * and advance ConfigGeneration. x2 + x3 <= 256. */
#define HC_CHANNEL_CONFIG 0xc6000005u
/* B: the back-end of channel x1 serves from now on; a front-end's first write to Status waits for it. */
#define HC_CHANNEL_ATTACH 0xc6000006u
/* B: interrupt the front-end of channel x1; x2 = bits to set in InterruptStatus (1 used buffer, 2 configuration). */
#define HC_CHANNEL_SIGNAL 0xc6000007u
/* B: the back-end holds no buffer of channel x1 any more (answer to CHANNEL_RESETTING). */
#define HC_CHANNEL_RESET_DONE 0xc6000008u
/* B: channel x1 is broken by its front-end: set DEVICE_NEEDS_RESET, raise the configuration interrupt, count it. */
#define HC_CHANNEL_FAIL 0xc6000009u
/* M: x1 = partition, x2 = enum domain_operation. Asynchronous: the outcome appears in the status page (status.h),
 * with DOORBELL_DOMAIN. Errors: HC_E_RANGE, HC_E_DENIED (the caller itself), HC_E_STATE. */
#define HC_DOMAIN_CONTROL 0xc600000au
/* D: the caller is alive, and if it has not called again in x1 milliseconds (1..600000) it is to be taken as hung.
 * x1 = 0 ends the watch unless the partition asks for one. */
#define HC_HEARTBEAT 0xc600000bu
/* M: reset (x1 = 0) or power off (x1 = 1) the appliance. x2 = cause to record (enum stop_cause). */
#define HC_SYSTEM 0xc600000cu
/* M: append x1 (1..56) bytes in x2..x8 to the kernel log; a line ends with '\n'. */
#define HC_LOG_WRITE 0xc600000du
/* M: record a supervision event: x1 = partition, x2 = enum event_kind, x3 = cause, x4 = detail. */
#define HC_EVENT 0xc600000eu
/* A, only in kernels built with BENCH=y: x1 returned = 0. Does nothing; for measuring. */
#define HC_NOTHING 0xc600000fu
/* D: the caller, a native domain, has crashed: it is stopped with CAUSE_PANIC and detail x1. Does not return. */
#define HC_PANIC 0xc6000010u

enum domain_operation {
    DOMAIN_OP_START = 0, /* from stopped, off or crashed */
    DOMAIN_OP_STOP = 1,
    DOMAIN_OP_RESTART = 2, /* stop if running, then start */
};

enum hypercall_error {
    HC_OK = 0,
    HC_E_UNKNOWN = -1, /* no such function */
    HC_E_RANGE = -2,   /* an argument is out of range */
    HC_E_DENIED = -3,  /* the caller may not do this */
    HC_E_STATE = -4,   /* not in this state */
    HC_E_FULL = -5,    /* no room; try after the next doorbell */
};

#endif
