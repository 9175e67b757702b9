import fc from 'fast-check';

import { type VrrpAction, type VrrpConfig, type VrrpEvent, VrrpMachine } from '../src/index.js';

const base: VrrpConfig = {
  version: 2,
  priority: 80,
  intervalMs: 1000,
  preempt: false,
  preemptDelayMs: 0,
  address: 100,
};
const advertisement = (priority: number, source = 200, intervalMs = 1000): VrrpEvent => ({
  type: 'advertisement',
  priority,
  source,
  intervalMs,
});
const kinds = (actions: VrrpAction[]): string[] =>
  actions.map((action) =>
    action.type === 'send' ? `send ${action.priority}` : action.type === 'state' ? action.to : action.type,
  );

function started(change: Partial<VrrpConfig> = {}): VrrpMachine {
  const machine = new VrrpMachine({ ...base, ...change });
  machine.handle({ type: 'start' }, 0);
  return machine;
}

function master(change: Partial<VrrpConfig> = {}): VrrpMachine {
  const machine = started(change);
  machine.handle({ type: 'tick' }, machine.nextTick);
  expect(machine.state).toBe('MASTER');
  return machine;
}

describe('VRRP state machine: every row of spec 14 §4', () => {
  it('INIT, start: BACKUP with the master-down timer', () => {
    const machine = new VrrpMachine({ ...base, priority: 100 });
    expect(kinds(machine.handle({ type: 'start' }, 0))).toEqual(['BACKUP']);
    expect(machine.nextTick).toBeCloseTo(3609.375); // measured 3.6 s at 1 s/100
  });

  it('INIT, start with priority 255: MASTER', () => {
    const machine = new VrrpMachine({ ...base, priority: 255 });
    expect(kinds(machine.handle({ type: 'start' }, 0))).toEqual(['MASTER', 'send 255', 'promote']);
  });

  it('BACKUP, advertisement of priority 0: skew', () => {
    const machine = started();
    expect(machine.handle(advertisement(0), 500)).toEqual([]);
    expect(machine.nextTick).toBeCloseTo(500 + 687.5); // measured 0.688 s
  });

  it('BACKUP, advertisement of at least the own priority: master-down', () => {
    const machine = started({ preempt: true });
    machine.handle(advertisement(80), 2000);
    expect(machine.nextTick).toBeCloseTo(2000 + 3687.5);
  });

  it('BACKUP, lower priority without preempt: master-down', () => {
    const machine = started();
    machine.handle(advertisement(10), 2000);
    expect(machine.nextTick).toBeCloseTo(2000 + 3687.5);
  });

  it('BACKUP, lower priority with preempt: the timer goes on', () => {
    const machine = started({ preempt: true });
    machine.handle(advertisement(10), 2000);
    expect(machine.nextTick).toBeCloseTo(3687.5);
    expect(kinds(machine.handle({ type: 'tick' }, 3688))).toEqual(['MASTER', 'send 80', 'promote']);
  });

  it('BACKUP, lower priority with preempt delay: not before it', () => {
    const machine = started({ preempt: true, preemptDelayMs: 10_000 });
    machine.handle(advertisement(10), 2000);
    expect(machine.nextTick).toBe(10_000);
  });

  it('BACKUP, timer expires: MASTER', () => {
    const machine = started();
    expect(machine.handle({ type: 'tick' }, 3687)).toEqual([]);
    expect(kinds(machine.handle({ type: 'tick' }, 3688))).toEqual(['MASTER', 'send 80', 'promote']);
    expect(machine.nextTick).toBe(4688);
  });

  it('version 3 with 0.1 s: takes over after 0.369 s, by the interval of the master', () => {
    const machine = started({ version: 3, intervalMs: 100 });
    machine.handle(advertisement(100, 200, 100), 1000);
    expect(machine.nextTick).toBeCloseTo(1000 + 368.75);
    machine.handle(advertisement(100, 200, 500), 1100);
    expect(machine.nextTick).toBeCloseTo(1100 + 1500 + 343.75);
  });

  it('MASTER, interval expires: advertisement', () => {
    const machine = master();
    expect(kinds(machine.handle({ type: 'tick' }, machine.nextTick))).toEqual(['send 80']);
  });

  it('MASTER, advertisement of priority 0: advertisement at once', () => {
    const machine = master();
    expect(kinds(machine.handle(advertisement(0), 4000))).toEqual(['send 80']);
    expect(machine.nextTick).toBe(5000);
  });

  it.each([
    ['higher priority', 100, 1],
    ['equal priority, higher address', 80, 200],
  ])('MASTER, %s: BACKUP', (_what, priority, source) => {
    const machine = master();
    expect(kinds(machine.handle(advertisement(priority, source), 4000))).toEqual(['BACKUP', 'demote']);
    expect(machine.nextTick).toBeCloseTo(4000 + 3687.5);
  });

  it.each([
    ['lower priority', 79, 200],
    ['equal priority, lower address', 80, 1],
  ])('MASTER, %s: stays and says so', (_what, priority, source) => {
    const machine = master();
    expect(kinds(machine.handle(advertisement(priority, source), 4000))).toEqual(['send 80']);
    expect(machine.state).toBe('MASTER');
  });

  it('stop: MASTER gives up with priority 0', () => {
    const machine = master();
    expect(kinds(machine.handle({ type: 'stop' }, 4000))).toEqual(['send 0', 'INIT', 'demote']);
    expect(machine.nextTick).toBe(Infinity);
    expect(kinds(started().handle({ type: 'stop' }, 10))).toEqual(['INIT']);
  });

  it('tracked failure: FAULT, with priority 0 from MASTER; BACKUP when it recovers', () => {
    const machine = master();
    expect(kinds(machine.handle({ type: 'health', healthy: false, priority: 80 }, 4000))).toEqual([
      'send 0',
      'FAULT',
      'demote',
    ]);
    expect(machine.handle(advertisement(0), 4100)).toEqual([]);
    expect(machine.nextTick).toBe(Infinity);
    expect(kinds(machine.handle({ type: 'health', healthy: true, priority: 80 }, 5000))).toEqual(['BACKUP']);
    expect(machine.nextTick).toBeCloseTo(5000 + 3687.5);
  });

  it('starts in FAULT when something tracked is down', () => {
    const machine = new VrrpMachine(base);
    machine.handle({ type: 'health', healthy: false, priority: 80 }, 0);
    expect(kinds(machine.handle({ type: 'start' }, 0))).toEqual(['FAULT']);
  });

  it('weights change the priority, within 1…254', () => {
    const machine = started();
    machine.handle({ type: 'health', healthy: true, priority: 300 }, 0);
    expect(machine.effectivePriority).toBe(254);
    machine.handle({ type: 'health', healthy: true, priority: -5 }, 0);
    expect(machine.effectivePriority).toBe(1);
  });

  it('a refused promotion: priority 0, FAULT, until it is taken back', () => {
    const machine = master();
    const actions = machine.handle({ type: 'refused', reason: 'gap in the changelog' }, 4000);
    expect(kinds(actions)).toEqual(['send 0', 'FAULT', 'demote']);
    expect(actions[1]).toMatchObject({ reason: 'gap in the changelog' });
    expect(machine.handle({ type: 'health', healthy: true, priority: 80 }, 4100)).toEqual([]);
    expect(kinds(machine.handle({ type: 'recovered' }, 4200))).toEqual(['BACKUP']);
  });

  it('a stalled agent steps back before anything is sent', () => {
    const machine = master();
    const late = machine.nextTick + machine.masterDownMs + 1;
    expect(kinds(machine.handle({ type: 'tick' }, late))).toEqual(['BACKUP', 'demote']);
    const other = master();
    expect(kinds(other.handle(advertisement(10), late))).toEqual(['BACKUP', 'demote']);
  });

  it('a stalled BACKUP listens again before it declares the master dead', () => {
    const machine = started();
    expect(machine.handle({ type: 'tick' }, 2 * 3687.5 + 1)).toEqual([]);
    expect(machine.state).toBe('BACKUP');
    expect(kinds(machine.handle({ type: 'tick' }, machine.nextTick))).toEqual(['MASTER', 'send 80', 'promote']);
  });

  it('tells whether the old master gave up or fell silent', () => {
    const promote = (machine: VrrpMachine): VrrpAction | undefined =>
      machine.handle({ type: 'tick' }, machine.nextTick).find(({ type }) => type === 'promote');
    expect(promote(started())).toEqual({ type: 'promote', resigned: false });
    const resigned = started();
    resigned.handle(advertisement(0), 100);
    expect(promote(resigned)).toEqual({ type: 'promote', resigned: true });
    const another = started();
    another.handle(advertisement(0), 100);
    another.handle(advertisement(100), 200);
    expect(promote(another)).toEqual({ type: 'promote', resigned: false });
  });

  it('whatever happens: nothing but priority 0 is sent unless MASTER, and every MASTER is promoted and demoted in turn', () => {
    const event = fc.oneof<fc.Arbitrary<VrrpEvent>[]>(
      fc.constant({ type: 'tick' }),
      fc.record({
        type: fc.constant('advertisement' as const),
        priority: fc.nat(255),
        source: fc.constantFrom(1, 200),
        intervalMs: fc.constantFrom(100, 1000),
      }),
      fc.record({ type: fc.constant('health' as const), healthy: fc.boolean(), priority: fc.nat(300) }),
      fc.constant({ type: 'refused' as const, reason: 'x' }),
      fc.constant({ type: 'recovered' as const }),
    );
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.tuple(event, fc.nat(5000)), { maxLength: 60 }), (preempt, events) => {
        const machine = new VrrpMachine({ ...base, preempt });
        machine.handle({ type: 'start' }, 0);
        let now = 0;
        let promoted = false;
        for (const [one, delay] of events) {
          now += delay;
          for (const action of machine.handle(one, now)) {
            if (action.type === 'send' && !promoted && machine.state !== 'MASTER') expect(action.priority).toBe(0);
            if (action.type === 'promote') {
              expect(promoted).toBe(false);
              promoted = true;
            } else if (action.type === 'demote') {
              expect(promoted).toBe(true);
              promoted = false;
            }
          }
          expect(promoted).toBe(machine.state === 'MASTER');
        }
      }),
    );
  });
});
