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
