import http from 'node:http';
import https from 'node:https';
import net, { type LookupFunction } from 'node:net';
import type { EndpointAddress } from '../../upstream/endpoint-address.ts';
import type { NameCache } from '../../upstream/name-cache.ts';
import type { ProbeResult, Prober } from '../../upstream/prober.ts';
import type { HealthCheckModel } from '../../upstream/upstream-model.ts';
import { tlsOptions } from './endpoint-socket.ts';
import { nameLookup } from './name-lookup.ts';

/** A check's answer is read this far, so that an endpoint need not see its answer cut off; then the connection closes. */
const MAX_BODY_BYTES = 64 * 1024;

type Settle = (ok: boolean, detail: string) => void;

/**
 * Makes active checks over sockets of their own, each on a fresh connection: what is asked is whether the endpoint still
 * accepts one, under the same rules of TLS as requests. `timeoutMs` bounds the whole check, name resolution and connect
 * included. A `tcp` check of an `https` endpoint asks no more than whether its port is open.
 */
export class NetProber implements Prober {
  private readonly lookup: LookupFunction;

  constructor(names: NameCache) {
    this.lookup = nameLookup(names);
  }

  probe(address: EndpointAddress, check: HealthCheckModel): Promise<ProbeResult> {
    const startedMs = performance.now();
    return new Promise((resolve) => {
      let destroy = (): void => {};
      let judging: NodeJS.Immediate | undefined;
      const judge = (): void => {
        settle(false, `timed out after ${check.timeoutMs} ms`);
        destroy();
      };
      // Node runs timers before it reads sockets: the verdict falls after one poll, and an answer that is there wins.
      const timer = setTimeout(() => {
        judging = setImmediate(judge);
      }, check.timeoutMs);
      const settle: Settle = (ok, detail) => resolve({ ok, detail, durationMs: performance.now() - startedMs });
      const closed = (): void => {
        clearTimeout(timer);
        clearImmediate(judging);
      };
      try {
        destroy =
          check.type === 'tcp'
            ? connect(this.target(address, check), settle, closed)
            : request(requestOf(address, check, this.target(address, check)), check, settle, closed);
      } catch (error) {
        closed();
        settle(false, messageOf(error));
      }
    });
  }

  private target(address: EndpointAddress, check: HealthCheckModel): net.NetConnectOpts {
    if (address.kind === 'unix') return { path: address.path };
    return { host: address.host, port: check.port ?? address.port, lookup: this.lookup };
  }
}

/** Returns what ends it; `closed` is called when nothing of it is left. */
function connect(target: net.NetConnectOpts, settle: Settle, closed: () => void): () => void {
  const socket = net.connect(target);
  socket.on('connect', () => {
    settle(true, 'connected');
    socket.destroy();
  });
  socket.on('error', (error) => settle(false, messageOf(error)));
  socket.on('close', closed);
  return () => socket.destroy();
}

function request(
  options: https.RequestOptions,
  check: HealthCheckModel,
  settle: Settle,
  closed: () => void,
): () => void {
  const outgoing = 'secureContext' in options ? https.request(options) : http.request(options);
  outgoing.on('response', (response) => {
    judge(response, check, settle);
    drain(response);
  });
  // An endpoint that switches protocols answered with a status like any other.
  outgoing.on('upgrade', (response, socket) => {
    judge(response, check, settle);
    socket.destroy();
  });
  outgoing.on('error', (error) => settle(false, messageOf(error)));
  outgoing.on('close', () => {
    settle(false, 'closed without a response');
    closed();
  });
  outgoing.end();
  return () => outgoing.destroy();
}

function judge(response: http.IncomingMessage, check: HealthCheckModel, settle: Settle): void {
  const status = response.statusCode ?? 0;
  settle(
    check.status.some(([from, to]) => status >= from && status <= to),
    `status ${status}`,
  );
}

function drain(response: http.IncomingMessage): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) response.destroy();
  });
  // The verdict is out; how the rest of the answer ends says nothing.
  response.on('error', () => {});
}

function requestOf(
  address: EndpointAddress,
  check: HealthCheckModel,
  target: net.NetConnectOpts,
): https.RequestOptions {
  const host = hostOf(address, check);
  const headers = { 'user-agent': 'headgate-health-check', ...check.headers, host, connection: 'close' };
  const place = 'path' in target ? { socketPath: target.path } : target;
  const secure = address.kind === 'tcp' && address.tls !== undefined ? tlsOptions(address) : {};
  return { ...place, ...secure, agent: false, method: 'GET', path: check.path, headers } as https.RequestOptions;
}

function hostOf(address: EndpointAddress, check: HealthCheckModel): string {
  if (check.host !== undefined) return check.host;
  if (address.kind === 'unix' || check.port === undefined) return address.authority;
  return `${net.isIPv6(address.host) ? `[${address.host}]` : address.host}:${check.port}`;
}

/** Node's errors name the call and the address; a failure to connect to several addresses has an empty message. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ((error as NodeJS.ErrnoException).code ?? error.name);
}
