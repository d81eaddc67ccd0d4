/* SPDX-License-Identifier: Apache-2.0 */
/* For third-party sources only, which include it; our own code uses CHECK(). */
#define assert(condition) ((void)0)
