// Origin where there is no nginx: the same 512 bytes of JSON from node:http.
import { createServer } from 'node:http';

const body = process.env.BODY;
const head = { 'Content-Type': 'application/json', 'Content-Length': body.length };
const server = createServer({ keepAliveTimeout: 600_000 }, (_, response) => {
  response.writeHead(200, head);
  response.end(body);
});
server.listen(Number(process.env.PORT), '127.0.0.1');
