import type { LimitSpec } from '../../core/limit/spec.ts';
import type { KeyPart, LimitModel } from '../../limits/limit-model.ts';
import { expandBlocks } from '../addresses.ts';
import { parseQuota, parseRate } from '../scalars.ts';
import type { Config } from '../schema.ts';

type Limit = Config['limits'][string];

export function compileLimit(name: string, limit: Limit): LimitModel {
  const key = limit.key ?? [];
  return {
    name,
    spec: specOf(limit),
    key: (typeof key === 'string' ? [key] : key).map(compileKeyPart),
    ipv6Prefix: limit.ipv6Prefix,
    onMissingKey: limit.onMissingKey,
    scope: limit.scope,
    except: limit.except === undefined ? undefined : { ...limit.except, ip: expandBlocks(limit.except.ip) },
    cost: limit.cost,
    shadow: limit.mode === 'shadow',
    onStoreFailure: limit.onStoreFailure,
  };
}

function specOf(limit: Limit): LimitSpec {
  if (limit.window !== undefined) {
    const { count, periodMs } = parseRate(limit.window)!;
    return { kind: 'window', limit: count, windowUs: periodMs * 1000 };
  }
  if (limit.rate !== undefined) {
    const { count, periodMs } = parseRate(limit.rate)!;
    return { kind: 'rate', count, periodUs: periodMs * 1000, burst: limit.burst ?? count };
  }
  return { kind: 'quota', ...parseQuota(limit.quota!)!, timezone: limit.timezone ?? 'UTC' };
}

function compileKeyPart(text: string): KeyPart {
  if (text === 'client.ip' || text === 'route' || text === 'method' || text === 'host') return { source: text };
  const dot = text.indexOf('.');
  const source = text.slice(0, dot) as 'header' | 'cookie' | 'query' | 'path';
  const name = text.slice(dot + 1);
  return { source, name: source === 'header' ? name.toLowerCase() : name };
}
