// Reading the data: base64, decompression, and the columns that `timeline/src/html/columns.rs` writes.

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

class Columns {
  constructor(bytes) { this.bytes = bytes; this.at = 0; this.decoder = new TextDecoder(); }

  // A number of at most 53 bits. Bitwise operators have 32 bits, so the upper part is multiplied.
  number() {
    const bytes = this.bytes;
    let byte = bytes[this.at++];
    if (byte < 128) return byte;
    let number = byte & 127, unit = 128;
    do { byte = bytes[this.at++]; number += (byte & 127) * unit; unit *= 128; } while (byte >= 128);
    return number;
  }

  text() { const length = this.number(); return this.decoder.decode(this.bytes.subarray(this.at, this.at += length)); }
  texts() { return Array.from({ length: this.number() }, () => this.text()); }

  plain(Type, count, shift = 0) {
    const column = new Type(count);
    for (let i = 0; i < count; i++) column[i] = this.number() + shift;
    return column;
  }

  // A column of differences; `shift` turns links (one more than the index) into indices, −1 for nothing.
  differences(Type, count, shift = 0) {
    const column = new Type(count);
    let last = 0;
    for (let i = 0; i < count; i++) {
      const code = this.number();
      last += code % 2 ? -(code + 1) / 2 : code / 2;
      column[i] = last + shift;
    }
    return column;
  }
}

// The time between two columns: each end is its begin and a length.
function ends(begins, lengths) {
  for (let i = 0; i < lengths.length; i++) lengths[i] += begins[i];
  return lengths;
}

function decode(bytes) {
  const c = new Columns(bytes), t = {};
  t.length = c.number(); t.events = c.number();
  t.domains = c.texts(); t.causes = c.texts(); t.texts = c.texts(); t.notes = c.texts();
  let n = c.number();
  t.processes = { pid: c.plain(Uint32Array, n), role: c.plain(Uint8Array, n) };
  const threads = c.texts(); n = threads.length;
  t.threads = { name: threads, lane: c.plain(Uint8Array, n), process: c.plain(Uint32Array, n), dropped: c.plain(Float64Array, n), row: c.plain(Uint32Array, n) };
  const groups = c.texts(); n = groups.length;
  t.groups = { name: groups, kind: c.plain(Uint8Array, n), members: c.plain(Uint32Array, n) };
  const rows = c.texts(); n = rows.length;
  t.rows = { name: rows, group: c.differences(Uint32Array, n) };
  const resources = c.texts(); n = resources.length;
  t.resources = { name: resources, unit: c.plain(Int32Array, n, -1) };
  n = c.number();
  const u = t.units = { count: n, domain: c.plain(Uint8Array, n), number: c.differences(Float64Array, n), process: c.plain(Uint32Array, n) };
  for (const name of ['label', 'site', 'parent']) u[name] = c.differences(Int32Array, n, -1);
  u.begin = c.differences(Float64Array, n); u.end = ends(u.begin, c.plain(Float64Array, n));
  u.outcome = c.plain(Uint8Array, n); u.row = c.differences(Uint32Array, n);
  n = c.number();
  const s = t.spans = { count: n, row: c.differences(Uint32Array, n), begin: c.differences(Float64Array, n) };
  s.end = ends(s.begin, c.plain(Float64Array, n)); s.state = c.plain(Uint8Array, n);
  s.unit = c.differences(Int32Array, n, -1); s.cause = c.plain(Uint8Array, n);
  for (const name of ['resource', 'holder', 'site', 'thread']) s[name] = c.differences(Int32Array, n, -1);
  // Of merged spans, the parts of 255 in which they were ready, ran and waited.
  s.merged = new Map();
  let count = 0;
  for (let i = 0; i < n; i++) if (s.state[i] === 4) s.merged.set(i, count++);
  s.shares = [0, 1, 2].map(() => c.plain(Uint8Array, count));
  n = c.number();
  t.wakes = { count: n, at: c.differences(Float64Array, n), from: c.differences(Int32Array, n, -1), thread: c.plain(Int32Array, n, -1), to: c.differences(Int32Array, n, -1), cause: c.plain(Uint8Array, n) };
  t.edgeEnds = [0, 1, 2, 3, 4].map(() => [c.text(), c.text()]);
  n = c.number();
  const e = t.edges = { count: n, kind: c.plain(Uint8Array, n), begin: c.differences(Float64Array, n) };
  e.end = ends(e.begin, c.plain(Float64Array, n));
  e.from = c.differences(Uint32Array, n); e.to = c.differences(Uint32Array, n); e.unit = c.differences(Int32Array, n, -1);
  t.queues = c.texts().map(name => {
    const count = c.number();
    return { name, count, at: c.differences(Float64Array, count), depth: c.plain(Float64Array, count) };
  });
  n = c.number();
  t.marks = { count: n, at: c.differences(Float64Array, n), row: c.differences(Uint32Array, n), unit: c.differences(Int32Array, n, -1), text: c.differences(Int32Array, n, -1), fault: c.plain(Uint8Array, n) };
  return t;
}
