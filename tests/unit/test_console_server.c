/* SPDX-License-Identifier: Apache-2.0 */
/* Issue 2, point 13: the TLS console, with openssl s_client at the other end. */
#include "tests/unit/console_host.h"
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static char folder[] = "/tmp/console_server.XXXXXX";
static pid_t appliance, gateway;
static uint16_t tcp_port;

/* Small tools */

static void nap(unsigned milliseconds)
{
    nanosleep(&(struct timespec){0, milliseconds * 1000000l}, NULL);
}

/* A shell command; what it printed (both streams). The status, too, when asked for. */
static const char *shell(int *status, const char *format, ...)
{
    static char command[4096], output[65536];
    va_list arguments;
    int at = snprintf(command, sizeof(command), "cd %s && { ", folder);

    va_start(arguments, format);
    vsnprintf(command + at, sizeof(command) - (size_t)at, format, arguments);
    va_end(arguments);
    strcat(command, "; } 2>&1");
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, sizeof(output) - 1, pipe);
    output[length] = '\0';
    int result = pclose(pipe);
    if (status != NULL)
        *status = WEXITSTATUS(result);
    return output;
}

#define CLIENT "timeout 60 openssl s_client -quiet -connect 127.0.0.1:%u -CAfile ca.crt -verify_return_error "
#define OPERATOR "-cert client.crt -key client.key "

static void assert_in(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s does not stand in:\n%s\nlog:\n%s", part, text, console_host->log);
}

static void assert_not_in(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("%s stands in:\n%s", part, text);
}

/* Waits until the condition holds, after the appliance has published once more. */
#define WAIT(condition)                                                                                                \
    do {                                                                                                               \
        for (unsigned waited = 0; !(condition); waited++) {                                                            \
            if (waited > 3000)                                                                                         \
                fail_msg("does not come: %s; why: %s; log:\n%s", #condition, console_host->tls.why,                    \
                         console_host->log);                                                                           \
            nap(10);                                                                                                   \
        }                                                                                                              \
    } while (0)

static void settle(void)
{
    uint32_t turns = console_host->turns;

    WAIT(console_host->turns > turns + 2);
}

/* The two processes */

