// How much memory one VM of the filter takes at its worst: the shipped module in V8, without a gateway.
//
//   node vm.mjs RESCIND.WASM
//
// Prints what the module's memory has grown to after each step, in bytes, as JSON. A host in the
// sense of the Proxy-Wasm ABI is played here as far as the filter uses one; nothing leaves this
// process. Memory of WebAssembly never shrinks, so the last figure is the greatest.

import crypto from "node:crypto";
import fs from "node:fs";

const ISSUERS = 50;
// A configuration of 1 MiB has room for so many sets; the others are fetched.
const INLINE = 15;
const MAX_KEY_SET_BYTES = 64 * 1024;
const START = 1_800_000_000;
const AUDIENCE = "https://api.example.com";
const b64 = (bytes) => Buffer.from(bytes).toString("base64url");

// === Who signs ===

const feed = crypto.generateKeyPairSync("ed25519");
const publicKey = (pair) => pair.publicKey.export({ format: "jwk" }).x;
const signers = [];
const sets = [];

// As many keys as fit: one that signs, and RSA keys of the greatest size, which cost most.
function rotate(issuer) {
  const pair = crypto.generateKeyPairSync("ed25519");
  signers[issuer] = pair;
  const keys = [{ kty: "OKP", crv: "Ed25519", kid: "k", x: publicKey(pair) }];
  const size = () => JSON.stringify({ keys }).length;
  for (;;) {
    const n = crypto.randomBytes(1024);
    n[0] |= 0x80;
    n[1023] |= 1;
    keys.push({ kty: "RSA", kid: `rsa-${keys.length}`, n: b64(n), e: "AQAB" });
    if (size() > MAX_KEY_SET_BYTES) break;
  }
  keys.pop();
  sets[issuer] = JSON.stringify({ keys });
}
for (let issuer = 0; issuer < ISSUERS; issuer++) rotate(issuer);

let minted = 0;
function token(claims) {
  const number = minted++ % ISSUERS;
  const parts = [
    { alg: "EdDSA", typ: "at+jwt", kid: "k" },
    {
      iss: `https://idp-${number}.example.com`, aud: AUDIENCE, sub: `user-${minted}`,
      client_id: "spiffe://example.org/agents/research/planner", jti: `t-${minted}`, iat: START - 60,
      exp: START + 3000, scope: "orders:read orders:write users:read users:write", sid: `s-${minted}`,
      act: { sub: "agent-1", act: { sub: "spiffe://example.org/agents/a/b" } }, ...claims,
    },
  ];
  const input = parts.map((part) => b64(JSON.stringify(part))).join(".");
  return `${input}.${b64(crypto.sign(null, Buffer.from(input), signers[number].privateKey))}`;
}

// === The companion's pages (filter/core/src/feed.rs) ===

function head(major, value) {
  const number = BigInt(value);
  const sized = (info, bytes) => {
    const buffer = Buffer.alloc(1 + bytes);
    buffer[0] = (major << 5) | info;
    for (let at = 0; at < bytes; at++) buffer[bytes - at] = Number((number >> BigInt(8 * at)) & 255n);
    return buffer;
  };
  if (number < 24n) return Buffer.from([(major << 5) | Number(number)]);
  if (number < 1n << 8n) return sized(24, 1);
  if (number < 1n << 16n) return sized(25, 2);
  return number < 1n << 32n ? sized(26, 4) : sized(27, 8);
}
const uint = (value) => head(0, value);
const bytes = (value) => Buffer.concat([head(2, value.length), value]);
const array = (items) => Buffer.concat([head(4, items.length), ...items]);

const log = crypto.randomBytes(16);
const RECORDS = 1_000_000;
let sent = 0;
const PAGE_RECORDS = 4096;
const record = () =>
  array([
    bytes(crypto.randomBytes(16)), uint(1), uint(START - 100), uint(1), uint(1),
    bytes(crypto.randomBytes(16)), array([]),
  ]);

function page(path) {
  const from = Number(/after=[0-9a-f]+\.(\d+)/.exec(path)?.[1] ?? 0);
  const to = Math.min(from + PAGE_RECORDS, RECORDS);
  sent = Math.max(sent, to);
  const records = Array.from({ length: to - from }, record);
  const payload = array([
    uint(1), bytes(log), uint(from), uint(to), uint(Math.floor(now)),
    Buffer.from([to < RECORDS ? 0xf5 : 0xf4]), uint(86_400), uint(RECORDS), array(records),
  ]);
  const input = Buffer.concat([Buffer.from("rescind-feed-v1\0"), payload]);
  return array([bytes(payload), bytes(crypto.sign(null, input, feed.privateKey))]);
}

