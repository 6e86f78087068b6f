import assert from 'node:assert/strict';
import { MemoryStore } from '../../src/adapters/memory/memory-store.ts';
import type { LimitSpec } from '../../src/core/limit/spec.ts';
import { ListFields } from '../../src/http/fields.ts';
import { addedLines, type OutgoingFields, type ReplyHead } from '../../src/http/head.ts';
import type { RouteLimits } from '../../src/limits/bound-limit.ts';
import type { HeaderMode } from '../../src/limits/limit-answer.ts';
import type { LimitModel } from '../../src/limits/limit-model.ts';
import { type LimitStore, StoreFailure, type TakeCall, type TakeReply } from '../../src/limits/limit-store.ts';
import type { LimitSubject } from '../../src/limits/limit-subject.ts';
import type { LimitVerdict } from '../../src/limits/limit-verdict.ts';
import { Limiter, type LimiterOptions } from '../../src/limits/limiter.ts';
import { limitsMiddleware } from '../../src/middleware/limits/limits.ts';
import type { LimitMetrics, Metrics } from '../../src/ports.ts';
import type { Exchange } from '../../src/proxy/exchange.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

const hourUs = 3_600_000_000;

export function model(name: string, spec: LimitSpec, more: Partial<LimitModel> = {}): LimitModel {
  return {
    name,
    spec,
    key: [{ source: 'client.ip' }],
    ipv6Prefix: 64,
    onMissingKey: 'ip',
    scope: 'global',
    except: undefined,
    cost: 1,
    shadow: false,
    onStoreFailure: 'local',
    ...more,
  };
}

export const window = (limit: number, windowUs = hourUs): LimitSpec => ({ kind: 'window', limit, windowUs });
export const rate = (count: number, periodUs = 1_000_000, burst = count): LimitSpec => ({
  kind: 'rate',
  count,
  periodUs,
  burst,
});

export interface Asked {
  clientIp?: string;
  method?: string;
  host?: string;
  path?: string;
  headers?: Record<string, string>;
  cookies?: Record<string, string>;
  query?: Record<string, string>;
  params?: Record<string, string>;
}

export function subject(asked: Asked = {}): LimitSubject {
  return {
    clientIp: asked.clientIp ?? '198.51.100.7',
    method: asked.method ?? 'GET',
    host: asked.host ?? 'api.example.com',
    path: asked.path ?? '/orders/7',
    header: (name) => asked.headers?.[name],
    cookie: (name) => asked.cookies?.[name],
    query: (name) => asked.query?.[name],
    pathParam: (name) => asked.params?.[name],
  };
}

/** What was counted, as `limit/route outcome mode`. */
function countingMetrics(counted: string[]): Metrics {
  const limit = (name: string, route: string): LimitMetrics => ({
    decided: (outcome, mode) => counted.push(`${name}/${route} ${outcome} ${mode}`),
    decisionDuration() {},
  });
  return { limit } as Partial<Metrics> as Metrics;
}

/** A store beyond a network: answers when `flush` is called, or fails. */
export class FarStore implements LimitStore {
  available = true;
  fleetSize = 1;
  readonly members = undefined;
  secret: string | undefined = undefined;
  readonly latencyMs = undefined;
  readonly calls: TakeCall[] = [];
  fails = false;
  /** Configured secrets it was told of. */
  readonly secretsSet: (string | undefined)[] = [];
  private readonly memory: MemoryStore;
  private readonly clock: FakeClock;

  constructor(clock: FakeClock) {
    this.clock = clock;
    this.memory = new MemoryStore({ nowUs: () => clock.wallUs() });
  }

  nowUs(): number {
    return this.clock.wallUs();
  }

  setSecret(configured: string | undefined): void {
    this.secretsSet.push(configured);
  }

  take(call: TakeCall): Promise<TakeReply> {
    this.calls.push(call);
    return this.fails ? Promise.reject(new StoreFailure('deadline', 'slow')) : Promise.resolve(this.memory.take(call));
  }
}

export function limiterOver(
  store: LimitStore,
  clock: FakeClock,
  secret: string | undefined,
  more: Partial<LimiterOptions> = {},
): Limiter {
  return new Limiter({
    store,
    metrics: countingMetrics([]),
    clock,
    prefix: 'headgate',
    secret,
    createLocal: (nowUs, seed) => new MemoryStore({ nowUs, seed }),
    defer: (run) => queueMicrotask(run),
    ...more,
  });
}

export function setUp(far = false) {
  const clock = new FakeClock();
  const counted: string[] = [];
  const store = new FarStore(clock);
  const over = far ? store : new MemoryStore({ nowUs: () => clock.wallUs() });
  const limiter = limiterOver(over, clock, 'secret', { metrics: countingMetrics(counted) });
  return { clock, counted, store, limiter };
}

export function now(limiter: Limiter, route: RouteLimits, asked?: Asked): LimitVerdict {
  const verdict = limiter.decide(route, subject(asked));
  assert.ok(!(verdict instanceof Promise));
  return verdict;
}

/** The rate-limit fields of an answer to a request with this verdict, as name and value. */
export function rateLimitLines(verdict: LimitVerdict, route: RouteLimits, mode: HeaderMode): [string, string][] {
  const { response } = limitsMiddleware(undefined as never, route, mode);
  const head: OutgoingFields = {
    fields: new ListFields(),
    dropCodes: 0,
    drop: undefined,
    shared: undefined,
    requestId: '',
    varying: undefined,
    extra: undefined,
  };
  const reply: ReplyHead = { status: 200, reasonPhrase: 'OK', bodyLength: 0, ...head };
  response!({ verdict } as Exchange, reply);
  const lines = addedLines(reply);
  return lines.flatMap((name, at) => (at % 2 === 0 ? [[name, lines[at + 1]!]] : []));
}
