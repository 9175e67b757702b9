import { memoryLogger, Metrics, serveMetrics } from '../src/index.js';

describe('metrics', () => {
  it('are kept apart by role and served as text', async () => {
    const metrics = new Metrics();
    const other = new Metrics();
    other.counter('reads_total', 'Reads.').add(100);
    const reads = metrics.counter('reads_total', 'Reads.', ['disk']);
    reads.add(1, { disk: 'a' });
    reads.add(2, { disk: 'a' });
    let chunks = 1;
    metrics.gauge('chunks', 'Chunks.', [], (gauge) => gauge.set(chunks));
    metrics.histogram('latency_seconds', 'Latency.', [0.1, 1]).observe(0.5);
    chunks = 42;
    const log = memoryLogger();
    const server = await serveMetrics('127.0.0.1:0', metrics, log);
    const at = (path: string, init?: RequestInit): Promise<Response> =>
      fetch(`http://127.0.0.1:${server?.port}${path}`, init);
    const response = await at('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('wapiti_reads_total{disk="a"} 3');
    expect(text).toContain('wapiti_chunks 42');
    expect(text).toContain('wapiti_latency_seconds_bucket{le="1"} 1');
    expect((await at('/')).status).toBe(404);
    expect((await at('/metrics', { method: 'POST' })).status).toBe(404);
    await server?.close();
    await expect(at('/metrics')).rejects.toThrow();
  });

  it('are off without an address, on loopback for a port alone, refused for nonsense', async () => {
    const metrics = new Metrics();
    const log = memoryLogger();
    expect(await serveMetrics('', metrics, log)).toBeUndefined();
    const server = await serveMetrics('0', metrics, log);
    expect(server?.address).toBe('127.0.0.1');
    await expect(serveMetrics(`127.0.0.1:${server?.port}`, metrics, log)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await server?.close();
    await expect(serveMetrics('here:there', metrics, log)).rejects.toThrow('METRICS_LISTEN');
  });
});
