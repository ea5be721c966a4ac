'use strict';

// A gateway written for Node.js against the release binary, over @grpc/grpc-js.
//
//     npm install --prefix DIR @grpc/grpc-js @grpc/proto-loader grpc-health-check
//     NODE_PATH=DIR/node_modules node tests/node/client.js target/release/doublecheck
//
// Starts servers on free ports (openssl makes their certificate), walks through what a client needs, stops
// them. One line for each step, and how many passed on the last one. Exits with 1 if one failed.

const assert = require('node:assert');
const { once } = require('node:events');
const { setTimeout: pause } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const { Gateway, RETRIES, details, detailsOf, refused } = require('./gateway');
const { Server, certificate, token } = require('./server');

const SERVICE = 'doublecheck.v1.RiskService';

// What metrics of its calls are labelled with.
const SCORES = `grpc_type="unary",grpc_service="${SERVICE}",grpc_method="ScorePayment"`;

// The time of the server cannot be moved, so what is a double press is made shorter than the usual 10 s:
// long enough for two calls in a row on a busy machine, short enough to wait for.
const DOUBLE_PRESS_MS = 1000;
const POLICY = `[duplicate_in_flight]\nblock_within_ms = ${DOUBLE_PRESS_MS}\n`;

// How often what a machine may be too quick or too slow for is tried.
const TRIES = 50;

const steps = [];
const step = (what, run) => steps.push([what, run]);
const same = assert.deepStrictEqual;

const decision = (assessment) => assessment.decision.replace('DECISION_', '');
const codes = (assessment) => assessment.reasons.map((reason) => reason.code.replace('REASON_CODE_', ''));
const fields = (found) => found.BadRequest.field_violations.map((bad) => bad.field);

