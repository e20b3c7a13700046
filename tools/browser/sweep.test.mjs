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
const [, AVERSION, TRIGGER] = KEYS;
const FIGURES = ["Cost a year, bps", "Tracking error", "Return", "Rebalances", "Lowest cushion over the floor", "Breaches"];

// Of each policy what its worlds come to.
function policies(rows) {
  const groups = new Map();
  for (const row of rows) {
    const name = KEYS.map((key) => row[key]).join();
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()].map((worlds) => {
    const of = (figure) => worlds.map((row) => Number(row[figure]));
    const mean = (figure) => of(figure).reduce((sum, value) => sum + value, 0) / worlds.length;
    return {
      values: KEYS.map((key) => worlds[0][key]),
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
before(async () => {
  browser = await start();
  all = await views(browser, pathToFileURL(join(folder, "report.html")).href);
  seen = await all[0].page.evaluate(contents);
  rows = read(join(folder, "results.csv"));
  points = policies(rows);
});
after(() => browser?.close());

test("title and verdict say what was swept and how often the floor was broken", () => {
  assert.equal(seen.title, "Sweep: cppi-80-3x at prices");
  const broken = rows.filter((row) => Number(row.floor_breaches) > 0).length;
  assert.ok(broken > 0 && broken < rows.length, `${broken} of ${rows.length} combinations break the floor`);
  assert.equal(seen.verdict, `The floor was broken in ${broken} of them.`);
});

test("there are both figures with their legends", () => {
  const costs = points.map((point) => point.cost);
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
  const [head, ...cells] = seen.tables["The front"];
  assert.deepEqual(head, [...KEYS, ...FIGURES]);
  assert.equal(cells.length, front.length);
  cells.forEach((row, at) => {
    const point = front[at];
    assert.deepEqual(row.slice(0, KEYS.length).map(Number), point.values);
    const figures = [point.cost, point.risk, point.earned, point.rebalances, point.lowest, point.breaches];
    figures.forEach((figure, column) => assertSays(row[KEYS.length + column], String(figure), FIGURES[column]));
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
  for (const point of points) {
    const cell = point.cost.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    assert.ok(drawn.texts.includes(cell), `${cell} is in the map`);
  }
  assert.equal(drawn.shades.length, points.length);
  assert.equal(drawn.frames, points.filter((point) => point.breaches > 0).length);
  const [weakest, strongest] = [Math.min(...drawn.shades), Math.max(...drawn.shades)];
  assert.ok(Math.abs(weakest - 0.08) < 0.01 && Math.abs(strongest - 0.5) < 0.01, `${weakest} to ${strongest}`);
  for (const key of KEYS) assert.ok(drawn.texts.some((text) => text.includes(key)), `the axis of ${key}`);
});

test("the parameters are listed with their values, and wide tables scroll on a phone alone", async () => {
  const [, ...listed] = seen.tables.Parameters;
  assert.deepEqual(listed, [
    [KEYS[0], "2, 3, 4"],
    [KEYS[1], "1, 7, 20"],
    ["setting.pools.depth", "100000, 2000000"],
  ]);
  for (const { name, device, page } of all) {
    const { boxes } = await page.evaluate(widths);
    const wide = boxes.filter((box) => box.whole > box.seen).map((box) => box.name);
    assert.equal(boxes.length, 2, name);
    if (device === "desk") assert.deepEqual(wide, [], name);
    else assert.ok(wide.includes("The front"), name);
  }
});
