// The browser: one page in each look that readers have, with all that it asks for and complains of.
import { chromium } from "playwright-core";

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };
const SCHEMES = ["light", "dark"];

// Beside what playwright gives every browser: --headless, --no-sandbox, an empty profile in a temporary folder that is
// removed with the browser, and the like.
const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

// Starts the browser that KEEPER_CHROMIUM names.
export const start = () =>
  chromium.launch({ executablePath: process.env.KEEPER_CHROMIUM, args: FLAGS, chromiumSandbox: false });

// Opens the page at that address as each reader sees it, everything unfolded.
export async function views(browser, address) {
  const looks = SCHEMES.flatMap((scheme) => [
    { name: `desk-${scheme}`, device: "desk", scheme, viewport: DESK, drawing: "wide" },
    { name: `phone-${scheme}`, device: "phone", scheme, viewport: PHONE, drawing: "narrow" },
  ]);
  return Promise.all(looks.map((look) => view(browser, address, look)));
}

async function view(browser, address, look) {
  const context = await browser.newContext({ viewport: look.viewport, colorScheme: look.scheme, offline: true });
  const page = await context.newPage();
  const [requests, complaints] = [[], []];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(address, { waitUntil: "load" });
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  return { ...look, page, requests, complaints };
}
