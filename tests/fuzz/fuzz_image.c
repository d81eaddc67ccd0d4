// SPDX-License-Identifier: Apache-2.0
/* Kernel images of x86 guests, of every format, and what is handed over with them. */
#include <arch/boot_params.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/channel.h>
#include <core/loader.h>
#include <core/memory.h>
#include <core/seed.h>
#include <core/vpci.h>
#include <lib/elf.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY (64 * MIB)

const struct partition_config partitions[] = {{.name = "guest", .flags = PARTITION_UART, .command_line = "quiet"}};
const uint32_t partition_count = 1, channel_count = 1, console_count = 0;
const struct channel_config channels[] = {{.device_id = 1, .front = 0, .back = 0, .slot = 15}};
struct domain domains[BULKHEAD_PARTITIONS_MAX];
struct platform platform;

void log_line(const char *format, ...)
{
    (void)format;
}
struct vpci_host vpci_host(const struct domain *domain)
{
    return (struct vpci_host){.functions = domain->index == 0, .buses = 1};
}
void check_failed(const char *file, int line, const char *text)
{
    (void)file, (void)line, (void)text;
    abort();
}
uint64_t time_ns(void)
{
    return 0;
}
bool seed_available(void)
{
    return true;
}
void seed_take(uint8_t seed[SEED_SIZE])
{
    memset(seed, 1, SEED_SIZE);
}
uint64_t guest_tree_write(struct domain *domain, const struct guest_images *images, void *tree, size_t size);
uint64_t guest_tree_write(struct domain *domain, const struct guest_images *images, void *tree, size_t size)
{
    (void)domain, (void)images, (void)tree, (void)size;
    return PAGE_SIZE;
}
void tree_renew(void *tree);
void tree_renew(void *tree)
{
    (void)tree;
}
void *kernel_map_blocks(struct hpa base, uint64_t size)
{
    (void)base, (void)size;
    return NULL;
}
void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    (void)data, (void)length, (void)digest;
}
void *memory_pages(uint64_t count)
{
    return calloc(count, PAGE_SIZE);
}
void memory_trim(void *last, uint64_t count)
{
    (void)last, (void)count;
}
void *window_open(struct hpa base)
{
    (void)base;
    return NULL;
}
void window_close(void) {}
void memory_scrub(void *address, uint64_t size)
{
    (void)address, (void)size;
}
void memory_copy(void *to, const void *from, uint64_t size)
{
    (void)to, (void)from, (void)size;
}

static void check_plan(const struct plan *plan, const struct image *image)
{
    uint8_t sum = 0;

    for (uint32_t i = 1; i < plan->segments; i++) { /* the first is the reset's code */
        const struct segment *segment = &plan->segment[i];

        if (segment->offset > MEMORY || segment->size > MEMORY - segment->offset || segment->data < image->data ||
            segment->size > image->size - (uint64_t)(segment->data - image->data))
            abort();
        for (uint64_t at = 0; at < segment->size; at++) /* AddressSanitizer looks, too */
            sum ^= segment->data[at];
    }
    __asm__ volatile("" ::"r"(sum));
}

/* Makes the first bytes those of one of the formats: what is behind the magic numbers is the input's. */
static void pretend(uint8_t *bytes, size_t size, uint8_t format)
{
    struct setup_header header;
    struct elf_header elf;

    if (format == 1 && size >= BOOT_HEADER + sizeof(header)) {
        memcpy(&header, bytes + BOOT_HEADER, sizeof(header));
        header.boot_flag = BOOT_FLAG;
        header.header = BOOT_MAGIC;
        header.xloadflags |= XLF_KERNEL_64;
        header.version |= BOOT_VERSION_MIN;
        memcpy(bytes + BOOT_HEADER, &header, sizeof(header));
    } else if ((format == 2 || format == 3) && size >= sizeof(elf)) {
        memcpy(&elf, bytes, sizeof(elf));
        memcpy(elf.magic, ELF_MAGIC, 4);
        elf.elf_class = format == 2 ? ELF_CLASS_64 : ELF_CLASS_32;
        if (format == 2) {
            elf.machine = ELF_MACHINE_X86_64;
            elf.program_header_size = sizeof(struct elf_program_header);
            elf.program_headers %= 128;
            elf.program_header_count %= 8;
        }
        memcpy(bytes, &elf, sizeof(elf));
    }
    if (format >= 3 && size >= 96) { /* Multiboot, in ELF's or in its own terms */
        uint32_t *words = (uint32_t *)(bytes + 64);

        words[0] = 0x1badb002;
        words[1] &= 0x1000f;
        words[2] = -words[0] - words[1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t description[DESCRIPTION_BYTES_MAX / 8];
    struct domain *domain = &domains[0];
    struct plan plan = {.segments = 0};
    struct image image;
    uint8_t *bytes;

    if (!size)
        return 0;
    bytes = malloc(size);
    memcpy(bytes, data + 1, size - 1);
    image = (struct image){"kernel", bytes, size - 1};
    pretend(bytes, image.size, data[0] % 6);
    *domain = (struct domain){.config = &partitions[0], .vcpu_count = 1, .memory_size = MEMORY};
    if (arch_plan_image(domain, &image, &plan)) {
        struct guest_images images = {&image, NULL, ipa(0), 0, ipa(MEMORY - DESCRIPTION_BYTES_MAX)};

        check_plan(&plan, &image);
        memset(description, 0, sizeof(description));
        if (arch_domain_describe(domain, &images, description, sizeof(description)).size > sizeof(description))
            abort();
    }
    free(bytes);
    return 0;
}
