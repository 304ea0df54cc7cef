// Brackets over and under a block of text: gold above, predicted below, in layers, so that those
// inside others lie nearer to the text and none lie on each other.

const LAYER = 18, LINE = 22, PADDING = 3, TICK = 4, MOST_LAYERS = 12, MOST_ENTITIES = 250, MOST_LABEL = 22;
const SYMBOLS = {
  right: '', 'wrong label': '≠', 'too long': '»', 'too short': '«', shifted: '~', split: '÷', joined: '&',
  missed: '−', spurious: '+', unjudged: '?',
};
const LANES = ['gold', 'predicted', 'before'];
const pen = document.createElement('canvas').getContext('2d');
const widths = new Map();

function widthOf(text) {
  if (!widths.has(text)) {
    pen.font = '11px system-ui, sans-serif';
    if (widths.size > 5000) widths.clear();
    widths.set(text, pen.measureText(text).width + 8);
  }
  return widths.get(text);
}

// In short; what is not certain is never shown as 1.00.
function shortScore(score) {
  const text = score.toFixed(2);
  if (text === '1.00' && score < 1) return '>0.99';
  return text === '0.00' && score > 0 ? '<0.01' : text;
}

function wordsOf(entity) {
  const [mark] = entity.marks;
  const score = mark.score === null ? '' : ` ${shortScore(mark.score)}`;
  const group = mark.group >= 0 && entity.marks.length > 1 ? ` #${mark.group}` : '';
  const sign = SYMBOLS[mark.kind];
  const change = { gained: '↑ ', lost: '↓ ' }[mark.change] || '';
  return `${change}${sign ? sign + ' ' : ''}${shorten(visible(mark.label).replace(/\s/g, ' '), MOST_LABEL)}${group}${score}`;
}

const lineOf = (top, bottom, origin) => Math.max(0, Math.floor(((top + bottom) / 2 - origin.top) / LINE));

// Where a stretch of a block lies, by line: [[left, right], ...], in pixels of the block.
function rectangles(block, start, end, origin) {
  const range = document.createRange();
  const length = block.node.length;
  range.setStart(block.node, Math.min(length, Math.max(0, start - block.from)));
  range.setEnd(block.node, Math.max(0, Math.min(length, end - block.from)));
  const lines = new Map();
  for (const { left, right, top, bottom } of range.getClientRects()) {
    const line = lineOf(top, bottom, origin);
    if (!lines.has(line)) lines.set(line, []);
    lines.get(line).push([left - origin.left, Math.max(right, left + 3) - origin.left]);
  }
  for (const [line, parts] of lines) lines.set(line, merged(parts));
  return lines;
}

function merged(parts) {
  parts.sort((a, b) => a[0] - b[0]);
  const found = [];
  for (const [left, right] of parts) {
    const last = found[found.length - 1];
    if (last && left <= last[1] + 1.5) last[1] = Math.max(last[1], right);
    else found.push([left, right]);
  }
  return found;
}

// An entity with the places of its fragments, and what it takes up in each line.
function measured(block, entity, origin) {
  const hull = rectangles(block, entity.start, entity.end, origin);
  const parts = entity.marks.map((mark) => [mark, rectangles(block, mark.start, mark.end, origin)]);
  const words = wordsOf(entity);
  const wide = widthOf(words);
  const taken = new Map();
  const first = Math.min(...hull.keys());
  for (const [line, rows] of hull) {
    let left = rows[0][0], right = rows[rows.length - 1][1];
    if (line === first) {
      left = Math.max(0, Math.min(left, origin.width - wide));
      right = Math.max(right, left + wide);
    }
    taken.set(line, [left, right]);
  }
  return { entity, hull, parts, words, taken, first, layer: -1 };
}

function meet(a, b) {
  for (const [line, [left, right]] of a.taken) {
    const other = b.taken.get(line);
    if (other && left < other[1] + 3 && other[0] < right + 3) return true;
  }
  return false;
}

const holds = (a, b) => a.entity.start <= b.entity.start && a.entity.end >= b.entity.end;

// The lowest layer in which there is room, above all that lies inside. RETURNS the number of layers.
function layers(items) {
  items.sort((a, b) => (a.entity.end - a.entity.start) - (b.entity.end - b.entity.start) || a.entity.start - b.entity.start);
  let most = 0;
  items.forEach((item, n) => {
    const full = new Set();
    let least = 0;
    for (const other of items.slice(0, n)) {
      if (!meet(item, other)) continue;
      full.add(other.layer);
      if (holds(item, other)) least = Math.max(least, other.layer + 1);
    }
    while (full.has(least)) least += 1;
    item.layer = least;
    most = Math.max(most, least + 1);
  });
  return most;
}

