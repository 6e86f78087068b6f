// Peer: Fastify with its own proxy and limiter; with REDIS the limiter's decisions are taken there.
import proxy from '@fastify/http-proxy';
import rateLimit from '@fastify/rate-limit';
import Fastify from 'fastify';
import { Redis } from 'ioredis';

const { PORT, ORIGIN, REDIS } = process.env;
const app = Fastify({ logger: false, keepAliveTimeout: 75_000 });
await app.register(rateLimit, {
  global: true,
  max: 1_000_000_000,
  timeWindow: 1000,
  ...(REDIS === undefined
    ? {}
    : { redis: new Redis(REDIS), keyGenerator: (request) => request.headers['x-key'] ?? request.ip }),
});
await app.register(proxy, {
  upstream: ORIGIN,
  undici: { connections: 256, pipelining: 1 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) => ({ ...headers, 'x-forwarded-for': request.socket.remoteAddress }),
  },
});
await app.listen({ port: Number(PORT), host: '127.0.0.1' });
