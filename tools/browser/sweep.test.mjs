// What the page of a sweep says, held against the tables beside it: sweep.test.mjs FOLDER. Run by scripts/test-browser on the
// market of market.mjs and the grid of sweep.toml.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { start, views } from "./browser.mjs";
import { contents, widths } from "./looks.mjs";
import { assertSays, read } from "./tables.mjs";

const folder = resolve(process.argv[2]);
// The trigger is a value that is longer than a column.
const KEYS = ["policy.strategy.multiplier", "policy.risk.aversion", "policy.trigger"];
const MAPPED = KEYS.slice(0, 2);
const FIGURES = ["Cost a year, bps", "Tracking error", "Return", "Rebalances", "Lowest cushion over the floor", "Breaches"];

// What the combinations that are the same in these keys come to.
function grouped(rows, keys) {
  const groups = new Map();
  for (const row of rows) {
    const name = keys.map((key) => row[key]).join();
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()].map((worlds) => {
    const of = (figure) => worlds.map((row) => Number(row[figure]));
    const mean = (figure) => of(figure).reduce((sum, value) => sum + value, 0) / worlds.length;
    return {
      values: keys.map((key) => worlds[0][key]),
      cost: mean("cost_bps"),
      risk: Math.max(...of("tracking_error")),
      earned: mean("total_return"),
      rebalances: mean("rebalances"),
      lowest: Math.min(...of("lowest_cushion_share")),
      breaches: of("floor_breaches").reduce((sum, value) => sum + value, 0),
    };
  });
}

const beats = (one, other) =>
  one.cost <= other.cost && one.risk <= other.risk && (one.cost < other.cost || one.risk < other.risk);

let browser;
let all;
let seen;
let rows;
let points;
let cells;
before(async () => {
  browser = await start();
  all = await views(browser, pathToFileURL(join(folder, "report.html")).href);
  seen = await all[0].page.evaluate(contents);
  rows = read(join(folder, "results.csv"));
  points = grouped(rows, KEYS);
  cells = grouped(rows, MAPPED);
});
after(() => browser?.close());

test("title and verdict say what was swept and how often the floor was broken", () => {
  assert.equal(seen.title, "Sweep: cppi-80-3x at prices");
  const broken = rows.filter((row) => Number(row.floor_breaches) > 0).length;
  assert.ok(broken > 0 && broken < rows.length, `${broken} of ${rows.length} combinations break the floor`);
  assert.equal(seen.verdict, `The floor was broken in ${broken} of them.`);
});

test("there are both figures with their legends", () => {
  const costs = cells.map((cell) => cell.cost);
  const ends = [Math.min(...costs), Math.max(...costs)].map((cost) => cost.toFixed(1));
  const [scatter, map] = seen.figures;
  assert.deepEqual([scatter.title, scatter.legend], ["Cost against risk", ["●front", "●floor broken", "●beaten"]]);
  assert.equal(map.title, "Cost a year, bps");
  assert.match(map.legend[0], new RegExp(`^from weak, ([\\d,.]+), to strong, ([\\d,.]+)$`));
  const said = map.legend[0].match(/[\d,]+\.\d/g).map((text) => text.replaceAll(",", ""));
  assert.deepEqual(said, ends);
  assert.equal(map.legend[1], "□floor broken");
});

test("the table of the front lists the policies that no other one beats, and what results.csv says of them", () => {
  const front = points.filter((point) => !points.some((other) => beats(other, point)));
  front.sort((a, b) => a.cost - b.cost);
  assert.ok(front.length > 1 && front.length < points.length, `${front.length} of ${points.length} on the front`);
  const [head, ...listed] = seen.tables["The front"];
  assert.deepEqual(head, [...KEYS, "Floor", ...FIGURES]);
  assert.equal(listed.length, front.length);
  listed.forEach((row, at) => {
    const point = front[at];
    assert.deepEqual(row.slice(0, KEYS.length), point.values);
    assert.equal(row[KEYS.length], point.breaches > 0 ? "✕ broken" : "held");
    const figures = [point.cost, point.risk, point.earned, point.rebalances, point.lowest, point.breaches];
    figures.forEach((figure, column) => assertSays(row[KEYS.length + 1 + column], String(figure), FIGURES[column]));
  });
});

