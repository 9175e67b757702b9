import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Asks on the terminal, without showing what is typed. */
export function askPassword(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: process.stdin.isTTY });
  return new Promise((resolve, reject) => {
    let answered = false;
    terminal.once('line', (line) => {
      answered = true;
      process.stderr.write('\n');
      terminal.close();
      resolve(line);
    });
    terminal.once('close', () => answered || reject(new Error('no password was given')));
  });
}
