import { touch } from "@whence/sdk/next";
import { NextResponse } from "next/server.js";

export const proxy = touch({ baseUrl: process.env["WHENCE_URL"] ?? "", timeout: 2000 }, (request) =>
  request.nextUrl.pathname === "/old" ? NextResponse.redirect(new URL("/pricing", request.url)) : undefined,
);
