// What is packed: in a fresh project, by both module systems, in an edge runtime, and how large it is.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { WhenceClient } from "@whence/sdk";
import { build } from "esbuild";
import { logIn, openPage, startService } from "./service.mjs";

const run = promisify(execFile);
const modules = resolve("node_modules");
const tool = (name) => join(modules, ".bin", name);
let home;
const packed = {};

before(async () => {
  home = mkdtempSync(join(tmpdir(), "whence-pack-"));
  for (const name of ["typescript", "react"]) {
    // They are built already.
    const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", home], { cwd: name });
    const [{ filename, files }] = [JSON.parse(stdout)].flat().map((one) => (one.filename ? one : Object.values(one)[0]));
    packed[name] = { tarball: join(home, filename), files: files.map(({ path }) => path) };
  }
});
after(() => rmSync(home, { recursive: true, force: true }));

test("only what is needed is packed", () => {
  for (const { files } of Object.values(packed)) {
    assert.ok(["LICENSE", "README.md", "package.json", "dist/esm/index.js", "dist/cjs/index.js"].every((file) => files.includes(file)), files.join());
    assert.deepEqual(files.filter((file) => !/^(dist\/|LICENSE$|README\.md$|package\.json$)/.test(file)), []);
  }
});

test("publint and attw find nothing", async () => {
  for (const { tarball } of Object.values(packed)) {
    await run(tool("publint"), ["run", tarball, "--strict"]);
    await run(tool("attw"), [tarball, "--no-definitely-typed", "--format", "ascii", "--no-color"]);
  }
});

test("a fresh project of strict TypeScript compiles and runs with them, by import and by require", async () => {
  const project = join(home, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  const tarballs = Object.values(packed).map(({ tarball }) => tarball);
  await run("npm", ["install", "--offline", "--legacy-peer-deps", "--no-audit", "--no-fund", ...tarballs], { cwd: project });
  assert.deepEqual(readdirSync(join(project, "node_modules")).filter((name) => name[0] !== "."), ["@whence"], "there are no dependencies");
  // What a project that uses React has already.
  for (const name of ["react", "@tanstack/react-query", "@tanstack/query-core", "@types/react", "@types/node", "undici-types", "csstype"]) {
    mkdirSync(dirname(join(project, "node_modules", name)), { recursive: true });
    symlinkSync(join(modules, name), join(project, "node_modules", name));
  }
  const use = `
    import { useSession } from "@whence/react";
    import { CookieJar, isWhenceError, WhenceClient, type User } from "@whence/sdk";
    import { touch } from "@whence/sdk/hono";
    export const session: typeof useSession = useSession;
    export const client = new WhenceClient({ baseUrl: "http://localhost:1", cookies: new CookieJar() });
    export const user = async (): Promise<User> => (await client.auth.me()).user;
    user().catch((error: unknown) => console.log(isWhenceError(error) && error.code, typeof touch, typeof session));
  `;
  writeFileSync(join(project, "esm.ts"), use);
  writeFileSync(join(project, "cjs.cts"), use);
  const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false, types: ["node"] };
  const compilerOptions = { ...strict, target: "es2022", lib: ["es2022", "dom"], module: "nodenext", outDir: "out" };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["esm.ts", "cjs.cts"] }));
  await run(process.execPath, [join(modules, "typescript/bin/tsc"), "-p", project]).catch((error) => assert.fail(error.stdout));
  for (const file of ["esm.js", "cjs.cjs"]) {
    const { stdout } = await run(process.execPath, [join(project, "out", file)]);
    assert.equal(stdout.trim(), "network_error function function", file);
  }
  // The resolution of bundlers, and that of old compilers.
  writeFileSync(join(project, "bundled.ts"), use);
  for (const [module, moduleResolution] of [["preserve", "bundler"], ["commonjs", "node10"]]) {
    const options = { ...compilerOptions, module, moduleResolution, noEmit: true };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["bundled.ts"] }));
    await run(process.execPath, [join(modules, "typescript/bin/tsc"), "-p", project]).catch((error) => assert.fail(error.stdout));
  }
});