// Where each line of a block begins, while its text is in one piece.
function lineStarts(block, n, origin) {
  const starts = [0];
  const range = document.createRange();
  const reaches = (from, to, line) => {
    range.setStart(block.node, from);
    range.setEnd(block.node, to);
    return Array.from(range.getClientRects()).some(({ top, bottom }) => lineOf(top, bottom, origin) >= line);
  };
  for (let line = 1; line < n; line += 1) {
    const from = starts[line - 1];
    let low = from + 1, high = block.node.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (reaches(from, middle, line)) high = middle; else low = middle + 1;
    }
    starts.push(low - 1);
  }
  return starts;
}

class Brackets {
  // isFaint: whether marks are not asked for; onclick: called with a mark.
  constructor(isFaint, onclick) {
    this.isFaint = isFaint;
    this.onclick = onclick;
    this.shown = ['gold', 'predicted'];
    this.active = null;
    this.query = '';
  }

  draw(block) {
    const { box } = block;
    this.restore(block);
    const { left, top, width, height } = box.getBoundingClientRect();
    const origin = { left, top, width };
    const n = Math.max(1, Math.round(height / LINE));
    let leftOut = 0;
    const stacks = LANES.map((side) => {
      const every = this.shown.includes(side) ? block.entities.filter((entity) => entity.side === side) : [];
      const some = this.choose(every);
      leftOut += every.length - some.length;
      return some.map((entity) => measured(block, entity, origin)).filter((item) => item.hull.size);
    });
    stacks.forEach(layers);
    // Those of the model before lie below all others.
    const offset = Math.min(MOST_LAYERS, Math.max(0, ...stacks[1].map((item) => item.layer + 1)));
    const light = this.lights(block, origin);
    const rows = this.spread(block, this.rooms(stacks, offset, n), origin);
    const picture = svg('svg', { class: 'brackets', 'aria-hidden': 'true' });
    light.forEach(([name, lines]) => this.lay(picture, name, lines, rows));
    const rtl = getComputedStyle(box).direction === 'rtl';
    stacks.forEach((items, lane) => {
      for (const item of items.reverse()) {
        if (item.layer < MOST_LAYERS) picture.append(this.bracket(item, lane === 0, item.layer + (lane === 2 ? offset : 0), rows, block, rtl));
        else leftOut += 1;
      }
    });
    box.append(picture);
    if (leftOut) box.append(el('span', { class: 'left-out' }, `${count(leftOut, 'entity', 'entities')} more than there is room for: see the table below.`));
  }

  // If there are too many: those that are most probable, and the one that was stepped to.
  choose(entities) {
    if (entities.length <= MOST_ENTITIES) return entities;
    const rank = ({ marks }) => (marks.includes(this.active) ? 2 : marks[0].score || 0);
    return [...entities].sort((a, b) => rank(b) - rank(a)).slice(0, MOST_ENTITIES);
  }

  // The text in one piece, in even lines, as it is measured.
  restore(block) {
    const { box } = block;
    box.style.contentVisibility = 'visible';
    box.style.lineHeight = `${LINE}px`;
    box.replaceChildren(block.node);
    block.pieces = [[0, block.node]];
  }

  // How much room each line needs above and below its text.
  rooms(stacks, offset, n) {
    const rooms = Array.from({ length: n }, () => [0, 0]);
    stacks.forEach((items, lane) => {
      for (const { layer, taken } of items) {
        const most = Math.min(layer, MOST_LAYERS - 1) + 1 + (lane === 2 ? offset : 0);
        const side = lane === 0 ? 0 : 1;
        for (const line of taken.keys()) rooms[line][side] = Math.max(rooms[line][side], most * LAYER);
      }
    });
    return rooms.map(([above, below]) => [above + PADDING, below + PADDING]);
  }

