/**
 * A backend that only counts: OTLP over HTTP in, spans counted by walking the protobuf, `GET /` gives the counts.
 * It runs in a process of its own, so that what is measured is the sender.
 */
import { createServer } from 'node:http';

function varint(bytes, at) {
  let value = 0;
  let shift = 1;
  for (;;) {
    const byte = bytes[at++];
    value += (byte & 127) * shift;
    if (byte < 128) return [value, at];
    shift *= 128;
  }
}

/** Calls `visit` with the bounds of each length-delimited field of the given number. */
function fields(bytes, from, to, number, visit) {
  let at = from;
  while (at < to) {
    let tag;
    [tag, at] = varint(bytes, at);
    const wire = tag & 7;
    if (wire === 2) {
      let length;
      [length, at] = varint(bytes, at);
      if (tag >>> 3 === number) visit(at, at + length);
      at += length;
    } else if (wire === 0) [, at] = varint(bytes, at);
    else at += wire === 1 ? 8 : 4;
  }
}

let spans = 0;
let requests = 0;
let projects = 0;
const connections = new Set();
const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(JSON.stringify({ spans, requests, resourceSpans: projects, connections: connections.size }));
    return;
  }
  if (request.method === 'DELETE') {
    spans = requests = projects = 0;
    connections.clear();
    response.end();
    return;
  }
  connections.add(request.socket);
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    requests += 1;
    fields(body, 0, body.length, 1, (resourceFrom, resourceTo) => {
      projects += 1;
      fields(body, resourceFrom, resourceTo, 2, (scopeFrom, scopeTo) => {
        fields(body, scopeFrom, scopeTo, 2, () => {
          spans += 1;
        });
      });
    });
    response.setHeader('content-type', 'application/x-protobuf');
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