// === The host ===

let now = START * 1000;
let configuration = Buffer.alloc(0);
let request = new Map();
let answer = Buffer.alloc(0);
let calls = [];
let replied = null;
const shared = new Map();
let cas = 0;
let metrics = 0;
const OK = 0, NOT_FOUND = 1, CAS_MISMATCH = 8, UNIMPLEMENTED = 12;

let vm;
const view = () => new DataView(vm.memory.buffer);
const read = (at, size) => Buffer.from(new Uint8Array(vm.memory.buffer, at, size));
const text = (at, size) => read(at, size).toString();
function give(value, at, size) {
  const place = vm.proxy_on_memory_allocate(value.length);
  new Uint8Array(vm.memory.buffer).set(value, place);
  view().setUint32(at, place, true);
  view().setUint32(size, value.length, true);
  return OK;
}
function pairs(map) {
  const items = [...map].map((pair) => pair.map((item) => Buffer.from(item)));
  const lengths = items.flat().map((item) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(item.length);
    return length;
  });
  const count = Buffer.alloc(4);
  count.writeUInt32LE(items.length);
  return Buffer.concat([count, ...lengths, ...items.flat().flatMap((item) => [item, Buffer.from([0])])]);
}
function unpaired(buffer) {
  const count = buffer.readUInt32LE(0);
  let at = 4 + 8 * count;
  const found = new Map();
  for (let item = 0; item < count; item++) {
    const [name, value] = [0, 4].map((offset) => {
      const size = buffer.readUInt32LE(4 + 8 * item + offset);
      const piece = buffer.subarray(at, at + size).toString();
      at += size + 1;
      return piece;
    });
    found.set(name, value);
  }
  return found;
}

const env = {
  proxy_log: (level, at, size) => {
    if (level >= 4 || process.env.VERBOSE) console.error(text(at, size));
    return OK;
  },
  proxy_set_tick_period_milliseconds: () => OK,
  proxy_get_buffer_bytes: (kind, start, max, at, size) =>
    give((kind === 7 ? configuration : answer).subarray(start, start + max), at, size),
  proxy_get_header_map_pairs: (map, at, size) => give(pairs(request), at, size),
  proxy_get_header_map_value: (map, name, length, at, size) => {
    const wanted = text(name, length);
    const value = map !== 6 ? request.get(wanted) : wanted === ":status" ? "200" : undefined;
    return value === undefined ? NOT_FOUND : give(Buffer.from(value), at, size);
  },
  proxy_add_header_map_value: () => OK,
  proxy_replace_header_map_value: () => OK,
  proxy_remove_header_map_value: () => OK,
  proxy_get_property: () => NOT_FOUND,
  proxy_set_property: () => OK,
  proxy_get_shared_data: (name, length, at, size, version) => {
    const found = shared.get(text(name, length));
    if (!found) return NOT_FOUND;
    view().setUint32(version, found.cas, true);
    return give(found.value, at, size);
  },
  proxy_set_shared_data: (name, length, at, size, version) => {
    const key = text(name, length);
    const known = shared.get(key);
    if (version !== 0 && known && known.cas !== version) return CAS_MISMATCH;
    shared.set(key, { value: read(at, size), cas: ++cas });
    return OK;
  },
  proxy_http_call: (name, length, headers, size, body, bodySize, trailers, trailersSize, timeout, token) => {
    const id = calls.length + 1;
    calls.push({ id, cluster: text(name, length), path: unpaired(read(headers, size)).get(":path") });
    view().setUint32(token, id, true);
    return OK;
  },
  proxy_send_local_response: (status) => {
    replied = status;
    return OK;
  },
  proxy_continue_stream: () => OK,
  proxy_set_effective_context: () => OK,
  proxy_call_foreign_function: () => UNIMPLEMENTED,
  proxy_define_metric: (kind, name, length, id) => {
    view().setUint32(id, metrics++, true);
    return OK;
  },
  proxy_increment_metric: () => OK,
  proxy_record_metric: () => OK,
};
const wasi = {
  clock_time_get: (id, precision, at) => {
    view().setBigUint64(at, BigInt(Math.floor(now)) * 1_000_000n, true);
    return 0;
  },
  environ_get: () => 0,
  environ_sizes_get: (count, size) => {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  },
  fd_write: () => 0,
  proc_exit: (code) => {
    throw new Error(`the module ended with ${code}`);
  },
  random_get: (at, size) => {
    new Uint8Array(vm.memory.buffer, at, size).set(crypto.randomBytes(size));
    return 0;
  },
};

