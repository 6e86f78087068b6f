import { CidrSet } from '../core/ip.ts';
import { type PathPattern, parsePathPattern, pathMatches } from '../core/route/path-pattern.ts';
import type { LimitExcept } from './limit-model.ts';
import type { LimitSubject } from './limit-subject.ts';

/** `except` of a limit: requests that meet one of its lists are not limited and not counted. */
export class LimitException {
  private readonly networks: CidrSet;
  private readonly paths: readonly PathPattern[];
  private readonly methods: ReadonlySet<string>;

  constructor(except: LimitExcept) {
    this.networks = new CidrSet(except.ip);
    this.paths = except.path.map(parsePathPattern);
    this.methods = new Set(except.methods);
  }

  holds(subject: LimitSubject): boolean {
    return (
      this.methods.has(subject.method) ||
      this.paths.some((pattern) => pathMatches(pattern, subject.path)) ||
      this.networks.contains(subject.clientIp)
    );
  }
}
