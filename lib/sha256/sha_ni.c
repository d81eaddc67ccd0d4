// SPDX-License-Identifier: Apache-2.0
/* With the CPU's SHA extensions (Intel SDM volume 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2; FIPS 180-4). */
#include <lib/sha256/sha256.h>
#include <string.h>

#define BLOCK 64

typedef int32_t words __attribute__((vector_size(16)));
typedef char bytes16 __attribute__((vector_size(16)));

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static words load(const uint8_t *bytes)
{
    const bytes16 big_endian = {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12};
    bytes16 value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return (words)__builtin_ia32_pshufb128(value, big_endian);
}

/* The state as the instructions have it: F, E, B, A and H, G, D, C, lowest word first. */
static void compress(words *abef, words *cdgh, const uint8_t *block)
{
    words schedule[4], before_abef = *abef, before_cdgh = *cdgh;

#pragma GCC unroll 16
    for (unsigned step = 0; step < 16; step++) {
        words *now = &schedule[step % 4], *last = &schedule[(step + 3) % 4], sum, between;

        if (step < 4) {
            *now = load(block + 16 * step);
        } else {
            between = __builtin_shuffle(schedule[(step + 2) % 4], *last, (words){1, 2, 3, 4});
            sum = __builtin_ia32_sha256msg1(*now, schedule[(step + 1) % 4]) + between;
            *now = __builtin_ia32_sha256msg2(sum, *last);
        }
        __builtin_memcpy(&sum, &constants[4 * step], sizeof(sum));
        sum += *now;
        *cdgh = __builtin_ia32_sha256rnds2(*cdgh, *abef, sum);
        *abef = __builtin_ia32_sha256rnds2(*abef, *cdgh, __builtin_shuffle(sum, (words){2, 3, 0, 0}));
    }
    *abef += before_abef;
    *cdgh += before_cdgh;
}

void sha256_sha_ni(const void *data, size_t length, uint8_t digest[SHA256_SIZE])
{
    words abef = {(int32_t)0x9b05688c, 0x510e527f, (int32_t)0xbb67ae85, 0x6a09e667}, cdgh = {0x5be0cd19, 0x1f83d9ab, (int32_t)0xa54ff53a, 0x3c6ef372};
    uint8_t end[2 * BLOCK] = {0};
    size_t rest = length % BLOCK, end_size = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    uint64_t bits = __builtin_bswap64(8 * (uint64_t)length);
    const uint8_t *bytes = data;

    for (size_t at = 0; at < length - rest; at += BLOCK)
        compress(&abef, &cdgh, bytes + at);
    memcpy(end, bytes + length - rest, rest);
    end[rest] = 0x80;
    memcpy(end + end_size - sizeof(bits), &bits, sizeof(bits));
    for (size_t at = 0; at < end_size; at += BLOCK)
        compress(&abef, &cdgh, end + at);

    const int32_t state[8] = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
    for (unsigned i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32((uint32_t)state[i]);

        memcpy(digest + 4 * i, &word, sizeof(word));
    }
}
