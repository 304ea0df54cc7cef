// The same points in several states, side by side.

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KINDS = { entity: 'entities', token: 'tokens' };
const BY = [['label', 'label'], ['position', 'position in the entity'], ['right', 'right or wrong']];

class Scatter {
  constructor(host) {
    this.data = dataOf(host.dataset.from);
    this.points = this.data.points;
    this.host = host;
    this.n = this.points.label.length;
    this.hidden = new Set();
    this.focus = -1;
    this.found = null;
    this.groupOf = {
      label: (i) => this.points.label[i],
      position: (i) => this.positions.get(this.points.position[i]),
      right: (i) => [true, false, null].indexOf(this.points.right[i]),
    };
    this.positions = new Map(this.data.groups.position.map(([name], i) => [name, i]));
    this.build();
    page.addEventListener('theme', () => this.draw());
    let width = 0;
    new ResizeObserver(() => {
      const now = this.panels[0].box.clientWidth;
      if (now && now !== width) { width = now; this.place(); }
    }).observe(host);
  }

  build() {
    const { states, projections, labels } = this.data;
    const by = BY.filter(([name]) => name === 'label' || (this.points[name] || []).some((value) => value !== null && value !== ''));
    const names = (all) => all.map(({ name, title }) => [name, title]);
    const [field, projection] = choice('projection', 'Projection', names(projections), () => this.place());
    const [byField, colourBy] = choice('colour', 'Colour by', by, () => this.draw());
    const kinds = [...new Set(this.points.kind || [])];
    const [kindField, kind] = choice('show', 'Show', [['', 'all'], ...kinds.map((each) => [each, KINDS[each] || each])], () => this.draw());
    this.kind = kind;
    this.projection = projection;
    this.colourBy = colourBy;
    this.search = el('input', { type: 'search', name: 'search', autocomplete: 'off', oninput: later(120, () => this.find()) });
    const search = el('label', { class: 'field' }, el('span', {}, 'Find text'), this.search);
    this.status = el('p', { class: 'status', role: 'status' });
    this.panels = states.map(({ name, title }) => new Points(name, title,
      `${title}: ${count(this.n, 'point')}. ${this.host.dataset.alt} Arrow keys go from point to point, Enter opens the document.`));
    this.readout = el('p', { class: 'readout', 'aria-live': 'polite' }, 'Point at a mark, or go to the points by Tab and between them by arrow keys.');
    this.tip = el('div', { class: 'tip', hidden: true });
    this.host.append(el('div', { class: 'tools' }, field, byField, ...(kinds.length > 1 ? [kindField] : []), search), this.status,
      el('div', { class: 'states' }, ...this.panels.map((panel) => panel.element)), this.readout, this.tip,
      this.legend(labels));
    this.panels.forEach((panel) => this.listen(panel));
  }

  legend(labels) {
    this.boxes = [];
    this.other = el('ul', { class: 'legend' });
    const list = el('ul', { class: 'legend' });
    const sums = new Map();
    for (const label of this.points.label) sums.set(label, (sums.get(label) || 0) + 1);
    for (const i of [...labels.keys(), -1]) {
      if (!sums.has(i)) continue;
      const [name, ...look] = i < 0 ? this.data.outside : this.data.groups.label[i];
      const box = el('input', { type: 'checkbox', checked: true, onchange: () => { this.hidden[box.checked ? 'delete' : 'add'](i); this.draw(); } });
      this.boxes.push([i, box]);
      list.append(el('li', {}, el('label', { class: 'check' }, box, swatch(look), bdi(shorten(visible(name), 60)), el('span', { class: 'count' }, `${sums.get(i)}`))));
    }
    const every = (on) => () => {
      for (const [i, box] of this.boxes) { box.checked = on; this.hidden[on ? 'delete' : 'add'](i); }
      this.draw();
    };
    return el('fieldset', { class: 'labels' }, el('legend', {}, 'Labels'),
      el('p', { class: 'buttons' }, el('button', { type: 'button', onclick: every(true) }, 'All'), el('button', { type: 'button', onclick: every(false) }, 'None')),
      list, this.other);
  }

  place() {
    for (const panel of this.panels) {
      const xy = (this.data.xy[panel.name] || {})[this.projection.value];
      panel.place(xy);
      panel.element.classList.toggle('empty', !xy);
      panel.tellAxes(((this.data.axes || {})[panel.name] || {})[this.projection.value]);
    }
    this.draw();
  }

  look(i) {
    if (this.hidden.has(this.points.label[i]) || (this.kind.value && this.points.kind[i] !== this.kind.value)) return null;
    const by = this.colourBy.value;
    if (this.points.label[i] < 0 && by === 'label') return [colours.outside, 'o', 0.5];
    const group = this.data.groups[by][this.groupOf[by](i)];
    return group ? [group[1], group[2], 0.85] : [colours.outside, 'o', 0.5];
  }

