// Hot path: one object per request; what is optional is worked out when somebody asks for it.
import { pathParam, type RouteHit } from '../core/route/match.ts';
import { queryParameter } from '../core/route/query.ts';
import type { RouteConditions } from '../core/route/route-match.ts';
import { FAILURES, type FailureName, GatewayError, type Reason } from '../errors.ts';
import { cookieValue } from '../http/cookie.ts';
import { FieldCode, maskOf } from '../http/field-code.ts';
import { copyOf, type Fields, ListFields } from '../http/fields.ts';
import { responseVia } from '../http/forwarding.ts';
import { addLine, type ProtocolVersion, type ReplyHead, type RequestHead, type ResponseHead } from '../http/head.ts';
import { type ProblemOptions, problemReply, type Reply } from '../http/problem.ts';
import { reasonPhrase } from '../http/reason-phrases.ts';
import type { LimitSubject } from '../limits/limit-subject.ts';
import type { LimitVerdict } from '../limits/limit-verdict.ts';
import type { ExchangeRecord, LimitEntry } from '../ports.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Attempt } from './attempt.ts';
import type { ProxyContext } from './context.ts';
import { armTimer, touchStream } from './deadlines.ts';
import type { Downstream } from './downstream.ts';
import { HeldBody } from './held-body.ts';
import type { ResponseHook } from './hooks.ts';
import { bodyLimitDetail } from './pipeline.ts';
import type { RequestBody, RequestBodyOwner } from './request-body.ts';
import { applyResponseEdits, hasLine } from './response-edits.ts';
import type { Route } from './snapshot.ts';
import type { Tunnel } from './tunnel.ts';

const NO_FIELDS = new ListFields();
/** Fields of a response that the gateway writes itself. */
const REPLACED_IN_RESPONSE = maskOf(FieldCode.via, FieldCode.xRequestId);

/**
 * One request's life: what came, what was decided about it, what was answered. It is made by a connection when a head is
 * read, given to the pipeline, and finished exactly once.
 */
export class Exchange implements LimitSubject, RouteConditions, ExchangeRecord, RequestBodyOwner {
  readonly context: ProxyContext;
  readonly downstream: Downstream;
  readonly head: RequestHead;
  readonly id: string;
  readonly arrivedMs: number;
  readonly arrivedUs: number;
  readonly clientIp: string;

  /** Canonical path; set before anything is matched, and what is forwarded. */
  path = '';
  route: Route;
  hit: RouteHit | undefined = undefined;
  verdict: LimitVerdict | undefined = undefined;

  attempt: Attempt | undefined = undefined;
  attempts = 0;
  body: RequestBody | undefined = undefined;
  /** Endpoints that failed this request; the next attempt goes elsewhere while it can. */
  tried: Endpoint[] | undefined = undefined;
  tunnel: Tunnel | undefined = undefined;
  /** When the request was read whole; undefined while its body is coming. */
  readMs: number | undefined;
  /** The client sends no more: its answer is worth waiting for until then. */
  halfClosedMs: number | undefined = undefined;
  /** The response head came and its body is on the way. */
  streaming = false;
  /** The endpoint takes no more of the request for now. */
  stalled = false;

  status = 0;
  reason: Reason | undefined = undefined;
  reasonDetail: string | undefined = undefined;
  retryAfterMs: number | undefined = undefined;
  headSent = false;
  finished = false;
  /** The client's connection is of no use behind the answer, whatever was read of the request. */
  mustClose = false;
  private held: HeldBody | undefined = undefined;
  private wasHeld = false;
  /** The answer whose response hooks are awaited. */
  private replying: ReplyHead | undefined = undefined;
  bytesOut = 0;
  connectMs: number | undefined = undefined;
  upstreamStartMs: number | undefined = undefined;
  upstreamEndMs: number | undefined = undefined;
  /** The upstream and endpoint of the last attempt. */
  upstreamName: string | undefined = undefined;
  endpointName: string | undefined = undefined;
  private finishedMs = 0;

  constructor(context: ProxyContext, downstream: Downstream, head: RequestHead, id: string, clientIp: string) {
    this.context = context;
    this.downstream = downstream;
    this.head = head;
    this.route = context.snapshot.noRoute;
    this.id = id;
    this.clientIp = clientIp;
    this.arrivedMs = context.clock.nowMs();
    this.arrivedUs = context.wallUsAt(this.arrivedMs);
    this.readMs = head.hasBody ? undefined : this.arrivedMs;
    this.route.metrics.inFlight++;
  }

