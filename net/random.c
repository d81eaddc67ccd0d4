/* SPDX-License-Identifier: Apache-2.0 */
#include <devices/virtio/entropy.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/sha256.h>
#include <net/byte_queue.h>
#include <net/random.h>
#include <psa/crypto.h>

#define SECRET_SIZE 32u

/* From the loop to the worker: seeds. The DRBG takes 48 + 24 bytes at first (NIST SP 800-90A), 48 at each reseeding. */
static uint8_t seed_bytes[256];
static struct byte_queue seeds = {.data = seed_bytes, .size = sizeof(seed_bytes)};

static mbedtls_ctr_drbg_context tls_generator;
static bool tls_seeded;

static uint8_t secret[SECRET_SIZE];
static bool secret_drawn;

static bool draw_secret(void)
{
    static size_t drawn;

    drawn += entropy_take(secret + drawn, sizeof(secret) - drawn);
    return drawn == sizeof(secret);
}

enum random_state random_poll(void)
{
    uint8_t *room;
    uint32_t space;

    if (!secret_drawn)
        secret_drawn = draw_secret();
    while ((space = byte_queue_reserve(&seeds, &room)) > 0) {
        uint32_t got = (uint32_t)entropy_take(room, space);

        if (got == 0)
            break;
        byte_queue_commit(&seeds, got);
    }
    if (secret_drawn && byte_queue_length(&seeds) >= MBEDTLS_CTR_DRBG_ENTROPY_LEN * 2)
        return RANDOM_READY;
    return entropy_present() ? RANDOM_WAITING : RANDOM_ABSENT;
}

static uint32_t keyed_hash(uint64_t domain, const void *data, size_t length)
{
    mbedtls_sha256_context context;
    uint8_t hash[32];
    uint32_t result;

    mbedtls_sha256_init(&context);
    mbedtls_sha256_starts(&context, 0);
    mbedtls_sha256_update(&context, secret, sizeof(secret));
    mbedtls_sha256_update(&context, (const unsigned char *)&domain, sizeof(domain));
    mbedtls_sha256_update(&context, data, length);
    mbedtls_sha256_finish(&context, hash);
    mbedtls_sha256_free(&context);
    memcpy(&result, hash, sizeof(result));
    return result;
}

uint32_t random_u32(void)
{
    static uint64_t counter;
    uint64_t input[2] = {counter++, secret_drawn ? 0 : time_wall_s() ^ time_ns()};

    return keyed_hash(0, input, sizeof(input));
}

uint32_t random_keyed(const void *data, size_t length)
{
    return keyed_hash(1, data, length);
}

static int take_seed(void *context, unsigned char *output, size_t length)
{
    (void)context;
    if (byte_queue_length(&seeds) < length)
        return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
    byte_queue_get(&seeds, output, length);
    return 0;
}

bool random_seed_tls(void)
{
    static const char purpose[] = "Bulkhead TLS";

    if (tls_seeded)
        return mbedtls_ctr_drbg_reseed(&tls_generator, NULL, 0) == 0;
    mbedtls_ctr_drbg_init(&tls_generator);
    tls_seeded =
        mbedtls_ctr_drbg_seed(&tls_generator, take_seed, NULL, (const unsigned char *)purpose, sizeof(purpose)) == 0;
    if (!tls_seeded)
        mbedtls_ctr_drbg_free(&tls_generator);
    return tls_seeded;
}

int random_tls(void *context, unsigned char *output, size_t length)
{
    (void)context;
    if (!tls_seeded)
        return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
    while (length > 0) {
        size_t piece = length < MBEDTLS_CTR_DRBG_MAX_REQUEST ? length : MBEDTLS_CTR_DRBG_MAX_REQUEST;
        int result = mbedtls_ctr_drbg_random(&tls_generator, output, piece);

        if (result != 0)
            return result;
        output += piece;
        length -= piece;
    }
    return 0;
}

/* PSA's source of random numbers (MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG): the worker's. */
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *output,
                                             size_t output_size, size_t *output_length)
{
    (void)context;
    if (random_tls(NULL, output, output_size) != 0)
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    *output_length = output_size;
    return PSA_SUCCESS;
}
