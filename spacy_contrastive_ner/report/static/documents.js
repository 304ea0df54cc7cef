// The documents: an index of all of them, and their texts, read chunk by chunk when asked for.

const SIDES = ['gold', 'predicted', 'before'];
const CHANGES = [null, 'gained', 'lost'];
const RIGHT = 0;
const MOST_CHUNKS = 6;
const known = (bits) => [null, true, false][bits & 3];

class Documents {
  constructor(index) {
    this.ids = index.ids;
    this.begin = index.begin;
    this.n = index.ids.length;
    this.labels = index.labels;
    this.kinds = index.kinds;
    this.first = index.first;
    this.label = Int32Array.from(index.label);
    this.flags = Int32Array.from(index.flags);
    // Less than 0 if there is none.
    this.score = Float64Array.from(index.score);
    // The marks of document i are those from from[i] to from[i + 1].
    this.from = new Int32Array(this.n + 1);
    index.marks.forEach((n, i) => { this.from[i + 1] = this.from[i] + n; });
    this.total = this.label.length;
    this.unjudged = index.kinds.indexOf('unjudged');
    this.errors = new Int32Array(this.n);
    this.gained = new Int32Array(this.n);
    this.lost = new Int32Array(this.n);
    this.every(this.n, (i, k) => {
      this.errors[i] += this.isError(k);
      // What was found is there as gold and as predicted.
      if (this.sideOf(k) === 0) {
        this.gained[i] += this.changeOf(k) === 1;
        this.lost[i] += this.changeOf(k) === 2;
      }
    });
    this.compared = this.flags.some((flags) => flags >> 11 || (flags & 3) === 2);
    this.chunks = new Map();
    this.numbers = new Map();
    for (let i = this.n - 1; i >= 0; i -= 1) this.numbers.set(this.ids[i], i);
  }

  every(n, call) {
    for (let i = 0; i < n; i += 1) for (let k = this.from[i]; k < this.from[i + 1]; k += 1) call(i, k);
  }

  // What is to be seen of its name.
  nameOf(i) { return shorten(visible(this.ids[i]).trim(), 100) || `number ${i + 1}`; }

  sideOf(k) { return this.flags[k] & 3; }
  kindOf(k) { return (this.flags[k] >> 2) & 15; }
  isNested(k) { return Boolean(this.flags[k] & 256); }
  isNew(k) { return ((this.flags[k] >> 9) & 3) === 1; }
  changeOf(k) { return (this.flags[k] >> 11) & 3; }
  isError(k) { const kind = this.kindOf(k); return kind !== RIGHT && kind !== this.unjudged && this.sideOf(k) < 2; }

  chunkOf(i) {
    let low = 0, high = this.first.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.first[middle] <= i) low = middle; else high = middle - 1;
    }
    return low;
  }

  chunk(c) {
    if (!this.chunks.has(c)) {
      this.chunks.set(c, dataOf(`documents-${c}`));
      if (this.chunks.size > MOST_CHUNKS) this.chunks.delete(this.chunks.keys().next().value);
    }
    return this.chunks.get(c);
  }

  get(i) {
    const c = this.chunkOf(i);
    const [text, places] = this.chunk(c)[i - this.first[c]];
    const marks = [];
    for (let k = this.from[i], p = 0; k < this.from[i + 1]; k += 1, p += 6) marks.push(this.mark(k, places.slice(p, p + 6)));
    const pairs = Array.from(text.matchAll(/[\u{10000}-\u{10ffff}]/gu), (found) => found.index);
    return { i, id: this.ids[i], text, marks, pairs };
  }

  // The number of characters before a place, as Python counts them.
  static characters(document, place) {
    let low = 0, high = document.pairs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (document.pairs[middle] < place) low = middle + 1; else high = middle;
    }
    return place - low;
  }

  mark(k, [start, end, group, from, to, label]) {
    const flags = this.flags[k];
    return {
      k, start, end, group,
      label: this.labels[this.label[k]],
      side: SIDES[flags & 3],
      kind: this.kinds[this.kindOf(k)],
      error: this.isError(k),
      labelRight: known(flags >> 6),
      nested: this.isNested(k),
      fresh: known(flags >> 9),
      change: CHANGES[this.changeOf(k)],
      score: this.score[k] < 0 ? null : this.score[k],
      partner: from < 0 ? null : { start: from, end: to, label: this.labels[label] },
    };
  }

  // Which documents hold a text: chunk after chunk, so that the page stays awake. False if it was
  // stopped by another search.
  async search(query, isStopped) {
    const is = new RegExp(pattern(query).source, 'iu');
    const found = new Uint8Array(this.n);
    let before = performance.now();
    for (let c = 0; c < this.first.length; c += 1) {
      const chunk = this.chunks.get(c) || dataOf(`documents-${c}`);
      chunk.forEach(([text], at) => { found[this.first[c] + at] = is.test(text) || is.test(this.ids[this.first[c] + at]); });
      if (performance.now() - before > 40) {
        await new Promise((resolve) => setTimeout(resolve));
        before = performance.now();
      }
      if (isStopped()) return null;
    }
    return found;
  }

  // The part of an address that names a document.
  link(i) {
    const id = this.ids[i];
    let name = '';
    try { name = encodeURIComponent(id); } catch (error) { /* Half of a character. */ }
    return `#doc=${name}${name && this.numbers.get(id) === i ? '' : `&at=${i}`}`;
  }

  linked(hash) {
    const parts = /^#doc=([^&]*)(?:&at=(\d+))?$/.exec(hash);
    if (!parts) return -1;
    let id = null;
    try { id = decodeURIComponent(parts[1]); } catch (error) { return -1; }
    const at = parts[2] === undefined ? -1 : Number(parts[2]);
    if (at >= 0 && at < this.n && (this.ids[at] === id || !id)) return at;
    return this.numbers.has(id) ? this.numbers.get(id) : -1;
  }
}
