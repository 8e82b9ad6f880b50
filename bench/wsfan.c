// wsfan: opens N websocket connections, then counts what arrives.
// usage: wsfan HOST PORT PATH N SECONDS [SERVER_PID] [HEADER: VALUE] [FIRST MESSAGE]
// MARK in the environment takes the place of "t=".
// PATH may hold %d, which becomes the connection's number. Messages that hold "t=<ns>" (CLOCK_MONOTONIC)
// are timed from publish to arrival. AFTER_CONNECT, a shell command, runs once all are connected (start the publisher there). Prints one JSON line. Server CPU is read from /proc/PID/stat (utime+stime).
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { int fd, open; size_t have; unsigned char *buf; size_t cap; uint64_t frames; } conn;
static conn *conns;
static uint64_t frames, bytes, closed;
static uint32_t *lat; static size_t nlat, caplat = 1 << 24;
static int measuring; static const char *mark = "t="; static size_t nmark = 2;

static uint64_t now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
static double cpu_s(int pid) {
    char p[64], s[2048]; snprintf(p, sizeof p, "/proc/%d/stat", pid);
    FILE *f = fopen(p, "r"); if (!f) return -1; size_t n = fread(s, 1, sizeof s - 1, f); s[n] = 0; fclose(f);
    char *q = strrchr(s, ')'); if (!q) return -1; unsigned long u, k; 
    if (sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k) != 2) return -1;
    return (double)(u + k) / sysconf(_SC_CLK_TCK);
}
static long rss_kb(int pid) {
    char p[64], l[256]; snprintf(p, sizeof p, "/proc/%d/status", pid); FILE *f = fopen(p, "r"); if (!f) return -1;
    long v = -1; while (fgets(l, sizeof l, f)) if (sscanf(l, "VmRSS: %ld", &v) == 1) break; fclose(f); return v;
}
static int cmp(const void *a, const void *b) { uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b; return x < y ? -1 : x > y; }

static void consume(conn *c) {
    for (;;) {
        if (!c->open) {
            unsigned char *e = memmem(c->buf, c->have, "\r\n\r\n", 4);
            if (!e) return;
            if (memcmp(c->buf, "HTTP/1.1 101", 12)) { fprintf(stderr, "refused: %.60s\n", c->buf); exit(3); }
            size_t used = e + 4 - c->buf; memmove(c->buf, c->buf + used, c->have - used); c->have -= used; c->open = 1;
        }
        if (c->have < 2) return;
        uint64_t len = c->buf[1] & 127; size_t h = 2;
        if (len == 126) { if (c->have < 4) return; len = c->buf[2] << 8 | c->buf[3]; h = 4; }
        else if (len == 127) { if (c->have < 10) return; len = 0; for (int i = 0; i < 8; i++) len = len << 8 | c->buf[2 + i]; h = 10; }
        if (h + len > c->cap) { c->cap = h + len + 4096; c->buf = realloc(c->buf, c->cap); }
        if (c->have < h + len) return;
        int op = c->buf[0] & 15;
        if (op == 9) { unsigned char pong[131] = {0x8a, 0x80 | (unsigned char)len, 0, 0, 0, 0}; if (len < 126) { memcpy(pong + 6, c->buf + h, len); (void)!write(c->fd, pong, 6 + len); } }
        else if (op <= 2) {
            c->frames++;
            if (measuring) {
                frames++; bytes += len;
                unsigned char *t = memmem(c->buf + h, len, mark, nmark);
                if (t && nlat < caplat) { uint64_t v = 0; for (t += nmark; *t >= '0' && *t <= '9'; t++) v = v * 10 + (*t - '0'); lat[nlat++] = (uint32_t)((now_ns() - v) / 1000); }
            }
        }
        memmove(c->buf, c->buf + h + len, c->have - h - len); c->have -= h + len;
    }
}

