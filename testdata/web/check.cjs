// The checks of testdata/web/check: check.cjs WORK OUT, where WORK holds the programs
// serve and chatmaild, and OUT gets the screenshots.
"use strict";
const { spawn, execFileSync } = require("node:child_process");
const { createInterface } = require("node:readline");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");
const { HtmlValidate } = require("html-validate");
const axe = fs.readFileSync(require.resolve("axe-core"), "utf8");

const [work, out] = process.argv.slice(2);
const screens = { phone: { width: 320, height: 640 }, desktop: { width: 1280, height: 800 } };
const pages = ["index.html", "info.html", "privacy.html", "404.html"];
// Of these relays every page is looked at in every way, of the others the first page in two.
const thorough = ["name", "fresh"];
const pagesOf = (kind) => (thorough.includes(kind) ? pages : ["index.html"]);
const waysOf = (kind) => (thorough.includes(kind)
  ? [["phone", "light"], ["phone", "dark"], ["desktop", "light"], ["desktop", "dark"]]
  : [["phone", "dark"], ["desktop", "light"]]);
const maxHome = 60 * 1024; // bytes, everything that the home page loads

let done = 0;
const failures = [];
function check(what, ok, detail = "") {
  done++;
  if (!ok) failures.push(`${what}${detail === "" ? "" : `: ${detail}`}`);
}

// start runs a program and returns it with its first line of output.
function start(program, ...args) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}`)));
    createInterface({ input: child.stdout }).once("line", (line) => resolve({ child, line }));
  });
}

function decode(picture) {
  try {
    return execFileSync("zbarimg", ["--nodbus", "--quiet", "--raw", picture], { stdio: ["ignore", "pipe", "ignore"] })
      .toString().split("\n").filter(Boolean);
  } catch (err) {
    if (err.status === 4) return []; // no code found
    throw err;
  }
}

// look opens every page of one relay as one device and keeps what it looks like.
async function look(browser, kind, base, screen, scheme) {
  const context = await browser.newContext({
    viewport: screens[screen], colorScheme: scheme, javaScriptEnabled: false, deviceScaleFactor: screen === "phone" ? 2 : 1,
  });
  const page = await context.newPage();
  const loaded = [];
  page.on("request", (r) => loaded.push(r.url()));
  for (const name of pagesOf(kind)) {
    const id = `${kind}-${name.replace(".html", "")}-${screen}-${scheme}`;
    await page.goto(`${base}/${name}`);
    const picture = path.join(out, `${id}.png`);
    await page.screenshot({ path: picture, fullPage: true });
    if (name === "index.html") await codes(page, kind, base, id, picture);
  }
  const foreign = loaded.filter((url) => !url.startsWith(`${base}/`));
  check(`${kind}: nothing from elsewhere`, foreign.length === 0, foreign.join(" "));
  await context.close();
}

// codes compares the QR codes on a screenshot with what they should say.
async function codes(page, kind, base, id, picture) {
  const found = decode(picture);
  const profile = found.filter((link) => /^dc(account|login):/i.test(link));
  if (kind === "invite" || kind === "closed") {
    check(`${id}: no code`, profile.length === 0, profile.join(" "));
    return;
  }
  check(`${id}: one profile's code`, profile.length === 1, JSON.stringify(found));
  const button = await page.getByRole("link", { name: "Get a profile", exact: true }).getAttribute("href");
  if (kind === "underscore" || kind === "literal") {
    const issued = await (await fetch(`${base}/~issued`)).json();
    check(`${id}: the code is a login just issued`, issued.includes(profile[0]), profile[0]);
    const tail = kind === "literal" ? "&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3" : "&v=1&ic=3";
    check(`${id}: the code accepts the certificate`, profile[0]?.endsWith(tail), profile[0]);
    const answer = await fetch(`${base}${button}`, { redirect: "manual" });
    check(`${id}: the button leads to a login`, answer.status === 302 && answer.headers.get("location").startsWith("dclogin:"));
  } else {
    check(`${id}: code and button are the same link`, profile[0] === button, `${profile[0]} ${button}`);
    check(`${id}: the link`, /^DCACCOUNT:https:\/\/[a-z0-9.-]+\/new$/.test(button), button);
  }
  if (kind !== "fresh") check(`${id}: the echo bot's code`, found.some((l) => l.startsWith("https://i.delta.chat/#")), JSON.stringify(found));
}

// inspect asks the machines: axe-core, the validator, and Chromium itself.
async function inspect(browser, validator, kind, base) {
  for (const [screen, scheme] of waysOf(kind)) {
    const context = await browser.newContext({ viewport: screens[screen], colorScheme: scheme });
    const page = await context.newPage();
    for (const name of pagesOf(kind)) {
      const id = `${kind}/${name} ${screen} ${scheme}`;
      await page.goto(`${base}/${name}`);
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => window.axe.run(document));
      check(`${id}: axe works`, passes.length > 10, `${passes.length} rules passed`);
      check(`${id}: axe`, violations.length === 0,
        violations.map((v) => `${v.id} ${v.nodes.map((n) => n.target).join(" ")}`).join("; "));
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      check(`${id}: no scrolling sideways`, wide <= 0, `${wide} px`);
    }
    await context.close();
  }
  for (const name of pages) {
    const html = await (await fetch(`${base}/${name}`)).text();
    const report = await validator.validateString(html, name);
    check(`${kind}/${name}: valid`, report.valid,
      report.results.flatMap((r) => r.messages.map((m) => `${m.line}:${m.column} ${m.ruleId} ${m.message}`)).join("; "));
  }
}

