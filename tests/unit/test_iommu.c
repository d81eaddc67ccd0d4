// SPDX-License-Identifier: Apache-2.0
/* What all IOMMUs' drivers have in common: who reaches what and when, firmware's regions, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/pci.h>
#include <core/status.h>
#include <devices/iommu/iommu.h>
#include <stdlib.h>
#include <string.h>

#define NIC 0x10u
#define DISK 0x18u
#define USB 0xa0u    /* firmware has memory for it */
#define HIDDEN 0xf8u /* no IOMMU sees it */

static const struct partition_config configs[] = {{.name = "mgmt", .flags = PARTITION_MANAGEMENT}, {.name = "guest"}};
struct platform platform;
static struct status_page page;
struct status_page *status_page = &page;
static struct domain management = {.config = &configs[0]}, guest = {.config = &configs[1], .index = 1};

static struct {
    const struct iommu_space *at[256]; /* by requester */
    unsigned maps, invalidations, polls, lines, stops;
    uint64_t mapped_from, mapped_size;
    enum stop_cause cause;
    bool listens;
    struct deadline *deadline;
} seen;
static uint64_t now;
static unsigned maps_of[IOMMU_SPACES_MAX + 1];

void log_line(const char *format, ...)
{
    (void)format;
    seen.lines++;
}
uint64_t time_ns(void)
{
    return now;
}
void deadline_set(struct deadline *deadline, uint64_t at_ns)
{
    assert_true(at_ns > now);
    seen.deadline = deadline;
}
void domain_stop(struct domain *domain, enum stop_cause cause, uint64_t detail)
{
    (void)domain, (void)detail;
    seen.stops++;
    seen.cause = cause;
}
bool memory_overlaps(struct memory_range a, struct memory_range b)
{
    return a.base.value < b.base.value + b.size && b.base.value < a.base.value + a.size;
}
size_t format_print(char *buffer, size_t size, const char *format, ...)
{
    (void)format;
    memset(buffer, 0, size);
    return 0;
}
struct pci_name pci_name(uint16_t requester)
{
    (void)requester;
    return (struct pci_name){""};
}
struct pci_function *pci_find(uint16_t requester)
{
    static struct pci_function functions[2] = {{.status = &page.device[0]}, {.status = &page.device[1]}};

    return requester == NIC ? &functions[0] : requester == DISK ? &functions[1] : NULL;
}

static bool covers(uint32_t requester)
{
    return requester != HIDDEN;
}
static void create(struct iommu_space *space)
{
    static uint64_t tables[IOMMU_SPACES_MAX + 1];

    assert_in_range(space->id, 1, IOMMU_SPACES_MAX);
    space->root = &tables[space->id];
}
static void map(struct iommu_space *space, struct ipa from, struct hpa to, uint64_t size, uint32_t rights)
{
    (void)to;
    assert_int_equal(rights, STAGE2_READ | STAGE2_WRITE);
    maps_of[space->id]++;
    seen.maps++;
    seen.mapped_from = from.value;
    seen.mapped_size = size;
}
static void attach(uint32_t requester, const struct iommu_space *space)
{
    seen.at[requester] = space;
}
static void invalidate(const struct iommu_space *space)
{
    assert_non_null(space);
    seen.invalidations++;
}
static void poll_faults(void)
{
    seen.polls++;
}
static void listen(bool on)
{
    seen.listens = on;
}
static const struct iommu_ops ops = {.name = "fake",
                                     .covers = covers,
                                     .create = create,
                                     .map = map,
                                     .attach = attach,
                                     .invalidate = invalidate,
                                     .poll_faults = poll_faults,
                                     .listen = listen};
static bool forgeable;

struct iommu arch_iommu_find(void)
{
    iommu_reserve(USB, hpa(0x7b000800), 0x1000);
    return (struct iommu){.ops = &ops, .address_bits = 39, .messages_forgeable = forgeable};
}

static void firmware_has_its_region_and_no_more(void **state)
{
    (void)state;
    forgeable = true;
    iommu_init();
    assert_int_equal(platform.reserved_count, 1); /* no domain gets it */
    assert_int_equal(platform.reserved[0].base.value, 0x7b000000);
    assert_int_equal(platform.reserved[0].size, 0x2000);
    assert_non_null(seen.at[USB]);
    assert_int_equal(seen.mapped_from, 0x7b000000);
    assert_int_equal(seen.mapped_size, 0x2000);
    assert_int_equal(seen.maps, 1);
    assert_null(seen.at[NIC]);
    assert_true(seen.listens);
}

