// A transmitter that shares no code with Rescind: SETs signed by the npm library `jose`, HTTP by Node.
//
//   node transmitter.mjs PORT ENTRY-OF-JOSE
//
// The world asks for GET /jwks and POST /poll (RFC 8936). The test tells it what to do:
//   POST /control/push   {url, token, alg, typ, claims, spoil}  signs, pushes, says what was answered
//   POST /control/queue  {alg, claims, spoil}                   signs, and offers it to polls
//   GET  /control/state  what was acknowledged and reported, and how many polls came

import http from "node:http";
import { pathToFileURL } from "node:url";

const [port, entry] = process.argv.slice(2);
const jose = await import(pathToFileURL(entry).href);

const pairs = new Map();
for (const alg of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
  pairs.set(alg, await jose.generateKeyPair(alg, { extractable: true }));
}
const keys = [];
for (const [alg, { publicKey }] of pairs) {
  keys.push({ ...(await jose.exportJWK(publicKey)), kid: alg, alg, use: "sig" });
}

async function sign({ alg, typ = "secevent+jwt", claims, spoil }) {
  const header = { alg, typ, kid: spoil === "kid" ? "nobody" : alg };
  const set = await new jose.SignJWT(claims).setProtectedHeader(header).sign(pairs.get(alg).privateKey);
  if (spoil !== "signature") return set;
  const [head, payload, signature] = set.split(".");
  return [head, payload, (signature[0] === "A" ? "B" : "A") + signature.slice(1)].join(".");
}

async function push(order) {
  const request = {
    method: "POST",
    headers: {
      authorization: `Bearer ${order.token}`,
      "content-type": "application/secevent+jwt",
      accept: "application/json",
    },
    body: await sign(order),
  };
  let answer = await fetch(order.url, request);
  // As any transmitter would: a receiver that has just started may not have fetched the keys yet.
  for (let tries = 0; answer.status === 503 && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    answer = await fetch(order.url, request);
  }
  return {
    status: answer.status,
    type: answer.headers.get("content-type"),
    language: answer.headers.get("content-language"),
    body: await answer.text(),
  };
}

const state = { polls: 0, acked: [], reported: {} };
const waiting = new Map();
let wake = () => {};

// Holds a poll for a second at most, so that a test never waits for long.
async function poll({ maxEvents, returnImmediately, ack = [], setErrs = {} }) {
  state.polls += 1;
  for (const jti of ack) waiting.delete(jti) && state.acked.push(jti);
  for (const jti of Object.keys(setErrs)) waiting.delete(jti);
  Object.assign(state.reported, setErrs);
  if (waiting.size === 0 && !returnImmediately && maxEvents !== 0) {
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, 1000);
    });
  }
  const sets = [...waiting].slice(0, maxEvents ?? waiting.size);
  return { sets: Object.fromEntries(sets), moreAvailable: sets.length < waiting.size };
}

async function queue(order) {
  waiting.set(order.claims.jti, await sign(order));
  wake();
  return {};
}

const routes = {
  "GET /jwks": async () => ({ keys }),
  "POST /poll": poll,
  "POST /control/push": push,
  "POST /control/queue": queue,
  "GET /control/state": async () => state,
};

http
  .createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    const route = routes[`${request.method} ${request.url}`];
    const answer = route ? await route(text ? JSON.parse(text) : {}) : {};
    response.writeHead(route ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
  })
  .listen(Number(port), "127.0.0.1");
