// Documents one by one, with what is annotated and what was found.

const KEYS = [
  ['n, p', 'next and previous error, or mark that the filters ask for'],
  ['j, k or →, ←', 'next and previous document'],
  ['↓, ↑ in the list', 'next and previous document'],
  ['Home, End in the list', 'first and last document'],
  ['/', 'search'],
  ['u', 'show signs that are not to be seen'],
  ['?', 'this help'],
];
const MOST_ROWS = 200;

class DocumentBrowser {
  constructor(host) {
    this.host = host;
    this.documents = new Documents(dataOf('documents-index'));
    this.filters = new Filters(this.documents, () => this.refresh());
    this.list = new DocumentList(this.documents, (i) => this.open(i));
    this.brackets = new Brackets((marks) => Boolean(this.filters.asked) && !marks.some((mark) => this.filters.asked(mark.k)), (mark) => this.mark(mark, false));
    this.document = null;
    this.active = null;
    this.write = later(250, () => { history.replaceState(null, '', this.documents.link(this.document.i)); });
    this.build();
    this.view = new TextView(this.pane, (block) => this.brackets.draw(block));
    const linked = this.documents.linked(location.hash);
    this.filters.apply();
    if (linked >= 0) { this.open(linked); this.host.scrollIntoView({ behavior: 'instant' }); } else if (this.filters.shown.length) this.open(this.filters.shown[0], true);
    addEventListener('hashchange', () => { const i = this.documents.linked(location.hash); if (i >= 0) { this.open(i, true); this.host.scrollIntoView({ behavior: 'instant' }); } });
    addEventListener('keydown', (event) => this.press(event));
    addEventListener('beforeprint', () => this.view.print(true));
    addEventListener('afterprint', () => this.view.print(false));
    page.addEventListener('open', ({ detail }) => this.jump(detail.number));
  }

  button(text, name, title, call) {
    return el('button', { type: 'button', class: name, title, 'aria-label': title, onclick: call }, text);
  }