static void start(const char *certificate, const char *key, const char *ca, uint32_t entropy)
{
    int cable[2], listener = socket(AF_INET, SOCK_STREAM, 0), size = 4 << 20;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    memset(console_host, 0, sizeof(*console_host));
    snprintf(console_host->certificate, sizeof(console_host->certificate), "%s%s%s", folder, *certificate ? "/" : "",
             certificate);
    snprintf(console_host->key, sizeof(console_host->key), "%s/%s", folder, key);
    snprintf(console_host->ca, sizeof(console_host->ca), "%s/%s", folder, ca);
    console_host->entropy_present = entropy > 0;
    console_host->entropy_bytes = entropy;
    assert_return_code(socketpair(AF_UNIX, SOCK_DGRAM, 0, cable), errno);
    for (unsigned i = 0; i < 2; i++)
        setsockopt(cable[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    assert_return_code(bind(listener, (struct sockaddr *)&address, length), errno);
    assert_return_code(listen(listener, 32), errno);
    getsockname(listener, (struct sockaddr *)&address, &length);
    tcp_port = ntohs(address.sin_port);
    fflush(NULL);
    if ((appliance = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        console_host_appliance(cable[0]);
    }
    if ((gateway = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        console_host_gateway(cable[1], listener);
    }
    close(listener);
    close(cable[0]);
    close(cable[1]);
}

/* Nobody may have found anything to complain about (sanitizers end a process with a status). */
static void stop(void)
{
    int status;

    console_host->stop = true;
    assert_int_equal(waitpid(appliance, &status, 0), appliance);
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(gateway, &status, 0), gateway);
    assert_int_equal(status, 0);
}

static int begin(void **state)
{
    (void)state;
    start("server.crt", "server.key", "ca.crt", 1 << 20);
    WAIT(console_host->tls.on);
    return 0;
}

static int end(void **state)
{
    (void)state;
    WAIT(console_host->sessions == 0);
    stop();
    return 0;
}

static int make_files(void **state)
{
    (void)state;
    console_host = mmap(NULL, sizeof(*console_host), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_non_null(mkdtemp(folder));
    /* Another authority, a client of it; clients of ours that are over, not yet, and of the wrong kind; RSA ones. */
    const char *made = shell(
        NULL,
        "top=%s; $top/tools/make_certificates . && $top/tools/make_certificates other && "
        "issue() { openssl req -new -newkey $4 -nodes -keyout $1.key -subj \"/CN=$1\" -out $1.csr && "
        "printf '[x]\\nextendedKeyUsage=%%s\\nbasicConstraints=CA:false\\n' $5 >$1.ext && touch index && "
        "printf '[ca]\\ndefault_ca=a\\n[a]\\ndatabase=index\\nnew_certs_dir=.\\nserial=serial\\ndefault_md=sha256\\n"
        "policy=p\\nunique_subject=no\\n[p]\\ncommonName=supplied\\n' >ca.conf && "
        "openssl ca -config ca.conf -batch -notext -create_serial -cert ca.crt -keyfile ca.key -startdate $2 "
        "-enddate $3 -extfile $1.ext -extensions x -in $1.csr -out $1.crt; } && "
        "issue past 20200101000000Z 20210101000000Z 'ec -pkeyopt ec_paramgen_curve:P-256' clientAuth && "
        "issue future 20400101000000Z 20410101000000Z 'ec -pkeyopt ec_paramgen_curve:P-256' clientAuth && "
        "issue wrongkind 20250101000000Z 20410101000000Z 'ec -pkeyopt ec_paramgen_curve:P-256' serverAuth && "
        "issue rsa 20250101000000Z 20410101000000Z rsa:2048 clientAuth && "
        "issue rsaserver 20250101000000Z 20410101000000Z rsa:2048 serverAuth && "
        "issue p384 20250101000000Z 20410101000000Z 'ec -pkeyopt ec_paramgen_curve:P-384' clientAuth && "
        "issue oldserver 20200101000000Z 20210101000000Z 'ec -pkeyopt ec_paramgen_curve:P-256' serverAuth && "
        "echo made all",
        getenv("TOP") ? getenv("TOP") : getcwd((char[512]){0}, 512));
    assert_in(made, "made all");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    shell(NULL, "rm -rf %s", folder);
    return 0;
}

/* A plain TCP client */

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(tcp_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){20, 0}, sizeof(struct timeval));
    return fd;
}

/* What comes until the peer closes; -1: a reset. */
static ssize_t hear(int fd, uint8_t *data, size_t size)
{
    size_t length = 0;

    for (;;) {
        ssize_t got = recv(fd, data + length, size - length, 0);

        if (got < 0)
            return -1;
        if (got == 0)
            return (ssize_t)length;
        length += (size_t)got;
    }
}

/* Tests */

static void sessions_in_both_versions(void **state)
{
    (void)state;
    const char *said = shell(NULL, "(echo hi; sleep 1; echo exit) | " CLIENT OPERATOR "-tls1_3", tcp_port);
    assert_in(said, "welcome tls 10.9.0.2:");
    assert_in(said, "O=Bulkhead DEVELOPMENT, CN=DEVELOPMENT operator");
    assert_in(said, "you said hi");
    assert_in(said, "bye");
    said = shell(NULL, "echo exit | " CLIENT OPERATOR "-tls1_2", tcp_port);
    assert_in(said, "welcome tls");
    assert_in(said, "bye");
    assert_int_equal(console_host->tls.failed, 0);
    assert_int_equal(console_host->tls.broken, 0);
    said = shell(NULL, "echo exit | " CLIENT OPERATOR "-tls1_1", tcp_port);
    assert_not_in(said, "welcome");
}

static void ciphers_groups_and_keys(void **state)
{
    static const char *const options[] = {
        "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -groups P-256",
        "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384 -groups P-384",
        "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 -groups X25519",
        "-tls1_3 -groups P-521:P-256", /* not ours first: a retry */
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -groups P-256",
        "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384 -groups P-384:P-256",
        "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305 -groups X25519:P-256",
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR "%s", tcp_port, options[i]), "bye");
    for (unsigned version = 2; version <= 3; version++) {
        assert_in(shell(NULL, "echo exit | " CLIENT "-cert rsa.crt -key rsa.key -tls1_%u", tcp_port, version), "bye");
        assert_in(shell(NULL, "echo exit | " CLIENT "-cert p384.crt -key p384.key -tls1_%u", tcp_port, version), "bye");
    }
    /* What is not offered */
    assert_not_in(shell(NULL, "echo exit | " CLIENT OPERATOR "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384", tcp_port),
                  "welcome");
}

static void strangers_get_nothing(void **state)
{
    static const struct {
        const char *options, *why;
    } strangers[] = {
        {"", "no client certificate"},
        {"-cert other/client.crt -key other/client.key", "not from our authority"},
        {"-cert past.crt -key past.key", "expired"},
        {"-cert future.crt -key future.key", "not yet valid"},
        {"-cert wrongkind.crt -key wrongkind.key", "not acceptable"},
        {"-cert server.crt -key server.key", "not acceptable"},
    };
    uint64_t failed = 0;

    (void)state;
    for (unsigned version = 2; version <= 3; version++)
        for (unsigned i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
            const char *said =
                shell(NULL, "(sleep 1; echo exit) | " CLIENT "%s -tls1_%u", tcp_port, strangers[i].options, version);

            assert_not_in(said, "welcome");
            /* mbedTLS 3.6 protects alerts of this moment with the handshake's keys, which a TLS 1.3 client has left. */
            assert_in(said, version == 2 ? "alert" : ":error:");
            WAIT(console_host->tls.failed == failed + 1);
            failed++;
            assert_in(console_host->tls.last_failure, strangers[i].why);
            assert_int_equal(console_host->sessions, 0);
        }
    assert_int_equal(console_host->tls.opened, 0);
}

static void protocol_negotiation_selects_the_mode(void **state)
{
    (void)state;
    const char *said = shell(NULL, "echo domain list | " CLIENT OPERATOR "-alpn bulkhead-command/1", tcp_port);
    assert_in(said, "did: domain list");
    assert_not_in(said, "welcome");
    assert_in(shell(NULL, "echo x | " CLIENT OPERATOR "-tls1_2 -alpn h2,bulkhead-command/1", tcp_port), "did: x");
    said = shell(NULL, "(sleep 1; echo exit) | " CLIENT OPERATOR "-alpn h2", tcp_port);
    assert_in(said, "no application protocol");
    /* A client that ends its side in order still gets the answer: see also bytes_both_ways. */
}

static void what_is_no_tls(void **state)
{
    static const char *const openings[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x03\xff\xff",         /* a record of 65,535 bytes */
        "\x16\x03\x01\x48\x01",         /* more than any record may have */
        "\x15\x03\x03\x00\x02\x02\x28", /* an alert */
        "\x17\x03\x03\x00\x01\x00",     /* data before a handshake */
    };
    static const size_t lengths[] = {27, 5, 5, 7, 6};
    uint8_t answer[4096];

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        int fd = dial();

        assert_int_equal(send(fd, openings[i], lengths[i], 0), lengths[i]);
        ssize_t length = hear(fd, answer, sizeof(answer));
        assert_in_range(length, 0, 7);
        close(fd);
        WAIT(console_host->tls.failed == i + 1);
    }
    for (unsigned round = 0; round < 20; round++) {
        uint8_t noise[3000];
        int fd = dial();

        for (unsigned i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)rand();
        if (round % 2 == 0)
            memcpy(noise, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11); /* like a ClientHello */
        send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        hear(fd, answer, sizeof(answer));
        close(fd);
    }
    WAIT(console_host->tls.handshakes == 0 && console_host->tls.sessions == 0);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "bye");
}

