/** Questions and orders to a running agent: one line of text to a Unix socket in its folder, one JSON document back. */
import { chmodSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

const MAX_REQUEST_BYTES = 256;
const IDLE_MS = 10_000;

export type ControlAnswer =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: string };

export function controlSocketPath(stateDir: string): string {
  return join(stateDir, 'mfsha.sock');
}

/** Listens; `answer` is called with each word received. Only the owner of the folder may connect. */
export async function listenControl(path: string, answer: (word: string) => Promise<unknown>): Promise<Server> {
  try {
    unlinkSync(path); // of an agent that was killed; the lock file says that none runs
  } catch {
    // there was none
  }
  const server = createServer((socket) => serve(socket, answer));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return server;
}

function serve(socket: Socket, answer: (word: string) => Promise<unknown>): void {
  let text = '';
  let answered = false;
  socket.setTimeout(IDLE_MS, () => answered || socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    if (answered) return;
    text += chunk.toString('utf8');
    const end = text.indexOf('\n');
    if (end < 0) {
      if (text.length > MAX_REQUEST_BYTES) socket.destroy();
      return;
    }
    answered = true;
    void answer(text.slice(0, end)).then(
      (value) => reply(socket, { ok: true, value }),
      (error: Error) => reply(socket, { ok: false, error: error.message }),
    );
  });
}

function reply(socket: Socket, answer: ControlAnswer): void {
  socket.end(`${JSON.stringify(answer)}\n`);
}

/** Sends a word to the agent of a folder. Rejects when none runs there or it refuses. */
export function askAgent(stateDir: string, word: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(controlSocketPath(stateDir));
    let text = '';
    socket.on('error', (error) => reject(new Error(`no agent answers in ${stateDir}: ${error.message}`)));
    socket.on('connect', () => socket.write(`${word}\n`));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    socket.on('end', () => {
      try {
        const answer = JSON.parse(text) as ControlAnswer;
        if (answer.ok) resolve(answer.value);
        else reject(new Error(answer.error));
      } catch {
        reject(new Error(`the agent in ${stateDir} ended before it answered`));
      }
    });
  });
}