  build() {
    this.counter = el('p', { class: 'counter', role: 'status' });
    this.title = el('h3', { class: 'id' });
    this.pane = el('div', { class: 'text', tabindex: '0', role: 'region', 'aria-label': 'Text with brackets' });
    this.card = el('div', { class: 'card', 'aria-live': 'polite' });
    this.table = el('details', { class: 'marks', ontoggle: () => this.tabulate() }, el('summary', {}, 'All marks of this document as a table'), el('div'));
    this.link = el('a', { class: 'permalink' }, 'Link to this document');
    const [unseen, box] = check('unseen', 'show unseen signs', () => this.redraw());
    this.unseen = box;
    const options = [unseen];
    if (this.documents.flags.some((flags) => (flags & 3) === 2)) {
      const [before, both] = check('before', 'show the model before, too', () => this.redraw());
      this.before = both;
      options.push(before);
    }
    this.help = el('dialog', { class: 'help', 'aria-label': 'Keys' }, el('h3', {}, 'Keys'),
      el('dl', {}, ...KEYS.map(([keys, text]) => el('div', {}, el('dt', {}, keys), el('dd', {}, text)))),
      el('button', { type: 'button', onclick: () => this.help.close() }, 'Close'));
    const wide = innerWidth > 960;
    const bar = el('div', { class: 'bar' },
      this.button('← Document', 'previous', 'Previous document (k)', () => this.step(-1)), this.button('Document →', 'next', 'Next document (j)', () => this.step(1)),
      this.button('← Error', 'previous-mark', 'Previous error, or mark that is asked for (p)', () => this.walk(-1)), this.button('Error →', 'next-mark', 'Next error, or mark that is asked for (n)', () => this.walk(1)),
      this.button('?', 'keys', 'Keys (?)', () => this.help.showModal()), this.counter);
    this.host.append(el('details', { class: 'folded', open: wide }, el('summary', {}, 'Filters'), this.filters.element), bar, el('div', { class: 'halves' }, this.list.element,
      el('div', { class: 'document' }, el('div', { class: 'heading' }, this.title, this.link), el('details', { class: 'folded', open: wide }, el('summary', {}, 'Key'), this.legend()), el('div', { class: 'key' }, ...options), this.pane, this.card, this.table)), this.help);
    this.list.element.addEventListener('keydown', (event) => {
      const steps = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity, PageDown: 10, PageUp: -10 }[event.key];
      if (!steps) return;
      this.step(steps);
      event.preventDefault();
    });
  }

  legend() {
    const there = this.documents.kinds.filter((_, kind) => this.documents.flags.some((flags) => ((flags >> 2) & 15) === kind));
    const sample = (kind) => svg('svg', { class: 'brackets sample', viewBox: '0 0 30 10', width: 30, height: 10, 'aria-hidden': 'true' },
      svg('g', { class: `mark ${kind === 'right' || kind === 'unjudged' ? 'fine' : 'error'} ${kind.replace(/ /g, '-')}` }, svg('path', { class: 'line', d: 'M2 9V4H28V9' })));
    return el('div', { class: 'key' }, el('span', {}, 'Above the text: gold. Below: predicted, with scores. Dotted: fragments of one entity.'),
      ...there.map((kind) => el('span', { class: 'kind' }, sample(kind), `${SYMBOLS[kind]} ${kind}`)),
      ...(this.documents.compared ? [el('span', {}, '↑ gained', ' ↓ lost')] : []));
  }

  // The filters have changed.
  refresh() {
    const { shown, at } = this.filters;
    this.list.show(shown);
    if (this.view && this.document) {
      if (shown.length && !at.has(this.document.i)) this.open(shown[0], false, false);
      else { this.redrawMarks(); this.tellPlace(); this.list.go(this.document.i, at.has(this.document.i) ? at.get(this.document.i) : -1); }
    }
    this.tellPlace();
  }

  jump(i) {
    if (i < 0 || i >= this.documents.n) return;
    this.open(i);
    this.host.scrollIntoView({ behavior: 'instant' });
    this.pane.focus({ preventScroll: true });
  }

  open(i, quiet) {
    const began = performance.now();
    if (this.view && !this.view.pane.isConnected) return;
    this.document = this.documents.get(i);
    this.active = this.brackets.active = null;
    this.brackets.query = this.filters.query.value;
    const { at } = this.filters;
    this.title.replaceChildren(bdi(this.documents.nameOf(i)));
    this.link.href = this.documents.link(i);
    this.card.replaceChildren();
    this.view.show({ ...this.document, marks: this.marks() }, this.unseen.checked);
    this.list.go(i, at.has(i) ? at.get(i) : -1);
    this.tabulate();
    this.tellPlace();
    if (!quiet) this.write();
    this.host.dataset.milliseconds = (performance.now() - began).toFixed(1);
  }

  marks() {
    const before = this.before && this.before.checked;
    return this.document.marks.filter((mark) => before || mark.side !== 'before');
  }

  redraw() {
    if (!this.document) return;
    const { scrollTop } = this.pane;
    this.brackets.shown = this.before && this.before.checked ? LANES : LANES.slice(0, 2);
    this.view.show({ ...this.document, marks: this.marks() }, this.unseen.checked);
    this.pane.scrollTop = scrollTop;
    this.tabulate();
  }

  redrawMarks() {
    this.brackets.query = this.filters.query.value;
    this.view.redraw();
  }

  tellPlace() {
    const { shown, at, before, chosen } = this.filters;
    const marks = before[before.length - 1];
    const what = this.filters.asked ? 'mark' : 'error';
    if (!this.document || !shown.length) { this.counter.textContent = 'No document is like this.'; return; }
    const i = at.has(this.document.i) ? at.get(this.document.i) : -1;
    const number = (n) => n.toLocaleString('en');
    let text = i < 0 ? `Not one of the ${count(shown.length, 'document')} asked for` : `Document ${number(i + 1)} of ${number(shown.length)}`;
    if (this.active && i >= 0 && this.filters.isChosen(this.active.k)) {
      const inside = this.document.marks.filter((mark) => this.filters.isChosen(mark.k) && mark.k <= this.active.k).length;
      text += `, ${what} ${number(before[i] + inside)} of ${number(marks)}`;
    } else text += i < 0 ? '' : `, ${count(chosen[this.document.i], what)} in it, ${number(marks)} in all`;
    this.counter.textContent = text;
  }

  step(steps) {
    const { shown, at } = this.filters;
    if (!shown.length) return;
    const now = this.document && at.has(this.document.i) ? at.get(this.document.i) : steps > 0 ? -1 : shown.length;
    const next = Math.max(0, Math.min(shown.length - 1, now + steps));
    if (next !== now) this.open(shown[next]);
  }

  // To the next mark that is asked for, in this document or another.
  walk(way) {
    const { shown, at, chosen, isChosen } = this.filters;
    if (!this.document) return;
    const marks = this.document.marks.filter((mark) => isChosen(mark.k));
    const now = this.active ? marks.indexOf(this.active) : -1;
    let next;
    if (this.active && now < 0) next = way > 0 ? marks.find((mark) => mark.k > this.active.k) : marks.filter((mark) => mark.k < this.active.k).pop();
    else next = this.active ? marks[now + way] : marks[way > 0 ? 0 : marks.length - 1];
    if (next) { this.mark(next); return; }
    let place = at.has(this.document.i) ? at.get(this.document.i) : -1;
    for (place += way; place >= 0 && place < shown.length; place += way) {
      if (!chosen[shown[place]]) continue;
      this.open(shown[place]);
      const others = this.document.marks.filter((mark) => isChosen(mark.k));
      this.mark(others[way > 0 ? 0 : others.length - 1]);
      return;
    }
    this.card.replaceChildren(el('p', {}, way > 0 ? 'This is the last one.' : 'This is the first one.'));
  }

  mark(mark, move = true) {
    const before = this.active;
    this.active = this.brackets.active = mark;
    for (const each of [before, mark]) if (each) this.redrawAround(each);
    if (move) this.view.reveal(mark.start);
    this.card.replaceChildren(...this.words(mark));
    this.tellPlace();
  }

  redrawAround(mark) {
    const last = this.view.blockAt(Math.max(mark.start, mark.end - 1)).number;
    for (let b = this.view.blockAt(mark.start).number; b <= last; b += 1) {
      const block = this.view.blocks[b];
      if (block.drawn) this.brackets.draw(block);
    }
  }

  textOf({ start, end }) { return visible(shorten(this.document.text.slice(start, end), 300)); }

  place(unit) { return Documents.characters(this.document, unit); }

  words(mark) {
    const said = [];
    if (mark.labelRight !== null && mark.error && mark.kind !== 'wrong label') said.push(mark.labelRight ? 'the label is right' : 'the label is wrong, too');
    if (mark.score !== null) said.push(`score ${mark.score}`);
    if (mark.nested) said.push('nested');
    if (mark.fresh !== null) said.push(mark.fresh ? 'new surface' : 'known surface');
    if (mark.group >= 0) said.push(`fragment of #${mark.group}`);
    if (mark.change) said.push(mark.change);
    said.push(`characters ${this.place(mark.start)} to ${this.place(mark.end)}`);
    const { partner } = mark;
    const title = { gold: 'Gold', predicted: 'Predicted', before: 'Model before' }[mark.side];
    const found = mark.side !== 'gold' || !mark.error || mark.kind === 'missed' ? mark.kind : mark.kind === 'wrong label' ? 'found with a wrong label' : `found ${mark.kind}`;
    const lines = [el('p', {}, el('strong', {}, `${SYMBOLS[mark.kind]} ${title}, ${found}: `), bdi(visible(mark.label)), ' “', bdi(this.textOf(mark)), '”')];
    if (partner) lines.push(el('p', {}, mark.side === 'gold' ? 'Predicted: ' : 'Gold: ', bdi(visible(partner.label)), ' “', bdi(this.textOf(partner)), '”'));
    return [...lines, el('p', { class: 'said' }, said.join(' · '))];
  }

  // The same without brackets.
  tabulate() {
    const place = this.table.lastElementChild;
    if (!this.table.open || !this.document) { place.replaceChildren(); return; }
    const marks = this.marks();
    const row = (mark) => el('tr', {}, el('td', { class: 'number' }, this.place(mark.start)), el('td', { class: 'number' }, this.place(mark.end)), el('td', {}, mark.side),
      el('td', {}, bdi(visible(mark.label))), el('td', {}, `${SYMBOLS[mark.kind]} ${mark.kind}`), el('td', { class: 'number' }, mark.score === null ? '' : mark.score),
      el('td', {}, bdi(this.textOf(mark))), el('td', {}, el('button', { type: 'button', onclick: () => this.mark(mark) }, 'Show')));
    const body = el('tbody', {}, ...marks.slice(0, MOST_ROWS).map(row));
    const heads = ['From', 'To', 'Side', 'Label', 'Kind', 'Score', 'Text', ''].map((head, n) => el('th', { scope: 'col', class: [0, 1, 5].includes(n) ? 'number' : null }, head));
    const rest = marks.length - MOST_ROWS;
    const more = rest > 0 ? [el('button', { type: 'button', onclick: () => { body.append(...marks.slice(MOST_ROWS).map(row)); more[0].remove(); } }, `${count(rest, 'more')} rows`.replace('mores', 'more'))] : [];
    place.replaceChildren(el('div', { class: 'table' }, el('table', {}, el('thead', {}, el('tr', {}, ...heads)), body)), ...more);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open || typing(event.target)) return;
    const inside = this.host.contains(event.target);
    const calls = { n: () => this.walk(1), p: () => this.walk(-1), j: () => this.step(1), k: () => this.step(-1), '?': () => this.help.showModal(), u: () => { this.unseen.checked = !this.unseen.checked; this.redraw(); } };
    if (inside) {
      Object.assign(calls, { ArrowRight: calls.j, ArrowLeft: calls.k, '/': () => this.filters.query.focus() });
      if (event.target === this.pane && this.pane.scrollWidth > this.pane.clientWidth) delete calls.ArrowRight;
    }
    // Other parts of the page have keys of their own.
    if (!calls[event.key] || (!inside && event.target.closest('.points, [role=listbox]'))) return;
    calls[event.key]();
    event.preventDefault();
    if (!inside && !this.help.open && this.host.getBoundingClientRect().top > innerHeight * 0.6) this.host.scrollIntoView({ behavior: 'instant' });
  }
}

const place = document.getElementById('browser');
if (place) new DocumentBrowser(place);
