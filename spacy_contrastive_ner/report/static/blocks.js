// A text in blocks, each drawn when it is seen, so that long texts do not stop the page.

const SHORTEST = 80, LONGEST = 1200, MOST_BLOCKS = 2000, PAPER = 640, MOST_PRINTED = 100;

// Where blocks end: at a line's end, and where lines are long at a sentence's or a word's, never
// within a character. Very short lines, and those of very long texts, share blocks.
function cuts(text) {
  const found = [];
  const least = Math.max(SHORTEST, text.length / MOST_BLOCKS);
  let from = 0;
  while (from < text.length) {
    const part = text.slice(from, from + LONGEST);
    let length = part.indexOf('\n', least) + 1 || part.length;
    if (length === LONGEST) {
      const ends = [part.lastIndexOf('. ') + 2, part.lastIndexOf('。') + 1, part.lastIndexOf(' ') + 1];
      length = ends.find((end) => end > LONGEST / 2) || LONGEST;
    }
    const code = text.charCodeAt(from + length);
    if (code >= 0xdc00 && code <= 0xdfff) length -= 1;
    from += length;
    found.push(from);
  }
  return found.length ? found : [0];
}

// What is drawn together: an entity, with all of its fragments.
function entitiesOf(marks) {
  const groups = new Map();
  for (const mark of marks) {
    const name = mark.group < 0 ? `${mark.k}` : `${mark.side} ${mark.group}`;
    if (!groups.has(name)) groups.set(name, { side: mark.side, start: mark.start, end: mark.end, marks: [] });
    const entity = groups.get(name);
    entity.marks.push(mark);
    entity.start = Math.min(entity.start, mark.start);
    entity.end = Math.max(entity.end, mark.end);
  }
  return [...groups.values()];
}

class TextView {
  // draw: called with a block when it is seen.
  constructor(pane, draw) {
    this.pane = pane;
    this.drawBlock = draw;
    this.blocks = [];
    this.watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const block = this.blocks[target.dataset.block];
        if (isIntersecting && block && block.box === target) this.drawOnce(block);
      }
    }, { root: pane, rootMargin: '300px' });
    let width = 0;
    new ResizeObserver(() => {
      if (pane.clientWidth === width) return;
      width = pane.clientWidth;
      this.redraw();
    }).observe(pane);
  }

  show(document, showUnseen) {
    this.watch.disconnect();
    const { text, marks } = document;
    let from = 0;
    this.blocks = cuts(text).map((to, number) => {
      const node = window.document.createTextNode(showUnseen ? visible(text.slice(from, to)) : text.slice(from, to));
      const box = el('div', { class: 'block', dir: 'auto', 'data-block': number }, node);
      const block = { number, from, to, node, box, entities: [], pieces: [[0, node]], drawn: false };
      from = to;
      return block;
    });
    for (const entity of entitiesOf(marks)) this.assign(entity);
    this.pane.replaceChildren(...this.blocks.map((block) => block.box));
    this.pane.scrollTop = 0;
    this.drawSeen();
    if (this.blocks.length > 1) for (const block of this.blocks) this.watch.observe(block.box);
  }

  // On paper lines are as long as this; what is drawn fits no others. Not all of long texts.
  print(on) {
    this.pane.style.width = on ? `${PAPER}px` : '';
    for (const block of this.blocks.slice(0, on ? MOST_PRINTED : 0)) {
      block.drawn = false;
      this.drawOnce(block);
    }
    if (!on) this.redraw();
  }

  blockAt(place) {
    let low = 0, high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.blocks[middle].to <= place) low = middle + 1; else high = middle;
    }
    return this.blocks[low];
  }

  assign(entity) {
    const last = this.blockAt(Math.max(entity.start, entity.end - 1)).number;
    for (let b = this.blockAt(entity.start).number; b <= last; b += 1) this.blocks[b].entities.push(entity);
  }

  // The first ones at once, so that nothing jumps.
  drawSeen() {
    for (const block of this.blocks.slice(0, 3)) this.drawOnce(block);
  }

  drawOnce(block) {
    if (block.drawn || !this.pane.clientWidth) return;
    block.drawn = true;
    this.drawBlock(block);
  }

  // Those that were drawn, again: those in sight now, others when they are seen.
  redraw() {
    const drawn = this.blocks.filter((block) => block.drawn);
    const far = this.pane.getBoundingClientRect();
    for (const block of drawn) {
      const { top, bottom } = block.box.getBoundingClientRect();
      block.drawn = false;
      if (bottom >= far.top - 400 && top <= far.bottom + 400) this.drawOnce(block);
      else { this.watch.unobserve(block.box); this.watch.observe(block.box); }
    }
    this.drawSeen();
  }

  // Bring a place into sight.
  reveal(start) {
    const block = this.blockAt(start);
    this.drawOnce(block);
    const at = start - block.from;
    const [from, node] = block.pieces.filter(([first]) => first <= at).pop();
    const range = document.createRange();
    range.setStart(node, Math.min(at - from, node.length));
    range.setEnd(node, Math.min(at - from + 1, node.length));
    const place = range.getBoundingClientRect(), own = this.pane.getBoundingClientRect();
    if (place.top < own.top + 60 || place.bottom > own.bottom - 60) this.pane.scrollTop += place.top - own.top - own.height / 3;
  }
}