// Runs `work` with a server and a gateway of its own.
async function withServer(binary, start, work) {
  const server = await Server.start(binary, start);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

step('a payment is scored, and a double press of it blocked', async ({ gateway }) => {
  const first = await gateway.score(gateway.payment('pressed', 'p1'));
  same([decision(first), first.payment_id, first.replayed], ['ALLOW', 'p1', false]);
  const second = await gateway.score(gateway.payment('pressed', 'p2'));
  same([decision(second), codes(second)[0]], ['BLOCK', 'DUPLICATE_IN_FLIGHT']);
  assert(second.reasons[0].message.zh.includes('50.00 CNY'), second.reasons[0].message.zh);
});

step('a retry of a payment gets the same answer, as replayed', async ({ gateway }) => {
  const first = await gateway.score(gateway.payment('replayed', 'p1'));
  const again = await gateway.score(gateway.payment('replayed', 'p1'));
  same(again, { ...first, replayed: true });
});

step('the token of a question, sent back, lets the payment through', async ({ gateway }) => {
  await gateway.score(gateway.payment('asked', 'p1'));
  await gateway.report('asked', 'p1', 'SUCCEEDED');
  await pause(DOUBLE_PRESS_MS + 50);
  const asked = await gateway.score(gateway.payment('asked', 'p2'));
  same(decision(asked), 'CONFIRM');
  const confirmed = await gateway.score(gateway.payment('asked', 'p2'), asked.confirmation.token);
  same([decision(confirmed), codes(confirmed)[0]], ['ALLOW', 'PAYER_CONFIRMED']);
  const spent = gateway.score(gateway.payment('asked', 'p3'), asked.confirmation.token);
  const { ErrorInfo } = detailsOf(await refused(spent, 'FAILED_PRECONDITION'));
  same([ErrorInfo.domain, ErrorInfo.reason], ['doublecheck', 'CONFIRMATION_TOKEN_SPENT']);
});

step('every bad field is named, in google.rpc.BadRequest', async ({ gateway }) => {
  const bad = gateway.payment('', 'p1', { money: { amount_minor: 0, currency_code: 'CNY' } });
  const error = await refused(gateway.score(bad), 'INVALID_ARGUMENT');
  same(fields(detailsOf(error)), ['payment.account_id', 'payment.money.amount_minor']);
});

step('a batch is answered in order, and its bad item fails alone', async ({ gateway }) => {
  const ids = ['p1', '', 'p3'];
  const [first, bad, third] = await gateway.batch(ids.map((id) => gateway.payment('batch', id)));
  same([decision(first.assessment), decision(third.assessment)], ['ALLOW', 'BLOCK']);
  same([bad.answer, bad.error.code], ['error', grpc.status.INVALID_ARGUMENT]);
  same(fields(details(bad.error.details)), ['payment.payment_id']);
});

step('a stream of payments and outcomes is answered in order', async ({ gateway }) => {
  const declined = { account_id: 'stream', payment_id: 'p1', outcome: 'OUTCOME_DECLINED' };
  const answers = await gateway.streamed([
    { sequence: 7, score: { payment: gateway.payment('stream', 'p1') } },
    { sequence: 5, outcome: declined },
    { sequence: 5 },
    { sequence: 9, score: { payment: gateway.payment('stream', 'p2') } },
  ]);
  same(answers.map(({ sequence }) => sequence), [7, 5, 5, 9]);
  same(answers.map(({ answer }) => answer), ['assessment', 'outcome_accepted', 'error', 'assessment']);
  same(decision(answers[3].assessment), 'ALLOW');
});

step('a call ends at its deadline, and its connection goes on', async ({ gateway }) => {
  const stream = gateway.stream(300);
  const ended = once(stream, 'error');
  const answered = once(stream, 'data');
  stream.write({ score: { payment: gateway.payment('late', 'p1') } });
  same(decision((await answered)[0].assessment), 'ALLOW');
  const [error] = await ended;
  same(grpc.status[error.code], 'DEADLINE_EXCEEDED');
  const over = gateway.call(gateway.risk, 'ScorePayment', { payment: gateway.payment('late', 'p2') }, -1);
  await refused(over, 'DEADLINE_EXCEEDED');
  same((await gateway.score(gateway.payment('late', 'p1'))).replayed, true);
});

step('the server and the service are well', async ({ gateway }) => {
  for (const name of ['', SERVICE]) {
    same((await gateway.check(name)).status, 'SERVING');
  }
  await refused(gateway.check('another'), 'NOT_FOUND');
});

// How many pings a client sent over its one connection, by grpc-js's own count.
async function pings(client) {
  const ask = (method, request) =>
    new Promise((resolve) => {
      grpc.getChannelzHandlers()[method]({ request }, (_, answer) => resolve(answer));
    });
  const { id } = client.getChannel().getChannelzRef();
  const { channel } = await ask('GetChannel', { channel_id: id });
  same(channel.subchannel_ref.length, 1);
  const { subchannel } = await ask('GetSubchannel', channel.subchannel_ref[0]);
  same(subchannel.socket_ref.length, 1);
  const { socket } = await ask('GetSocket', subchannel.socket_ref[0]);
  return { pings: Number(socket.data.keep_alives_sent), socket: socket.ref.socket_id };
}

step('keepalive pings are answered, and cost a client no connection', async ({ server }) => {
  // What a client that pings every 30 s, as is usual, sends in the better part of an hour.
  const keepalive = { 'grpc.keepalive_time_ms': 10, 'grpc.keepalive_permit_without_calls': 1 };
  const gateway = new Gateway(server.address, { options: { ...keepalive, 'grpc.keepalive_timeout_ms': 5000 } });
  await gateway.score(gateway.payment('pinging', 'p1'));
  const before = await pings(gateway.risk);
  let after = before;
  while (after.pings < before.pings + 100) {
    await pause(10);
    after = await pings(gateway.risk);
  }
  same(after.socket, before.socket);
  same((await gateway.score(gateway.payment('pinging', 'p1'))).replayed, true);
  same((await pings(gateway.risk)).socket, before.socket);
  gateway.close();
});

step('over TLS, a call gets in with its token and with nothing else', async ({ binary }) => {
  const [shown, key] = certificate();
  const [bearer, entry] = token(binary);
  const files = { 'server.pem': shown, 'server.key': key, 'tokens.toml': entry };
  const flags = ['--tls-certificate', 'server.pem', '--tls-key', 'server.key', '--auth-tokens', 'tokens.toml'];
  await withServer(binary, { files, more: flags }, async (server) => {
    const target = `localhost:${server.address.split(':').at(-1)}`;
    const credentials = grpc.credentials.createSsl(Buffer.from(shown));
    const known = new Gateway(target, { credentials, headers: { authorization: `Bearer ${bearer}` } });
    same(decision(await known.score(known.payment('known', 'p1'))), 'ALLOW');
    const unknown = new Gateway(target, { credentials });
    const error = await refused(unknown.score(unknown.payment('unknown', 'p1')), 'UNAUTHENTICATED');
    same(detailsOf(error).ErrorInfo.reason, 'CREDENTIALS_MISSING');
    same((await unknown.check('')).status, 'SERVING');
    const plain = new Gateway(target);
    await refused(plain.score(plain.payment('plain', 'p1')), 'UNAVAILABLE');
    [known, unknown, plain].forEach((gateway) => gateway.close());
  });
});

step('a busy service says when to come again, and grpc-js does', async ({ binary }) => {
  // Calls of one burst come together: while one waits for the disk, there is no place for another.
  const tight = ['--threads', '1', '--admission-in-flight', '1', '--journal-ack', 'synced'];
  await withServer(binary, { more: tight }, async (server) => {
    const burst = (gateway, account) =>
      Promise.allSettled([1, 2, 3].map((nth) => gateway.score(gateway.payment(`${account}-${nth}`, 'p1'))));
    const hasty = new Gateway(server.address, { options: { 'grpc.enable_retries': 0 } });
    let error;
    for (let nth = 0; !error && nth < TRIES; nth += 1) {
      error = (await burst(hasty, `hasty-${nth}`)).find(({ reason }) => reason)?.reason;
    }
    same(grpc.status[error?.code], 'RESOURCE_EXHAUSTED');
    same(error.metadata.get('grpc-retry-pushback-ms'), ['100']);
    same(detailsOf(error).RetryInfo.retry_delay, { seconds: 0, nanos: 100_000_000 });

    const refusals = () => server.metric(`grpc_server_handled_total{${SCORES},grpc_code="ResourceExhausted"}`);
    const patient = new Gateway(server.address, { options: { 'grpc.service_config': JSON.stringify(RETRIES) } });
    const before = await refusals();
    for (let nth = 0; (await refusals()) === before && nth < TRIES; nth += 1) {
      const answers = await burst(patient, `patient-${nth}`);
      same(answers.map(({ value }) => value && decision(value)), ['ALLOW', 'ALLOW', 'ALLOW']);
    }
    assert((await refusals()) > before, 'nothing was refused');
    [hasty, patient].forEach((gateway) => gateway.close());
  });
});

// Keeps so many calls of a gateway under way while `work` is done, which is given a function that waits until
// so many more are answered. How many were answered, and the errors of those that were not.
async function calling(gateway, lanes, work) {
  const called = { answered: 0, failed: [] };
  let over = false;
  const lane = async (nth) => {
    for (let id = 0; !over; id += 1) {
      const scored = gateway.score(gateway.payment(`drain-${nth}-${id}`, 'p1'));
      await scored.then(() => (called.answered += 1), (error) => called.failed.push(error));
    }
  };
  const more = async (enough) => {
    const until = called.answered + enough;
    while (called.answered < until && called.failed.length === 0) {
      await pause(1);
    }
  };
  const running = Promise.all(Array.from({ length: lanes }, (_, nth) => lane(nth)));
  try {
    await work(more);
  } finally {
    over = true;
    await running;
  }
  return called;
}

step('a server that drains costs a client with a second one no call', async ({ binary }) => {
  const balanced = JSON.stringify({ ...RETRIES, loadBalancingConfig: [{ round_robin: {} }] });
  await withServer(binary, {}, (leaving) =>
    withServer(binary, {}, async (staying) => {
      const both = `ipv4:${leaving.address},${staying.address}`;
      const gateway = new Gateway(both, { options: { 'grpc.service_config': balanced } });
      const { answered, failed } = await calling(gateway, 16, async (more) => {
        await more(500);
        for (const server of [leaving, staying]) {
          assert((await server.metric(`grpc_server_started_total{${SCORES}}`)) > 0, 'both are called');
        }
        await leaving.stop();
        await more(500);
      });
      same(failed.map(String), []);
      assert(answered >= 1000, `${answered} were answered`);
      gateway.close();
    }),
  );
});

// Takes every step; how many passed and how many failed.
async function walk(context) {
  let [passed, failed] = [0, 0];
  for (const [what, run] of steps) {
    try {
      await run(context);
      passed += 1;
      console.log(`ok  ${what}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${what}\n${error.stack}`);
    }
  }
  return { passed, failed };
}

async function main() {
  const [binary] = process.argv.slice(2);
  assert(binary, 'usage: client.js BINARY');
  const server = await Server.start(binary, { files: { 'policy.toml': POLICY }, more: ['--policy', 'policy.toml'] });
  const gateway = new Gateway(server.address);
  steps.push(['the server stops when it is told to', async () => { gateway.close(); await server.stop(); }]);
  const { passed, failed } = await walk({ binary, server, gateway });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

main();