static void who_may_have_a_device(void **state)
{
    unsigned lines = seen.lines;

    (void)state;
    assert_false(iommu_serves(&guest));
    assert_false(iommu_assign(&guest, HIDDEN));
    assert_false(iommu_assign(&guest, USB));  /* firmware's memory is not the guest's to share */
    assert_false(iommu_assign(&guest, DISK)); /* it could forge interrupts */
    assert_int_equal(seen.lines, lines + 3);
    assert_false(iommu_serves(&guest));
    assert_true(iommu_assign(&management, NIC));
    assert_true(iommu_assign(&management, USB));
    assert_true(iommu_serves(&management));
    assert_int_equal(maps_of[1], 1); /* the region goes with it */
}

static void maps_what_devices_reach(void **state)
{
    unsigned maps = seen.maps, lines = seen.lines;

    (void)state;
    iommu_map(&guest, ipa(0), hpa(0x80000000), MIB, STAGE2_READ | STAGE2_WRITE); /* it has no device */
    assert_int_equal(seen.maps, maps);
    iommu_map(&management, ipa(0x80000000), hpa(0x80000000), MIB, STAGE2_READ | STAGE2_WRITE);
    assert_int_equal(seen.maps, maps + 1);
    iommu_map(&management, ipa((1ull << 39) - MIB), hpa(0), 2 * MIB, STAGE2_READ | STAGE2_WRITE);
    assert_int_equal(seen.maps, maps + 1);
    assert_int_equal(seen.lines, lines + 1);
}

static void devices_are_let_in_and_out(void **state)
{
    const struct iommu_space *resting = seen.at[USB];

    (void)state;
    assert_null(seen.at[NIC]);
    iommu_start(&management);
    assert_non_null(seen.at[NIC]);
    assert_ptr_equal(seen.at[NIC], seen.at[USB]);
    assert_int_equal(seen.invalidations, 2);
    iommu_stop(&management);
    assert_null(seen.at[NIC]);
    assert_ptr_equal(seen.at[USB], resting);
    assert_int_equal(seen.invalidations, 3);
    assert_int_equal(seen.polls, 1);
    iommu_start(&guest);
    iommu_stop(&guest);
    assert_int_equal(seen.invalidations, 3);
}

static void faults_are_counted_and_trip(void **state)
{
    unsigned lines = seen.lines;

    (void)state;
    now = 5000000000;
    iommu_start(&management);
    for (unsigned i = 1; i < CONFIG_DMA_FAULT_LIMIT; i++)
        iommu_fault(NIC, 0x1000 * i, IOMMU_REFUSED_WRITE);
    assert_int_equal(page.device[0].faults, CONFIG_DMA_FAULT_LIMIT - 1);
    assert_int_equal(page.device[0].fault_address, 0x1000 * (CONFIG_DMA_FAULT_LIMIT - 1));
    assert_int_equal(page.device[0].fault_ns, now);
    assert_int_equal(seen.lines, lines + 1); /* not one each */
    assert_int_equal(seen.stops, 0);
    iommu_fault(NIC, 0, IOMMU_REFUSED_READ);
    assert_int_equal(seen.stops, 1);
    assert_int_equal(seen.cause, CAUSE_DMA_FAULT);
    iommu_stop(&management);
    iommu_start(&management); /* counted anew */
    iommu_fault(NIC, 0, IOMMU_REFUSED_READ);
    assert_int_equal(seen.stops, 1);
    for (unsigned i = 0; i < 2 * CONFIG_DMA_FAULT_LIMIT; i++)
        iommu_fault(DISK, 0, IOMMU_REFUSED_MESSAGE); /* nobody's */
    assert_int_equal(page.device[1].faults, 2 * CONFIG_DMA_FAULT_LIMIT);
    assert_int_equal(seen.stops, 1);
}

static void faults_do_not_hold_up_a_cpu(void **state)
{
    unsigned polls = seen.polls;

    (void)state;
    iommu_fault_interrupt();
    assert_false(seen.listens);
    assert_int_equal(seen.polls, polls + 1);
    seen.deadline->expired(seen.deadline);
    assert_true(seen.listens);
    assert_int_equal(seen.polls, polls + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(firmware_has_its_region_and_no_more),
        cmocka_unit_test(who_may_have_a_device),
        cmocka_unit_test(maps_what_devices_reach),
        cmocka_unit_test(devices_are_let_in_and_out),
        cmocka_unit_test(faults_are_counted_and_trip),
        cmocka_unit_test(faults_do_not_hold_up_a_cpu),
    };

    return cmocka_run_group_tests_name("IOMMU", tests, NULL, NULL);
}
