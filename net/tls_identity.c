/* SPDX-License-Identifier: Apache-2.0 */
/* Our certificate and key, the clients' authority, and what the handshakes are allowed to agree on. */
#include <mgmt/worker.h>
#include <net/random.h>
#include <net/tls.h>
#include <net/tls_identity.h>
#include <psa/crypto.h>
#include <stdio.h>

static mbedtls_ssl_config config;
static mbedtls_x509_crt certificate, client_ca;
static mbedtls_pk_context key;
static struct tls_identity identity;
static const struct tls_material *material;
static void (*when_loaded)(const struct tls_identity *identity);

static const int cipher_suites[] = {
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};
static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};
static const char *protocols[] = {TLS_ALPN_COMMAND, NULL};

const mbedtls_ssl_config *tls_identity_config(void)
{
    return identity.usable ? &config : NULL;
}

void tls_subject_text(const mbedtls_x509_crt *subject, char *text, size_t size)
{
    char whole[256];

    if (mbedtls_x509_dn_gets(whole, sizeof(whole), &subject->subject) < 0)
        snprintf(whole, sizeof(whole), "(subject too long)");
    snprintf(text, size, "%s", whole);
    for (char *c = text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

/* UNIX time of a certificate's date (UTC); 0 for what lies before 1970. */
static uint64_t unix_time(const mbedtls_x509_time *time)
{
    int64_t year = time->year - (time->mon <= 2), month = (time->mon + 9) % 12; /* counted from March */
    int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + time->day - 1 - 719468;
    int64_t seconds = days * 86400 + time->hour * 3600 + time->min * 60 + time->sec;

    return seconds > 0 ? (uint64_t)seconds : 0;
}

/* Our chain counts only as a whole; of several authorities one that is valid is enough. */
static void find_validity(void)
{
    uint64_t ca_from = UINT64_MAX, ca_to = 0;

    identity.valid_from_s = 0;
    identity.valid_to_s = UINT64_MAX;
    for (const mbedtls_x509_crt *ca = &client_ca; ca != NULL; ca = ca->next) {
        uint64_t from = unix_time(&ca->valid_from), to = unix_time(&ca->valid_to);

        ca_from = from < ca_from ? from : ca_from;
        ca_to = to > ca_to ? to : ca_to;
    }
    for (const mbedtls_x509_crt *own = &certificate; own != NULL; own = own->next) {
        uint64_t from = unix_time(&own->valid_from), to = unix_time(&own->valid_to);

        identity.valid_from_s = from > identity.valid_from_s ? from : identity.valid_from_s;
        identity.valid_to_s = to < identity.valid_to_s ? to : identity.valid_to_s;
    }
    identity.valid_from_s = ca_from > identity.valid_from_s ? ca_from : identity.valid_from_s;
    identity.valid_to_s = ca_to < identity.valid_to_s ? ca_to : identity.valid_to_s;
}

static bool problem(const char *what, int error)
{
    if (error == 0)
        snprintf(identity.problem, sizeof(identity.problem), "%s", what);
    else if (error > 0)
        snprintf(identity.problem, sizeof(identity.problem), "%s (%d of its certificates)", what, error);
    else
        snprintf(identity.problem, sizeof(identity.problem), "%s (mbedTLS error -0x%04x)", what, (unsigned)-error);
    return false;
}

static bool load_certificates(void)
{
    int error;

    if (material->certificate_size <= 1)
        return problem("no server certificate is configured", 0);
    if (material->key_size <= 1)
        return problem("no server key is configured", 0);
    if (material->client_ca_size <= 1)
        return problem("no authority for client certificates is configured", 0);
    if ((error = mbedtls_x509_crt_parse(&certificate, material->certificate, material->certificate_size)) != 0)
        return problem("the server certificate cannot be read", error);
    if ((error = mbedtls_pk_parse_key(&key, material->key, material->key_size, NULL, 0, random_tls, NULL)) != 0)
        return problem("the server key cannot be read", error);
    if ((error = mbedtls_x509_crt_parse(&client_ca, material->client_ca, material->client_ca_size)) != 0)
        return problem("the authority for client certificates cannot be read", error);
    if ((error = mbedtls_pk_check_pair(&certificate.pk, &key, random_tls, NULL)) != 0)
        return problem("the server key does not belong to the server certificate", error);
    return true;
}

static bool configure(void)
{
    int error = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                            MBEDTLS_SSL_PRESET_DEFAULT);

    if (error != 0)
        return problem("TLS cannot be set up", error);
    mbedtls_ssl_conf_rng(&config, random_tls, NULL);
    mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_ciphersuites(&config, cipher_suites);
    mbedtls_ssl_conf_groups(&config, groups);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&config, &client_ca, NULL);
    if ((error = mbedtls_ssl_conf_own_cert(&config, &certificate, &key)) != 0 ||
        (error = mbedtls_ssl_conf_alpn_protocols(&config, protocols)) != 0)
        return problem("TLS cannot be set up", error);
    return true;
}

static void load(struct work *work)
{
    static bool before;

    (void)work;
    if (before) {
        mbedtls_ssl_config_free(&config);
        mbedtls_x509_crt_free(&certificate);
        mbedtls_x509_crt_free(&client_ca);
        mbedtls_pk_free(&key);
    }
    before = true;
    identity = (struct tls_identity){.usable = false};
    mbedtls_ssl_config_init(&config);
    mbedtls_x509_crt_init(&certificate);
    mbedtls_x509_crt_init(&client_ca);
    mbedtls_pk_init(&key);
    if (!random_seed_tls()) {
        problem("the random number generator cannot be seeded", 0);
    } else if (psa_crypto_init() != PSA_SUCCESS) {
        problem("PSA crypto does not start", 0);
    } else if (load_certificates()) {
        tls_subject_text(&certificate, identity.subject, sizeof(identity.subject));
        find_validity();
        identity.usable = configure();
    }
}

static void load_done(struct work *work)
{
    (void)work;
    when_loaded(&identity);
}

void tls_load(const struct tls_material *from, void (*loaded)(const struct tls_identity *identity))
{
    static struct work work = {.run = load, .done = load_done};

    material = from;
    when_loaded = loaded;
    worker_submit(&work);
}
