import type * as PromClient from 'prom-client';

import { lazily } from './lazy.js';

/** The parts of prom-client that are used: its index loads a push gateway, cluster support and probes of the process, too. */
const counters = lazily<typeof PromClient.Counter>('prom-client/lib/counter');
const gauges = lazily<typeof PromClient.Gauge>('prom-client/lib/gauge');
const histograms = lazily<typeof PromClient.Histogram>('prom-client/lib/histogram');
const registries = lazily<typeof PromClient.Registry>('prom-client/lib/registry');

/** Names of labels with their values. */
export type Labels = Readonly<Record<string, string | number>>;

export interface CounterMetric {
  add(by?: number, labels?: Labels): void;
}

export interface GaugeMetric {
  set(value: number, labels?: Labels): void;
}

export interface HistogramMetric {
  observe(value: number, labels?: Labels): void;
}

/**
 * The metrics of one role, in a registry of their own, so that several roles can live in one process. Names are given without
 * the common prefix `wapiti_`; by convention they end in their unit (`_bytes`, `_seconds`, `_total`).
 */
export class Metrics {
  private readonly registry = new (registries())();

  constructor(private readonly prefix = 'wapiti_') {}

  counter(name: string, help: string, labelNames: readonly string[] = []): CounterMetric {
    const counter = new (counters())({ name: this.prefix + name, help, labelNames, registers: [this.registry] });
    return { add: (by = 1, labels = {}) => counter.inc({ ...labels }, by) };
  }

  /** With `collect`, the value is asked for whenever the metrics are read. */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    collect?: (gauge: GaugeMetric) => void,
  ): GaugeMetric {
    const gauge = new (gauges())({
      name: this.prefix + name,
      help,
      labelNames,
      registers: [this.registry],
      ...(collect ? { collect: () => collect(metric) } : {}),
    });
    const metric: GaugeMetric = { set: (value, labels = {}) => gauge.set({ ...labels }, value) };
    return metric;
  }

  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly string[] = [],
  ): HistogramMetric {
    const histogram = new (histograms())({
      name: this.prefix + name,
      help,
      labelNames,
      buckets: [...buckets],
      registers: [this.registry],
    });
    return { observe: (value, labels = {}) => histogram.observe({ ...labels }, value) };
  }

  /** All metrics in the text format of Prometheus. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }
}
