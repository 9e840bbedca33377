'use strict';
// A click on a column's header sorts by it: numbers from the largest, texts from A; a second click turns the order round. Empty cells stay last.
for (const table of document.querySelectorAll('table')) {
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
      const key = row => row.cells[column].dataset.value;
      const absent = value => value === '' || (numeric && value === 'nan');
      const number = value => (value === 'inf' ? Infinity : value === '-inf' ? -Infinity : Number(value));
      const compare = (a, b) => (numeric ? Math.sign(number(a) - number(b)) || 0 : a.localeCompare(b, 'en', {numeric: true}));
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (absent(x) || absent(y)) return absent(x) - absent(y);
        return up ? compare(x, y) : compare(y, x);
      });
      table.tBodies[0].append(...rows);
      headers.forEach(h => h.removeAttribute('aria-sort'));
      header.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    });
  });
}
