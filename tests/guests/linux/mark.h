/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bench's plugin (tests/bench/plugin.c) counts what all CPUs execute between; NOPs otherwise. One window a
 * kind of work.
 */
#ifndef MARK_H
#define MARK_H

enum { MARK_TICKS = 12, MARK_DISK = 13, MARK_REQUEST = 14, MARK_STREAM = 15 };

#ifdef __aarch64__
#define MARK(n) __asm__ volatile("hint %0" ::"i"(n) : "memory")
#else
#define MARK(n) __asm__ volatile("nopl %c0(%%rax)" ::"i"(0x48420000 + (n)) : "memory")
#endif
#define MARK_BEGIN(window) MARK(96 + (window))
#define MARK_END(window) MARK(112 + (window))

#endif
