// Which documents are shown, and which of their marks are asked for.

class Filters {
  constructor(documents, onchange) {
    this.documents = documents;
    this.onchange = onchange;
    this.texts = null;
    this.search = 0;
    const changed = () => this.apply();
    const kinds = documents.kinds.filter((_, kind) => documents.flags.some((flags) => ((flags >> 2) & 15) === kind));
    const labels = documents.labels.map((label, i) => [String(i), shorten(visible(label), 60)]).sort((a, b) => order.compare(a[1], b[1]));
    const scored = documents.score.some((score) => score >= 0);
    const fields = [];
    const add = ([field, control]) => { fields.push(field); return control; };
    this.label = add(choice('label', 'Label', [['', 'any'], ...labels], changed));
    this.kind = add(choice('kind', 'Kind', [['', 'any'], ['error', 'any error'], ...kinds.map((kind) => [kind, kind])], changed));
    this.side = add(choice('side', 'Side', [['', 'gold or predicted'], ['0', 'gold'], ['1', 'predicted']], changed));
    if (scored) {
      this.least = add(this.number('least', 'Score from', 0));
      this.most = add(this.number('most', 'to', 1));
    }
    if (documents.compared) this.change = add(choice('change', 'Change', [['', 'any'], ['1', 'gained'], ['2', 'lost'], ['3', 'gained or lost']], changed));
    const orders = [['', 'as in the data'], ['errors', 'most errors']];
    if (documents.compared) orders.push(['change', 'most change'], ['lost', 'most lost'], ['gained', 'most gained']);
    this.query = el('input', { type: 'search', name: 'text', autocomplete: 'off', oninput: later(200, () => this.find()) });
    fields.push(el('label', { class: 'field' }, el('span', {}, 'Text or name'), this.query));
    this.sort = add(choice('sort', 'Order', orders, changed));
    if (documents.compared) this.sort.value = 'change';
    this.nested = add(check('nested', 'nested only', changed));
    if (documents.flags.some((flags) => (flags >> 9) & 3)) this.fresh = add(check('new', 'new surface only', changed));
    fields.push(el('button', { type: 'button', onclick: () => this.reset() }, 'Reset'));
    this.element = el('div', { class: 'tools', role: 'search', 'aria-label': 'Filters of documents' }, ...fields);
    // How many chosen marks each document has.
    this.chosen = new Int32Array(documents.n);
    this.shown = [];
  }

  number(name, label, value) {
    const input = el('input', { type: 'number', name, min: 0, max: 1, step: 0.01, value, oninput: later(150, () => this.apply()) });
    return [el('label', { class: 'field' }, el('span', {}, label), input), input];
  }

  reset() {
    for (const select of [this.label, this.kind, this.side, this.change]) if (select) select.value = '';
    for (const box of [this.nested, this.fresh]) if (box) box.checked = false;
    if (this.least) { this.least.value = 0; this.most.value = 1; }
    this.query.value = '';
    // A search that is still under way comes too late.
    this.search += 1;
    this.texts = null;
    this.apply();
  }

  async find() {
    const search = (this.search += 1);
    const query = this.query.value;
    const texts = query ? await this.documents.search(query, () => search !== this.search) : null;
    if (search !== this.search) return;
    this.texts = texts;
    this.apply();
  }

  // Whether a mark is asked for; null if all are.
  test() {
    const { documents } = this;
    const tests = [];
    const { value: label } = this.label, { value: kind } = this.kind, { value: side } = this.side;
    const change = this.change ? Number(this.change.value) : 0;
    if (label !== '') tests.push((k) => documents.label[k] === Number(label));
    if (kind === 'error') tests.push((k) => documents.isError(k));
    else if (kind) { const wanted = documents.kinds.indexOf(kind); tests.push((k) => documents.kindOf(k) === wanted); }
    if (side !== '') tests.push((k) => documents.sideOf(k) === Number(side));
    else tests.side = (k) => documents.sideOf(k) < 2;
    if (change) tests.push((k) => documents.changeOf(k) & change);
    if (this.nested.checked) tests.push((k) => documents.isNested(k));
    if (this.fresh && this.fresh.checked) tests.push((k) => documents.isNew(k));
    if (this.least) this.addScores(tests);
    if (!tests.length) return null;
    if (tests.side && !change) tests.push(tests.side);
    return (k) => tests.every((is) => is(k));
  }

  addScores(tests) {
    const least = this.least.value === '' ? 0 : Number(this.least.value);
    const most = this.most.value === '' ? 1 : Number(this.most.value);
    const { score } = this.documents;
    if (least > 0 || most < 1) tests.push((k) => score[k] >= Math.max(0, least) && score[k] <= most);
  }

  apply() {
    const { documents } = this;
    const asked = this.test();
    this.asked = asked;
    // Steps go from error to error if nothing else is asked for.
    const steps = asked || ((k) => documents.isError(k));
    this.isChosen = steps;
    this.chosen.fill(0);
    documents.every(documents.n, (i, k) => { if (steps(k)) this.chosen[i] += 1; });
    this.shown = [];
    for (let i = 0; i < documents.n; i += 1) {
      if ((!asked || this.chosen[i]) && (!this.texts || this.texts[i])) this.shown.push(i);
    }
    const { gained, lost, errors } = documents;
    const keys = { errors: (i) => errors[i], change: (i) => gained[i] + lost[i], gained: (i) => gained[i], lost: (i) => lost[i] };
    const by = keys[this.sort.value];
    if (by) this.shown.sort((a, b) => by(b) - by(a) || a - b);
    this.at = new Map(this.shown.map((i, at) => [i, at]));
    // How many chosen marks there are in documents before.
    this.before = new Int32Array(this.shown.length + 1);
    this.shown.forEach((i, at) => { this.before[at + 1] = this.before[at] + this.chosen[i]; });
    this.onchange();
  }
}
