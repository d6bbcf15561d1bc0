/*
 * A bare chat server on one thread: the limit of a core and the kernel.
 *
 * A tick is one round of epoll_wait. All lines said in it are formatted once, into one buffer. One
 * send() per member delivers the whole buffer, or a copy without the member's own lines. The server
 * has no history, and no bound on the backlog of a slow reader.
 *
 *     cc -O2 -Wall -Wextra -o epoll epoll.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_EVENTS = 32768, MAX_LINE = 65536, READ_SIZE = 65536, LISTEN_BACKLOG = 4096 };

struct buffer {
    char *data;
    size_t len, cap;
};

struct conn {
    char *name; /* NULL until the first line */
    size_t name_len;
    size_t slot;             /* its index in members */
    size_t own_from, own_to; /* the part of the tick not sent to it; none if both are 0 */
    struct buffer tail;      /* a line without its end yet */
    struct buffer unsent;    /* not empty: EPOLLOUT is armed */
    size_t unsent_from;      /* the bytes of unsent that are sent already */
    bool joined;             /* in this tick */
};

static struct conn *conns; /* by file descriptor */
static int *members;       /* the fds of named connections, dense; as long as conns */
static size_t conns_cap, members_len;
static struct buffer tick;
static int lost[MAX_EVENTS]; /* to close at the end of the round */
static size_t lost_len;
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *grow(void *data, size_t size)
{
    data = realloc(data, size);
    if (!data)
        die("realloc");
    return data;
}

static void append(struct buffer *b, const char *data, size_t len)
{
    if (!len)
        return;
    if (b->len + len > b->cap) {
        b->cap = 2 * b->cap > b->len + len ? 2 * b->cap : b->len + len;
        b->data = grow(b->data, b->cap);
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void append_line(struct buffer *b, const char *before, const struct conn *c,
                        const char *between, const char *text, size_t len)
{
    append(b, before, strlen(before));
    append(b, c->name, c->name_len);
    append(b, between, strlen(between));
    append(b, text, len);
    append(b, "\r\n", 2);
}

static void watch(int fd, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, op, fd, &event) < 0)
        die("epoll_ctl");
}

/* Sends as many bytes as possible, and returns their count. An error counts as all sent: epoll
 * then reports the connection as readable, and reading finds that it is lost. */
static size_t send_some(int fd, const char *data, size_t len)
{
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? 0 : len;
}

static void tell(int fd, const char *data, size_t len)
{
    struct buffer *unsent = &conns[fd].unsent;
    bool behind = unsent->len > 0;
    size_t sent = behind ? 0 : send_some(fd, data, len);
    append(unsent, data + sent, len - sent);
    if (!behind && unsent->len)
        watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void send_unsent(int fd)
{
    struct conn *c = &conns[fd];
    struct buffer *b = &c->unsent;
    c->unsent_from += send_some(fd, b->data + c->unsent_from, b->len - c->unsent_from);
    if (c->unsent_from == b->len) {
        free(b->data);
        *b = (struct buffer){0};
        c->unsent_from = 0;
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    } else if (c->unsent_from > b->len / 2) {
        b->len -= c->unsent_from;
        memmove(b->data, b->data + c->unsent_from, b->len);
        c->unsent_from = 0;
    }
}

static void lose(int fd)
{
    struct conn *c = &conns[fd];
    lost[lost_len++] = fd;
    if (!c->name)
        return;
    append_line(&tick, "-- ", c, " left", NULL, 0);
    members[c->slot] = members[--members_len];
    conns[members[c->slot]].slot = c->slot;
}

static void hear(int fd, const char *line, size_t len)
{
    struct conn *c = &conns[fd];
    if (len && line[len - 1] == '\r')
        len--;
    if (c->name) {
        append_line(&tick, "<", c, "> ", line, len);
        return;
    }
    c->name = grow(NULL, len + 1);
    memcpy(c->name, line, len);
    c->name_len = len;
    c->joined = true;
    c->slot = members_len;
    members[members_len++] = fd;
    append_line(&tick, "-- ", c, " joined", NULL, 0);
}

static void receive(int fd)
{
    static char in[MAX_LINE + READ_SIZE];
    struct conn *c = &conns[fd];
    size_t before = tick.len;
    char *line = in, *unseen = in + c->tail.len, *end, *newline;
    ssize_t n = recv(fd, unseen, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(fd);
        return;
    }
    if (c->tail.len)
        memcpy(in, c->tail.data, c->tail.len);
    end = unseen + n;
    while ((newline = memchr(unseen, '\n', end - unseen)) && newline - line <= MAX_LINE) {
        hear(fd, line, newline - line);
        line = unseen = newline + 1;
    }
    if (tick.len > before) {
        /* A connection is read once a tick, so its own lines are side by side. Lines before its
         * join are not for it either. */
        c->own_from = c->joined ? 0 : before;
        c->own_to = tick.len;
    }
    if (newline || end - line > MAX_LINE) {
        lose(fd);
        return;
    }
    c->tail.len = 0;
    append(&c->tail, line, end - line);
}

static void accept_all(int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if ((size_t)fd >= conns_cap) {
            size_t cap = 2 * (size_t)fd;
            conns = grow(conns, cap * sizeof *conns);
            members = grow(members, cap * sizeof *members);
            memset(conns + conns_cap, 0, (cap - conns_cap) * sizeof *conns);
            conns_cap = cap;
        }
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void end_tick(void)
{
    static struct buffer without;
    for (size_t i = 0; tick.len && i < members_len; i++) {
        int fd = members[i];
        struct conn *c = &conns[fd];
        if (!c->own_to) {
            tell(fd, tick.data, tick.len);
            continue;
        }
        without.len = 0;
        if (c->joined)
            append_line(&without, "-- hello ", c, "", NULL, 0);
        append(&without, tick.data, c->own_from);
        append(&without, tick.data + c->own_to, tick.len - c->own_to);
        if (without.len)
            tell(fd, without.data, without.len);
        c->own_from = c->own_to = 0;
        c->joined = false;
    }
    tick.len = 0;
    while (lost_len) {
        int fd = lost[--lost_len];
        struct conn *c = &conns[fd];
        close(fd);
        free(c->name);
        free(c->tail.data);
        free(c->unsent.data);
        *c = (struct conn){0};
    }
}

static int listen_anywhere(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        die("listen");
    printf("%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    static struct epoll_event events[MAX_EVENTS];
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if ((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");
    int listener = listen_anywhere();
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == listener) {
                accept_all(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT && conns[fd].unsent.len)
                send_unsent(fd);
            if (events[i].events & ~EPOLLOUT)
                receive(fd);
        }
        end_tick();
    }
}