async function weight(browser, base) {
  const page = await browser.newPage();
  const bodies = [];
  page.on("response", (r) => bodies.push(r.body()));
  await page.goto(`${base}/`, { waitUntil: "networkidle" });
  const sum = (await Promise.all(bodies)).reduce((n, b) => n + b.length, 0);
  check("home page's weight", bodies.length >= 4 && sum < maxHome, `${sum} bytes in ${bodies.length} files`);
  console.log(`home page: ${sum} bytes in ${bodies.length} files, not compressed`);
  await page.close();
}

// policy injects what an attacker would, and a control shows that it runs without the policy.
async function policy(browser, base) {
  for (const bypassCSP of [false, true]) {
    const context = await browser.newContext({ bypassCSP });
    const page = await context.newPage();
    await page.goto(`${base}/`);
    const ran = await page.evaluate(async () => {
      const inline = document.createElement("script");
      inline.textContent = "window.ran = (window.ran || '') + 'inline '";
      const image = document.createElement("img");
      image.setAttribute("onerror", "window.ran = (window.ran || '') + 'handler '");
      image.src = "/no-such-picture";
      const data = document.createElement("script");
      data.src = "data:text/javascript,window.ran=(window.ran||'')+'data '";
      const settled = [image, data].map((e) => new Promise((go) => { e.addEventListener("load", go); e.addEventListener("error", go); }));
      document.body.append(inline, image, data);
      await Promise.all(settled);
      return (window.ran || "").trim().split(" ").filter(Boolean).sort().join(" ");
    });
    const want = bypassCSP ? "data handler inline" : "";
    check(`injected scripts ${bypassCSP ? "run without" : "do not run under"} the policy`, ran === want, ran);
    await context.close();
  }
}

async function keyboard(browser, base) {
  const page = await browser.newPage({ viewport: screens.phone, reducedMotion: "reduce" });
  await page.goto(`${base}/`);
  const seen = [];
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const e = document.activeElement;
      if (e === document.body) return null; // past the last one
      const box = e.getBoundingClientRect();
      const visible = box.width > 0 && box.top >= 0 && box.bottom <= innerHeight && getComputedStyle(e).outlineStyle !== "none";
      return `${e.textContent.trim() || e.querySelector("img")?.alt || e.tagName}|${visible}`;
    });
    if (stop === null) break;
    seen.push(stop);
  }
  check("keyboard: first the skip link", seen[0] === "Skip to the content|true", seen[0]);
  check("keyboard: the button", seen.includes("Get a profile|true"), seen.join(", "));
  check("keyboard: every stop is to be seen", seen.every((s) => s.endsWith("|true")), seen.join(", "));
  await page.close();
}

async function create(base) {
  const answers = await Promise.all(Array.from({ length: 200 }, async () => {
    const t = performance.now();
    const r = await fetch(`${base}/new`, { method: "POST" });
    return { status: r.status, ...(await r.json()), time: performance.now() - t };
  }));
  const good = answers.filter((a) => a.status === 200 && /^[a-z0-9]{9}@chat\.example\.org$/.test(a.email) && a.password.length >= 22);
  check("200 parallel POST /new: none fails", good.length === 200, `${good.length} are good`);
  check("200 parallel POST /new: no duplicate", new Set(good.map((a) => a.email)).size === 200);
}

// preview edits a page under webdev and sees the browser follow.
async function preview(browser) {
  const dir = path.join(work, "pages");
  const config = path.join(work, "chatmail.toml");
  fs.writeFileSync(config, 'mail_domain = "chat.example.org"\n');
  const { child, line } = await start(path.join(work, "chatmaild"), "webdev", "--config", config,
    "--listen", "127.0.0.1:0", "--copy", "info.md", dir);
  const file = path.join(dir, "info.md");
  const page = await browser.newPage();
  const sees = async (what, text) => {
    try {
      await page.getByText(text).first().waitFor({ timeout: 20_000 });
      check(`webdev: ${what}`, true);
    } catch {
      check(`webdev: ${what}`, false, (await page.locator("main").innerText()).slice(0, 200));
    }
  };
  await page.goto(`${line}info.html`);
  await sees("our page", "About this relay");
  fs.writeFileSync(file, "# Our own words\n");
  await sees("a change", "Our own words");
  fs.writeFileSync(file, "# Our own words\n\n{{ config.no_such_key }}\n");
  await sees("an error with its place", "info.md:3");
  await page.screenshot({ path: path.join(out, "webdev-error.png") });
  fs.writeFileSync(file, "# Mended\n");
  await sees("the way back", "Mended");
  await page.close();
  child.removeAllListeners("exit");
  child.kill("SIGTERM");
  const code = await new Promise((resolve) => child.once("exit", resolve));
  check("webdev ends with 0", code === 0, String(code));
}

async function main() {
  const { child, line } = await start(path.join(work, "serve"));
  const relays = JSON.parse(line);
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  // How long a title is depends on the relay's name.
  const validator = new HtmlValidate({ extends: ["html-validate:recommended"], rules: { "long-title": "off" } });
  for (const [kind, base] of Object.entries(relays).sort()) {
    for (const [screen, scheme] of waysOf(kind)) await look(browser, kind, base, screen, scheme);
    await inspect(browser, validator, kind, base);
  }
  await weight(browser, relays.name);
  await policy(browser, relays.name);
  await keyboard(browser, relays.name);
  await create(relays.name);
  await preview(browser);
  await browser.close();
  child.removeAllListeners("exit");
  child.stdin.end();
  for (const f of failures) console.error(`FAIL ${f}`);
  console.log(`${done} checks, ${failures.length} failed`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

main().catch((err) => { console.error(err); process.exit(1); });
