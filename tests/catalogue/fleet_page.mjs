// Opens a page of fleet.py in Chromium, uses it as a person does, and prints the results.
//
//   node fleet_page.mjs FOLDER PAGE [PICTURE]      FOLDER has the npm packages

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [folder, file, picture] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/package.json`));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { default: chromium } = await load("@sparticuz/chromium");
const { default: puppeteer } = await load("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await puppeteer.launch({
  args: chromium.args, executablePath: await chromium.executablePath(), headless: "shell",
});
const told = { version: await browser.version(), complaints: [], requests: [] };
const page = await browser.newPage();
page.on("console", (message) => told.complaints.push(message.text()));
page.on("pageerror", (error) => told.complaints.push(String(error)));
page.on("dialog", (dialog) => { told.complaints.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
page.on("request", (request) => told.requests.push(request.url()));
await page.setViewport({ width: 1500, height: 800 });

const address = pathToFileURL(file).href;
const open = async (hash = "") => {
  await page.goto("about:blank");
  await page.goto(address + hash);
};
const shown = () => page.evaluate(() => ({
  hash: location.hash,
  status: document.querySelector("[role=status]").textContent,
  names: [...document.querySelectorAll("tbody tr:not([hidden]) th")].map((x) => x.textContent),
  states: [...document.querySelectorAll("tbody tr:not([hidden])")].map((x) => x.dataset.state),
  sorted: [...document.querySelectorAll("th[aria-sort]")].map((x) => [x.textContent, x.ariaSort]),
  boxes: [...document.querySelectorAll("[name=state]")].filter((x) => x.checked).map((x) => x.value),
  focus: document.activeElement.textContent || document.activeElement.name,
}));

await open();
told.title = await page.title();
told.first = await shown();
told.links = await page.evaluate(() => [...document.links].map((link) => link.href));

told.sorting = await page.evaluate(() => {
  const button = document.querySelector("th[data-name=behind] button");
  const start = performance.now();
  button.click();
  document.body.getBoundingClientRect(); // with the layout
  return performance.now() - start;
});
told.ascending = await shown();
await page.click("th[data-name=behind] button");
told.descending = await shown();
await page.click("th[data-name=behind] button");
told.unsorted = await shown();

// Only the keyboard: Tab reaches the search first.
await open();
await page.keyboard.press("Tab");
await page.keyboard.type("service-00");
told.searched = await shown();
await page.keyboard.press("Tab");
await page.keyboard.press("Space"); // the first state
told.unchecked = await shown();
for (let n = 0; n < 40; n++) {
  await page.keyboard.press("Tab");
  if ((await shown()).focus === "Version") break;
}
await page.keyboard.press("Enter");
told.typed = await shown();
told.reached = await page.evaluate(() => {
  const style = getComputedStyle(document.activeElement);
  return { name: document.activeElement.textContent, outline: style.outlineStyle };
});

// The address contains the present view.
const link = told.typed.hash;
await open(link);
told.linked = await shown();
await page.evaluate(() => { location.hash = "#state=behind,edited&ring=canary"; });
await new Promise((done) => setTimeout(done, 50));
told.changed = await shown();
await page.click("button[type=reset]");
told.reset = await shown();
await open("#sort=nothing&state=&order=x&ring=none&text=%");
told.odd = await shown();

told.violations = {};
for (const scheme of ["light", "dark"]) {
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await open();
  await page.evaluate(axe);
  told.violations[scheme] = await page.evaluate(async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map((x) => `${x.id}: ${x.nodes[0].html} ${x.nodes[0].failureSummary}`);
  });
  told[scheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
}
await page.setViewport({ width: 400, height: 800 });
await open();
told.overflow = await page.evaluate(() => document.documentElement.scrollWidth);
if (picture) {
  await page.setViewport({ width: 1400, height: 520 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  await open();
  await page.screenshot({ path: picture });
}
await browser.close();
console.log(JSON.stringify(told));
