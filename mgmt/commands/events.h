/* SPDX-License-Identifier: Apache-2.0 */
/* The supervision events as a section: `domain show` and `log events` list them. */
#ifndef MGMT_COMMANDS_EVENTS_H
#define MGMT_COMMANDS_EVENTS_H

#include <mgmt/output.h>

#define EVENTS_OF_ALL UINT64_MAX
/* The argument: a partition, or EVENTS_OF_ALL. */
extern const struct output_section events_section;

#endif
