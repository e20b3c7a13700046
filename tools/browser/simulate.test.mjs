// What the page of a simulation says, held against the tables beside it: simulate.test.mjs FOLDER. Run by
// scripts/test-browser.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { start, views } from "./browser.mjs";
import { contents, widths } from "./looks.mjs";
import { assertSays, read } from "./tables.mjs";

const folder = resolve(process.argv[2]);
const KEPT = ["policy", "hold", "cash", "threshold 5 %", "daily"];
// Whoever stays in cash comes to the same on every path, which is no histogram.
const SPREAD = ["floor", "policy", "hold", "threshold 5 %", "daily"];
const FIGURES = [
  ["Net value of the policy over time", ["median", "lowest of all", "1 %", "from 25 to 75 %", "from 5 to 95 % of the paths", "floor"]],
  ["Value at the end", SPREAD],
  ["Lowest cushion on the way", SPREAD],
];
const SCROLLING = { desk: [], phone: ["Figures", "Check"] };
const UNIT = /, (USD|bps)$/;

let browser;
let all;
let seen;
before(async () => {
  browser = await start();
  all = await views(browser, pathToFileURL(join(folder, "simulation.html")).href);
  seen = await all[0].page.evaluate(contents);
});
after(() => browser?.close());

test("title and verdict say what was simulated and how often the floor was broken", async () => {
  assert.equal(seen.title, "Simulation: cppi-80-3x");
  const share = Number(read(join(folder, "figures.csv")).find((row) => row.figure === "Floor broken").policy);
  assert.ok(share > 0 && share < 0.5, `the market breaks the floor on some paths, not on ${share}`);
  assert.equal(seen.verdict, "The floor was broken on some paths.");
  const summary = await all[0].page.evaluate(() => document.querySelector(".summary").textContent);
  assert.ok(summary.includes("120 paths of Merton’s jump diffusion") || summary.includes("120 paths of Merton's jump diffusion"), summary);
  assert.ok(summary.includes(`at some step of ${(100 * share).toFixed(2)}\u00A0% of them`), summary);
});

test("there is a figure for everything that was asked, with its legend", () => {
  assert.deepEqual(seen.figures.map((figure) => [figure.title, figure.legend]), FIGURES);
});

test("the table of figures says what figures.csv says", () => {
  const [head, ...rows] = seen.tables.Figures;
  const file = read(join(folder, "figures.csv"));
  assert.deepEqual(head, ["Figure", ...KEPT]);
  // Names with a comma are quoted in the file.
  assert.equal(rows.length, file.length);
  rows.forEach(([name, ...cells], at) => {
    assert.equal(name.replace(UNIT, ""), file[at].figure);
    cells.forEach((cell, column) => assertSays(cell, file[at][head[column + 1]], `${name} of ${head[column + 1]}`));
  });
});

test("the table of the check says what check.csv says, and nothing of it is beyond four standard errors", () => {
  const [, ...rows] = seen.tables.Check;
  const file = read(join(folder, "check.csv"));
  assert.equal(rows.length, file.length);
  assert.ok(rows.length >= 8, `${rows.length} rows`);
  rows.forEach(([name, simulated, closed, errors], at) => {
    assert.equal(name, file[at].figure);
    assertSays(simulated, file[at].simulated, `${name}, simulated`);
    assertSays(closed, file[at].closed_form, `${name}, closed form`);
    assertSays(errors, file[at].standard_errors, `${name}, standard errors`);
    assert.ok(Math.abs(Number(file[at].standard_errors)) <= 4, name);
  });
});

test("wide tables alone have to be scrolled, and on a phone alone", async () => {
  for (const { name, device, page } of all) {
    const { boxes } = await page.evaluate(widths);
    assert.equal(boxes.length, 2, name);
    assert.deepEqual(boxes.filter((box) => box.whole > box.seen).map((box) => box.name), SCROLLING[device], name);
  }
});
