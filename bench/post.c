// post: sends prepared HTTP requests over N keep-alive connections, each waiting for its answer, and counts.
// usage: post HOST PORT FILE N SECONDS SERVER_PID [RATE]
// FILE holds requests one after another, each led by its length as 4 bytes, least first; they are sent once, in order.
// With RATE (requests a second) they go out on time, whoever is free taking the next; else each connection sends at once.
// In open loop "@@@@@@@@@@@@@@@@@@@@" (20 bytes) in a request becomes CLOCK_MONOTONIC in ns as it is sent.
// Prints one JSON line. The server's CPU is utime+stime of SERVER_PID from /proc.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct { int fd, busy; uint64_t sent; char buf[8192]; size_t have; } conn;

static uint64_t now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
static double cpu_s(int pid) {
    char p[64], s[2048]; snprintf(p, sizeof p, "/proc/%d/stat", pid);
    FILE *f = fopen(p, "r"); if (!f) return -1; size_t n = fread(s, 1, sizeof s - 1, f); s[n] = 0; fclose(f);
    char *q = strrchr(s, ')'); unsigned long u, k;
    if (!q || sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k) != 2) return -1;
    return (double)(u + k) / sysconf(_SC_CLK_TCK);
}
static int cmp(const void *a, const void *b) { uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b; return x < y ? -1 : x > y; }

static char *file, *end;
static int timed;
static void send_next(conn *c) {
    if (file >= end) return;
    uint32_t size; memcpy(&size, file, 4); char *body = file + 4; file += 4 + size;
    char *mark = timed ? memmem(body, size, "@@@@@@@@@@@@@@@@@@@@", 20) : NULL;
    c->sent = now_ns();
    if (mark) { char text[24]; snprintf(text, sizeof text, "%020llu", (unsigned long long)c->sent); memcpy(mark, text, 20); }
    c->busy = 1;
    while (size) {
        ssize_t n = write(c->fd, body, size);
        if (n > 0) { body += n; size -= n; }
        else if (errno != EAGAIN) { perror("write"); exit(3); }
    }
}

int main(int argc, char **argv) {
    if (argc < 7) { fprintf(stderr, "usage: post HOST PORT FILE N SECONDS PID [RATE]\n"); return 2; }
    int n = atoi(argv[4]), pid = atoi(argv[6]); double secs = atof(argv[5]), rate = argc > 7 ? atof(argv[7]) : 0;
    timed = rate > 0;
    int f = open(argv[3], O_RDONLY); struct stat st; fstat(f, &st);
    file = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0); end = file + st.st_size;
    conn *conns = calloc(n, sizeof *conns); int ep = epoll_create1(0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))}; inet_pton(AF_INET, argv[1], &a.sin_addr);
    for (int i = 0; i < n; i++) {
        conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(conns[i].fd, (void *)&a, sizeof a)) { perror("connect"); return 3; }
        int one = 1; setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &conns[i]}; epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &ev);
    }
    static uint32_t lat[1 << 22]; size_t count = 0, ok = 0, bad = 0; int first_bad = 0;
    double c0 = cpu_s(pid); uint64_t t0 = now_ns(), stop = t0 + (uint64_t)(secs * 1e9); uint64_t due = 0;
    if (!timed) for (int i = 0; i < n; i++) send_next(&conns[i]);
    struct epoll_event evs[256]; int busy = timed ? 0 : n;
    for (;;) {
        uint64_t t = now_ns();
        if ((t >= stop || file >= end) && busy == 0) break;
        if (t >= stop + 5000000000ull) break;
        if (timed && t < stop)
            for (int i = 0; i < n && t0 + (uint64_t)(due * 1e9 / rate) <= t && file < end; i++)
                if (!conns[i].busy) { send_next(&conns[i]); busy++; due++; }
        int k = epoll_wait(ep, evs, 256, timed ? 1 : 100);
        for (int i = 0; i < k; i++) {
            conn *c = evs[i].data.ptr;
            ssize_t r = read(c->fd, c->buf + c->have, sizeof c->buf - 1 - c->have);
            if (r <= 0) { if (r < 0 && errno == EAGAIN) continue; fprintf(stderr, "closed by the server\n"); return 3; }
            c->have += r; c->buf[c->have] = 0;
            char *e = strstr(c->buf, "\r\n\r\n"); if (!e) continue;
            char *l = strcasestr(c->buf, "content-length:"); size_t body = l && l < e ? strtoul(l + 15, NULL, 10) : 0;
            if (c->have < (size_t)(e + 4 - c->buf) + body) continue;
            int code = atoi(c->buf + 9);
            if (code / 100 == 2) ok++; else { bad++; if (!first_bad) first_bad = code; }
            if (count < sizeof lat / sizeof *lat) lat[count++] = (now_ns() - c->sent) / 1000;
            c->have = 0; c->busy = 0;
            if (!timed && now_ns() < stop && file < end) send_next(c); else busy--;
        }
    }
    double dt = (now_ns() - t0) / 1e9, cpu = cpu_s(pid) - c0; qsort(lat, count, sizeof *lat, cmp);
    printf("{\"seconds\":%.2f,\"ok\":%zu,\"bad\":%zu,\"first_bad\":%d,\"per_s\":%.0f,\"cpu_us\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n", dt, ok, bad,
        first_bad, ok / dt, ok ? cpu * 1e6 / ok : 0, count ? lat[count / 2] / 1e3 : 0, count ? lat[(size_t)(count * .99)] / 1e3 : 0);
    return 0;
}
