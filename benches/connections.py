"""How well are a few connections spread over the threads that serve?

    python benches/connections.py --binary target/release/doublecheck

A connection is served by one thread, and the kernel picks which by a hash. This starts the server anew for
each number of connections, several times over, has h2load (Debian: nghttp2-client) send the same payment
again and again, and reads from /proc how much each thread worked. One line for each number of connections:
calls per second, the server's CPU time per call, and the share of the work that the busiest thread had:
100 % is one thread doing it all, 100 % / threads is as even as can be. Where h2load leaves the server no core
to itself, the threads get equal shares of time whatever their shares of connections: then it flatters.
"""

import argparse
import os
import re
import statistics
import subprocess
import tempfile

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
        self.address = re.search(r"address=(\S+:\d+)", ready).group(1)

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

    def stop(self):
        self.process.terminate()
        assert self.process.wait() == 0, "the server did not stop cleanly"


def load(address, connections, seconds, body):
    """How many calls were answered, and how many a second."""
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    streams = max(1, IN_FLIGHT // connections)
    command = ["h2load", "-D", str(seconds), "-c", str(connections), "-m", str(streams), "-t", "1"]
    ran = subprocess.run(
        command + headers + ["-d", body, f"http://{address}/{PATH}"], capture_output=True, text=True, check=True
    )
    calls = int(re.search(r"(\d+) succeeded", ran.stdout).group(1))
    rate = float(re.search(r"([\d.]+) req/s", ran.stdout).group(1))
    return calls, rate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    arguments = parser.parse_args()

    print(f"{arguments.threads} threads, {IN_FLIGHT} calls in flight, median (least – most) of {arguments.rounds}")
    measured = {connections: [] for connections in CONNECTIONS}
    with tempfile.NamedTemporaryFile() as body:
        body.write(call())
        body.flush()
        # Round by round, so that what else the machine does falls on all of them alike.
        for _ in range(arguments.rounds):
            for connections in CONNECTIONS:
                server = Server(arguments.binary, arguments.threads)
                calls, rate = load(server.address, connections, arguments.seconds, body.name)
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


if __name__ == "__main__":
    main()
