/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/status.h>
#include <lib/stop_cause.h>

const char *stop_cause_text(uint32_t cause)
{
    static const char *const table[] = {
        [CAUSE_NONE] = "none",
        [CAUSE_REQUEST] = "request",
        [CAUSE_POWER_OFF] = "power-off",
        [CAUSE_GUEST_RESET] = "guest-reset",
        [CAUSE_WATCHDOG] = "watchdog",
        [CAUSE_HEARTBEAT] = "heartbeat",
        [CAUSE_NO_PROGRESS] = "no-progress",
        [CAUSE_BAD_ACCESS] = "bad-access",
        [CAUSE_BAD_IMAGE] = "bad-image",
        [CAUSE_CHECK] = "check",
        [CAUSE_KERNEL_FAULT] = "kernel-fault",
        [CAUSE_PANIC] = "panic",
        [CAUSE_CPU_OFF] = "cpu-off",
        [CAUSE_POLICY] = "policy",
        [CAUSE_DMA_FAULT] = "dma-fault",
    };

    return cause < sizeof(table) / sizeof(*table) ? table[cause] : "unknown";
}
