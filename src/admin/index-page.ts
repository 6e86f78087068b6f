const LINKS: readonly (readonly [path: string, what: string])[] = [
  ['/livez', 'the process works'],
  ['/readyz', 'ready for traffic; fails once the gateway drains'],
  ['/metrics', 'Prometheus text'],
  ['/api/v1/config', 'the configuration in force, secrets hidden'],
  ['/api/v1/routes', 'routes'],
  [
    '/api/v1/upstreams',
    'endpoints with state, in flight and latency (also as <a href="/api/v1/upstreams?format=csv">CSV</a>)',
  ],
  ['/api/v1/limits', 'limits: mode, allowed, refused'],
  ['/api/v1/fleet', 'gateways on this store'],
];

/** What there is on the admin server, for a person with a browser. */
export const INDEX_PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Headgate admin</title></head>
<body>
<h1>Headgate admin</h1>
<ul>
${LINKS.map(([path, what]) => `<li><a href="${path}">${path}</a>: ${what}</li>`).join('\n')}
<li><code>POST /api/v1/reload</code>: load the configuration again</li>
<li><code>PUT /api/v1/log</code>: set the log level, <code>{"level":"debug"}</code></li>
</ul>
</body>
</html>
`;