static void slow_handshakes_are_bounded(void **state)
{
    static const uint8_t refusal[] = {21, 3, 3, 0, 2, 2, 80};
    int slow[4];
    uint8_t answer[64];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        slow[i] = dial();
        send(slow[i], "\x16\x03\x01", i, 0);
    }
    WAIT(console_host->tls.handshakes == 4);
    int refused = dial();
    assert_int_equal(hear(refused, answer, sizeof(answer)), sizeof(refusal));
    assert_memory_equal(answer, refusal, sizeof(refusal));
    close(refused);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "alert internal error");
    /* Bytes that trickle in do not buy time. */
    for (unsigned i = 0; i < 3; i++) {
        console_host->clock_skip_ns += 8 * SECOND;
        nap(300);
        send(slow[3], "\x01", 1, MSG_NOSIGNAL);
    }
    assert_int_equal(console_host->tls.handshakes, 4);
    console_host->clock_skip_ns += 8 * SECOND;
    WAIT(console_host->tls.handshakes == 0);
    assert_int_equal(console_host->tls.timed_out, 4);
    for (unsigned i = 0; i < 4; i++)
        close(slow[i]);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "bye");
    /* And who had time enough gives way to a client that comes. */
    for (unsigned i = 0; i < 4; i++)
        slow[i] = dial();
    WAIT(console_host->tls.handshakes == 4);
    console_host->clock_skip_ns += 6 * SECOND;
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "bye");
    assert_int_equal(console_host->tls.timed_out, 5);
    assert_int_equal(console_host->tls.handshakes, 3);
    assert_int_equal(hear(slow[0], answer, sizeof(answer)), -1);
    for (unsigned i = 0; i < 4; i++)
        close(slow[i]);
}

