// SPDX-License-Identifier: Apache-2.0
/*
 * TCG plugin: counts the instructions that the kernel executes, per event.
 *
 *   -plugin libcount.so,base=0x4000000000,size=0x1000000,out=counts.txt[,profile=profile.txt][,blocks=blocks.txt]
 *            [,outside=on][,stages=stages.txt,stage=NAME/AFTER@ADDRESS,stage=NAME/AFTER:BYTES...]
 *
 * Every executed instruction whose virtual address lies in [base, base + size) and that no guest executes is the
 * kernel's; with outside=on, every one outside of the range is, by blocks: then the range is the guest's. The bench
 * guest marks the window of measurement N (0..15) with HINT #(96 + N) before and HINT #(112 + N) after (x86-64: NOPL
 * with the displacement 0x48420000 + that number); both execute as NOP. `out` gets a line a window: number, kernel
 * instructions on all CPUs, windows seen, guest entries (x86-64); and, with N = "boot", what the kernel executed before
 * the first HINT #96, on the CPU that executed it and on all CPUs. Last come, a line a CPU, all instructions that it
 * executed, the guest's included (blocks that an exception cut short count whole).
 * `profile` gets a line for each kernel instruction executed within a window: window, address, count.
 * `blocks` gets what all CPUs executed in the windows from 12 on, guests included: window, CPU, 1 for a guest's
 * (x86-64: from VMRUN to its exit) or 0, address of the block, instructions.
 * `stages` gets a line for each stage, as it is reached for the first time: name, the CPU that did, milliseconds of the
 * host's time since the start, and what each CPU has executed so far. A stage is the block that begins at an address
 * (virtual, hexadecimal), or with some bytes (hexadecimal) wherever it lies; without either it is the first VMRUN on a
 * CPU other than 0. It counts once the stage AFTER, of an earlier option, has been reached; without /AFTER from the
 * start on. Stages `begin` and `end` are marks as well: of window 12.
 *
 * What follows declares the part of QEMU's plugin interface (version 4, QEMU 10.0) that is used here; QEMU's package
 * ships no header.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t); /* returns the bytes copied */
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned int, void *), int, void *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned int, void *), int, void *);
EXPORT int qemu_plugin_version = 4;

#define WINDOWS 16
#define CPUS 16
#define MARK_BEGIN 96u
#define MARK_END 112u
#define BLOCKS_FIRST 12u /* the windows that `blocks` is about */
#define BLOCKS_COUNT (WINDOWS - BLOCKS_FIRST)

struct window {
    uint64_t instructions, opened, count;
    bool open;
    uint64_t *profile; /* a counter a byte of the kernel; NULL without a profile */
};

static uint64_t kernel_base, kernel_size;
static bool outside;
static const char *out_name, *profile_name, *blocks_name;
static struct window windows[WINDOWS];
static uint64_t per_cpu[CPUS]; /* kernel instructions */
static uint64_t all[CPUS];     /* all instructions */
static uint64_t boot_cpu_instructions, boot_instructions;
static bool booted;
static bool in_guest[CPUS];
static uint64_t entries[WINDOWS][CPUS]; /* VMRUN */
static uint64_t after_entry[4];         /* addresses behind a VMRUN */

static struct block {
    struct block *next;
    uint64_t address, length, executed[BLOCKS_COUNT][2][CPUS];
} * blocks;

#define STAGES 16
#define STAGE_BYTES 48
#define STAGE_BYTES_MIN 8 /* a block may be shorter */
static const char *stages_name;
static FILE *stages_out;
static struct timespec started;
static struct stage {
    char name[24];
    struct stage *after;
    bool reached, by_entry;
    uint64_t address;
    size_t length; /* of bytes; 0: it is an address */
    uint8_t bytes[STAGE_BYTES];
} stages[STAGES];
static size_t stage_count;

static void mark_begin(unsigned int cpu, void *data);
static void mark_end(unsigned int cpu, void *data);