  // What limits and routes ask about the request.

  get method(): string {
    return this.head.method;
  }

  get host(): string {
    return this.head.host;
  }

  get routeName(): string {
    return this.route.model.name;
  }

  header(name: string): string | undefined {
    return this.head.get(name);
  }

  query(name: string): string | undefined {
    return this.head.query === '' ? undefined : queryParameter(this.head.query, name);
  }

  cookie(name: string): string | undefined {
    return cookieValue(this.head.get('cookie'), name);
  }

  pathParam(name: string): string | undefined {
    return this.hit === undefined ? undefined : pathParam(this.hit, name);
  }

  // Answers.

  /** Ends the exchange with an answer of the gateway's own. */
  answer(reply: Reply): void {
    if (this.finished) return;
    const head = this.replyHead(reply.status, reasonPhrase(reply.status), NO_FIELDS, reply.body.length);
    head.extra = [...reply.fields];
    if (!hasLine(reply.fields, 'date')) addLine(head, 'Date', this.context.dateText());
    this.runResponseHooks(head, reply.body, 0);
  }

  /** Ends the exchange with the problem document of a failure; cuts the response where one was begun. */
  fail(error: GatewayError, options?: ProblemOptions): void {
    if (this.finished) return;
    this.dropUpstream();
    const failure = FAILURES[error.kind];
    this.reason = failure.reason;
    this.reasonDetail = error.detail;
    this.mustClose ||= failure.closes;
    if (options?.retryAfterS !== undefined) this.retryAfterMs ??= options.retryAfterS * 1000;
    if (this.headSent || error.kind === 'client-closed') {
      if (!this.headSent) this.status = failure.status;
      this.downstream.cut();
      this.finish();
      return;
    }
    this.answer(problemReply(error.kind, error.detail, this.id, options));
  }

  refuse(kind: FailureName, detail: string, options?: ProblemOptions): void {
    this.fail(new GatewayError(kind, 'downstream', detail), options);
  }

  /** Sends the head of an endpoint's response; its body follows through `forwardData` and `forwardEnd`. */
  respond(response: ResponseHead, bodyLength: number | undefined): void {
    const head = this.replyHead(response.status, response.reasonPhrase, response, bodyLength);
    head.shared = responseVia(response);
    if (!response.has(FieldCode.date)) addLine(head, 'Date', this.context.dateText());
    if (response.connectionNamed !== undefined) {
      head.drop = new Set([...response.connectionNamed, ...(head.drop ?? [])]);
    }
    this.runResponseHooks(head, undefined, 0);
  }

  replyHead(status: number, phrase: string, fields: Fields, bodyLength: number | undefined): ReplyHead {
    return {
      status,
      reasonPhrase: phrase,
      fields,
      dropCodes: REPLACED_IN_RESPONSE,
      drop: this.route.responseDrop,
      shared: undefined,
      requestId: this.id,
      varying: undefined,
      extra: undefined,
      bodyLength,
    };
  }

  /** Runs the response hooks from `at` on, then sends. Only a promise is awaited; what comes meanwhile is held. */
  private runResponseHooks(head: ReplyHead, body: string | undefined, at: number): void {
    const hooks = this.route.responseHooks;
    while (at < hooks.length) {
      const waiting = (hooks[at++] as ResponseHook)(this, head);
      if (waiting === undefined) continue;
      this.held ??= new HeldBody();
      this.wasHeld = true;
      this.replying = head;
      // The endpoint's connection goes on to other answers meanwhile, and its head object with it.
      head.fields = copyOf(head.fields);
      waiting.then(
        () => this.continueReply(head, body, at),
        (error: unknown) => this.crash(error),
      );
      return;
    }
    if (!this.finished) this.send(head, body);
  }

  private continueReply(head: ReplyHead, body: string | undefined, at: number): void {
    // A failure meanwhile may have put another answer in the place of this one.
    if (this.finished || this.replying !== head) return;
    try {
      this.runResponseHooks(head, body, at);
    } catch (error) {
      this.crash(error);
    }
  }

  private send(head: ReplyHead, body: string | undefined): void {
    applyResponseEdits(this.route, head);
    this.status = head.status;
    this.headSent = true;
    if (body !== undefined) {
      if (this.head.method !== 'HEAD') this.bytesOut += body.length;
      this.downstream.sendReply(head, body);
      this.finish();
      return;
    }
    this.downstream.writeHead(head);
    if (this.held !== undefined) this.releaseHeld(this.held);
  }

