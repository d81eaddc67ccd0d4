// SPDX-License-Identifier: Apache-2.0
/* x86: memcpy(), memmove() and memset() of native domains (arch/x86/native/memcpy.S), under other names: all lengths
 * around where they change their way, all alignments and overlaps, nothing beside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void *native_memcpy(void *to, const void *from, size_t length);
void *native_memmove(void *to, const void *from, size_t length);
void *native_memset(void *to, int byte, size_t length);

#define ROOM 1024
#define EDGE 320
static uint8_t area[ROOM], from[ROOM];
static const size_t lengths[] = {0,  1,  2,  3,   4,   5,   7,   8,   9,   15,  16,  17,  31,  32,  33, 47, 48,
                                 63, 64, 65, 79,  80,  81,  95,  96,  127, 128, 129, 143, 144, 145, 160, 191, 192,
                                 193, 255, 256, 257, 271, 272, 273, 300};
#define LENGTHS (sizeof(lengths) / sizeof(*lengths))

static uint8_t number(size_t i)
{
    return (uint8_t)(i * 167 + (i >> 8) + 13);
}

static void fill(void)
{
    for (size_t i = 0; i < ROOM; i++) {
        area[i] = number(i);
        from[i] = number(i + 5000);
    }
}

static void copies(void **state)
{
    (void)state;
    for (size_t l = 0; l < LENGTHS; l++)
        for (size_t a = 0; a < 17; a++)
            for (size_t b = 0; b < 17; b++) {
                fill();
                assert_ptr_equal(native_memcpy(area + EDGE + a, from + EDGE + b, lengths[l]), area + EDGE + a);
                for (size_t i = 0; i < ROOM; i++)
                    assert_int_equal(area[i], i - EDGE - a < lengths[l] ? from[i - a + b] : number(i));
            }
}

static void moves(void **state)
{
    (void)state;
    for (size_t l = 0; l < LENGTHS; l++)
        for (size_t a = 0; a < 310; a += 1 + a / 40)
            for (unsigned back = 0; back < 2; back++) {
                size_t to = EDGE + (back ? a : 0), start = EDGE + (back ? 0 : a);

                fill();
                assert_ptr_equal(native_memmove(area + to, area + start, lengths[l]), area + to);
                for (size_t i = 0; i < ROOM; i++)
                    assert_int_equal(area[i], i - to < lengths[l] ? number(i - to + start) : number(i));
            }
}

static void sets(void **state)
{
    (void)state;
    for (size_t l = 0; l < LENGTHS; l++)
        for (size_t a = 0; a < 17; a++) {
            fill();
            assert_ptr_equal(native_memset(area + EDGE + a, 0x1a5, lengths[l]), area + EDGE + a);
            for (size_t i = 0; i < ROOM; i++)
                assert_int_equal(area[i], i - EDGE - a < lengths[l] ? 0xa5 : number(i));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(moves),
        cmocka_unit_test(sets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
