// SPDX-License-Identifier: Apache-2.0
/*
 * TCP between two guests, for tests and for `make bench`:
 *
 *   nettest server                        serves one connection after the other on port 5001
 *   nettest stream HOST MEGABYTES [check] one-way stream; prints nanoseconds and Mbit/s; check: the server compares
 *                                         every byte, and the bench counts nothing
 *   nettest request HOST COUNT            one byte there and one back; prints nanoseconds each
 *   nettest send HOST PORT                what comes on standard input, in the largest pieces that TCP takes
 *
 * Times are CLOCK_MONOTONIC: under -icount shift=0 a nanosecond is one instruction of all CPUs together.
 */
#include "mark.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT 5001
#define CHUNK (128 * 1024)

static char buffer[CHUNK];

struct hello {
    uint32_t mode;  /* 0 stream, 1 request/response */
    uint32_t check; /* stream: compare the content */
    uint64_t amount;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void read_all(int connection, void *data, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = read(connection, (char *)data + done, length - done);
        if (got <= 0)
            die("nettest: read");
        done += (size_t)got;
    }
}

static void write_all(int connection, const void *data, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t put = write(connection, (const char *)data + done, length - done);
        if (put <= 0)
            die("nettest: write");
        done += (size_t)put;
    }
}

static void fill(void)
{
    for (size_t i = 0; i < CHUNK; i++)
        buffer[i] = (char)(i * 131 + (i >> 9));
}

static int serve_one(int connection)
{
    static char expected[CHUNK];
    struct hello hello;
    uint64_t total = 0;
    uint32_t bad = 0;
    char byte;

    memcpy(expected, buffer, CHUNK);
    read_all(connection, &hello, sizeof hello);
    if (hello.mode == 1) {
        for (uint64_t i = 0; i < hello.amount; i++) {
            read_all(connection, &byte, 1);
            write_all(connection, &byte, 1);
        }
        return 0;
    }
    static char data[CHUNK];
    while (total < hello.amount) {
        size_t want = CHUNK - total % CHUNK;
        ssize_t got = read(connection, data, want);
        if (got <= 0)
            return -1;
        if (hello.check && memcmp(data, expected + total % CHUNK, (size_t)got) != 0)
            bad = 1;
        total += (uint64_t)got;
    }
    write_all(connection, &bad, sizeof bad);
    return 0;
}

static int server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8))
        die("nettest: listen");
    puts("nettest: serving");
    fflush(stdout);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            die("nettest: accept");
        pid_t child = fork();
        if (child == 0) {
            setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            _exit(serve_one(connection) ? 1 : 0);
        }
        close(connection);
    }
}

static int send_input(int connection)
{
    ssize_t got;

    while ((got = read(STDIN_FILENO, buffer, CHUNK)) > 0)
        write_all(connection, buffer, (size_t)got);
    return got != 0;
}

int main(int arguments, char **argument)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct hello hello = {0};
    int one = 1;

    fill();
    if (arguments == 2 && !strcmp(argument[1], "server"))
        return server();
    if (arguments < 4 || inet_pton(AF_INET, argument[2], &address.sin_addr) != 1) {
        fputs("usage: nettest server | stream HOST MEGABYTES [check] | request HOST COUNT | send HOST PORT\n", stderr);
        return 2;
    }
    bool sends = !strcmp(argument[1], "send");
    if (sends)
        address.sin_port = htons((uint16_t)strtoul(argument[3], NULL, 0));
    hello.mode = !strcmp(argument[1], "request");
    hello.check = arguments > 4;
    hello.amount = strtoull(argument[3], NULL, 0) * (hello.mode ? 1 : 1048576);

    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&address, sizeof address))
        die("nettest: connect");
    if (sends)
        return send_input(connection);
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    write_all(connection, &hello, sizeof hello);

    uint64_t start = now_ns();
    if (hello.mode) {
        MARK_BEGIN(MARK_REQUEST);
        for (uint64_t i = 0; i < hello.amount; i++) {
            char byte = (char)i;
            write_all(connection, &byte, 1);
            read_all(connection, &byte, 1);
        }
        MARK_END(MARK_REQUEST);
        uint64_t took = now_ns() - start;
        printf("nettest request: %llu exchanges, %llu ns each\n", (unsigned long long)hello.amount,
               (unsigned long long)(took / (hello.amount ? hello.amount : 1)));
        return 0;
    }
    uint32_t bad = 1;
    if (!hello.check)
        MARK_BEGIN(MARK_STREAM);
    for (uint64_t sent = 0; sent < hello.amount; sent += CHUNK)
        write_all(connection, buffer, CHUNK);
    read_all(connection, &bad, sizeof bad);
    MARK_END(MARK_STREAM);
    uint64_t took = now_ns() - start;
    printf("nettest stream: %llu bytes in %llu ns, %.3f ns a byte, %.0f Mbit/s, content %s\n",
           (unsigned long long)hello.amount, (unsigned long long)took, (double)took / (double)hello.amount,
           (double)hello.amount * 8e3 / (double)took,
           bad           ? "WRONG"
           : hello.check ? "right"
                         : "not checked");
    return bad ? 1 : 0;
}