  // Give each line its room. RETURNS where the text's upper and lower edges are.
  spread(block, rooms, origin) {
    const { box } = block;
    const text = block.node.data;
    const starts = rooms.some(([above, below]) => above !== rooms[0][0] || below !== rooms[0][1]) ? lineStarts(block, rooms.length, origin) : [0];
    this.part(block, starts.map((start, line) => [start, text.slice(start, starts[line + 1]), rooms[line]]));
    const total = rooms.reduce((sum, [above, below]) => sum + above + LINE + below, 0);
    if (starts.length > 1 && Math.abs(box.getBoundingClientRect().height - total) > 1) {
      // In pieces lines would break elsewhere.
      const most = [0, 1].map((side) => Math.max(...rooms.map((room) => room[side])));
      rooms.fill(most);
      this.part(block, [[0, text, most]]);
    }
    const tops = [];
    rooms.reduce((sum, [above, below]) => { tops.push(sum + above); return sum + above + LINE + below; }, 0);
    const top = (line) => tops[Math.min(line, tops.length - 1)];
    return { top, bottom: (line) => top(line) + LINE };
  }

  // Pieces of text, each with its room. A line's text is in its middle until it is shifted.
  part(block, pieces) {
    block.pieces = pieces.map(([start, text]) => [start, document.createTextNode(text)]);
    block.box.replaceChildren(...block.pieces.map(([, node], at) => {
      const [above, below] = pieces[at][2];
      const piece = el('span', { class: 'piece' }, node);
      piece.style.lineHeight = `${above + LINE + below}px`;
      piece.style.top = `${(above - below) / 2}px`;
      return piece;
    }));
  }

  // What lies behind the text: the mark that was stepped to, what was searched for.
  lights(block, origin) {
    const found = [];
    if (this.query) {
      let n = 0;
      for (const hit of block.node.data.matchAll(pattern(this.query))) {
        const start = block.from + hit.index;
        found.push(['found', rectangles(block, start, start + hit[0].length, origin)]);
        if ((n += 1) >= 200) break;
      }
    }
    const mark = this.active;
    if (mark && mark.start < block.to && mark.end > block.from) found.push(['active', rectangles(block, mark.start, mark.end, origin)]);
    return found;
  }

  lay(picture, name, lines, rows) {
    for (const [line, parts] of lines) {
      for (const [left, right] of parts) {
        picture.append(svg('rect', { class: name, x: left - 1, y: rows.top(line), width: right - left + 2, height: LINE, rx: 3 }));
      }
    }
  }

  bracket(item, isAbove, layer, rows, block, rtl) {
    const { entity, hull, parts, words, taken, first } = item;
    const [mark] = entity.marks;
    const names = ['mark', entity.side, mark.error ? 'error' : 'fine', mark.kind.replace(/ /g, '-')];
    if (mark.change) names.push(mark.change);
    if (this.isFaint(entity.marks)) names.push('faint');
    if (entity.marks.includes(this.active)) names.push('on');
    const y = (line) => (isAbove ? rows.top(line) - 3 - layer * LAYER : rows.bottom(line) + 3 + layer * LAYER);
    const tick = isAbove ? TICK : -TICK;
    // Dotted from end to end: between fragments, and where directions change within an entity.
    let link = '', line = '';
    for (const [row, all] of hull) link += `M${all[0][0]} ${y(row)}H${all[all.length - 1][1]}`;
    for (const [part, places] of parts) {
      const order = [...places.keys()].sort((a, b) => a - b);
      order.forEach((row, n) => {
        const all = places.get(row);
        for (const [left, right] of all) line += `M${left + 1} ${y(row)}H${right - 1}`;
        const begins = n === 0 && part.start >= block.from, ends = n === order.length - 1 && part.end <= block.to;
        if (rtl ? ends : begins) line += `M${all[0][0] + 1} ${y(row) + tick}V${y(row)}`;
        if (rtl ? begins : ends) line += `M${all[all.length - 1][1] - 1} ${y(row) + tick}V${y(row)}`;
      });
    }
    const at = y(first);
    const label = svg('text', { x: taken.get(first)[0] + 2, y: isAbove ? at - 4 : at + 10.5 }, words);
    const group = svg('g', { class: names.join(' '), 'data-mark': mark.k },
      svg('title', {}, `${entity.side}, ${mark.kind}: ${shorten(mark.label, 200)}`),
      ...(parts.length > 1 || [...hull.values()].some((all) => all.length > 1) ? [svg('path', { class: 'link', d: link })] : []),
      svg('path', { class: 'line', d: line }), svg('path', { class: 'hit', d: link }), label);
    group.addEventListener('click', () => this.onclick(mark));
    return group;
  }
}