static void several_sessions_at_once(void **state)
{
    (void)state;
    FILE *clients[9];
    char command[512];

    for (unsigned i = 0; i < 8; i++) {
        snprintf(command, sizeof(command), "cd %s && " CLIENT OPERATOR ">out.%u 2>&1", folder, tcp_port, i);
        clients[i] = popen(command, "w");
        setbuf(clients[i], NULL);
        WAIT(console_host->tls.sessions == i + 1);
    }
    for (unsigned i = 0; i < 8; i++)
        fprintf(clients[i], "I am %u\n", i);
    const char *said = shell(NULL, "(sleep 2; echo exit) | " CLIENT OPERATOR, tcp_port);
    assert_not_in(said, "welcome");
    settle();
    assert_int_equal(console_host->tls.refused, 1);
    assert_int_equal(console_host->tls.sessions, 8);
    for (unsigned i = 0; i < 8; i++) {
        fprintf(clients[i], "exit\n");
        pclose(clients[i]);
        char expected[32];
        snprintf(expected, sizeof(expected), "you said I am %u", i);
        said = shell(NULL, "cat out.%u", i);
        assert_in(said, expected);
        assert_in(said, "bye");
    }
    WAIT(console_host->tls.sessions == 0);
    assert_int_equal(console_host->tls.broken, 0);
}

/* The toy session's pattern */
#define PATTERN                                                                                                        \
    "python3 -c \"import sys; n=%u; sys.stdout.buffer.write(bytes((i*31+(i>>8)*7+(i>>16))&255 for i in range(n)))\""

