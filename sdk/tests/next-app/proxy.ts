import { touch } from "@whence/sdk/next";
import { NextResponse } from "next/server.js";

const WAYS = {
  plain: {},
  trusting: { trustProxy: true },
  platform: { clientAddress: (request: Request) => request.headers.get("x-of-the-platform") },
};
const layer = (options: object) =>
  touch({ baseUrl: process.env["WHENCE_URL"] ?? "", timeout: 2000, ...options }, (request) =>
    request.nextUrl.pathname === "/old" ? NextResponse.redirect(new URL("/pricing", request.url)) : undefined,
  );
const layers = new Map(Object.entries(WAYS).map(([way, options]) => [way, layer(options)]));

export const proxy: ReturnType<typeof layer> = (request, event) =>
  (layers.get(request.nextUrl.searchParams.get("as") ?? "plain") ?? layer({}))(request, event);
