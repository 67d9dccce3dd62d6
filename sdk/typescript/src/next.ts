import { type NextFetchEvent, type NextRequest, NextResponse } from "next/server.js";
import { keptPrivate, type TouchOptions, touchReporter } from "./touch.js";

/** How a site reports its page views. */
export interface NextTouchOptions extends TouchOptions {
  /**
   * Returns the address of the visitor from what the platform guarantees, such as
   * `(request) => request.headers.get("cf-connecting-ip")`. Next.js itself shows no connection here.
   */
  clientAddress?: ((request: NextRequest) => string | null | undefined) | undefined;
}

type Answer = Response | null | undefined | void;

/**
 * Returns a proxy (before Next.js 16: a middleware) that picks landings up: a visitor who comes by a link with `?ref=` or
 * of a campaign gets the cookies that credit who sent them. What `then` answers is kept, and gets the cookies, too.
 */
export function touch(
  options: NextTouchOptions,
  then?: (request: NextRequest, event: NextFetchEvent) => Answer | Promise<Answer>,
): (request: NextRequest, event: NextFetchEvent) => Promise<Response> {
  const report = touchReporter(options);
  return async (request, event) => {
    const { headers, method, url } = request;
    // What the router of a page fetches is no visit.
    const isPage = !headers.has("rsc") && !headers.has("next-router-prefetch") && !headers.has("x-nextjs-data");
    // The scheme of the address is what `X-Forwarded-Proto` says, so it is left to that.
    const view = { method, url, header: (name: string) => headers.get(name), get ip() { return options.clientAddress?.(request) ?? undefined; } };
    const [lines, answer] = await Promise.all([isPage ? report(view) : [], then?.(request, event)]);
    if (lines.length === 0) return answer ?? NextResponse.next();
    const response = answer ? new NextResponse(answer.body, answer) : NextResponse.next();
    for (const line of lines) response.headers.append("set-cookie", line);
    response.headers.set("cache-control", keptPrivate(response.headers.get("cache-control")));
    return response;
  };
}
