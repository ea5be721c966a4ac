'use strict';

// Calls the service in the words of the test.

const assert = require('node:assert');
const path = require('node:path');
const { finished } = require('node:stream/promises');
const grpc = require('@grpc/grpc-js');
const health = require('grpc-health-check');
const { loadSync } = require('@grpc/proto-loader');

const CALL_MS = 10_000;

const loaded = loadSync(['doublecheck/v1/risk_service.proto', 'google/rpc/error_details.proto'], {
  includeDirs: [path.join(__dirname, '../../proto')],
  keepCase: true,
  enums: String,
  longs: Number,
  defaults: true,
  oneofs: true,
});
const RiskService = grpc.makeGenericClientConstructor(loaded['doublecheck.v1.RiskService'], 'RiskService');
const Health = grpc.makeGenericClientConstructor(health.service, 'Health');

// What grpc-js does by itself about calls that were refused, as a service config says.
const RETRIES = {
  methodConfig: [
    {
      name: [{ service: 'doublecheck.v1.RiskService' }],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: '0.05s',
        maxBackoff: '1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'],
      },
    },
  ],
};

class Gateway {
  // One that calls `target`, with grpc-js's options for channels, and what its calls carry.
  constructor(target, { credentials = grpc.credentials.createInsecure(), options = {}, headers = {} } = {}) {
    this.risk = new RiskService(target, credentials, options);
    this.health = new Health(target, credentials, options);
    this.headers = headers;
  }

  close() {
    this.risk.close();
    this.health.close();
  }

  payment(account, id, changes = {}) {
    return {
      payment_id: id,
      account_id: account,
      payee: { id: '13800138000', type: 'PAYEE_TYPE_PHONE' },
      money: { amount_minor: 5000, currency_code: 'CNY' },
      kind: 'PAYMENT_KIND_TOP_UP',
      ...changes,
    };
  }

  // What a call carries beside its message.
  metadata() {
    const metadata = new grpc.Metadata();
    Object.entries(this.headers).forEach(([name, value]) => metadata.set(name, value));
    return metadata;
  }

  // Makes a unary call of a client: its answer.
  call(client, method, request, milliseconds = CALL_MS) {
    const options = { deadline: Date.now() + milliseconds };
    return new Promise((resolve, reject) => {
      client[method](request, this.metadata(), options, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  async score(payment, confirmation_token = '') {
    const answer = await this.call(this.risk, 'ScorePayment', { payment, confirmation_token });
    return answer.assessment;
  }

  async batch(payments) {
    const requests = payments.map((payment) => ({ payment }));
    return (await this.call(this.risk, 'BatchScorePayments', { requests })).results;
  }

  async report(account_id, payment_id, outcome) {
    await this.call(this.risk, 'ReportOutcome', { account_id, payment_id, outcome: `OUTCOME_${outcome}` });
  }

  // A stream that is over after so long, whatever comes of it.
  stream(milliseconds = CALL_MS) {
    return this.risk.StreamPayments(this.metadata(), { deadline: Date.now() + milliseconds });
  }

  // All answers to a stream of these items.
  async streamed(items) {
    const stream = this.stream();
    const answers = [];
    stream.on('data', (answer) => answers.push(answer));
    items.forEach((item) => stream.write(item));
    stream.end();
    await finished(stream);
    return answers;
  }

  check(service) {
    return this.call(this.health, 'Check', { service });
  }
}

// The error that a call ends with, which has this code.
async function refused(call, code) {
  const answer = await call.catch((error) => error);
  assert(answer instanceof Error, JSON.stringify(answer));
  assert.strictEqual(grpc.status[answer.code], code, answer.message);
  return answer;
}

// What an error says by these types of google.rpc, by type.
function details(packed) {
  const unpack = ({ type_url, value }) => {
    const name = type_url.split('/').at(-1);
    return [name.split('.').at(-1), loaded[name].deserialize(value)];
  };
  return Object.fromEntries(packed.map(unpack));
}

// The same of an error of grpc-js, which has them as bytes.
function detailsOf(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const status = loaded['google.rpc.Status'].deserialize(bytes);
  assert.strictEqual(status.code, error.code);
  return details(status.details);
}

module.exports = { Gateway, RETRIES, details, detailsOf, refused };