  draw() {
    if (!this.panels[0].x) return;
    colours.outside = colour('faint');
    const looks = Array.from({ length: this.n }, (_, i) => this.look(i));
    for (const panel of this.panels) panel.draw((i) => looks[i], this.found);
    const by = this.colourBy.value;
    this.host.classList.toggle('by-other', by !== 'label');
    this.other.replaceChildren(...(by === 'label' ? [] : this.data.groups[by].map(([name, ...look]) => el('li', {}, swatch(look), bdi(name)))));
    this.tellStatus(looks);
    this.show(looks[this.focus] ? this.focus : -1);
  }

  tellStatus(looks) {
    const seen = looks.filter((look) => look).length;
    const found = this.found ? looks.filter((look, i) => look && this.found[i]).length : 0;
    this.status.textContent = count(seen, 'point') + (seen < this.n ? ` of ${this.n.toLocaleString('en')}` : '')
      + (this.found ? `, ${found.toLocaleString('en')} with this text` : '');
  }

  find() {
    const wanted = this.search.value;
    if (!wanted) this.found = null;
    else {
      const is = new RegExp(pattern(wanted).source, 'iu');
      this.found = this.points.text.map((text) => is.test(text));
    }
    this.draw();
  }

  listen(panel) {
    const { box } = panel;
    const place = (event) => { const from = box.getBoundingClientRect(); return [event.clientX - from.left, event.clientY - from.top]; };
    box.addEventListener('pointermove', (event) => this.show(panel.at(...place(event)), panel));
    box.addEventListener('pointerleave', () => this.show(-1));
    box.addEventListener('click', (event) => { const i = panel.at(...place(event)); this.show(i, panel); this.open(i); });
    box.addEventListener('focus', () => { if (this.focus < 0 && panel.seen && panel.seen.length && box.matches(':focus-visible')) this.show(panel.seen[0], panel); });
    box.addEventListener('blur', () => this.show(-1));
    box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.open(this.focus);
      else if (event.key === 'Escape') this.show(-1);
      else if (WAYS[event.key] && panel.seen.length) this.show(this.focus < 0 ? panel.seen[0] : panel.beside(this.focus, ...WAYS[event.key]), panel);
      else return;
      event.preventDefault();
    });
  }

  // What there is to say about a point, in all panels at once.
  show(i, panel) {
    if (i === this.focus && (i < 0 || !panel || this.shown === panel)) { if (i >= 0) this.panels.forEach((each) => each.ring(i)); return; }
    this.focus = i;
    this.shown = panel;
    this.panels.forEach((each) => { each.ring(i); each.box.classList.toggle('on', i >= 0); });
    this.tip.hidden = i < 0 || !panel;
    if (i < 0) return;
    this.readout.replaceChildren(...this.words(i));
    if (!panel) return;
    this.tip.replaceChildren(...this.words(i));
    const own = this.host.getBoundingClientRect(), at = panel.box.getBoundingClientRect();
    const left = at.left - own.left + panel.x[i], wide = this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(0, Math.min(left + 12, own.width - wide))}px`;
    this.tip.style.top = `${at.top - own.top + panel.y[i] + 14}px`;
  }

  words(i) {
    const label = this.points.label[i];
    const more = [label < 0 ? this.data.outside[0] : this.data.labels[label]];
    if (this.points.position && this.points.position[i]) more.push(`position ${this.points.position[i]}`);
    if (this.points.right && this.points.right[i] !== null) more.push(this.points.right[i] ? 'right' : 'wrong');
    if (this.points.id) more.push(String(this.points.id[i]));
    const [before, after] = (this.points.context || [])[i] || ['', ''];
    return [bdi(visible(before)), el('strong', {}, bdi(shorten(visible(this.points.text[i]), 120))), bdi(visible(after)), ...more.flatMap((text) => [' · ', bdi(shorten(visible(text), 60))])];
  }

  open(i) {
    if (i < 0) return;
    const number = (this.points.document || [])[i];
    if (number !== null && number !== undefined) tell('open', { number, id: this.points.id && this.points.id[i] });
  }
}

const colours = {};

function swatch([fill, marker]) {
  const shapes = {
    o: 'M7 2a5 5 0 1 0 .01 0z', s: 'M2.5 2.5h9v9h-9z', '^': 'M7 1.5L12.5 12H1.5z', v: 'M7 12.5L12.5 2H1.5z',
    D: 'M7 1L13 7L7 13L1 7z', P: 'M5 1h4v4h4v4H9v4H5V9H1V5h4z', X: 'M3.5 1L7 4.5L10.5 1L13 3.5L9.5 7L13 10.5L10.5 13L7 9.5L3.5 13L1 10.5L4.5 7L1 3.5z',
  };
  return svg('svg', { class: 'swatch', viewBox: '0 0 14 14', width: 14, height: 14, 'aria-hidden': 'true' }, svg('path', { d: shapes[marker], fill }));
}

document.querySelectorAll('.scatter').forEach((host) => new Scatter(host));
