/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of a TPM 2.0 as bytes, and answers (TPM 2.0 Library, parts 2 and 3). Answers are not trusted: whoever takes
 * more of one than there is gets zeros, and `sound` false. */
#ifndef DEVICES_TPM_COMMAND_H
#define DEVICES_TPM_COMMAND_H

#include <devices/tpm/tpm.h>
#include <string.h>

#define TPM_ST_NO_SESSIONS 0x8001u
#define TPM_ST_SESSIONS 0x8002u
#define TPM_RS_PW 0x40000009u
#define TPM_ALG_SHA256 0x000bu
#define TPM_ALG_NULL 0x0010u
#define TPM_ALG_ECDSA 0x0018u
#define TPM_ALG_ECC 0x0023u

enum tpm_command_code {
    TPM_CC_CREATE_PRIMARY = 0x131,
    TPM_CC_STARTUP = 0x144,
    TPM_CC_QUOTE = 0x158,
    TPM_CC_FLUSH_CONTEXT = 0x165,
    TPM_CC_PCR_READ = 0x17e,
    TPM_CC_PCR_EXTEND = 0x182,
};

struct tpm_command {
    uint8_t bytes[TPM_COMMAND_MAX];
    uint32_t length;
};

static inline void tpm_put(struct tpm_command *command, uint32_t width, uint32_t value)
{
    for (uint32_t i = width; i-- > 0;)
        command->bytes[command->length++] = (uint8_t)(value >> 8 * i);
}

static inline void tpm_put_bytes(struct tpm_command *command, const void *bytes, uint32_t length)
{
    memcpy(command->bytes + command->length, bytes, length);
    command->length += length;
}

static inline struct tpm_command tpm_begin(uint32_t tag, enum tpm_command_code code)
{
    struct tpm_command command = {.length = 0};

    tpm_put(&command, 2, tag);
    tpm_put(&command, 4, 0);
    tpm_put(&command, 4, code);
    return command;
}

/* The authorization area: one session, an empty password. */
static inline void tpm_put_password(struct tpm_command *command)
{
    tpm_put(command, 4, 9);
    tpm_put(command, 4, TPM_RS_PW);
    tpm_put(command, 2, 0); /* nonce */
    tpm_put(command, 1, 0); /* attributes */
    tpm_put(command, 2, 0); /* password */
}

/* TPML_PCR_SELECTION of SHA-256; bit n: PCR n. */
static inline void tpm_put_pcrs(struct tpm_command *command, uint32_t pcrs)
{
    tpm_put(command, 4, 1);
    tpm_put(command, 2, TPM_ALG_SHA256);
    tpm_put(command, 1, 3);
    for (uint32_t i = 0; i < 3; i++)
        tpm_put(command, 1, pcrs >> 8 * i & 0xff);
}

static inline bool tpm_run(struct tpm_command *command,
                           void (*done)(uint32_t code, const uint8_t *response, uint32_t size))
{
    uint32_t length = command->length;

    command->length = 2;
    tpm_put(command, 4, length);
    return tpm_send(command->bytes, length, done);
}

struct tpm_answer {
    const uint8_t *at;
    uint32_t left;
    bool sound;
};

/* Behind the header. */
static inline struct tpm_answer tpm_answer(const uint8_t *response, uint32_t size)
{
    return (struct tpm_answer){response + TPM_HEADER_BYTES, size - TPM_HEADER_BYTES, true};
}

static inline const uint8_t *tpm_take_bytes(struct tpm_answer *answer, uint32_t length)
{
    const uint8_t *bytes = answer->at;

    if (length > answer->left) {
        answer->sound = false;
        answer->left = 0;
        return NULL;
    }
    answer->at += length;
    answer->left -= length;
    return bytes;
}

static inline uint32_t tpm_take(struct tpm_answer *answer, uint32_t width)
{
    const uint8_t *bytes = tpm_take_bytes(answer, width);
    uint32_t value = 0;

    for (uint32_t i = 0; bytes != NULL && i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

#endif
