// Points of one state, drawn on a canvas: what is where, and what is near.

const MARKS = {
  o: (r) => { const p = new Path2D(); p.arc(0, 0, r, 0, 7); return p; },
  s: (r) => new Path2D(`M${-r * 0.9} ${-r * 0.9}h${r * 1.8}v${r * 1.8}h${-r * 1.8}z`),
  '^': (r) => new Path2D(`M0 ${-r * 1.15}L${r * 1.1} ${r * 0.85}H${-r * 1.1}z`),
  v: (r) => new Path2D(`M0 ${r * 1.15}L${r * 1.1} ${-r * 0.85}H${-r * 1.1}z`),
  D: (r) => new Path2D(`M0 ${-r * 1.2}L${r * 1.2} 0L0 ${r * 1.2}L${-r * 1.2} 0z`),
  P: (r) => cross(r, 0),
  X: (r) => cross(r, Math.PI / 4),
};

function cross(r, angle) {
  const a = r * 0.42, b = r * 1.15;
  const turned = new Path2D();
  const plain = new Path2D(`M${-a} ${-b}h${2 * a}V${-a}H${b}V${a}H${a}V${b}H${-a}V${a}H${-b}V${-a}H${-a}z`);
  turned.addPath(plain, new DOMMatrix().rotate((angle * 180) / Math.PI));
  return turned;
}

const MARGIN = 12, NEAR = 14, CELL = 20;

class Points {
  constructor(name, title, said) {
    this.name = name;
    this.base = el('canvas', { 'aria-hidden': 'true' });
    this.over = el('canvas', { 'aria-hidden': 'true' });
    this.box = el('div', { class: 'points', tabindex: '0', role: 'group', 'aria-label': said }, this.base, this.over);
    this.axes = el('p', { class: 'axes' });
    this.element = el('div', { class: 'state' }, el('h4', {}, bdi(title)), this.box, this.axes);
  }

  // shares: how much of the variance each axis shows, if that is known.
  tellAxes(shares) {
    const [across, up] = (shares || []).map((share) => `${(100 * share).toFixed(1)} %`);
    this.axes.textContent = shares ? `Of the variance: across ${across}, up ${up}` : '';
  }

  // xy: [xs, ys], null where there is no place. Both axes have the same scale.
  place(xy) {
    const [xs, ys] = xy || [[], []];
    this.n = xs.length;
    this.known = xs.map((x, i) => x !== null && ys[i] !== null);
    const size = this.box.clientWidth;
    const ratio = devicePixelRatio || 1;
    for (const canvas of [this.base, this.over]) {
      canvas.width = canvas.height = Math.max(1, Math.round(size * ratio));
    }
    this.size = size;
    this.ratio = ratio;
    const [x0, x1] = ends(xs), [y0, y1] = ends(ys);
    const scale = (size - 2 * MARGIN) / (Math.max(x1 - x0, y1 - y0) || 1);
    this.x = Float32Array.from(xs, (x) => size / 2 + (x - (x0 + x1) / 2) * scale);
    this.y = Float32Array.from(ys, (y) => size / 2 - (y - (y0 + y1) / 2) * scale);
  }

  // looks: of each point [colour, marker], or null if it is not to be seen; strong: which are found.
  draw(looks, strong) {
    const context = this.base.getContext('2d');
    const r = this.n > 3000 ? 2.4 : this.n > 800 ? 3 : 3.8;
    const paths = new Map();
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.size, this.size);
    this.seen = [];
    // Those that are found are drawn last, above all others.
    for (const pass of strong ? [false, true] : [true]) {
      for (let i = 0; i < this.n; i += 1) {
        const look = looks(i);
        if (!look || !this.known[i] || (strong && strong[i] !== pass)) continue;
        this.seen.push(i);
        if (!paths.has(look[1])) paths.set(look[1], MARKS[look[1]](r));
        context.globalAlpha = strong ? (pass ? 1 : 0.12) : look[2];
        context.fillStyle = look[0];
        context.setTransform(this.ratio, 0, 0, this.ratio, this.x[i] * this.ratio, this.y[i] * this.ratio);
        context.fill(paths.get(look[1]));
      }
    }
    this.sort();
  }

  sort() {
    this.cells = new Map();
    for (const i of this.seen) {
      const cell = `${Math.floor(this.x[i] / CELL)},${Math.floor(this.y[i] / CELL)}`;
      if (!this.cells.has(cell)) this.cells.set(cell, []);
      this.cells.get(cell).push(i);
    }
  }

  // The point at a place, -1 if there is none near.
  at(x, y) {
    let best = -1, least = NEAR * NEAR;
    const cx = Math.floor(x / CELL), cy = Math.floor(y / CELL);
    for (let dx = -1; dx <= 1; dx += 1) {
      for (let dy = -1; dy <= 1; dy += 1) {
        for (const i of this.cells.get(`${cx + dx},${cy + dy}`) || []) {
          const distance = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
          if (distance <= least) [best, least] = [i, distance];
        }
      }
    }
    return best;
  }

  // The next point in a direction, the same one if there is none.
  beside(from, dx, dy) {
    let best = from, least = Infinity;
    for (const i of this.seen) {
      const along = (this.x[i] - this.x[from]) * dx + (this.y[i] - this.y[from]) * dy;
      const across = Math.abs((this.x[i] - this.x[from]) * dy + (this.y[i] - this.y[from]) * dx);
      if (along > 0.01 && along + 2 * across < least) [best, least] = [i, along + 2 * across];
    }
    return best;
  }

  ring(i) {
    const context = this.over.getContext('2d');
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.size, this.size);
    if (i < 0 || !this.known[i]) return;
    context.beginPath();
    context.arc(this.x[i], this.y[i], 8, 0, 7);
    context.lineWidth = 2.5;
    context.strokeStyle = colour('ink');
    context.stroke();
  }
}

function ends(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}
