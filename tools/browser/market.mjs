// A market for pictures, the same on every machine: hourly bars of 25 days with a crash of some 45 % in the middle, and
// base fees that go up with it. `market.mjs FOLDER` writes prices.csv and gas.csv.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const START = Date.UTC(2024, 2, 1) / 1000;
const HOUR = 3600;
const BARS = 600;
// First and last hour of the fall, and how much of its logarithm an hour takes.
const CRASH = { first: 280, last: 303, drift: -0.025 };

// Even numbers in -1..1, by integers alone (Park and Miller, 1988).
let state = 20240301;
const noise = () => {
  state = (state * 48271) % 2147483647;
  return (2 * state) / 2147483647 - 1;
};

const falls = (hour) => hour >= CRASH.first && hour <= CRASH.last;
const rows = { prices: ["timestamp,open,high,low,close"], gas: ["timestamp,basefee_gwei"] };
let price = 3000;
for (let hour = 0; hour < BARS; hour += 1) {
  const [open, width] = [price, falls(hour) ? 0.02 : 0.009];
  price *= 1 + (falls(hour) ? CRASH.drift : 0.0012) + width * noise();
  const high = Math.max(open, price) * (1 + (width * (1 + noise())) / 4);
  const low = Math.min(open, price) * (1 - (width * (1 + noise())) / 4);
  const bar = [open, high, low, price].map((value) => value.toFixed(2));
  rows.prices.push([START + hour * HOUR, ...bar].join(","));
  const fee = (falls(hour) ? 60 : 6) * (1 + 0.5 * noise());
  rows.gas.push(`${START + hour * HOUR},${fee.toFixed(3)}`);
}
for (const [name, lines] of Object.entries(rows)) {
  writeFileSync(join(process.argv[2], `${name}.csv`), `${lines.join("\n")}\n`);
}
