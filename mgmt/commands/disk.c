/* SPDX-License-Identifier: Apache-2.0 */
/* disk */
#include <devices/disk/disk.h>
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <storage/status.h>

static enum output_step volume_row(struct output_row *row, struct output_cursor *cursor)
{
    struct storage_status status;
    const struct volume *volume;

    if (!storage_status_get((uint32_t)cursor->row, &status))
        return OUTPUT_END;
    volume = status.volume;
    row_text(row, status.partition);
    row_text(row, status.source);
    if (volume->label != NULL && volume->label[0] != 0)
        row_text(row, volume->label);
    else
        row_none(row);
    if (volume->disk != NULL)
        row_text(row, volume->disk->name);
    else
        row_none(row);
    row_size(row, volume->sectors * 512);
    row_text(row, volume->read_only ? "read-only" : "read-write");
    row_text(row, volume->status);
    row_flag(row, volume->state == VOLUME_READY);
    row_flag(row, status.attached);
    row_number(row, volume->reads);
    row_number(row, volume->read_bytes);
    row_number(row, volume->writes);
    row_number(row, volume->written_bytes);
    row_number(row, volume->flushes);
    row_number(row, volume->discards + volume->write_zeroes);
    row_number(row, status.in_flight);
    row_number(row, status.failed);
    row_number(row, status.malformed);
    row_number(row, status.resets);
    return OUTPUT_ROW;
}

static const struct output_column volume_columns[] = {
    {"domain", "DOMAIN"},     {"source", "SOURCE"},   {"label", "LABEL"},       {"disk", "ON"},
    {"size", "SIZE"},         {"access", "ACCESS"},   {"status", "STATUS"},     {"ready", NULL},
    {"attached", "ATTACHED"}, {"reads", "READS"},     {"read_bytes", NULL},     {"writes", "WRITES"},
    {"written_bytes", NULL},  {"flushes", "FLUSHES"}, {"discards", "DISCARDS"}, {"in_flight", "IN FLIGHT"},
    {"failed", "FAILED"},     {"malformed", NULL},    {"resets", NULL},
};
static const struct output_section volume_section = {
    .key = "volumes",
    .empty = "no volumes",
    .kind = OUTPUT_TABLE,
    .column = volume_columns,
    .columns = sizeof volume_columns / sizeof volume_columns[0],
    .row = volume_row,
};

static enum output_step disk_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct disk *disk = disk_get((uint32_t)cursor->row);

    if (disk == NULL)
        return OUTPUT_END;
    row_text(row, disk->name);
    row_size(row, disk->sectors * 512);
    row_text(row, disk->read_only ? "read-only" : "read-write");
    row_number(row, disk->reads);
    row_size(row, disk->read_bytes);
    row_number(row, disk->writes);
    row_size(row, disk->written_bytes);
    row_number(row, disk->flushes);
    row_number(row, disk->discards);
    row_number(row, disk->errors);
    row_number(row, disk->resets);
    return OUTPUT_ROW;
}

static const struct output_column disk_columns[] = {
    {"name", "DISK"},         {"size", "SIZE"},     {"access", "ACCESS"},         {"reads", "READS"},
    {"read_bytes", "READ"},   {"writes", "WRITES"}, {"written_bytes", "WRITTEN"}, {"flushes", "FLUSHES"},
    {"discards", "DISCARDS"}, {"errors", "ERRORS"}, {"resets", "RESETS"},
};
static const struct output_section disk_section = {
    .key = "disks",
    .empty = "no disks",
    .kind = OUTPUT_TABLE,
    .column = disk_columns,
    .columns = sizeof disk_columns / sizeof disk_columns[0],
    .row = disk_row,
};

static int run_disk(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &disk_section, 0);
    output_section(session, &volume_section, 0);
    return COMMAND_OK;
}
COMMAND(disk, "disk", "[--json]", "physical disks, and the volumes that guests have on them", run_disk, NULL);
