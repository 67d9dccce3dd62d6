// What the compiler has to take, and what it has to refuse. It is compiled, never run.
import { getConnInfo } from "@hono/node-server/conninfo";
import express from "express";
import { Hono } from "hono";
import type { NextFetchEvent, NextRequest } from "next/server.js";
import { type Attribution, type Me, WhenceClient } from "@whence/sdk";
import { touch as expressTouch } from "@whence/sdk/express";
import { touch as honoTouch } from "@whence/sdk/hono";
import { touch as nextTouch } from "@whence/sdk/next";
import { createServer } from "node:http";

const options = { baseUrl: "http://localhost:8080", apiKey: process.env["WHENCE_API_KEY"] };
const client: WhenceClient = new WhenceClient(options);

export async function calls(): Promise<[Me, Attribution, string | undefined]> {
  const { requestId } = await client.auth.email.start({ email: "ada@example.com" });
  const { user } = await client.auth.email.verify({ requestId, code: "123456" }, { signal: AbortSignal.timeout(1000) });
  const name: string = user.displayName;
  const result = await client.auth.attribute();
  // @ts-expect-error There is no such field.
  void user.display_name;
  // @ts-expect-error The address is missing.
  void client.auth.email.start({});
  // @ts-expect-error A user may have no source.
  const source: string = (await client.users.attribution()).utmSource;
  return [await client.auth.me(), await client.users.attribution(), result.reason ?? name + source];
}

express().use(expressTouch(options));
const plain = expressTouch(options);
createServer((request, response) => plain(request, response, () => response.end()));
new Hono().use(honoTouch(options));
new Hono().use(honoTouch({ ...options, trustProxy: true, getConnInfo }));
// @ts-expect-error The connection is seen there.
expressTouch({ ...options, clientAddress: () => undefined });
export const proxy: (request: NextRequest, event: NextFetchEvent) => Promise<Response> = nextTouch({
  ...options,
  clientAddress: (request) => request.headers.get("cf-connecting-ip"),
});
