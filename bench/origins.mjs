// What the proxies forward to: nginx where it is there, else node:http.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { here, nginxHead, nginxTemp } from './nginx-common.mjs';
import { has } from './processes.mjs';

const BODY = JSON.stringify({ data: '' }).replace('""', `"${'x'.repeat(512 - 11)}"`);
/** The answer of `GET /large`, in bytes. */
export const LARGE_BYTES = 1024 * 1024;

/** Addresses of loopback, all of them one origin: endpoints that a balancer takes for different machines. */
export function addresses(count) {
  return Array.from({ length: count }, (_, n) => `127.1.${Math.floor(n / 250)}.${(n % 250) + 1}`);
}

/** `GET /large` answers LARGE_BYTES, all else BODY_BYTES of JSON. `endpoints`: that many addresses besides 127.0.0.1. */
export function origin({ folder, port, endpoints = 0 }) {
  if (!has('nginx')) {
    if (endpoints > 0) throw new Error('many endpoints need nginx as the origin');
    return {
      command: [process.execPath, join(here, 'peers/origin.mjs')],
      env: { PORT: String(port), BODY, LARGE_BYTES: String(LARGE_BYTES) },
    };
  }
  writeFileSync(join(folder, 'large'), Buffer.alloc(LARGE_BYTES, 'x'));
  const file = join(folder, 'origin.conf');
  const listens = ['127.0.0.1', ...addresses(endpoints)].map((address) => `listen ${address}:${port};`).join('\n    ');
  writeFileSync(
    file,
    `${nginxHead(folder, 16_384)}
http {
  access_log off; sendfile on; ${nginxTemp(folder)}
  keepalive_requests 1000000000; keepalive_timeout 600s; default_type application/json;
  server {
    ${listens}
    location / { return 200 '${BODY}'; }
    location = /large { root ${folder}; open_file_cache max=10; }
  }
}
`,
  );
  return { command: ['nginx', '-p', folder, '-e', '/dev/null', '-c', file] };
}