test("every cell of the heat map has the mean of its combinations in it, and a frame where one broke the floor", async () => {
  const drawn = await all[0].page.evaluate(() => {
    const svg = document.querySelectorAll("figure")[1].querySelector("svg.wide");
    return {
      texts: [...svg.querySelectorAll("text")].map((text) => text.textContent.trim()),
      shades: [...svg.querySelectorAll('rect[fill="#0B5FCC"]')].map((rect) => Number(rect.getAttribute("opacity"))),
      frames: svg.querySelectorAll('polyline[stroke="#C62828"]').length,
    };
  });
  for (const { cost } of cells) {
    const cell = cost.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    assert.ok(drawn.texts.includes(cell), `${cell} is in the map`);
  }
  assert.equal(drawn.shades.length, cells.length);
  assert.equal(drawn.frames, cells.filter((cell) => cell.breaches > 0).length);
  const [weakest, strongest] = [Math.min(...drawn.shades), Math.max(...drawn.shades)];
  assert.ok(Math.abs(weakest - 0.08) < 0.01 && Math.abs(strongest - 0.5) < 0.01, `${weakest} to ${strongest}`);
  for (const key of MAPPED) assert.ok(drawn.texts.some((text) => text.includes(key)), `the axis of ${key}`);
});

test("the parameters are listed with their values, and wide tables scroll on a phone alone, where no value is cut", async () => {
  const [, ...listed] = seen.tables.Parameters;
  assert.deepEqual(listed, [
    [KEYS[0], "2, 3, 4"],
    [KEYS[1], "1, 7, 20"],
    [KEYS[2], '#1 { kind = "economic" }, #2 { kind = "threshold", fraction = "0.05", to = "target" }'],
    ["setting.pools.depth", "100000, 2000000"],
  ]);
  for (const { name, device, page } of all) {
    const { boxes } = await page.evaluate(widths);
    const wide = boxes.filter((box) => box.whole > box.seen).map((box) => box.name);
    assert.equal(boxes.length, 2, name);
    assert.deepEqual(wide, device === "desk" ? [] : ["The front"], name);
  }
});

test("at a narrow desk long values go on in the next line, and the table of the front is whole", async () => {
  const { page } = all.find(({ device }) => device === "desk");
  await page.setViewportSize({ width: 1200, height: 800 });
  const { boxes } = await page.evaluate(widths);
  for (const box of boxes) assert.ok(box.whole <= box.seen, `${box.name}: ${box.whole} of ${box.seen} pixels`);
  const trigger = () => {
    const cell = [...document.querySelectorAll("td.value")].find((found) => found.textContent.includes("threshold"));
    return { cut: cell.scrollWidth > cell.clientWidth, lines: cell.getBoundingClientRect().height / parseFloat(getComputedStyle(cell).lineHeight) };
  };
  const { cut, lines } = await page.evaluate(trigger);
  assert.ok(!cut && lines > 2, `${lines} lines`);
});

test("a policy on the front whose floor broke says so in words and in the colour of what is bad", async () => {
  const broken = await views(browser, pathToFileURL(join(folder, "broken.html")).href);
  const own = grouped(rows.filter((row) => row[KEYS[0]] === "3"), KEYS);
  const front = own.filter((point) => !own.some((other) => beats(other, point)));
  assert.ok(front.length > 0 && front.every((point) => point.breaches > 0));
  for (const { name, page } of broken) {
    const found = await page.evaluate(contents);
    const [, ...listed] = found.tables["The front"];
    assert.deepEqual(listed.map((row) => row[KEYS.length]), front.map(() => "✕ broken"), name);
    assert.deepEqual(found.figures[0].legend, ["◉front, floor broken"], name);
    const colours = await page.evaluate(() => {
      const colour = (found) => getComputedStyle(found).color;
      const of = (selector) => [...document.querySelectorAll(selector)].map(colour);
      return { plain: colour(document.body), said: of(".summary strong"), cells: of("section td.bad") };
    });
    const [bad] = colours.said;
    assert.notEqual(bad, colours.plain, name);
    assert.deepEqual([...new Set([...colours.said, ...colours.cells])], [bad], name);
    // Floor, lowest cushion and breaches.
    assert.equal(colours.cells.length, 3 * front.length, name);
    const rings = await page.evaluate(() => document.querySelectorAll('figure svg.wide circle[stroke="#0B5FCC"][fill="none"]').length);
    assert.equal(rings, new Set(front.map(({ cost, risk }) => `${cost.toFixed(6)} ${risk.toFixed(9)}`)).size, name);
  }
});