static void stage_reached(unsigned int cpu, void *data)
{
    struct stage *stage = data;
    struct timespec now;

    if (stage->after != NULL && !stage->after->reached)
        return;
    if (__atomic_exchange_n(&stage->reached, true, __ATOMIC_RELAXED) || stages_out == NULL)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    fprintf(stages_out, "%s %u %" PRIu64, stage->name, cpu,
            (uint64_t)(now.tv_sec - started.tv_sec) * 1000 + (uint64_t)((now.tv_nsec - started.tv_nsec) / 1000000));
    for (int i = 0; i < CPUS; i++)
        fprintf(stages_out, " %" PRIu64, __atomic_load_n(&all[i], __ATOMIC_RELAXED));
    fputc('\n', stages_out);
    fflush(stages_out);
    if (!strcmp(stage->name, "begin"))
        mark_begin(cpu, (void *)(uintptr_t)BLOCKS_FIRST);
    if (!strcmp(stage->name, "end"))
        mark_end(cpu, (void *)(uintptr_t)BLOCKS_FIRST);
}

static bool begins_with(const struct qemu_plugin_tb *block, const struct stage *stage)
{
    uint8_t bytes[64];
    size_t have = 0;

    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block) && have < stage->length; i++)
        have += qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i), bytes + have, sizeof bytes - have);
    if (have > stage->length)
        have = stage->length;
    return have >= STAGE_BYTES_MIN && !memcmp(bytes, stage->bytes, have);
}

static void watch_stages(struct qemu_plugin_tb *block)
{
    for (size_t i = 0; i < stage_count; i++) {
        struct stage *stage = &stages[i];
        if (!stage->reached && !stage->by_entry &&
            (stage->length != 0 ? begins_with(block, stage)
                                : qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0)) == stage->address))
            qemu_plugin_register_vcpu_tb_exec_cb(block, stage_reached, QEMU_PLUGIN_CB_NO_REGS, stage);
    }
}

static bool add_stage(char *text)
{
    struct stage *stage = &stages[stage_count];
    char *place = text + strcspn(text, "@:"), kind = *place, *after;

    *place = 0;
    after = strchr(text, '/');
    if (after != NULL)
        *after++ = 0;
    if (stage_count == STAGES || strlen(text) >= sizeof stage->name)
        return false;
    strcpy(stage->name, text);
    for (size_t i = 0; after != NULL && i < stage_count; i++)
        if (!strcmp(stages[i].name, after))
            stage->after = &stages[i];
    stage->by_entry = kind == 0;
    if (kind == '@')
        stage->address = strtoull(place + 1, NULL, 16);
    for (char *digits = place + 1; kind == ':' && stage->length < STAGE_BYTES && digits[0] && digits[1]; digits += 2)
        stage->bytes[stage->length++] = (uint8_t)strtoul((char[]){digits[0], digits[1], 0}, NULL, 16);
    stage_count++;
    return after == NULL || stage->after != NULL;
}

static uint64_t sum(const uint64_t *counts)
{
    uint64_t sum = 0;

    for (int i = 0; i < CPUS; i++)
        sum += counts[i];
    return sum;
}

static uint64_t total(void)
{
    return sum(per_cpu);
}

static void kernel_instruction(unsigned int cpu, void *data)
{
    uint64_t index = (uintptr_t)data;

    if (in_guest[cpu % CPUS])
        return;
    __atomic_fetch_add(&per_cpu[cpu % CPUS], 1, __ATOMIC_RELAXED);
    if (profile_name != NULL)
        for (int i = 0; i < WINDOWS; i++)
            if (windows[i].open)
                __atomic_fetch_add(&windows[i].profile[index], 1, __ATOMIC_RELAXED);
}

static void mark_begin(unsigned int cpu, void *data)
{
    struct window *window = &windows[(uintptr_t)data];

    if (!booted) {
        booted = true;
        boot_cpu_instructions = per_cpu[cpu % CPUS];
        boot_instructions = total();
    }
    window->opened = total();
    window->open = true;
}

static void mark_end(unsigned int cpu, void *data)
{
    struct window *window = &windows[(uintptr_t)data];

    (void)cpu;
    if (!window->open)
        return;
    window->open = false;
    window->instructions += total() - window->opened;
    window->count++;
}

static void block_executed(unsigned int cpu, void *data)
{
    __atomic_fetch_add(&all[cpu % CPUS], (uintptr_t)data, __ATOMIC_RELAXED);
}

