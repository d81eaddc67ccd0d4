/* SPDX-License-Identifier: Apache-2.0 */
/* For third-party sources only, which include it and use nothing of it. */
