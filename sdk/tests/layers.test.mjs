// Landings on the pages of other services: real Express, Hono, Next.js and plain Node.js in front of a real service.
import assert from "node:assert/strict";
import { createServer, request as ask } from "node:http";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { createRequire } from "node:module";
import { serve } from "@hono/node-server";
import { WhenceClient } from "@whence/sdk";
import { touch as expressTouch } from "@whence/sdk/express";
import { touch as honoTouch } from "@whence/sdk/hono";
import { keptPrivate, touchReporter } from "@whence/sdk/touch";
import express from "express";
import { Hono } from "hono";
import { freePort, logIn, newAddress, openPage, startProgram, startService } from "./service.mjs";

const LANDING = "/pricing?ref=OAK12345&utm_source=newsletter";
const TRUST = () => ["--trusted-proxy", "127.0.0.1/32"];
// Time enough on a busy machine: what is late is tested by itself.
const TIMEOUT = 5000;

const namesOf = ({ cookies }) => cookies.map((line) => line.split("=")[0]).sort();
const listening = (server) => new Promise((resolve) => server.once("listening", () => resolve(`http://localhost:${server.address().port}`)));
const closed = (server) => new Promise((resolve) => (server.close(resolve), server.closeAllConnections?.()));

/** How a layer may be made; a page is asked for by one of them in its query, as `?as=trusting`. */
const WAYS = {
  plain: {},
  trusting: { trustProxy: true },
  platform: { getConnInfo: ({ req }) => ({ remote: { address: req.header("x-of-the-platform") } }) },
};

/** Returns a layer that is made in each way. */
function inEachWay(touch, baseUrl, urlOf) {
  const layers = Object.entries(WAYS).map(([way, options]) => [way, touch({ baseUrl, timeout: TIMEOUT, ...options })]);
  const byWay = Object.fromEntries(layers);
  return (...all) => byWay[new URL(urlOf(all[0]), "http://page").searchParams.get("as") ?? "plain"](...all);
}

/** The sites, each with a page `/pricing`, and `/old`, which redirects. */
const SITES = {
  async express(baseUrl) {
    const site = express();
    site.use(inEachWay(expressTouch, baseUrl, (request) => request.url));
    site.get("/pricing", (_, answer) => void answer.cookie("own", "1").set("cache-control", "public, max-age=60").send("Pricing"));
    site.get("/old", (_, answer) => answer.redirect("/pricing"));
    const server = site.listen(0, "127.0.0.1");
    return [await listening(server), () => closed(server)];
  },
  async node(baseUrl) {
    const layer = inEachWay(expressTouch, baseUrl, (request) => request.url);
    const server = createServer((request, answer) =>
      layer(request, answer, () => {
        if (request.url.startsWith("/old")) return answer.writeHead(302, ["location", "/pricing", "set-cookie", "own=1"]).end();
        answer.writeHead(200, { "Set-Cookie": "own=1", "Cache-Control": "public, max-age=60" }).end("Pricing");
      }),
    ).listen(0, "127.0.0.1");
    return [await listening(server), () => closed(server)];
  },
  async hono(baseUrl) {
    const site = new Hono();
    site.use(inEachWay(honoTouch, baseUrl, (context) => context.req.url));
    site.get("/pricing", (context) => {
      context.header("set-cookie", "own=1");
      return context.html("Pricing", 200, { "cache-control": "public, max-age=60" });
    });
    site.get("/old", (context) => context.redirect("/pricing"));
    const server = serve({ fetch: site.fetch, port: 0, hostname: "127.0.0.1" });
    return [await listening(server), () => closed(server)];
  },
  async next(baseUrl) {
    const home = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "next-app");
    const next = createRequire(import.meta.url).resolve("next/dist/bin/next");
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const env = { ...process.env, WHENCE_URL: baseUrl };
    const stop = await startProgram(process.execPath, [next, "dev", home, "-p", port, "-H", "localhost"], `${url}/pricing`, { env });
    return [url, stop];
  },
};

