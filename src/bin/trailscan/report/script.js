"use strict";

// Filters and sorts the table of incidents. Without this script, the whole table is visible in its original order.
(() => {
  const table = document.querySelector("table.incidents");
  if (!table) return;
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const text = document.getElementById("filter-text");
  const severity = document.getElementById("filter-severity");
  const kind = document.getElementById("filter-kind");
  const matches = document.getElementById("matches");
  const searched = new WeakMap();

  const textOf = (row) => {
    if (!searched.has(row)) searched.set(row, row.textContent.toLowerCase());
    return searched.get(row);
  };

  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const isShown =
        (!severity.value || row.querySelector(".severity").textContent === severity.value) &&
        (!kind.value || row.querySelector(".kind").textContent === kind.value) &&
        words.every((word) => textOf(row).includes(word));
      row.hidden = !isShown;
      count += isShown ? 1 : 0;
    }
    matches.textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
  };

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
  };

  const sort = (column) => {
    const header = headers[column];
    const orders = header.matches(".level, .time, .number") ? ["descending", "ascending"] : ["ascending", "descending"];
    const order = header.getAttribute("aria-sort") === orders[0] ? orders[1] : orders[0];
    headers.forEach((it) => it.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const values = new Map(rows.map((row) => [row, valueOf(row, column)]));
    rows.sort((a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      return x < y ? -sign : x > y ? sign : 0;
    });
    body.append(...rows);
  };

  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(column));
    header.append(button);
  });
  text.addEventListener("input", filter);
  severity.addEventListener("change", filter);
  kind.addEventListener("change", filter);
  table.classList.add("sortable");
  document.querySelector(".controls").hidden = false;
  // A browser restores the values of the filters when the page is reloaded.
  filter();
})();
