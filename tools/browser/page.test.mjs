// Any page of the keeper in every look that readers have: page.test.mjs PICTURES PAGE…, with a folder for pictures. Run by
// scripts/test-browser.
import assert from "node:assert/strict";
import { basename, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { start, views } from "./browser.mjs";
import { assertContrast, GRAPHICS, luminance, TEXT } from "./contrast.mjs";
import { colours, contents, crowded, widths } from "./looks.mjs";

const [pictures, ...paths] = process.argv.slice(2);
let browser;
before(async () => (browser = await start()));
after(() => browser?.close());
for (const path of paths) describe(basename(path), () => looksRight(resolve(path)));

function looksRight(path) {
  const address = pathToFileURL(path).href;
  let all;
  before(async () => (all = await views(browser, address)));
  after(() => Promise.all((all ?? []).map(({ page }) => page.context().close())));

  // Asserts of every view what the browser found in it.
  async function everywhere(look, assertion) {
    for (const view of all) assertion(await view.page.evaluate(look), view);
  }

  test("pictures of every look are kept", async () => {
    for (const { name, page } of all) {
      await page.screenshot({ path: join(pictures, `${basename(path, ".html")}-${name}.png`), fullPage: true });
    }
  });

  test("it asks for nothing but itself and complains of nothing", () => {
    for (const { name, requests, complaints } of all) {
      assert.deepEqual(requests, [address], name);
      assert.deepEqual(complaints, [], name);
    }
  });

  test("it has a title, and every figure its legend and the drawing that fits the screen", async () => {
    await everywhere(contents, ({ title, figures }, { drawing, name }) => {
      assert.notEqual(title, "");
      for (const figure of figures) {
        assert.notEqual(figure.legend.length, 0, `${figure.title} in ${name}`);
        assert.deepEqual(figure.drawn, ["wide", "narrow"], `${figure.title} in ${name}`);
        assert.deepEqual(figure.shown, [drawing], `${figure.title} in ${name}`);
      }
    });
  });

  test("nothing is wider than the screen: tables scroll in boxes of their own", async () => {
    await everywhere(widths, ({ seen, whole, boxes }, { name }) => {
      assert.ok(whole <= seen, `${name}: the document is ${whole} pixels wide, the screen ${seen}`);
      for (const box of boxes) assert.ok(box.right <= seen, `${name}: the box of ${box.name} ends at ${box.right}`);
    });
  });

  test("labels of the plots neither cover one another nor reach out of them", async () => {
    await everywhere(crowded, (found, { name }) => assert.deepEqual(found, [], name));
  });

  test("what is written and drawn stands out from its paper in both themes, which differ", async () => {
    const themes = new Map();
    await everywhere(colours, ({ ink, paper, written, legends }, { name, scheme }) => {
      themes.set(scheme, { ink, paper });
      assert.notEqual(written.length, 0, name);
      for (const one of written) assertContrast(one, TEXT, `${name}: ${one.text}`);
      for (const one of legends) assertContrast(one, GRAPHICS, `${name}: the legend of ${one.name}`);
    });
    const [light, dark] = [themes.get("light"), themes.get("dark")];
    assert.notEqual(light.paper, dark.paper);
    assert.notEqual(light.ink, dark.ink);
    assert.ok(luminance(light.paper) > luminance(light.ink) && luminance(dark.paper) < luminance(dark.ink));
  });
}
