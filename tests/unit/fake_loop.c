/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_loop.h"
#include <assert.h>
#include <mgmt/worker.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define WATCHES 64

volatile uint64_t *fake_clock_skip_ns;
volatile int64_t *fake_wall_skip_s;

static struct loop_source *first, **last = &first;
static struct loop_timer *timers;
static struct {
    int fd;
    void (*ready)(int fd, void *owner);
    void *owner;
} watches[WATCHES];
static unsigned watch_count;

uint64_t time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + (fake_clock_skip_ns ? *fake_clock_skip_ns : 0);
}

uint64_t time_wall_s(void)
{
    return (uint64_t)(time(NULL) + (fake_wall_skip_s ? *fake_wall_skip_s : 0));
}

void loop_signal(struct loop_source *source)
{
    if (atomic_exchange(&source->pending, true))
        return;
    source->next = NULL;
    *last = source;
    last = &source->next;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    for (struct loop_timer **at = &timers; *at != NULL; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->deadline_ns = 0;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    struct loop_timer **at;

    loop_timer_cancel(timer);
    timer->deadline_ns = time_ns() + after_ns;
    for (at = &timers; *at != NULL && (*at)->deadline_ns <= timer->deadline_ns; at = &(*at)->next)
        ;
    timer->next = *at;
    *at = timer;
}

void fake_loop_watch(int fd, void (*ready)(int fd, void *owner), void *owner)
{
    assert(watch_count < WATCHES);
    watches[watch_count].fd = fd;
    watches[watch_count].ready = ready;
    watches[watch_count++].owner = owner;
}

void fake_loop_unwatch(int fd)
{
    for (unsigned i = 0; i < watch_count; i++)
        if (watches[i].fd == fd) {
            watches[i] = watches[--watch_count];
            return;
        }
}

/* The worker: a thread; a pipe brings finished work back. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct work *queue, **queue_end = &queue;
static int done_pipe[2];

static void *worker(void *argument)
{
    for (;;) {
        pthread_mutex_lock(&mutex);
        while (queue == NULL)
            pthread_cond_wait(&more, &mutex);
        struct work *work = queue;
        queue = work->next;
        if (queue == NULL)
            queue_end = &queue;
        pthread_mutex_unlock(&mutex);
        work->run(work);
        if (write(done_pipe[1], &work, sizeof(work)) != sizeof(work))
            return argument;
    }
}

static void work_done(int fd, void *owner)
{
    struct work *work;

    (void)owner;
    if (read(fd, &work, sizeof(work)) == sizeof(work))
        work->done(work);
}

void worker_submit(struct work *work)
{
    static bool started;

    if (!started) {
        pthread_t thread;

        started = true;
        assert(pipe(done_pipe) == 0);
        fake_loop_watch(done_pipe[0], work_done, NULL);
        assert(pthread_create(&thread, NULL, worker, NULL) == 0);
        pthread_detach(thread);
    }
    pthread_mutex_lock(&mutex);
    work->next = NULL;
    *queue_end = work;
    queue_end = &work->next;
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&mutex);
}

static void run_sources(void)
{
    struct loop_source *source = first, *next;

    first = NULL;
    last = &first;
    for (; source != NULL; source = next) {
        next = source->next;
        atomic_store(&source->pending, false);
        source->run(source);
    }
}

static void run_timers(void)
{
    while (timers != NULL && timers->deadline_ns <= time_ns()) {
        struct loop_timer *timer = timers;

        timers = timer->next;
        timer->deadline_ns = 0;
        timer->run(timer);
    }
}

static int wait_ms(void)
{
    uint64_t now = time_ns();

    if (first != NULL)
        return 0;
    if (timers == NULL || timers->deadline_ns > now + 20000000u)
        return 20;
    return timers->deadline_ns <= now ? 0 : (int)((timers->deadline_ns - now) / 1000000u + 1);
}

void fake_loop_run(const volatile bool *stop, void (*each)(void))
{
    while (!*stop) {
        struct pollfd polled[WATCHES];
        unsigned count = watch_count;

        for (unsigned i = 0; i < count; i++)
            polled[i] = (struct pollfd){.fd = watches[i].fd, .events = POLLIN};
        if (poll(polled, count, wait_ms()) > 0)
            for (unsigned i = 0; i < count; i++)
                for (unsigned w = 0; polled[i].revents != 0 && w < watch_count; w++)
                    if (watches[w].fd == polled[i].fd) {
                        watches[w].ready(watches[w].fd, watches[w].owner);
                        break;
                    }
        run_timers();
        run_sources();
        if (each != NULL)
            each();
    }
}
