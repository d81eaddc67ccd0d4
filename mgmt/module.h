/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up of the management program. A module announces its start function in its own file:
 *
 *     MODULE(MODULE_BACKEND, net_backend, net_backend_start);
 *
 * main() runs them by stage, within a stage in the linker's order, once, in loop context before the loop turns. A start
 * function finds everything of the stages before it. It does not block; what has to wait uses loop timers and sources.
 */
#ifndef MGMT_MODULE_H
#define MGMT_MODULE_H

/* Stages. Digits, because they become part of a section's name. */
#define MODULE_CORE 0    /* doorbell, bulkhead_log, entropy */
#define MODULE_DEVICE 1  /* drivers: NICs, disks */
#define MODULE_SERVICE 2 /* vSwitch, volumes, lwIP */
#define MODULE_BACKEND 3 /* virtio back-ends: they attach channels */
#define MODULE_USER 4    /* sessions, shell, TLS console, supervisor */

struct module {
    const char *name;
    void (*start)(void);
};

#define MODULE(stage, symbol, function) MODULE_(stage, symbol, function)
#define MODULE_(stage, symbol, function)                                                                               \
    __attribute__((used, section("modules." #stage))) static const struct module module_##symbol = {#symbol, function}

#endif
