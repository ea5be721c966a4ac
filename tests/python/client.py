"""A gateway written in Python against the release binary: what a stranger to this project's code sees.

    python -m grpc_tools.protoc -Iproto --python_out=STUBS --grpc_python_out=STUBS proto/doublecheck/v1/*.proto
    python tests/python/client.py --binary target/release/doublecheck --stubs STUBS

Starts the server on a free port, walks through the contract, stops the server. One line for each step,
and how many passed on the last one. Exits with 1 if one failed.
"""

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from importlib import import_module

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

SERVICE = "doublecheck.v1.RiskService"

# The time of the server cannot be moved, so what is a double press is made shorter than the usual 10 s:
# long enough for two calls in a row on a busy machine, short enough to wait for.
DOUBLE_PRESS_S = 1.0
POLICY = f"[duplicate_in_flight]\nblock_within_ms = {DOUBLE_PRESS_S * 1000:.0f}\n"

# How long the server may take to start, a call to be answered, the server to stop.
START_S, CALL_S, STOP_S = 30, 10, 15

STEPS = []


def step(what):
    """Makes a function a step of the walk, called what it shows."""

    def remember(function):
        STEPS.append((what, function))
        return function

    return remember


class Server:
    """The binary, running on a free port in a folder of its own."""

    def __init__(self, binary, folder):
        policy = os.path.join(folder, "policy.toml")
        with open(policy, "w", encoding="utf-8") as file:
            file.write(POLICY)
        command = [os.path.abspath(binary), "serve", "--grpc-address", "127.0.0.1:0"]
        command += ["--http-address", "127.0.0.1:0", "--policy", policy]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        self.address = None
        self.said = []
        self.knows = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        if not self.knows.wait(START_S) or self.address is None:
            self.process.kill()
            raise SystemExit("the server did not start:\n" + "".join(self.said))

    def _listen(self):
        # To the end, or the server would one day wait for somebody to read.
        for line in self.process.stderr:
            self.said.append(line)
            found = re.search(r"address=(\S+:\d+)", line)
            if found and self.address is None:
                self.address = found.group(1)
                self.knows.set()
        self.knows.set()

    def stop(self):
        """Asks this process, and no other, to stop; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "killed"


class Gateway:
    """Calls the service in the words of this script."""

    def __init__(self, address, channel):
        self.address = address
        self.channel = channel
        self.payments = import_module("doublecheck.v1.payment_pb2")
        self.answers = import_module("doublecheck.v1.assessment_pb2")
        self.calls = import_module("doublecheck.v1.risk_service_pb2")
        self.stub = import_module("doublecheck.v1.risk_service_pb2_grpc").RiskServiceStub(channel)

    def payment(self, account, payment_id, **changes):
        """A top-up of 50.00 CNY."""
        return self.payments.Payment(
            payment_id=payment_id,
            account_id=account,
            payee=self.payments.Payee(id="13800138000", type=self.payments.PAYEE_TYPE_PHONE),
            money=self.payments.Money(amount_minor=changes.pop("amount_minor", 5000), currency_code="CNY"),
            kind=self.payments.PAYMENT_KIND_TOP_UP,
            **changes,
        )

    def request(self, payment, token=""):
        return self.calls.ScorePaymentRequest(payment=payment, confirmation_token=token)

    def score(self, payment, token=""):
        return self.stub.ScorePayment(self.request(payment, token), timeout=CALL_S).assessment

    def report(self, account, payment_id, outcome):
        request = self.outcome(account, payment_id, outcome)
        return self.stub.ReportOutcome(request, timeout=CALL_S).accepted

    def outcome(self, account, payment_id, outcome):
        value = self.payments.Outcome.Value(f"OUTCOME_{outcome}")
        return self.calls.ReportOutcomeRequest(account_id=account, payment_id=payment_id, outcome=value)

    def record(self, account, payment_id):
        request = self.calls.GetPaymentRequest(account_id=account, payment_id=payment_id)
        return self.stub.GetPayment(request, timeout=CALL_S).record

    def list(self, account, **fields):
        request = self.calls.ListPaymentsRequest(account_id=account, **fields)
        return self.stub.ListPayments(request, timeout=CALL_S)

    def decision(self, assessment):
        name = self.answers.Decision.Name(assessment.decision)
        return name.removeprefix("DECISION_")

    def codes(self, assessment):
        names = [self.answers.ReasonCode.Name(reason.code) for reason in assessment.reasons]
        return [name.removeprefix("REASON_CODE_") for name in names]

    def asked(self, account):
        """Pays, and pays the same again a little later: gets asked. The token."""
        expect(self.decision(self.score(self.payment(account, "first"))), "ALLOW")
        wait_out_the_double_press()
        asked = self.score(self.payment(account, "second"))
        expect(self.decision(asked), "CONFIRM")
        return asked.confirmation.token


def wait_out_the_double_press():
    time.sleep(DOUBLE_PRESS_S + 0.05)


def expect(actual, expected):
    assert actual == expected, f"{actual!r}, expected {expected!r}"


def refused(call, code):
    """The error that `call` ends with, which has this code, as a google.rpc.Status."""
    try:
        answer = call()
    except grpc.RpcError as error:
        expect(error.code(), code)
        return rpc_status.from_call(error)
    raise AssertionError(f"answered {answer}")


def detail(status, kind):
    """The one detail of an error, as a message of this kind."""
    (packed,) = status.details
    message = kind()
    assert packed.Unpack(message), f"{packed.type_url}, expected {kind.DESCRIPTOR.full_name}"
    return message


def error_info(status):
    info = detail(status, error_details_pb2.ErrorInfo)
    expect(info.domain, "doublecheck")
    return info


def bad_fields(status):
    return [bad.field for bad in detail(status, error_details_pb2.BadRequest).field_violations]


@step("an ordinary payment is allowed")
def _(gateway):
    assessment = gateway.score(gateway.payment("ordinary", "p1"))
    expect(gateway.decision(assessment), "ALLOW")
    expect(assessment.payment_id, "p1")
    assert assessment.policy_version.startswith("policy"), assessment.policy_version


@step("a double press is blocked, with the reason in English and Chinese")
def _(gateway):
    gateway.score(gateway.payment("pressed", "p1"))
    assessment = gateway.score(gateway.payment("pressed", "p2"))
    expect(gateway.decision(assessment), "BLOCK")
    expect(gateway.codes(assessment)[0], "DUPLICATE_IN_FLIGHT")
    reason = assessment.reasons[0]
    expect(reason.duplicate.earlier_payment_id, "p1")
    assert "50.00 CNY" in reason.message.en and "50.00 CNY" in reason.message.zh, reason.message


@step("a repeat after a time-out is asked about")
def _(gateway):
    gateway.score(gateway.payment("timed out", "p1"))
    expect(gateway.report("timed out", "p1", "UNKNOWN").remembered, True)
    wait_out_the_double_press()
    assessment = gateway.score(gateway.payment("timed out", "p2"))
    expect(gateway.decision(assessment), "CONFIRM")
    expect(gateway.codes(assessment), ["DUPLICATE_IN_FLIGHT"])
    evidence = assessment.reasons[0].duplicate
    expect(evidence.earlier_outcome, gateway.payments.OUTCOME_UNKNOWN)
    assert evidence.elapsed.ToMilliseconds() >= DOUBLE_PRESS_S * 1000, evidence


@step("a retry after a declined payment is allowed")
def _(gateway):
    gateway.score(gateway.payment("declined", "p1"))
    gateway.report("declined", "p1", "DECLINED")
    expect(gateway.decision(gateway.score(gateway.payment("declined", "p2"))), "ALLOW")


@step("an order that was paid is not paid again")
def _(gateway):
    gateway.score(gateway.payment("ordered", "p1", order_id="o1"))
    gateway.report("ordered", "p1", "SUCCEEDED")
    assessment = gateway.score(gateway.payment("ordered", "p2", order_id="o1"))
    expect(gateway.decision(assessment), "BLOCK")
    assert "DUPLICATE_ORDER" in gateway.codes(assessment), assessment


@step("the same payment_id again replays the answer")
def _(gateway):
    first = gateway.score(gateway.payment("replayed", "p1"))
    again = gateway.score(gateway.payment("replayed", "p1", device_id="another phone"))
    expect((first.replayed, again.replayed), (False, True))
    again.replayed = False
    expect(again, first)


@step("the same payment_id with another amount is a conflict that says so")
def _(gateway):
    gateway.score(gateway.payment("conflict", "p1"))
    other = gateway.payment("conflict", "p1", amount_minor=500)
    status = refused(lambda: gateway.score(other), grpc.StatusCode.ALREADY_EXISTS)
    info = error_info(status)
    expect(info.reason, "PAYMENT_ID_CONFLICT")
    expect(info.metadata["fields"], "payment.money.amount_minor")


@step("every bad field is named at once")
def _(gateway):
    bad = gateway.payment("", "p1", amount_minor=0, order_id="\n")
    status = refused(lambda: gateway.score(bad), grpc.StatusCode.INVALID_ARGUMENT)
    expect(bad_fields(status), ["payment.account_id", "payment.money.amount_minor", "payment.order_id"])


@step("the token of a question lets the payment through once")
def _(gateway):
    token = gateway.asked("asked")
    confirmed = gateway.score(gateway.payment("asked", "third"), token)
    expect(gateway.decision(confirmed), "ALLOW")
    expect(gateway.codes(confirmed)[0], "PAYER_CONFIRMED")
    replayed = gateway.score(gateway.payment("asked", "third"), token)
    expect((gateway.decision(replayed), replayed.replayed), ("ALLOW", True))
    again = gateway.payment("asked", "fourth")
    status = refused(lambda: gateway.score(again, token), grpc.StatusCode.FAILED_PRECONDITION)
    expect(error_info(status).reason, "CONFIRMATION_TOKEN_SPENT")


@step("a token is good for no other amount, and a forged one for nothing")
def _(gateway):
    token = gateway.asked("forged")
    other = gateway.payment("forged", "third", amount_minor=50000)
    status = refused(lambda: gateway.score(other, token), grpc.StatusCode.FAILED_PRECONDITION)
    info = error_info(status)
    expect(info.reason, "CONFIRMATION_TOKEN_FOREIGN")
    expect(info.metadata["fields"], "payment.money.amount_minor")
    same = gateway.payment("forged", "third")
    status = refused(lambda: gateway.score(same, "0" * 48), grpc.StatusCode.FAILED_PRECONDITION)
    expect(error_info(status).reason, "CONFIRMATION_TOKEN_WRONG")


@step("a bad item of a batch fails alone")
def _(gateway):
    payments = [gateway.payment("batch", "p1"), gateway.payment("batch", ""), gateway.payment("batch", "p3")]
    request = gateway.calls.BatchScorePaymentsRequest(requests=[gateway.request(p) for p in payments])
    first, bad, third = gateway.stub.BatchScorePayments(request, timeout=CALL_S).results
    expect(gateway.decision(first.assessment), "ALLOW")
    expect(bad.error.code, code_pb2.INVALID_ARGUMENT)
    expect(bad_fields(bad.error), ["payment.payment_id"])
    expect(gateway.decision(third.assessment), "BLOCK")


@step("payments and outcomes of a stream are answered in order")
def _(gateway):
    item = gateway.calls.StreamPaymentsRequest
    items = [
        item(sequence=7, score=gateway.request(gateway.payment("stream", "p1"))),
        item(sequence=5, outcome=gateway.outcome("stream", "p1", "DECLINED")),
        item(sequence=5),
        item(sequence=9, score=gateway.request(gateway.payment("stream", "p2"))),
    ]
    answers = list(gateway.stub.StreamPayments(iter(items), timeout=CALL_S))
    expect([answer.sequence for answer in answers], [7, 5, 5, 9])
    kinds = [answer.WhichOneof("answer") for answer in answers]
    expect(kinds, ["assessment", "outcome_accepted", "error", "assessment"])
    expect(bad_fields(answers[2].error), ["item"])
    expect(gateway.decision(answers[3].assessment), "ALLOW")


@step("the evidence tells what was asked, answered and reported")
def _(gateway):
    paid = gateway.payment("evidence", "p1", order_id="o1", device_id="d1", session_id="s1")
    answered = gateway.score(paid)
    gateway.score(gateway.payment("evidence", "p2"))
    gateway.report("evidence", "p1", "SUCCEEDED")
    record = gateway.record("evidence", "p1")
    expect((record.payment, record.assessment), (paid, answered))
    expect(record.outcome, gateway.payments.OUTCOME_SUCCEEDED)
    assert abs(record.score_time.ToSeconds() - time.time()) < 60, record.score_time
    expect(gateway.record("evidence", "p2").held_against, "p1")
    status = refused(lambda: gateway.record("evidence", "p3"), grpc.StatusCode.NOT_FOUND)
    expect(error_info(status).reason, "PAYMENT_UNKNOWN")


@step("a list is read page by page, newest first")
def _(gateway):
    for nth in range(5):
        gateway.score(gateway.payment("list", f"p{nth}"))
    seen, token = [], ""
    while True:
        page = gateway.list("list", page_size=2, page_token=token)
        seen.append([record.payment.payment_id for record in page.records])
        token = page.next_page_token
        if not token:
            break
    expect(seen, [["p4", "p3"], ["p2", "p1"], ["p0"]])
    duplicates = gateway.list("list", duplicates_only=True)
    expect(len(duplicates.records), 4)
    token = gateway.list("list", page_size=1).next_page_token
    status = refused(lambda: gateway.list("another", page_token=token), grpc.StatusCode.INVALID_ARGUMENT)
    expect(bad_fields(status), ["page_token"])


@step("the server and the service are well")
def _(gateway):
    health = health_pb2_grpc.HealthStub(gateway.channel)
    for name in ["", SERVICE]:
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=CALL_S)
        expect(answer.status, health_pb2.HealthCheckResponse.SERVING)


@step("reflection v1alpha describes the service")
def _(gateway):
    database = ProtoReflectionDescriptorDatabase(gateway.channel)
    assert SERVICE in database.get_services(), database.get_services()
    service = DescriptorPool(database).FindServiceByName(SERVICE)
    expect(service.methods_by_name["ScorePayment"].input_type.full_name, "doublecheck.v1.ScorePaymentRequest")


@step("reflection v1 lists the services")
def _(gateway):
    # grpcio-reflection has no v1 yet; its messages are those of v1alpha under another name.
    ask = gateway.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = ask(iter([question]), timeout=CALL_S)
    services = {service.name for service in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= services, services


@step("the examples of the README print what it says")
def _(gateway):
    readme = os.path.join(os.path.dirname(__file__), "../../README.md")
    with open(readme, encoding="utf-8") as file:
        section = file.read().split("\n### From Python\n")[1].split("\n### ")[0]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    code = "".join(text for language, text in blocks if language == "python")
    # Nothing but where the server is, and how long a busy machine may take.
    code = code.replace("127.0.0.1:50051", gateway.address).replace("timeout=0.05", f"timeout={CALL_S}")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    told = "".join(text for language, text in blocks if not language)
    elapsed = re.compile(r"(less than a|\d+) seconds? ago")
    expect(elapsed.sub("", printed.getvalue()), elapsed.sub("", told))


def walk(server):
    """Takes every step; how many passed and how many failed."""
    passed = failed = 0
    with grpc.insecure_channel(server.address) as channel:
        gateway = Gateway(server.address, channel)
        for what, function in STEPS:
            try:
                function(gateway)
            except Exception:
                failed += 1
                print(f"FAILED  {what}\n{traceback.format_exc()}")
            else:
                passed += 1
                print(f"ok  {what}", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="the doublecheck program")
    parser.add_argument("--stubs", required=True, help="the folder with what protoc made of proto/")
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.stubs)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(arguments.binary, folder)
        try:
            passed, failed = walk(server)
        finally:
            ended = server.stop()
    if ended == 0:
        passed += 1
        print("ok  the server stops when it is told to")
    else:
        failed += 1
        print(f"FAILED  the server ended with {ended}:\n{''.join(server.said)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
