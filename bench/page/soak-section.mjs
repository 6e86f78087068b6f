// The long run on the page: what was played, minute by minute, and what had to hold.

const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(1);

/** `soak`: a file of bench/results that test/chaos/soak.ts wrote. */
export function soakSection(soak) {
  const head = ['', '## A long run', ''];
  if (soak === undefined) return [...head, 'Not measured yet.'];
  const pictures = soak.minutes.length < 2 ? [] : ['memory', 'descriptors'].map(picture);
  return [
    ...head,
    `${Math.round(soak.minutes.at(-1).minute)} minutes of clients of every kind at once, in clear and over TLS: small, large and chunked bodies both ways, ` +
      'answers 500 of the endpoint, refused requests, clients that leave or reset at any point, WebSockets, garbage. ' +
      `${soak.date.slice(0, 10)}, commit ${soak.commit}, Node ${soak.node}.`,
    '',
    ...pictures,
    '| what must hold | measured | bound | |',
    '|---|---:|---:|---|',
    ...soak.checks.map(
      ({ what, value, bound, ok }) => `| ${what} | ${value} | ${bound} | ${ok ? 'holds' : '**broken**'} |`,
    ),
    '',
    '| played | times |',
    '|---|---:|',
    ...Object.entries(soak.counts).map(([name, count]) => `| ${name} | ${count} |`),
    '',
    '| minute | done | surprises | RSS MB | most descriptors |',
    '|---:|---:|---:|---:|---:|',
    ...soak.minutes.map(({ minute, done, surprised, rssBytes, descriptors }) => {
      return `| ${minute} | ${done} | ${surprised} | ${megabytes(rssBytes)} | ${descriptors} |`;
    }),
  ];
}

const picture = (kind) => `![${kind} under mixed load](benchmarks/soak-${kind}.svg)\n`;
