// How soon does a running server answer, by k6's clock? An open loop: payments are due at a constant rate,
// whatever the answers do, and one that finds no virtual user free is counted as dropped.
//
//     doublecheck serve
//     k6 run benches/k6.js
//     k6 run -e ADDRESS=127.0.0.1:50051 -e RATE=5000 -e DURATION=1m -e P99_MS=20 benches/k6.js
//
// Exits with 99 if a call failed, one was dropped, or the 99th percentile is over P99_MS. Each virtual user has
// a connection of its own. `-e TOKEN=…` goes with each call, and with `-e CA=FILE` they go over TLS.

import grpc from 'k6/net/grpc';
import exec from 'k6/execution';
import { check } from 'k6';

const {
  ADDRESS = '127.0.0.1:50051', RATE = '1000', DURATION = '30s', P99_MS = '20', ACCOUNTS = '100000', TOKEN, CA,
} = __ENV;

export const options = {
  scenarios: {
    payments: {
      executor: 'constant-arrival-rate',
      rate: Number(RATE),
      timeUnit: '1s',
      duration: DURATION,
      preAllocatedVUs: 64,
      maxVUs: 512,
    },
  },
  thresholds: {
    checks: ['rate==1'],
    dropped_iterations: ['count==0'],
    grpc_req_duration: [`p(99)<${P99_MS}`],
  },
};

const client = new grpc.Client();
client.load(['../proto'], 'doublecheck/v1/risk_service.proto');
const tls = CA ? { tls: { cacerts: open(CA) } } : { plaintext: true };
const params = { timeout: '1s', metadata: TOKEN ? { authorization: `Bearer ${TOKEN}` } : {} };

// Payments of an earlier run are others.
export const setup = () => ({ run: Date.now() });

function payment(run, nth) {
  return {
    payment_id: `k6-${run}-${nth}`,
    account_id: `k6-${nth % Number(ACCOUNTS)}`,
    payee: { id: '13800138000', type: 'PAYEE_TYPE_PHONE' },
    money: { amount_minor: 100 + (nth % 9973), currency_code: 'CNY' },
    kind: 'PAYMENT_KIND_TOP_UP',
  };
}

let connected = false;

export default function score({ run }) {
  if (!connected) {
    client.connect(ADDRESS, tls);
    connected = true;
  }
  const request = { payment: payment(run, exec.scenario.iterationInTest) };
  const answer = client.invoke('doublecheck.v1.RiskService/ScorePayment', request, params);
  check(answer, {
    'is answered': ({ status }) => status === grpc.StatusOK,
    'is decided': ({ message }) => /^DECISION_(ALLOW|CONFIRM|BLOCK)$/.test(message?.assessment?.decision),
  });
}
