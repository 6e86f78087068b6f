import type { Random } from '../random.ts';
import { EjectionBackoff, type OutlierSettings } from './outlier.ts';

/**
 * `down`: its health check says so. `ejected`: live requests failed; out for a time. `half-open`: that time is over, one
 * live request tests it. A check's verdict is shown before the others.
 */
export type EndpointStateName = 'up' | 'down' | 'ejected' | 'half-open';

/** How many results in a row turn a health check's verdict. */
export interface CheckThresholds {
  readonly fall: number;
  readonly rise: number;
}

/** Live failures in a row from which an endpoint is suspect: it is checked more often, not yet ejected. */
const SUSPECT_FAILURES = 2;

/**
 * What is known of one endpoint's health: the verdict of active checks and the outcomes of live requests. A pure state
 * machine: time and randomness are handed in, and whoever drives it acts on what it returns. Methods return true when
 * the endpoint's state, or whether it may be picked, changed.
 *
 * Without a check yet it is taken for healthy; the first check decides alone, either way, and from then on `fall` and
 * `rise` do. The check and the live requests judge apart: a good check does not end an ejection, since it may not see what
 * live requests see.
 */
export class EndpointHealth {
  #state: EndpointStateName = 'up';
  #checkVerdict: 'unknown' | 'up' | 'down' = 'unknown';
  /** Check results in a row that contradict the verdict. */
  #contradictions = 0;
  #checkDetail = '';
  #failures = 0;
  #ejection: 'none' | 'ejected' | 'half-open' = 'none';
  #ejectionReason = '';
  #trialTaken = false;
  #healthySinceMs = 0;
  readonly #backoff = new EjectionBackoff();

  get state(): EndpointStateName {
    return this.#state;
  }

  /** Whether it may be given a request while its upstream does not panic. */
  get admits(): boolean {
    return this.#state === 'up' || (this.#state === 'half-open' && !this.#trialTaken);
  }

  /** Whether it is half-open and no request tests it yet. */
  get awaitsTrial(): boolean {
    return this.#state === 'half-open' && !this.#trialTaken;
  }

  /** Whether something says that the state may soon change: worth checking more often. */
  get suspect(): boolean {
    return this.#contradictions > 0 || (this.#failures >= SUSPECT_FAILURES && this.#state === 'up');
  }

  /** Live failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Why it is in its state, for people; '' when it is up. */
  get reason(): string {
    if (this.#state === 'down') return `health check: ${this.#checkDetail}`;
    return this.#state === 'up' ? '' : this.#ejectionReason;
  }

  /** The result of an active check; `detail` says what was wrong. */
  checked(ok: boolean, detail: string, thresholds: CheckThresholds, nowMs: number): boolean {
    if (!ok) this.#checkDetail = detail;
    if (this.#checkVerdict === 'unknown') {
      this.#checkVerdict = ok ? 'up' : 'down';
    } else if (ok === (this.#checkVerdict === 'up')) {
      this.#contradictions = 0;
    } else {
      this.#contradictions += 1;
      if (this.#contradictions < (ok ? thresholds.rise : thresholds.fall)) return false;
      this.#checkVerdict = ok ? 'up' : 'down';
      this.#contradictions = 0;
      this.#failures = 0;
    }
    return this.#settle(nowMs);
  }

  /** There is no health check any more: its verdict is forgotten. */
  uncheck(nowMs: number): boolean {
    this.#checkVerdict = 'unknown';
    this.#contradictions = 0;
    return this.#settle(nowMs);
  }

  /**
   * A live request succeeded. Returns whether the endpoint, half-open, is now to be taken back, by `readmit()`. While it
   * is ejected the request is one from before, which proves nothing new.
   */
  succeeded(): boolean {
    this.#failures = 0;
    return this.#ejection === 'half-open';
  }

  /**
   * A live request failed. Returns whether the endpoint is now to be ejected, by `eject()`, or, where its upstream cannot
   * spare it, to be kept, by `readmit()`.
   */
  failed(settings: OutlierSettings): boolean {
    this.#failures += 1;
    this.#trialTaken = false;
    if (this.#state === 'half-open') return true;
    return this.#state === 'up' && this.#failures >= settings.consecutiveFailures;
  }

  /** A live request ended without saying anything of the endpoint: a trial may be made again. */
  endedNeutral(): boolean {
    const wasTrial = this.#trialTaken;
    this.#trialTaken = false;
    return wasTrial && this.#state === 'half-open';
  }

  /** A request is about to be sent. True when it is the trial of a half-open endpoint, which admits no other until it ends. */
  begun(): boolean {
    if (!this.awaitsTrial) return false;
    this.#trialTaken = true;
    return true;
  }

  /** Ejects; returns for how many milliseconds. After that time `endEjection()` is due. */
  eject(settings: OutlierSettings, reason: string, random: Random, nowMs: number): number {
    this.#ejection = 'ejected';
    this.#ejectionReason = reason;
    this.#trialTaken = false;
    this.#settle(nowMs);
    return this.#backoff.next(settings, random);
  }

  /** The time of the ejection is over. */
  endEjection(nowMs: number): boolean {
    if (this.#ejection !== 'ejected') return false;
    this.#ejection = 'half-open';
    this.#trialTaken = false;
    return this.#settle(nowMs);
  }

  /** Back among the healthy, unless a check says otherwise. Failures counted so far stay: the next one is again a case for ejection. */
  readmit(nowMs: number): boolean {
    this.#ejection = 'none';
    this.#trialTaken = false;
    return this.#settle(nowMs);
  }

  #settle(nowMs: number): boolean {
    const next = this.#verdict();
    if (next === this.#state) return false;
    if (this.#state === 'up') this.#backoff.healthyFor(nowMs - this.#healthySinceMs);
    if (next === 'up') this.#healthySinceMs = nowMs;
    this.#state = next;
    return true;
  }

  #verdict(): EndpointStateName {
    if (this.#checkVerdict === 'down') return 'down';
    return this.#ejection === 'none' ? 'up' : this.#ejection;
  }
}