static void bytes_both_ways(void **state)
{
    (void)state;
    for (unsigned version = 2; version <= 3; version++) {
        /* A slow reader: the session's output waits for it. */
        shell(NULL,
              PATTERN " >expected; (echo flood 3000000; sleep 4; echo exit) | " CLIENT OPERATOR
                      "-tls1_%u | (sleep 2; cat) | tail -n +2 | head -c 3000000 >got",
              3000000u, tcp_port, version);
        assert_in(shell(NULL, "cmp expected got && echo same"), "same");
        /* A session that takes its time: the client's input waits. */
        const char *said =
            shell(NULL, "(echo count 600000; " PATTERN "; sleep 1; echo exit; sleep 1) | " CLIENT OPERATOR "-tls1_%u",
                  600000u, tcp_port, version);
        assert_in(said, "counted 600000 same 600000");
        assert_in(said, "bye");
    }
    /* The same with every 25th frame lost. */
    console_host->loss = 25;
    shell(NULL,
          "(echo flood 200000; sleep 12; echo exit) | " CLIENT OPERATOR
          "| tail -n +2 | head -c 200000 >got; head -c 200000 expected >start",
          tcp_port);
    assert_in(shell(NULL, "cmp start got && echo same"), "same");
    console_host->loss = 0;
    WAIT(console_host->sessions == 0);
}

static void clients_that_leave(void **state)
{
    (void)state;
    /* Without a word */
    shell(NULL,
          "(echo flood 100000000; sleep 9) | timeout -s KILL 2 openssl s_client -quiet -connect 127.0.0.1:%u " OPERATOR
          ">/dev/null",
          tcp_port);
    WAIT(console_host->sessions == 0);
    WAIT(console_host->tls.sessions == 0);
    assert_int_equal(console_host->tls.broken, 1);
    /* With close_notify, in the middle of everything */
    shell(NULL, "(echo hello; sleep 1) | timeout 60 openssl s_client -connect 127.0.0.1:%u " OPERATOR, tcp_port);
    WAIT(console_host->tls.sessions == 0 && console_host->sessions == 0);
    assert_int_equal(console_host->tls.broken, 1);
    /* In the middle of the handshake */
    for (unsigned i = 0; i < 10; i++) {
        int fd = dial();

        send(fd, "\x16\x03\x01\x02\x00\x01", 6, 0);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        close(fd);
    }
    WAIT(console_host->tls.accepted == 12 && console_host->tls.handshakes == 0);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "bye");
}

/* A client that types `letter`, a command of s_client's, once it is greeted, and then waits for the answer, and a line
 * more. */
#define TYPES(letter, answer)                                                                                          \
    "trap '' PIPE; rm -f line said; mkfifo line && { timeout 60 openssl s_client -connect 127.0.0.1:%u -CAfile "       \
    "ca.crt " OPERATOR "%s -no_ign_eof <line >said 2>&1 & } && exec 3>line; "                                          \
    "until grep -q welcome said || ! kill -0 $!; do sleep 0.1; done; echo " letter " >&3; "                            \
    "until grep -q " answer " said || ! kill -0 $!; do sleep 0.1; done; echo after >&3; exec 3>&-; wait $!; cat said"

static void no_renegotiation(void **state)
{
    (void)state;
    const char *said = shell(NULL, TYPES("R", "RENEGOTIATING"), tcp_port, "-tls1_2");
    assert_in(said, "welcome");
    assert_in(said, "RENEGOTIATING");
    WAIT(console_host->tls.opened == 1 && console_host->tls.sessions == 0);
    /* TLS 1.3's key update */
    said = shell(NULL, TYPES("K", "KEYUPDATE"), tcp_port, "-tls1_3");
    assert_in(said, "welcome");
    assert_in(said, "KEYUPDATE");
    WAIT(console_host->tls.sessions == 0);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "bye");
}

static void certificates_end(void **state)
{
    (void)state;
    start("server.crt", "server.key", "ca.crt", 1 << 20);
    WAIT(console_host->tls.on);
    console_host->wall_skip_s = 40ll * 365 * 86400;
    console_host->clock_skip_ns += 61 * SECOND;
    WAIT(!console_host->tls.on);
    assert_in(console_host->tls.why, "expired");
    assert_in(console_host->log, "TLS console is off: the server's or the authority's certificate has expired");
    assert_in(console_host->log, "NOTICE");
    assert_not_in(shell(NULL, "(sleep 1; echo exit) | " CLIENT OPERATOR, tcp_port), "welcome");
    /* The clock was wrong */
    console_host->wall_skip_s = 0;
    console_host->clock_skip_ns += 61 * SECOND;
    WAIT(console_host->tls.on);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "bye");
    console_host->wall_skip_s = -30ll * 365 * 86400;
    console_host->clock_skip_ns += 61 * SECOND;
    WAIT(!console_host->tls.on);
    assert_in(console_host->tls.why, "not valid yet");
    stop();
}

