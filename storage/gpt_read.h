/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a disk's GUID partition table: the primary one, or the backup where the primary is damaged. Loop context. */
#ifndef STORAGE_GPT_READ_H
#define STORAGE_GPT_READ_H

#include <devices/disk/disk.h>
#include <storage/gpt.h>

enum gpt_read_result {
    GPT_READ_OK,
    GPT_READ_BACKUP, /* the primary is damaged; `header` and `table` are the backup's */
    GPT_READ_NONE,   /* neither header nor table checks out */
    GPT_READ_IO_ERROR,
    GPT_READ_NO_MEMORY,
};

struct gpt_reader {
    struct disk *disk;
    struct gpt_header header; /* valid after GPT_READ_OK and GPT_READ_BACKUP, like `table` */
    uint8_t *table;
    /* Called once, maybe from within gpt_read(). */
    void (*done)(struct gpt_reader *reader, enum gpt_read_result result);
    void *owner;
    /* The reader's. */
    uint8_t *block;
    uint64_t blocks, lba;
    uint32_t read_blocks; /* of the table, so far */
    bool backup, io_error;
    struct disk_request request;
    struct segment segment;
};

/* `disk`, `done` and `owner` are set by the caller. */
void gpt_read(struct gpt_reader *reader);
/* Frees the table. */
void gpt_reader_release(struct gpt_reader *reader);

#endif
