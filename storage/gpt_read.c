// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <storage/gpt_read.h>

#define SECTOR 512u

static void header_done(struct disk_request *request, enum disk_result result);
static void table_done(struct disk_request *request, enum disk_result result);

static void finish(struct gpt_reader *reader, enum gpt_read_result result)
{
    free(reader->block);
    reader->block = NULL;
    if (result != GPT_READ_OK && result != GPT_READ_BACKUP)
        gpt_reader_release(reader);
    reader->done(reader, result);
}

void gpt_reader_release(struct gpt_reader *reader)
{
    free(reader->table);
    reader->table = NULL;
}

static void read_blocks(struct gpt_reader *reader, uint64_t lba, uint32_t count, void *to,
                        void (*done)(struct disk_request *request, enum disk_result result))
{
    uint32_t sectors_a_block = reader->disk->block_size / SECTOR;

    reader->segment = (struct segment){.base = to, .length = count * reader->disk->block_size};
    reader->request = (struct disk_request){
        .operation = DISK_READ,
        .segments = 1,
        .segment = &reader->segment,
        .sector = lba * sectors_a_block,
        .sectors = (uint64_t)count * sectors_a_block,
        .done = done,
        .owner = reader,
    };
    reader->disk->submit(reader->disk, &reader->request);
}

static void read_header(struct gpt_reader *reader, uint64_t lba)
{
    reader->lba = lba;
    read_blocks(reader, lba, 1, reader->block, header_done);
}

/* The copy in hand is no good: try the backup, in the last block, or give up. */
static void next_copy(struct gpt_reader *reader)
{
    if (!reader->backup) {
        reader->backup = true;
        read_header(reader, reader->blocks - 1);
    } else {
        finish(reader, reader->io_error ? GPT_READ_IO_ERROR : GPT_READ_NONE);
    }
}

/* One piece of the table: as much as the disk takes in a request. */
static void read_table(struct gpt_reader *reader)
{
    uint32_t block_size = reader->disk->block_size;
    uint32_t left = reader->header.table_blocks - reader->read_blocks;
    uint32_t most = reader->disk->max_transfer / block_size;
    uint32_t count = most == 0 || left < most ? left : most;

    read_blocks(reader, reader->header.table + reader->read_blocks, count,
                reader->table + (size_t)reader->read_blocks * block_size, table_done);
    reader->read_blocks += count;
}

static void header_done(struct disk_request *request, enum disk_result result)
{
    struct gpt_reader *reader = request->owner;

    reader->io_error |= result != DISK_OK;
    if (result != DISK_OK ||
        !gpt_header_parse(reader->block, reader->disk->block_size, reader->lba, reader->blocks, &reader->header)) {
        next_copy(reader);
        return;
    }
    reader->read_blocks = 0;
    read_table(reader);
}

static void table_done(struct disk_request *request, enum disk_result result)
{
    struct gpt_reader *reader = request->owner;

    reader->io_error |= result != DISK_OK;
    if (result != DISK_OK)
        next_copy(reader);
    else if (reader->read_blocks < reader->header.table_blocks)
        read_table(reader);
    else if (!gpt_table_check(&reader->header, reader->table))
        next_copy(reader);
    else
        finish(reader, reader->backup ? GPT_READ_BACKUP : GPT_READ_OK);
}

void gpt_read(struct gpt_reader *reader)
{
    reader->backup = false;
    reader->io_error = false;
    reader->blocks = reader->disk->sectors / (reader->disk->block_size / SECTOR);
    reader->block = malloc(GPT_BLOCK_MAX);
    reader->table = malloc(GPT_TABLE_MAX);
    if (reader->block == NULL || reader->table == NULL)
        finish(reader, GPT_READ_NO_MEMORY);
    else if (reader->blocks < 3) /* no room for a header */
        finish(reader, GPT_READ_NONE);
    else
        read_header(reader, 1);
}
