// Contents, and dark or light.

const KEPT = 'spacy-contrastive-ner-theme';

// Storage may be forbidden, as it is for some pages that are files.
function kept(value) {
  try {
    if (value === undefined) return localStorage.getItem(KEPT);
    localStorage.setItem(KEPT, value);
  } catch (error) { /* It is not kept then. */ }
  return value;
}

const dark = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (root.dataset.theme || (dark.matches ? 'dark' : 'light')) === 'dark';

function startTheme() {
  const button = el('button', { type: 'button', id: 'theme', onclick: () => show(isDark() ? 'light' : 'dark', true) });
  const name = () => { button.textContent = isDark() ? 'Light colours' : 'Dark colours'; };
  function show(theme, keep) {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    if (keep) kept(theme);
    name();
    tell('theme');
  }
  const before = kept();
  if (before === 'dark' || before === 'light') root.dataset.theme = before;
  name();
  document.querySelector('header.top').append(button);
  dark.addEventListener('change', () => show(root.dataset.theme));
  // Paper is white.
  let screen;
  addEventListener('beforeprint', () => { screen = root.dataset.theme; show('light'); });
  addEventListener('afterprint', () => show(screen));
}

function startContents() {
  const links = new Map();
  for (const link of document.querySelectorAll('nav.contents a')) links.set(link.getAttribute('href').slice(1), link);
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) seen[isIntersecting ? 'add' : 'delete'](target.id);
    const now = [...links.keys()].find((name) => seen.has(name));
    for (const [name, link] of links) {
      if (name === now) link.setAttribute('aria-current', 'true'); else link.removeAttribute('aria-current');
    }
  }, { rootMargin: '-20% 0px -60% 0px' });
  for (const name of links.keys()) watch.observe(document.getElementById(name));
}

startTheme();
startContents();
