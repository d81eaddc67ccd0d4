/* SPDX-License-Identifier: Apache-2.0 */
/* In place of mgmt/module.h, for programs that start modules of the management domain one by one. */
#ifndef MGMT_MODULE_H
#define MGMT_MODULE_H

struct module {
    const char *name;
    void (*start)(void);
};

#define MODULE(stage, symbol, function)                                                                                \
    extern const struct module module_##symbol;                                                                        \
    const struct module module_##symbol = {#symbol, function}

#endif