static void kernel_block(unsigned int cpu, void *data)
{
    __atomic_fetch_add(&per_cpu[cpu % CPUS], (uintptr_t)data, __ATOMIC_RELAXED);
}

/* The number of the mark that the instruction is; 0: it is none. */
static uint32_t mark_of(const struct qemu_plugin_insn *instruction)
{
    static const uint8_t nopl[3] = {0x0f, 0x1f, 0x80};
    uint8_t bytes[16] = {0};
    uint32_t word;

    switch (qemu_plugin_insn_data(instruction, bytes, sizeof bytes)) {
    case 4:
        memcpy(&word, bytes, sizeof word);
        return (word & 0xfffff01f) == 0xd503201f ? word >> 5 & 127 : 0;
    case 7:
        memcpy(&word, bytes + sizeof nopl, sizeof word);
        return !memcmp(bytes, nopl, sizeof nopl) && word >> 7 == 0x48420000 >> 7 ? word & 127 : 0;
    default:
        return 0;
    }
}

static void block_of_traffic(unsigned int cpu, void *data)
{
    struct block *block = data;

    for (unsigned int i = 0; i < BLOCKS_COUNT; i++)
        if (windows[BLOCKS_FIRST + i].open)
            __atomic_fetch_add(&block->executed[i][in_guest[cpu % CPUS]][cpu % CPUS], block->length, __ATOMIC_RELAXED);
}

static void watch_block(struct qemu_plugin_tb *block)
{
    struct block *watched = calloc(1, sizeof *watched);

    if (watched == NULL)
        abort();
    watched->address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0));
    watched->length = qemu_plugin_tb_n_insns(block);
    watched->next = blocks;
    blocks = watched;
    qemu_plugin_register_vcpu_tb_exec_cb(block, block_of_traffic, QEMU_PLUGIN_CB_NO_REGS, watched);
}

static void guest_entered(unsigned int cpu, void *data)
{
    (void)data;
    in_guest[cpu % CPUS] = true;
    for (size_t i = 0; cpu != 0 && i < stage_count; i++)
        if (stages[i].by_entry && !stages[i].reached)
            stage_reached(cpu, &stages[i]);
    for (int i = 0; i < WINDOWS; i++)
        if (windows[i].open)
            entries[i][cpu % CPUS]++;
}

static void guest_left(unsigned int cpu, void *data)
{
    (void)data;
    in_guest[cpu % CPUS] = false;
}

/* VMRUN ends a block; the block that begins behind it is entered by an exit. (A guest's own hypervisor is a guest's.)
 */
static void watch_entry(struct qemu_plugin_tb *block)
{
    static const uint8_t vmrun[3] = {0x0f, 0x01, 0xd8};
    struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(block, qemu_plugin_tb_n_insns(block) - 1);
    uint64_t first = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0));
    uint8_t bytes[16] = {0};

    for (size_t i = 0; i < sizeof after_entry / sizeof after_entry[0]; i++)
        if (after_entry[i] == first && first != 0)
            qemu_plugin_register_vcpu_tb_exec_cb(block, guest_left, QEMU_PLUGIN_CB_NO_REGS, NULL);
    if (qemu_plugin_insn_data(last, bytes, sizeof bytes) != sizeof vmrun || memcmp(bytes, vmrun, sizeof vmrun))
        return;
    for (size_t i = 0; i < sizeof after_entry / sizeof after_entry[0]; i++) {
        if (after_entry[i] == 0)
            after_entry[i] = qemu_plugin_insn_vaddr(last) + sizeof vmrun;
        if (after_entry[i] == qemu_plugin_insn_vaddr(last) + sizeof vmrun)
            break;
    }
    qemu_plugin_register_vcpu_insn_exec_cb(last, guest_entered, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    uint64_t first = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0)) - kernel_base;
    void *instructions = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);

    (void)id;
    watch_entry(block);
    watch_stages(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, block_executed, QEMU_PLUGIN_CB_NO_REGS, instructions);
    if (blocks_name != NULL)
        watch_block(block);
    if (outside && first >= kernel_size) {
        qemu_plugin_register_vcpu_tb_exec_cb(block, kernel_block, QEMU_PLUGIN_CB_NO_REGS, instructions);
        return;
    }
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t offset = qemu_plugin_insn_vaddr(instruction) - kernel_base;

        if (!outside && offset < kernel_size) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, kernel_instruction, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(uintptr_t)offset);
            continue;
        }
        uint32_t hint = mark_of(instruction);
        if (hint >= MARK_BEGIN && hint < MARK_BEGIN + WINDOWS)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark_begin, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(uintptr_t)(hint - MARK_BEGIN));
        else if (hint >= MARK_END)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark_end, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(uintptr_t)(hint - MARK_END));
    }
}

