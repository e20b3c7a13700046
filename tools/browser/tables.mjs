// Tables as files, and numbers as the page writes them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

// The fields of a line of a CSV file, of which some may be in quotes.
function fields(line) {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
}

// The rows of a CSV file, each by the names of its columns.
export function read(path) {
  const [head, ...rows] = readFileSync(path, "utf8").trimEnd().split("\n").map(fields);
  return rows.map((row) => Object.fromEntries(head.map((name, at) => [name, row[at]])));
}

// Asserts that a cell of the page says the number of a file to the last digit that it shows; a dash says that there is
// none, and less than a cent is neither nothing nor a cent.
export function assertSays(cell, value, what) {
  if (value === "") return assert.equal(cell, "–", what);
  const number = Number(value);
  assert.ok(Number.isFinite(number), `${what}: ${value} in the file is no number`);
  if (/^−?<0\.01$/.test(cell)) {
    return assert.ok(number !== 0 && Math.abs(number) < 0.005 && cell.startsWith("−") === number < 0, what);
  }
  const [, sign, digits, decimals = "", percent] = cell.match(/^([−+]?)([\d,]+)(\.\d+)?(\u00A0%)?$/) ?? [];
  assert.ok(digits, `${what}: ${cell} on the page is no number`);
  const said = Number(digits.replaceAll(",", "") + decimals) * (sign === "−" ? -1 : 1);
  const half = 0.5 * 10 ** -Math.max(decimals.length - 1, 0);
  const meant = percent ? 100 * number : number;
  assert.ok(Math.abs(said - meant) <= half * (1 + 1e-9), `${what}: ${cell} on the page, ${value} in the file`);
}
