// Contrast of colours as the browser tells them: WCAG 2.1, relative luminance.
import assert from "node:assert/strict";

// Contrast that it asks for (1.4.3 text, 1.4.11 graphical objects).
export const TEXT = 4.5;
export const GRAPHICS = 3;

export function assertContrast({ ink, paper }, least, what) {
  const [dark, light] = [luminance(ink), luminance(paper)].sort((a, b) => a - b);
  const contrast = (light + 0.05) / (dark + 0.05);
  assert.ok(contrast >= least, `${what} has ${ink} on ${paper}, a contrast of ${contrast.toFixed(2)} and not ${least}`);
}

// Of an opaque colour, `rgb(…)`.
export function luminance(colour) {
  const parts = colour.match(/^rgb\((\d+), (\d+), (\d+)\)$/)?.slice(1);
  assert.ok(parts, `${colour} is no opaque colour`);
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = parts.map((part) => linear(part / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
