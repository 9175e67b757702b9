import type { AddressInfo } from 'node:net';

import { parseListen, ValueError } from './config/values.js';
import { KeyError } from './config/config.js';
import { NetworkError } from './errors.js';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';

export interface MetricsServer {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 16;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Serves `/metrics`.
 *
 * @param listen `HOST:PORT` (`*` for any host), or only a port, which is then of loopback; empty: undefined is returned
 * @throws KeyError when `listen` cannot be understood; NetworkError when the port cannot be had
 */
export async function serveMetrics(listen: string, metrics: Metrics, log: Logger): Promise<MetricsServer | undefined> {
  if (listen.trim() === '') return undefined;
  const { host, port } = listenAddress(listen);
  const http = await import('node:http'); // only where there are metrics to serve
  const server = http.createServer((request, response) => {
    if (request.url?.split('?')[0] !== '/metrics' || request.method !== 'GET') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are under /metrics\n');
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
      (error: Error) => {
        log.error('metrics could not be collected', { error });
        response.writeHead(500).end();
      },
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(NetworkError.from(error, `METRICS_LISTEN ${listen}`)));
    server.listen(port, host === '*' ? '0.0.0.0' : host, resolve);
  });
  server.on('error', (error) => log.warn('metrics server', { error }));
  const bound = server.address() as AddressInfo;
  return {
    address: bound.address,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listenAddress(listen: string): { host: string; port: number } {
  try {
    return parseListen(listen);
  } catch (error) {
    if (error instanceof ValueError) throw new KeyError('METRICS_LISTEN', `METRICS_LISTEN: ${error.message}`);
    throw error;
  }
}
