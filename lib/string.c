// SPDX-License-Identifier: Apache-2.0
/* <string.h> of the kernel. Eight bytes at a time where both sides allow it. */
#include <stdint.h>
#include <string.h>

/* Else the compiler finds memcpy() in memcpy(). */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

typedef uint64_t __attribute__((may_alias)) word;

static int aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & (sizeof(word) - 1)) == 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    for (; aligned(out, in) && length >= sizeof(word); length -= sizeof(word)) {
        *(word *)out = *(const word *)in;
        out += sizeof(word);
        in += sizeof(word);
    }
    while (length--)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    if ((uintptr_t)to - (uintptr_t)from >= length)
        return memcpy(to, from, length);
    while (length--)
        out[length] = in[length];
    return to;
}

void *memset(void *to, int byte, size_t length)
{
    uint8_t *out = to;
    word pattern = (uint8_t)byte * 0x0101010101010101ull;

    for (; aligned(out, out) && length >= sizeof(word); length -= sizeof(word)) {
        *(word *)out = pattern;
        out += sizeof(word);
    }
    while (length--)
        *out++ = (uint8_t)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const uint8_t *x = a, *y = b;

    for (size_t i = 0; i < length; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

void *memchr(const void *text, int byte, size_t length)
{
    const uint8_t *in = text;

    for (size_t i = 0; i < length; i++)
        if (in[i] == (uint8_t)byte)
            return (void *)(uintptr_t)(in + i);
    return NULL;
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length])
        length++;
    return length;
}

size_t strlen(const char *text)
{
    return strnlen(text, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (size_t i = 0; i < limit; i++)
        if (a[i] != b[i] || !a[i])
            return (uint8_t)a[i] - (uint8_t)b[i];
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *text, int byte)
{
    return memchr(text, byte, strlen(text) + 1);
}

char *strrchr(const char *text, int byte)
{
    for (size_t i = strlen(text) + 1; i > 0; i--)
        if (text[i - 1] == (char)byte)
            return (char *)(uintptr_t)(text + i - 1);
    return NULL;
}
