// Tables that are sorted by their columns.

const order = new Intl.Collator('en', { numeric: true });

function key(cell) {
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent : Number(value);
}

function compare(a, b) {
  if (a === '' || b === '') return 0;
  return typeof a === 'number' && typeof b === 'number' ? a - b : order.compare(a, b);
}

// Rows with nothing in the column stay at the end, whichever the direction.
function sortRows(table, column, sign) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
  rows.sort(([a], [b]) => (a === '') - (b === '') || sign * compare(a, b));
  body.append(...rows.map(([, row]) => row));
}

function startTable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = el('button', { type: 'button' }, ...head.childNodes);
    button.addEventListener('click', () => {
      // Great numbers are asked for first.
      const first = head.classList.contains('number') ? 'descending' : 'ascending';
      const other = first === 'ascending' ? 'descending' : 'ascending';
      const way = head.getAttribute('aria-sort') === first ? other : first;
      for (const each of heads) each.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', way);
      sortRows(table, column, way === 'ascending' ? 1 : -1);
    });
    head.append(button);
  });
}

document.querySelectorAll('table.sortable').forEach(startTable);
