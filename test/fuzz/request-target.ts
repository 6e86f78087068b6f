import { CASES } from '../corpus/corpus-case.ts';
import { Forwarder, type ParserMaker, soundParser } from './forwarder.ts';
import { cut, mutate } from './mutate.ts';
import { requests } from './request-grammar.ts';
import { judgeRequests } from './request-oracle.ts';
import { Rng } from './rng.ts';
import type { FuzzTarget } from './target.ts';

const CORPUS = CASES.map(({ raw }) => raw).filter((raw) => raw.length < 1000);

/** Octets of one client connection: legal, or legal ones with some changes, or a case of the corpus with some. */
function inputOf(rng: Rng): { text: string; isLegal: boolean } {
  if (rng.chance(0.2)) return { text: requests(rng), isLegal: true };
  const text = rng.chance(0.6) ? requests(rng) : rng.pick(CORPUS);
  return { text: mutate(text, rng, CORPUS), isLegal: false };
}

/** Requests in, requests out: read by our parser, written by our writer, judged by llhttp and by a strict origin. */
export function requestTarget(makeParser: ParserMaker = soundParser): FuzzTarget {
  return {
    name: 'request',
    share: 6,
    input: (seed) => inputOf(new Rng(seed)).text,
    run: (seed) => {
      const rng = new Rng(seed);
      const { text, isLegal } = inputOf(rng);
      const input = Buffer.from(text, 'latin1');
      const whole = new Forwarder(makeParser).feed(input);
      const problem = judgeRequests(input, whole) ?? (isLegal ? judgeLegal(whole) : undefined);
      if (problem !== undefined || rng.chance(0.5)) return problem;
      const pieces = new Forwarder(makeParser);
      for (const piece of cut(input, rng)) pieces.feed(Buffer.from(piece));
      return pieces.broken ?? differently(whole, pieces);
    },
  };
}

/** What the grammar allows is not refused. */
function judgeLegal({ refused }: Forwarder): string | undefined {
  return refused === undefined ? undefined : `refused (${refused}), though legal`;
}

/** The same octets cut elsewhere give the same requests. */
function differently(whole: Forwarder, pieces: Forwarder): string | undefined {
  const [first, second] = [summary(whole), summary(pieces)];
  return first === second ? undefined : `cut elsewhere it is ${second} instead of ${first}`;
}

function summary({ sent, refused, answered }: Forwarder): string {
  const requests = sent.map(({ headText, body, trailers, complete }) => [headText, body, trailers, complete]);
  // A head in pieces may be refused before the rule is reached that it breaks as a whole.
  return JSON.stringify([requests, refused !== undefined, answered]);
}