const ROOT = 1;
let answered = 0;
function tick(millis) {
  now += millis;
  vm.proxy_on_tick(ROOT);
  while (answered < calls.length) {
    const call = calls[answered++];
    answer = call.cluster === "rescind" ? page(call.path) : Buffer.from(sets[call.cluster.slice(4)]);
    vm.proxy_on_http_call_response(ROOT, call.id, 1, answer.length, 0);
  }
}

let context = ROOT;
function call(bearer, status = null) {
  request = new Map([
    [":method", "GET"], [":path", "/orders"], [":authority", "api.example.com"],
    ["authorization", `Bearer ${bearer}`],
  ]);
  replied = null;
  vm.proxy_on_context_create(++context, ROOT);
  const action = vm.proxy_on_request_headers(context, request.size, 1);
  vm.proxy_on_log(context);
  vm.proxy_on_delete(context);
  if (action !== (status === null ? 0 : 1) || replied !== status) {
    throw new Error(`a token was answered ${replied}, not ${status}`);
  }
}

// === The measurement ===

const module = await WebAssembly.compile(fs.readFileSync(process.argv[2]));
const instance = await WebAssembly.instantiate(module, { env, wasi_snapshot_preview1: wasi });
vm = instance.exports;
const figures = {};
const note = (step) => (figures[step] = vm.memory.buffer.byteLength);

note("loaded");
vm._initialize();
vm.proxy_on_context_create(ROOT, 0);
vm.proxy_on_vm_start(ROOT, 0);
configuration = Buffer.from(
  JSON.stringify({
    issuers: sets.map((_, number) => ({
      issuer: `https://idp-${number}.example.com`, audiences: [AUDIENCE],
      algorithms: ["EdDSA", "RS256"],
      keys:
        number < INLINE
          ? { inline: JSON.parse(sets[number]) }
          : { url: `https://idp-${number}.example.com/jwks`, cluster: `idp-${number}`, refresh_secs: 10 },
    })),
    revocation: {
      cluster: "rescind", authority: "rescind.example.com", gateway_name: "edge", gateway_token: "t",
      feed_key: publicKey(feed), subject_key: "00".repeat(16), checksum_key: "11".repeat(16),
    },
  }),
);
if (vm.proxy_on_configure(ROOT, configuration.length) !== 1) throw new Error("not configured");
note("configured");
for (let turn = 0; turn < 3000 && sent < RECORDS; turn++) tick(100);
if (sent < RECORDS) throw new Error(`only ${sent} records were asked for`);
// The last page is applied, and the table has grown.
for (let turn = 0; turn < 200; turn++) tick(100);
call(token({}));
note("key sets fetched, table read");

// The token cache's two limits: 10,000 tokens, and 16 MiB; each fills both of its halves.
const fill = (count, claims) => {
  for (let number = 0; number < count; number++) {
    call(token(claims));
    if (number % 1000 === 0) tick(10);
  }
};
fill(15_000, {});
note("10,000 tokens");
fill(3_500, { ballast: "x".repeat(5000) });
note("16 MiB of tokens");
fill(12_000, {});
note("10,000 tokens again");

// As many forged tokens as are remembered.
for (let number = 0; number < 2048; number++) {
  const [header, payload, signature] = token({}).split(".");
  call([header, payload, (signature[0] === "A" ? "B" : "A") + signature.slice(1)].join("."), 401);
}
note("2,048 forged tokens");

// Every issuer whose keys are fetched rotates all of them, twice, while the cache is full.
for (let round = 0; round < 2; round++) {
  for (let issuer = INLINE; issuer < ISSUERS; issuer++) rotate(issuer);
  for (let turn = 0; turn < 150; turn++) tick(100);
  fill(2_000, { ballast: "x".repeat(2000 * (round + 1)) });
}
note("all keys rotated twice");
console.log(JSON.stringify(figures));