static void write_blocks(void)
{
    FILE *out = blocks_name != NULL ? fopen(blocks_name, "w") : NULL;

    for (struct block *block = blocks; out != NULL && block != NULL; block = block->next)
        for (unsigned int i = 0; i < BLOCKS_COUNT * 2 * CPUS; i++) {
            unsigned int window = i / (2 * CPUS), guest = i / CPUS % 2, cpu = i % CPUS;
            if (block->executed[window][guest][cpu] != 0)
                fprintf(out, "%u %u %u %#" PRIx64 " %" PRIu64 "\n", BLOCKS_FIRST + window, cpu, guest, block->address,
                        block->executed[window][guest][cpu]);
        }
    if (out != NULL)
        fclose(out);
}

static void finished(qemu_plugin_id_t id, void *data)
{
    FILE *out = fopen(out_name, "w");

    (void)id, (void)data;
    if (out == NULL) {
        perror(out_name);
        return;
    }
    fprintf(out, "boot %" PRIu64 " %" PRIu64 "\n", boot_cpu_instructions, boot_instructions);
    for (int i = 0; i < WINDOWS; i++)
        if (windows[i].count != 0)
            fprintf(out, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", i, windows[i].instructions, windows[i].count,
                    sum(entries[i]));
    fprintf(out, "all %" PRIu64 "\n", total());
    for (int i = 0; i < CPUS; i++)
        if (all[i] != 0)
            fprintf(out, "cpu%d %" PRIu64 " %" PRIu64 "\n", i, all[i], per_cpu[i]);
    fclose(out);
    write_blocks();
    if (profile_name == NULL || (out = fopen(profile_name, "w")) == NULL)
        return;
    for (int i = 0; i < WINDOWS; i++)
        for (uint64_t index = 0; index < kernel_size; index++)
            if (windows[i].profile[index] != 0)
                fprintf(out, "%d %#" PRIx64 " %" PRIu64 "\n", i, kernel_base + index, windows[i].profile[index]);
    fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int arguments, char **argument)
{
    (void)info;
    for (int i = 0; i < arguments; i++) {
        if (!strncmp(argument[i], "base=", 5))
            kernel_base = strtoull(argument[i] + 5, NULL, 0);
        else if (!strncmp(argument[i], "size=", 5))
            kernel_size = strtoull(argument[i] + 5, NULL, 0);
        else if (!strncmp(argument[i], "out=", 4))
            out_name = strdup(argument[i] + 4);
        else if (!strncmp(argument[i], "profile=", 8))
            profile_name = strdup(argument[i] + 8);
        else if (!strncmp(argument[i], "stages=", 7))
            stages_name = strdup(argument[i] + 7);
        else if (!strncmp(argument[i], "stage=", 6) && !add_stage(argument[i] + 6))
            return 1;
        else if (!strcmp(argument[i], "outside=on"))
            outside = true;
        else if (!strncmp(argument[i], "blocks=", 7))
            blocks_name = strdup(argument[i] + 7);
    }
    clock_gettime(CLOCK_MONOTONIC, &started);
    if (stages_name != NULL && (stages_out = fopen(stages_name, "w")) == NULL)
        return 1;
    if (out_name == NULL || kernel_size == 0) {
        fputs("plugin: needs base=, size= and out=\n", stderr);
        return 1;
    }
    for (int i = 0; profile_name != NULL && i < WINDOWS; i++)
        if ((windows[i].profile = calloc(kernel_size, sizeof(uint64_t))) == NULL)
            return 1;
    windows[0].open = profile_name != NULL; /* window 0's profile is that of the boot, up to its end mark */
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
