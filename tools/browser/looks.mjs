// What is to be seen on a page. Each function runs in the browser and names nothing outside itself.

// Title, verdict, figures and tables.
export function contents() {
  const texts = (root, selector) => [...root.querySelectorAll(selector)].map((found) => found.textContent.trim());
  const figure = (found) => ({
    title: found.querySelector("h2").textContent,
    legend: texts(found, ".legend li"),
    drawn: [...found.querySelectorAll("svg")].map((svg) => svg.getAttribute("class")),
    shown: [...found.querySelectorAll("svg")].filter((svg) => svg.checkVisibility()).map((svg) => svg.getAttribute("class")),
  });
  const table = (found) => [
    found.querySelector("h2").textContent,
    [...found.querySelectorAll("tr")].map((row) => texts(row, "th,td")),
  ];
  return {
    title: document.title,
    heading: document.querySelector("h1").textContent,
    verdict: document.querySelector(".summary strong").textContent,
    figures: [...document.querySelectorAll("figure")].map(figure),
    tables: Object.fromEntries([...document.querySelectorAll("section:has(table)")].map(table)),
  };
}

// Widths of the document and of the boxes that scroll by themselves, pixels.
export function widths() {
  const root = document.documentElement;
  const box = (found) => ({
    name: found.getAttribute("aria-label"),
    seen: found.clientWidth,
    whole: found.scrollWidth,
    right: found.getBoundingClientRect().right,
  });
  return { seen: root.clientWidth, whole: root.scrollWidth, boxes: [...document.querySelectorAll(".scroll")].map(box) };
}

// Colours of everything written, of what is behind it, and of the legends, as `rgb(…)`.
export function colours() {
  const clear = "rgba(0, 0, 0, 0)";
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === clear && element.parentElement ? behind(element.parentElement) : colour;
  };
  const written = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (text === "" || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const pair = { ink: element instanceof SVGElement ? style.fill : style.color, paper: behind(element) };
    written.set(JSON.stringify(pair), { ...pair, text });
  }
  const legend = (found) => ({
    name: found.textContent,
    ink: getComputedStyle(found.querySelector("span")).color,
    paper: behind(found),
  });
  return {
    ink: getComputedStyle(document.body).color,
    paper: behind(document.body),
    written: [...written.values()],
    legends: [...document.querySelectorAll(".legend li")].map(legend),
  };
}

// Labels in the plots that cover one another or reach out of their plot. A box has room for the tallest letters of its
// font, so that boxes may meet where letters do not.
export function crowded() {
  const room = 3;
  const inside = (box, frame) =>
    box.left >= frame.left - room &&
    box.right <= frame.right + room &&
    box.top >= frame.top - room &&
    box.bottom <= frame.bottom + room;
  const covers = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > room &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > room;
  const found = [];
  for (const svg of [...document.querySelectorAll("figure svg")].filter((svg) => svg.checkVisibility())) {
    const named = svg.getAttribute("aria-label");
    const frame = svg.getBoundingClientRect();
    const labels = [...svg.querySelectorAll("text")].map((text) => [text.textContent.trim(), text.getBoundingClientRect()]);
    labels.forEach(([text, box], at) => {
      if (!inside(box, frame)) found.push(`${named}: ${text} reaches out of it`);
      for (const [other, its] of labels.slice(at + 1)) {
        if (covers(box, its)) found.push(`${named}: ${text} and ${other} overlap`);
      }
    });
  }
  return found;
}