test("the program of the tutorial logs in, in a project with the package alone", async () => {
  const [[, program], ...others] = readFileSync("tutorial.md", "utf8").matchAll(/^```ts\n(.*?)^```/gms);
  assert.deepEqual(others, []);
  const project = join(home, "tutorial");
  mkdirSync(project);
  await run("npm", ["install", "--offline", "--prefix", project, "--no-audit", "--no-fund", packed.typescript.tarball]);
  const service = await startService("sqlite", () => ["--development"]);
  try {
    // The reader has come from the newsletter before.
    const browser = new WhenceClient({ baseUrl: service.url });
    const { cookies } = await openPage(`${service.url}/r/?utm_source=newsletter`);
    for (const line of cookies) browser.cookies.set(line, service.url);
    await logIn(service, browser, "test+123456@example.com");
    writeFileSync(join(project, "login.mjs"), program.replaceAll("http://localhost:8080", service.url));
    const { stdout } = await run(process.execPath, ["login.mjs"], { cwd: project });
    assert.equal(stdout, "test+123456@example.com came by newsletter\n");
  } finally {
    await service.stop();
  }
});

/** Returns how many bytes a browser loads for this code, compressed. */
async function sizeOf(contents, external = []) {
  const stdin = { contents, resolveDir: process.cwd() };
  const { outputFiles } = await build({ stdin, bundle: true, minify: true, format: "esm", target: "es2022", external, write: false, logLevel: "error" });
  return outputFiles[0].text.trim() === "" ? 0 : gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

test("the sizes are within their budgets", async (context) => {
  const peers = ["react", "react/jsx-runtime", "@tanstack/react-query", "@whence/sdk"];
  const budgets = [
    ["the whole client", 'export * from "@whence/sdk"', 6144],
    ["isWhenceError alone", 'export { isWhenceError } from "@whence/sdk"', 200],
    ["CookieJar alone", 'export { CookieJar } from "@whence/sdk"', 1400],
    ["nothing of it", 'import "@whence/sdk"; import "@whence/react"', 0],
    ["the hooks of React", 'export * from "@whence/react"', 1500, peers],
    ["useSession alone", 'export { useSession } from "@whence/react"', 600, peers],
    ["the layer for Hono", 'export * from "@whence/sdk/hono"', 1700],
  ];
  for (const [what, code, most, external] of budgets) {
    const size = await sizeOf(code, external);
    context.diagnostic(`${what}: ${size} bytes compressed, at most ${most}`);
    assert.ok(size <= most, `${what}: ${size} > ${most}`);
  }
});

test("the client runs in an edge runtime, in which there is nothing of Node.js", async () => {
  const { EdgeRuntime } = createRequire(import.meta.url)("next/dist/compiled/edge-runtime");
  const stdin = { contents: 'export * from "@whence/sdk"; export * from "@whence/sdk/hono"', resolveDir: process.cwd() };
  const { outputFiles } = await build({ stdin, bundle: true, format: "iife", globalName: "lib", target: "es2022", write: false });
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.cookie);
    response.writeHead(200, { "content-type": "application/json", "set-cookie": ["nl_session=s; Path=/; HttpOnly", "nl_csrf=c; Path=/"] });
    response.end('{"user":{"display_name":"Ada"},"provider":"email"}');
  }).listen(0, "127.0.0.1");
  await new Promise((ready) => server.once("listening", ready));
  try {
    const edge = new EdgeRuntime({ initialCode: outputFiles[0].text });
    const name = await edge.evaluate(`(async () => {
      if (typeof process !== "undefined" && process.versions) throw new Error("this is Node.js");
      const client = new lib.WhenceClient({ baseUrl: "http://127.0.0.1:${server.address().port}" });
      await client.auth.me();
      return (await client.auth.me()).user.displayName;
    })()`);
    assert.deepEqual([name, seen], ["Ada", [undefined, "nl_session=s; nl_csrf=c"]]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("every example in the instructions is TypeScript that compiles", async () => {
  const project = join(process.cwd(), "readme");
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project);
  const files = [];
  for (const name of ["typescript", "react"]) {
    const blocks = readFileSync(join(name, "README.md"), "utf8").matchAll(/^```tsx?\n(.*?)^```/gms);
    for (const [, code] of blocks) {
      const file = `${name}-${files.length}.tsx`;
      writeFileSync(join(project, file), code);
      files.push(file);
    }
  }
  assert.ok(files.length > 5);
  const compilerOptions = { noEmit: true, declaration: false, noUnusedLocals: false, types: ["node"], moduleDetection: "force" };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ extends: "../tsconfig.base.json", compilerOptions, files }));
  await run(process.execPath, [join(modules, "typescript/bin/tsc"), "-p", project]).catch((error) => assert.fail(error.stdout));
});
