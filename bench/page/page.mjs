// docs/benchmarks.md and its charts, from bench/results alone: the same files give the same page.
import { verdicts } from '../goals.mjs';
import { markdownTable } from '../tables.mjs';
import { charts } from './charts.mjs';
import { benchRuns, newestOfEach, newestSoak } from './results.mjs';
import { soakSection } from './soak-section.mjs';

const GENERATED =
  '<!-- Written by scripts/generate.mjs from bench/results. Run the benchmark and "npm run generate" to renew it. -->';

/** Sections in their order: the suite, its heading, what one must know to read the figures. */
const SECTIONS = [
  [
    'proxy',
    'A proxied request',
    'As fast as it goes: 64 keep-alive connections, `GET` with a 512-byte JSON answer, keep-alive to the origin, ' +
      '`X-Forwarded-For` added, a limit per client that is decided on every request and never reached. Headgate also routes, balances ' +
      'and counts its metrics. `node:http + undici` limits and routes nothing: it is the floor of what a proxy on Node’s own HTTP costs. ' +
      'CPU is user and system time of the proxy, garbage collection included, per answer.',
  ],
  [
    'latency',
    'Delay at half load',
    'The same rate for all, half of what Headgate does at most, sent at even distances whether or not earlier requests are answered ' +
      '(an open loop). A latency runs from the moment a request was due, so a stall counts for all who would have met it. ' +
      'What a proxy adds is its 99th percentile less the one without a proxy. “Sent late” is the generator’s own delay: where it is ' +
      'not small against the p99, the run says little.',
  ],
  [
    'tls',
    'TLS on the client side',
    'The same request over TLS 1.3 on kept connections, ECDSA P-256 certificate; in clear to the origin. The Node peer is `node:https` ' +
      '(so `node:tls`) with undici, and neither limits nor routes.',
  ],
  [
    'redis',
    'Every decision in Redis',
    'One shared limit, 1 000 keys in a header, a real `redis-server` beside the load; Headgate with `consistency: strict`. nginx asks ' +
      'with one EVALSHA a request, a counter in a fixed window: the least that a limit in Redis can do.',
  ],
  ['bodies', '1 MB bodies', '`GET` of 1 MiB over 16 connections; nginx without its temporary files.'],
  [
    'idle',
    'Idle connections',
    '10 000 keep-alive connections, each of which had one request answered, then nothing; what the resident memory grew by.',
  ],
  [
    'scale',
    'Ten, and many',
    'Requests go to random routes, limiter keys and endpoints. No two heads in a row are the same, in either size. Endpoints are so many ' +
      'addresses of one origin, each with connections of its own, so the kernel’s part grows too.',
  ],
  ['start', 'Start to first answer', 'From the start of the process to the first answer of the origin through it.'],
  ['workers', 'Two workers against one', 'The workers on two cores, load and origin on two others.'],
];

function goalsTable(suites) {
  const rows = verdicts(suites).map(({ suite, what, goal, measured, met }) => {
    if (measured === undefined) return `| ${what} | ${goal} | not measured${why(suites[suite])} | |`;
    return `| ${what} | ${goal} | ${measured} | ${met ? 'met' : '**missed**'} |`;
  });
  return ['| | goal | measured | |', '|---|---:|---:|---|', ...rows];
}

const why = (suite) => (suite?.skipped === undefined ? '' : `: ${suite.skipped}`);

const day = (run) => run.date.slice(0, 10);

/** When, at which commit, how often. */
function source({ run, rate }) {
  const at = rate === undefined ? '' : `, ${rate} requests/s`;
  return `${day(run)}, commit ${run.commit}, ${run.what.rounds} × ${run.what.seconds} s${at}; [all figures](../bench/results/${run.name}).`;
}

function section([name, title, about], suites, pictures) {
  const lines = ['', `## ${title}`, '', about, ''];
  const suite = suites[name];
  if (suite?.rows === undefined) return [...lines, `Not measured${suite === undefined ? ' yet' : why(suite)}.`];
  for (const { file, alt } of pictures.filter((picture) => picture.suite === name)) {
    lines.push(`![${alt}](benchmarks/${file})`, '');
  }
  return [...lines, markdownTable(name, suite), '', source(suite)];
}

function machineLines(suites) {
  const runs = [...new Set(Object.values(suites).map(({ run }) => run))];
  return [...new Set(runs.map(({ machine }) => machineText(machine)))].map((text) => `- ${text}`);
}

function machineText({ cpu, cores, memoryGb, os, nodes }) {
  return `${cpu}, ${cores} cores, ${memoryGb} GB, ${os}, Node ${nodes.join(' and ')}`;
}

function versionLine(suites) {
  const versions = new Map();
  for (const { rows } of Object.values(suites)) {
    for (const { title, version } of rows ?? []) {
      if (version !== undefined) versions.set(title.split(',')[0], version);
    }
  }
  return [...versions].map(([title, version]) => `${title} ${version}`).join('; ');
}

const METHOD = [
  'Everything is on loopback of one machine. The proxy is pinned to core 0, the load (`wrk`, or the open-loop generator) and the',
  'origin (nginx) to core 1. Each figure is of a fresh process, warmed up first; rounds go through all proxies in turn, each beginning with',
  'another one, and a figure is the median over the rounds. “Spread” is half of what lies between the least and the most, as a part of the',
  'median. Absolute figures depend on the machine and on what else it does: only ratios within one table say something.',
];

const AGAIN = [
  '```sh',
  'npm ci && npm run build',
  'npm run bench -- --rounds 5 --seconds 10                          # everything; --suite proxy,latency for some of it',
  'node --import tsx test/chaos/soak.ts --minutes 20 --save          # the long run',
  'npm run profile -- --seconds 10                                   # where the time of one request goes',
  'npm run generate                                                  # this page',
  '```',
  '',
  '[bench/README.md](../bench/README.md) says what is needed and what each suite measures.',
];

/** Files by name, relative to the project. */
export function benchmarkFiles() {
  const runs = benchRuns();
  const soak = newestSoak();
  const suites = newestOfEach(runs);
  const pictures = charts({ suites, runs, soak });
  const lines = [
    GENERATED,
    '# Benchmarks',
    '',
    'What Headgate costs, beside nginx, HAProxy and the proxies that a Node project would take instead, each doing the same work. Where a',
    'goal is missed it says so; [where the time goes](decisions/0009-where-the-time-goes.md) says why.',
    '',
    '## Goals',
    '',
    ...goalsTable(suites),
    ...SECTIONS.flatMap((entry) => section(entry, suites, pictures)),
    ...soakSection(soak),
    ...history(pictures),
    '',
    '## Method',
    '',
    ...METHOD,
    '',
    ...machineLines(suites),
    '',
    versionLine(suites),
    '',
    '## Again',
    '',
    ...AGAIN,
  ];
  const files = { 'docs/benchmarks.md': `${lines.join('\n')}\n` };
  for (const { file, svg } of pictures) files[`docs/benchmarks/${file}`] = svg;
  return files;
}

function history(pictures) {
  const picture = pictures.find(({ file }) => file === 'history.svg');
  if (picture === undefined) return [];
  return ['', '## Over time', '', `![${picture.alt}](benchmarks/${picture.file})`];
}