static void off_without(const char *certificate, const char *key, const char *ca, const char *why)
{
    start(certificate, key, ca, 1 << 20);
    WAIT(strstr(console_host->tls.why, why) != NULL);
    WAIT(strstr(console_host->log, why) != NULL);
    assert_false(console_host->tls.on);
    stop();
}

static void unusable_material(void **state)
{
    (void)state;
    off_without("", "server.key", "ca.crt", "no certificates");
    off_without("server.crt", "client.key", "ca.crt", "does not belong");
    off_without("server.key", "server.key", "ca.crt", "server certificate cannot be read");
    off_without("server.crt", "server.crt", "ca.crt", "server key cannot be read");
    off_without("server.crt", "server.key", "ca.key", "authority for client certificates cannot be read");
    off_without("oldserver.crt", "oldserver.key", "ca.crt", "expired");
    start("rsaserver.crt", "rsaserver.key", "ca.crt", 1 << 20);
    WAIT(console_host->tls.on);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR "-tls1_2", tcp_port), "bye");
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR "-tls1_3", tcp_port), "bye");
    stop();
}

static void no_entropy_no_tls(void **state)
{
    (void)state;
    start("server.crt", "server.key", "ca.crt", 0);
    WAIT(strstr(console_host->log, "no source of entropy") != NULL);
    stop();
    start("server.crt", "server.key", "ca.crt", 40);
    WAIT(strstr(console_host->tls.why, "waiting for entropy") != NULL);
    settle();
    assert_false(console_host->tls.on);
    console_host->entropy_bytes = 10000;
    console_host->clock_skip_ns += 61 * SECOND;
    WAIT(console_host->tls.on);
    assert_in(shell(NULL, "echo exit | " CLIENT OPERATOR, tcp_port), "bye");
    stop();
}

/* The warning stays while one of the build's three is in use: the authority decides who may log in. */
static void some_of_ones_own(void **state)
{
    static const char *const kept[] = {"tls.client-ca", "tls.certificate tls.key",
                                       "tls.certificate tls.key tls.client-ca"};

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        console_kept = kept[i];
        start("server.crt", "server.key", "ca.crt", 1 << 20);
        WAIT(console_host->tls.on);
        settle();
        if (console_host->tls.development != (i < 2))
            fail_msg("%s kept: development is %u; log:\n%s", kept[i], console_host->tls.development, console_host->log);
        assert_int_equal(strstr(console_host->log, "DEVELOPMENT certificates") != NULL, i < 2);
        stop();
    }
    console_kept = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_in_both_versions, begin, end),
        cmocka_unit_test_setup_teardown(ciphers_groups_and_keys, begin, end),
        cmocka_unit_test_setup_teardown(strangers_get_nothing, begin, end),
        cmocka_unit_test_setup_teardown(protocol_negotiation_selects_the_mode, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_tls, begin, end),
        cmocka_unit_test_setup_teardown(slow_handshakes_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(several_sessions_at_once, begin, end),
        cmocka_unit_test_setup_teardown(bytes_both_ways, begin, end),
        cmocka_unit_test_setup_teardown(clients_that_leave, begin, end),
        cmocka_unit_test_setup_teardown(no_renegotiation, begin, end),
        cmocka_unit_test(certificates_end),
        cmocka_unit_test(unusable_material),
        cmocka_unit_test(no_entropy_no_tls),
        cmocka_unit_test(some_of_ones_own),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
