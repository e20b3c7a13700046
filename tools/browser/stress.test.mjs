// What the page of a stress says, held against the table and the document beside it: stress.test.mjs FOLDER. Run by
// scripts/test-browser on what the tests of `keeper stress` leave of a vault on a chain of their own.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { start, views } from "./browser.mjs";
import { contents, widths } from "./looks.mjs";
import { assertSays, read } from "./tables.mjs";

const folder = resolve(process.argv[2]);
const COLUMNS = ["what happens", "floor", "price", "net after", "cushion after", "lowest cushion", "transactions", "at rest after", "cost"];
const SECTIONS = ["As it stands", "Shocks", "Shocks: decisions and guards", "Crashes", "Crashes: decisions and guards"];

let browser;
let all;
let seen;
let told;
let rows;
before(async () => {
  browser = await start();
  all = await views(browser, pathToFileURL(join(folder, "stress.html")).href);
  seen = await all[0].page.evaluate(contents);
  told = JSON.parse(readFileSync(join(folder, "stress.json"), "utf8"));
  rows = read(join(folder, "stress.csv"));
});
after(() => browser?.close());

test("title and verdict say which vault it is and what its floor does not survive", () => {
  assert.equal(seen.title.toLowerCase(), `stress: ${told.vault.toLowerCase()}`);
  const broken = rows.filter((row) => row.holds === "false");
  assert.ok(broken.length > 0 && broken.length < rows.length, `${broken.length} of ${rows.length} break the floor`);
  const names = broken.map((row) => row.name).join("; ");
  assert.ok(seen.verdict.startsWith(`The floor would break in ${broken.length} of ${rows.length} (${names}), at the worst by `), seen.verdict);
  const worst = Math.max(...broken.map((row) => Number(row.shortfall)));
  assertSays(seen.verdict.match(/at the worst by ([\d,.]+), /)[1], String(worst), "the worst");
});

test("the vault stands as the document says", () => {
  assert.deepEqual(Object.keys(seen.tables), SECTIONS);
  const stands = Object.fromEntries(seen.tables["As it stands"]);
  assert.equal(stands.policy, `${told.policy} ${told.policy_hash}`);
  assert.equal(stands.block, String(told.block));
  for (const [name, value] of [
    ["price", told.price],
    ["net asset value", told.stand.net],
    ["exposure", told.stand.exposure],
    ["floor", told.stand.floor],
    ["cushion", told.stand.cushion],
    ["multiplier of the policy", told.multiplier.policy],
    ["multiplier in force", told.multiplier.effective],
    ["largest safe, by the formula", told.multiplier.by_formula],
  ]) assertSays(stands[name], String(value), name);
  const { multiplier, breaks } = told.multiplier.by_search.largest;
  assert.equal(stands["largest safe, by search"], `${Number(multiplier).toFixed(2)} (a hundredth more breaks the floor in: ${breaks})`);
});

test("every shock and crash has its row, and the figures of stress.csv", () => {
  for (const [title, kind] of [["Shocks", "shock"], ["Crashes", "crash"]]) {
    const [head, ...listed] = seen.tables[title];
    const file = rows.filter((row) => row.kind === kind);
    assert.deepEqual(head, COLUMNS);
    assert.deepEqual(listed.map(([name]) => name), file.map((row) => row.name));
    listed.forEach(([name, floor, price, net, cushion, lowest, transactions, rest, cost], at) => {
      const row = file[at];
      assertSays(price, row.price, `price of ${name}`);
      assertSays(net, row.after_net, `net after of ${name}`);
      assertSays(cushion, row.after_cushion, `cushion after of ${name}`);
      assertSays(lowest, row.lowest_cushion, `lowest cushion of ${name}`);
      assert.equal(transactions, row.transactions, name);
      assert.equal(rest, row.seconds_to_rest === "" ? "–" : `${row.seconds_to_rest} s`, name);
      assertSays(cost, String(Number(row.gas) + Number(row.fees) + Number(row.impact)), `cost of ${name}`);
      if (row.holds === "true") return assert.equal(floor, "holds", name);
      const [, deep, part] = floor.match(/^broken by ([\d,.]+) \(([\d.]+) %\)$/);
      assertSays(deep, row.shortfall, `depth of ${name}`);
      assertSays(`${part}\u00A0%`, row.shortfall_share, `part of ${name}`);
    });
  }
});

test("what is decided and which guards act is told of each", () => {
  const [, ...listed] = seen.tables["Shocks: decisions and guards"];
  listed.forEach(([name, words], at) => {
    const { decision, guards } = told.shocks[at];
    assert.ok(words.includes(`(${decision.code})`), `${name}: ${words}`);
    for (const act of guards) assert.ok(words.includes(`after ${act.after_seconds} s ${act.guard}: ${act.what}`), `${name}: ${words}`);
    assert.equal(words.endsWith("no guard acts"), guards.length === 0, `${name}: ${words}`);
  });
});

test("the plot has every shock and crash with a bar as long as the lowest cushion, red where the floor breaks", async () => {
  assert.equal(seen.figures.length, 1);
  assert.equal(seen.figures[0].title, "What the floor suffers");
  for (const { name, page } of all) {
    const { texts, bars } = await page.evaluate(() => {
      const svg = [...document.querySelectorAll("figure svg")].find((found) => found.checkVisibility());
      return {
        texts: [...svg.querySelectorAll("text")].map((text) => text.textContent.trim()),
        bars: [...svg.querySelectorAll("rect")].map((bar) => ({ long: Number(bar.getAttribute("width")), ink: bar.getAttribute("fill") })),
      };
    });
    const names = rows.map((row) => row.name);
    assert.deepEqual(texts.filter((text) => names.includes(text)), names, name);
    assert.equal(bars.length, rows.length, name);
    const longest = bars.reduce((a, b) => (a.long > b.long ? a : b));
    const scale = longest.long / Math.max(...rows.map((row) => Math.abs(Number(row.lowest_cushion))));
    rows.forEach((row, at) => {
      assert.equal(bars[at].ink, row.holds === "true" ? "#0B5FCC" : "#C62828", `${row.name} in ${name}`);
      const long = Math.abs(Number(row.lowest_cushion)) * scale;
      assert.ok(Math.abs(bars[at].long - long) <= 4, `${row.name} in ${name}: ${bars[at].long} and not ${long}`);
    });
  }
});

test("what breaks the floor stands out, in every look", async () => {
  const broken = rows.filter((row) => row.holds === "false").map((row) => row.name);
  for (const { name, page } of all) {
    const { plain, verdict, marked } = await page.evaluate(() => {
      const colour = (found) => getComputedStyle(found).color;
      const cells = [...document.querySelectorAll("table.named tbody tr")].filter((row) => colour(row.cells[1]) !== colour(document.body));
      return {
        plain: colour(document.body),
        verdict: colour(document.querySelector(".summary strong")),
        marked: cells.map((row) => [row.cells[0].textContent, colour(row.cells[1])]),
      };
    });
    assert.notEqual(verdict, plain, name);
    assert.deepEqual(marked, broken.map((shock) => [shock, verdict]), name);
  }
});

test("wide tables alone have to be scrolled, and on a phone alone", async () => {
  for (const { name, device, page } of all) {
    const { boxes } = await page.evaluate(widths);
    assert.deepEqual(boxes.map((box) => box.name), SECTIONS, name);
    const wide = boxes.filter((box) => box.whole > box.seen).map((box) => box.name);
    assert.deepEqual(wide, device === "desk" ? [] : ["Shocks", "Crashes"], name);
  }
});
