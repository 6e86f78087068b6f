// Hot path: the request as its endpoint is to see it.
import { rewritePath } from '../core/route/rewrite.ts';
import { FieldCode, maskOf } from '../http/field-code.ts';
import { forwardingDrop, forwardingFields } from '../http/forwarding.ts';
import type { OutgoingRequest } from '../http/head.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Exchange } from './exchange.ts';

const MAX_FORWARDS = maskOf(FieldCode.maxForwards);

/** Builds the request of one attempt: target, Host, forwarding fields and the route's edits. */
export function outgoingRequest(exchange: Exchange, upstream: Upstream, endpoint: Endpoint): OutgoingRequest {
  const { head, route, downstream } = exchange;
  const edited = route.requestDrop;
  let extra = route.requestExtra.length === 0 ? undefined : [...route.requestExtra];
  const forwarding = forwardingFields(head, downstream.peer);
  let dropCodes = forwardingDrop(downstream.peer);
  if (head.method === 'OPTIONS') {
    const left = nextMaxForwards(head.get('max-forwards'));
    if (left !== undefined) {
      dropCodes |= MAX_FORWARDS;
      extra = [...(extra ?? []), 'Max-Forwards', left];
    }
  }
  return {
    method: head.method,
    target: targetOf(exchange),
    host: hostOf(exchange, upstream, endpoint),
    fields: head,
    dropCodes,
    drop: dropOf(exchange),
    // The route's word about a field is the last: what it sets or removes, the gateway does not write.
    shared: edited === undefined ? forwarding : forwarding.without(edited),
    requestId: edited?.has('x-request-id') === true ? '' : exchange.id,
    varying: undefined,
    extra,
    hasBody: head.hasBody,
    bodyLength: head.bodyLength,
    upgrade: head.upgrade,
    expectsContinue: head.expectsContinue,
  };
}

function targetOf(exchange: Exchange): string {
  const { model } = exchange.route;
  const { query } = exchange.head;
  let path = exchange.path;
  if (model.stripPrefix !== undefined || model.rewrite !== undefined) {
    path = rewritePath(path, exchange.hit?.starAt ?? -1, model);
  }
  // What came unchanged is the very same string: the codec sees that at a glance.
  if (path === exchange.head.path) return exchange.head.target;
  return query === '' ? path : path + query;
}

function hostOf(exchange: Exchange, upstream: Upstream, endpoint: Endpoint): string {
  const rewritten = exchange.route.model.rewrite?.host;
  if (rewritten !== undefined) return rewritten;
  const { host } = upstream.model;
  if (host.kind === 'fixed') return host.value;
  // An HTTP/1.0 client may have named no host at all.
  return host.kind === 'keep' && exchange.head.authority !== ''
    ? exchange.head.authority
    : endpoint.model.address.authority;
}

/** Names to drop: the route's, and those that Connection tied to the client's connection. */
function dropOf(exchange: Exchange): ReadonlySet<string> | undefined {
  const { requestDrop } = exchange.route;
  const named = exchange.head.connectionNamed;
  if (named === undefined) return requestDrop;
  return requestDrop === undefined ? named : new Set([...named, ...requestDrop]);
}

/** One less, or undefined where the field is absent or no number (RFC 9110 §7.6.2). */
function nextMaxForwards(value: string | undefined): string | undefined {
  if (value === undefined || !/^\d{1,9}$/.test(value)) return undefined;
  return String(Math.max(0, Number(value) - 1));
}
