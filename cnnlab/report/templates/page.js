'use strict';
// A click on a column's header sorts by it: numbers from the largest, texts from A; a second click turns the order round. Empty cells stay
// last. In an outline (rows with a level) parts are folded away, a click on a row's name shows them, and sorting keeps them below it.
for (const table of document.querySelectorAll('table')) {
  const body = table.tBodies[0];
  const roots = [];
  const blocks = [];
  const ways = [roots];
  for (const row of body.rows) {
    const node = {row, parts: [], open: false};
    const level = Number(row.dataset.level || 0);
    ways[level].push(node);
    ways[level + 1] = node.parts;
  }
  const show = (nodes, visible) => nodes.forEach(node => {
    node.row.hidden = !visible;
    node.button?.setAttribute('aria-expanded', node.open);
    show(node.parts, visible && node.open);
  });
  const fold = nodes => nodes.filter(node => node.parts.length).forEach(node => {
    blocks.push(node);
    node.button = document.createElement('button');
    node.button.type = 'button';
    node.button.append(...node.row.cells[0].childNodes);
    node.row.cells[0].append(node.button);
    node.button.addEventListener('click', () => {
      node.open = !node.open;
      show(roots, true);
    });
    fold(node.parts);
  });
  fold(roots);
  if (blocks.length) {
    const all = document.createElement('button');
    all.type = 'button';
    const label = () => { all.textContent = blocks.every(node => node.open) ? 'fold all' : 'unfold all'; };
    all.addEventListener('click', () => {
      const open = !blocks.every(node => node.open);
      blocks.forEach(node => { node.open = open; });
      show(roots, true);
      label();
    });
    label();
    table.caption?.append(all);
    show(roots, true);
  }

  const headers = [...table.querySelectorAll('thead th')];
  headers.forEach((header, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener('click', () => {
      const numeric = header.hasAttribute('data-numeric');
      const now = header.getAttribute('aria-sort');
      const up = now ? now === 'descending' : !numeric;
      const key = node => node.row.cells[column].dataset.value;
      const absent = value => value === '' || (numeric && value === 'nan');
      const number = value => (value === 'inf' ? Infinity : value === '-inf' ? -Infinity : Number(value));
      const compare = (a, b) => (numeric ? Math.sign(number(a) - number(b)) || 0 : a.localeCompare(b, 'en', {numeric: true}));
      const order = nodes => nodes.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (absent(x) || absent(y)) return absent(x) - absent(y);
        return up ? compare(x, y) : compare(y, x);
      }).forEach(node => {
        body.append(node.row);
        order(node.parts);
      });
      order(roots);
      headers.forEach(h => h.removeAttribute('aria-sort'));
      header.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    });
  });
}

// Keys: the right and left arrow go from picture to picture, n and p to the next and the previous section.
const figures = [...document.querySelectorAll('figure')];
const headings = [...document.querySelectorAll('h2')];
let figure = -1;
const go = element => {
  element.focus({preventScroll: true});
  element.scrollIntoView({block: element.offsetHeight > innerHeight ? 'start' : 'nearest', inline: 'nearest'});
};
figures.forEach((element, i) => element.addEventListener('focus', () => { figure = i; }));
headings.forEach(element => { element.tabIndex = -1; });
document.addEventListener('keydown', event => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest?.('button, .scroll')) return;
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  const move = {n: 1, p: -1}[event.key];
  if (step && figures.length) {
    figure = Math.min(Math.max(figure + step, 0), figures.length - 1);
    go(figures[figure]);
    event.preventDefault();
  } else if (move && headings.length) {
    const tops = headings.map(element => element.getBoundingClientRect().top);
    const last = headings.length - 1;
    const to = move > 0 ? tops.findIndex(top => top > 8) : tops.findLastIndex(top => top < -8);
    const next = headings[to < 0 ? (move > 0 ? last : 0) : to];
    next.focus({preventScroll: true});
    next.scrollIntoView({block: 'start'});
    figure = figures.findIndex(element => element.compareDocumentPosition(next) & Node.DOCUMENT_POSITION_PRECEDING) - 1;
    if (figure < -1) figure = figures.length - 1;
  }
});