int main(int argc, char **argv) {
    if (argc < 6) { fprintf(stderr, "usage: wsfan HOST PORT PATH N SECONDS [PID] [HEADER]\n"); return 2; }
    if (getenv("MARK")) { mark = getenv("MARK"); nmark = strlen(mark); }
    int n = atoi(argv[4]); double secs = atof(argv[5]); int pid = argc > 6 ? atoi(argv[6]) : 0; const char *hdr = argc > 7 ? argv[7] : "", *first = argc > 8 ? argv[8] : "";
    struct rlimit rl; getrlimit(RLIMIT_NOFILE, &rl); rl.rlim_cur = rl.rlim_max; setrlimit(RLIMIT_NOFILE, &rl);
    conns = calloc(n, sizeof *conns); lat = malloc(caplat * sizeof *lat);
    int ep = epoll_create1(0); long rss0 = pid ? rss_kb(pid) : 0; double c00 = pid ? cpu_s(pid) : 0; uint64_t t00 = now_ns();
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))}; inet_pton(AF_INET, argv[1], &a.sin_addr);
    for (int i = 0; i < n; i++) {
        conn *c = &conns[i]; c->cap = 4096; c->buf = malloc(c->cap); c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (void *)&a, sizeof a)) { perror("connect"); return 3; }
        char path[512], req[2048]; snprintf(path, sizeof path, argv[3], i);
        int l = snprintf(req, sizeof req, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nOrigin: http://%s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s\r\n", path, argv[1], argv[2], argv[1], argv[2], hdr, *hdr ? "\r\n" : "");
        if (write(c->fd, req, l) != l) { perror("write"); return 3; }
        while (!c->open) { ssize_t r = read(c->fd, c->buf + c->have, c->cap - c->have); if (r <= 0) { perror("handshake"); return 3; } c->have += r; consume(c); }
        if (*first) { unsigned char m[131] = {0x81, 0x80 | (unsigned char)strlen(first), 0, 0, 0, 0}; memcpy(m + 6, first, strlen(first)); (void)!write(c->fd, m, 6 + strlen(first)); }
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c}; epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
    }
    if (getenv("AFTER_CONNECT")) (void)!system(getenv("AFTER_CONNECT"));
    double connect_s = (now_ns() - t00) / 1e9, connect_cpu = pid ? cpu_s(pid) - c00 : 0;
    struct epoll_event evs[512]; uint64_t warm = now_ns() + 1000000000ull, end = 0; double c0 = 0; uint64_t t0 = 0;
    for (;;) {
        uint64_t t = now_ns();
        if (!measuring && t >= warm) { measuring = 1; t0 = t; end = t + (uint64_t)(secs * 1e9); c0 = pid ? cpu_s(pid) : 0; }
        if (measuring && t >= end) break;
        int k = epoll_wait(ep, evs, 512, 100);
        for (int i = 0; i < k; i++) {
            conn *c = evs[i].data.ptr;
            if (c->have == c->cap) { c->cap *= 2; c->buf = realloc(c->buf, c->cap); }
            ssize_t r = read(c->fd, c->buf + c->have, c->cap - c->have);
            if (r > 0) { c->have += r; consume(c); }
            else if (r == 0 || (errno != EAGAIN && errno != EINTR)) { closed++; epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, 0); close(c->fd); }
        }
    }
    double dt = (now_ns() - t0) / 1e9, cpu = pid ? cpu_s(pid) - c0 : 0; long rss1 = pid ? rss_kb(pid) : 0;
    qsort(lat, nlat, sizeof *lat, cmp);
    printf("{\"n\":%d,\"seconds\":%.2f,\"frames\":%lu,\"per_s\":%.0f,\"mb_s\":%.1f,\"server_cpu_s\":%.2f,\"cpu_us_per_delivery\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"rss_kb_per_conn\":%.2f,\"rss_mb\":%.1f,\"connect_s\":%.2f,\"connect_cpu_us\":%.0f,\"closed\":%lu}\n",
        n, dt, frames, frames / dt, bytes / dt / 1e6, cpu, frames ? cpu * 1e6 / frames : 0, nlat ? lat[nlat / 2] / 1e3 : 0, nlat ? lat[(size_t)(nlat * .99)] / 1e3 : 0, nlat ? lat[nlat - 1] / 1e3 : 0, n ? (double)(rss1 - rss0) / n : 0, rss1 / 1024.0, connect_s, connect_cpu * 1e6 / n, closed);
    return 0;
}
