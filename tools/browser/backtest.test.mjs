// What the page of a backtest says, held against the tables beside it: backtest.test.mjs FOLDER. Run by
// scripts/test-browser on the market of market.mjs.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { start, views } from "./browser.mjs";
import { contents, widths } from "./looks.mjs";
import { assertSays, read } from "./tables.mjs";

const folder = resolve(process.argv[2]);
const RIVALS = ["hold", "cash", "threshold 5 %", "daily"];
const FIGURES = [
  ["Net asset value and the floor", ["policy", ...RIVALS, "floor of policy"]],
  ["The keeper’s exposure and its target", ["exposure", "target", "band: no trade pays"]],
  ["Price and the keeper’s rebalances", ["▼sales", "▲purchases", "price"]],
  ["Drawdown", ["policy", ...RIVALS]],
  ["What trading cost so far", ["depth and lag of pools", "fees of pools", "gas"]],
  ["Base fee", ["base fee"]],
];
// Tables that are wider than the screen.
const SCROLLING = { desk: [], phone: ["Figures", "Rebalances"] };
// What stands beside the name of a figure on the page alone.
const UNIT = /, (USD|bps)$/;

let browser;
let all;
let seen;
before(async () => {
  browser = await start();
  all = await views(browser, pathToFileURL(join(folder, "report.html")).href);
  seen = await all[0].page.evaluate(contents);
});
after(() => browser?.close());

test("title and verdict say which policy was tested and that the floor held", () => {
  assert.equal(seen.title, "Backtest: cppi-80-3x at prices");
  assert.equal(seen.heading, "cppi-80-3x at prices");
  const lowest = read(join(folder, "figures.csv")).find((row) => row.figure === "lowest_cushion_share");
  assert.ok(lowest.policy > 0 && lowest.policy < 0.1, `the crash comes close to the floor, not to ${lowest.policy}`);
  assert.equal(seen.verdict, "The floor held.");
});

test("there is a figure for everything that was asked, with its legend", () => {
  assert.deepEqual(seen.figures.map((figure) => [figure.title, figure.legend]), FIGURES);
});

test("the table of figures says what figures.csv says", () => {
  const [head, ...rows] = seen.tables.Figures;
  const file = read(join(folder, "figures.csv"));
  assert.deepEqual(head, ["Figure", "policy", ...RIVALS]);
  assert.deepEqual(rows.map(([name]) => name.replace(UNIT, "")), file.map((row) => row.name));
  rows.forEach(([name, ...cells], at) => {
    // A file calls `threshold` what people read as `threshold 5 %`.
    cells.forEach((cell, column) => {
      const [entrant] = head[column + 1].split(" ");
      assertSays(cell, file[at][entrant], `${name} of ${entrant}`);
    });
  });
});

test("the table of rebalances has the rows of rebalances.csv that were carried out", () => {
  const [, ...rows] = seen.tables.Rebalances;
  const file = read(join(folder, "rebalances.csv")).filter((row) => row.reverted === "false");
  const sides = new Set(file.map((row) => row.sell));
  assert.deepEqual([...sides].sort(), ["false", "true"], "the market makes the policy buy and sell");
  assert.equal(rows.length, file.length);
  rows.forEach(([time, side, reason, value, price, gas, lost], at) => {
    const row = file[at];
    const included = new Date(1000 * row.included).toISOString().slice(0, 19).replace("T", " ");
    assert.deepEqual([time, side, reason], [included, row.sell === "true" ? "▼ sell" : "▲ buy", row.reason]);
    assertSays(value, row.value, `value at ${time}`);
    assertSays(price, row.price, `price at ${time}`);
    assertSays(gas, row.gas, `gas at ${time}`);
    assertSays(lost, String(Number(row.fees) + Number(row.impact)), `NAV lost at ${time}`);
  });
});

test("wide tables alone have to be scrolled, and on a phone alone", async () => {
  for (const { name, device, page } of all) {
    const { boxes } = await page.evaluate(widths);
    assert.equal(boxes.length, 3, name);
    assert.deepEqual(boxes.filter((box) => box.whole > box.seen).map((box) => box.name), SCROLLING[device], name);
  }
});
