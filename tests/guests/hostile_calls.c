// SPDX-License-Identifier: Apache-2.0
/* Hypercalls that do not exist or are not this guest's to make, and those of the firmware (issue 2, point 7). */
#include "hostile_calls.h"


/* Every owner, both widths, fast and yielding; PSCI (owner 4) and our own have their tests. */
static void unknown_functions(void)
{
    static const uint32_t numbers[] = {0x00, 0x11, 0x7f, 0xff, 0x100, 0x1234, 0x7fff, 0xfffe};
    uint32_t wrong = 0, last = 0, tried = 0;

    for (uint32_t owner = 0; owner < 64; owner++) {
        for (uint32_t kind = 0; kind < 4; kind++) {
            for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                uint32_t function = kind << 30 | owner << 24 | numbers[i];

                if (owner == 4 || (owner == 0 && kind >= 2) || (owner == 6 && numbers[i] <= 0x11))
                    continue;
                tried++;
                if (!is_unknown(call_kernel(function, ~0ull, ~0ull, ~0ull, ~0ull).x[0]))
                    wrong++, last = function;
            }
        }
    }
    check(wrong == 0, "%u unknown functions are not supported (%u wrong, %x)", (unsigned)tried, (unsigned)wrong,
          (unsigned)last);
}

static void denied(const char *name, uint32_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    int64_t answer = (int64_t)call_kernel(function, x1, x2, x3, x4).x[0];

    if (answer >= 0 || answer < -5)
        check(false, "%s(%lx, %lx, %lx) is refused: %ld", name, x1, x2, x3, answer);
}

static void not_its_right(void)
{
    static const uint64_t numbers[] = {0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 255, 256, 0xffffffff, 0x100000000, ~0ull};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t n = numbers[i];

        denied("CONSOLE_INPUT", HC_CONSOLE_INPUT, n, 8, 0x4141414141414141, 0);
        denied("CHANNEL_OFFER", HC_CHANNEL_OFFER, n, ~0ull, 4, 256);
        denied("CHANNEL_CONFIG", HC_CHANNEL_CONFIG, n, 0, 8, ~0ull);
        denied("CHANNEL_CONFIG", HC_CHANNEL_CONFIG, n, ~0ull, 8, ~0ull);
        denied("CHANNEL_ATTACH", HC_CHANNEL_ATTACH, n, 0, 0, 0);
        denied("CHANNEL_SIGNAL", HC_CHANNEL_SIGNAL, n, 3, 0, 0);
        denied("CHANNEL_RESET_DONE", HC_CHANNEL_RESET_DONE, n, 0, 0, 0);
        denied("CHANNEL_FAIL", HC_CHANNEL_FAIL, n, 0, 0, 0);
        for (uint64_t operation = 0; operation < 4; operation++)
            denied("DOMAIN_CONTROL", HC_DOMAIN_CONTROL, n, operation, 0, 0);
        denied("SYSTEM", HC_SYSTEM, n, 0, 0, 0);
        denied("LOG_WRITE", HC_LOG_WRITE, n, 0x41, 0, 0);
        denied("EVENT", HC_EVENT, n, 1, 0, 0);
    }
    check(true, "what belongs to others was asked for");
}

/* A domain may write consoles of its own, and no other. */
static void consoles(void)
{
    uint32_t own = 0;

    for (uint64_t ring = 0; ring < 40; ring++)
        own += call_kernel(HC_CONSOLE_WRITE, ring, 5, 0x0a6b6f6f6cull, 0).x[0] == 0; /* "look\n" */
    check(own <= 2, "it writes no console but its own (%u)", (unsigned)own);
    check((int64_t)call_kernel(HC_CONSOLE_WRITE, ~0ull, 5, 0, 0).x[0] < 0, "a console beyond all");
    check((int64_t)call_kernel(HC_CONSOLE_WRITE, 0, 57, 0, 0).x[0] < 0, "more bytes than fit");
    check((int64_t)call_kernel(HC_CONSOLE_WRITE, 0, ~0ull, 0, 0).x[0] < 0, "many more bytes than fit");
}

static void its_right(void)
{
    struct call_result version = call_kernel(HC_VERSION, 0, 0, 0, 0);

    check(version.x[0] == 0 && version.x[1] == BULKHEAD_ABI_VERSION, "HC_VERSION answers");
    check((int64_t)call_kernel(HC_HEARTBEAT, 600001, 0, 0, 0).x[0] < 0, "a heartbeat in more than 600 s is refused");
    check((int64_t)call_kernel(HC_HEARTBEAT, ~0ull, 0, 0, 0).x[0] < 0, "likewise");
    call_kernel(HC_HEARTBEAT, 0, 0, 0, 0);
}

void guest_main(void)
{
    unknown_functions();
    its_right();
    not_its_right();
    consoles();
    firmware_calls();
}