  private releaseHeld(held: HeldBody): void {
    this.held = undefined;
    let flowing = true;
    for (const chunk of held.chunks) flowing = this.forwardData(chunk);
    if (held.ended) this.forwardEnd(held.trailers);
    else {
      this.downstream.flush();
      if (flowing) this.attempt?.resume();
    }
  }

  forwardData(chunk: Uint8Array): boolean {
    if (this.held !== undefined) return this.held.add(chunk);
    this.bytesOut += chunk.length;
    return this.downstream.writeData(chunk);
  }

  forwardEnd(trailers: Fields | undefined): void {
    if (this.held !== undefined) {
      this.held.end(trailers);
      return;
    }
    this.downstream.writeEnd(trailers);
    this.finish();
  }

  /** A bug: logged with its stack, answered 500, counted. */
  crash(error: unknown): void {
    this.logBug(error);
    this.fail(new GatewayError('internal', 'gateway', 'The gateway failed to handle this request.'));
  }

  private logBug(error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error);
    this.context.log.error('a request failed because of a bug', { id: this.id, route: this.routeName, stack });
  }

  // What the two sides report.

  /** The client's connection takes octets again. */
  onWritable(): void {
    this.attempt?.resume();
  }

  /** All that one read from the endpoint held was handed over. */
  onUpstreamRead(): void {
    // Before the response head its own deadline stands, however much else an endpoint sends.
    if (this.streaming) touchStream(this);
    this.downstream.flush();
  }

  onResponseHead(): void {
    this.streaming = true;
    touchStream(this);
  }

  onRequestRead(): void {
    this.readMs = this.context.clock.nowMs();
    this.stalled = false;
    armTimer(this);
  }

  onRequestTooLarge(): void {
    this.refuse('body-too-large', bodyLimitDetail(this, this.route.model.bodyLimitBytes ?? 0));
  }

  onRequestAborted(error: GatewayError): void {
    this.fail(error);
  }

  onRequestStalled(stalled: boolean): void {
    this.stalled = stalled;
    armTimer(this);
  }

  /** The client went away. */
  onClientGone(): void {
    if (this.tunnel !== undefined) this.tunnel.destroy();
    else this.fail(new GatewayError('client-closed', 'downstream', 'The client closed the connection.'));
  }

  /** The client sends no more, but may still read. */
  onHalfClosed(): void {
    if (this.attempt?.isQueued === true) {
      this.onClientGone();
      return;
    }
    this.halfClosedMs = this.context.clock.nowMs();
    armTimer(this);
  }

  /** Lets go of the running attempt, whatever it does. */
  dropUpstream(): void {
    this.body?.drop();
    this.attempt?.abandon();
    this.attempt = undefined;
  }

  finish(): void {
    if (this.finished) return;
    this.finished = true;
    const { context, route, downstream } = this;
    context.wheel.disarm(downstream.timer);
    // An answer that ended this moment was stamped just now.
    const stampedMs = this.wasHeld ? undefined : this.upstreamEndMs;
    this.finishedMs = stampedMs ?? context.clock.nowMs();
    route.metrics.inFlight--;
    route.metrics.finished(
      this.head.method,
      this.status,
      this.reason ?? '',
      this.durationMs / 1000,
      this.overheadMs / 1000,
      this.bytesIn,
      this.bytesOut,
    );
    this.runFinishHooks();
    context.accessLog?.write(this);
    downstream.done(this);
  }

  private runFinishHooks(): void {
    try {
      for (const hook of this.route.finishHooks) hook(this, this);
    } catch (error) {
      this.logBug(error);
    }
  }

  // The record of a finished exchange.

  get bytesIn(): number {
    return this.tunnel?.bytesUp ?? this.body?.bytes ?? 0;
  }

  get durationMs(): number {
    return this.finishedMs - this.arrivedMs;
  }

  get upstreamMs(): number | undefined {
    if (this.upstreamStartMs === undefined) return undefined;
    return (this.upstreamEndMs ?? this.finishedMs) - this.upstreamStartMs;
  }

  get overheadMs(): number {
    return Math.max(0, this.durationMs - (this.upstreamMs ?? 0));
  }

  get userAgent(): string | undefined {
    return this.head.get('user-agent');
  }

  get referer(): string | undefined {
    return this.head.get('referer');
  }

  get protocol(): ProtocolVersion {
    return this.head.version;
  }

  get limits(): readonly LimitEntry[] | undefined {
    return this.verdict?.entries;
  }
}