/** Starts what stands between a site and whence, and sees what the site reports: `reported` is the last of it. */
async function startEar(service) {
  const ear = {};
  const server = createServer(({ method, url, headers }, response) => {
    ear.reported = headers;
    const passed = ask({ host: "127.0.0.1", port: service.port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    passed.end();
  }).listen(0, "127.0.0.1");
  ear.url = await listening(server);
  ear.stop = () => closed(server);
  return ear;
}

/** What of a report says who the visitor is, and what they asked for. */
const said = ({ reported }) => ["for", "host", "proto"].map((what) => reported[`x-forwarded-${what}`]?.replace("::ffff:", "")).concat(reported.forwarded);

for (const [name, start] of Object.entries(SITES)) {
  describe(`pages of ${name}`, () => {
    let service, ear, url, stop;
    before(async () => {
      service = await startService("sqlite", TRUST);
      ear = await startEar(service);
      [url, stop] = await start(ear.url);
    });
    after(async () => {
      await stop?.();
      await ear?.stop();
      await service?.stop();
    });
    const ofLanding = (page) => namesOf(page).filter((cookie) => cookie !== "own");

    test("a landing gets its cookies, beside those of the page", async () => {
      const page = await openPage(url + LANDING);
      assert.deepEqual([page.status, ofLanding(page)], [200, ["ref_code", "whence_touch"]]);
      assert.match(page.body, /Pricing/);
      if (name !== "next") assert.ok(namesOf(page).includes("own"));
      const cache = page.headers["cache-control"];
      assert.match(cache, /private|no-store/);
      assert.doesNotMatch(cache, /public/);
      const redirect = await openPage(`${url}/old?ref=OAK12345`);
      assert.deepEqual([redirect.status >= 300, ofLanding(redirect)], [true, ["ref_code", "whence_touch"]]);
    });

    test("the account of who lands is attributed by it", async () => {
      const { cookies } = await openPage(url + LANDING, { referer: "https://blog.example.org/best" });
      const client = new WhenceClient({ baseUrl: service.url });
      for (const line of cookies) client.cookies.set(line, service.url);
      await logIn(service, client, newAddress());
      const origin = await client.users.attribution();
      assert.deepEqual(
        [origin.utmSource, origin.firstLandingPage, origin.firstReferrerUrl],
        ["newsletter", "/pricing", "https://blog.example.org/best"],
      );
    });

    test("a page view is a click once, and what is none is not one", async () => {
      const { cookies } = await openPage(url + LANDING);
      const cookie = cookies.map((line) => line.split(";")[0]).join("; ");
      // On from page to page: nothing new.
      assert.deepEqual(ofLanding(await openPage(`${url}/pricing`, { cookie, referer: `${url}/pricing` })), []);
      for (const headers of [
        { "sec-fetch-dest": "image" },
        { "sec-fetch-dest": "empty", "sec-fetch-mode": "cors" },
        { "sec-purpose": "prefetch" },
      ]) {
        assert.deepEqual(ofLanding(await openPage(url + LANDING, headers)), [], JSON.stringify(headers));
      }
    });

    test("what a visitor says of themselves is believed only behind a proxy that writes it", async () => {
      const { host } = new URL(url);
      const [own, proto] = name === "next" ? [undefined, undefined] : ["127.0.0.1", "http"];
      const claims = {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-host": "www.example.com",
        "x-forwarded-proto": "https",
        forwarded: "for=203.0.113.9",
      };
      assert.equal((await openPage(url + LANDING, claims)).status, 200);
      assert.deepEqual(said(ear), [own, host, proto, undefined]);
      await openPage(`${url}${LANDING}&as=trusting`, claims);
      const list = [claims["x-forwarded-for"], own].filter(Boolean).join(", ");
      const forwarded = ear.reported.forwarded.replace('"[::ffff:127.0.0.1]"', "127.0.0.1");
      assert.deepEqual(said(ear).slice(0, 3), [list, "www.example.com", "https"]);
      assert.equal(forwarded, own ? "for=203.0.113.9, for=127.0.0.1" : "for=203.0.113.9");
      // What only the platform can know, it has to say; the layers of Node.js see the connection itself.
      await openPage(`${url}${LANDING}&as=platform`, { ...claims, "x-of-the-platform": "198.51.100.7" });
      const named = name === "next" || name === "hono" ? "198.51.100.7" : own;
      assert.deepEqual(said(ear), [named, host, proto, undefined]);
    });

    test("a visitor who names another host is from elsewhere all the same", async () => {
      const { cookies } = await openPage(url + LANDING);
      const cookie = cookies.map((line) => line.split(";")[0]).join("; ");
      ear.reported = undefined;
      const referer = "https://blog.example.org/best";
      await openPage(`${url}/pricing`, { cookie, referer, "x-forwarded-host": "blog.example.org" });
      assert.equal(ear.reported?.referer, referer);
    });

    test("old browsers, and all over plain http, send no Fetch Metadata", async () => {
      const none = { "sec-fetch-mode": undefined, "sec-fetch-dest": undefined, "sec-fetch-site": undefined };
      const headers = Object.fromEntries(Object.entries(none).map(([key]) => [key, []]));
      assert.deepEqual(ofLanding(await openPage(url + LANDING, headers)), ["ref_code", "whence_touch"]);
    });
  });
}

test("a page goes out without its cookies when whence is late, broken or gone", async () => {
  const errors = [];
  let answer = () => {};
  let asked = 0;
  const whence = createServer((request, response) => (asked++, answer(response))).listen(0, "127.0.0.1");
  const baseUrl = await listening(whence);
  const report = (options) => {
    const one = touchReporter({ baseUrl, timeout: 50, onError: (error) => errors.push(error), ...options });
    const headers = { "sec-fetch-dest": "document", "sec-fetch-mode": "navigate", host: "www.example.com" };
    return (url = LANDING) => one({ method: "GET", url, header: (name) => headers[name] });
  };
  assert.deepEqual(await report()(), []);
  answer = (response) => response.writeHead(500, { "set-cookie": "ref_code=x" }).end();
  assert.deepEqual(await report()(), []);
  answer = (response) => response.destroy();
  assert.deepEqual(await report()(), []);
  assert.deepEqual(await report()("http://["), []);
  assert.equal(errors.length, 4);
  // A visitor's own nonsense is none of whence's failures, and keeps nobody else from being asked for.
  const unmoved = report();
  for (let n = 0; n < 10; n++) await unmoved(n % 2 ? "http://[" : "*");
  const untilNow = asked;
  await unmoved();
  await unmoved("//x/pricing?ref=OAK12345");
  assert.equal(asked, untilNow + 2);
  // After five failures in a row nobody waits for the sixth.
  const one = report();
  for (let n = 0; n < 5; n++) await one();
  const before = asked;
  assert.deepEqual([await one(), asked], [[], before]);
  answer = (response) => response.writeHead(204, { "set-cookie": ["a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT", "b=2"] }).end();
  assert.equal((await report()()).length, 2);
  await closed(whence);
});

test("what a page view says of its client ends in whom this server talks to", async () => {
  let seen;
  const whence = createServer((request, response) => ((seen = request.headers), response.writeHead(204).end())).listen(0, "127.0.0.1");
  const report = touchReporter({ baseUrl: await listening(whence), timeout: TIMEOUT, trustProxy: true });
  const own = { "sec-fetch-dest": "document", host: "internal:3000" };
  const view = (headers, more) => report({ method: "GET", url: LANDING, header: (name) => ({ ...own, ...headers })[name], ...more });
  await view({ "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" }, { ip: "2001:db8::1", https: true });
  assert.deepEqual(
    [seen["x-forwarded-for"], seen.forwarded, seen["x-forwarded-proto"], seen["x-forwarded-host"]],
    ["203.0.113.9, 2001:db8::1", 'for=203.0.113.9, for="[2001:db8::1]"', "https", "internal:3000"],
  );
  assert.deepEqual([seen["x-forwarded-uri"], seen["x-forwarded-method"]], [LANDING, "GET"]);
  await view({ "x-forwarded-host": "www.example.com", "x-forwarded-proto": "https" }, { ip: "198.51.100.1" });
  assert.deepEqual(
    [seen["x-forwarded-for"], seen.forwarded, seen["x-forwarded-proto"], seen["x-forwarded-host"]],
    ["198.51.100.1", undefined, "https", "www.example.com"],
  );
  await closed(whence);
});

test("a shared cache keeps no page that sets a visitor's cookies", () => {
  assert.equal(keptPrivate(undefined), "private");
  assert.equal(keptPrivate("public, s-maxage=60, max-age=10"), "private, max-age=10");
  assert.equal(keptPrivate("no-store"), "no-store");
});

test("whence believes no page view of a server that it was not named", async () => {
  const service = await startService("sqlite");
  const [url, stop] = await SITES.express(service.url);
  try {
    assert.deepEqual(namesOf(await openPage(url + LANDING)), ["own"]);
  } finally {
    await stop();
    await service.stop();
  }
});
