"use strict";

// Lay out the pictures in rows, and keep elements only for those near the window, however many there are.

const $ = (id) => document.getElementById(id);
const folder = document.body.dataset.folder;
const entries = JSON.parse($("data").textContent);
const months = [...document.querySelectorAll(".month")].map((section) => ({
  section, list: section.querySelector(".grid"), count: section.querySelector("h2 span"), rows: [], height: 0,
  from: +section.dataset.from, to: +section.dataset.to,
}));
const ruler = document.querySelector("footer p"); // as wide as the rows, and present before them
const tiles = new Map(); // the element of a picture by its number, while it has one
const boxes = new Map(); // the position of a picture by its number: month, row, number of the row, left, width
let rows = []; // all rows, from the top of the page to its end: {top, height, numbers}
let order = entries.map((_, number) => number); // the pictures that match the search
let rank = []; // the index in that order by a picture's number

const textOf = (entry) => entry.prompt ?? entry.revised ?? "No prompt recorded";
const nameOf = (entry) => textOf(entry).replace(/\s+/g, " ").slice(0, 200);
const ratioOf = (entry) => (entry.height ? Math.min(3, Math.max(0.4, entry.width / entry.height)) : 1);
const thumbnailOf = (id) => `${folder}${id}-thumbnail.webp`;
const cssPixels = (name) => parseFloat(getComputedStyle(document.documentElement).getPropertyValue(name));

/** Lay out the pictures with these numbers. */
function layOut(numbers = order) {
  order = numbers;
  rank = new Array(entries.length).fill(-1);
  order.forEach((number, index) => { rank[number] = index; });
  const width = ruler.clientWidth;
  const [rowHeight, gap] = [cssPixels("--row-height"), cssPixels("--gap")];
  rows = [];
  boxes.clear();
  let end = 0;
  for (const month of months) {
    const first = end;
    while (end < order.length && order[end] < month.to) end += 1;
    month.section.hidden = end === first;
    month.count.textContent = (end - first).toLocaleString("en");
    month.rows = makeRows(order.slice(first, end), width, rowHeight, gap);
    month.height = positionRows(month, width, gap);
    month.list.style.height = `${month.height}px`;
  }
  render();
}

/** Divide the numbers into rows that fill the width and are close to the row height; the last one is not stretched. */
function makeRows(numbers, width, rowHeight, gap) {
  const result = [];
  let row = { numbers: [], ratio: 0 };
  const heightOf = (ratio, count) => (width - gap * (count - 1)) / ratio;
  for (const number of numbers) {
    const ratio = row.ratio + ratioOf(entries[number]);
    const without = heightOf(row.ratio, row.numbers.length), together = heightOf(ratio, row.numbers.length + 1);
    if (row.numbers.length && together < rowHeight && rowHeight / together > without / rowHeight) {
      result.push({ ...row, height: without });
      row = { numbers: [number], ratio: ratioOf(entries[number]) };
    } else {
      row = { numbers: [...row.numbers, number], ratio };
    }
  }
  if (row.numbers.length) {
    result.push({ ...row, height: Math.min(rowHeight, heightOf(row.ratio, row.numbers.length)) });
  }
  return result;
}

/** Set the position of each picture of a month; returns their total height. */
function positionRows(month, width, gap) {
  let top = 0;
  for (const row of month.rows) {
    let left = 0;
    row.top = top;
    for (const number of row.numbers) {
      const tileWidth = Math.min(width, row.height * ratioOf(entries[number]));
      boxes.set(number, { month, row, rowNumber: rows.length, left, width: tileWidth });
      left += tileWidth + gap;
    }
    rows.push(row);
    top += row.height + gap;
  }
  return Math.max(0, top - gap);
}

/** Keep tiles on the page for the window and one window's height around it, and no others. */
function render() {
  const visible = new Set();
  for (const month of months) {
    if (month.section.hidden) continue;
    const top = month.list.getBoundingClientRect().top;
    if (top > 2 * innerHeight || top + month.height < -innerHeight) continue;
    for (const row of month.rows) {
      if (top + row.top > 2 * innerHeight) break;
      if (top + row.top + row.height >= -innerHeight) row.numbers.forEach((number) => visible.add(number));
    }
  }
  for (const [number, tile] of tiles) {
    const isNeeded = visible.has(number) || (boxes.has(number) && tile.contains(document.activeElement));
    if (!isNeeded) { tile.remove(); tiles.delete(number); }
  }
  visible.forEach(showTile);
}

/** Put the tile of a picture at its position, between its neighbours, and return it. */
function showTile(number) {
  const { month, row, left, width } = boxes.get(number);
  const tile = tiles.get(number) ?? makeTile(number);
  const [top, height] = [row.top, row.height];
  Object.assign(tile.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  if (!tiles.has(number)) {
    tiles.set(number, tile);
    const later = [...month.list.children].find((other) => +other.dataset.number > number);
    month.list.insertBefore(tile, later ?? null);
  }
  return tile;
}

function makeTile(number) {
  const entry = entries[number];
  const { from, to } = boxes.get(number).month;
  const tile = document.createElement("li");
  const link = document.createElement("a");
  tile.className = `tile${entry.damage ? " damaged" : ""}${entry.transparent ? " clear" : ""}`;
  tile.dataset.number = number;
  tile.setAttribute("aria-setsize", to - from);
  tile.setAttribute("aria-posinset", number - from + 1);
  link.href = entry.full ? folder + entry.full : `#${entry.id}`;
  if (entry.damage) link.textContent = "Damaged picture";
  else link.append(Object.assign(new Image(), { alt: nameOf(entry), decoding: "async", src: thumbnailOf(entry.id) }));
  tile.append(link);
  return tile;
}

const linkOf = (tile) => tile.querySelector("a");

/** Focus a picture, and scroll it into the window if necessary. */
function focusOn(number) {
  const tile = showTile(number);
  tile.scrollIntoView({ block: "nearest" });
  linkOf(tile).focus({ preventScroll: true });
  render();
}

/** The picture `by` places after another one among the search results, or undefined. */
const step = (number, by) => (rank[number] < 0 ? undefined : order[rank[number] + by]);

/** The nearest picture in the row below or above, or undefined. */
function stepRow(number, by) {
  const { rowNumber, left, width } = boxes.get(number);
  const distance = (other) => Math.abs(boxes.get(other).left + boxes.get(other).width / 2 - left - width / 2);
  return rows[rowNumber + by]?.numbers.reduce((best, other) => (distance(other) < distance(best) ? other : best));
}

let renderFrame = 0;
addEventListener("scroll", () => { renderFrame ||= requestAnimationFrame(() => { renderFrame = 0; render(); }); },
  { passive: true });

let layoutWidth = 0; // the width of the current layout

new ResizeObserver(() => {
  if (ruler.clientWidth === layoutWidth) return;
  const bottom = (number) => tiles.get(number).getBoundingClientRect().bottom;
  const first = [...tiles.keys()].filter((number) => bottom(number) > 80).sort((one, other) => one - other)[0];
  const isScrolled = layoutWidth > 0 && scrollY > 0 && first !== undefined;
  layoutWidth = ruler.clientWidth;
  layOut();
  if (isScrolled) {
    showTile(first).scrollIntoView({ block: "start" });
    render();
  }
}).observe(ruler);
layOut();
