// What every nginx configuration of the benchmark begins with.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the benchmark. */
export const here = dirname(fileURLToPath(import.meta.url));

/** Started by root, workers would be another user, who may not read the folder. */
const USER = process.getuid?.() === 0 ? 'user root;' : '';

export const nginxHead = (folder, connections = 4096) => `
${USER} daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log /dev/null crit;
events { worker_connections ${connections}; }
`;

export const nginxTemp = (folder) =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
