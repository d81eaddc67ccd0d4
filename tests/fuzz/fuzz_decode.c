// SPDX-License-Identifier: Apache-2.0
/* The bytes of a guest's instruction, and its page tables. */
#include "../../arch/x86/decode.h"
#include "../../arch/x86/guest_memory.h"

#include <core/arch.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_SIZE (8 * PAGE_SIZE)

static uint8_t *memory; /* of the domain, exactly */

void *window_open(struct hpa base)
{
    if (base.value >= MEMORY_SIZE)
        abort();
    return memory + base.value;
}

void window_close(void) {}

static void check_decoder(const uint8_t *data, size_t size, enum code_size mode)
{
    uint8_t *exact = malloc(INSTRUCTION_MAX);
    struct instruction instruction;

    memset(exact, 0x66, INSTRUCTION_MAX);
    size = size < INSTRUCTION_MAX ? size : INSTRUCTION_MAX;
    memcpy(exact, data, size);
    instruction = decode(exact, (unsigned)size, mode);
    if (instruction.length) {
        struct instruction again = decode(exact, instruction.length, mode);

        if (instruction.length > size || instruction.length > INSTRUCTION_MAX || instruction.reg > 15 ||
            (instruction.width != 1 && instruction.width != 2 && instruction.width != 4 && instruction.width != 8) ||
            (instruction.high && instruction.reg > 3) || (instruction.immediate && !instruction.write))
            abort();
        if (again.length != instruction.length || again.value != instruction.value || again.reg != instruction.reg)
            abort();
        if (decode(exact, instruction.length - 1u, mode).length)
            abort();
        instruction_source(&instruction, UINT64_MAX);
        instruction_result(&instruction, 0, UINT64_MAX);
    }
    free(exact);
}

static void check_walk(const uint8_t *data, size_t size)
{
    static struct domain domain = {.memory_size = MEMORY_SIZE};
    struct vcpu vcpu = {.domain = &domain};
    struct guest_state state = {.cr0 = 1ull << 31};
    uint64_t linear;
    uint8_t bytes[INSTRUCTION_MAX];

    if (size < 24)
        return;
    memcpy(&state.cr3, data, 8);
    memcpy(&linear, data + 8, 8);
    state.cr4 = data[16] & 0xb0; /* PSE, PAE */
    state.efer = data[17] & 1 ? 1 << 10 : 0;
    if (state.efer)
        state.cr4 |= 1 << 5;
    if (data[17] & 2)
        state.cr4 |= 1 << 12;
    state.cr3 %= 2 * MEMORY_SIZE;
    domain.memory_ipa = ipa(data[18] & 1 ? PAGE_SIZE : 0);
    memory = calloc(1, MEMORY_SIZE);
    for (size_t at = 24, to = 0; at + 9 <= size && to < 512;
         at += 9, to++) /* entries at places of the input's choice */
        memcpy(memory + (data[at + 8] * 512u + to * 8) % MEMORY_SIZE / 8 * 8, data + at, 8);
    if (guest_fetch(&vcpu, &state, linear, bytes, sizeof(bytes)) > sizeof(bytes))
        abort();
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] & 0x80)
        check_walk(data + 1, size - 1);
    else
        check_decoder(data + 1, size - 1, data[0] % 3);
    return 0;
}
