// The list of documents, of which only those in sight are drawn.

const ROW = 46;

class DocumentList {
  constructor(documents, onopen) {
    this.documents = documents;
    this.onopen = onopen;
    this.shown = [];
    this.current = -1;
    this.room = el('div', { class: 'room', role: 'presentation' });
    this.element = el('div', { class: 'list', tabindex: '0', role: 'listbox', 'aria-label': 'Documents' }, this.room);
    this.element.addEventListener('scroll', () => requestAnimationFrame(() => this.draw()));
    this.element.addEventListener('click', (event) => {
      const row = event.target.closest('[data-at]');
      if (row) this.onopen(this.shown[row.dataset.at]);
    });
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  show(shown) {
    this.shown = shown;
    this.room.style.height = `${shown.length * ROW}px`;
    this.draw();
  }

  go(i, at) {
    this.current = i;
    const top = at * ROW, { scrollTop, clientHeight } = this.element;
    if (at >= 0 && (top < scrollTop || top + ROW > scrollTop + clientHeight)) this.element.scrollTop = top - clientHeight / 2 + ROW / 2;
    this.draw();
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / ROW) - 4);
    const to = Math.min(this.shown.length, Math.ceil((scrollTop + clientHeight) / ROW) + 4);
    const rows = [];
    for (let at = from; at < to; at += 1) rows.push(this.row(at));
    this.room.replaceChildren(...rows);
    const on = rows.find((row) => row.getAttribute('aria-selected') === 'true');
    if (on) this.element.setAttribute('aria-activedescendant', on.id);
    else this.element.removeAttribute('aria-activedescendant');
  }

  row(at) {
    const { documents } = this;
    const i = this.shown[at];
    const marks = documents.from[i + 1] - documents.from[i];
    const counts = [el('span', { class: documents.errors[i] ? 'bad' : '' }, count(documents.errors[i], 'error'))];
    if (documents.gained[i] || documents.lost[i]) counts.push(el('span', {}, ` +${documents.gained[i]} −${documents.lost[i]}`));
    const row = el('div', {
      class: 'row', role: 'option', id: `document-${at}`, 'data-at': at, 'aria-selected': String(i === this.current),
      'aria-posinset': at + 1, 'aria-setsize': this.shown.length, title: count(marks, 'mark'),
    },
    el('span', { class: 'head' }, el('bdi', { class: 'id' }, documents.nameOf(i)), el('span', { class: 'counts' }, ...counts)),
    el('bdi', { class: 'begin' }, visible(documents.begin[i])));
    row.style.top = `${at * ROW}px`;
    return row;
  }
}
