"""Publishes timed messages, each an order's fragment: publish.py REDIS_PORT CHANNEL RATE SECONDS SIZE."""

import socket
import sys
import time


def body(number: int, size: int) -> bytes:
    start = b'<div id="order-%d" hx-swap-oob="true">t=%d ' % (number % 200, time.monotonic_ns())
    return start.ljust(size - 6, b"x") + b"</div>"


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def main(port: int, channel: bytes, rate: float, seconds: float, size: int) -> None:
    redis = socket.create_connection(("127.0.0.1", port))
    redis.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start, number = time.monotonic(), 0
    while (now := time.monotonic()) - start < seconds:
        due = start + number / rate
        if due > now:
            time.sleep(due - now)
        redis.sendall(command(b"PUBLISH", channel, body(number, size)))
        redis.recv(65536)
        number += 1


if __name__ == "__main__":
    _, port, channel, rate, seconds, size = sys.argv
    main(int(port), channel.encode(), float(rate), float(seconds), int(size))
