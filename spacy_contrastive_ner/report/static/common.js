// What all parts of the page use. Texts become text nodes, never markup.

const root = document.documentElement;
const SVG = 'http://www.w3.org/2000/svg';

// Tells parts of the page of each other: 'theme', 'open' (a document).
const page = new EventTarget();
const tell = (name, detail) => page.dispatchEvent(new CustomEvent(name, { detail }));

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const bdi = (text) => el('bdi', {}, text);

function dataOf(id) {
  const block = document.getElementById(id);
  return block ? JSON.parse(block.textContent) : null;
}

const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

const count = (n, one, more) => `${n.toLocaleString('en')} ${n === 1 ? one : more || one + 's'}`;

function shorten(text, most) {
  const points = Array.from(text.slice(0, 2 * most + 2));
  return points.length > most ? points.slice(0, most - 1).join('') + '…' : text;
}

// Signs that are not to be seen, or that change the direction of others, and halves of characters.
const UNSEEN = /[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

// One unit for one unit, so that places stay.
function visible(text) {
  return text.replace(UNSEEN, (sign) => {
    const code = sign.charCodeAt(0);
    if (code >= 0xd800 && code <= 0xdfff) return '\ufffd';
    return code < 32 ? String.fromCharCode(0x2400 + code) : TURNS.test(sign) ? '⇄' : '¦';
  });
}

// A choice among texts: [value, text] pairs.
function choice(name, label, options, onchange) {
  const select = el('select', { name, onchange });
  for (const [value, text] of options) select.append(el('option', { value }, text));
  return [el('label', { class: 'field' }, el('span', {}, label), select), select];
}

function check(name, label, onchange) {
  const box = el('input', { type: 'checkbox', name, onchange });
  return [el('label', { class: 'check' }, box, el('span', {}, label)), box];
}

function later(milliseconds, call) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds, ...values);
  };
}

// All places of a text in another, whatever the case.
function pattern(query) {
  return new RegExp(query.replace(/[.*+?^${}()|[\]\\\/-]/g, (sign) => (sign === '-' ? '\\x2d' : '\\' + sign)), 'giu');
}

// Whether keys belong to what has the focus.
const typing = (target) => /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
