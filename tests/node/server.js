'use strict';

// The binary, running on free ports in a folder of its own.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');

// How long the server may take to start, and to stop.
const START_MS = 30_000;
const STOP_MS = 15_000;

class Server {
  // Starts it with these files in its folder and these arguments; ready once this is settled.
  static async start(binary, { files = {}, more = [] } = {}) {
    const server = new Server();
    server.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'doublecheck-node-'));
    for (const [name, text] of Object.entries(files)) {
      fs.writeFileSync(path.join(server.folder, name), text);
    }
    const anywhere = ['--grpc-address', '127.0.0.1:0', '--http-address', '127.0.0.1:0'];
    const options = { cwd: server.folder, stdio: ['ignore', 'ignore', 'pipe'] };
    server.process = spawn(path.resolve(binary), ['serve', ...anywhere, ...more], options);
    server.ended = once(server.process, 'exit');
    server.said = [];
    await server.ready();
    return server;
  }

  ready() {
    // To the end, or the server would one day wait for somebody to read.
    const lines = readline.createInterface({ input: this.process.stderr });
    return new Promise((resolve, reject) => {
      const fail = () => {
        this.process.kill('SIGKILL');
        reject(new Error(`the server did not start:\n${this.said.join('\n')}`));
      };
      const late = setTimeout(fail, START_MS);
      lines.on('line', (line) => {
        this.said.push(line);
        const found = line.match(/ready address=(\S+) http_address=(\S+)/);
        if (found) {
          [, this.address, this.httpAddress] = found;
          clearTimeout(late);
          resolve();
        }
      });
      lines.on('close', fail);
    });
  }

  // The number of a metric, by its name and labels.
  async metric(name) {
    const page = await (await fetch(`http://${this.httpAddress}/metrics`)).text();
    const line = page.split('\n').find((line) => line.startsWith(`${name} `));
    assert(line, `${name} in ${page}`);
    return Number(line.split(' ').at(-1));
  }

  // Asks this process, and no other, to stop, and waits until it has. Again is fine.
  async stop() {
    this.process.kill('SIGTERM');
    const late = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS);
    const [code] = await this.ended;
    clearTimeout(late);
    fs.rmSync(this.folder, { recursive: true, force: true });
    assert.strictEqual(code, 0, this.said.join('\n'));
  }
}

// A certificate for localhost that its holder vouches for, and its key, in PEM.
function certificate() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'doublecheck-node-'));
  const [key, shown] = ['key.pem', 'certificate.pem'].map((name) => path.join(folder, name));
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...name, '-keyout', key, '-out', shown], { stdio: 'pipe' });
  const pair = [shown, key].map((file) => fs.readFileSync(file, 'utf8'));
  fs.rmSync(folder, { recursive: true });
  return pair;
}

// A token for a gateway, and the entry that lets it in.
function token(binary) {
  const made = execFileSync(path.resolve(binary), ['token', 'gateway'], { encoding: 'utf8' });
  const at = made.indexOf('\n\n');
  return [made.slice(0, at), made.slice(at + 2)];
}

module.exports = { Server, certificate, token };
