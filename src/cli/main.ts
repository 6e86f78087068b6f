#!/usr/bin/env node
// Nothing else is imported before Node's version is known to be good enough to read it.
const MINIMUM_NODE = [20, 19] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor < MINIMUM_NODE[1])) {
  process.stderr.write(
    `headgate needs Node ${MINIMUM_NODE.join('.')} or later; this is Node ${process.versions.node}\n`,
  );
  process.exit(1);
}
await import('./young-generation.ts');
const { dispatch } = await import('./dispatch.ts');
await dispatch(process.argv.slice(2));

export {};
