"""Publishes timed messages: publish.py REDIS_PORT CHANNEL RATE SECONDS [SIZE] — or http://host:port/path as CHANNEL to POST there."""

import socket
import sys
import time

port, channel, rate, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
size = int(sys.argv[5]) if len(sys.argv) > 5 else 1000
http = channel.startswith("http")
if http:
    hostport, path = channel[7:].split("/", 1)
    host, port = hostport.split(":")[0], int(hostport.split(":")[1])
else:
    host = "127.0.0.1"
s = socket.create_connection((host, port))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
start = time.monotonic()
i = 0
while (t := time.monotonic()) - start < seconds:
    due = start + i / rate
    if due > t:
        time.sleep(due - t)
    body = (b'<div id="order-%d" hx-swap-oob="true">t=%d ' % (i % 200, time.monotonic_ns())).ljust(
        size - 6, b"x"
    ) + b"</div>"
    if http:
        s.sendall(b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body)
    else:
        s.sendall(
            b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(channel), channel.encode(), len(body), body)
        )
    s.recv(65536)
    i += 1
