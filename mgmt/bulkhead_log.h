/* SPDX-License-Identifier: Apache-2.0 */
/* The management domain's own lines in the kernel log, which survives its restart and a warm reset. */
#ifndef MGMT_BULKHEAD_LOG_H
#define MGMT_BULKHEAD_LOG_H

/* Loop context. One line of about 220 bytes; time and '\n' are added, bytes that are not printable become '?'. */
void bulkhead_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* DOORBELL_LOG: the log's ring grew; sessions that follow it go on. */
void log_follow_grew(void);

#endif
