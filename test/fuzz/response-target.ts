import { cut, mutate } from './mutate.ts';
import { Relay, type ResponseParserMaker, soundResponseParser } from './relay.ts';
import { response } from './response-grammar.ts';
import { judgeResponses } from './response-oracle.ts';
import { Rng } from './rng.ts';
import type { FuzzTarget } from './target.ts';

const METHODS = ['GET', 'GET', 'POST', 'HEAD', 'OPTIONS'];

interface Input {
  readonly methods: readonly string[];
  readonly toOldClient: boolean;
  readonly text: string;
  readonly isLegal: boolean;
}

/** What an endpoint sends in answer to one to three requests: legal, or legal with some changes. */
function inputOf(rng: Rng): Input {
  const toOldClient = rng.chance(0.1);
  const methods = Array.from({ length: toOldClient ? 1 : rng.mostly([1], [2, 3], 0.3) }, () => rng.pick(METHODS));
  const text = methods.map((method) => response(rng, method)).join('');
  if (rng.chance(0.2)) return { methods, toOldClient, text, isLegal: true };
  return { methods, toOldClient, text: mutate(text, rng, [response(rng, 'GET')]), isLegal: false };
}

/** Responses in, responses out: read by our parser, written by our stream, judged by llhttp and by a strict client. */
export function responseTarget(makeParser: ResponseParserMaker = soundResponseParser): FuzzTarget {
  return {
    name: 'response',
    share: 3,
    input: (seed) => inputOf(new Rng(seed)).text,
    run: (seed) => {
      const rng = new Rng(seed);
      const { text, methods, toOldClient, isLegal } = inputOf(rng);
      const octets = Buffer.from(text, 'latin1');
      const whole = new Relay(makeParser, methods, toOldClient).feed(octets).end();
      const problem = judgeResponses(octets, whole, methods) ?? (isLegal ? judgeLegal(whole) : undefined);
      if (problem !== undefined || rng.chance(0.5)) return problem;
      const pieces = new Relay(makeParser, methods, toOldClient);
      for (const piece of cut(octets, rng)) pieces.feed(Buffer.from(piece));
      return pieces.broken ?? differently(whole, pieces.end());
    },
  };
}

function judgeLegal({ refused }: Relay): string | undefined {
  return refused === undefined ? undefined : `refused (${refused}), though legal`;
}

function differently(whole: Relay, pieces: Relay): string | undefined {
  const [first, second] = [summary(whole), summary(pieces)];
  return first === second ? undefined : `cut elsewhere it is ${second} instead of ${first}`;
}

function summary({ sent, refused }: Relay): string {
  const responses = sent.map(({ status, fields, informational, body, trailers, complete }) => {
    return [status, fields, informational, body, trailers, complete];
  });
  return JSON.stringify([responses, refused !== undefined]);
}
