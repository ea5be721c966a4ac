"""How well are a few connections spread over the threads that serve?

    python benches/connections.py --binary target/release/doublecheck

A connection is served by one thread, and the kernel picks which by a hash. This starts the server anew for
each number of connections, several times over, has h2load (Debian: nghttp2-client) send the same payment
again and again, and reads from /proc how much each thread worked. One line for each number of connections:
calls per second, the server's CPU time per call, and the share of the work that the busiest thread had:
100 % is one thread doing it all, 100 % / threads is as even as can be. Where h2load leaves the server no core
to itself, the threads get equal shares of time whatever their shares of connections: then it flatters.

    python benches/connections.py --binary target/release/doublecheck --check 20000

sends that many calls once, and fails unless each is answered: with HTTP status 200 by h2load's count, and with
gRPC status OK by the server's, which h2load does not read.
"""

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import urllib.request

CONNECTIONS = [1, 2, 4, 8, 64]

# Calls under way at once, however many connections they share.
IN_FLIGHT = 64

PATH = "doublecheck.v1.RiskService/ScorePayment"


def field(number, value):
    """A field of a protobuf message: a number below 128, or text or a message as bytes."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def call():
    """A ScorePaymentRequest as gRPC puts it on the wire."""
    payee = field(1, b"13812345678") + field(2, 1)
    money = field(1, 100) + field(2, b"CNY")
    payment = field(1, b"p1") + field(2, b"alice") + field(3, payee) + field(4, money) + field(5, 1)
    message = field(1, payment)
    return b"\0" + len(message).to_bytes(4, "big") + message


class Server:
    """The binary on a free port."""

    def __init__(self, binary, threads):
        command = [binary, "serve", "--grpc-address", "127.0.0.1:0", "--threads", str(threads)]
        command += ["--http-address", "127.0.0.1:0", "--journal-ack", "none"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        ready = next(line for line in self.process.stderr if "ready" in line)
        self.address, self.http_address = re.search(r"ready address=(\S+) http_address=(\S+)", ready).groups()

    def worked_ns(self):
        """How long each thread that serves has been on a core."""
        tasks = f"/proc/{self.process.pid}/task"
        worked = {}
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm") as file:
                name = file.read().strip()
            if name.startswith("grpc-"):
                with open(f"{tasks}/{task}/schedstat") as file:
                    worked[name] = int(file.read().split()[0])
        return worked

    def answered_ok(self):
        """How many payments it has answered with status OK."""
        with urllib.request.urlopen(f"http://{self.http_address}/metrics") as answer:
            page = answer.read().decode()
        return int(re.search(r'grpc_server_handled_total{.*"ScorePayment",grpc_code="OK"} (\d+)', page).group(1))

    def stop(self):
        self.process.terminate()
        assert self.process.wait() == 0, "the server did not stop cleanly"


def h2load(address, connections, bound, body):
    """What h2load says of as many calls, or of as many seconds of them, as `bound` tells it."""
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    streams = max(1, IN_FLIGHT // connections)
    command = ["h2load", *bound, "-c", str(connections), "-m", str(streams), "-t", "1"]
    url = f"http://{address}/{PATH}"
    return subprocess.run(command + headers + ["-d", body, url], capture_output=True, text=True, check=True).stdout


def load(address, connections, seconds, body):
    """How many calls were answered, and how many a second."""
    said = h2load(address, connections, ["-D", str(seconds)], body)
    calls = int(re.search(r"(\d+) succeeded", said).group(1))
    rate = float(re.search(r"([\d.]+) req/s", said).group(1))
    return calls, rate


def check(binary, threads, calls, body):
    """Whether every one of so many calls is answered, told in a line."""
    server = Server(binary, threads)
    said = h2load(server.address, 8, ["-n", str(calls)], body)
    answered = server.answered_ok()
    server.stop()
    lines = [line for line in said.splitlines() if line.startswith(("requests:", "status codes:"))]
    print(*lines, f"answered OK: {answered}", sep="\n")
    in_full = f"{calls} done, {calls} succeeded, 0 failed, 0 errored, 0 timeout"
    assert in_full in lines[0] and f" {calls} 2xx," in lines[1] and answered == calls, "some were not"


def measure(arguments, body):
    print(f"{arguments.threads} threads, {IN_FLIGHT} calls in flight, median (least – most) of {arguments.rounds}")
    measured = {connections: [] for connections in CONNECTIONS}
    # Round by round, so that what else the machine does falls on all of them alike.
    for _ in range(arguments.rounds):
        for connections in CONNECTIONS:
            server = Server(arguments.binary, arguments.threads)
            calls, rate = load(server.address, connections, arguments.seconds, body)
            worked = server.worked_ns()
            server.stop()
            total = sum(worked.values())
            measured[connections].append((rate, total / calls / 1_000, 100 * max(worked.values()) / total))
    for connections, rounds in measured.items():
        told = []
        for values, text in zip(zip(*rounds), ["{:9,.0f} calls/s", "{:5.1f} µs/call", "busiest {:3.0f} %"]):
            spread = f"({min(values):,.1f} – {max(values):,.1f})"
            told.append(f"{text.format(statistics.median(values))} {spread:22}")
        print(f"{connections:3} connections: " + "  ".join(told))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", required=True, help="the doublecheck to start")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="that serve (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="for each number of connections (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="that a round takes (default: %(default)s)")
    parser.add_argument(
        "--check", type=int, metavar="CALLS", help="send so many calls once, and see that each is answered"
    )
    arguments = parser.parse_args()
    with tempfile.NamedTemporaryFile() as body:
        body.write(call())
        body.flush()
        if arguments.check:
            check(arguments.binary, arguments.threads, arguments.check, body.name)
        else:
            measure(arguments, body.name)


if __name__ == "__main__":
    main()
