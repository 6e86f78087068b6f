import type { TestContext } from 'node:test';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import type { GatewayOverrides } from '../../src/gateway.ts';
import type { ExchangeRecord } from '../../src/ports.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { TestGateway } from '../kit/gateway.ts';
import { RawClient, type RawClientOptions } from '../kit/http-client.ts';
import { type OriginOptions, RawOrigin, type Script } from '../kit/raw-origin.ts';
import type { Message } from '../kit/strict-http.ts';
import { turn } from '../kit/wait.ts';

type Route = NonNullable<HeadgateConfig['routes']>[number];
type UpstreamConfig = Omit<NonNullable<HeadgateConfig['upstreams']>[string], 'endpoints'>;
type ListenerConfig = NonNullable<HeadgateConfig['listeners']>[number];

export interface WorldOptions {
  /** One endpoint each; none given: one that echoes. */
  readonly origins?: readonly (OriginOptions | Script)[];
  /** The fields of the one route, which takes everything to the origins. */
  readonly route?: Partial<Route>;
  /** Routes before that one. */
  readonly routes?: readonly Route[];
  readonly upstream?: Partial<UpstreamConfig>;
  /** Further endpoints, behind those of the origins. */
  readonly endpoints?: readonly string[];
  readonly listener?: Partial<ListenerConfig>;
  readonly config?: HeadgateConfig;
  readonly overrides?: GatewayOverrides;
}

/** What is kept of a log record: a copy, for the record itself is live. */
export type LoggedRequest = Pick<
  ExchangeRecord,
  | 'id'
  | 'method'
  | 'path'
  | 'host'
  | 'status'
  | 'reason'
  | 'reasonDetail'
  | 'routeName'
  | 'upstreamName'
  | 'endpointName'
  | 'attempts'
  | 'clientIp'
  | 'userAgent'
  | 'bytesIn'
  | 'bytesOut'
  | 'durationMs'
  | 'overheadMs'
  | 'connectMs'
  | 'upstreamMs'
  | 'protocol'
  | 'limits'
  | 'retryAfterMs'
>;

/** A gateway between clients and scripted origins, with its access log kept; everything ends with the test. */
export class World {
  readonly gateway: TestGateway;
  readonly origins: readonly RawOrigin[];
  readonly log: LoggedRequest[];
  readonly #test: TestContext;
  readonly #clients: RawClient[] = [];

  private constructor(test: TestContext, gateway: TestGateway, origins: readonly RawOrigin[], log: LoggedRequest[]) {
    this.#test = test;
    this.gateway = gateway;
    this.origins = origins;
    this.log = log;
  }

  static async start(test: TestContext, options: WorldOptions = {}): Promise<World> {
    const origins: RawOrigin[] = [];
    for (const script of options.origins ?? [{}]) {
      const origin = await RawOrigin.start(script);
      test.after(() => origin.stop());
      origins.push(origin);
    }
    const log: LoggedRequest[] = [];
    const gateway = await TestGateway.start(World.config(origins, options), {
      accessLog: () => ({ write: (record) => log.push(copyOf(record)) }),
      ...options.overrides,
    });
    test.after(() => gateway.stop());
    return new World(test, gateway, origins, log);
  }

  static config(origins: readonly RawOrigin[], options: WorldOptions): HeadgateConfig {
    const { upstream, route, listener } = options;
    const endpoints = [...origins.map(({ url }) => url), ...(options.endpoints ?? [])];
    return {
      listeners: [{ address: '127.0.0.1:0', ...listener }],
      upstreams: { origin: { outlierDetection: false, balance: 'round-robin', ...upstream, endpoints } },
      routes: [...(options.routes ?? []), { name: 'all', upstream: 'origin', ...route } as Route],
      ...options.config,
    };
  }

  get origin(): RawOrigin {
    return this.origins[0] as RawOrigin;
  }

  async client(options?: RawClientOptions): Promise<RawClient> {
    const client = await RawClient.open(this.gateway.port(), options);
    this.#test.after(() => client.destroy());
    this.#clients.push(client);
    return client;
  }

  /** One request on a connection of its own; `lines` as for `bytes`. */
  async ask(requestLine: string, lines: readonly string[] = [], body = ''): Promise<Message> {
    const client = await this.client({ methodOf: () => requestLine.split(' ')[0] as string });
    client.send(bytes(requestLine, lines, body));
    return client.response();
  }

  /** The nth line of the access log (from 1). */
  async logged(n = 1): Promise<LoggedRequest> {
    return eventually(`line ${n} of the access log`, async () => this.log[n - 1]);
  }

  /** Sum of a metric's series whose labels include `labels` (as text: `route="all"`). */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(this.gateway.adminUrl('/metrics'))).text();
    const lines = text.split('\n').filter((line) => line.startsWith(name) && /[{ ]/.test(line.charAt(name.length)));
    return lines
      .filter((line) => line.includes(labels))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Closes the clients; then nothing is in flight any more, as the gateway itself counts. */
  async untilIdle(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    for (const name of ['headgate_http_requests_in_flight', 'headgate_endpoint_in_flight', 'headgate_connections']) {
      await eventually(`${name} at 0`, async () => ((await this.metric(name)) === 0 ? true : undefined));
    }
  }
}

function copyOf(record: ExchangeRecord): LoggedRequest {
  const { id, method, path, host, status, reason, reasonDetail, routeName, upstreamName, endpointName } = record;
  const { attempts, clientIp, userAgent, bytesIn, bytesOut, durationMs, overheadMs, connectMs, upstreamMs } = record;
  const { protocol, limits, retryAfterMs } = record;
  const names = { routeName, upstreamName, endpointName };
  const times = { durationMs, overheadMs, connectMs, upstreamMs, retryAfterMs };
  const what = { id, method, path, host, status, reason, reasonDetail, attempts, clientIp, userAgent };
  return { ...what, ...names, ...times, bytesIn, bytesOut, protocol, limits };
}

/** A request as octets; `Host` is added where none is given, `Content-Length` where there is a body and no framing. */
export function bytes(requestLine: string, lines: readonly string[] = [], body = ''): string {
  const line = /HTTP\/\d\.\d$/.test(requestLine) ? requestLine : `${requestLine} HTTP/1.1`;
  const has = (name: RegExp): boolean => lines.some((text) => name.test(text));
  const host = has(/^host:/i) ? [] : ['Host: gw.test'];
  const length = body === '' || has(/^(content-length|transfer-encoding):/i) ? [] : [`Content-Length: ${body.length}`];
  return `${[line, ...host, ...length, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

/** A clock that stands still but where a test moves it, and knows when the gateway's timers have seen that. */
export class WatchedClock extends FakeClock {
  #reads = 0;

  override nowMs(): number {
    this.#reads++;
    return super.nowMs();
  }

  /** Moves on, then waits until the wheel of timeouts was turned; nothing else may be under way that reads the clock. */
  async pass(ms: number): Promise<void> {
    await this.advance(ms);
    // The driver reads it before and after each poll: after two rounds one turn began later than the move.
    const enough = this.#reads + 4;
    await eventually('a turn of the wheel', async () => (this.#reads >= enough ? true : undefined));
  }
}

const GUARD_MS = 15_000;

/** Asks again, a turn of the event loop apart, until there is a value. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const givesUpAt = performance.now() + GUARD_MS;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > givesUpAt) throw new Error(`waited in vain for ${what}`);
    await turn();
  }
}

/** Values of all lines of a field, in order. */
export function all(message: Message, name: string): string[] {
  return message.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}
