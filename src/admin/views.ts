import { listOf } from '../config/compile/routes.ts';
import { isHidden } from '../config/redact.ts';
import { formatDuration } from '../config/scalars.ts';
import type { Config } from '../config/schema.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import type { KeyPart, LimitModel } from '../limits/limit-model.ts';
import type { LimitMode } from '../ports.ts';
import type { RouteModel } from '../proxy/route-model.ts';
import type { ConditionView, LimitView, RouteView } from './api-types.ts';

type ShownRoute = Config['routes'][number];
type ShownLimit = Config['limits'][string];

/**
 * The routes of a configuration as the admin API shows them. What is text comes from `shown`, the configuration in
 * force with its secrets hidden (`redact`); the model gives what was worked out of it.
 */
export function routeViews(model: SnapshotModel, shown: Config): RouteView[] {
  return model.routes.map((route, index) => routeView(route, shown.routes[index]!));
}

function routeView(route: RouteModel, shown: ShownRoute): RouteView {
  const { match } = shown;
  return {
    name: shown.name ?? route.name,
    place: route.place,
    match: {
      hosts: listOf(match.host).map((host) => host.toLowerCase()),
      paths: listOf(match.path),
      methods: match.methods ?? [],
      headers: conditionViews(match.headers, (name) => name.toLowerCase()),
      query: conditionViews(match.query, (name) => name),
    },
    action: actionView(route.action, shown),
    limits: shown.limits ?? [],
    responseTimeoutMs: route.responseTimeoutMs ?? null,
    streamTimeoutMs: route.streamTimeoutMs ?? null,
    attempts: route.retry?.attempts ?? 1,
    bodyLimitBytes: route.bodyLimitBytes ?? null,
  };
}

function conditionViews(
  conditions: ShownRoute['match']['headers'],
  nameOf: (written: string) => string,
): readonly ConditionView[] {
  return Object.entries(conditions ?? {}).map(([name, value]) => ({
    name: nameOf(name),
    value: value === true ? true : String(value),
  }));
}

function actionView(action: RouteModel['action'], shown: ShownRoute): RouteView['action'] {
  switch (action.kind) {
    case 'upstream':
      return { kind: 'upstream', upstream: shownOr(shown.upstream, action.upstream) };
    case 'respond':
      return { kind: 'respond', status: action.status };
    case 'redirect':
      return { kind: 'redirect', status: action.status, to: shown.redirect?.to ?? '' };
  }
}

/** `text`, unless a part of the value that it was made from is hidden: then that value as it may be shown. */
export function shownOr(shown: unknown, text: string): string {
  return isHidden(shown) ? String(shown) : text;
}

/** What the metrics and the store say of a limit. */
export interface LimitFigures {
  readonly mode: LimitMode;
  readonly allowed: number;
  readonly denied: number;
  readonly shadowDenied: number;
  readonly storeLatencyMs: number | null;
}

/** `shown` is the limit in the configuration in force, its secrets hidden. */
export function limitView(limit: LimitModel, shown: ShownLimit, figures: LimitFigures): LimitView {
  return {
    name: limit.name,
    kind: limit.spec.kind,
    value: limitText(limit.spec, shown),
    key: keyTexts(limit.key, shown),
    mode: figures.mode,
    shadow: limit.shadow,
    allowed: figures.allowed,
    refused: figures.denied,
    shadowRefused: figures.shadowDenied,
    storeLatencyMs: figures.storeLatencyMs,
  };
}

/** The value of a limit; as far as it is hidden, as it may be shown. */
export function limitText(spec: LimitSpec, shown: ShownLimit): string {
  return shownOr(shown.window ?? shown.rate ?? shown.quota, specText(spec));
}

/** The parts of a limit's key; a hidden one as it may be shown. */
export function keyTexts(key: readonly KeyPart[], shown: ShownLimit): string[] {
  const written = listOf(shown.key);
  return key.map((part, index) => shownOr(written[index], keyPartText(part)));
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
