import { formatDuration } from '../config/scalars.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import type { NamedMatch } from '../core/route/route-match.ts';
import type { KeyPart, LimitModel } from '../limits/limit-model.ts';
import type { LimitMode } from '../ports.ts';
import type { RouteModel } from '../proxy/route-model.ts';
import type { ConditionView, LimitView, RouteView } from './api-types.ts';

/** The routes of a configuration as the admin API and `headgate explain` show them. */
export function routeViews(snapshot: SnapshotModel): RouteView[] {
  return snapshot.routes.map(routeView);
}

function routeView(route: RouteModel): RouteView {
  const { hosts, paths, methods, headers, query } = route.match;
  return {
    name: route.name,
    place: route.place,
    match: { hosts, paths, methods, headers: headers.map(conditionView), query: query.map(conditionView) },
    action: actionView(route.action),
    limits: route.limits.map((limit) => limit.name),
    responseTimeoutMs: route.responseTimeoutMs ?? null,
    streamTimeoutMs: route.streamTimeoutMs ?? null,
    attempts: route.retry?.attempts ?? 1,
    bodyLimitBytes: route.bodyLimitBytes ?? null,
  };
}

function conditionView({ name, match }: NamedMatch): ConditionView {
  switch (match.kind) {
    case 'present':
      return { name, value: true };
    case 'equals':
      return { name, value: match.value };
    case 'pattern':
      return { name, value: `/${match.pattern.source}/` };
  }
}

function actionView(action: RouteModel['action']): RouteView['action'] {
  switch (action.kind) {
    case 'upstream':
      return action;
    case 'respond':
      return { kind: 'respond', status: action.status };
    case 'redirect':
      return { kind: 'redirect', status: action.status, to: action.to };
  }
}

/** What the metrics and the store say of a limit. */
export interface LimitFigures {
  readonly mode: LimitMode;
  readonly allowed: number;
  readonly denied: number;
  readonly shadowDenied: number;
  readonly storeLatencyMs: number | null;
}

export function limitView(limit: LimitModel, figures: LimitFigures): LimitView {
  return {
    name: limit.name,
    kind: limit.spec.kind,
    value: specText(limit.spec),
    key: limit.key.map(keyPartText),
    mode: figures.mode,
    shadow: limit.shadow,
    allowed: figures.allowed,
    refused: figures.denied,
    shadowRefused: figures.shadowDenied,
    storeLatencyMs: figures.storeLatencyMs,
  };
}

/** The value of a limit as one would write it, e.g. `100/1m`; a burst of its own is added. */
export function specText(spec: LimitSpec): string {
  switch (spec.kind) {
    case 'window':
      return `${spec.limit}/${formatDuration(spec.windowUs / 1000)}`;
    case 'rate': {
      const burst = spec.burst === spec.count ? '' : ` burst ${spec.burst}`;
      return `${spec.count}/${formatDuration(spec.periodUs / 1000)}${burst}`;
    }
    case 'quota':
      return `${spec.limit}/${spec.period}${spec.timezone === 'UTC' ? '' : ` in ${spec.timezone}`}`;
  }
}

/** A part of a key as it is written, e.g. `header.x-api-key`. */
export function keyPartText(part: KeyPart): string {
  return 'name' in part ? `${part.source}.${part.name}` : part.source;
}
