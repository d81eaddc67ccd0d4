/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the first disk, for the tests of disk drivers: behind driver.c and cmocka.h. */
#ifndef TESTS_UNIT_DISK_REQUESTS_H
#define TESTS_UNIT_DISK_REQUESTS_H

struct test_request {
    struct disk_request request;
    struct segment segment[DISK_SEGMENTS_MAX];
    bool done;
    enum disk_result result;
};

static void done(struct disk_request *request, enum disk_result result)
{
    struct test_request *test = (struct test_request *)request;

    assert_false(test->done);
    test->done = true;
    test->result = result;
}

static void give(struct test_request *test, uint8_t operation, uint64_t sector, uint64_t sectors)
{
    test->done = false;
    test->request.operation = operation;
    test->request.sector = sector;
    test->request.sectors = sectors;
    test->request.segment = test->segment;
    test->request.done = done;
    disk_get(0)->submit(disk_get(0), &test->request);
}

static void one_segment(struct test_request *test, void *base, size_t length)
{
    test->segment[0] = (struct segment){base, length};
    test->request.segments = 1;
}

#endif
